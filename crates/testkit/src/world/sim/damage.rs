//! Disks that give back something else than was written, to the next process or to one that runs.

use driftless_document::Row;
use driftless_engine::{EngineError, RecordKey, Replica};
use driftless_store::{Kv as _, MemoryKv};

use super::super::{Wrong, checks};
use super::Simulation;
use super::hosts::Restart;
use crate::device::{Device, copy_store};
use crate::schedule::COLLECTIONS;

impl Simulation {
    /// A bit of the journal flips in a copy of a folder: what opens it says so, or has what was acknowledged. What is
    /// damaged at the very end is no other than a commit that the power cut short.
    pub(super) fn flip_journal(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let sick = self.sick(n)?;
        let names = driftless_store::Files::list(&sick.files).map_err(|e| Wrong(e.to_string()))?;
        let name = &names[self.dice.faults.below(names.len())];
        let mut content = sick.files.content(name).unwrap_or_default();
        if content.is_empty() {
            return Ok(());
        }
        let bit = self.dice.faults.below(content.len() * 8);
        content[bit / 8] ^= 1 << (bit % 8);
        sick.files.set_content(name, &content);
        let place = &self.world.places[n];
        hosts_know(n, &sick, |found| {
            if place.shrinks {
                return Ok(());
            }
            checks::kept_but_for_tail(&place.durable, found, place.last_group)
        })
    }

    /// A value of the store flips a bit or is gone in a copy of a folder: what opens it says so, or nothing is wrong.
    pub(super) fn spoil_store(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let sick = self.sick(n)?;
        self.spoil_some(&sick.keys(), &sick.kv);
        let place = &self.world.places[n];
        hosts_know(n, &sick, |found| place.has(found))
    }

    /// A value of the store flips a bit or is gone under a process that runs: what that reads is right or an error, what
    /// opens the folder then says so or nothing is wrong, and from its journal the store is derived again.
    pub(super) fn spoil_open_store(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        self.leave(n);
        let rows = self.rows_of(n)?;
        let (keys, kv) = {
            let device = &self.world.places[n].device;
            (device.keys(), device.kv.clone())
        };
        let is_gone = self.spoil_some(&keys, &kv);
        let place = &mut self.world.places[n];
        for (key, row) in rows {
            match place.seen()?.get(&key.collection, key.record) {
                Ok(found) => checks::right(is_gone, row.as_ref(), found.as_ref())?,
                Err(error) => checks::typed(Err(error))?,
            }
        }
        if !is_gone {
            let fields = driftless_document::parse_record(r#"{"f0":"on a sick disk"}"#);
            let fields = fields.map_err(|error| Wrong::new(error.to_string()))?;
            let replica = place.live()?;
            let written = replica.insert(COLLECTIONS[0], fields).map(|_| ());
            let committed = written.and_then(|()| replica.commit_group());
            if let Err(error) = committed {
                checks::typed(Err(error))?;
            }
            self.hosts[n].acted = true;
        }
        let place = &self.world.places[n];
        let sick = Device {
            kv,
            ..place.device.copy()
        };
        hosts_know(n, &sick, |found| place.has(found))?;
        self.restart(n, Restart::LoseStore)
    }

    /// The rows of all records there are at a device.
    fn rows_of(&self, n: usize) -> Result<Vec<(RecordKey, Option<Row>)>, Wrong> {
        let mut rows = Vec::new();
        for collection in COLLECTIONS {
            for record in self.world.keys_of(n, collection)? {
                let row = self.world.places[n].seen()?.get(collection, record)?;
                let collection = collection.to_owned();
                rows.push((RecordKey { collection, record }, row));
            }
        }
        Ok(rows)
    }

    /// Flips a bit of some value, or loses it; true where it is gone.
    fn spoil_some(&mut self, keys: &[Vec<u8>], kv: &MemoryKv) -> bool {
        let key = &keys[self.dice.faults.below(keys.len())];
        let value = kv.get(key);
        let length = value.ok().flatten().map_or(0, |value| value.len());
        if self.fault(2) == 0 || length == 0 {
            kv.lose_key(key);
            true
        } else {
            kv.flip_bit(key, self.dice.faults.below(length * 8));
            false
        }
    }

    /// A copy of a folder, to be damaged.
    fn sick(&self, n: usize) -> Result<Device, Wrong> {
        let device = &self.world.places[n].device;
        let copy = device.copy();
        copy_store(&device.kv, &copy.kv).map_err(EngineError::from)?;
        Ok(copy)
    }
}

/// Opens a damaged copy: an error has a type, and what opens has what `check` says.
fn hosts_know(
    n: usize,
    sick: &Device,
    check: impl Fn(&[driftless_document::ChangeHash]) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let opened = sick.try_open().and_then(|replica| {
        replica.check_store()?;
        let problems = replica.verify(&mut |_| ())?.problems;
        Ok((replica, problems))
    });
    match opened {
        Err(error) => checks::typed(Err(error)),
        Ok((_, problems)) if !problems.is_empty() => Ok(()),
        Ok((replica, _)) => {
            let found = changes_of(&replica)?;
            check(&found).map_err(|why| Wrong(format!("device {n}: {}", why.0)))
        }
    }
}

fn changes_of(replica: &Replica) -> Result<Vec<driftless_document::ChangeHash>, Wrong> {
    let events = replica.changes_since(0, usize::MAX)?;
    Ok(events.into_iter().map(|event| event.change).collect())
}
