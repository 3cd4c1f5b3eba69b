//! What is known of the devices this replica has met: where they are, and what they hold of ours.
//!
//! Only what a peer said counts: its acknowledgements, and its cursor when a session came to its end. What it
//! refused it holds, but has not applied: that is never called synced.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::RecordId;
use driftless_protocol::{Code, DeviceId, FeedId};
use driftless_store::{KeyBuilder, KeyReader, Visit};

use crate::clock::Millis;
use crate::conflicts::ConflictFilter;
use crate::error::EngineError;
use crate::feeds::Run;
use crate::limits;
use crate::outbox::PeerState;
use crate::quarantine::EnvelopeId;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{PeerView, RecordKey, RecordSync, SyncState};

/// What the notes about peers begin with; the device's hex key follows.
const PEER_NOTE: &str = "peer/";
const PEER_FORMAT: u8 = 2;

/// What the notes of what a peer was told to be refused here begin with; its hex key, a slash and the envelope follow.
const TOLD_NOTE: &str = "told/";

/// What the notes begin with of whether a peer says that this device was removed; its hex key follows.
const TOLD_REMOVED_NOTE: &str = "told-removed/";

/// What is remembered of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) last_sync_ms: Option<Millis>,
    /// Per feed, up to where the peer has said that it holds it, with all that lies behind.
    pub(crate) held: BTreeMap<FeedId, u64>,
    /// Of that, what it has said that it refused.
    pub(crate) refused: BTreeMap<(FeedId, u64), Code>,
    /// What this device has told it to be refused here, each a note of its own.
    told: BTreeSet<(FeedId, u64)>,
    /// Whether it has said that this device was removed, a note of its own.
    pub(crate) told_removed: bool,
}

impl Peer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = KeyBuilder::new()
            .push_u8(PEER_FORMAT)
            .push_str(&self.address)
            .push_i64(self.last_sync_ms.unwrap_or(-1))
            .push_u64(self.held.len() as u64);
        for (feed, last) in &self.held {
            value = value.push_fixed(&feed.0).push_u64(*last);
        }
        for ((feed, n), code) in &self.refused {
            let code = u32::from(code.number());
            value = value.push_fixed(&feed.0).push_u64(*n).push_u32(code);
        }
        value.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        if reader.take_u8()? != PEER_FORMAT {
            return Err(EngineError::store_damaged(
                "what is known of a peer has another format",
            ));
        }
        let address = reader.take_string()?;
        let last = reader.take_i64()?;
        let mut held = BTreeMap::new();
        for _ in 0..reader.take_u64()? {
            held.insert(FeedId(reader.take_fixed()?), reader.take_u64()?);
        }
        let mut refused = BTreeMap::new();
        while !reader.rest().is_empty() {
            let key = (FeedId(reader.take_fixed()?), reader.take_u64()?);
            let code = u16::try_from(reader.take_u32()?).unwrap_or(u16::MAX);
            refused.insert(key, Code::from_number(code));
        }
        Ok(Self {
            address,
            last_sync_ms: (last >= 0).then_some(last),
            held,
            refused,
            told: BTreeSet::new(),
            told_removed: false,
        })
    }

    /// Takes note that the peer holds a feed up to here.
    pub(crate) fn hold(&mut self, feed: FeedId, n: u64) {
        let held = self.held.entry(feed).or_insert(0);
        *held = (*held).max(n);
    }

    /// Takes note that the peer holds an envelope and has refused it.
    pub(crate) fn refuse(&mut self, feed: FeedId, n: u64, code: Code) {
        self.hold(feed, n);
        if self.refused.len() < limits::REFUSED_BY_PEER {
            self.refused.insert((feed, n), code);
        }
    }
}

impl Replica {
    /// Remembers where a peer was reached.
    pub fn remember_peer(&mut self, device: DeviceId, address: &str) -> Result<(), EngineError> {
        let peer = self.peers.entry(device).or_default();
        address.clone_into(&mut peer.address);
        self.save_peer(&device)
    }

    /// Stages what is known of a peer as a setting.
    pub(crate) fn save_peer(&mut self, device: &DeviceId) -> Result<(), EngineError> {
        let Some(peer) = self.peers.get_mut(device) else {
            return Ok(());
        };
        peer.held = self.core.feeds.without_covered(&peer.held);
        let value = peer.encode();
        self.set_setting(&format!("{PEER_NOTE}{device}"), &value)
    }

    pub(crate) fn load_peers(&self) -> Result<BTreeMap<DeviceId, Peer>, EngineError> {
        let mut found = BTreeMap::<DeviceId, Peer>::new();
        let mut result = Ok(());
        let space = self.core.keys.space(Space::Note);
        self.core.base.scan(&space, &[], &mut |key, value| {
            let note = space::note_of(key).map_err(EngineError::from);
            if let Err(error) = note.and_then(|name| load_note(&mut found, &name, value)) {
                result = Err(error);
            }
            Visit::Continue
        })?;
        result.map(|()| found)
    }

