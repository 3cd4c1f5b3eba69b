//! Bytes to a schedule, and back.

use super::{
    DEVICES, Fault, Jump, Manner, Packing, STEPS, Schedule, Step, StoreOfBackup, TypedEdit,
    TypedWrite, Write,
};

/// Bytes of one step: what it is, and three arguments.
pub(super) const STEP_BYTES: usize = 4;

/// What a step is, before its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Import,
    Set,
    Unset,
    Delete,
    Restore,
    Decide,
    Increment,
    Text,
    List,
    Member,
    Commit,
    Sync,
    Cut,
    Connect,
    Deliver,
    Disconnect,
    Duplicate,
    Replay,
    Reopen,
    Crash,
    PowerLoss,
    FailCommit,
    LoseStore,
    StaleStore,
    Backup,
    RestoreBackup,
    CopyFolder,
    Pack,
    Refuse,
    TakeBack,
    Clock,
}

/// How many values of a step's first byte stand for each kind: 256 in all.
///
/// A kind that is added takes values from others, which changes what some kept inputs mean: then the corpus is
/// written anew from its stories.
pub(super) const KINDS: [(Kind, u16); 32] = [
    (Kind::Insert, 8),
    (Kind::Import, 6),
    (Kind::Set, 32),
    (Kind::Unset, 8),
    (Kind::Delete, 8),
    (Kind::Restore, 6),
    (Kind::Decide, 14),
    (Kind::Increment, 6),
    (Kind::Text, 10),
    (Kind::List, 10),
    (Kind::Member, 6),
    (Kind::Commit, 4),
    (Kind::Sync, 22),
    (Kind::Cut, 12),
    (Kind::Connect, 12),
    (Kind::Deliver, 20),
    (Kind::Disconnect, 6),
    (Kind::Duplicate, 5),
    (Kind::Replay, 5),
    (Kind::Reopen, 6),
    (Kind::Crash, 6),
    (Kind::PowerLoss, 5),
    (Kind::FailCommit, 6),
    (Kind::LoseStore, 4),
    (Kind::StaleStore, 3),
    (Kind::Backup, 4),
    (Kind::RestoreBackup, 4),
    (Kind::CopyFolder, 2),
    (Kind::Pack, 6),
    (Kind::Refuse, 4),
    (Kind::TakeBack, 2),
    (Kind::Clock, 4),
];

/// The bit of a write's first argument that leaves it staged.
const STAGED: u8 = 0x80;
/// Places, records and links are numbered below this in bytes, so that each number has one form.
const NUMBERS: u8 = 16;

/// What the last argument of a connection says; most stay.
const MANNERS: [Manner; 8] = [
    Manner::Live,
    Manner::Once,
    Manner::LiveAndOnce,
    Manner::Mute,
    Manner::Deaf,
    Manner::MuteListener,
    Manner::Live,
    Manner::Live,
];

impl Schedule {
    /// The schedule that these bytes are.
    pub fn decode(bytes: &[u8]) -> Self {
        let span = DEVICES.end() - DEVICES.start() + 1;
        let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
        let steps = rest.chunks(STEP_BYTES).take(STEPS).map(|chunk| {
            let at = |n: usize| chunk.get(n).copied().unwrap_or(0);
            step_of(kind_of(at(0)), [at(1), at(2), at(3)])
        });
        Self {
            devices: DEVICES.start() + usize::from(*first) % span,
            steps: steps.collect(),
        }
    }

    /// Bytes that decode to this schedule.
    pub fn encode(&self) -> Vec<u8> {
        let devices = u8::try_from(self.devices - DEVICES.start()).unwrap_or(0);
        let mut bytes = vec![devices];
        for step in &self.steps {
            let (kind, arguments) = parts_of(*step);
            bytes.push(first_byte_of(kind));
            bytes.extend(arguments);
        }
        bytes
    }
}

fn kind_of(byte: u8) -> Kind {
    let mut left = u16::from(byte);
    for (kind, share) in KINDS {
        if left < share {
            return kind;
        }
        left -= share;
    }
    Kind::Clock
}

