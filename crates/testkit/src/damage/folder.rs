//! The folder of one device: what is known of it before it is harmed, and what is done with it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use driftless_engine::{
    DigestReport, FaultPart, FaultRemedy, Inspected, Remains, Replica, inspect,
};
use driftless_protocol::{Envelope, Hash, Record, RecordBody};
use driftless_store::{Files as _, Frame, MemoryKv, Position, Visit};

use crate::device::{Device, RECORD_FRAME, holds_envelope};
use crate::ills::Ills;
use crate::members::Places;

/// Bytes before those of a frame in a segment.
const FRAME_HEADER: usize = 14;

/// One device's journal and store.
pub(super) struct Folder {
    pub(super) device: Device,
}

/// What a folder held before it was harmed.
pub(super) struct Known {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Envelopes and membership records, in their order.
    pub(super) frames: Vec<Frame>,
    /// Of those that came from a member: they come back.
    pub(super) names: BTreeSet<Hash>,
    pub(super) digest: DigestReport,
    pub(super) end: Position,
    pub(super) store: MemoryKv,
}

impl Known {
    /// Its membership records and envelopes.
    fn decoded(&self) -> Result<(Vec<Record>, Vec<Envelope>), String> {
        let (mut records, mut envelopes) = (Vec::new(), Vec::new());
        for frame in &self.frames {
            let failed = |error: &dyn std::fmt::Display| error.to_string();
            if holds_envelope(frame.kind) {
                envelopes.push(Envelope::decode(&frame.bytes).map_err(|e| failed(&e))?);
            } else {
                records.push(Record::decode(&frame.bytes).map_err(|e| failed(&e))?);
            }
        }
        Ok((records, envelopes))
    }
}

/// All but envelopes that no member has signed: an earlier repair has read these out of damaged bytes, and keeps them for the
/// case that they are right.
fn of_members(frames: &[Frame]) -> Result<Vec<Frame>, String> {
    let records = frames.iter().filter(|frame| frame.kind == RECORD_FRAME);
    let records = records.map(|frame| Record::decode(&frame.bytes));
    let records = records.collect::<Result<Vec<_>, _>>();
    let records = records.map_err(|error| error.to_string())?;
    let members: BTreeMap<_, _> = records
        .iter()
        .map(|record| (record.author().prefix(), record.author()))
        .collect();
    let is_signed = |frame: &&Frame| {
        let Ok(envelope) = Envelope::decode(&frame.bytes) else {
            return false;
        };
        let author = members.get(&envelope.header().feed.device_prefix());
        author.is_some_and(|author| envelope.verify(author).is_ok())
    };
    let kept = frames
        .iter()
        .filter(|frame| frame.kind == RECORD_FRAME || is_signed(frame));
    Ok(kept.cloned().collect())
}

/// The hashes of envelopes and membership records.
pub(super) fn names(frames: &[Frame]) -> Result<BTreeSet<Hash>, String> {
    let name = |frame: &Frame| {
        if holds_envelope(frame.kind) {
            return Envelope::decode(&frame.bytes)
                .map(|envelope| envelope.hash())
                .map_err(|error| error.to_string());
        }
        Record::decode(&frame.bytes)
            .map(|record| record.hash())
            .map_err(|error| error.to_string())
    };
    frames.iter().map(name).collect()
}

impl Folder {
    pub(super) fn of(device: &Device) -> Self {
        Self {
            device: Device {
                files: device.files.clone(),
                ills: Ills::default(),
                kv: device.kv.clone(),
                seed: device.seed,
                clock: device.clock.clone(),
                processes: device.processes.clone(),
            },
        }
    }

    /// As it is now, whatever becomes of it.
    pub(super) fn copy_of(device: &Device) -> Self {
        let mut folder = Self::of(device);
        folder.device.files = device.files.duplicate();
        folder.device.kv = device.kv.duplicate();
        folder
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.device.files.list().unwrap_or_default();
        let content = |name: String| {
            let content = self.device.files.content(&name)?;
            Some((name, content))
        };
        names.into_iter().filter_map(content).collect()
    }

