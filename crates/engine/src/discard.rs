//! Discarding what is refused: one's own is taken back for everybody, others' is dismissed on this device.
//!
//! What is held of a feed cannot be taken out of it: its numbers are taken and its hashes chained. One's own
//! refused envelope is taken back by a later one that names it; then no replica applies it, nor what rests on
//! it, records are what the rest makes them, and this device goes on under a fresh actor. Its writes come back
//! as a [`Draft`]. An envelope of another device is its author's to take back: here it is only left out of the
//! list.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{ChangeHash, Record};
use driftless_protocol::{Body, Envelope, Payload};

use crate::core::{TakenBack, take_back_meta};
use crate::draft::Draft;
use crate::error::EngineError;
use crate::quarantine::{EnvelopeId, ItemPage, ItemState, WaitsFor};
use crate::replica::Replica;
use crate::types::RecordKey;

/// What a discard did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Discarded {
    /// An envelope of this device was taken back, for everybody.
    TakenBack {
        /// What it wrote, to be looked at and written again.
        draft: Draft,
        /// Other changes of this device that rest on it and are refused with it: they can be discarded likewise.
        resting: Vec<EnvelopeId>,
    },
    /// An envelope of another device is no longer listed on this device; it is held and passed on as before.
    Dismissed,
}

impl Replica {
    /// Discards what is quarantined here or was refused by a peer; durable when this returns.
    ///
    /// Not allowed for what a peer has applied, for what another device has built on, and for what nobody has
    /// refused. Discarding the same again gives the draft again. What is staged is committed before.
    pub fn discard(&mut self, id: EnvelopeId) -> Result<Discarded, EngineError> {
        self.check_usable()?;
        self.commit_group()?;
        if self.core.envelope_place(&id.feed, id.n)?.is_none() {
            return Err(EngineError::NotFound {
                what: "refused change",
                name: id.to_string(),
            });
        }
        let is_quarantined = self.core.is_quarantined(&id.feed, id.n)?;
        if !id.feed.belongs_to(&self.device()) {
            if !is_quarantined {
                return Err(not_discardable(id, "it was made on another device"));
            }
            self.dismiss(id)?;
            self.commit_group()?;
            return Ok(Discarded::Dismissed);
        }
        let envelope = self.read_envelope(&id.feed, id.n)?;
        if envelope.known().is_none() {
            return Err(not_discardable(id, "this release cannot read it"));
        }
        let records = self.records_named(&envelope)?;
        let draft = Draft::of(id, &envelope, |key, change| {
            if let Some(record) = records.get(key) {
                record.name_objects(change);
            }
        });
        if !self.core.take_back_asked(&envelope) {
            if !is_quarantined {
                self.check_discardable(&envelope)?;
            }
            self.take_back(&envelope)?;
        } else if !is_quarantined {
            return Err(not_discardable(id, "another device has built on it"));
        }
        let resting = self.resting_on(id)?;
        Ok(Discarded::TakenBack { draft, resting })
    }

    /// The records an envelope writes to, as they are here.
    fn records_named(
        &self,
        envelope: &Envelope,
    ) -> Result<BTreeMap<RecordKey, Record>, EngineError> {
        let keys = crate::quarantine::records_of(envelope).into_iter();
        keys.map(|key| Ok((key.clone(), self.core.record(&key)?)))
            .collect()
    }

    /// Whether an envelope that is applied here may be taken back.
    fn check_discardable(&self, envelope: &Envelope) -> Result<(), EngineError> {
        let id = self.core.id_of(envelope)?;
        if envelope.items().is_empty() {
            return Err(not_discardable(id, "it changes nothing"));
        }
        if self.is_held_by_peer(&id.feed, id.n) {
            return Err(not_discardable(id, "another device has applied it"));
        }
        if !self
            .peers
            .values()
            .any(|peer| peer.refused.contains_key(&(id.feed, id.n)))
        {
            return Err(not_discardable(
                id,
                "no device has refused it; edit the record instead",
            ));
        }
        if self.has_others_on_top(envelope)? {
            return Err(not_discardable(id, "another device has built on it"));
        }
        Ok(())
    }

    /// Whether a change of another device rests on a change of this envelope.
    fn has_others_on_top(&self, envelope: &Envelope) -> Result<bool, EngineError> {
        let prefix = envelope.header().feed.device_prefix();
        for key in crate::quarantine::records_of(envelope) {
            let mut below = BTreeSet::<ChangeHash>::new();
            let own = crate::draft::changes_of(envelope, &key);
            below.extend(own.iter().map(|change| change.hash));
            for change in self.core.record(&key)?.changes()? {
                if change.deps.iter().any(|hash| below.contains(hash)) {
                    if change.actor.device_prefix() != prefix {
                        return Ok(true);
                    }
                    below.insert(change.hash);
                }
            }
        }
        Ok(false)
    }

    /// Signs that an envelope is taken back, in a fresh feed: what follows has a fresh actor.
    fn take_back(&mut self, envelope: &Envelope) -> Result<(), EngineError> {
        self.merge_membership()?;
        self.incarnation = None;
        let incarnation = self.incarnation();
        let now = self.now();
        let time = self.core.state.clock.tick(now);
        let body = Body {
            meta: take_back_meta(time, &TakenBack::of(envelope)),
            groups: Vec::new(),
        };
        let sealed = self.sign_envelope(incarnation, body, Payload::default())?;
        let judgement = self.core.judge(&sealed)?;
        self.stage_own(&sealed, judgement)?;
        self.advance(incarnation, &sealed);
        self.commit_group()
    }

    /// Open items of this device that rest on an envelope, directly or not.
    fn resting_on(&self, id: EnvelopeId) -> Result<Vec<EnvelopeId>, EngineError> {
        let mut below = BTreeSet::from([id]);
        let items = self.quarantine(&ItemPage::default())?;
        let mut resting = Vec::new();
        loop {
            let before = resting.len();
            for item in &items {
                let rests = matches!(item.waits_for, WaitsFor::Refused(on) if below.contains(&on));
                if rests && item.own && item.state == ItemState::Open && below.insert(item.id) {
                    resting.push(item.id);
                }
            }
            if resting.len() == before {
                return Ok(resting);
            }
        }
    }
}

fn not_discardable(id: EnvelopeId, reason: &'static str) -> EngineError {
    EngineError::NotDiscardable { id, reason }
}
