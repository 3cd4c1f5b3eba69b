//! Random schedules; each draws first what can happen in it at all.

use super::bytes::{KINDS, Kind, kind_of, step_of};
use super::{STEPS, Schedule, Step, Write};
use crate::histories::Dice;

/// How many devices there are: few do more, at the same cost.
const OF_DEVICES: [usize; 6] = [2, 2, 2, 3, 3, 4];

impl Schedule {
    /// The schedule that this seed stands for.
    ///
    /// Half of the kinds of steps, by a coin each, do not occur in it: a schedule of all of them at once hardly
    /// ever goes far in any one direction. Writes and syncs always occur.
    pub fn random(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let devices = OF_DEVICES[dice.below(OF_DEVICES.len())];
        let kinds: Vec<(Kind, u16)> = KINDS
            .into_iter()
            .filter(|(kind, _)| matches!(kind, Kind::Set | Kind::Sync) || dice.below(2) == 0)
            .collect();
        let total: u16 = kinds.iter().map(|(_, share)| share).sum();
        let most = if dice.below(4) == 0 { STEPS } else { STEPS / 3 };
        let count = 1 + dice.below(most);
        let steps = (0..count).map(|_| {
            let mut left = dice.below(usize::from(total));
            let chosen = kinds.iter().find(|(_, share)| {
                let share = usize::from(*share);
                let here = left < share;
                left = left.saturating_sub(share);
                here
            });
            let kind = chosen.map_or(Kind::Set, |(kind, _)| *kind);
            let [a, b, c, ..] = dice.roll().to_le_bytes();
            // Few records and fields are met again more often than many.
            step_of(kind, [a, if c & 8 == 0 { b & 0xf1 } else { b }, c])
        });
        let steps = steps.collect();
        Self { devices, steps }
    }

    /// Something that a person does on a device.
    pub fn random_write(dice: &mut Dice) -> Write {
        loop {
            let [first, a, b, c, ..] = dice.roll().to_le_bytes();
            let b = if c & 8 == 0 { b & 0xf1 } else { b };
            if let Step::Write { write, .. } = step_of(kind_of(first), [a, b, c]) {
                return write;
            }
        }
    }
}
