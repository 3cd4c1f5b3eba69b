//! What settles an episode, and what withdraws that.

use std::collections::BTreeSet;

use super::clocks::{Extent, Fork};
use super::history::History;
use super::reviews::ReviewStep;
use super::{Review, ReviewAction};
use crate::ids::OpId;

/// What became of an episode.
pub(super) struct Settled<T> {
    /// The writes that settle it now, each with its change.
    pub(super) outcomes: Vec<(usize, T)>,
    /// The reopenings that withdrew earlier ones.
    withdrawing: BTreeSet<OpId>,
}

/// The episode whose fate is asked for.
pub(super) struct Case<'a> {
    pub(super) history: &'a History<'a>,
    pub(super) fork: &'a Fork,
    pub(super) members: &'a Extent,
    pub(super) reviews: &'a [&'a ReviewStep],
}

impl Case<'_> {
    /// The outcomes among some writes, which come in history order: those that succeed every member and no other
    /// such write. Where somebody who knew them all opened the entry again, only what was written after that
    /// counts; and so on.
    pub(super) fn settle<T: Copy>(
        &self,
        writes: &(impl Iterator<Item = (usize, T)> + Clone),
    ) -> Settled<T> {
        let forks = &self.history.forks;
        let mut settled = Settled {
            outcomes: Vec::new(),
            withdrawing: BTreeSet::new(),
        };
        let mut levels: Vec<Vec<usize>> = Vec::new();
        loop {
            let counts = |change: usize| {
                self.knew_all(self.members, change)
                    && levels
                        .iter()
                        .all(|reopened| reopened.iter().any(|&r| forks.knew(change, r)))
            };
            settled.outcomes = self.first(writes.clone().filter(|(change, _)| counts(*change)));
            let withdraws = |review: &&&ReviewStep| {
                let mut outcomes = settled.outcomes.iter();
                review.is_reopen() && outcomes.all(|(change, _)| forks.knew(review.change, *change))
            };
            if settled.outcomes.is_empty() {
                return settled;
            }
            let reopened: Vec<_> = self.reviews.iter().filter(withdraws).collect();
            if reopened.is_empty() {
                return settled;
            }
            settled
                .withdrawing
                .extend(reopened.iter().map(|review| review.operation));
            levels.push(reopened.iter().map(|review| review.change).collect());
        }
    }

    /// Those of some writes, which come in history order, that succeed no other of them.
    fn first<T: Copy>(&self, writes: impl Iterator<Item = (usize, T)>) -> Vec<(usize, T)> {
        let mut writes = writes.peekable();
        let Some(&(earliest, _)) = writes.peek() else {
            return Vec::new();
        };
        let Some(fork) = self.history.forks.holding(earliest) else {
            return writes.take(1).collect();
        };
        let beside: Vec<_> = writes
            .take_while(|(change, _)| fork.range.contains(change))
            .collect();
        let all = Extent::of(fork, beside.iter().map(|(change, _)| *change));
        let is_first = |&(change, _): &(usize, T)| !all.is_met_by(fork, change);
        beside.into_iter().filter(is_first).collect()
    }

    fn knew_all(&self, changes: &Extent, by: usize) -> bool {
        by >= self.fork.range.end
            || (by >= self.fork.range.start && changes.is_known_to(self.fork, by))
    }

    /// What was noted about the episode, and which of it holds.
    pub(super) fn reviews<T>(&self, reach: &Extent, settled: &Settled<T>) -> Vec<Review> {
        let forks = &self.history.forks;
        let reopened = |earlier: usize| {
            let mut reopenings = self.reviews.iter().filter(|review| review.is_reopen());
            reopenings.any(|review| forks.knew(review.change, earlier))
        };
        let review = |step: &&ReviewStep| {
            step.review(self.history, |what| match what {
                ReviewAction::Acknowledge { .. } => {
                    self.knew_all(reach, step.change) && !reopened(step.change)
                }
                ReviewAction::Reopen => settled.withdrawing.contains(&step.operation),
                ReviewAction::Other(_) => false,
                _ => settled
                    .outcomes
                    .iter()
                    .any(|(change, _)| *change == step.change),
            })
        };
        self.reviews.iter().map(review).collect()
    }
}
