//! What can happen in one run, and how often: drawn from its seed, often never.

use std::fmt;

use crate::histories::Dice;

/// What can befall somebody at a tick of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A process is killed, and another one begins.
    Kill,
    /// The power goes.
    Power,
    /// A process ends in good order, and another one begins.
    Reopen,
    /// A machine sleeps for long.
    Sleep,
    /// A folder is backed up.
    Backup,
    /// A folder is put back to a backup.
    Restore,
    /// A folder is copied, and the copy opened as well.
    Clone,
    /// The store is gone.
    LoseStore,
    /// The store is an older one.
    StaleStore,
    /// The power goes in the middle of the next commit.
    PowerInCommit,
    /// The next barrier fails.
    FailSync,
    /// The store fails after the next barrier.
    FailStore,
    /// The disk is full at the next commit.
    Full,
    /// A read of the journal fails.
    FailRead,
    /// A bit of a journal flips while nobody has it open.
    FlipJournal,
    /// A value of a store is damaged or gone while nobody has it open.
    SpoilStore,
    /// The journal is packed.
    Pack,
    /// A clock jumps.
    Clock,
    /// Frames between two do not arrive for a while, one way or both.
    Partition,
    /// A connection is lost now; one side may learn it late.
    Cut,
    /// A second session of two that have one.
    Duplicate,
    /// What one said in an old session is said again.
    Replay,
    /// Somebody who is no member dials.
    Stranger,
    /// A member spoils the frames it sends.
    Spoiler,
    /// A member says what is out of place, or over a limit.
    Babbler,
    /// A member signs what it should not.
    Forger,
    /// A member of a newer version writes what nobody here understands.
    Newer,
    /// A device that nobody knew is let in, and has everything to catch up with.
    Newcomer,
    /// A value of a store is damaged or gone while a process has it open.
    SpoilOpenStore,
    /// A member that is none of the devices writes, and meets one of them.
    Leaver,
    /// The owner removes that member; later, adopts what comes of it.
    Remove,
    /// A member signs two envelopes with one number, for two devices.
    Equivocator,
    /// A device's memory image is resumed twice.
    Twin,
}

impl Mischief {
    /// All there are.
    pub const ALL: [Self; 33] = [
        Self::Kill,
        Self::Power,
        Self::Reopen,
        Self::Sleep,
        Self::Backup,
        Self::Restore,
        Self::Clone,
        Self::LoseStore,
        Self::StaleStore,
        Self::PowerInCommit,
        Self::FailSync,
        Self::FailStore,
        Self::Full,
        Self::FailRead,
        Self::FlipJournal,
        Self::SpoilStore,
        Self::Pack,
        Self::Clock,
        Self::Partition,
        Self::Cut,
        Self::Duplicate,
        Self::Replay,
        Self::Stranger,
        Self::Spoiler,
        Self::Babbler,
        Self::Forger,
        Self::Newer,
        Self::Newcomer,
        Self::SpoilOpenStore,
        Self::Leaver,
        Self::Remove,
        Self::Equivocator,
        Self::Twin,
    ];

    /// Whether it is done by a member that is none of the devices.
    pub(super) fn is_hostile(self) -> bool {
        matches!(
            self,
            Self::Spoiler | Self::Babbler | Self::Forger | Self::Newer | Self::Equivocator
        )
    }
}

/// What can happen in one run; times are in milliseconds, chances in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odds {
    /// How many devices there are.
    pub devices: usize,
    /// Connections that are kept beyond those that make the devices hang together.
    pub extra_links: usize,
    /// Ticks of the time in which things break.
    pub ticks: usize,
    /// A person does something about this often.
    pub between_acts: usize,
    /// A frame takes at most so long.
    pub delay: usize,
    /// A reader is slow: each frame takes so long to be read.
    pub slow: usize,
    /// The chance that a connection is lost at some byte of a frame.
    pub cut: usize,
    /// The chance that one side of a lost connection learns it late.
    pub half_open: usize,
    /// The chance that a process ends at a boundary between two of its effects.
    pub crash: usize,
    /// The chance that what is staged is not committed at once.
    pub group: usize,
    /// A process that ended is away for at most so long.
    pub away: usize,
    /// The chance of each mischief at a tick.
    pub mischief: [usize; Mischief::ALL.len()],
}

