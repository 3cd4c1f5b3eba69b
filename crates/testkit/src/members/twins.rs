//! Devices that are there twice: what two runs of one image write, and that none of it is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_document::Value;
use driftless_engine::{Clock, ItemPage, ItemState, WaitsFor};
use driftless_protocol::{Accuse, Code, Envelope, Hash, Record, RecordBody};

use super::oracle::{Expected, Places};
use super::{COLLECTION, DEVICES, Held, World};
use crate::device::{Device, Hand};

/// Devices of a history that may be there twice.
const DOUBLED: usize = 3;
/// Folders of a history that may be copied.
const COPIES: usize = 3;
/// How far apart the numbers are of the processes that two runs of a device start later.
const APART: u64 = 1_000;
/// The same of copies of a folder, which come to further ones.
const COPIES_APART: u64 = 100 * APART;

impl World {
    /// A device's memory image is resumed twice: two processes with one randomness and one clock, each with a disk of
    /// its own. They do the same for a while, and then each something else.
    pub(super) fn double(&mut self) -> Result<(), String> {
        let device = self.dice.below(DEVICES);
        if self.doubled.len() == DOUBLED || !self.doubled.insert(device) {
            return Ok(());
        }
        let first = &self.devices[device];
        let process = first.processes.load(Ordering::Relaxed);
        let twin = Device {
            processes: Arc::new(AtomicU64::new(process)),
            clock: Hand::at(first.clock.now()),
            ..first.copy()
        };
        for (of, at) in [(first, Some(device)), (&twin, None)] {
            let opened = of.try_open();
            let opened = opened.map_err(|e| format!("{device} does not open: {e}"))?;
            match at {
                Some(at) => self.replicas[at] = opened,
                None => self.replicas.push(opened),
            }
        }
        twin.processes.fetch_add(APART, Ordering::Relaxed);
        self.devices.push(twin);
        let other = self.devices.len() - 1;
        if self.dice.below(2) == 0 {
            self.insert(device)?;
            self.insert(other)?;
        }
        for run in [device, other] {
            self.name(run)?;
            for _ in 0..self.dice.below(3) {
                self.edit(run)?;
            }
        }
        Ok(())
    }

    /// The folder of a device is copied, and both copies go on as processes of their own: what lies on a branch in it
    /// was written by both.
    pub(super) fn copy_folder(&mut self) -> Result<(), String> {
        let twins = &self.doubled;
        // Of a device that was split already, if there is one.
        let split: Vec<usize> = (0..self.devices.len())
            .filter(|n| {
                let seed = self.devices[*n].seed;
                twins.iter().any(|twin| self.devices[*twin].seed == seed)
            })
            .collect();
        if split.is_empty() || self.copies == COPIES {
            return Ok(());
        }
        self.copies += 1;
        let device = split[self.special.below(split.len())];
        let first = &self.devices[device];
        let process = first.processes.load(Ordering::Relaxed);
        let further = self.copies as u64 * COPIES_APART;
        let copy = Device {
            processes: Arc::new(AtomicU64::new(process + further)),
            clock: Hand::at(first.clock.now()),
            ..first.copy()
        };
        let opened = copy.try_open();
        let opened = opened.map_err(|e| format!("a copy of {device} does not open: {e}"))?;
        self.replicas.push(opened);
        self.devices.push(copy);
        Ok(())
    }

