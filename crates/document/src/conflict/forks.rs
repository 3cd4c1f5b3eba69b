//! Where a record's history forks, and who knew of whom inside a fork.
//!
//! A change that every other change either knew of or is known by separates the history: nothing before it
//! contests anything after it. What lies between two such changes is a fork, and only inside forks are sets
//! of ancestors kept. So a long history with little concurrency costs little.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::change::Change;
use crate::graph::Set;
use crate::ids::ChangeHash;

/// The forks of one history.
pub(super) struct Forks {
    forks: Vec<Fork>,
}

/// One stretch of concurrent changes, all after what is before `range` and before all that is after it.
pub(super) struct Fork {
    /// Its changes, as indexes into the history.
    pub(super) range: Range<usize>,
    ancestors: Vec<Set>,
}

impl Forks {
    /// Finds the forks of a history in which every change follows its past.
    pub(super) fn of(changes: &[Change]) -> Self {
        let deps = dependencies(changes);
        let separates = separators(&deps);
        let mut forks = Vec::new();
        let mut start = 0;
        while start < changes.len() {
            if separates[start] {
                start += 1;
                continue;
            }
            let end = (start..changes.len())
                .find(|&n| separates[n])
                .unwrap_or(changes.len());
            forks.push(Fork::new(start..end, &deps));
            start = end;
        }
        Self { forks }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fork> {
        self.forks.iter()
    }

    /// The fork that holds a change, if it lies in one.
    pub(super) fn holding(&self, change: usize) -> Option<&Fork> {
        let at = self.forks.partition_point(|fork| fork.range.end <= change);
        self.forks
            .get(at)
            .filter(|fork| fork.range.contains(&change))
    }
}

impl Fork {
    fn new(range: Range<usize>, deps: &[Vec<usize>]) -> Self {
        let mut ancestors: Vec<Set> = Vec::with_capacity(range.len());
        for change in range.clone() {
            let mut known = Set::with_room(range.len());
            for &dep in deps[change].iter().filter(|&&dep| dep >= range.start) {
                known.union(&ancestors[dep - range.start]);
                known.insert(dep - range.start);
            }
            ancestors.push(known);
        }
        Self { range, ancestors }
    }

    /// Whether change `later` knew of change `earlier`; `later` lies in this fork.
    pub(super) fn knew(&self, later: usize, earlier: usize) -> bool {
        earlier < self.range.start
            || (earlier < self.range.end
                && self.ancestors[later - self.range.start].contains(earlier - self.range.start))
    }

    /// What all these changes of this fork knew of in common, as a test of a change's index.
    pub(super) fn common_past(
        &self,
        changes: impl Iterator<Item = usize>,
    ) -> impl Fn(usize) -> bool {
        let mut common: Option<Set> = None;
        for change in changes {
            let known = &self.ancestors[change - self.range.start];
            match &mut common {
                None => common = Some(known.clone()),
                Some(common) => common.intersect(known),
            }
        }
        let common = common.unwrap_or_default();
        let start = self.range.start;
        move |change| change < start || common.contains(change - start)
    }
}

fn dependencies(changes: &[Change]) -> Vec<Vec<usize>> {
    let index: BTreeMap<ChangeHash, usize> = changes
        .iter()
        .enumerate()
        .map(|(n, c)| (c.hash, n))
        .collect();
    let known = |change: &Change| {
        change
            .deps
            .iter()
            .filter_map(|hash| index.get(hash))
            .copied()
            .collect()
    };
    changes.iter().map(known).collect()
}

/// Which changes separate the history: everything before is known to them, everything after knows them.
fn separators(deps: &[Vec<usize>]) -> Vec<bool> {
    let mut separates = vec![false; deps.len()];
    let mut is_head = vec![false; deps.len()];
    let mut heads = 0usize;
    for (n, deps) in deps.iter().enumerate() {
        for &dep in deps {
            heads -= usize::from(std::mem::take(&mut is_head[dep]));
        }
        is_head[n] = true;
        heads += 1;
        separates[n] = heads == 1;
    }
    // The same from the end: sources of what follows, instead of heads of what precedes.
    let mut children = vec![Vec::new(); deps.len()];
    for (n, deps) in deps.iter().enumerate() {
        for &dep in deps {
            children[dep].push(n);
        }
    }
    let mut is_source = vec![false; deps.len()];
    let mut sources = 0usize;
    for n in (0..deps.len()).rev() {
        for &child in &children[n] {
            sources -= usize::from(std::mem::take(&mut is_source[child]));
        }
        is_source[n] = true;
        sources += 1;
        separates[n] &= sources == 1;
    }
    separates
}
