//! A folder, the process on it, and what it is held to.

use std::collections::BTreeSet;

use driftless_document::ChangeHash;
use driftless_engine::{Clock as _, EngineError, RecordKey, Replica};
use driftless_protocol::{Code, DeviceId};
use driftless_store::{JournalError, MemoryFiles, MemoryKv};

use super::{While, World, Wrong, checks, judge};
use crate::device::{Device, Hand, copy_store};
use crate::schedule::Jump;

/// Backups of one folder that are kept; the oldest of them, of the beginning, always is.
const BACKUPS: usize = 4;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// A folder and the process on it.
pub(super) struct Place {
    pub(super) device: Device,
    /// Its key's public half: to make it from the seed is no cheap thing.
    pub(super) device_id: DeviceId,
    /// `None` only while a process ends and another begins.
    pub(super) replica: Option<Replica>,
    /// The changes that were acknowledged here, in their order here.
    pub(super) durable: Vec<ChangeHash>,
    /// The same as a set.
    pub(super) there: BTreeSet<ChangeHash>,
    /// What was acknowledged here and is not applied any more, since something was taken back.
    pub(super) dropped: BTreeSet<ChangeHash>,
    /// How many of them the last group of commits brought.
    pub(super) last_group: usize,
    /// Whether anything was taken back anywhere: then changes can go, and come again.
    pub(super) shrinks: bool,
    /// How often this process had derived everything again when that was looked at.
    derived: u64,
    /// The changes of `durable` before this one are what they were when the simulation took note of them.
    pub(super) noted_upto: usize,
    /// Whether its folder was copied, is a copy, or was restored.
    pub(super) is_twice: bool,
    /// From the oldest to the newest, all from the past of what is there now.
    pub(super) backups: Vec<Backup>,
}

/// A copy of a folder.
pub(super) struct Backup {
    pub(super) files: MemoryFiles,
    pub(super) kv: MemoryKv,
    pub(super) durable: Vec<ChangeHash>,
}

/// What an opening may find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// A store that fits.
    Fits,
    /// A store that may have applied more than the journal holds, and surely has if this is true.
    Ahead(bool),
}

/// Devices of a new workspace, each let in by the one before it.
pub(super) fn begin(devices: usize) -> Result<Vec<Place>, Wrong> {
    let mut places: Vec<Place> = Vec::new();
    for number in 0..devices {
        let number = u8::try_from(number).unwrap_or(0);
        let place = match places.last_mut() {
            None => {
                let device = Place::device(number);
                let replica = device.create(&name_of(number));
                Place::of(device, replica)
            }
            Some(host) => {
                let joined = host.let_in(number)?;
                joined.ok_or_else(|| Wrong::new("a member may let nobody in"))?
            }
        };
        places.push(place);
    }
    Ok(places)
}

/// Whether something was not done because a member of a newer version wrote membership records.
pub(super) fn is_too_new(error: &EngineError) -> bool {
    let EngineError::Peer { code, .. } = error else {
        return false;
    };
    *code == Code::MembershipTooNew
}

fn name_of(number: u8) -> String {
    format!("device {number}")
}

impl Place {
    fn device(number: u8) -> Device {
        Device {
            kv: MemoryKv::with_history(),
            ..Device::new(number)
        }
    }

    fn of(device: Device, replica: Replica) -> Self {
        Self {
            device_id: device.key().device_id(),
            device,
            replica: Some(replica),
            durable: Vec::new(),
            there: BTreeSet::new(),
            dropped: BTreeSet::new(),
            last_group: 0,
            shrinks: false,
            derived: 0,
            noted_upto: 0,
            is_twice: false,
            backups: Vec::new(),
        }
    }

