//! Processes that end, disks that forget, folders that are put back or copied.

use std::collections::BTreeSet;

use driftless_store::MemoryKv;

use super::place::Expect;
use super::{Canary, While, World, Wrong};
use crate::device::copy_store;
use crate::schedule::{Fault, PLACES, Packing, StoreOfBackup, Write, pick};

impl World {
    pub(super) fn reopen(&mut self, n: usize) -> Result<(), Wrong> {
        self.disconnect_all_of(n)?;
        self.settle(n)?;
        if let Some(replica) = self.places[n].replica.take() {
            replica.close().during(|| format!("closing device {n}"))?;
        }
        self.open(n, Expect::Fits)
    }

    /// The process is gone with what it had only staged; so are its connections.
    fn kill(&mut self, n: usize) -> Result<(), Wrong> {
        self.places[n].replica = None;
        self.disconnect_all_of(n)
    }

    pub(super) fn crash(&mut self, n: usize) -> Result<(), Wrong> {
        self.kill(n)?;
        self.places[n].device.files.heal();
        if self.canary == Some(Canary::ForgottenCommits) {
            let place = &mut self.places[n];
            place.device.files = place.backups[0].files.duplicate();
            place.device.kv = MemoryKv::with_history();
        }
        self.open(n, Expect::Fits)
    }

    pub(super) fn power_loss(&mut self, n: usize, kept: u8, coin: u8) -> Result<(), Wrong> {
        self.kill(n)?;
        let device = &self.places[n].device;
        device.files.crash_torn(u64::from(coin));
        device.kv.crash(usize::from(kept));
        self.open(n, Expect::Fits)
    }

    pub(super) fn fail_commit(&mut self, n: usize, how: Fault, coin: u8) -> Result<(), Wrong> {
        self.settle(n)?;
        let value = coin % 4;
        self.write(
            n,
            Write::Set {
                record: 0,
                field: 0,
                value,
            },
        )?;
        let place = &mut self.places[n];
        match how {
            Fault::Power(operation) => place.device.files.halt_at_operation(u64::from(operation)),
            Fault::Sync => place.device.files.fail_syncs(true),
            Fault::Store => place.device.kv.fail_apply(1),
        }
        let failed = place.live()?.commit_group().is_err();
        if !failed {
            // There was nothing to write, or the fault lies behind the commit.
            place.learn()?;
        }
        self.kill(n)?;
        let device = &self.places[n].device;
        if let Fault::Power(_) = how {
            device.files.crash_torn(u64::from(coin));
            device.kv.crash(usize::from(coin % 4));
        } else {
            device.files.heal();
        }
        device.kv.fail_apply(u64::MAX);
        self.open(n, Expect::Fits)
    }

    pub(super) fn lose_store(&mut self, n: usize) -> Result<(), Wrong> {
        self.kill(n)?;
        self.places[n].device.kv = MemoryKv::with_history();
        self.open(n, Expect::Fits)
    }

    pub(super) fn stale_store(&mut self, n: usize, backup: u8) -> Result<(), Wrong> {
        self.kill(n)?;
        let place = &mut self.places[n];
        let backup = pick(backup, place.backups.len());
        if let Some(backup) = place.backups.get(backup) {
            let kv = MemoryKv::with_history();
            copy_store(&backup.kv, &kv).map_err(driftless_engine::EngineError::from)?;
            place.device.kv = kv;
        }
        self.open(n, Expect::Fits)
    }

    pub(super) fn restore_backup(
        &mut self,
        n: usize,
        backup: u8,
        store: StoreOfBackup,
    ) -> Result<(), Wrong> {
        self.kill(n)?;
        let place = &mut self.places[n];
        let at = pick(backup, place.backups.len());
        let Some(backup) = place.backups.get(at) else {
            return self.open(n, Expect::Fits);
        };
        let had: BTreeSet<_> = backup.durable.iter().collect();
        let lost = place.durable.iter().any(|change| !had.contains(change));
        place.is_twice = true;
        place.device.files = backup.files.duplicate();
        place.durable.clone_from(&backup.durable);
        place.there = place.durable.iter().copied().collect();
        place.dropped.clear();
        let expect = match store {
            StoreOfBackup::Newer => Expect::Ahead(lost),
            StoreOfBackup::None => {
                place.device.kv = MemoryKv::with_history();
                Expect::Fits
            }
            StoreOfBackup::Own => {
                let kv = MemoryKv::with_history();
                copy_store(&backup.kv, &kv).map_err(driftless_engine::EngineError::from)?;
                place.device.kv = kv;
                Expect::Fits
            }
        };
        // What was backed up later is no past of what is there now.
        place.backups.truncate(at + 1);
        self.open(n, expect)
    }

    /// Packing changes no frame, wherever it ends.
    pub(super) fn pack(&mut self, n: usize, how: Packing) -> Result<(), Wrong> {
        self.settle(n)?;
        let before = self.places[n].device.frames()?;
        let place = &mut self.places[n];
        place.live()?.close_segment(0)?;
        match how {
            Packing::Close => {}
            Packing::All => {
                place.live()?.pack_all(&|| true)?;
                if place.seen()?.wants_pack() {
                    return Err(Wrong::new("all is packed, and there is more to pack"));
                }
            }
            Packing::Power(operation) => {
                let packed = match place.seen()?.pack_source()? {
                    Some(source) => source.pack(&|| true)?,
                    None => None,
                };
                place.device.files.halt_at_operation(u64::from(operation));
                if let Some(packed) = packed {
                    // Whether it fails depends on where the power went.
                    let _ = place.live()?.adopt_pack(&packed);
                }
                self.kill(n)?;
                let files = &self.places[n].device.files;
                files.crash_torn(self.frames + u64::from(operation));
                self.open(n, Expect::Fits)?;
            }
        }
        if self.places[n].device.frames()? != before {
            return Err(Wrong::new(format!(
                "packing changed the frames of device {n}"
            )));
        }
        Ok(())
    }

    pub(super) fn copy_folder(&mut self, n: usize, with_store: bool) -> Result<(), Wrong> {
        if self.places.len() == PLACES {
            return Ok(());
        }
        self.settle(n)?;
        let copy = self.places[n].duplicate(with_store)?;
        self.places[n].is_twice = true;
        self.places.push(copy);
        let new = self.places.len() - 1;
        self.open(new, Expect::Fits)?;
        self.places[new].back_up()
    }
}
