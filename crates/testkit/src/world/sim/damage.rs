//! Disks that give back something else than was written, while nobody has the folder open.

use driftless_engine::{EngineError, Replica};
use driftless_store::Kv as _;

use super::super::{Wrong, checks};
use super::Simulation;
use crate::device::{Device, copy_store};

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
        let (durable, tail) = {
            let place = &self.world.places[n];
            (&place.durable, place.last_group)
        };
        hosts_know(n, &sick, |found| {
            checks::kept_but_for_tail(durable, found, tail)
        })
    }

    /// A value of the store flips a bit or is gone in a copy of a folder: what opens it says so, or nothing is wrong.
    pub(super) fn spoil_store(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let sick = self.sick(n)?;
        let keys = sick.keys();
        let key = &keys[self.dice.faults.below(keys.len())];
        let value = sick.kv.get(key);
        let length = value.ok().flatten().map_or(0, |value| value.len());
        if self.fault(2) == 0 || length == 0 {
            sick.kv.lose_key(key);
        } else {
            sick.kv.flip_bit(key, self.dice.faults.below(length * 8));
        }
        let durable = &self.world.places[n].durable;
        hosts_know(n, &sick, |found| checks::kept(durable, found))
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
