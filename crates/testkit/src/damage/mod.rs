//! Random damage to one device's journal and store after a random history, and its repair.
//!
//! One case ([`run`]): six devices live together ([`members`](crate::members)), one of them packs, sets settings and is
//! closed. Then files of its journal and values of its store are harmed (`harm.rs`). What must hold:
//!
//! 1. opening the folder, and looking at it, either says that something is wrong, or all is as it was;
//! 2. a repair keeps every envelope and membership record whose bytes were not touched, without anybody's help, and says
//!    of each that is gone that it is missing;
//! 3. one sync with a device that has everything brings back everything: equal digests, and nothing wrong any more.
//!    What nobody else has and was damaged is named, and the two devices are equal all the same;
//! 4. the device goes on: it writes, closes, opens, and may be damaged again.
//!
//! Only where the store cannot say how far the journal went may the end of the last segment be gone without a word: no
//! bytes are left that could tell.

mod folder;
mod harm;

use driftless_document::parse_record;
use driftless_engine::Replica;
use driftless_protocol::Code;

use crate::histories::Dice;
use crate::members::{DEVICES, World};
use crate::wire::sync;
use folder::{Folder, Known, missing_is_named, names, only_misses};
use harm::{Harmed, OF_ANOTHER};

/// Whose files may come to lie in the victim's folder.
const OTHER: usize = 1;

/// What some cases reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Files and values that were harmed.
    pub harms: u64,
    /// Folders of which something was wrong with the journal.
    pub journals: u64,
    /// Folders of which only the store was wrong.
    pub stores: u64,
    /// Folders in which nothing that counts was harmed.
    pub harmless: u64,
    /// Folders that did not tell any more whose workspace they are.
    pub lost_workspaces: u64,
    /// Folders whose journal said that they are another device's, whose file had come to lie in it.
    pub anothers: u64,
    /// Envelopes and membership records in all damaged folders.
    pub frames: u64,
    /// Of these, those that were gone after the repair.
    pub gone: u64,
    /// Envelopes that waited after a repair for what was gone.
    pub waited: u64,
    /// Envelopes that nobody has any more.
    pub lost: u64,
}

impl Reached {
    /// Counts what another case reached.
    pub fn add(&mut self, other: &Self) {
        self.harms += other.harms;
        self.journals += other.journals;
        self.stores += other.stores;
        self.harmless += other.harmless;
        self.lost_workspaces += other.lost_workspaces;
        self.anothers += other.anothers;
        self.frames += other.frames;
        self.gone += other.gone;
        self.waited += other.waited;
        self.lost += other.lost;
    }
}

/// The device that has everything, or nearly, and one that is about to be damaged.
struct Case {
    dice: Dice,
    peer: Replica,
    victim: Folder,
    /// Files and stores as they were once, and those of another device.
    older: Vec<Folder>,
    other: Folder,
    /// Whether the peer has all that the other has.
    is_shared: bool,
    reached: Reached,
}

/// Carries out the case of a seed; what is wrong with it is a sentence.
pub fn run(seed: u64) -> Result<Reached, String> {
    let mut case = Case::lived(Dice(seed))?;
    for _ in 0..=case.dice.below(2) {
        if !case.damage_and_repair()? {
            break;
        }
    }
    Ok(case.reached)
}

impl Case {
    fn lived(mut dice: Dice) -> Result<Self, String> {
        // Neither is ever removed.
        let (victim, peer) = match dice.below(2) {
            0 => (0, DEVICES - 1),
            _ => (DEVICES - 1, 0),
        };
        let mut world = World::begin(Dice(dice.roll()), true)?;
        // As a database does: whose its journal is, and so that it is not the victim's.
        let noted = world.replicas[OTHER].note_device();
        noted.map_err(|error| format!("whose the other's is: {error}"))?;
        let mut older = Vec::new();
        for step in 0..10 + dice.below(50) {
            world.step()?;
            let replica = &mut world.replicas[victim];
            let done = match dice.below(10) {
                0 => replica.close_segment(0).map(|_| ()),
                1 => replica
                    .close_segment(0)
                    .and_then(|_| replica.pack_all(&|| true)),
                2 => {
                    let name = format!("setting {}", dice.below(3));
                    replica.set_setting(&name, &step.to_be_bytes())
                }
                3 => {
                    older.push(Folder::copy_of(&world.devices[victim]));
                    Ok(())
                }
                _ => Ok(()),
            };
            let done = done.and_then(|()| replica.commit_group());
            done.map_err(|error| format!("step {step}: {error}"))?;
        }
        let is_shared = dice.below(3) > 0;
        if is_shared {
            world.heal()?;
        } else {
            world.sync(peer, victim)?;
            for _ in 0..dice.below(6) {
                world.insert(victim)?;
            }
        }
        let other = Folder::copy_of(&world.devices[OTHER]);
        let World {
            devices, replicas, ..
        } = world;
        let mut replicas: Vec<_> = replicas.into_iter().map(Some).collect();
        let mut take = |n: usize| replicas[n].take().ok_or("it is there once");
        let closed = take(victim)?.close();
        closed.map_err(|error| format!("it does not close: {error}"))?;
        Ok(Self {
            dice,
            peer: take(peer)?,
            victim: Folder::of(&devices[victim]),
            older,
            other,
            is_shared,
            reached: Reached::default(),
        })
    }

