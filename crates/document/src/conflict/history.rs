//! A record's history as the conflict log looks at it: its change graph, and what was written to its registers.
//!
//! Changes are numbered by their places in the graph.

use std::collections::{BTreeMap, BTreeSet};

use super::clocks::Fork;
use super::forks::{Forks, within};
use super::ledger::{Edit, Ledger};
use super::reviews::ReviewStep;
use crate::graph::ChangeGraph;
use crate::ids::{ChangeHash, EntryId, OpId};
use crate::sequence::Sequence;
use crate::value::Value;

/// A leaf that is written as a whole: a key of the record, or an element of the list of that key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf<'a> {
    pub(super) key: &'a str,
    pub(super) element: Option<OpId>,
}

impl<'a> Leaf<'a> {
    /// A key as a whole.
    pub(super) fn whole(key: &'a str) -> Self {
        Self { key, element: None }
    }

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
    pub(super) pred: &'a [OpId],
    /// Whether it is what its change does to the leaf: its last step there, and not the making of an element.
    pub(super) is_write: bool,
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

/// What lies beside the ledger.
pub(super) trait Source {
    /// The text or list with this key.
    fn sequence(&self, key: &str) -> Option<&Sequence>;

    /// The live operations of a key before the ledger begins, with their values.
    fn live_before(&self, key: &str) -> Vec<(OpId, Value)>;
}

/// A record's history, as far back as was asked for.
pub(super) struct History<'a> {
    pub(super) graph: &'a ChangeGraph,
    /// The places of genesis changes: nobody's edits, concurrent with everything, left out.
    pub(super) genesis: &'a BTreeSet<usize>,
    pub(super) ledger: &'a Ledger,
    pub(super) source: &'a dyn Source,
    pub(super) forks: Forks,
}

impl<'a> History<'a> {
    /// The hash of the change at a place, and when it was made.
    pub(super) fn change(&self, place: usize) -> (ChangeHash, i64) {
        (self.graph.hash_at(place), self.graph.time_at(place))
    }

    /// The changes of a fork that one of its changes directly knew of.
    pub(super) fn deps_in(&self, fork: &Fork, change: usize) -> impl Iterator<Item = usize> {
        let start = fork.range.start;
        let deps = self.graph.deps_of(change).iter().copied();
        deps.filter(move |dep| *dep >= start && !self.genesis.contains(dep))
    }

    /// The steps on a leaf, in history order.
    pub(super) fn steps(&self, leaf: Leaf<'_>) -> Vec<Step<'a>> {
        let mut steps: Vec<Step<'a>> = match leaf.element {
            None => {
                let writes = self.ledger.writes(leaf.key).iter();
                let steps = writes.map(|write| Step {
                    change: write.change,
                    operation: write.operation,
                    value: write.value.as_ref(),
                    pred: &write.pred,
                    is_write: true,
                });
                steps.collect()
            }
            Some(element) => {
                let sequence = self.source.sequence(leaf.key);
                let steps = sequence.into_iter().flat_map(|s| s.steps(&element));
                let steps = steps.map(|step| Step {
                    change: step.change,
                    operation: step.id,
                    value: step.value,
                    pred: step.replaced,
                    is_write: step.id != element,
                });
                steps.collect()
            }
        };
        for n in 1..steps.len() {
            let next = steps[n].change;
            steps[n - 1].is_write &= steps[n - 1].change != next;
        }
        steps
    }

    /// The edits of a text that lie in a fork, in history order.
    pub(super) fn edits(&self, text: &str, fork: &Fork) -> &'a [Edit] {
        let edits = self.ledger.edits(text);
        &edits[within(edits, &fork.range, |edit| edit.change)]
    }

    /// What was noted about the entry of these names, in (counter, actor) order; without what `is_past` names.
    pub(super) fn reviews_of(
        &self,
        names: &[EntryId],
        is_past: impl Fn(usize) -> bool,
    ) -> Vec<&'a ReviewStep> {
        if self.ledger.has_no_reviews() {
            return Vec::new();
        }
        let named = names.iter().flat_map(|id| self.ledger.reviews(id));
        let noted = named.filter(|step| step.is_note() && !is_past(step.change));
        let mut found: Vec<_> = noted.collect();
        found.sort_by_key(|step| step.operation);
        found
    }

    /// The values live on a leaf after the changes that `includes` names, given its steps; smallest operation first.
    pub(super) fn live(
        &self,
        leaf: Leaf<'_>,
        steps: &[Step<'a>],
        includes: impl Fn(usize) -> bool,
    ) -> Vec<(OpId, Value)> {
        let mut live: BTreeMap<_, _> = self.live_before(leaf).into_iter().collect();
        for step in steps.iter().filter(|step| includes(step.change)) {
            step.apply(&mut live, Value::clone);
        }
        live.into_iter().collect()
    }

    /// The values live on a leaf before the first of its steps that are known.
    pub(super) fn live_before(&self, leaf: Leaf<'_>) -> Vec<(OpId, Value)> {
        match leaf.element {
            None if self.ledger.from() > 0 => self.source.live_before(leaf.key),
            _ => Vec::new(), // of elements all steps are known
        }
    }

    /// Whether the record reads deleted in the past of each change of a fork.
    pub(super) fn reads_deleted(&self, fork: &Fork) -> Vec<bool> {
        super::deleted::before_each(self, fork)
    }
}
