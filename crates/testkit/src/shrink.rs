//! A failing schedule made smaller: steps are left out for as long as it still fails.

use crate::schedule::{DEVICES, Schedule};

/// Schedules that are tried, at most: what is left by then is small enough to be read.
const ATTEMPTS: usize = 2_000;

/// A schedule that fails too, of which no step can be left out; it takes steps out of long runs first.
pub fn shrink(schedule: &Schedule, fails: &mut dyn FnMut(&Schedule) -> bool) -> Schedule {
    let mut attempts = ATTEMPTS;
    let mut still_fails = |smaller: &Schedule| {
        attempts = attempts.saturating_sub(1);
        attempts > 0 && fails(smaller)
    };
    let mut smallest = schedule.clone();
    loop {
        let before = smallest.clone();
        let mut length = smallest.steps.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < smallest.steps.len() {
                let mut smaller = smallest.clone();
                let end = (at + length).min(smaller.steps.len());
                smaller.steps.drain(at..end);
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
        for devices in *DEVICES.start()..smallest.devices {
            let smaller = Schedule {
                devices,
                ..smallest.clone()
            };
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
