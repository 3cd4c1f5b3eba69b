//! What befalls somebody at a tick.

use driftless_engine::{Millis, Wishes};

use super::super::{While, Wrong};
use super::hosts::{Armed, Host, Restart};
use super::net::LATE_MS;
use super::{Event, Mischief, Simulation, TICK_MS};
use crate::schedule::{PLACES, Packing};
use crate::wire::{DIALER, LISTENER};

const HOUR_MS: Millis = 60 * 60 * 1_000;
const YEAR_MS: Millis = 365 * 24 * HOUR_MS;
/// Of so many ticks, what a device says of itself is held against what is true at one.
const CLAIMS_ONE_IN: usize = 6;
/// What the keys of devices that are let in on the way come from; those of the beginning have small numbers.
const FIRST_NEWCOMER: u8 = 50;

impl Simulation {
    pub(super) fn tick(&mut self) -> Result<(), Wrong> {
        if self.calm {
            return Ok(());
        }
        self.at(self.now + TICK_MS, Event::Tick);
        for mischief in Mischief::ALL {
            if self.dice.faults.below(1_000) < self.odds.of(mischief) {
                let n = self.dice.faults.below(self.hosts.len());
                // What is asleep or away is left alone, but for what befalls its folder.
                if self.hosts[n].asleep_until <= self.now {
                    self.tell(|| format!("{mischief:?} at device {n}"));
                    self.count(format!("{mischief:?}"));
                    self.set_clock(n);
                    self.befall(mischief, n)
                        .during(|| format!("{mischief:?} at device {n}"))?;
                }
            }
        }
        if self.dice.faults.below(CLAIMS_ONE_IN) == 0 {
            let n = self.dice.faults.below(self.hosts.len());
            self.check_claims(n)?;
        }
        Ok(())
    }

    fn befall(&mut self, mischief: Mischief, n: usize) -> Result<(), Wrong> {
        match mischief {
            Mischief::Kill => self.restart(n, Restart::Kill),
            Mischief::Power => self.restart(n, Restart::Power),
            Mischief::Reopen => self.restart(n, Restart::Reopen),
            Mischief::LoseStore => self.restart(n, Restart::LoseStore),
            Mischief::StaleStore => self.restart(n, Restart::StaleStore),
            Mischief::Restore => self.restart(n, Restart::Restore),
            Mischief::Sleep => {
                let long = self.dice.faults.below(300_000);
                self.hosts[n].asleep_until = self.now + i64::try_from(long).unwrap_or(0);
                Ok(())
            }
            Mischief::Backup => {
                if self.settle(n)? {
                    self.world.places[n].back_up()?;
                    self.drain(n)?;
                }
                Ok(())
            }
            Mischief::Clone => self.copy(n),
            Mischief::PowerInCommit
            | Mischief::FailSync
            | Mischief::FailStore
            | Mischief::Full
            | Mischief::FailRead => self.arm_disk(mischief, n),
            Mischief::FlipJournal => self.flip_journal(n),
            Mischief::SpoilStore => self.spoil_store(n),
            Mischief::Pack => self.pack_some(n),
            Mischief::Clock => {
                let jumps = [10_000, HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS];
                self.hosts[n].skew += jumps[self.dice.faults.below(jumps.len())];
                Ok(())
            }
            Mischief::Partition => {
                self.part(n);
                Ok(())
            }
            Mischief::Cut => {
                self.cut_some();
                Ok(())
            }
            Mischief::Duplicate => self.connect_again(),
            Mischief::Replay => self.replay_tape(),
            Mischief::Stranger => self.stranger(n),
            Mischief::Spoiler => self.spoiled_session(n),
            Mischief::Babbler => self.babble(n),
            Mischief::Forger => self.forge(n),
            Mischief::Newer => self.newer(n),
            Mischief::Newcomer => self.let_in(n),
            Mischief::SpoilOpenStore => self.spoil_open_store(n),
            Mischief::Leaver => self.meet_leaver(n),
            Mischief::Remove => self.remove_leaver(),
            Mischief::Equivocator => self.equivocate(n),
            Mischief::Twin => self.twin(n),
        }
    }

    /// The next commit, or a read, will fail.
    fn arm_disk(&mut self, mischief: Mischief, n: usize) -> Result<(), Wrong> {
        // What is staged is committed before: the fault is to hit what comes.
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let at = 1 + u64::from(self.fault(4));
        let device = &self.world.places[n].device;
        let armed = match mischief {
            Mischief::PowerInCommit => {
                device.files.halt_at_operation(at);
                Armed::Power
            }
            Mischief::FailSync => {
                device.files.fail_syncs(true);
                Armed::Disk
            }
            Mischief::FailStore => {
                device.kv.fail_apply(1);
                Armed::Disk
            }
            Mischief::Full => {
                device.ills.fill(true);
                Armed::Disk
            }
            _ => {
                device.ills.fail_read(at);
                Armed::Disk
            }
        };
        self.hosts[n].armed = Some(armed);
        // A session may have to read what does not read: that is told to the other side.
        for wire in self.wires.values_mut() {
            wire.spoilt |= wire.hosts.contains(&n);
        }
        if mischief == Mischief::FailRead {
            // Read at once, as far as there is anything to be read.
            let read = self.world.places[n].seen()?.verify(&mut |_| ());
            super::super::checks::typed(read.map(|report| report.problems))?;
            self.world.places[n].device.ills.cure();
            self.hosts[n].armed = None;
        }
        Ok(())
    }

