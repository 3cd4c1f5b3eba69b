//! What a record's changes wrote, by register: what the conflict log is computed from.
//!
//! A loaded record keeps one, so that an edit made apart costs what was written to its registers since, and no
//! change is taken apart twice. It has what was written from some place in the change graph on: a record that was
//! loaded takes its changes apart only as far back as a fork reaches. Elements of lists and texts are not here, but
//! in their [`Sequence`](crate::sequence::Sequence); of a text it has which change stands where.
//!
//! Changes are numbered by their places in the record's change graph.

use std::collections::{BTreeMap, BTreeSet};

use super::reviews::{self, ReviewStep};
use crate::change::{Action, Change};
use crate::ids::{ChangeHash, EntryId, OpId};
use crate::path::DELETED;
use crate::value::Value;

/// What a text's key ends in; only texts, lists and counters have a bare `#`.
pub(super) const TEXT: &str = "#text";

/// What was written from some place in a record's change graph on.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    from: usize,
    /// The heads of what stands before that.
    heads: Vec<ChangeHash>,
    /// Per key of a field, set member or `$deleted`, in the order of the graph.
    writes: BTreeMap<String, Vec<Write>>,
    /// Per text the changes that edit it, in the order of the graph.
    edits: BTreeMap<String, Vec<Edit>>,
    /// Per counter, text or list the smallest operation in it, with its change.
    first_steps: BTreeMap<String, (OpId, usize)>,
    /// Per entry that is named, what was noted about it, in the order of the graph.
    reviews: BTreeMap<EntryId, Vec<ReviewStep>>,
    /// Per place from `from` on: the counter of the smallest operation on a field, or 0 where there is none or
    /// the change deletes or restores the record.
    touches: Vec<u64>,
}

/// One operation on a key.
#[derive(Clone)]
pub(super) struct Write {
    pub(super) change: usize,
    pub(super) operation: OpId,
    /// What it gives the key; nothing where it empties it.
    pub(super) value: Option<Value>,
    pub(super) pred: Vec<OpId>,
}

/// What one change does to a text.
#[derive(Clone)]
pub(super) struct Edit {
    pub(super) change: usize,
    /// Its smallest operation in the text.
    pub(super) operation: OpId,
    /// What others put in and it removed, sorted.
    pub(super) removed: Vec<OpId>,
    /// What it put in, sorted.
    pub(super) inserted: Vec<OpId>,
    /// Behind what it put that in, sorted.
    pub(super) gaps: Vec<Option<OpId>>,
}

impl Edit {
    fn of(place: usize, change: &Change, key: &str) -> Option<Self> {
        let steps = || change.numbered().filter(|(_, step)| step.key == key);
        let (operation, _) = steps().next()?;
        let mut own_gaps = BTreeMap::new();
        let (mut removed, mut inserted, mut gaps) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (id, step) in steps() {
            match &step.action {
                Action::Insert { after, .. } => {
                    let own = after.and_then(|after| own_gaps.get(&after).copied());
                    let gap = own.unwrap_or(*after);
                    own_gaps.insert(id, gap);
                    inserted.insert(id);
                    gaps.insert(gap);
                }
                Action::DeleteElement { element } if !inserted.contains(element) => {
                    removed.insert(*element);
                }
                _ => {}
            }
        }
        Some(Self {
            change: place,
            operation,
            removed: removed.into_iter().collect(),
            inserted: inserted.into_iter().collect(),
            gaps: gaps.into_iter().collect(),
        })
    }
}

impl Ledger {
    /// One that has nothing yet and begins at this place, before which these are the heads, sorted.
    pub(crate) fn starting_at(from: usize, heads: Vec<ChangeHash>) -> Self {
        Self {
            from,
            heads,
            ..Self::default()
        }
    }

    /// The heads of what stands before the place it begins at, sorted.
    pub(crate) fn heads_before(&self) -> &[ChangeHash] {
        &self.heads
    }