    /// A device of a number that nobody has, let in by this one; it has nothing yet. None where this one lets nobody
    /// in, since there are membership records that it does not understand.
    pub(super) fn let_in(&mut self, number: u8) -> Result<Option<Self>, Wrong> {
        let device = Self::device(number);
        device.clock.set(self.now());
        let host = self.live()?;
        let link = match host.invite("ws://127.0.0.1:1", 1, HOUR_MS) {
            Err(error) if is_too_new(&error) => return Ok(None),
            link => link?,
        };
        host.commit_group()?;
        let joined = device.join(host, &link, &name_of(number));
        let joined =
            joined.map_err(|failure| Wrong::new(format!("joining failed: {failure:?}")))?;
        Ok(Some(Self {
            shrinks: self.shrinks,
            ..Self::of(device, joined)
        }))
    }

    /// The running process.
    pub(super) fn live(&mut self) -> Result<&mut Replica, Wrong> {
        let gone = || Wrong::new("no process runs here");
        self.replica.as_mut().ok_or_else(gone)
    }

    /// The running process, to be read.
    pub(super) fn seen(&self) -> Result<&Replica, Wrong> {
        let gone = || Wrong::new("no process runs here");
        self.replica.as_ref().ok_or_else(gone)
    }

    pub(super) fn now(&self) -> i64 {
        self.device.clock.now()
    }

    /// Commits what is staged.
    pub(super) fn commit(&mut self) -> Result<(), Wrong> {
        if !self.seen()?.has_staged() {
            return Ok(());
        }
        self.live()?.commit_group().during(|| "committing".into())?;
        self.learn()
    }

    /// Takes down the changes that are new here: they are acknowledged now.
    pub(super) fn learn(&mut self) -> Result<(), Wrong> {
        let derived = self.seen()?.derivations();
        let before = std::mem::replace(&mut self.derived, derived);
        if self.shrinks && derived != before {
            let found = self.changes()?;
            self.take_over(found);
            return Ok(());
        }
        let known = self.durable.len() as u64;
        let news = self.seen()?.changes_since(known, usize::MAX)?;
        if !news.is_empty() {
            self.last_group = news.len();
        }
        for event in news {
            if event.seq != self.durable.len() as u64 + 1 {
                return Err(Wrong::new(format!(
                    "change number {} follows number {}",
                    event.seq,
                    self.durable.len()
                )));
            }
            self.durable.push(event.change);
            self.there.insert(event.change);
        }
        Ok(())
    }

    /// Whether what was found on this folder has what was acknowledged; in order, unless changes can go and come.
    pub(super) fn has(&self, found: &[ChangeHash]) -> Result<(), Wrong> {
        if !self.shrinks {
            return checks::kept(&self.durable, found);
        }
        checks::kept_in_some_order(self.durable.iter(), found)
    }

    fn changes(&self) -> Result<Vec<ChangeHash>, Wrong> {
        let found = self.seen()?.changes_since(0, usize::MAX)?;
        Ok(found.into_iter().map(|event| event.change).collect())
    }

    fn take_over(&mut self, found: Vec<ChangeHash>) {
        let there: BTreeSet<_> = found.iter().copied().collect();
        let gone = self.durable.iter().filter(|change| !there.contains(change));
        self.dropped.extend(gone);
        let same = self.durable.iter().zip(&found).take_while(|(a, b)| a == b);
        self.noted_upto = self.noted_upto.min(same.count());
        (self.durable, self.there) = (found, there);
    }

    pub(super) fn back_up(&mut self) -> Result<(), Wrong> {
        let kv = MemoryKv::with_history();
        copy_store(&self.device.kv, &kv).map_err(EngineError::from)?;
        if self.backups.len() == BACKUPS {
            self.backups.remove(1);
        }
        self.backups.push(Backup {
            files: self.device.files.duplicate(),
            kv,
            durable: self.durable.clone(),
        });
        Ok(())
    }

    pub(super) fn jump(&self, jump: Jump) {
        let now = self.now();
        self.device.clock.set(match jump {
            Jump::Seconds => now + 10_000,
            Jump::Hour => now + HOUR_MS,
            Jump::YearAhead => now + YEAR_MS,
            Jump::YearBack => now - YEAR_MS,
            Jump::HourBack => now - HOUR_MS,
            Jump::Epoch => 0,
        });
    }

