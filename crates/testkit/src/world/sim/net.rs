//! The network: connections that take time, are lost at some byte, and are seen to be lost at different times.

use std::collections::VecDeque;

use driftless_engine::{SessionFailure, Wishes};
use driftless_protocol::{Code, DeviceId};

use super::super::{Wrong, checks};
use super::{Event, SimCanary, Simulation};
use crate::wire::{DIALER, Ended, LISTENER, Link};

/// Milliseconds after which a side learns that the other does not answer any more.
pub(super) const LATE_MS: i64 = 50_000;
/// Frames of one old session that are kept, to be said again.
const TAPED: usize = 40;
/// Old sessions that are kept.
const TAPES: usize = 8;
/// Of so many frames one is dropped, where the canary says so.
const DROPPED_ONE_IN: u64 = 20;

/// Failures in a row that are counted at most once a session has found that a feed went on in two ways.
const FAILURES_WHEN_SHORT: u32 = 4;

/// A connection between two hosts.
pub(super) struct Wire {
    pub(super) hosts: [usize; 2],
    pub(super) link: Link,
    /// Whether each side has not learnt yet that it is gone.
    pub(super) open: [bool; 2],
    /// Whether what is sent to each side does not arrive any more.
    pub(super) lost: [bool; 2],
    /// Frames on their way to each side that have a time of arrival, and the last of these times.
    scheduled: [usize; 2],
    pub(super) arrives: [i64; 2],
    /// Whether something was done to it that may make it fail.
    pub(super) spoilt: bool,
    /// The kept connection that it is of.
    pub(super) keeper: Option<usize>,
    hash: [u8; 32],
    taped: VecDeque<Vec<u8>>,
}

/// What a dialer said in an old session.
#[derive(Clone)]
pub(super) struct Tape {
    pub(super) host: usize,
    pub(super) peer: DeviceId,
    pub(super) hash: [u8; 32],
    pub(super) frames: Vec<Vec<u8>>,
}

impl Simulation {
    /// Opens a connection between two hosts that are awake.
    pub(super) fn connect_hosts(
        &mut self,
        from: usize,
        to: usize,
        wishes: [Wishes; 2],
        keeper: Option<usize>,
    ) -> Result<u64, Wrong> {
        self.settle(from)?;
        self.settle(to)?;
        let mut hash = [0; 32];
        self.world.handshakes += 1;
        hash[..8].copy_from_slice(&self.world.handshakes.to_le_bytes());
        let (dialer, listener) = self.world.two(from, to)?;
        let link = Link::open(dialer, listener, hash, wishes);
        self.next_wire += 1;
        let id = self.next_wire;
        self.last_session = self.now;
        self.wires.insert(
            id,
            Wire {
                hosts: [from, to],
                link,
                open: [true, true],
                lost: [false, false],
                scheduled: [0, 0],
                arrives: [self.now; 2],
                spoilt: self.hosts[from].armed.is_some() || self.hosts[to].armed.is_some(),
                keeper,
                hash,
                taped: VecDeque::new(),
            },
        );
        self.tell(|| format!("device {from} connects to device {to} ({id})"));
        self.drain(from)?;
        self.drain(to)?;
        Ok(id)
    }

    /// Sends what the sessions of a host want sent.
    pub(super) fn drain(&mut self, n: usize) -> Result<(), Wrong> {
        let place = &mut self.world.places[n];
        for session in place.live()?.take_awakened() {
            for wire in self.wires.values_mut() {
                for side in [DIALER, LISTENER] {
                    let is_it = wire.hosts[side] == n && wire.link.session(side) == session;
                    wire.link.due[side] |= is_it && wire.open[side];
                }
            }
        }
        let is_due = |wire: &Wire, side: usize| {
            wire.hosts[side] == n && wire.open[side] && wire.link.due[side]
        };
        let due: Vec<(u64, usize)> = self
            .wires
            .iter()
            .flat_map(|(id, wire)| {
                let sides = [DIALER, LISTENER].into_iter();
                sides.filter_map(move |side| is_due(wire, side).then_some((*id, side)))
            })
            .collect();
        for (id, side) in due {
            let Some(wire) = self.wires.get_mut(&id) else {
                continue;
            };
            let was_level = wire.link.caught_up[side];
            let replica = self.world.places[n].live()?;
            wire.link.drain(side, replica);
            let is_level = wire.link.caught_up[side] && !was_level;
            let (keeper, ended) = (wire.keeper, wire.link.ended[side].clone());
            if let (true, Some(keeper)) = (is_level, keeper) {
                self.keepers[keeper].failures = 0;
            }
            self.post(id, 1 - side)?;
            if is_level || ended.is_some() {
                self.reissue(n)?;
            }
            if let Some(ended) = ended {
                self.side_ended(id, side, &ended)?;
            }
        }
        Ok(())
    }