    /// The place from which on it has everything.
    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// Takes in the change at a place, the places in ascending order.
    pub(crate) fn push(&mut self, place: usize, change: &Change) {
        let mut touch = None;
        let mut writes_deleted = false;
        let mut texts = BTreeSet::new();
        for (id, step) in change.numbered() {
            let key = step.key.as_str();
            if let Some(entry) = reviews::entry_named(key) {
                let steps = self.reviews.entry(entry).or_default();
                reviews::push(steps, place, id, &step.action);
            }
            writes_deleted |= key == DELETED;
            if key.starts_with('$') && key != DELETED {
                continue; // of our own registers only the one that says deleted makes entries
            }
            touch = touch.or(Some(id.counter));
            let value = match &step.action {
                Action::Put(value) => Some(value.clone()),
                Action::Delete => None,
                _ => {
                    self.note_first(key, id, place);
                    if key.ends_with(TEXT) {
                        texts.insert(key);
                    }
                    continue;
                }
            };
            let write = Write {
                change: place,
                operation: id,
                value,
                pred: step.pred.clone(),
            };
            push_at(&mut self.writes, key, write);
        }
        for key in texts {
            if let Some(edit) = Edit::of(place, change, key) {
                push_at(&mut self.edits, key, edit);
            }
        }
        // In between lie genesis changes, which are nobody's edits.
        self.touches.resize(place.saturating_sub(self.from), 0);
        let touch = touch.filter(|_| !writes_deleted);
        self.touches.push(touch.unwrap_or(0));
    }

    fn note_first(&mut self, key: &str, id: OpId, place: usize) {
        match self.first_steps.get_mut(key) {
            Some(first) if first.0 <= id => {}
            Some(first) => *first = (id, place),
            None => {
                self.first_steps.insert(key.to_owned(), (id, place));
            }
        }
    }

    /// Takes in what another has, which begins where this one ends.
    pub(crate) fn append(&mut self, later: Self) {
        self.touches.resize(later.from.saturating_sub(self.from), 0);
        self.touches.extend(later.touches);
        for (key, writes) in later.writes {
            self.writes.entry(key).or_default().extend(writes);
        }
        for (key, edits) in later.edits {
            self.edits.entry(key).or_default().extend(edits);
        }
        for (entry, steps) in later.reviews {
            self.reviews.entry(entry).or_default().extend(steps);
        }
        for (key, (id, place)) in later.first_steps {
            self.note_first(&key, id, place);
        }
    }

    /// The keys that are written.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.writes.keys().map(String::as_str)
    }

    /// The texts that are edited.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.edits.keys().map(String::as_str)
    }

    /// The counters, texts and lists that somebody wrote to.
    pub(super) fn objects(&self) -> impl Iterator<Item = &str> {
        self.first_steps.keys().map(String::as_str)
    }

    /// What is written to a key.
    pub(super) fn writes(&self, key: &str) -> &[Write] {
        self.writes.get(key).map_or(&[], Vec::as_slice)
    }

    /// The edits of a text.
    pub(super) fn edits(&self, key: &str) -> &[Edit] {
        self.edits.get(key).map_or(&[], Vec::as_slice)
    }

    /// The smallest operation in a counter, text or list, with its change.
    pub(super) fn first_step(&self, key: &str) -> Option<(OpId, usize)> {
        self.first_steps.get(key).copied()
    }

    /// What was noted about the entry of this name.
    pub(super) fn reviews(&self, entry: &EntryId) -> &[ReviewStep] {
        self.reviews.get(entry).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing was noted about any entry.
    pub(super) fn has_no_reviews(&self) -> bool {
        self.reviews.is_empty()
    }

    /// The counter of the smallest operation on a field of the change at a place, unless that deletes or restores
    /// the record.
    pub(super) fn touch(&self, place: usize) -> Option<u64> {
        let touch = place.checked_sub(self.from);
        let touch = touch.and_then(|at| self.touches.get(at).copied());
        touch.filter(|&counter| counter > 0)
    }
}

/// Adds to the values of a key; most keys are there already.
fn push_at<T>(map: &mut BTreeMap<String, Vec<T>>, key: &str, value: T) {
    match map.get_mut(key) {
        Some(values) => values.push(value),
        None => {
            map.insert(key.to_owned(), vec![value]);
        }
    }
}