    /// The same device somewhere else, on a copy of the folder as it is on disk now.
    pub(super) fn duplicate(&self, with_store: bool) -> Result<Self, Wrong> {
        let kv = MemoryKv::with_history();
        if with_store {
            copy_store(&self.device.kv, &kv).map_err(EngineError::from)?;
        }
        Ok(Self {
            device_id: self.device_id,
            device: Device {
                kv,
                clock: Hand::at(self.now()),
                ..self.device.copy()
            },
            replica: None,
            durable: self.durable.clone(),
            there: self.there.clone(),
            dropped: self.dropped.clone(),
            last_group: self.last_group,
            shrinks: self.shrinks,
            derived: 0,
            noted_upto: 0,
            is_twice: true,
            backups: Vec::new(),
        })
    }

    /// Begins a process, and checks what it finds.
    pub(super) fn open(&mut self, expect: Expect) -> Result<(), Wrong> {
        let replica = match (self.device.try_open(), expect) {
            (Ok(_), Expect::Ahead(true)) => {
                return Err(Wrong::new("a journal that lost its end was not noticed"));
            }
            (Ok(replica), _) => replica,
            // A store that lists packed history may also be seen not to fit the unpacked one.
            (Err(EngineError::JournalShort { .. }), Expect::Ahead(_))
            | (Err(EngineError::StoreDamaged { .. }), Expect::Ahead(false)) => {
                self.device.kv = MemoryKv::with_history();
                let rebuilt = self.device.try_open();
                rebuilt.during(|| "opening without a store".into())?
            }
            // It ends within what the store knows to have been acknowledged.
            (Err(EngineError::Journal(JournalError::Damaged { .. })), Expect::Ahead(_)) => {
                let repaired = self.device.repair(MemoryKv::with_history());
                repaired.during(|| "repairing a journal that lost its end".into())?
            }
            (Err(error), _) => return Err(error).during(|| "opening".into()),
        };
        replica
            .check_store()
            .during(|| "reading the store as a whole".into())?;
        self.replica = Some(replica);
        let found = self.changes()?;
        if self.shrinks {
            // What the last process wrote down of members, or of a feed that was split, may count only now.
            let excused = judge::held_back(self, |_| true)?;
            let held_to = self
                .durable
                .iter()
                .filter(|change| !excused.contains(change));
            checks::kept_in_some_order(held_to, &found)?;
        } else {
            checks::kept(&self.durable, &found)?;
        }
        // What nobody acknowledged may be there all the same.
        self.take_over(found);
        self.derived = self.seen()?.derivations();
        self.noted_upto = 0;
        Ok(())
    }
}

impl World {
    /// Commits what is staged somewhere, and takes note of the connections that have something to send then.
    pub(super) fn settle(&mut self, n: usize) -> Result<(), Wrong> {
        let place = &mut self.places[n];
        place.commit().during(|| format!("device {n}"))?;
        for session in place.live()?.take_awakened() {
            self.awaken(n, session);
        }
        Ok(())
    }

    /// Begins a process, once the one before is gone.
    pub(super) fn open(&mut self, n: usize, expect: Expect) -> Result<(), Wrong> {
        self.openings += 1;
        self.places[n].open(expect).during(|| format!("device {n}"))
    }

    /// The record that a number stands for at a place.
    pub(super) fn record_at(&self, n: usize, number: u8) -> Result<Option<RecordKey>, Wrong> {
        let replica = self.places[n].seen()?;
        let mut there = Vec::new();
        for key in &self.records {
            if replica.get(&key.collection, key.record)?.is_some() {
                there.push(key);
            }
        }
        let chosen = there.get(crate::schedule::pick(number, there.len()));
        Ok(chosen.map(|key| (*key).clone()))
    }
}
