//! Who knew of whom inside one fork: clocks by chain.
//!
//! A **chain** is a row of changes of the fork each of which knew of the one before; mostly those of one device,
//! whatever number of process starts they took. What a change knew of is then one number for each chain: how
//! far along it. A change that only continues its chain knew of the other chains what the one before it
//! knew, so clocks are made where branches begin and meet, and nowhere else.
//!
//! Two facts that the contests rest on: what contests a change in another chain lies in one piece there,
//! behind what the change knew of and before what knew of the change; and what a set of changes of one fork has
//! in common in its past, or is known by, can be said by one number for each chain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::graph::ChangeGraph;

/// A chain of the fork, by number.
type Chain = u32;
/// How far along a chain, from 1; 0 is before its first change.
type Place = u32;

/// One stretch of concurrent changes, all after what is before `range` and before all that is after it.
pub(super) struct Fork {
    /// Its changes, as indexes into the history.
    pub(super) range: Range<usize>,
    links: Vec<Link>,
    /// What was known of each chain; chains that are not listed were not known of.
    clocks: Vec<Box<[Place]>>,
}

/// Where a change stands.
#[derive(Clone, Copy)]
struct Link {
    chain: Chain,
    place: Place,
    /// Which clock says what it knew of the other chains.
    clock: u32,
}

impl Fork {
    /// The clocks of the changes at a range of places, without those at the places of genesis changes.
    pub(super) fn new(range: Range<usize>, graph: &ChangeGraph, genesis: &BTreeSet<usize>) -> Self {
        let mut building = Building {
            fork: Self {
                links: Vec::with_capacity(range.len()),
                clocks: vec![Box::default()],
                range: range.clone(),
            },
            lengths: Vec::new(),
            of_device: BTreeMap::new(),
        };
        for place in range.clone() {
            if genesis.contains(&place) {
                building.fork.links.push(NOWHERE);
                continue;
            }
            let deps = graph.deps_of(place).iter().copied();
            let inside = deps.filter(|dep| *dep >= range.start && !genesis.contains(dep));
            let device = graph.actor_at(place).device_prefix();
            building.push(device, &inside);
        }
        building.fork
    }

    fn link(&self, change: usize) -> Link {
        self.links[change - self.range.start]
    }

    /// The chain a change of this fork is in, and its place there.
    pub(super) fn place(&self, change: usize) -> (Chain, Place) {
        let link = self.link(change);
        (link.chain, link.place)
    }

    /// How far along a chain a change of this fork knew the others; of its own chain, those before it.
    pub(super) fn known(&self, change: usize, chain: Chain) -> Place {
        let link = self.link(change);
        if link.chain == chain {
            return link.place - 1;
        }
        let clock = &self.clocks[link.clock as usize];
        clock.get(chain as usize).copied().unwrap_or(0)
    }

    /// The chains that a change of this fork knew of, each with how far.
    fn all_known(&self, change: usize) -> impl Iterator<Item = (Chain, Place)> + '_ {
        let own = self.link(change);
        let clock = &self.clocks[own.clock as usize];
        let others = (0..).zip(clock.iter().copied());
        others
            .filter(move |&(chain, _)| chain != own.chain)
            .chain([(own.chain, own.place - 1)])
            .filter(|&(_, place)| place > 0)
    }

    /// Whether change `later` knew of change `earlier`; `later` lies in this fork.
    pub(super) fn knew(&self, later: usize, earlier: usize) -> bool {
        if earlier < self.range.start {
            return true;
        }
        if earlier >= self.range.end {
            return false;
        }
        let (chain, place) = self.place(earlier);
        self.known(later, chain) >= place
    }
}

/// Where a genesis change stands: nobody asks.
const NOWHERE: Link = Link {
    chain: Chain::MAX,
    place: 0,
    clock: 0,
};

struct Building {
    fork: Fork,
    /// How many changes each chain has.
    lengths: Vec<Place>,
    /// The chains that hold changes of a device at their ends, the newest last.
    of_device: BTreeMap<[u8; 8], Chain>,
}

