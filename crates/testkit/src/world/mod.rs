//! A few devices to which a schedule happens, and what must be true of them afterwards.
//!
//! [`run`] carries out a [`Schedule`] on real replicas over disks in memory, on one thread, without a clock and
//! without randomness: the same schedule gives the same bytes on every wire. Then everything is healed: all that is
//! staged is committed, every two meet, twice. What must hold:
//!
//! * on the way: no session stalls or fails that nobody spoilt; two that synced have the same changes; every
//!   opening finds what had been acknowledged there, in the same order; a store is rebuilt where it must be, and
//!   nowhere else;
//! * in the end: every change that any folder held is everywhere; rows, conflict logs and digests are equal; rows and
//!   conflict logs are what brute force makes of the changes in a journal; each store is what its journal says, and
//!   whole; nothing is pending or quarantined; the second meeting is silent; each folder opens again to the same.
//!
//! A folder that was put back to a backup is held to what the backup had, and no more: what it had told nobody is
//! lost, what it had told somebody comes back.
//!
//! What a device takes back is gone with all that rests on it, or is there, but the same everywhere.
//!
//! The checks are checked: a [`Canary`] breaks something that no product code broke, and must be found.

mod check;
mod checks;
mod faults;
mod judge;
mod links;
mod place;
mod refusals;
mod sim;
mod typed;
mod writes;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use driftless_document::ChangeHash;
use driftless_engine::{EngineError, EnvelopeId, RecordKey};
use driftless_store::JournalError;

use crate::schedule::{Schedule, Step, pick, pick_two};
use links::Open;
use place::Place;
pub use sim::{
    Mischief, Odds, SimCanary, SimFailure, SimOutcome, make_smaller, simulate, simulate_where,
    simulate_with,
};

/// Something broken on purpose, by the world and not by what it tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// One frame in twenty is lost, and the connection goes on as if it had arrived.
    LostFrame,
    /// Opening a folder that was killed finds an older journal than it should.
    ForgottenCommits,
    /// A device writes after the last meeting.
    LateWrite,
    /// A value of the store is gone.
    LostValue,
    /// The judge does not see one of the changes.
    UnseenChange,
    /// A value of the store is that of another key.
    WrongValue,
}

/// What a schedule came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Changes that are everywhere in the end.
    pub changes: usize,
    /// Conflict entries, closed ones included.
    pub conflicts: usize,
    /// Folders there are in the end.
    pub places: usize,
    /// Frames that arrived.
    pub frames: u64,
    /// Times a session that stays open came to rest, with all of each side on the other.
    pub rests: u64,
    /// Times a process began, those for the last check not counted.
    pub openings: u64,
    /// A hash over every frame and the last digests: equal for equal schedules.
    pub trace: [u8; 32],
}

/// What was not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// At which step, counted from 0; `None` while healing or checking.
    pub step: Option<usize>,
    /// What, as a sentence.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(formatter, "at step {step}: {}", self.what),
            None => write!(formatter, "after all steps: {}", self.what),
        }
    }
}

/// What went wrong in one step.
#[derive(Debug)]
pub(crate) struct Wrong(String);

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl From<EngineError> for Wrong {
    fn from(error: EngineError) -> Self {
        Self(format!("{error} ({error:?})"))
    }
}

impl From<JournalError> for Wrong {
    fn from(error: JournalError) -> Self {
        Self(format!("the journal: {error} ({error:?})"))
    }
}

/// Adds to an error what was being done.
trait While<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Wrong>;
}

impl<T, E: Into<Wrong>> While<T> for Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Wrong> {
        self.map_err(|error| Wrong(format!("{}: {}", what(), error.into().0)))
    }
}

/// Carries out a schedule, heals, and checks.
pub fn run(schedule: &Schedule) -> Result<Outcome, Failure> {
    run_with(schedule, None)
}

/// The same, with something broken on purpose.
pub fn run_with(schedule: &Schedule, canary: Option<Canary>) -> Result<Outcome, Failure> {
    let failed = |step| move |Wrong(what)| Failure { step, what };
    let mut world = World::new(schedule.devices, canary).map_err(failed(None))?;
    for (n, step) in schedule.steps.iter().enumerate() {
        world.carry_out(*step).map_err(failed(Some(n)))?;
    }
    world.heal().map_err(failed(None))?;
    world.check().map_err(failed(None))
}

/// The same, where a panic of what is tested is a failure like any other.
pub fn run_caught(schedule: &Schedule, canary: Option<Canary>) -> Result<Outcome, Failure> {
    let caught = catch_unwind(AssertUnwindSafe(|| run_with(schedule, canary)));
    caught.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Failure {
            step: None,
            what: format!("a panic: {}", said.unwrap_or("of another kind")),
        })
    })
}

