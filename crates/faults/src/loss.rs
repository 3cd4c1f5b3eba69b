//! [`Loss`]: which part of what no sync has covered reaches the disk.

use crate::dice::Dice;

/// What a power loss keeps of what no sync has covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Of the names in folders.
    pub names: Names,
    /// Of the bytes of files.
    pub bytes: Bytes,
    /// What stands where a file is longer than what was written to it.
    pub hole: Hole,
    /// Whether a file has the length that a lost write gave it.
    pub lengths_are_kept: bool,
}

/// Which changes of names are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All.
    All,
    /// None.
    None,
    /// The first so many of 256 parts of them, in order, as a file system with a journal keeps them.
    First(u64),
    /// So many of 256, whichever the seed says.
    Some(u64, u64),
    /// All but that of one operation.
    Without(usize),
    /// None but that of one operation.
    Only(usize),
}

/// Which writes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// All.
    All,
    /// None.
    None,
    /// Those of so many of 256 operations, whichever the seed says.
    Operations(u64, u64),
    /// So many of 256 sectors, whichever the seed says.
    Sectors(u64, u64),
    /// All but those of one operation.
    Without(usize),
    /// None but those of one operation.
    Only(usize),
    /// All before an operation, and of it the first so many sectors.
    Beginning(usize, u64),
    /// All before an operation, and of it all but the first so many sectors.
    End(usize, u64),
}

/// What stands where nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Zeros.
    Zeros,
    /// What the disk had there before, drawn from a seed.
    Junk(u64),
}

impl Loss {
    /// Everything is kept.
    pub const fn nothing() -> Self {
        Self {
            names: Names::All,
            bytes: Bytes::All,
            hole: Hole::Zeros,
            lengths_are_kept: false,
        }
    }

    /// Nothing is kept but what a sync has covered.
    pub const fn everything() -> Self {
        Self {
            names: Names::None,
            bytes: Bytes::None,
            hole: Hole::Zeros,
            lengths_are_kept: false,
        }
    }

    /// Some loss, from a seed.
    pub fn random(dice: &mut Dice) -> Self {
        let seed = dice.draw();
        let share = [16, 64, 128, 192, 240][usize::try_from(dice.below(5)).unwrap_or(0)];
        let names = match dice.below(8) {
            0 => Names::All,
            1 => Names::None,
            2..5 => Names::First(dice.below(257)),
            _ => Names::Some(share, seed),
        };
        let bytes = match dice.below(8) {
            0 => Bytes::All,
            1 => Bytes::None,
            2..4 => Bytes::Operations(share, seed),
            _ => Bytes::Sectors(share, seed),
        };
        Self {
            names,
            bytes,
            hole: if dice.often(96) {
                Hole::Junk(seed)
            } else {
                Hole::Zeros
            },
            lengths_are_kept: dice.often(128),
        }
    }
}

impl Names {
    /// Whether the change is kept that is the `nth` of `all` and was made by operation `at`.
    pub fn keeps(&self, nth: usize, all: usize, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::First(of_256) => (nth as u64) * 256 < (all as u64) * of_256,
            Self::Some(of_256, seed) => Dice::of(*seed, at as u64).often(*of_256),
            Self::Without(lost) => at != *lost,
            Self::Only(kept) => at == *kept,
        }
    }
}

impl Bytes {
    /// Whether the `nth` of all `sectors` is kept that operation `at` wrote to.
    pub fn keeps(&self, at: usize, nth: u64, sectors: u64) -> bool {
        let of = at as u64;
        match self {
            Self::All => true,
            Self::None => false,
            Self::Operations(of_256, seed) => Dice::of(*seed, of).often(*of_256),
            Self::Sectors(of_256, seed) => {
                Dice::of(*seed, (of << 20) ^ nth ^ (sectors << 40)).often(*of_256)
            }
            Self::Without(lost) => at != *lost,
            Self::Only(kept) => at == *kept,
            Self::Beginning(torn, first) => at < *torn || (at == *torn && nth < *first),
            Self::End(torn, first) => at < *torn || (at == *torn && nth >= *first),
        }
    }
}