impl Building {
    /// Adds a change that directly knew of these of the fork.
    fn push(&mut self, device: [u8; 8], deps: &(impl Iterator<Item = usize> + Clone)) {
        let mut inside = deps.clone();
        let first = inside.next().map(|dep| self.fork.link(dep));
        let link = match (first, inside.next()) {
            (None, _) => self.begin(0),
            // It only goes on: what it knew of other chains is what the one before it knew.
            (Some(before), None) if before.place == self.length(before.chain) => Link {
                place: before.place + 1,
                ..before
            },
            _ => self.meet(device, deps),
        };
        self.lengths[link.chain as usize] = link.place;
        if self.of_device.get(&device) != Some(&link.chain) {
            self.of_device.insert(device, link.chain);
        }
        self.fork.links.push(link);
    }

    fn length(&self, chain: Chain) -> Place {
        self.lengths[chain as usize]
    }

    fn begin(&mut self, clock: u32) -> Link {
        let chain = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        self.lengths.push(0);
        Link {
            chain,
            place: 1,
            clock,
        }
    }

    /// A change where branches meet or one begins: it continues a chain whose last change it knew, that of its
    /// device if it can.
    fn meet(&mut self, device: [u8; 8], deps: &(impl Iterator<Item = usize> + Clone)) -> Link {
        let mut clock: Vec<Place> = Vec::new();
        let mut raise = |chain: usize, place: Place| {
            if clock.len() <= chain {
                clock.resize(chain + 1, 0);
            }
            clock[chain] = clock[chain].max(place);
        };
        for dep in deps.clone() {
            let before = self.fork.link(dep);
            for (chain, &place) in self.fork.clocks[before.clock as usize].iter().enumerate() {
                raise(chain, place);
            }
            raise(before.chain as usize, before.place);
        }
        let is_at_end = |chain: Chain| {
            let known = clock.get(chain as usize).copied().unwrap_or(0);
            known > 0 && known == self.lengths[chain as usize]
        };
        let own = self.of_device.get(&device).copied();
        let continued = own.filter(|&chain| is_at_end(chain)).or_else(|| {
            let chains = 0..u32::try_from(clock.len()).unwrap_or(u32::MAX);
            chains.into_iter().find(|&chain| is_at_end(chain))
        });
        let number = u32::try_from(self.fork.clocks.len()).unwrap_or(u32::MAX);
        let link = match continued {
            Some(chain) => Link {
                chain,
                place: self.length(chain) + 1,
                clock: number,
            },
            None => self.begin(number),
        };
        self.fork.clocks.push(clock.into());
        link
    }
}

/// In each chain, the first and the last of some changes of a fork.
pub(super) struct Extent(BTreeMap<Chain, (Place, Place)>);

impl Extent {
    pub(super) fn of(fork: &Fork, changes: impl Iterator<Item = usize>) -> Self {
        let mut extent = BTreeMap::new();
        for change in changes {
            let (chain, place) = fork.place(change);
            let (first, last) = extent.entry(chain).or_insert((place, place));
            *first = place.min(*first);
            *last = place.max(*last);
        }
        Self(extent)
    }

    /// Whether a change of the fork knew of all of them.
    pub(super) fn is_known_to(&self, fork: &Fork, change: usize) -> bool {
        let mut chains = self.0.iter();
        chains.all(|(&chain, &(_, last))| fork.known(change, chain) >= last)
    }

    /// Whether a change of the fork knew of one of them.
    pub(super) fn is_met_by(&self, fork: &Fork, change: usize) -> bool {
        let mut chains = self.0.iter();
        chains.any(|(&chain, &(first, _))| fork.known(change, chain) >= first)
    }

    /// How far along each of these chains some change of `changes` knew.
    pub(super) fn reached(&self, fork: &Fork, changes: impl Iterator<Item = usize>) -> Reached {
        let mut reached: BTreeMap<Chain, Place> = BTreeMap::new();
        for change in changes {
            for &chain in self.0.keys() {
                let known = fork.known(change, chain);
                let most = reached.entry(chain).or_default();
                *most = known.max(*most);
            }
        }
        Reached(reached)
    }
}

/// How far along each chain something reaches.
pub(super) struct Reached(BTreeMap<Chain, Place>);

impl Reached {
    pub(super) fn includes(&self, fork: &Fork, change: usize) -> bool {
        let (chain, place) = fork.place(change);
        self.0.get(&chain).is_some_and(|&reached| reached >= place)
    }
}