    /// Envelopes and membership records of the journal.
    pub(super) fn frames(&self) -> Result<Vec<Frame>, String> {
        let mut frames = self.device.frames().map_err(|error| error.to_string())?;
        frames.retain(|frame| holds_envelope(frame.kind) || frame.kind == RECORD_FRAME);
        Ok(frames)
    }

    pub(super) fn known(&self) -> Result<Known, String> {
        let replica = self.device.try_open().map_err(|e| e.to_string())?;
        let digest = replica.digest().map_err(|e| e.to_string())?;
        replica.close().map_err(|e| e.to_string())?;
        let frames = self.frames()?;
        let applied = self.remains()?.applied();
        Ok(Known {
            files: self.files(),
            names: names(&of_members(&frames)?)?,
            frames,
            digest,
            end: applied.ok_or("a store that was closed says how far it is")?,
            store: self.device.kv.duplicate(),
        })
    }

    pub(super) fn remains(&self) -> Result<Remains, String> {
        Remains::of(&self.device.kv).map_err(|error| error.to_string())
    }

    /// Opening it is an error, or all is there.
    pub(super) fn opening_tells(&self, known: &Known, knows_end: bool) -> Result<(), String> {
        let copy = Self::copy_of(&self.device);
        let Ok(replica) = copy.device.try_open() else {
            // What it did to the folder on the way is found by the repair.
            drop(self.device.try_open());
            return Ok(());
        };
        if replica.check_store().is_err() {
            return Ok(());
        }
        let frames = copy.frames()?;
        let digest = replica.digest();
        let is_equal = frames == known.frames && digest.is_ok_and(|now| now == known.digest);
        let is_less = frames.len() < known.frames.len();
        match (
            is_equal,
            is_less && !knows_end && known.frames.starts_with(&frames),
        ) {
            (false, false) => Err(format!(
                "it opens without a word, with {} frames of {}",
                frames.len(),
                known.frames.len()
            )),
            _ => Ok(()),
        }
    }

    /// Nothing was said of it, and nothing is wrong with it.
    pub(super) fn is_as_it_was(&self, known: &Known, knows_end: bool) -> Result<(), String> {
        let copy = Self::copy_of(&self.device);
        let replica = copy.device.try_open();
        let replica = replica.map_err(|error| format!("nothing is said, and {error}"))?;
        let frames = copy.frames()?;
        if frames == known.frames {
            let digest = replica.digest().map_err(|error| error.to_string())?;
            let whole = digest == known.digest && replica.check_store().is_ok();
            return if whole {
                Ok(())
            } else {
                Err("nothing is said, and it reads otherwise".into())
            };
        }
        if !knows_end && known.frames.starts_with(&frames) {
            return Ok(());
        }
        Err("nothing is said, and the journal is another".into())
    }

    pub(super) fn inspect(&self) -> Result<Inspected, String> {
        let files = self.files();
        let looked = inspect(
            &self.device.files,
            Some(&self.device.kv),
            Some(&self.remains()?),
            Some(self.device.key().device_id()),
            &mut |_| Visit::Continue,
        );
        let looked = looked.map_err(|error| format!("it cannot be looked at: {error}"))?;
        if self.files() != files {
            return Err("looking at it changed it".into());
        }
        looked.ok_or_else(|| "nobody ended it".into())
    }

    /// The frames all of whose bytes are where they were.
    pub(super) fn untouched(&self, known: &Known, knows_end: bool) -> Vec<Frame> {
        let now = self.files();
        let numbers = now
            .keys()
            .filter_map(|name| name.split('.').next()?.parse().ok());
        let last = numbers.max().unwrap_or(known.end.segment);
        let is_untouched = |frame: &&Frame| {
            let number = frame.position.segment;
            if !knows_end && number >= last {
                return false; // it may be cut
            }
            let loose = format!("{number:08}.seg");
            if let Some(before) = known.files.get(&loose) {
                let from = frame.position.offset as usize;
                let bytes = from..from + FRAME_HEADER + frame.bytes.len();
                let now = now.get(&loose).and_then(|now| now.get(bytes.clone()));
                return now == Some(&before[bytes]);
            }
            let forms = [format!("{number:08}.pack"), format!("{number:08}.mend")];
            forms
                .iter()
                .all(|name| known.files.get(name) == now.get(name))
        };
        known.frames.iter().filter(is_untouched).cloned().collect()
    }

