//! Where a record's history forks, and who knew of whom.
//!
//! A change that every other change either knew of or is known by separates the history: nothing before it
//! contests anything after it. What lies between two such changes is a fork, and only inside forks is it kept
//! who knew of whom. So a long history with little concurrency costs little.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::clocks::Fork;
use crate::change::Change;
use crate::ids::ChangeHash;

/// The forks of one history.
pub(super) struct Forks {
    forks: Vec<Fork>,
    deps: Vec<Vec<usize>>,
}

impl Forks {
    /// Finds the forks of a history in which every change follows its past.
    ///
    /// Dependencies that are none of these changes are known to all of them.
    pub(super) fn of<C: Borrow<Change>>(changes: &[C]) -> Self {
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
            let inside = changes[start..end].iter().map(Borrow::borrow);
            let devices = inside.map(|change: &Change| change.actor.device_prefix());
            forks.push(Fork::new(start..end, devices, &deps[start..end]));
            start = end;
        }
        Self { forks, deps }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fork> {
        self.forks.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forks.is_empty()
    }

    /// The fork that holds a change, if it lies in one.
    pub(super) fn holding(&self, change: usize) -> Option<&Fork> {
        let at = self.forks.partition_point(|fork| fork.range.end <= change);
        self.forks
            .get(at)
            .filter(|fork| fork.range.contains(&change))
    }

    /// The changes of a fork that one of its changes directly knew of.
    pub(super) fn deps_in(&self, fork: &Fork, change: usize) -> impl Iterator<Item = usize> + '_ {
        let start = fork.range.start;
        let deps = self.deps[change].iter().copied();
        deps.filter(move |&dep| dep >= start)
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

fn dependencies<C: Borrow<Change>>(changes: &[C]) -> Vec<Vec<usize>> {
    let changes = || changes.iter().map(Borrow::borrow);
    let hashes = changes().map(|change: &Change| change.hash);
    let index: BTreeMap<ChangeHash, usize> = hashes.zip(0..).collect();
    let known = |change: &Change| {
        let deps = change.deps.iter().filter_map(|hash| index.get(hash));
        deps.copied().collect()
    };
    changes().map(known).collect()
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
    // The same from the end: sources of what follows, instead of heads of what precedes. A change is a source
    // until one that it depends on comes.
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