    fn pack_some(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?; // what comes next takes note of the sessions that have something to say for itself
        let how = match self.fault(4) {
            0 => Packing::Close,
            1 | 2 => Packing::All,
            _ => Packing::Power(1 + self.fault(8)),
        };
        if let Packing::Power(_) = how {
            self.leave(n);
            self.world.pack(n, how)?;
            return self.restart(n, Restart::Kill);
        }
        self.world.pack(n, how)?;
        self.after(n)
    }

    /// The folder is copied, and both go on; the copy keeps the same connections.
    fn copy(&mut self, n: usize) -> Result<(), Wrong> {
        if self.world.places.len() == PLACES || self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let with_store = self.fault(2) == 0;
        self.world.copy_folder(n, with_store)?;
        self.begin_copy(n)
    }

    /// The process that was begun last, on a folder like that of another, becomes one more host.
    pub(super) fn begin_copy(&mut self, n: usize) -> Result<(), Wrong> {
        let new = self.world.places.len() - 1;
        self.hosts.push(Host {
            skew: self.hosts[n].skew,
            ..Host::default()
        });
        self.note_durable(new)?;
        let to = self.keepers.iter().find(|keeper| keeper.from == n);
        let to = to.map_or(n, |keeper| keeper.to);
        self.keep(new, to);
        let first = self.soon(self.odds.between_acts);
        self.at(first, Event::Act { host: new });
        self.drain(n)
    }

    /// A device lets another one in, which keeps a connection to it.
    fn let_in(&mut self, n: usize) -> Result<(), Wrong> {
        if self.world.places.len() == PLACES || self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.newcomers += 1;
        let number = FIRST_NEWCOMER + self.newcomers;
        let Some(newcomer) = self.world.places[n].let_in(number)? else {
            return Ok(());
        };
        self.world.places.push(newcomer);
        let new = self.world.places.len() - 1;
        self.world.places[new].back_up()?;
        self.hosts.push(Host {
            skew: self.hosts[n].skew,
            ..Host::default()
        });
        self.note_durable(new)?;
        self.keep(new, n);
        let first = self.soon(self.odds.between_acts);
        self.at(first, Event::Act { host: new });
        self.after(n)
    }

    /// Two do not hear each other for a while, or one of them does not.
    fn part(&mut self, n: usize) {
        if self.hosts.len() < 2 {
            return;
        }
        let other = (n + 1 + self.dice.faults.below(self.hosts.len() - 1)) % self.hosts.len();
        let long = i64::try_from(self.dice.faults.below(30_000)).unwrap_or(0);
        self.blocked.insert((n, other), self.now + long);
        if self.dice.faults.below(2) == 0 {
            self.blocked.insert((other, n), self.now + long);
        }
    }

    fn some_wire(&mut self) -> Option<u64> {
        if self.wires.is_empty() {
            return None;
        }
        let at = self.dice.faults.below(self.wires.len());
        self.wires.keys().nth(at).copied()
    }

    fn cut_some(&mut self) {
        let Some(id) = self.some_wire() else {
            return;
        };
        let side = usize::from(self.fault(2));
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.lost[side] = true;
        }
        self.lose(id);
    }

    /// Two that have a session begin another one, which stays or ends by itself.
    fn connect_again(&mut self) -> Result<(), Wrong> {
        let Some(id) = self.some_wire() else {
            return Ok(());
        };
        let [mut from, mut to] = self.wires[&id].hosts;
        if self.fault(2) == 0 {
            (from, to) = (to, from);
        }
        if !self.can_reach(from, to) {
            return Ok(());
        }
        let live = self.fault(2) == 0;
        let wishes = Wishes {
            live,
            ..Wishes::default()
        };
        self.connect_hosts(from, to, [wishes, wishes], None)?;
        Ok(())
    }

    /// What a dialer said in an old session is said once more, as if it were a new one.
    fn replay_tape(&mut self) -> Result<(), Wrong> {
        if self.tapes.is_empty() {
            return Ok(());
        }
        let at = self.dice.faults.below(self.tapes.len());
        let tape = self.tapes[at].clone();
        let n = tape.host;
        if self.hosts[n].asleep_until > self.now {
            return Ok(());
        }
        self.say(n, tape.peer, tape.hash, &tape.frames).map(|_| ())
    }

    /// Ends what is left of the time in which things break.
    pub(super) fn cure_all(&mut self) -> Result<(), Wrong> {
        self.blocked.clear();
        self.hasten();
        for n in 0..self.hosts.len() {
            self.hosts[n].asleep_until = self.now;
            if self.hosts[n].armed.is_some() {
                self.restart(n, Restart::Kill)?;
            }
        }
        for wire in self.wires.values_mut() {
            for side in [DIALER, LISTENER] {
                wire.link.due[side] |= wire.open[side];
            }
        }
        for n in 0..self.hosts.len() {
            if self.settle(n)? {
                self.drain(n)?;
            }
        }
        Ok(())
    }

    /// What waited for somebody to awake, or for a partition to end, comes now.
    fn hasten(&mut self) {
        let waiting: Vec<_> = self
            .queue
            .iter()
            .map(|(key, event)| (*key, *event))
            .collect();
        for (key, event) in waiting {
            let latest = match event {
                Event::Arrive { .. } | Event::Commit { .. } => self.now,
                Event::Notice { .. } => self.now + LATE_MS,
                Event::Dial { .. } | Event::Act { .. } | Event::Tick => continue,
            };
            self.queue.remove(&key);
            self.at(key.0.min(latest), event);
        }
        for wire in self.wires.values_mut() {
            wire.arrives = [self.now; 2];
        }
    }
}
