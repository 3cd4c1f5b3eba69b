//! The devices: what a process does between two events, how it ends and begins, and the connections it keeps.

use std::collections::BTreeSet;

use driftless_engine::{EngineError, Wishes};

use super::super::{Wrong, checks};
use super::{Event, SimCanary, Simulation};
use crate::schedule::{Schedule, StoreOfBackup};
use crate::wire::{DIALER, LISTENER};

/// The first wait after a failure, and the longest, in milliseconds: as the driver of the `driftless` crate has them.
const BACKOFF_FIRST_MS: usize = 500;
pub(super) const BACKOFF_LONGEST_MS: usize = 300_000;
/// Milliseconds until a machine that slept, or a process that is away, dials.
const AWAKENING_MS: i64 = 10;

/// What is known of a device beside its folder.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Nothing happens there before.
    pub(super) asleep_until: i64,
    /// What its clock is ahead.
    pub(super) skew: i64,
    /// What will make its next commit fail.
    pub(super) armed: Option<Armed>,
    /// Whether a person has written there since.
    pub(super) acted: bool,
    /// Whether it was put back to a backup: it may have forgotten who was let in since.
    pub(super) restored: bool,
}

/// What makes a commit fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    /// The power goes in it.
    Power,
    /// The disk, which holds what it held.
    Disk,
}

/// How a process ends and the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Reopen,
    Kill,
    Power,
    LoseStore,
    StaleStore,
    Restore,
}

/// A connection that a device keeps.
pub(super) struct Keeper {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) wire: Option<u64>,
    pub(super) failures: u32,
    timer: Option<(i64, u64)>,
}

impl Simulation {
    /// From now on a device keeps a connection to another.
    pub(super) fn keep(&mut self, from: usize, to: usize) {
        self.keepers.push(Keeper {
            from,
            to,
            wire: None,
            failures: 0,
            timer: None,
        });
        let soon = self.soon(100);
        self.arm(self.keepers.len() - 1, soon);
    }

    fn arm(&mut self, keeper: usize, at: i64) {
        if let Some(timer) = self.keepers[keeper].timer.take() {
            self.queue.remove(&timer);
        }
        if self.canary == Some(SimCanary::ForgottenTimer) && self.keepers[keeper].failures > 0 {
            return;
        }
        let key = self.at(at, Event::Dial { keeper });
        self.keepers[keeper].timer = Some(key);
    }

