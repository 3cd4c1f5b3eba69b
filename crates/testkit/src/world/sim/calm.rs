//! After all that broke: the devices, left to themselves, agree within bounded time and traffic, and keep silent.

use std::collections::BTreeSet;

use driftless_engine::ConflictFilter;
use driftless_protocol::{Envelope, Hash};

use super::super::{Outcome, Wrong, checks};
use super::hosts::BACKOFF_LONGEST_MS;
use super::{SimCanary, Simulation};
use crate::wire::{DIALER, LISTENER};

/// Milliseconds in which a half-open connection is noticed, and some more.
const NOTICE_MS: i64 = 60_000;
/// Milliseconds of silence that are waited for in the end.
const SILENCE_MS: i64 = 60_000;
/// A frame takes at most so long when nothing breaks, in milliseconds.
const FRAME_MS: i64 = 20;
/// Round trips that two devices need at most to bring each other up to date.
const ROUND_TRIPS: i64 = 16;

impl Simulation {
    /// Everything is healed, and nobody writes any more; then time passes.
    pub(super) fn settle_down(&mut self) -> Result<(), Wrong> {
        self.calm = true;
        self.tell(|| "all faults end".to_owned());
        self.cure_all()?;
        let begun = self.now;
        let longest = i64::try_from(BACKOFF_LONGEST_MS).unwrap_or(0);
        self.run_until(begun + longest + NOTICE_MS + SILENCE_MS)?;
        let quiet_since = self.last_frame.max(begun);
        let level_since = self.last_session.max(begun + NOTICE_MS);
        let hops = i64::try_from(self.hosts.len()).unwrap_or(0);
        let most = 2 * FRAME_MS * ROUND_TRIPS * hops;
        checks::bounded_time(quiet_since - level_since, most)?;
        checks::bounded_time(quiet_since - self.now + SILENCE_MS, 0)?;
        if self.canary == Some(SimCanary::AcknowledgedEarly) {
            self.lose_power_everywhere()?;
        }
        for n in 0..self.hosts.len() {
            checks::equal_sets(&self.world.places[0].durable, &self.world.places[n].durable)
                .map_err(|why| Wrong(format!("devices 0 and {n}: {}", why.0)))?;
            self.check_claims(n)?;
        }
        let ids: Vec<u64> = self.wires.keys().copied().collect();
        for id in ids {
            self.check_rest(id)?;
        }
        self.part_all()
    }

    fn lose_power_everywhere(&mut self) -> Result<(), Wrong> {
        for n in 0..self.hosts.len() {
            self.world.power_loss(n, 0, 0)?;
        }
        Ok(())
    }

    /// Ends all sessions in good order.
    fn part_all(&mut self) -> Result<(), Wrong> {
        for (_, wire) in std::mem::take(&mut self.wires) {
            for side in [DIALER, LISTENER] {
                if wire.open[side] {
                    let n = wire.hosts[side];
                    let replica = self.world.places[n].live()?;
                    wire.link.close(side, replica)?;
                    self.world.places[n].learn()?;
                }
            }
        }
        Ok(())
    }

    /// The world underneath is checked: each two meet and have nothing for each other, and all is as it must be.
    pub(super) fn check_all(&mut self) -> Result<Outcome, Wrong> {
        self.world.strange = self.strange;
        if self.canary == Some(SimCanary::UnstableOrder) {
            let log = |n: usize| -> Result<_, Wrong> {
                let replica = self.world.places[n].seen()?;
                let mut log = replica.conflicts(&ConflictFilter::default())?;
                let arrived = &self.world.places[n].durable;
                log.sort_by_key(|view| {
                    let members = view.entry.members.iter().map(|member| member.change);
                    let places = members.filter_map(|c| arrived.iter().position(|a| *a == c));
                    places.max()
                });
                Ok(log
                    .into_iter()
                    .map(|view| view.entry.id)
                    .collect::<Vec<_>>())
            };
            checks::equal_logs(&log(0)?, &log(1)?)?;
        }
        self.check_passed_on()?;
        self.check_issued_again()?;
        let mut world = std::mem::replace(&mut self.world, super::super::World::empty());
        world.heal()?;
        world.check()
    }

    /// Each device has the envelopes of the others, those too that it does not understand.
    fn check_passed_on(&self) -> Result<(), Wrong> {
        let mut first = None;
        for place in &self.world.places {
            let envelopes = super::super::judge::envelopes_of(place, false)?;
            let hashes: BTreeSet<Hash> = envelopes.iter().map(Envelope::hash).collect();
            let first = first.get_or_insert_with(|| hashes.clone());
            checks::unlike(first, &hashes)?;
        }
        Ok(())
    }
}
