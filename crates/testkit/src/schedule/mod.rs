//! Schedules: what happens to a few devices, in order, as data.
//!
//! A [`Schedule`] is read from bytes and written as bytes. Any bytes are a schedule: the first says how many devices
//! there are, each four that follow are one step, missing bytes are zero, and what is beyond [`STEPS`] steps is left
//! out. A step has the same length whatever it is, so a fuzzer that drops, copies or changes some bytes drops,
//! copies or changes some steps, and a step that is dropped leaves the others as they were. That, and that a
//! schedule can be written back as bytes, is why this is a decoder of our own and not that of a library.
//!
//! The numbers in a step are reduced to what there is when it is carried out: see [`pick`] and [`pick_two`].
//! [`std::fmt::Display`] tells a schedule as a story.

mod bytes;
mod random;
mod story;
mod typed;

pub use typed::{TypedEdit, TypedWrite};

/// Steps of one schedule, at most: it bounds the work of an input.
pub const STEPS: usize = 100;
/// Devices there are in the beginning, at least and at most.
pub const DEVICES: std::ops::RangeInclusive<usize> = 2..=4;
/// Folders there are in the end, at most: the devices' own and copies of them.
pub const PLACES: usize = 5;
/// Connections that are open at once, at most; the oldest makes room.
pub const LINKS: usize = 4;
/// The fields that steps write: beside and below each other.
pub const FIELDS: [&str; 4] = ["f0", "f1", "f1.g", "f2"];
/// The collections that steps write to.
pub const COLLECTIONS: [&str; 2] = ["notes", "tasks"];

/// What happens to a few devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How many devices there are, within [`DEVICES`].
    pub devices: usize,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A device writes.
    Write {
        /// Where.
        who: u8,
        /// What.
        write: Write,
        /// Whether it stays staged, until something commits there.
        staged: bool,
    },
    /// What is staged becomes durable.
    Commit {
        /// Where.
        who: u8,
    },
    /// Two bring each other up to date, from the first frame to the last.
    Sync {
        /// Who dials.
        from: u8,
        /// Who is dialled.
        to: u8,
    },
    /// The same, but the link is cut.
    Cut {
        /// Who dials.
        from: u8,
        /// Who is dialled.
        to: u8,
        /// How many frames arrive.
        frames: u8,
    },
    /// Two connect; what they say to each other arrives as [`Step::Deliver`] lets it.
    Connect {
        /// Who dials.
        from: u8,
        /// Who is dialled.
        to: u8,
        /// What the two want of it.
        manner: Manner,
    },
    /// Some frames of an open connection arrive.
    Deliver {
        /// Which connection.
        link: u8,
        /// How many frames.
        frames: u8,
        /// For each of them a bit: which side's comes first.
        order: u8,
    },
    /// An open connection is cut; what was on its way is lost.
    Disconnect {
        /// Which connection.
        link: u8,
    },
    /// The next frame of an open connection will arrive twice.
    Duplicate {
        /// Which connection.
        link: u8,
        /// At which side.
        side: u8,
    },
    /// A frame that arrived somewhere earlier arrives in an open connection.
    Replay {
        /// Which connection.
        link: u8,
        /// At which side.
        side: u8,
        /// Which frame, counted back from the last that arrived.
        frame: u8,
    },
    /// A process ends in good order, and another one begins.
    Reopen {
        /// Where.
        who: u8,
    },
    /// A process is killed, and another one begins: what was only staged is gone.
    Crash {
        /// Where.
        who: u8,
    },
    /// The power goes: what no barrier covered is kept or lost, sector by sector.
    PowerLoss {
        /// Where.
        who: u8,
        /// How many of the store's batches since it was last flushed survive.
        kept: u8,
        /// What decides over each sector.
        coin: u8,
    },
    /// A write whose commit fails; the process ends, and another one begins.
    FailCommit {
        /// Where.
        who: u8,
        /// What of it fails.
        how: Fault,
        /// What decides over each sector.
        coin: u8,
    },
    /// The store is gone.
    LoseStore {
        /// Where.
        who: u8,
    },
    /// The store of a backup, with the journal as it is now.
    StaleStore {
        /// Where.
        who: u8,
        /// Which of its backups.
        backup: u8,
    },
    /// A copy of the folder is put aside.
    Backup {
        /// Where.
        who: u8,
    },
    /// A copy of the folder takes its place, and the device goes on from there.
    RestoreBackup {
        /// Where.
        who: u8,
        /// Which of its backups.
        backup: u8,
        /// With which store.
        store: StoreOfBackup,
    },
    /// A copy of the folder is opened elsewhere: the device runs twice.
    CopyFolder {
        /// Of which.
        who: u8,
        /// Whether the store is copied too.
        with_store: bool,
    },
    /// The newest segment of the journal is closed, and may be packed with those before it.
    Pack {
        /// Where.
        who: u8,
        /// How far it comes.
        how: Packing,
    },
    /// A device writes, and another one says of it that it refuses it, as one of another version may.
    Refuse {
        /// Who writes.
        from: u8,
        /// Who refuses.
        to: u8,
        /// Whether the device that wrote it takes it back at once.
        take_back: bool,
    },
    /// A device takes back what was refused, if it still may.
    TakeBack {
        /// Where.
        who: u8,
        /// Which of all that was ever refused.
        which: u8,
    },
    /// A clock jumps.
    Clock {
        /// Where.
        who: u8,
        /// How.
        jump: Jump,
    },
}

