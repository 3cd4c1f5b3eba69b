//! How often edits made apart were merged without anything to log: what a log cannot tell, for it has no entry.

use std::collections::BTreeSet;

use super::Entry;
use super::forks::Forks;
use crate::change::Change;
use crate::graph::ChangeGraph;

/// How many forks a record's history has in which no entry lies: edits made apart, all of them merged.
///
/// `changes` are all the record's changes, each after its past, and `entries` what [`evidence`](super::evidence) finds
/// in them. A fork is a stretch of history with changes that did not know of each other, up to the change that knew of
/// all.
pub fn merged_forks(changes: &[Change], entries: &[Entry]) -> u64 {
    let members = entries.iter().flat_map(|entry| &entry.members);
    let contested: BTreeSet<_> = members.map(|member| member.change).collect();
    let graph = ChangeGraph::of(changes);
    let forks = Forks::of(&graph, &BTreeSet::new());
    let merged = forks.iter().filter(|fork| {
        let mut hashes = changes[fork.range.clone()].iter().map(|change| change.hash);
        !hashes.any(|hash| contested.contains(&hash))
    });
    merged.count() as u64
}