    /// Stages that a peer is told that an envelope is refused here: should it be applied later, the peer is to know.
    pub(crate) fn note_told(&mut self, peer: &DeviceId, id: EnvelopeId) -> Result<(), EngineError> {
        let told = &mut self.peers.entry(*peer).or_default().told;
        if told.len() >= limits::REFUSED_BY_PEER || !told.insert((id.feed, id.n)) {
            return Ok(());
        }
        self.set_setting(&format!("{TOLD_NOTE}{peer}/{id}"), &[1])
    }

    /// Stages that a peer says that this device was removed, or that it takes it as a member again.
    pub(crate) fn note_told_removed(
        &mut self,
        peer: &DeviceId,
        removed: bool,
    ) -> Result<(), EngineError> {
        let known = self.peers.entry(*peer).or_default();
        if known.told_removed == removed {
            return Ok(());
        }
        known.told_removed = removed;
        self.set_setting(&format!("{TOLD_REMOVED_NOTE}{peer}"), &[u8::from(removed)])
    }

    /// The peers that were not removed: what one that was holds is out of reach. A copy of this folder has this
    /// device's key, and is no other device.
    pub(crate) fn present_peers(&self) -> impl Iterator<Item = (&DeviceId, &Peer)> {
        let own = self.device();
        let peers = self.peers.iter();
        peers.filter(move |(device, _)| **device != own && !self.core.log.is_removed(device))
    }

    /// What a peer was told to be refused here, and is applied by now.
    pub(crate) fn applied_since(&self, peer: &DeviceId) -> Result<Vec<EnvelopeId>, EngineError> {
        let told = self.peers.get(peer).into_iter().flat_map(|peer| &peer.told);
        let mut applied = Vec::new();
        for (feed, n) in told {
            if self.core.is_applied(feed, *n)? {
                applied.push(EnvelopeId { feed: *feed, n: *n });
            }
        }
        Ok(applied)
    }

    pub(crate) fn peer_views(
        &self,
        name_of: impl Fn(&DeviceId) -> Option<String>,
    ) -> Vec<PeerView> {
        let view = |(device, peer): (&DeviceId, &Peer)| PeerView {
            device: *device,
            name: name_of(device),
            address: (!peer.address.is_empty()).then(|| peer.address.clone()),
            last_sync_ms: peer.last_sync_ms,
            lacks: self.lacking(peer).iter().map(Run::len).sum(),
            refused: self.refused_by(peer),
        };
        self.present_peers().map(view).collect()
    }

    /// How much of what is applied here a peer has refused.
    fn refused_by(&self, peer: &Peer) -> u64 {
        let is_applied = |(feed, n): &&(FeedId, u64)| {
            let applied = self.core.is_applied(feed, *n);
            applied.unwrap_or(true)
        };
        peer.refused.keys().filter(is_applied).count() as u64
    }

    /// How an envelope stands with one peer.
    pub(crate) fn peer_state(&self, device: &DeviceId, id: &EnvelopeId) -> PeerState {
        match self.peers.get(device) {
            None => PeerState::Pending,
            Some(peer) => match peer.refused.get(&(id.feed, id.n)) {
                Some(code) => PeerState::Refused(*code),
                None if self
                    .lacking(peer)
                    .iter()
                    .any(|run| run.contains(&id.feed, id.n)) =>
                {
                    PeerState::Pending
                }
                None => PeerState::Held,
            },
        }
    }

    /// What a peer is not known to hold.
    fn lacking(&self, peer: &Peer) -> Vec<Run> {
        self.core.feeds.missing_at(&peer.held)
    }

    /// Grows whenever more is known of what peers hold: what waits for them may look again.
    pub fn peer_news(&self) -> u64 {
        self.peer_news
    }

    /// Whether some peer has acknowledged an envelope as held, and not as refused.
    pub fn is_held_by_peer(&self, feed: &FeedId, n: u64) -> bool {
        let known = self.core.feeds.get(feed).is_some_and(|f| n <= f.last);
        known
            && self.present_peers().any(|(_, peer)| {
                !peer.refused.contains_key(&(*feed, n))
                    && !self.lacking(peer).iter().any(|run| run.contains(feed, n))
            })
    }

    /// Own envelopes, in the order of their feeds, that no peer is known to hold and to have applied.
    pub(crate) fn own_unheld(&self) -> Result<Vec<(FeedId, u64)>, EngineError> {
        let prefix = self.device().prefix();
        let mut lacking: Option<BTreeSet<(FeedId, u64)>> = None;
        for (_, peer) in self.present_peers() {
            let runs = self.lacking(peer).into_iter();
            let own = runs.filter(|run| run.feed.device_prefix() == prefix);
            let mut lacks: BTreeSet<_> = own.flat_map(Run::numbers).collect();
            let refused = peer.refused.keys().copied();
            lacks.extend(refused.filter(|(feed, _)| feed.device_prefix() == prefix));
            lacking = Some(match lacking {
                None => lacks,
                Some(others) => others.intersection(&lacks).copied().collect(),
            });
        }
        let lacking = lacking.unwrap_or_else(|| {
            let own = self.core.feeds.of_device(prefix);
            own.flat_map(|(id, feed)| (feed.first..=feed.last).map(|n| (*id, n)))
                .collect()
        });
        let mut unheld = Vec::new();
        for (feed, n) in lacking {
            if self.core.is_applied(&feed, n)? {
                unheld.push((feed, n));
            }
        }
        Ok(unheld)
    }

