//! Connections between places: whole syncs, cut ones, and open ones whose frames arrive as the schedule says.

use std::collections::BTreeSet;

use driftless_document::ChangeHash;
use driftless_engine::{Replica, SessionId, SessionSummary, Wishes};

use super::{Canary, While, World, Wrong};
use crate::schedule::{LINKS, Manner, pick};
use crate::wire::{DIALER, LISTENER, Link};

/// Frames of one sync, at most: more means that it does not end.
const SYNC_FRAMES: usize = 2_000;
/// Frames that are remembered, to arrive again.
const REMEMBERED: usize = 64;
/// Of so many frames one is lost, where the canary says so.
const LOST_ONE_IN: u64 = 20;

/// An open connection.
pub(super) struct Open {
    /// The place of the dialer and that of the listener.
    pub(super) places: [usize; 2],
    pub(super) link: Link,
    /// Whether what each side has must reach the other.
    sends: [bool; 2],
    /// Whether a frame arrived in it that was not sent in it: then it may fail or stall.
    spoilt: bool,
}

/// What became of a connection that frames arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// There is more to come.
    Busy,
    /// Both sides have everything, and stay.
    Level,
    /// Both sides are done with it, or one has given up.
    Over,
}

fn wishes_of(manner: Manner) -> [Wishes; 2] {
    let once = Wishes::default();
    let live = Wishes { live: true, ..once };
    let mute = Wishes {
        push: false,
        ..live
    };
    let deaf = Wishes {
        pull: false,
        ..live
    };
    match manner {
        Manner::Live => [live, live],
        Manner::Once => [once, once],
        Manner::LiveAndOnce => [live, once],
        Manner::Mute => [mute, live],
        Manner::Deaf => [deaf, live],
        Manner::MuteListener => [live, mute],
    }
}

