//! A failing case made smaller: steps are left out for as long as it still fails.

use crate::histories::{self, Plan, REPLICAS};
use crate::schedule::{self, DEVICES, Schedule};

/// Cases that are tried, at most: what is left by then is small enough to be read.
const ATTEMPTS: usize = 2_000;

/// A case that can be made smaller.
pub trait Shrinks: Clone + PartialEq {
    /// What it is made of.
    type Step;

    /// Its steps.
    fn steps(&self) -> &[Self::Step];

    /// Its steps, to take some out.
    fn steps_mut(&mut self) -> &mut Vec<Self::Step>;

    /// The same for fewer, the smallest first.
    fn for_fewer(&self) -> Vec<Self>;

    /// The same without some steps.
    #[must_use]
    fn without(&self, steps: std::ops::Range<usize>) -> Self {
        let mut smaller = self.clone();
        smaller.steps_mut().drain(steps);
        smaller
    }
}

impl Shrinks for Schedule {
    type Step = schedule::Step;

    fn steps(&self) -> &[Self::Step] {
        &self.steps
    }

    fn steps_mut(&mut self) -> &mut Vec<Self::Step> {
        &mut self.steps
    }

    fn for_fewer(&self) -> Vec<Self> {
        let fewer = |devices| Self {
            devices,
            ..self.clone()
        };
        (*DEVICES.start()..self.devices).map(fewer).collect()
    }
}

impl Shrinks for Plan {
    type Step = histories::Step;

    fn steps(&self) -> &[Self::Step] {
        &self.steps
    }

    fn steps_mut(&mut self) -> &mut Vec<Self::Step> {
        &mut self.steps
    }

    fn for_fewer(&self) -> Vec<Self> {
        let fewer = |replicas| Self {
            replicas,
            ..self.clone()
        };
        (*REPLICAS.start()..self.replicas).map(fewer).collect()
    }
}

/// A case that fails too, of which no step can be left out; it takes steps out of long runs first.
pub fn shrink<C: Shrinks>(case: &C, fails: &mut dyn FnMut(&C) -> bool) -> C {
    let mut attempts = ATTEMPTS;
    let mut still_fails = |smaller: &C| {
        attempts = attempts.saturating_sub(1);
        attempts > 0 && fails(smaller)
    };
    let mut smallest = case.clone();
    loop {
        let before = smallest.clone();
        let mut length = smallest.steps().len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < smallest.steps().len() {
                let smaller = smallest.without(at..(at + length).min(smallest.steps().len()));
                if still_fails(&smaller) {
                    smallest = smaller;
                } else {
                    at += length;
                }
            }
            if length == 1 {
                break;
            }
            length = length.div_ceil(2);
        }
        for smaller in smallest.for_fewer() {
            if still_fails(&smaller) {
                smallest = smaller;
                break;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Step;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let schedule = Schedule {
            devices: 4,
            steps: (0..90).map(|who| Step::Commit { who }).collect(),
        };
        let has = |schedule: &Schedule, who| schedule.steps.contains(&Step::Commit { who });
        let small = shrink(&schedule, &mut |s| {
            has(s, 17) && has(s, 60) && s.devices > 2
        });
        assert_eq!(small.devices, 3);
        assert_eq!(
            small.steps,
            [Step::Commit { who: 17 }, Step::Commit { who: 60 }]
        );
    }
}