/// How likely what can happen at all is, at a tick.
const CHANCES: [usize; 4] = [5, 20, 60, 150];

impl Odds {
    /// Draws the odds of a run.
    pub fn draw(dice: &mut Dice) -> Self {
        let mut one_of = |choices: &[usize]| choices[dice.below(choices.len())];
        let mut odds = Self {
            devices: one_of(&[2, 2, 3, 3, 4]),
            extra_links: one_of(&[0, 0, 1, 2]),
            ticks: one_of(&[10, 20, 20, 40, 80]),
            between_acts: one_of(&[300, 1_000, 1_000, 4_000]),
            delay: one_of(&[1, 20, 200, 3_000]),
            slow: one_of(&[0, 0, 0, 50, 500]),
            cut: one_of(&[0, 0, 5, 30]),
            half_open: one_of(&[0, 300, 1_000]),
            crash: one_of(&[0, 0, 0, 2, 10]),
            group: one_of(&[0, 0, 100, 500]),
            away: one_of(&[1, 2_000, 60_000]),
            mischief: [0; Mischief::ALL.len()],
        };
        // Of all that can happen, about a third happens in one run at all, and in some runs nothing.
        let quiet = dice.below(16) == 0;
        for chance in &mut odds.mischief {
            let happens = dice.below(3) == 0 && !quiet;
            let how_often = CHANCES[dice.below(CHANCES.len())];
            *chance = if happens { how_often } else { 0 };
        }
        odds
    }

    /// The same, where a mischief happens often.
    pub(super) fn with(mut self, mischief: Mischief) -> Self {
        let at = Mischief::ALL.iter().position(|other| *other == mischief);
        if let Some(at) = at {
            self.mischief[at] = CHANCES[CHANCES.len() - 1];
        }
        self
    }

    /// The chance of a mischief at a tick.
    pub(super) fn of(&self, mischief: Mischief) -> usize {
        let at = Mischief::ALL.iter().position(|other| *other == mischief);
        at.map_or(0, |at| self.mischief[at])
    }

    /// What can happen at all.
    pub fn happening(&self) -> Vec<Mischief> {
        let all = Mischief::ALL.into_iter();
        all.filter(|mischief| self.of(*mischief) > 0).collect()
    }

    /// Whether anything comes from a member that is none of the devices.
    pub(super) fn has_villain(&self) -> bool {
        self.happening().into_iter().any(Mischief::is_hostile)
    }
}

impl fmt::Display for Odds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} devices, {} more links, {} ticks, acts every {} ms, delay {} ms, slow by {} ms, away {} ms; in thousandths: cut {}, half open {}, crash {}, group {}",
            self.devices,
            self.extra_links,
            self.ticks,
            self.between_acts,
            self.delay,
            self.slow,
            self.away,
            self.cut,
            self.half_open,
            self.crash,
            self.group
        )?;
        for mischief in self.happening() {
            write!(formatter, ", {mischief:?} {}", self.of(mischief))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mischief_happens_in_some_runs_and_in_most_it_does_not() {
        let runs: Vec<Odds> = (0..300).map(|seed| Odds::draw(&mut Dice(seed))).collect();
        for mischief in Mischief::ALL {
            let happens = runs.iter().filter(|odds| odds.of(mischief) > 0).count();
            assert!((60..150).contains(&happens), "{mischief:?} in {happens}");
        }
        let quiet = |odds: &&Odds| odds.mischief.iter().all(|chance| *chance == 0);
        assert!(runs.iter().filter(quiet).count() > 3);
    }

    #[test]
    fn odds_are_told_without_what_never_happens() {
        let mut odds = Odds::draw(&mut Dice(1));
        odds.mischief = [0; Mischief::ALL.len()];
        odds.mischief[1] = 20;
        let told = odds.to_string();
        assert!(told.ends_with(", Power 20"), "{told}");
    }
}