/// What some changes of one fork knew of in common.
pub(super) struct CommonPast<'a> {
    fork: &'a Fork,
    /// Of the chains that all of them knew of, how far.
    known: BTreeMap<Chain, Place>,
}

impl<'a> CommonPast<'a> {
    pub(super) fn of(fork: &'a Fork, mut changes: impl Iterator<Item = usize>) -> Self {
        let mut known = BTreeMap::new();
        if let Some(first) = changes.next() {
            known.extend(fork.all_known(first));
        }
        for change in changes {
            known.retain(|&chain, place| {
                *place = fork.known(change, chain).min(*place);
                *place > 0
            });
        }
        Self { fork, known }
    }

    /// Whether a change, wherever it lies, is of this past.
    pub(super) fn includes(&self, change: usize) -> bool {
        if !self.fork.range.contains(&change) {
            return change < self.fork.range.start;
        }
        let (chain, place) = self.fork.place(change);
        self.known.get(&chain).is_some_and(|&known| known >= place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fork of some changes given by device and dependencies.
    fn fork(changes: &[(u8, Vec<usize>)]) -> Fork {
        let changes = changes.iter().map(|(device, deps)| (*device, &deps[..]));
        let graph = ChangeGraph::of_numbers(changes);
        Fork::new(0..graph.len(), &graph, &BTreeSet::new())
    }

    /// How many numbers the clocks have together.
    fn numbers(fork: &Fork) -> usize {
        fork.clocks.iter().map(|clock| clock.len()).sum()
    }

    #[test]
    fn two_long_branches_take_two_chains_and_no_clock_a_change() {
        let row = |n: usize| (1, Vec::from_iter(n.checked_sub(1)));
        let mut changes: Vec<_> = (0..10_000).map(row).collect();
        changes.push((2, Vec::new()));
        changes.extend((10_001..20_000).map(|n| (2, vec![n - 1])));
        let fork = fork(&changes);
        assert_eq!((fork.clocks.len(), numbers(&fork)), (1, 0));
        assert!(fork.knew(9_999, 0) && fork.knew(19_999, 10_000));
        assert!(!fork.knew(19_999, 9_999) && !fork.knew(9_999, 10_000));
    }

    #[test]
    fn devices_that_meet_again_and_again_go_on_in_their_chains() {
        // A third device knows nothing of all this, so it is one fork.
        let mut changes = vec![(3, Vec::new()), (1, Vec::new())];
        for _ in 0..100 {
            let last = changes.len() - 1;
            changes.push((1, vec![last]));
            changes.push((2, vec![last]));
            changes.push((1, vec![last + 1, last + 2]));
        }
        let fork = fork(&changes);
        let chains: std::collections::BTreeSet<_> = fork.links.iter().map(|l| l.chain).collect();
        assert_eq!(chains.len(), 3);
        let last = changes.len() - 1;
        assert!((1..last).all(|n| fork.knew(last, n)));
        assert!(!fork.knew(last, 0) && !fork.knew(last - 1, last - 2));
    }

    #[test]
    fn what_a_change_knew_is_what_its_dependencies_say_over_any_number_of_steps() {
        let mut dice = 7u64;
        let mut roll = |end: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(dice >> 33).unwrap_or(0) % end
        };
        for _ in 0..200 {
            let mut changes: Vec<(u8, Vec<usize>)> = Vec::new();
            let mut pasts: Vec<Vec<bool>> = Vec::new();
            for n in 0..40 {
                let count = if n == 0 { 0 } else { roll(3) };
                let deps: Vec<usize> = (0..count).map(|_| roll(n)).collect();
                let mut past = vec![false; 40];
                for &dep in &deps {
                    past[dep] = true;
                    (0..40).for_each(|m| past[m] |= pasts[dep][m]);
                }
                pasts.push(past);
                changes.push((u8::try_from(roll(4)).unwrap_or(0), deps));
            }
            let fork = fork(&changes);
            for (later, past) in pasts.iter().enumerate() {
                for earlier in (0..40).filter(|&earlier| earlier != later) {
                    assert_eq!(fork.knew(later, earlier), past[earlier]);
                }
            }
        }
    }
}
