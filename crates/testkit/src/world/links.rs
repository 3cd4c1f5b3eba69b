//! Connections between places: whole syncs, cut ones, and open ones whose frames arrive as the schedule says.

use std::collections::BTreeSet;

use driftless_engine::{Replica, SessionSummary};

use super::{Canary, While, World, Wrong};
use crate::schedule::{LINKS, pick};
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
    link: Link,
    /// Whether a frame arrived in it that was not sent in it: then it may fail or stall.
    spoilt: bool,
}

/// What became of a connection that frames arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pumped {
    /// So many frames arrived, and it is not over.
    Open,
    /// Both sides are done with it, or one has given up.
    Over,
}

impl World {
    fn open_link(&mut self, from: usize, to: usize) -> Result<Open, Wrong> {
        self.settle(from)?;
        self.settle(to)?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.handshakes.to_le_bytes());
        self.handshakes += 1;
        let (dialer, listener) = self.two(from, to)?;
        Ok(Open {
            places: [from, to],
            link: Link::open(dialer, listener, hash),
            spoilt: false,
        })
    }

    fn two(&mut self, a: usize, b: usize) -> Result<(&mut Replica, &mut Replica), Wrong> {
        let (low, high) = (a.min(b), a.max(b));
        let (left, right) = self.places.split_at_mut(high);
        let (x, y) = (left[low].live()?, right[0].live()?);
        Ok(if a < b { (x, y) } else { (y, x) })
    }

    fn close_link(&mut self, open: &Open) -> Result<(), Wrong> {
        for side in [DIALER, LISTENER] {
            let place = &mut self.places[open.places[side]];
            // The process may have ended meanwhile.
            if let Some(replica) = &mut place.replica {
                open.link.close(side, replica)?;
                place.learn()?;
            }
        }
        Ok(())
    }

    /// Lets frames arrive, one after the other. `first_to` says for each which side's comes first.
    fn pump(
        &mut self,
        open: &mut Open,
        frames: usize,
        first_to: impl Fn(usize) -> usize,
    ) -> Result<Pumped, Wrong> {
        for n in 0..frames {
            for side in [DIALER, LISTENER] {
                self.settle(open.places[side])?;
                let replica = self.places[open.places[side]].live()?;
                open.link.drain(side, replica);
            }
            if let (Some(failure), false) = (open.link.failure(), open.spoilt) {
                return Err(Wrong::new(format!(
                    "a session that nobody spoilt failed: {failure:?}"
                )));
            }
            if !open.link.is_busy() {
                return Self::idle(open);
            }
            let first = first_to(n);
            let side = if open.link.in_flight[first].is_empty() {
                1 - first
            } else {
                first
            };
            self.arrive(open, side)?;
        }
        Ok(Pumped::Open)
    }

    /// Nothing is on its way: the session is over, or it stalls.
    fn idle(open: &Open) -> Result<Pumped, Wrong> {
        let finished = open.link.ended.iter().all(Option::is_some);
        if finished || open.spoilt {
            return Ok(Pumped::Over);
        }
        Err(Wrong::new(format!(
            "the session of devices {:?} stalls: nothing is on its way, and it is not over ({:?})",
            open.places, open.link.ended
        )))
    }

    fn arrive(&mut self, open: &mut Open, side: usize) -> Result<(), Wrong> {
        self.frames += 1;
        if self.canary == Some(Canary::LostFrame) && self.frames.is_multiple_of(LOST_ONE_IN) {
            open.link.in_flight[side].pop_front();
            return Ok(());
        }
        let n = open.places[side];
        let now = self.places[n].now();
        let replica = self.places[n].live()?;
        let frame = open.link.deliver(side, replica, now);
        let frame = frame.during(|| format!("a frame that reached device {n}"))?;
        self.places[n].learn()?;
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
        let mut open = self.open_link(from, to)?;
        let pumped = self.pump(&mut open, SYNC_FRAMES, |n| n % 2)?;
        self.close_link(&open)?;
        let summary = open.link.summary(DIALER);
        let (Pumped::Over, Some(summary)) = (pumped, summary) else {
            return Err(Wrong::new(format!(
                "a sync of devices {from} and {to} does not end"
            )));
        };
        let set = |n: usize| self.places[n].durable.iter().collect::<BTreeSet<_>>();
        let (ours, theirs) = (set(from), set(to));
        if ours != theirs {
            return Err(Wrong::new(format!(
                "after a sync device {from} has {} changes that device {to} has not, and {} the other way",
                ours.difference(&theirs).count(),
                theirs.difference(&ours).count()
            )));
        }
        Ok(summary)
    }

    pub(super) fn cut(&mut self, from: usize, to: usize, frames: u8) -> Result<(), Wrong> {
        let mut open = self.open_link(from, to)?;
        self.pump(&mut open, usize::from(frames), |n| n % 2)?;
        self.close_link(&open)
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) -> Result<(), Wrong> {
        if self.links.len() == LINKS {
            self.disconnect(0)?;
        }
        let open = self.open_link(from, to)?;
        self.links.push(open);
        Ok(())
    }

    pub(super) fn deliver(&mut self, link: u8, frames: u8, order: u8) -> Result<(), Wrong> {
        if self.links.is_empty() {
            return Ok(());
        }
        let n = pick(link, self.links.len());
        let mut open = self.links.remove(n);
        let first_to = |n: usize| usize::from(order >> (n % 8) & 1);
        match self.pump(&mut open, usize::from(frames), first_to)? {
            Pumped::Over => self.close_link(&open),
            Pumped::Open => {
                self.links.insert(n, open);
                Ok(())
            }
        }
    }

    pub(super) fn disconnect(&mut self, link: u8) -> Result<(), Wrong> {
        if self.links.is_empty() {
            return Ok(());
        }
        let open = self.links.remove(pick(link, self.links.len()));
        self.close_link(&open)
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
            self.close_link(open)?;
        }
        Ok(())
    }
}