    /// Whether the folder can be used after that.
    fn damage_and_repair(&mut self) -> Result<bool, String> {
        let known = self.victim.known()?;
        let mut harms = Vec::new();
        for _ in 0..=self.dice.below(4) {
            harms.push(self.harm(known.files.len()));
        }
        let told = harms.join(", ");
        self.reached.harms += harms.len() as u64;
        let is_mixed = told.contains(OF_ANOTHER);
        self.repair(&known, is_mixed)
            .map_err(|why| format!("{why} (harm: {told})"))
    }

    fn harm(&mut self, segments: usize) -> String {
        let harmed = Harmed {
            folder: &self.victim,
            older: &self.older,
            // One that is another's as a whole is nobody's harm.
            other: (segments > 1).then_some(&self.other),
        };
        harmed.once(&mut self.dice)
    }

    fn repair(&mut self, known: &Known, is_mixed: bool) -> Result<bool, String> {
        let knows_end = self.victim.remains()?.applied() == Some(known.end);
        // Of what the store does not tell any more, nobody can say that it is gone.
        let knows_all = self.victim.device.kv.is_same_as(&known.store);
        let untouched = self.victim.untouched(known, knows_end);
        self.victim.opening_tells(known, knows_end)?;
        let looked = self.victim.inspect()?;
        let is_said = !looked.report.faults.is_empty() || looked.report.torn_bytes > 0;
        if !is_said {
            self.victim.is_as_it_was(known, knows_end)?;
        }
        match (looked.survey.is_clean(), is_said) {
            (false, _) => self.reached.journals += 1,
            (true, true) => self.reached.stores += 1,
            (true, false) => self.reached.harmless += 1,
        }
        let is_lost = !self.victim.tells_whose_it_is(&untouched)?;
        let mut replica = match self.victim.repair() {
            Ok(Some(replica)) => replica,
            Ok(None) if is_mixed => {
                self.reached.anothers += 1;
                return Ok(false);
            }
            Ok(None) => return Err("its key is said to be another's".into()),
            Err(_) if is_lost => {
                self.reached.lost_workspaces += 1;
                return Ok(false);
            }
            Err(why) => return Err(format!("it is not repaired: {why}")),
        };
        let kept = names(&self.victim.frames()?)?;
        if let Some(name) = names(&untouched)?.difference(&kept).next() {
            return Err(format!("{name:?} was whole, and is gone"));
        }
        self.reached.frames += known.frames.len() as u64;
        if knows_all {
            missing_is_named(known, &kept, &replica)?;
        }
        self.reached.gone += known.names.difference(&kept).count() as u64;
        self.reached.waited += replica.waiting().0;
        only_misses(&replica)?;
        self.meet(&mut replica, known)?;
        self.go_on(replica)?;
        Ok(true)
    }

    /// Syncs with the device that has everything.
    fn meet(&mut self, replica: &mut Replica, known: &Known) -> Result<(), String> {
        for attempt in 0..5 {
            match sync(replica, &mut self.peer) {
                Ok(_) => {}
                // The record of a feed that went on in two ways may be what was lost: they find that again.
                Err(failure) if failure.code == Code::Equivocation && attempt < 2 => {}
                // It has forgotten the other, who proves with the next greeting that it is a member.
                Err(failure) if failure.code == Code::UnknownDevice && attempt == 0 => {}
                Err(failure) => return Err(format!("they do not sync: {failure:?}")),
            }
        }
        let digests = [&*replica, &self.peer].map(Replica::digest);
        let [ours, theirs] = digests.map(|digest| digest.map_err(|error| error.to_string()));
        let (ours, theirs) = (ours?, theirs?);
        if ours != theirs {
            return Err("the two devices differ after a sync".into());
        }
        let now = names(&self.victim.frames()?)?;
        let lost = known.names.difference(&now).count() as u64;
        let missing = replica.missing().map_err(|error| error.to_string())?;
        if self.is_shared {
            if lost > 0 {
                return Err(format!("{lost} did not come back"));
            }
            if ours != known.digest {
                return Err("all is back, and the records are others".into());
            }
            if !missing.is_empty() || replica.waiting() != (0, 0) {
                let waiting = replica.waiting();
                return Err(format!("all is back; {waiting:?} wait for {missing:?}"));
            }
        }
        self.reached.lost += lost;
        only_misses(replica)
    }

    /// The device writes, closes and opens.
    fn go_on(&mut self, mut replica: Replica) -> Result<(), String> {
        let failed = |error: driftless_engine::EngineError| format!("it does not go on: {error}");
        let fields =
            parse_record(r#"{"a":"after the repair"}"#).map_err(|error| error.to_string())?;
        replica.insert("notes", fields).map_err(failed)?;
        replica.close_segment(0).map_err(failed)?;
        if self.dice.below(2) == 0 {
            replica.pack_all(&|| true).map_err(failed)?;
        }
        let met = sync(&mut self.peer, &mut replica);
        met.map_err(|failure| format!("they do not sync: {failure:?}"))?;
        let digest = replica.digest().map_err(failed)?;
        if digest != self.peer.digest().map_err(failed)? {
            return Err("the two devices differ after a write".into());
        }
        replica.close().map_err(failed)?;
        let again = self.victim.device.try_open().map_err(failed)?;
        again.check_store().map_err(failed)?;
        if again.digest().map_err(failed)? != digest {
            return Err("it reads otherwise when it is opened again".into());
        }
        only_misses(&again)?;
        again.close().map_err(failed)
    }
}
