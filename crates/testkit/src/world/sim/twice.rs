//! Feeds that go on in two ways: a member that signs two envelopes with one number, and a memory image that is resumed
//! twice. What lies on a branch counts nowhere; what an honest device wrote there it writes again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_document::RecordId;
use driftless_engine::{ItemPage, RecordKey};
use driftless_protocol::{Code, DeviceId, FeedId};

use super::super::place::{Expect, Place};
use super::super::{While, Wrong, checks};
use super::hosts::Restart;
use super::villain::{Draft, random_bytes, wire_of};
use super::{Event, Simulation};
use crate::device::Device;
use crate::schedule::{COLLECTIONS, PLACES};

/// How far apart the numbers are of the processes that two runs of one image start later.
const APART: u64 = 1_000_000;

impl Simulation {
    /// From now on changes that were there may not count any more.
    fn expect_splits(&mut self) {
        self.world.splits = true;
        for place in &mut self.world.places {
            place.shrinks = true;
        }
    }

    /// A member signs two envelopes with one number, and two devices get one each; others write on top of both.
    pub(super) fn equivocate(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(villain) = &self.villain else {
            return Ok(());
        };
        let key = villain.device.key();
        let dice = &mut self.dice.villain;
        let feed = FeedId::new(&key.device_id(), random_bytes(dice));
        let other = (n + 1 + dice.below(self.hosts.len() - 1)) % self.hosts.len();
        let same_record = dice.below(2) == 0;
        let record = random_bytes(dice);
        let mut ways = Vec::new();
        for _ in 0..2 {
            let mut first = Draft::sound(feed, dice);
            if same_record {
                first.record = record;
            }
            let goes_on = dice.below(3) == 0;
            let mut second = Draft::sound(feed, dice);
            let mut records = vec![first.record];
            let first = first.sign(villain, &key)?;
            let mut envelopes = vec![(feed, 1, wire_of(&first))];
            if goes_on {
                (second.n, second.prev) = (2, first.hash());
                records.push(second.record);
                envelopes.push((feed, 2, wire_of(&second.sign(villain, &key)?)));
            }
            ways.push((records, envelopes));
        }
        self.expect_splits();
        for (to, (records, envelopes)) in [n, other].into_iter().zip(ways) {
            if self.hosts[to].asleep_until > self.now || self.hosts[to].armed.is_some() {
                continue;
            }
            let keys = records.into_iter().map(|record| RecordKey {
                collection: COLLECTIONS[0].to_owned(),
                record: RecordId(record),
            });
            self.world.records.extend(keys);
            self.send_envelopes(to, envelopes, 0, Vec::new())?;
        }
        Ok(())
    }

    /// A device's memory image is resumed twice: two processes with one randomness and one clock go on with one feed, each
    /// on a disk of its own.
    pub(super) fn twin(&mut self, n: usize) -> Result<(), Wrong> {
        if self.world.places.len() == PLACES || self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        self.expect_splits();
        self.world.places[n].is_twice = true;
        let place = &self.world.places[n];
        let mut twin = place.duplicate(false)?;
        let processes = place.device.processes.load(Ordering::Relaxed);
        let processes = Arc::new(AtomicU64::new(processes));
        twin.device = Device {
            processes: processes.clone(),
            ..twin.device
        };
        self.restart(n, Restart::Kill)?;
        self.world.places.push(twin);
        let new = self.world.places.len() - 1;
        self.world.open(new, Expect::Fits)?;
        processes.fetch_add(APART, Ordering::Relaxed);
        self.world.places[new].back_up()?;
        self.begin_copy(n)?;
        for run in [n, new] {
            let soon = self.soon(50);
            self.at(soon, Event::Act { host: run });
        }
        Ok(())
    }

    /// As the driver does after opening, and when a session has come to have everything.
    pub(super) fn reissue(&mut self, n: usize) -> Result<(), Wrong> {
        if !self.world.splits || self.hosts[n].armed.is_some() {
            return Ok(());
        }
        let again = self.world.places[n].live()?.reissue();
        let again = again.during(|| format!("device {n} issues again"))?;
        if again > 0 {
            self.tell(|| format!("device {n} issues {again} envelopes again"));
            self.count("Issued again");
            self.hosts[n].acted = true;
            self.world.places[n].learn()?;
            self.note_durable(n)?;
            self.drain(n)?;
        }
        Ok(())
    }

    /// What an honest device wrote on a branch it has written again (what of it could not be is told to a person), unless a
    /// folder of its was put back to a backup: what that had written there nobody has any more as its own.
    pub(super) fn check_issued_again(&self) -> Result<(), Wrong> {
        if !self.world.splits {
            return Ok(());
        }
        let all = ItemPage {
            settled: true,
            ..ItemPage::default()
        };
        let key = |place: &Place| place.device.key().device_id();
        let all_hosts = || self.world.places.iter().zip(&self.hosts);
        let restored = all_hosts().filter(|(_, host)| host.restored);
        let restored: BTreeSet<DeviceId> = restored.map(|(place, _)| key(place)).collect();
        for place in &self.world.places {
            if restored.contains(&key(place)) {
                continue;
            }
            for item in place.seen()?.quarantine(&all)? {
                if item.own && item.code == Code::Equivocation {
                    checks::issued_again(&item.id, &item.waits_for)?;
                }
            }
        }
        Ok(())
    }
}