fn first_byte_of(wanted: Kind) -> u8 {
    let before = KINDS.iter().take_while(|(kind, _)| *kind != wanted);
    let sum: u16 = before.map(|(_, share)| share).sum();
    u8::try_from(sum).unwrap_or(u8::MAX)
}

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn step_of(kind: Kind, [a, b, c]: [u8; 3]) -> Step {
    let who = a % NUMBERS;
    let (from, to, link) = (who, b % NUMBERS, who);
    let write = |write| Step::Write {
        who,
        write,
        staged: a & STAGED != 0,
    };
    let (record, field) = (b % NUMBERS, c >> 4 & 3);
    match kind {
        Kind::Insert => write(Write::Insert { collection: b % 2 }),
        Kind::Import => write(Write::Import {
            many: b & 3 == 3,
            value: c % 4,
        }),
        Kind::Set => write(Write::Set {
            record,
            field,
            value: c % 8,
        }),
        Kind::Unset => write(Write::Unset { record, field }),
        Kind::Delete => write(Write::Delete { record }),
        Kind::Restore => write(Write::Restore { record }),
        Kind::Decide => write(Write::Decide {
            entry: b % NUMBERS,
            choice: c % 8,
        }),
        Kind::Increment => write(Write::Typed(TypedWrite::increment([b, c]))),
        Kind::Text => write(Write::Typed(TypedWrite::text([b, c]))),
        Kind::List => write(Write::Typed(TypedWrite::list([b, c]))),
        Kind::Member => write(Write::Typed(TypedWrite::member([b, c]))),
        Kind::Commit => Step::Commit { who },
        Kind::Sync => Step::Sync { from, to },
        Kind::Cut => Step::Cut {
            from,
            to,
            frames: 1 + c % 8,
        },
        Kind::Connect => Step::Connect {
            from,
            to,
            manner: MANNERS[usize::from(c % 8)],
        },
        Kind::Deliver => Step::Deliver {
            link,
            frames: 1 + b % 8,
            order: c,
        },
        Kind::Disconnect => Step::Disconnect { link },
        Kind::Duplicate => Step::Duplicate { link, side: b % 2 },
        Kind::Replay => Step::Replay {
            link,
            side: b % 2,
            frame: c,
        },
        Kind::Reopen => Step::Reopen { who },
        Kind::Crash => Step::Crash { who },
        Kind::PowerLoss => Step::PowerLoss {
            who,
            kept: b % 8,
            coin: c,
        },
        Kind::FailCommit => Step::FailCommit {
            who,
            how: match b % 8 {
                0 => Fault::Sync,
                1 => Fault::Store,
                n => Fault::Power(n - 1),
            },
            coin: c,
        },
        Kind::LoseStore => Step::LoseStore { who },
        Kind::StaleStore => Step::StaleStore {
            who,
            backup: b % NUMBERS,
        },
        Kind::Backup => Step::Backup { who },
        Kind::RestoreBackup => Step::RestoreBackup {
            who,
            backup: b % NUMBERS,
            store: match c % 3 {
                0 => StoreOfBackup::Own,
                1 => StoreOfBackup::None,
                _ => StoreOfBackup::Newer,
            },
        },
        Kind::CopyFolder => Step::CopyFolder {
            who,
            with_store: b % 2 == 0,
        },
        Kind::Pack => Step::Pack {
            who,
            how: match b % 8 {
                0 | 1 => Packing::Close,
                2..=4 => Packing::All,
                _ => Packing::Power(1 + c % 8),
            },
        },
        Kind::Refuse => Step::Refuse {
            from,
            to,
            take_back: c % 2 == 0,
        },
        Kind::TakeBack => Step::TakeBack {
            who,
            which: b % NUMBERS,
        },
        Kind::Clock => Step::Clock {
            who,
            jump: match b % 6 {
                0 => Jump::Seconds,
                1 => Jump::Hour,
                2 => Jump::YearAhead,
                3 => Jump::YearBack,
                4 => Jump::HourBack,
                _ => Jump::Epoch,
            },
        },
    }
}