impl World {
    /// Opens a connection behind the others.
    pub(super) fn open_link(
        &mut self,
        from: usize,
        to: usize,
        manner: Manner,
    ) -> Result<(), Wrong> {
        self.settle(from)?;
        self.settle(to)?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.handshakes.to_le_bytes());
        self.handshakes += 1;
        let wishes = wishes_of(manner);
        let (dialer, listener) = self.two(from, to)?;
        let link = Link::open(dialer, listener, hash, wishes);
        self.links.push(Open {
            places: [from, to],
            link,
            sends: [
                wishes[DIALER].push && wishes[LISTENER].pull,
                wishes[LISTENER].push && wishes[DIALER].pull,
            ],
            spoilt: false,
        });
        Ok(())
    }

    /// A session of a place has something to send.
    pub(super) fn awaken(&mut self, n: usize, session: SessionId) {
        for open in &mut self.links {
            for side in [DIALER, LISTENER] {
                if open.places[side] == n && open.link.session(side) == session {
                    open.link.due[side] = true;
                }
            }
        }
    }

    pub(super) fn two(
        &mut self,
        a: usize,
        b: usize,
    ) -> Result<(&mut Replica, &mut Replica), Wrong> {
        let (low, high) = (a.min(b), a.max(b));
        let (left, right) = self.places.split_at_mut(high);
        let (x, y) = (left[low].live()?, right[0].live()?);
        Ok(if a < b { (x, y) } else { (y, x) })
    }

    /// Closes a connection that is none of ours any more.
    pub(super) fn close(&mut self, open: &Open) -> Result<(), Wrong> {
        for side in [DIALER, LISTENER] {
            let n = open.places[side];
            // The process may have ended meanwhile.
            if let Some(replica) = &mut self.places[n].replica {
                open.link.close(side, replica)?;
                self.places[n].learn()?;
                self.settle(n)?;
            }
        }
        Ok(())
    }

    /// Lets frames of a connection arrive, one after the other. `first_to` says for each which side's comes first.
    pub(super) fn pump(
        &mut self,
        at: usize,
        frames: usize,
        first_to: impl Fn(usize) -> usize,
    ) -> Result<Pumped, Wrong> {
        for n in 0..frames {
            for side in [DIALER, LISTENER] {
                let place = self.links[at].places[side];
                self.settle(place)?;
                let link = &mut self.links[at].link;
                if link.due[side] {
                    link.drain(side, self.places[place].live()?);
                }
            }
            let open = &self.links[at];
            if let (Some(failure), false) = (open.link.failure(), open.spoilt) {
                return Err(Wrong::new(format!(
                    "a session that nobody spoilt failed: {failure:?}"
                )));
            }
            if !open.link.is_busy() {
                return self.idle(at);
            }
            let first = first_to(n);
            let side = if open.link.in_flight[first].is_empty() {
                1 - first
            } else {
                first
            };
            self.arrive(at, side)?;
        }
        Ok(Pumped::Busy)
    }

    /// Nothing is on its way: both sides have everything, or the session is over, or it stalls.
    fn idle(&mut self, at: usize) -> Result<Pumped, Wrong> {
        let open = &self.links[at];
        if open.spoilt || open.link.ended.iter().all(Option::is_some) {
            return Ok(Pumped::Over);
        }
        if open.link.caught_up != [true, true] {
            return Err(Wrong::new(format!(
                "the session of devices {:?} stalls: nothing is on its way, and it is not over ({:?})",
                open.places, open.link.ended
            )));
        }
        for side in [DIALER, LISTENER] {
            let (sender, receiver) = (open.places[side], open.places[1 - side]);
            let mut lacking = self.lacking(receiver, sender);
            if !open.sends[side] || lacking.is_empty() {
                continue;
            }
            // Who sends nothing keeps to itself what it takes back: the other goes on with changes that have arrived
            // here and are not applied any more.
            if !open.sends[1 - side] {
                let excused = self.excused_at(receiver)?;
                lacking.retain(|change| !excused.contains(change));
            }
            if !lacking.is_empty() {
                return Err(Wrong::new(format!(
                    "the live session of devices {:?} is silent, and device {receiver} lacks {} changes of the other",
                    open.places,
                    lacking.len()
                )));
            }
        }
        self.rests += 1;
        Ok(Pumped::Level)
    }

    /// The changes of another place that a place has not.
    pub(super) fn lacking(&self, n: usize, other: usize) -> BTreeSet<ChangeHash> {
        let ours = &self.places[n].there;
        let theirs = self.places[other].there.iter().copied();
        let of_members = theirs.filter(|change| !self.of_leaver.contains(change));
        of_members.filter(|change| !ours.contains(change)).collect()
    }

    fn arrive(&mut self, at: usize, side: usize) -> Result<(), Wrong> {
        self.frames += 1;
        let open = &mut self.links[at];
        if self.canary == Some(Canary::LostFrame) && self.frames.is_multiple_of(LOST_ONE_IN) {
            open.link.in_flight[side].pop_front();
            return Ok(());
        }
        let n = open.places[side];
        let now = self.places[n].now();
        let frame = open.link.deliver(side, self.places[n].live()?, now);
        let frame = frame.during(|| format!("a frame that reached device {n}"))?;
        self.places[n].learn()?;
        self.settle(n)?;
        if let Some(frame) = frame {
            self.trace.update(&frame);
            self.arrived.push_back(frame);
            if self.arrived.len() > REMEMBERED {
                self.arrived.pop_front();
            }
        }
        Ok(())
    }

    /// Two bring each other up to date; what the dialer says of it.
    pub(super) fn sync(&mut self, from: usize, to: usize) -> Result<SessionSummary, Wrong> {
        self.open_link(from, to, Manner::Once)?;
        let at = self.links.len() - 1;
        let pumped = self.pump(at, SYNC_FRAMES, |n| n % 2)?;
        let open = self.links.remove(at);
        self.close(&open)?;
        let (Pumped::Over, Some(summary)) = (pumped, open.link.summary(DIALER)) else {
            return Err(Wrong::new(format!(
                "a sync of devices {from} and {to} does not end"
            )));
        };
        let (here, there) = (self.lacking(from, to).len(), self.lacking(to, from).len());
        if here + there > 0 {
            return Err(Wrong::new(format!(
                "after a sync device {from} lacks {here} changes of device {to}, and {there} the other way"
            )));
        }
        Ok(summary)
    }

    pub(super) fn cut(&mut self, from: usize, to: usize, frames: u8) -> Result<(), Wrong> {
        self.open_link(from, to, Manner::Once)?;
        let at = self.links.len() - 1;
        self.pump(at, usize::from(frames), |n| n % 2)?;
        let open = self.links.remove(at);
        self.close(&open)
    }

    pub(super) fn connect(&mut self, from: usize, to: usize, manner: Manner) -> Result<(), Wrong> {
        if self.links.len() == LINKS {
            self.disconnect(0)?;
        }
        self.open_link(from, to, manner)
    }

    pub(super) fn deliver(&mut self, link: u8, frames: u8, order: u8) -> Result<(), Wrong> {
        if self.links.is_empty() {
            return Ok(());
        }
        let at = pick(link, self.links.len());
        let first_to = |n: usize| usize::from(order >> (n % 8) & 1);
        if self.pump(at, usize::from(frames), first_to)? == Pumped::Over {
            let open = self.links.remove(at);
            self.close(&open)?;
        }
        Ok(())
    }

    /// Lets everything arrive that is on its way, and all that follows from it; then cuts the connections.
    pub(super) fn run_dry(&mut self) -> Result<(), Wrong> {
        for _ in 0..SYNC_FRAMES {
            let waits = |open: &Open| open.link.is_busy() || open.link.due != [false, false];
            let Some(at) = self.links.iter().position(waits) else {
                break;
            };
            if self.pump(at, SYNC_FRAMES, |n| n % 2)? == Pumped::Over {
                let open = self.links.remove(at);
                self.close(&open)?;
            }
        }
        for at in 0..self.links.len() {
            if self.idle(at)? == Pumped::Busy {
                return Err(Wrong::new("the connections do not come to rest"));
            }
        }
        while !self.links.is_empty() {
            self.disconnect(0)?;
        }
        Ok(())
    }

    pub(super) fn disconnect(&mut self, link: u8) -> Result<(), Wrong> {
        if self.links.is_empty() {
            return Ok(());
        }
        let open = self.links.remove(pick(link, self.links.len()));
        self.close(&open)
    }

    pub(super) fn duplicate(&mut self, link: u8, side: u8) -> Result<(), Wrong> {
        if self.links.is_empty() {
            return Ok(());
        }
        let n = pick(link, self.links.len());
        let side = pick(side, 2);
        let sender = self.links[n].places[1 - side];
        self.settle(sender)?;
        let open = &mut self.links[n];
        open.link.drain(1 - side, self.places[sender].live()?);
        let waiting = &mut open.link.in_flight[side];
        if let Some(frame) = waiting.front().cloned() {
            waiting.push_front(frame);
            open.spoilt = true;
        }
        Ok(())
    }

    pub(super) fn replay(&mut self, link: u8, side: u8, frame: u8) {
        if self.links.is_empty() || self.arrived.is_empty() {
            return;
        }
        let n = pick(link, self.links.len());
        let back = pick(frame, self.arrived.len());
        let frame = self.arrived[self.arrived.len() - 1 - back].clone();
        self.links[n].link.in_flight[pick(side, 2)].push_back(frame);
        self.links[n].spoilt = true;
    }

    /// Cuts every connection of a place; its own process may have ended.
    pub(super) fn disconnect_all_of(&mut self, n: usize) -> Result<(), Wrong> {
        let links = std::mem::take(&mut self.links);
        let (cut, kept): (Vec<_>, Vec<_>) =
            links.into_iter().partition(|open| open.places.contains(&n));
        self.links = kept;
        for open in &cut {
            self.close(open)?;
        }
        Ok(())
    }
}
