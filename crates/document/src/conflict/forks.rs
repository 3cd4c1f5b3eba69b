//! Where a record's history forks, and who knew of whom.
//!
//! A change that every other change either knew of or is known by separates the history: nothing before it
//! contests anything after it. What lies between two such changes is a fork, and only inside forks is it kept
//! who knew of whom. So a long history with little concurrency costs little.

use std::collections::BTreeSet;
use std::ops::Range;

use super::clocks::Fork;
use super::window::Scan;
use crate::graph::ChangeGraph;

/// The forks of a history, or of the end of one.
pub(super) struct Forks(Vec<Fork>);

impl Forks {
    /// These, in history order.
    pub(super) fn new(forks: Vec<Fork>) -> Self {
        Self(forks)
    }

    /// All forks of a history, without the changes at the places of genesis changes.
    pub(super) fn of(graph: &ChangeGraph, genesis: &BTreeSet<usize>) -> Self {
        let mut scan = Scan::new(graph, genesis);
        scan.fork_of(0); // there is none before the first change, so it looks at all
        scan.forks_from(0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fork> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fork that holds a change, if it lies in one.
    pub(super) fn holding(&self, change: usize) -> Option<&Fork> {
        let at = self.0.partition_point(|fork| fork.range.end <= change);
        self.0.get(at).filter(|fork| fork.range.contains(&change))
    }

    /// Whether change `later` knew of change `earlier`, wherever in the history both lie.
    pub(super) fn knew(&self, later: usize, earlier: usize) -> bool {
        earlier < later
            && self
                .holding(later)
                .is_none_or(|fork| fork.knew(later, earlier))
    }
}

/// Where those of a range of changes lie among things that are sorted by their change.
pub(super) fn within<T>(
    sorted: &[T],
    range: &Range<usize>,
    change: impl Fn(&T) -> usize,
) -> Range<usize> {
    let from = sorted.partition_point(|one| change(one) < range.start);
    let to = sorted.partition_point(|one| change(one) < range.end);
    from..to
}