/// What a device writes; a record's number is among those that exist there, in the order they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new record.
    Insert {
        /// In which of [`COLLECTIONS`].
        collection: u8,
    },
    /// Records under keys that others import too.
    Import {
        /// Whether they are more than an envelope's documents are kept loaded for.
        many: bool,
        /// What their field holds.
        value: u8,
    },
    /// A field of a record.
    Set {
        /// Which record.
        record: u8,
        /// Which of [`FIELDS`].
        field: u8,
        /// What it shall hold: a number, and one bit for "inside an object".
        value: u8,
    },
    /// A field is to be absent.
    Unset {
        /// Which record.
        record: u8,
        /// Which of [`FIELDS`].
        field: u8,
    },
    /// A record is deleted.
    Delete {
        /// Which.
        record: u8,
    },
    /// A record is restored.
    Restore {
        /// Which.
        record: u8,
    },
    /// A conflict is decided, or what was decided is undone.
    Decide {
        /// Which, by its place in the log.
        entry: u8,
        /// Which candidate, below [`ANOTHER_VALUE`]; that, [`BOTH`] and the others are choices of their own.
        choice: u8,
    },
    /// A counter, text, list or set of a record is changed.
    Typed(TypedWrite),
}

/// What two want of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Both stay, and tell each other at once what is new.
    Live,
    /// They part when both have everything.
    Once,
    /// The dialer would stay, the listener parts.
    LiveAndOnce,
    /// Both stay; the dialer sends nothing.
    Mute,
    /// Both stay; the dialer takes nothing.
    Deaf,
    /// Both stay; the listener sends nothing.
    MuteListener,
}

/// What of a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes at this operation on the files, counted from 1.
    Power(u8),
    /// The barrier.
    Sync,
    /// The store, after the barrier.
    Store,
}

/// How far packing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// The segment is closed.
    Close,
    /// Everything is packed.
    All,
    /// The power goes at this operation on the files, counted from 1.
    Power(u8),
}

/// The store that stands beside a journal that was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOfBackup {
    /// The one that was backed up with it.
    Own,
    /// None.
    None,
    /// The one that was there: newer than the journal.
    Newer,
}

/// How a clock jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// Ten seconds pass.
    Seconds,
    /// An hour passes.
    Hour,
    /// A year ahead.
    YearAhead,
    /// A year back.
    YearBack,
    /// An hour back.
    HourBack,
    /// To the beginning of 1970.
    Epoch,
}

/// The choice of [`Write::Decide`] that is no candidate but another value.
pub const ANOTHER_VALUE: u8 = 3;
/// The choice that lets both sides stand.
pub const BOTH: u8 = 4;
/// The choice that acknowledges.
pub const ACKNOWLEDGE: u8 = 5;
/// The choice that undoes what was decided.
pub const UNDO: u8 = 6;
/// The choice that is a text of its own.
pub const ANOTHER_TEXT: u8 = 7;
/// What is put into texts: letters of one, two and four bytes, a line, and nothing.
pub const STRINGS: [&str; 8] = [
    "",
    "a",
    "b",
    "xyz",
    "\u{e9}",
    "\u{1f600}!",
    "a line\n",
    "some more words",
];
/// The bit of [`Write::Set`] that puts the value inside an object.
pub const INSIDE_OBJECT: u8 = 4;

/// One of `count`.
pub fn pick(number: u8, count: usize) -> usize {
    usize::from(number) % count.max(1)
}

/// Two different ones of `count`, which is at least 2.
pub fn pick_two(one: u8, other: u8, count: usize) -> (usize, usize) {
    let one = pick(one, count);
    (one, (one + 1 + pick(other, count - 1)) % count)
}
