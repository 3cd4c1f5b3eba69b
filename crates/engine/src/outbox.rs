//! The outbox: what was made on this device and is not yet everywhere it should be.
//!
//! Two kinds of own envelopes are in it: those that no peer has acknowledged as held, and those that a peer has
//! refused. What is not applied on this device itself is in the quarantine instead.

use std::collections::BTreeSet;

use driftless_protocol::{Code, DeviceId};

use crate::clock::Millis;
use crate::error::EngineError;
use crate::quarantine::{EnvelopeId, ItemPage, changes_of, named, records_of, time_of};
use crate::replica::Replica;
use crate::types::RecordKey;

/// How an envelope stands with one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerState {
    /// It has not said that it holds it.
    Pending,
    /// It holds it and has applied it.
    Held,
    /// It holds it and has refused it.
    Refused(Code),
}

impl PeerState {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Refused(_) => "refused",
        }
    }
}

/// How an envelope stands with one peer, and which that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxPeer {
    /// The peer.
    pub device: DeviceId,
    /// Its name, where it is a member.
    pub name: Option<String>,
    /// What it said.
    pub state: PeerState,
}

/// An envelope of this device that is not yet everywhere it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Its name.
    pub id: EnvelopeId,
    /// When it was made.
    pub time_ms: Option<Millis>,
    /// The records it touches.
    pub records: Vec<RecordKey>,
    /// How many changes it has.
    pub changes: u64,
    /// Every device this one has met.
    pub peers: Vec<OutboxPeer>,
}

impl OutboxItem {
    /// The first refusal, if a peer has refused it.
    pub fn refused(&self) -> Option<Code> {
        self.peers.iter().find_map(|peer| match peer.state {
            PeerState::Refused(code) => Some(code),
            _ => None,
        })
    }

    /// What becomes of it, in a sentence that a person can be told.
    pub fn prospect(&self) -> String {
        let refused = self.peers.iter().find_map(|peer| match peer.state {
            PeerState::Refused(code) => Some((peer, code)),
            _ => None,
        });
        match refused {
            None => "It goes out with the next sync.".into(),
            Some((peer, code)) => format!(
                "{} has refused it ({code}) and judges it again when it is updated, or asked to there; \
                 otherwise it can be discarded here.",
                peer.name.as_deref().unwrap_or("Another device"),
            ),
        }
    }
}

impl Replica {
    /// What was made here and is not yet everywhere it should be, in the order it was made.
    pub fn outbox(&self, page: &ItemPage) -> Result<Vec<OutboxItem>, EngineError> {
        let mut placed = Vec::new();
        for id in self.outbox_ids()? {
            let place = self.core.envelope_place(&id.feed, id.n)?;
            placed.extend(place.map(|place| (place.position, id)));
        }
        placed.sort_unstable();
        let after = match page.after {
            None => None,
            Some(id) => self.core.envelope_place(&id.feed, id.n)?,
        };
        let limit = page.limit.unwrap_or(usize::MAX);
        placed
            .into_iter()
            .filter(|(position, _)| after.is_none_or(|after| *position > after.position))
            .take(limit)
            .map(|(_, id)| self.outbox_item_of(id))
            .collect()
    }

    /// One item of the outbox.
    pub fn outbox_item(&self, id: EnvelopeId) -> Result<OutboxItem, EngineError> {
        if !self.outbox_ids()?.contains(&id) {
            return Err(EngineError::NotFound {
                what: "unsent change",
                name: id.to_string(),
            });
        }
        self.outbox_item_of(id)
    }

    /// The item that a person names: `FEED:N`, or a beginning of its feed and the whole number.
    pub fn find_outgoing(&self, name: &str) -> Result<EnvelopeId, EngineError> {
        named("unsent change", name, self.outbox_ids()?)
    }

    /// An envelope of this device that a person names, in the outbox or refused here.
    pub fn find_own(&self, name: &str) -> Result<EnvelopeId, EngineError> {
        let quarantined = self.quarantined_after(None)?.into_iter();
        let own = quarantined.filter(|id| id.feed.belongs_to(&self.device()));
        let ids: BTreeSet<_> = self.outbox_ids()?.into_iter().chain(own).collect();
        named("unsent or refused change of this device", name, ids)
    }

    fn outbox_ids(&self) -> Result<BTreeSet<EnvelopeId>, EngineError> {
        let unheld = self.own_unheld()?.into_iter();
        let mut ids: BTreeSet<_> = unheld.map(|(feed, n)| EnvelopeId { feed, n }).collect();
        let present = self.present_peers();
        let refused = present.flat_map(|(_, peer)| peer.refused.keys());
        for (feed, n) in refused.filter(|(feed, _)| feed.belongs_to(&self.device())) {
            let is_here = self.core.envelope_place(feed, *n)?.is_some();
            if is_here && !self.core.is_quarantined(feed, *n)? {
                ids.insert(EnvelopeId { feed: *feed, n: *n });
            }
        }
        // One that only takes another back changes nothing that a person could miss.
        let mut with_changes = BTreeSet::new();
        for id in ids {
            let place = self.core.envelope_place(&id.feed, id.n)?;
            if place.is_some_and(|place| place.items > 0) {
                with_changes.insert(id);
            }
        }
        Ok(with_changes)
    }

    fn outbox_item_of(&self, id: EnvelopeId) -> Result<OutboxItem, EngineError> {
        let envelope = self.read_envelope(&id.feed, id.n)?;
        let members = self.core.log.resolved();
        let name_of = |device: &DeviceId| {
            let member = members.iter().find(|(member, _)| member.device == *device);
            member.map(|(member, _)| member.name.clone())
        };
        let present = self.present_peers();
        let peers = present.map(|(device, _)| OutboxPeer {
            device: *device,
            name: name_of(device),
            state: self.peer_state(device, &id),
        });
        Ok(OutboxItem {
            id,
            time_ms: time_of(&envelope),
            records: records_of(&envelope),
            changes: changes_of(&envelope),
            peers: peers.collect(),
        })
    }
}
