//! A member that is none of the devices and keeps to all rules, and that the owner removes on the way.
//!
//! It writes, and meets a device now and then; nobody tells it that it was removed but whoever has heard of it. So what
//! it makes reaches the others before and after the removal reaches them, and others write on top of it.

use driftless_document::{FieldPath, Node, Value, parse_record};
use driftless_engine::{Edit, EngineError, RecordKey, Wishes};

use super::super::place::{Place, is_too_new};
use super::super::{World, Wrong};
use super::Simulation;
use super::villain::random_bytes;
use crate::schedule::{COLLECTIONS, FIELDS};
use crate::wire::{DIALER, LISTENER, Link};

/// What its key comes from.
const NUMBER: u8 = 98;
/// Frames of one meeting, at most.
const FRAMES: usize = 40;

/// The member.
pub(super) struct Leaver(pub(super) Place);

impl Leaver {
    /// Is let in by the last device.
    pub(super) fn join(world: &mut World) -> Result<Self, Wrong> {
        let host = world.places.last_mut();
        let host = host.ok_or_else(|| Wrong::new("there is nobody to let it in"))?;
        let place = host.let_in(NUMBER)?;
        let mut place = place.ok_or_else(|| Wrong::new("nobody is let in"))?;
        place.shrinks = true;
        Ok(Self(place))
    }
}

impl Simulation {
    /// It writes something, and syncs with a device for as long as the connection lasts.
    pub(super) fn meet_leaver(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let Some(mut leaver) = self.leaver.take() else {
            return Ok(());
        };
        let met = self
            .leaver_writes(&mut leaver.0)
            .and_then(|()| self.sync_leaver(n, &mut leaver.0));
        self.leaver = Some(leaver);
        met?;
        self.after(n)
    }

    fn leaver_writes(&mut self, leaver: &mut Place) -> Result<(), Wrong> {
        let dice = &mut self.dice.villain;
        let keys = leaver.seen()?.changes_since(0, usize::MAX)?;
        let keys: Vec<RecordKey> = keys.into_iter().map(|event| event.key).collect();
        for _ in 0..=dice.below(3) {
            let replica = leaver.live()?;
            let written = if keys.is_empty() || dice.below(4) == 0 {
                let fields = parse_record(r#"{"f0":"of the leaver"}"#);
                let fields = fields.map_err(|error| Wrong::new(error.to_string()))?;
                replica.insert(COLLECTIONS[0], fields).map(|_| ())
            } else {
                let key = &keys[dice.below(keys.len())];
                let path = FieldPath::parse(FIELDS[dice.below(2)]);
                let path = path.map_err(|error| Wrong::new(error.to_string()))?;
                let value = i64::try_from(dice.below(1_000)).unwrap_or(0);
                let node = Node::Leaf(Value::Int(value));
                let edit = Edit::Set { path, node };
                let edited = replica.edit(&key.collection, key.record, &[edit]);
                edited.map(|_| ())
            };
            match written {
                // It may know by now that it was removed.
                Ok(()) | Err(EngineError::Deleted { .. } | EngineError::NotAllowed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        leaver.commit()?;
        let id = leaver.device_id;
        let made = leaver.seen()?.changes_since(0, usize::MAX)?.into_iter();
        let made = made.filter(|event| event.device == id);
        self.world.of_leaver.extend(made.map(|event| event.change));
        Ok(())
    }

    fn sync_leaver(&mut self, n: usize, leaver: &mut Place) -> Result<(), Wrong> {
        let hash = random_bytes(&mut self.dice.villain);
        let frames = [FRAMES, self.dice.villain.below(10)][self.dice.villain.below(2)];
        let dials = self.dice.villain.below(2) == 0;
        let wishes = [Wishes::default(); 2];
        let ours = if dials { LISTENER } else { DIALER };
        let place = &mut self.world.places[n];
        let now = place.now();
        let mut link = if dials {
            Link::open(leaver.live()?, place.live()?, hash, wishes)
        } else {
            Link::open(place.live()?, leaver.live()?, hash, wishes)
        };
        for _ in 0..frames {
            let place = &mut self.world.places[n];
            place.commit()?;
            leaver.commit()?;
            link.drain(ours, place.live()?);
            link.drain(1 - ours, leaver.live()?);
            if let Some(frame) = link.in_flight[ours].pop_front() {
                self.world.trace.update(&frame);
                let session = link.session(ours);
                place.live()?.handle_frame(session, &frame, now);
            }
            link.deliver(1 - ours, leaver.live()?, now)?;
        }
        let place = &mut self.world.places[n];
        link.close(1 - ours, leaver.live()?)?;
        place.live()?.end_session(link.session(ours))?;
        leaver.commit()
    }

    /// The owner removes it; where that has been done, adopts what came of it since, all or one.
    pub(super) fn remove_leaver(&mut self) -> Result<(), Wrong> {
        const OWNER: usize = 0;
        let Some(leaver) = self.leaver.as_ref().map(|leaver| leaver.0.device_id) else {
            return Ok(());
        };
        let host = &self.hosts[OWNER];
        if host.asleep_until > self.now || host.armed.is_some() || !self.settle(OWNER)? {
            return Ok(());
        }
        self.drain(OWNER)?;
        self.set_clock(OWNER);
        self.world.removes = true;
        for place in &mut self.world.places {
            place.shrinks = true;
        }
        let owner = self.world.places[OWNER].live()?;
        let what = match owner.remove_member(&leaver) {
            Ok(_) => "Removed",
            Err(error) if is_too_new(&error) => return Ok(()),
            // A restored folder may have forgotten that it was ever let in.
            Err(EngineError::NotFound { .. }) => "Remove of nobody",
            Err(EngineError::NotAllowed { .. }) => {
                let waits = owner.quarantine(&driftless_engine::ItemPage::default())?;
                let void = owner.void()?.into_iter();
                let waits: Vec<_> = waits.into_iter().map(|item| item.id).chain(void).collect();
                let adopted = match waits.len() {
                    0 => owner.adopt_all(),
                    some if self.dice.villain.below(2) == 0 => {
                        owner.adopt(&[waits[self.dice.villain.below(some)]])
                    }
                    _ => owner.adopt_all(),
                };
                match adopted {
                    Ok(adopted) if adopted.applied.is_empty() => "Adopted nothing",
                    Ok(_) => "Adopted",
                    Err(EngineError::NotAdoptable { .. }) => "Not adoptable",
                    Err(error) if is_too_new(&error) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        self.count(what);
        self.world.places[OWNER].learn()?;
        if what == "Removed" {
            // It meets somebody who has not heard of it yet: that is past the cut, and comes to the owner later.
            let other = 1 + self.dice.villain.below(self.hosts.len() - 1);
            if self.hosts[other].asleep_until <= self.now {
                self.set_clock(other);
                self.meet_leaver(other)?;
            }
        }
        self.after(OWNER)
    }
}