    /// Gives each frame that was just sent to a side its time of arrival, or loses it.
    fn post(&mut self, id: u64, to: usize) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get_mut(&id) else {
            return Ok(());
        };
        checks::bounded(&wire.link.in_flight[to])?;
        while let Some(wire) = self.wires.get_mut(&id) {
            let place = wire.scheduled[to];
            let Some(frame) = wire.link.in_flight[to].get(place) else {
                return Ok(());
            };
            if to == LISTENER && wire.taped.len() < TAPED {
                wire.taped.push_back(frame.clone());
            }
            if wire.lost[to] {
                wire.link.in_flight[to].truncate(place);
                return Ok(());
            }
            let length = frame.len();
            let (odds, net) = (&self.odds, &mut self.dice.net);
            let cut = !self.calm && net.below(1_000) < odds.cut;
            let byte = net.below(length + 1);
            let delay = if self.calm { 20 } else { odds.delay };
            let slow = if self.calm { 0 } else { odds.slow };
            let takes = 1 + net.below(delay) + slow;
            let at = (self.now + i64::try_from(takes).unwrap_or(0)).max(wire.arrives[to]);
            if cut {
                // A frame arrives whole or not at all, wherever the connection breaks.
                wire.lost[to] = true;
                if byte < length {
                    wire.link.in_flight[to].truncate(place);
                }
                self.tell(|| format!("connection {id} is lost at byte {byte} of {length}"));
                self.lose(id);
            }
            let Some(wire) = self.wires.get_mut(&id) else {
                return Ok(());
            };
            if wire.link.in_flight[to].len() > place {
                wire.scheduled[to] += 1;
                wire.arrives[to] = at;
                self.at(at, Event::Arrive { wire: id, side: to });
            }
        }
        Ok(())
    }

    /// A connection does not carry anything any more one way; its sides learn it sooner or later.
    pub(super) fn lose(&mut self, id: u64) {
        for side in [DIALER, LISTENER] {
            let late = self.dice.net.below(1_000) < self.odds.half_open && !self.calm;
            let most = if late { LATE_MS } else { 100 };
            let wait = self.dice.net.below(usize::try_from(most).unwrap_or(1));
            let at = self.now + 1 + i64::try_from(wait).unwrap_or(0);
            self.at(at, Event::Notice { wire: id, side });
        }
    }

    pub(super) fn arrive_at(&mut self, id: u64, side: usize) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get(&id) else {
            return Ok(());
        };
        let (n, from) = (wire.hosts[side], wire.hosts[1 - side]);
        if !wire.open[side] {
            return Ok(());
        }
        let blocked = self.blocked.get(&(from, n)).copied().unwrap_or(0);
        let until = blocked.max(self.hosts[n].asleep_until);
        if until > self.now {
            self.at(until, Event::Arrive { wire: id, side });
            return Ok(());
        }
        self.set_clock(n);
        let Some(wire) = self.wires.get_mut(&id) else {
            return Ok(());
        };
        wire.scheduled[side] = wire.scheduled[side].saturating_sub(1);
        let Some(frame) = wire.link.in_flight[side].pop_front() else {
            return Ok(());
        };
        self.world.frames += 1;
        self.last_frame = self.now;
        let dropped = self.canary == Some(SimCanary::DroppedDelivery);
        if dropped && self.world.frames.is_multiple_of(DROPPED_ONE_IN) {
            return Ok(());
        }
        self.world.trace.update(&frame);
        let length = frame.len();
        wire.link.due[side] = true;
        let session = wire.link.session(side);
        let place = &mut self.world.places[n];
        let now = place.now();
        place.live()?.handle_frame(session, &frame, now);
        self.tell(|| {
            format!(
                "a frame of {length} bytes reaches device {n} ({id}): {}",
                names_in(&frame)
            )
        });
        self.after(n)?;
        self.check_rest(id)
    }

    /// A side learns that its connection is gone.
    pub(super) fn notice(&mut self, id: u64, side: usize) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get_mut(&id) else {
            return Ok(());
        };
        let n = wire.hosts[side];
        if !wire.open[side] {
            return Ok(());
        }
        if self.hosts[n].asleep_until > self.now {
            let at = self.hosts[n].asleep_until;
            self.at(at, Event::Notice { wire: id, side });
            return Ok(());
        }
        self.close_side(id, side)?;
        self.after(n)
    }

    /// A side has done with a connection: its session ends, and a dialer sees to the next.
    fn close_side(&mut self, id: u64, side: usize) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get_mut(&id) else {
            return Ok(());
        };
        let (n, keeper) = (wire.hosts[side], wire.keeper);
        let session = wire.link.session(side);
        wire.open[side] = false;
        self.set_clock(n);
        self.world.places[n].live()?.end_session(session)?;
        self.forget_wire(id);
        if let (DIALER, Some(keeper)) = (side, keeper) {
            self.back_off(keeper);
        }
        Ok(())
    }

    /// A session has come to its end on one side.
    fn side_ended(&mut self, id: u64, side: usize, ended: &Ended) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get(&id) else {
            return Ok(());
        };
        let (hosts, spoilt) = (wire.hosts, wire.spoilt);
        let at = wire.arrives[1 - side].max(self.now) + 1;
        let is_split = matches!(ended, Ended::Failed(f) if f.code == Code::Equivocation);
        if let (DIALER, true, Some(keeper)) = (side, is_split, wire.keeper) {
            // As the driver does: what was found out is written down, and the next session goes on from there.
            let failures = &mut self.keepers[keeper].failures;
            *failures = (*failures).min(FAILURES_WHEN_SHORT);
        }
        let of_split =
            |failure: &SessionFailure| self.world.splits && failure.code == Code::Equivocation;
        if let (Ended::Failed(failure), false) = (ended, spoilt)
            && !of_split(failure)
        {
            // Who was let in since the backup of the other is unknown there, once: then it comes with the proof.
            let forgotten = hosts.iter().any(|n| self.hosts[*n].restored) && self.newcomers > 0;
            if !(forgotten && failure.code == Code::UnknownDevice) {
                return Err(unspoilt(hosts, failure));
            }
            self.count("Forgotten by a restored device");
        }
        self.at(
            at,
            Event::Notice {
                wire: id,
                side: 1 - side,
            },
        );
        self.close_side(id, side)?;
        self.settle(hosts[side])?;
        Ok(())
    }

    /// The process at one end is gone: the other learns it later.
    pub(super) fn orphan(&mut self, id: u64, side: usize) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.open[side] = false;
            wire.lost = [true, true];
            self.lose(id);
            self.forget_wire(id);
        }
    }

    /// Forgets a connection that neither side has any more, but for what was said in it.
    fn forget_wire(&mut self, id: u64) {
        let Some(wire) = self.wires.get(&id) else {
            return;
        };
        if wire.open != [false, false] {
            return;
        }
        let tape = Tape {
            host: wire.hosts[LISTENER],
            peer: self.world.places[wire.hosts[DIALER]].device_id,
            hash: wire.hash,
            frames: wire.taped.iter().cloned().collect(),
        };
        self.wires.remove(&id);
        if self.tapes.len() == TAPES {
            self.tapes.pop_front();
        }
        self.tapes.push_back(tape);
    }

    /// Where nothing is on its way in a whole connection, both sides have what the other has, or are done.
    pub(super) fn check_rest(&mut self, id: u64) -> Result<(), Wrong> {
        let Some(wire) = self.wires.get(&id) else {
            return Ok(());
        };
        let is_whole = wire.open == [true, true] && wire.lost == [false, false] && !wire.spoilt;
        if !is_whole || wire.link.is_busy() || wire.link.due != [false, false] {
            return Ok(());
        }
        for n in wire.hosts {
            let host = &self.hosts[n];
            if host.asleep_until > self.now || self.world.places[n].seen()?.has_staged() {
                return Ok(());
            }
        }
        let [a, b] = wire.hosts;
        let lacking = [self.world.lacking(a, b), self.world.lacking(b, a)];
        let wire = &self.wires[&id];
        checks::rests(wire.link.caught_up, lacking.map(|l| l.len()))
            .map_err(|why| Wrong(format!("connection {id} of {:?}: {}", wire.hosts, why.0)))?;
        self.world.rests += 1;
        Ok(())
    }
}

fn unspoilt(hosts: [usize; 2], failure: &SessionFailure) -> Wrong {
    Wrong(format!(
        "S12: a session of devices {hosts:?} that nobody spoilt failed: {failure:?}"
    ))
}

/// What is in a frame, by the names of its messages.
fn names_in(frame: &[u8]) -> String {
    let messages = driftless_protocol::decode_batch(frame).unwrap_or_default();
    let names: Vec<String> = messages
        .iter()
        .map(|message| {
            let told = format!("{message:?}");
            let end = told.find([' ', '(', '{']).unwrap_or(told.len());
            told[..end].to_owned()
        })
        .collect();
    names.join(" ")
}
