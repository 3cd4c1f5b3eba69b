//! A record's changes, sorted by what they write.

use std::collections::BTreeMap;

use super::forks::{Forks, within};
use super::reviews::{self, ReviewStep};
use crate::change::{Action, Change, Operation};
use crate::ids::{EntryId, OpId};
use crate::path::DELETED;
use crate::value::Value;

/// What a text's key ends in; only texts, lists and counters have a bare `#`.
pub(super) const TEXT: &str = "#text";

/// A leaf that is written as a whole: a key of the record, or an element of the list of that key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf<'a> {
    pub(super) key: &'a str,
    pub(super) element: Option<OpId>,
}

impl Leaf<'_> {
    /// The register's name in the log.
    pub(super) fn name(&self) -> String {
        match self.element {
            None => self.key.to_owned(),
            Some(element) => format!("{}/{}@{}", self.key, element.counter, element.actor),
        }
    }
}

/// One operation on a leaf.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) change: usize,
    pub(super) operation: OpId,
    /// What it gives the leaf; nothing where it empties it.
    pub(super) value: Option<&'a Value>,
    pred: &'a [OpId],
    /// Whether it is what its change does to the leaf: its last step there, and not the making of an element.
    is_write: bool,
}

/// What was there before the first change that is looked at.
pub(super) trait Start {
    /// The live operations of a leaf with their values.
    fn live(&self, leaf: Leaf<'_>) -> Vec<(OpId, Value)>;

    /// The elements of a text, in order, each with its value.
    fn elements(&self, key: &str) -> Vec<(OpId, Value)>;
}

/// A record's changes, sorted by what they write.
pub(super) struct History<'a> {
    pub(super) changes: &'a [&'a Change],
    pub(super) forks: Forks,
    pub(super) start: &'a dyn Start,
    /// Per leaf all its steps, in history order.
    leaves: BTreeMap<Leaf<'a>, Vec<Step<'a>>>,
    /// Per text the changes that edit it, in history order.
    texts: BTreeMap<&'a str, Vec<usize>>,
    /// Per entry that is named, what was noted about it, in history order.
    reviews: BTreeMap<EntryId, Vec<ReviewStep<'a>>>,
}

impl<'a> History<'a> {
    /// Sorts the changes by those leaves and texts that are `wanted`; what is noted about entries is wanted always.
    pub(super) fn new(
        changes: &'a [&'a Change],
        forks: Forks,
        start: &'a dyn Start,
        wanted: &dyn Fn(Leaf<'_>) -> bool,
    ) -> Self {
        let mut history = Self {
            changes,
            forks,
            start,
            leaves: BTreeMap::new(),
            texts: BTreeMap::new(),
            reviews: BTreeMap::new(),
        };
        for (n, change) in changes.iter().enumerate() {
            for (operation, step) in change.numbered() {
                if let Some(entry) = reviews::entry_named(&step.key) {
                    let steps = history.reviews.entry(entry).or_default();
                    reviews::push(steps, n, operation, &step.action);
                } else if makes_entries(&step.key) {
                    history.push(n, operation, step, wanted);
                }
            }
        }
        history.add_insertions();
        history
    }

