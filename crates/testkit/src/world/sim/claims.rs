//! What a device says of itself, held against what the simulation knows.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::ChangeHash;
use driftless_engine::{ConflictFilter, SyncState};

use super::super::{Wrong, checks, judge};
use super::{SimCanary, Simulation};
use crate::schedule::COLLECTIONS;

impl Simulation {
    /// What is said to be synced is, what is counted is there, and no change is there without its past.
    pub(super) fn check_claims(&mut self, n: usize) -> Result<(), Wrong> {
        self.set_clock(n);
        if self.hosts[n].armed.is_some() || self.hosts[n].asleep_until > self.now {
            return Ok(());
        }
        if !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        self.check_synced(n)?;
        self.check_counts(n)
    }

    /// A record is said to be synced with those only that have, or once had, all of it.
    fn check_synced(&self, n: usize) -> Result<(), Wrong> {
        let place = &self.world.places[n];
        let replica = place.seen()?;
        let mut of_record = BTreeMap::<_, BTreeSet<ChangeHash>>::new();
        for event in replica.changes_since(0, usize::MAX)? {
            // What a removed member made may be held, and count only once one hears that it was adopted.
            if self.world.of_leaver.contains(&event.change) {
                continue;
            }
            let changes = of_record.entry(event.key).or_default();
            changes.insert(event.change);
        }
        let seeds: BTreeMap<_, _> = self
            .world
            .places
            .iter()
            .map(|place| (place.device_id, place.device.seed))
            .collect();
        for (key, changes) in of_record {
            let sync = replica.record_sync(&key.collection, key.record)?;
            let mut peers = sync.peers;
            if self.canary == Some(SimCanary::SyncedTooEarly) {
                peers.extend(seeds.keys().filter(|id| **id != replica.device()));
            }
            for peer in peers {
                // What a member that is none of the devices says is its own affair.
                let Some(seed) = seeds.get(&peer) else {
                    continue;
                };
                checks::synced(&changes, &self.ever[seed]).map_err(|why| {
                    Wrong(format!("device {n} of record {}: {}", key.record, why.0))
                })?;
            }
            if self.villain.is_none() && self.leaver.is_none() && sync.state == SyncState::Synced {
                checks::named(sync.state, self.world.places.len())?;
            }
        }
        // Nothing is pending: then somebody has all that was written here.
        let status = replica.status()?;
        let no_others = self.villain.is_none() && self.leaver.is_none();
        if status.pending_changes == 0 && no_others {
            let own = replica.changes_since(0, usize::MAX)?.into_iter();
            let own = own.filter(|event| event.device == replica.device());
            let own: BTreeSet<_> = own.map(|event| event.change).collect();
            let others = self.ever.iter().filter(|(s, _)| **s != place.device.seed);
            let somewhere: BTreeSet<_> = others.flat_map(|(_, held)| held).copied().collect();
            checks::synced(&own, &somewhere)
                .map_err(|why| Wrong(format!("device {n} has nothing pending: {}", why.0)))?;
        }
        Ok(())
    }

    /// What the status counts is what is there.
    fn check_counts(&mut self, n: usize) -> Result<(), Wrong> {
        let place = &self.world.places[n];
        let replica = place.seen()?;
        let status = replica.status()?;
        let mut live = 0_u64;
        for collection in COLLECTIONS {
            for record in self.world.keys_of(n, collection)? {
                let row = replica.get(collection, record)?;
                live += u64::from(row.is_some_and(|row| !row.deleted));
            }
        }
        let open = replica.conflicts(&ConflictFilter::open())?.len() as u64;
        let quarantined = replica.quarantine(&driftless_engine::ItemPage::default())?;
        checks::counted("records", status.records, live)?;
        checks::counted("open conflicts", status.conflicts_open, open)?;
        checks::counted(
            "quarantined envelopes",
            status.quarantined,
            quarantined.len() as u64,
        )?;
        let durable = place.durable.len() as u64;
        if !place.shrinks {
            checks::counted("the last change", replica.last_change(), durable)?;
        }
        let applied = judge::applied_parts(place, &mut self.taken_apart)?;
        let changes: Result<Vec<_>, _> = applied.iter().map(|parts| parts.changes()).collect();
        let changes: Vec<_> = changes?.into_iter().flatten().collect();
        checks::causal(&changes)
    }
}