    /// Checks that whoever is in has issued again what a branch took away, and that no increment is lost or doubled;
    /// says how many envelopes were issued again.
    pub(super) fn check_nothing_lost(&self, wanted: &Expected) -> Result<u64, String> {
        let owner = &self.replicas[0];
        let all = ItemPage {
            settled: true,
            ..ItemPage::default()
        };
        let mut reissued = 0;
        for item in owner.quarantine(&all).map_err(|e| e.to_string())? {
            let is_split = wanted.split.contains(&(item.id.feed, item.id.n));
            if is_split != (item.code == Code::Equivocation) {
                return Err(format!("{} has the code {:?}", item.id, item.code));
            }
            let mut active = wanted.active.iter();
            if !is_split || !active.any(|device| item.id.feed.belongs_to(device)) {
                continue;
            }
            // Where a part of it cannot be done again, it stays open for a person to see, and says so.
            let state = if item.detail.contains("; not written again: ") {
                ItemState::Open
            } else {
                ItemState::Reissued
            };
            if item.waits_for != WaitsFor::Reissued || item.state != state {
                return Err(format!("{} is {:?}, not issued again", item.id, item.state));
            }
            reissued += 1;
        }
        if !self.calm {
            return Ok(reissued); // what was removed may hold increments that nobody gets
        }
        self.check_tokens(wanted)?;
        for (record, count) in &self.increments {
            let row = owner.get(COLLECTION, *record).map_err(|e| e.to_string())?;
            let row = row.ok_or_else(|| format!("record {record} is lost"))?;
            let ours = row.fields.values().find_map(|value| match value {
                Value::Counter(count) => Some(*count),
                _ => None,
            });
            if ours != Some(*count) {
                return Err(format!("record {record} counts {ours:?}, not {count}"));
            }
        }
        Ok(reissued)
    }
}

/// Adds what nobody has written down yet: whoever is out met nobody who could.
pub(super) fn accuse(devices: &[Device], all: &mut Held) -> Result<(), String> {
    let mut places = BTreeMap::<_, Vec<&Envelope>>::new();
    for envelope in &all.envelopes {
        let header = envelope.header();
        let place = (header.feed, header.n, header.prev);
        places.entry(place).or_default().push(envelope);
    }
    let mut named = BTreeSet::new();
    for record in &all.records {
        if let RecordBody::Accuse(accuse) = record.body() {
            named.insert(accuse.first.header.hash());
            named.insert(accuse.second.header.hash());
        }
    }
    let owner = devices[0].key();
    let mut added = Vec::new();
    for (_, roots) in places.into_iter().filter(|(_, roots)| roots.len() > 1) {
        for root in &roots {
            if named.contains(&root.hash()) {
                continue;
            }
            let other = roots.iter().find(|other| other.hash() != root.hash());
            let other = other.ok_or("one envelope is there twice")?;
            let device = devices.iter().map(|device| device.key().device_id());
            let device = device
                .into_iter()
                .find(|d| root.header().feed.belongs_to(d));
            let accuse = Accuse::of(
                device.ok_or("its device is one of them")?,
                root.signed_header().clone(),
                other.signed_header().clone(),
            );
            let body = RecordBody::Accuse(Box::new(accuse));
            let workspace = Some(root.header().workspace);
            let parents = heads(all.records.iter().chain(&added));
            let record = Record::sign(&owner, workspace, parents, body);
            added.push(record.map_err(|e| e.to_string())?);
            named.extend([root.hash(), other.hash()]);
        }
    }
    all.records.extend(added);
    Ok(())
}

/// The records that no other one follows.
fn heads<'a>(records: impl Iterator<Item = &'a Record> + Clone) -> Vec<Hash> {
    let followed: BTreeSet<Hash> = records
        .clone()
        .flat_map(|record| record.parents().iter().copied())
        .collect();
    let heads: BTreeSet<Hash> = records.map(Record::hash).collect();
    heads.difference(&followed).copied().collect()
}

/// An envelope's place by what was handed over so far, where that is free.
pub(super) fn free_place(
    records: &[&Record],
    envelopes: &[&Envelope],
    next: &Envelope,
) -> Option<super::oracle::Name> {
    let all = || envelopes.iter().copied().chain([next]);
    let places = Places::of(records.iter().copied(), all());
    let name = places.name(next);
    let taken = envelopes
        .iter()
        .any(|envelope| places.name(envelope) == name);
    let unnamed = places.is_root(next) && !names(records, next);
    (!taken && !unnamed).then_some(name)
}

/// Whether a record names an envelope as one way of two.
fn names(records: &[&Record], root: &Envelope) -> bool {
    records.iter().any(|record| match record.body() {
        RecordBody::Accuse(accuse) => {
            let hashes = [&accuse.first, &accuse.second].map(|h| h.header.hash());
            hashes.contains(&root.hash())
        }
        _ => false,
    })
}