/// A few devices, the connections between them, and what is known of both.
struct World {
    places: Vec<Place>,
    links: Vec<Open>,
    /// The records that were made, in that order; of an import only some.
    records: Vec<RecordKey>,
    /// The last frames that arrived anywhere.
    arrived: VecDeque<Vec<u8>>,
    handshakes: u64,
    canary: Option<Canary>,
    /// What was ever refused, and what of it was taken back.
    refused: Vec<EnvelopeId>,
    taken_back: BTreeSet<EnvelopeId>,
    /// Whether there may be envelopes that nobody here applies.
    strange: bool,
    /// Whether a member was removed, and what it made: that counts or not, as the membership log says.
    removes: bool,
    of_leaver: BTreeSet<ChangeHash>,
    /// Whether a feed may have gone on in two ways: what lies on a branch of one does not count.
    splits: bool,
    frames: u64,
    rests: u64,
    openings: u64,
    trace: blake3::Hasher,
}

impl World {
    /// Devices of one workspace with one record, all in step; each was let in by the one before it.
    fn new(devices: usize, canary: Option<Canary>) -> Result<Self, Wrong> {
        let mut world = Self {
            places: place::begin(devices)?,
            ..Self::empty()
        };
        world.write(0, crate::schedule::Write::Insert { collection: 0 })?;
        world.settle(0)?;
        for to in [1, 2, 3, 2, 1] {
            if to < devices {
                world.sync(0, to)?;
            }
        }
        for place in &mut world.places {
            place.back_up()?;
        }
        world.canary = canary;
        Ok(world)
    }

    /// A world without devices.
    fn empty() -> Self {
        Self {
            places: Vec::new(),
            links: Vec::new(),
            records: Vec::new(),
            arrived: VecDeque::new(),
            handshakes: 0,
            canary: None,
            refused: Vec::new(),
            taken_back: BTreeSet::new(),
            strange: false,
            removes: false,
            of_leaver: BTreeSet::new(),
            splits: false,
            frames: 0,
            rests: 0,
            openings: 0,
            trace: blake3::Hasher::new(),
        }
    }

    // tidy: table
    fn carry_out(&mut self, step: Step) -> Result<(), Wrong> {
        let count = self.places.len();
        let at = |who: u8| pick(who, count);
        match step {
            Step::Write { who, write, staged } => {
                self.write(at(who), write)?;
                if staged { Ok(()) } else { self.settle(at(who)) }
            }
            Step::Commit { who } => self.settle(at(who)),
            Step::Sync { from, to } => {
                let (from, to) = pick_two(from, to, count);
                self.sync(from, to).map(|_| ())
            }
            Step::Cut { from, to, frames } => {
                let (from, to) = pick_two(from, to, count);
                self.cut(from, to, frames)
            }
            Step::Connect { from, to, manner } => {
                let (from, to) = pick_two(from, to, count);
                self.connect(from, to, manner)
            }
            Step::Deliver {
                link,
                frames,
                order,
            } => self.deliver(link, frames, order),
            Step::Disconnect { link } => self.disconnect(link),
            Step::Duplicate { link, side } => self.duplicate(link, side),
            Step::Replay { link, side, frame } => {
                self.replay(link, side, frame);
                Ok(())
            }
            Step::Reopen { who } => self.reopen(at(who)),
            Step::Crash { who } => self.crash(at(who)),
            Step::PowerLoss { who, kept, coin } => self.power_loss(at(who), kept, coin),
            Step::FailCommit { who, how, coin } => self.fail_commit(at(who), how, coin),
            Step::LoseStore { who } => self.lose_store(at(who)),
            Step::StaleStore { who, backup } => self.stale_store(at(who), backup),
            Step::Backup { who } => {
                self.settle(at(who))?;
                self.places[at(who)].back_up()
            }
            Step::RestoreBackup { who, backup, store } => {
                self.restore_backup(at(who), backup, store)
            }
            Step::CopyFolder { who, with_store } => self.copy_folder(at(who), with_store),
            Step::Pack { who, how } => self.pack(at(who), how),
            Step::Refuse {
                from,
                to,
                take_back,
            } => {
                let (from, to) = pick_two(from, to, count);
                self.refuse(from, to, take_back)
            }
            Step::TakeBack { who, which } => self.take_back_some(at(who), which),
            Step::Clock { who, jump } => {
                self.places[at(who)].jump(jump);
                Ok(())
            }
        }
    }
}