    fn push(
        &mut self,
        change: usize,
        operation: OpId,
        step: &'a Operation,
        wanted: &dyn Fn(Leaf<'_>) -> bool,
    ) {
        let key = step.key.as_str();
        let (element, value) = match &step.action {
            Action::Put(value) => (None, Some(value)),
            Action::Delete => (None, None),
            Action::Insert { .. } | Action::DeleteElement { .. } if key.ends_with(TEXT) => {
                let edits = self.texts.get(key).and_then(|edits| edits.last());
                if edits != Some(&change) && wanted(Leaf { key, element: None }) {
                    self.texts.entry(key).or_default().push(change);
                }
                return;
            }
            Action::PutElement { element, value } => (Some(*element), Some(value)),
            Action::DeleteElement { element } => (Some(*element), None),
            Action::Insert { .. } | Action::Increment(_) => return,
        };
        let leaf = Leaf { key, element };
        if !wanted(leaf) {
            return;
        }
        let steps = self.leaves.entry(leaf).or_default();
        if let Some(last) = steps.last_mut() {
            last.is_write &= last.change != change;
        }
        steps.push(Step {
            change,
            operation,
            value,
            pred: &step.pred,
            is_write: true,
        });
    }

    /// Adds to the elements that were written how they came to be.
    fn add_insertions(&mut self) {
        if self.leaves.keys().all(|leaf| leaf.element.is_none()) {
            return;
        }
        for (n, change) in self.changes.iter().enumerate() {
            for (operation, step) in change.numbered() {
                let Action::Insert { value, .. } = &step.action else {
                    continue;
                };
                let leaf = Leaf {
                    key: &step.key,
                    element: Some(operation),
                };
                if let Some(steps) = self.leaves.get_mut(&leaf) {
                    let made = Step {
                        change: n,
                        operation,
                        value: Some(value),
                        pred: &[],
                        is_write: false,
                    };
                    steps.insert(0, made);
                }
            }
        }
    }

    /// The leaves that are written.
    pub(super) fn leaves(&self) -> impl Iterator<Item = Leaf<'a>> + '_ {
        self.leaves.keys().copied()
    }

    /// The texts that are edited.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.texts.keys().copied()
    }

    /// The steps on a leaf, in history order.
    pub(super) fn steps(&self, leaf: Leaf<'a>) -> &[Step<'a>] {
        self.leaves.get(&leaf).map_or(&[], Vec::as_slice)
    }

    /// What each change from `first` on does to a leaf, in history order.
    pub(super) fn writes_from(
        &self,
        leaf: Leaf<'a>,
        first: usize,
    ) -> impl Iterator<Item = &Step<'a>> + Clone {
        let steps = self.steps(leaf);
        let from = steps.partition_point(|step| step.change < first);
        steps[from..].iter().filter(|step| step.is_write)
    }

    /// The changes of a range that edit a text, in history order.
    pub(super) fn edits(&self, text: &str, range: &std::ops::Range<usize>) -> &[usize] {
        let edits = self.texts.get(text).map_or(&[][..], Vec::as_slice);
        &edits[within(edits, range, |&change| change)]
    }

    /// What was noted about the entry of these names, in (counter, actor) order; without what `is_past` names.
    pub(super) fn reviews_of(
        &self,
        names: &[EntryId],
        is_past: impl Fn(usize) -> bool,
    ) -> Vec<ReviewStep<'a>> {
        if self.reviews.is_empty() {
            return Vec::new();
        }
        let named = names.iter().filter_map(|id| self.reviews.get(id));
        let mut found: Vec<_> = named.flatten().copied().collect();
        found.retain(|step| step.is_note() && !is_past(step.change));
        found.sort_by_key(|step| step.operation);
        found
    }

    /// The values live on a leaf after the changes that `includes` names, smallest operation first.
    pub(super) fn live(
        &self,
        leaf: Leaf<'a>,
        includes: impl Fn(usize) -> bool,
    ) -> Vec<(OpId, Value)> {
        let mut live: BTreeMap<_, _> = self.start.live(leaf).into_iter().collect();
        for step in self.steps(leaf).iter().filter(|s| includes(s.change)) {
            step.apply(&mut live, Value::clone);
        }
        live.into_iter().collect()
    }

    /// Whether the record reads deleted in the past of each change of a fork.
    pub(super) fn reads_deleted(&self, fork: &super::clocks::Fork) -> Vec<bool> {
        super::deleted::before_each(self, fork)
    }
}

impl<'a> Step<'a> {
    /// Does to the live values of its leaf what it does.
    pub(super) fn apply<T>(&self, live: &mut BTreeMap<OpId, T>, keep: impl Fn(&'a Value) -> T) {
        for replaced in self.pred {
            live.remove(replaced);
        }
        if let Some(value) = self.value {
            live.insert(self.operation, keep(value));
        }
    }
}

/// Of our own registers only the one that says deleted makes entries.
fn makes_entries(key: &str) -> bool {
    key == DELETED || !key.starts_with('$')
}