    /// Whether what is left says where the workspace began, and that this device is in it: with all that this rests on.
    pub(super) fn tells_whose_it_is(&self, untouched: &[Frame]) -> Result<bool, String> {
        let records = untouched.iter().filter(|frame| frame.kind == RECORD_FRAME);
        let records = records.map(|frame| Record::decode(&frame.bytes));
        let records = records.collect::<Result<Vec<_>, _>>();
        let records = records.map_err(|error| error.to_string())?;
        let id = self.device.key().device_id();
        let begins = |record: &Record| matches!(record.body(), RecordBody::Genesis(_));
        let joins = |record: &&Record| record.author() == id;
        let joins: Vec<_> = records.iter().filter(joins).map(Record::hash).collect();
        let lets_in = |record: &Record| match record.body() {
            RecordBody::Genesis(_) => record.author() == id,
            RecordBody::Admit(admit) => joins.contains(&admit.join),
            _ => false,
        };
        let mut placed = BTreeSet::new();
        loop {
            let before = placed.len();
            let stands = |record: &&Record| record.parents().iter().all(|p| placed.contains(p));
            let more: Vec<_> = records.iter().filter(stands).map(Record::hash).collect();
            placed.extend(more);
            if placed.len() == before {
                break;
            }
        }
        let stand = |record: &&Record| placed.contains(&record.hash());
        let mut standing = records.iter().filter(stand);
        Ok(records.iter().any(begins) && standing.any(lets_in))
    }

    /// Repairs it, in the order in which a database does; none where the journal says that it is another device's.
    pub(super) fn repair(&mut self) -> Result<Option<Replica>, String> {
        let device = &mut self.device;
        let looked = inspect(
            &device.files,
            Some(&device.kv),
            None,
            Some(device.key().device_id()),
            &mut |_| Visit::Continue,
        );
        let looked = looked.map_err(|error| error.to_string())?;
        let looked = looked.ok_or("nobody ended it")?;
        let mut faults = looked.report.faults.iter();
        if faults.any(|fault| fault.part == FaultPart::Key) {
            return Ok(None);
        }
        if looked.survey.is_clean() {
            if !looked.report.faults.is_empty() {
                device.kv = MemoryKv::new();
            }
            return device
                .try_open()
                .map(Some)
                .map_err(|error| error.to_string());
        }
        let repaired = device.repair(MemoryKv::new());
        repaired.map(Some).map_err(|error| error.to_string())
    }
}

/// All that is gone is said to be missing.
pub(super) fn missing_is_named(
    known: &Known,
    kept: &BTreeSet<Hash>,
    replica: &Replica,
) -> Result<(), String> {
    let missing = replica.missing().map_err(|error| error.to_string())?;
    let (records, envelopes) = known.decoded()?;
    let places = Places::of(&records, &envelopes);
    for frame in &known.frames {
        if !holds_envelope(frame.kind) {
            continue;
        }
        let envelope = Envelope::decode(&frame.bytes).map_err(|error| error.to_string())?;
        let hash = envelope.hash();
        if kept.contains(&hash) || !known.names.contains(&hash) {
            continue;
        }
        let (feed, n) = (envelope.header().feed, envelope.header().n);
        let (branch, _) = places.name(&envelope);
        let mut runs = missing.iter();
        let is_named = runs
            .any(|run| [feed, branch].contains(&run.feed) && (run.first..=run.last).contains(&n));
        if !is_named {
            return Err(format!("{n} of {feed} is gone, and not said to be missing"));
        }
    }
    Ok(())
}

/// Nothing is wrong but what is gone.
pub(super) fn only_misses(replica: &Replica) -> Result<(), String> {
    let report = replica
        .verify(&mut |_| ())
        .map_err(|error| error.to_string())?;
    let mut others = report.faults.iter();
    match others.find(|fault| fault.remedy != FaultRemedy::Sync) {
        Some(fault) => Err(format!("something is wrong after the repair: {fault}")),
        None => Ok(()),
    }
}
