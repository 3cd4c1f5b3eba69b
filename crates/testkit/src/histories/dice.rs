//! Choices that are the same on every run, and the orders of delivery that they make.

use std::collections::BTreeSet;

use driftless_document::Change;

/// A small deterministic source of choices (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() >> 32).unwrap_or(0) % end
    }
}

/// The changes of a set in some order in which each follows its past, all such orders possible.
pub fn shuffled(changes: &[Change], dice: &mut Dice) -> Vec<Change> {
    let mut waiting: Vec<&Change> = changes.iter().collect();
    let mut left: BTreeSet<_> = changes.iter().map(|change| change.hash).collect();
    let mut order = Vec::with_capacity(changes.len());
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|&n| !waiting[n].deps.iter().any(|dep| left.contains(dep)))
            .collect();
        let next = waiting.remove(ready[dice.below(ready.len())]);
        left.remove(&next.hash);
        order.push(next.clone());
    }
    order
}
