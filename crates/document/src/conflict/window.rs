//! Where the fork of a change begins, looked for from the end of the history.
//!
//! A change separates the history where it is the only head of what stands up to it, and the only source of
//! what stands from it on: then everything before is known to it, and it is known to everything after. Both are
//! counted while going back, so it costs what lies behind the fork's beginning and nothing else.

use std::collections::BTreeSet;

use super::clocks::Fork;
use super::forks::Forks;
use crate::graph::ChangeGraph;

/// A look back over a graph, as far as was asked for.
pub(super) struct Scan<'a> {
    graph: &'a ChangeGraph,
    /// The places of genesis changes: nobody's edits, concurrent with everything, left out.
    genesis: &'a BTreeSet<usize>,
    /// What stands from here on was looked at.
    at: usize,
    /// The changes found that separate the history, the last one first.
    separators: Vec<usize>,
    /// How many heads what stands before `at` has.
    heads: usize,
    /// How many sources what stands from `at` on has.
    sources: usize,
    /// By place, counted from the end: how many changes from `at` on depend on it.
    children: Vec<u32>,
    /// Likewise: of how many changes from `at` on it is the last dependency.
    last_of: Vec<u32>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(graph: &'a ChangeGraph, genesis: &'a BTreeSet<usize>) -> Self {
        let heads = graph.head_places().filter(|n| !genesis.contains(n)).count();
        Self {
            at: graph.len(),
            separators: Vec::new(),
            heads,
            sources: 0,
            children: Vec::new(),
            last_of: Vec::new(),
            graph,
            genesis,
        }
    }

    /// Where the fork of the change at this place begins: behind a change that everything from there on knew of.
    pub(super) fn fork_of(&mut self, place: usize) -> usize {
        if let Some(&last) = self.separators.last()
            && last < place
        {
            return last + 1;
        }
        while self.at > 0 {
            self.at -= 1;
            if !self.genesis.contains(&self.at) && self.pass(self.at) {
                self.separators.push(self.at);
                if self.at < place {
                    return self.at + 1;
                }
            }
        }
        0
    }

    /// The forks from a place on that [`Self::fork_of`] gave.
    pub(super) fn forks_from(&self, from: usize) -> Forks {
        let mut forks = Vec::new();
        let mut start = from;
        let separators = self.separators.iter().rev().copied();
        let inside = separators.filter(|&place| place >= from);
        for end in inside.chain([self.graph.len()]) {
            if (start..end).any(|place| !self.genesis.contains(&place)) {
                forks.push(Fork::new(start..end, self.graph, self.genesis));
            }
            start = end + 1;
        }
        Forks::new(forks)
    }

    /// Takes the change before `at` from what stands before to what stands behind; whether it separates the two.
    fn pass(&mut self, place: usize) -> bool {
        let end = self.graph.len() - 1;
        let last_of = self.last_of.get(end - place).copied().unwrap_or(0);
        self.sources = self.sources + 1 - last_of as usize;
        let separates = self.heads == 1 && self.sources == 1;
        self.heads -= 1;
        let mut last = None;
        for &dep in self.graph.deps_of(place) {
            if self.genesis.contains(&dep) {
                continue;
            }
            last = last.max(Some(dep));
            let at = end - dep;
            if self.children.len() <= at {
                self.children.resize(at + 1, 0);
            }
            self.children[at] += 1;
            self.heads += usize::from(self.children[at] == self.graph.children_of(dep));
        }
        if let Some(last) = last {
            let at = end - last;
            if self.last_of.len() <= at {
                self.last_of.resize(at + 1, 0);
            }
            self.last_of[at] += 1;
        }
        separates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(deps: &[Vec<usize>]) -> ChangeGraph {
        ChangeGraph::of_numbers(deps.iter().map(|deps| (1, &deps[..])))
    }

    /// 10,000 changes in a row, and one that knew of all but the last 10.
    fn long() -> Vec<Vec<usize>> {
        let mut deps: Vec<_> = (0..10_000)
            .map(|n: usize| Vec::from_iter(n.checked_sub(1)))
            .collect();
        deps.push(vec![9_989]);
        deps
    }

    #[test]
    fn what_lies_before_a_fork_is_not_looked_at() {
        let graph = graph(&long());
        let none = BTreeSet::new();
        let mut scan = Scan::new(&graph, &none);
        assert_eq!(scan.fork_of(10_000), 9_990);
        assert_eq!(
            scan.at, 9_989,
            "one more than the window has, to know where it begins"
        );
        assert_eq!(scan.fork_of(9_995), 9_990);
        assert_eq!(scan.fork_of(500), 500);
    }

    #[test]
    fn a_genesis_change_is_beside_nothing() {
        let mut deps = long();
        deps.push(Vec::new()); // of a field that is new
        deps.push(vec![9_999, 10_000, 10_001]);
        deps.push(vec![10_002]);
        let graph = graph(&deps);
        let genesis = BTreeSet::from([10_001]);
        let mut scan = Scan::new(&graph, &genesis);
        assert_eq!(scan.fork_of(10_003), 10_003);
        assert_eq!(scan.fork_of(10_000), 9_990);
    }

    #[test]
    fn a_fork_from_the_beginning_begins_there() {
        let graph = graph(&[vec![], vec![], vec![0], vec![1, 2]]);
        let none = BTreeSet::new();
        assert_eq!(Scan::new(&graph, &none).fork_of(3), 0);
        assert_eq!(Scan::new(&graph, &none).fork_of(2), 0);
    }
}