    /// The records, and the changes, made here that no peer has acknowledged as held.
    pub(crate) fn pending(&self) -> Result<(u64, u64), EngineError> {
        let mut records = BTreeSet::<RecordKey>::new();
        let mut changes = 0;
        for (feed, n) in self.own_unheld()? {
            let envelope = self.read_envelope(&feed, n)?;
            for (collection, item, _) in envelope.items() {
                changes += item.last_seq - item.first_seq + 1;
                records.insert(RecordKey::of(collection, item));
            }
        }
        Ok((records.len() as u64, changes))
    }

    /// How a record stands with the peers: it is synced with one that has acknowledged, as held and not refused,
    /// every envelope that touches it.
    pub fn record_sync(&self, collection: &str, id: RecordId) -> Result<RecordSync, EngineError> {
        let (key, _) = self.existing(collection, id)?;
        let authors = self.core.record(&key)?.head_actors();
        let tips = authors.into_iter().map(|actor| FeedId(actor.0)).collect();
        let mut peers = Vec::new();
        let mut refused = None;
        for (device, peer) in self.present_peers() {
            if let Some(code) = self.refused_of(&key, peer)? {
                refused = refused.or(Some((*device, code)));
            } else if !self.lacks_some(&key, peer, &tips)? {
                peers.push(*device);
            }
        }
        let in_flight = || {
            self.sessions.values().any(|session| {
                let mut sent = session.sent_now();
                sent.any(|(feed, n)| self.touches(feed, *n, &key).unwrap_or(false))
            })
        };
        let state = match refused {
            Some((peer, code)) => SyncState::Refused { peer, code },
            None if !peers.is_empty() => SyncState::Synced,
            None if in_flight() => SyncState::InTransit,
            None if (self.present_peers()).all(|(_, peer)| peer.last_sync_ms.is_none()) => {
                SyncState::LocalOnly
            }
            None => SyncState::Pending,
        };
        let open = ConflictFilter {
            collection: Some(key.collection),
            record: Some(key.record),
            ..ConflictFilter::open()
        };
        Ok(RecordSync {
            state,
            peers,
            conflicts_open: self.count_conflicts(&open)?,
        })
    }

    /// Whether a peer has refused something that touches the record.
    fn refused_of(&self, key: &RecordKey, peer: &Peer) -> Result<Option<Code>, EngineError> {
        for ((feed, n), code) in &peer.refused {
            // What is not applied here either is no part of the record.
            if self.core.is_applied(feed, *n)? && self.touches(feed, *n, key)? {
                return Ok(Some(*code));
            }
        }
        Ok(None)
    }

    /// Whether a peer lacks a change that others of the record do not rest on: who holds those holds all.
    fn lacks_some(
        &self,
        key: &RecordKey,
        peer: &Peer,
        tips: &BTreeSet<FeedId>,
    ) -> Result<bool, EngineError> {
        for run in self.lacking(peer) {
            if !tips.contains(&run.feed) {
                continue;
            }
            for (feed, n) in run.numbers() {
                if self.touches(&feed, n, key)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn touches(&self, feed: &FeedId, n: u64, key: &RecordKey) -> Result<bool, EngineError> {
        let id = EnvelopeId { feed: *feed, n };
        if let Some(touches) = self.core.touched.borrow().touches(&id, key) {
            return Ok(touches);
        }
        let envelope = self.read_envelope(feed, n)?;
        let keys = envelope
            .items()
            .into_iter()
            .map(|(collection, item, _)| RecordKey::of(collection, item));
        let keys: BTreeSet<_> = keys.collect();
        let touches = keys.contains(key);
        self.core.touched.borrow_mut().remember(id, keys);
        Ok(touches)
    }
}

/// Takes a setting into what is known of peers, if it is about one.
fn load_note(
    peers: &mut BTreeMap<DeviceId, Peer>,
    name: &str,
    value: &[u8],
) -> Result<(), EngineError> {
    if let Some(device) = name.strip_prefix(PEER_NOTE).and_then(|id| id.parse().ok()) {
        let peer = peers.entry(device).or_default();
        let told = std::mem::take(&mut peer.told);
        *peer = Peer {
            told,
            told_removed: peer.told_removed,
            ..Peer::decode(value)?
        };
    } else if let Some((device, id)) = name
        .strip_prefix(TOLD_NOTE)
        .and_then(|told| told.split_once('/'))
        && let (Ok(device), Ok(id)) = (device.parse(), id.parse::<EnvelopeId>())
    {
        let peer = peers.entry(device).or_default();
        peer.told.insert((id.feed, id.n));
    } else if let Some(device) = name.strip_prefix(TOLD_REMOVED_NOTE)
        && let Ok(device) = device.parse()
    {
        peers.entry(device).or_default().told_removed = value == [1];
    }
    Ok(())
}