    /// A connection failed or ended: the next attempt waits.
    pub(super) fn back_off(&mut self, keeper: usize) {
        let failures = self.keepers[keeper].failures;
        let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << failures.min(16));
        let ceiling = doubled.min(BACKOFF_LONGEST_MS);
        self.keepers[keeper].failures += 1;
        self.keepers[keeper].wire = None;
        let at = self.soon(ceiling);
        self.arm(keeper, at);
    }

    pub(super) fn dial(&mut self, keeper: usize) -> Result<(), Wrong> {
        let Keeper { from, to, wire, .. } = self.keepers[keeper];
        self.keepers[keeper].timer = None;
        if wire.is_some() {
            return Ok(());
        }
        let asleep = self.hosts[from].asleep_until;
        if asleep > self.now {
            self.arm(keeper, asleep + AWAKENING_MS);
            return Ok(());
        }
        if !self.can_reach(from, to) {
            self.back_off(keeper);
            return Ok(());
        }
        let live = Wishes {
            live: true,
            ..Wishes::default()
        };
        let id = self.connect_hosts(from, to, [live, live], Some(keeper))?;
        // It may have failed already.
        if self.wires.contains_key(&id) && self.keepers[keeper].timer.is_none() {
            self.keepers[keeper].wire = Some(id);
        }
        Ok(())
    }

    pub(super) fn can_reach(&self, from: usize, to: usize) -> bool {
        let blocked = |pair| self.blocked.get(&pair).is_some_and(|t| *t > self.now);
        let asleep = |n: usize| self.hosts[n].asleep_until > self.now;
        !(asleep(from) || asleep(to) || blocked((from, to)) || blocked((to, from)))
    }

    /// Each kept connection is open, or a timer leads to its next attempt.
    pub(super) fn check_timers(&self) -> Result<(), Wrong> {
        for (n, keeper) in self.keepers.iter().enumerate() {
            let is_open = keeper.wire.is_some_and(|id| self.wires.contains_key(&id));
            let is_armed = keeper.timer.is_some_and(|t| self.queue.contains_key(&t));
            checks::armed(is_open, is_armed)
                .map_err(|why| Wrong(format!("{} (connection {n} of {})", why.0, keeper.from)))?;
        }
        Ok(())
    }

    /// After something was done at a host: makes it durable and sends what follows, unless the process ends on the
    /// way, or more is to be committed at once.
    pub(super) fn after(&mut self, n: usize) -> Result<(), Wrong> {
        if self.ends_here(n)? {
            return Ok(());
        }
        let waits = !self.calm && self.dice.hosts.below(1_000) < self.odds.group;
        if waits && self.world.places[n].seen()?.has_staged() {
            let at = self.soon(50);
            self.at(at, Event::Commit { host: n });
            return Ok(());
        }
        if !self.settle(n)? || self.ends_here(n)? {
            return Ok(());
        }
        self.drain(n)
    }

    pub(super) fn commit_late(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].asleep_until > self.now {
            let at = self.hosts[n].asleep_until;
            self.at(at, Event::Commit { host: n });
            return Ok(());
        }
        if self.settle(n)? {
            self.drain(n)?;
        }
        Ok(())
    }

    /// A process may end between any two of its effects.
    fn ends_here(&mut self, n: usize) -> Result<bool, Wrong> {
        if self.calm || self.dice.hosts.below(1_000) >= self.odds.crash {
            return Ok(false);
        }
        let how = if self.dice.hosts.below(2) == 0 {
            Restart::Kill
        } else {
            Restart::Power
        };
        self.count("Crash between effects");
        self.restart(n, how)?;
        Ok(true)
    }

    /// Commits what is staged; false where that failed, as it was to, and another process has begun.
    pub(super) fn settle(&mut self, n: usize) -> Result<bool, Wrong> {
        self.set_clock(n);
        let committed = self.world.places[n].commit();
        match (committed, self.hosts[n].armed) {
            (Ok(()), _) => {
                self.note_durable(n)?;
                Ok(true)
            }
            (Err(why), None) => Err(why),
            (Err(_), Some(armed)) => {
                self.check_poisoned(n)?;
                self.count("Commit failed");
                self.restart(
                    n,
                    match armed {
                        Armed::Power => Restart::Power,
                        Armed::Disk => Restart::Kill,
                    },
                )?;
                Ok(false)
            }
        }
    }

    /// After a commit that failed nothing is written, acknowledged or sent before the folder was opened again.
    fn check_poisoned(&mut self, n: usize) -> Result<(), Wrong> {
        let replica = self.world.places[n].live()?;
        let commits = matches!(replica.commit_group(), Err(EngineError::Broken));
        let writes = replica.set_setting("poisoned", b"?");
        let mut silent = true;
        for wire in self.wires.values() {
            for side in [DIALER, LISTENER] {
                if wire.hosts[side] == n && wire.open[side] {
                    silent &= replica.poll_session(wire.link.session(side)).is_none();
                }
            }
        }
        checks::poisoned(commits, matches!(writes, Err(EngineError::Broken)), silent)
    }

    /// Takes down what is durable at a device now, and who made it: what a device has staged itself, or finds on its
    /// own disk, is its own.
    pub(super) fn note_durable(&mut self, n: usize) -> Result<(), Wrong> {
        let place = &self.world.places[n];
        let from = place.noted_upto.min(place.durable.len());
        let ever = self.ever.entry(place.device.seed).or_default();
        ever.extend(&place.durable[from..]);
        let replica = place.seen()?;
        let news = replica.changes_since(from as u64, usize::MAX)?;
        let own = self.hosts[n].acted || from == 0;
        let villain = self.villain.as_ref().map(|v| v.device_id);
        let leaver = self.leaver.as_ref().map(|leaver| leaver.0.device_id);
        let mut foreign = BTreeSet::new();
        for event in news {
            if event.device == replica.device() && own {
                self.made.insert(event.change);
            } else if ![villain, leaver].contains(&Some(event.device)) {
                foreign.insert(event.change);
            }
        }
        checks::authored(&foreign, &self.made)?;
        self.world.places[n].noted_upto = place.durable.len();
        self.hosts[n].acted = false;
        Ok(())
    }

    /// A process ends, and another one begins on what is there then.
    pub(super) fn restart(&mut self, n: usize, how: Restart) -> Result<(), Wrong> {
        self.tell(|| format!("the process of device {n} ends: {how:?}"));
        if how == Restart::Reopen && !self.settle(n)? {
            return Ok(());
        }
        self.leave(n);
        let device = &self.world.places[n].device;
        device.ills.cure();
        device.kv.fail_apply(u64::MAX);
        if how != Restart::Power {
            device.files.heal();
        }
        let (a, b) = (self.fault(256), self.fault(256));
        match how {
            Restart::Reopen => self.world.reopen(n),
            Restart::Kill => self.world.crash(n),
            Restart::Power => self.world.power_loss(n, a % 8, b),
            Restart::LoseStore => self.world.lose_store(n),
            Restart::StaleStore => self.world.stale_store(n, a),
            Restart::Restore => {
                let store = match b % 3 {
                    0 => StoreOfBackup::Own,
                    1 => StoreOfBackup::None,
                    _ => StoreOfBackup::Newer,
                };
                self.world.restore_backup(n, a, store)
            }
        }?;
        self.hosts[n].armed = None;
        self.hosts[n].restored |= how == Restart::Restore;
        self.note_durable(n)?;
        self.reissue(n)?;
        let away = if self.calm {
            self.now
        } else {
            self.soon(self.odds.away)
        };
        self.hosts[n].asleep_until = self.hosts[n].asleep_until.max(away);
        for keeper in 0..self.keepers.len() {
            if self.keepers[keeper].from == n {
                self.keepers[keeper].wire = None;
                self.keepers[keeper].failures = 0;
                self.arm(keeper, away + AWAKENING_MS);
            }
        }
        Ok(())
    }

    /// A number below some, drawn for a fault.
    pub(super) fn fault(&mut self, end: usize) -> u8 {
        u8::try_from(self.dice.faults.below(end)).unwrap_or(u8::MAX)
    }

    /// The connections of a process that ends.
    pub(super) fn leave(&mut self, n: usize) {
        let of_it: Vec<_> = self
            .wires
            .iter()
            .flat_map(|(id, wire)| {
                let sides = [DIALER, LISTENER].into_iter();
                let open = sides.filter(|side| wire.hosts[*side] == n && wire.open[*side]);
                open.map(|side| (*id, side)).collect::<Vec<_>>()
            })
            .collect();
        for (id, side) in of_it {
            self.orphan(id, side);
        }
    }

    /// A person writes something at a device, if it is awake.
    pub(super) fn act(&mut self, n: usize) -> Result<(), Wrong> {
        let next = self.soon(2 * self.odds.between_acts);
        if self.calm {
            return Ok(());
        }
        self.at(next, Event::Act { host: n });
        if self.hosts[n].asleep_until > self.now {
            return Ok(());
        }
        self.set_clock(n);
        let write = Schedule::random_write(&mut self.dice.people);
        self.tell(|| format!("device {n} writes {write:?}"));
        self.hosts[n].acted = true;
        self.world.write(n, write)?;
        self.after(n)
    }
}