// tidy: table
fn parts_of(step: Step) -> (Kind, [u8; 3]) {
    match step {
        Step::Write { who, write, staged } => {
            let (kind, [b, c]) = parts_of_write(write);
            (kind, [who | if staged { STAGED } else { 0 }, b, c])
        }
        Step::Commit { who } => (Kind::Commit, [who, 0, 0]),
        Step::Sync { from, to } => (Kind::Sync, [from, to, 0]),
        Step::Cut { from, to, frames } => (Kind::Cut, [from, to, frames - 1]),
        Step::Connect { from, to, manner } => {
            let manner = MANNERS.iter().take_while(|other| **other != manner).count();
            (Kind::Connect, [from, to, u8::try_from(manner).unwrap_or(0)])
        }
        Step::Deliver {
            link,
            frames,
            order,
        } => (Kind::Deliver, [link, frames - 1, order]),
        Step::Disconnect { link } => (Kind::Disconnect, [link, 0, 0]),
        Step::Duplicate { link, side } => (Kind::Duplicate, [link, side, 0]),
        Step::Replay { link, side, frame } => (Kind::Replay, [link, side, frame]),
        Step::Reopen { who } => (Kind::Reopen, [who, 0, 0]),
        Step::Crash { who } => (Kind::Crash, [who, 0, 0]),
        Step::PowerLoss { who, kept, coin } => (Kind::PowerLoss, [who, kept, coin]),
        Step::FailCommit { who, how, coin } => {
            let how = match how {
                Fault::Sync => 0,
                Fault::Store => 1,
                Fault::Power(n) => n + 1,
            };
            (Kind::FailCommit, [who, how, coin])
        }
        Step::LoseStore { who } => (Kind::LoseStore, [who, 0, 0]),
        Step::StaleStore { who, backup } => (Kind::StaleStore, [who, backup, 0]),
        Step::Backup { who } => (Kind::Backup, [who, 0, 0]),
        Step::RestoreBackup { who, backup, store } => {
            let store = match store {
                StoreOfBackup::Own => 0,
                StoreOfBackup::None => 1,
                StoreOfBackup::Newer => 2,
            };
            (Kind::RestoreBackup, [who, backup, store])
        }
        Step::CopyFolder { who, with_store } => (Kind::CopyFolder, [who, u8::from(!with_store), 0]),
        Step::Pack { who, how } => {
            let [b, c] = match how {
                Packing::Close => [0, 0],
                Packing::All => [2, 0],
                Packing::Power(n) => [5, n - 1],
            };
            (Kind::Pack, [who, b, c])
        }
        Step::Refuse {
            from,
            to,
            take_back,
        } => (Kind::Refuse, [from, to, u8::from(!take_back)]),
        Step::TakeBack { who, which } => (Kind::TakeBack, [who, which, 0]),
        Step::Clock { who, jump } => {
            let jump = match jump {
                Jump::Seconds => 0,
                Jump::Hour => 1,
                Jump::YearAhead => 2,
                Jump::YearBack => 3,
                Jump::HourBack => 4,
                Jump::Epoch => 5,
            };
            (Kind::Clock, [who, jump, 0])
        }
    }
}

fn parts_of_write(write: Write) -> (Kind, [u8; 2]) {
    match write {
        Write::Insert { collection } => (Kind::Insert, [collection, 0]),
        Write::Import { many, value } => (Kind::Import, [if many { 3 } else { 0 }, value]),
        Write::Set {
            record,
            field,
            value,
        } => (Kind::Set, [record, field << 4 | value]),
        Write::Unset { record, field } => (Kind::Unset, [record, field << 4]),
        Write::Delete { record } => (Kind::Delete, [record, 0]),
        Write::Restore { record } => (Kind::Restore, [record, 0]),
        Write::Decide { entry, choice } => (Kind::Decide, [entry, choice]),
        Write::Typed(typed) => {
            let kind = match typed.edit {
                TypedEdit::Increment(_) => Kind::Increment,
                TypedEdit::Splice { .. } | TypedEdit::Append(_) | TypedEdit::Replace(_) => {
                    Kind::Text
                }
                TypedEdit::Add(_) | TypedEdit::Remove(_) => Kind::Member,
                _ => Kind::List,
            };
            (kind, typed.arguments())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::Dice;

    #[test]
    fn each_value_of_a_first_byte_is_one_kind() {
        let total: u16 = KINDS.iter().map(|(_, share)| share).sum();
        assert_eq!(total, 256);
        for (kind, _) in KINDS {
            assert_eq!(kind_of(first_byte_of(kind)), kind);
        }
    }

    #[test]
    fn a_schedule_is_written_as_bytes_that_are_the_same_schedule() {
        let mut dice = Dice(1);
        for _ in 0..500 {
            let length = dice.below(500);
            let bytes: Vec<u8> = (0..length).map(|_| dice.roll().to_le_bytes()[0]).collect();
            let schedule = Schedule::decode(&bytes);
            assert!(schedule.steps.len() <= STEPS);
            assert_eq!(Schedule::decode(&schedule.encode()), schedule);
        }
    }

    #[test]
    fn no_bytes_are_two_devices_to_which_nothing_happens() {
        let schedule = Schedule::decode(&[]);
        assert_eq!((schedule.devices, schedule.steps.len()), (2, 0));
    }
}
