//! A vector clock for every change.

use std::collections::BTreeMap;

use driftless_document::{ActorId, Change, ChangeHash};

/// Of every change, how many changes of each actor it knew of, itself counted.
pub(super) struct Clocks {
    clocks: Vec<Vec<u64>>,
    /// Of every change, its actor's place in the clocks, and its number.
    own: Vec<(usize, u64)>,
}

impl Clocks {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut places = BTreeMap::<ActorId, usize>::new();
        for change in changes {
            let next = places.len();
            places.entry(change.actor).or_insert(next);
        }
        let own: Vec<(usize, u64)> = changes
            .iter()
            .map(|change| (places[&change.actor], change.seq))
            .collect();
        let at: BTreeMap<ChangeHash, usize> = changes
            .iter()
            .enumerate()
            .map(|(n, change)| (change.hash, n))
            .collect();
        let mut clocks: Vec<Option<Vec<u64>>> = vec![None; changes.len()];
        // Repeated passes instead of an order: whatever has its whole past clocked is clocked next.
        while clocks.iter().any(Option::is_none) {
            let mut progress = false;
            for (n, change) in changes.iter().enumerate() {
                let known = change.deps.iter().filter_map(|dep| at.get(dep));
                let past: Option<Vec<&Vec<u64>>> = known.map(|&dep| clocks[dep].as_ref()).collect();
                let (None, Some(past)) = (&clocks[n], past) else {
                    continue;
                };
                let mut clock = vec![0; places.len()];
                for known in past {
                    for (mine, theirs) in clock.iter_mut().zip(known) {
                        *mine = (*mine).max(*theirs);
                    }
                }
                let (place, seq) = own[n];
                clock[place] = seq;
                clocks[n] = Some(clock);
                progress = true;
            }
            assert!(progress, "changes that depend on each other in a circle");
        }
        Self {
            clocks: clocks.into_iter().flatten().collect(),
            own,
        }
    }

    /// Whether change `earlier` is in the causal past of change `later`.
    pub(super) fn precedes(&self, earlier: usize, later: usize) -> bool {
        let (place, seq) = self.own[earlier];
        earlier != later && self.clocks[later][place] >= seq
    }
}
