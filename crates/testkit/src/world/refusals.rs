//! What a peer says it refuses, and what its author then takes back.
//!
//! Devices of one version refuse nothing of each other, so the refusal is the world's own: the envelope is lost with
//! its connection, and an acknowledgement that the peer's key signed says that it was refused.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, FieldPath, Node, Value};
use driftless_engine::{Discarded, Edit, EngineError, EnvelopeId};
use driftless_protocol::{Ack, Code, Envelope, Message, Refusal, encode_batch};

use super::judge::{changes_in, envelopes_of};
use super::links::Pumped;
use super::{While, World, Wrong};
use crate::schedule::{FIELDS, Manner, pick};
use crate::wire::{DIALER, LISTENER};

/// Frames within which two are level before one writes.
const FRAMES: usize = 200;

impl World {
    pub(super) fn refuse(&mut self, from: usize, to: usize, back: bool) -> Result<(), Wrong> {
        if self.places[from].device.seed == self.places[to].device.seed {
            return Ok(());
        }
        self.open_link(from, to, Manner::Live)?;
        let at = self.links.len() - 1;
        let level = self.pump(at, FRAMES, |n| n % 2)?;
        let id = match level {
            Pumped::Level => self.write_something(from)?,
            _ => None,
        };
        self.settle(from)?;
        let mut open = self.links.remove(at);
        if let Some(EnvelopeId { feed, n }) = id {
            open.link.drain(DIALER, self.places[from].live()?);
            open.link.in_flight[LISTENER].clear();
            let code = Code::ChangeRefused;
            let refused = vec![Refusal { feed, n, code }];
            let workspace = self.places[to].seen()?.workspace();
            let key = self.places[to].device.key();
            let ack = Message::Ack(Ack::sign(&key, &workspace, Vec::new(), refused));
            let frame = encode_batch(&[ack]).map_err(|error| Wrong::new(error.to_string()))?;
            open.link.in_flight[DIALER].push_back(frame);
            let now = self.places[from].now();
            open.link.deliver(DIALER, self.places[from].live()?, now)?;
            open.link.drain(DIALER, self.places[from].live()?);
        }
        if let Some(failure) = open.link.failure() {
            return Err(Wrong::new(format!("a refusal was not taken: {failure:?}")));
        }
        self.close(&open)?;
        if let Some(id) = id {
            self.refused.push(id);
            if back && !self.take_back(from, id)? {
                return Err(Wrong::new(
                    "what one refused and nobody has is not taken back",
                ));
            }
        }
        Ok(())
    }

    /// A field of a record that is not deleted gets a value it never had.
    fn write_something(&mut self, n: usize) -> Result<Option<EnvelopeId>, Wrong> {
        let Some(key) = self.record_at(n, u8::try_from(self.refused.len()).unwrap_or(0))? else {
            return Ok(None);
        };
        let path = FieldPath::parse(FIELDS[0]).map_err(|error| Wrong::new(error.to_string()))?;
        let count = i64::try_from(self.refused.len()).unwrap_or(0);
        let node = Node::Leaf(Value::Int(1_000 + count));
        let edit = Edit::Set { path, node };
        let replica = self.places[n].live()?;
        match replica.edit(&key.collection, key.record, &[edit]) {
            Ok(commit) => Ok(commit.envelope.map(|(feed, n)| EnvelopeId { feed, n })),
            Err(EngineError::Deleted { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn take_back_some(&mut self, n: usize, which: u8) -> Result<(), Wrong> {
        match self.refused.get(pick(which, self.refused.len())) {
            Some(id) => self.take_back(n, *id).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Takes back what a place wrote; whether it may.
    fn take_back(&mut self, n: usize, id: EnvelopeId) -> Result<bool, Wrong> {
        self.settle(n)?;
        for place in &mut self.places {
            place.shrinks = true;
        }
        let done = match self.places[n].live()?.discard(id) {
            Ok(Discarded::TakenBack { .. }) => {
                self.taken_back.insert(id);
                true
            }
            Ok(_) | Err(EngineError::NotDiscardable { .. } | EngineError::NotFound { .. }) => false,
            Err(error) => return Err(error).during(|| format!("device {n} takes back {id}")),
        };
        self.places[n].learn()?;
        self.settle(n)?;
        Ok(done)
    }

    /// The changes in the journal of a place that it need not apply: what was taken back, and all that rests on it.
    pub(super) fn excused_at(&self, n: usize) -> Result<BTreeSet<ChangeHash>, Wrong> {
        if self.taken_back.is_empty() {
            return Ok(BTreeSet::new());
        }
        let envelopes = envelopes_of(&self.places[n], false)?;
        let mut gone = BTreeSet::new();
        let is_taken_back = |envelope: &Envelope| {
            let header = envelope.header();
            let id = EnvelopeId {
                feed: header.feed,
                n: header.n,
            };
            self.taken_back.contains(&id)
        };
        let back: Vec<_> = envelopes
            .iter()
            .filter(|envelope| is_taken_back(envelope))
            .cloned()
            .collect();
        let named = changes_named(&back);
        for changes in changes_in(&envelopes).into_values() {
            for change in changes {
                if named.contains(&change.hash) || change.deps.iter().any(|d| gone.contains(d)) {
                    gone.insert(change.hash);
                }
            }
        }
        Ok(gone)
    }
}

fn changes_named(envelopes: &[Envelope]) -> BTreeSet<ChangeHash> {
    let items = envelopes.iter().flat_map(Envelope::items);
    let raw = items.flat_map(|(_, _, payload)| &payload.changes);
    raw.filter_map(|raw| driftless_document::change_hash(raw))
        .collect()
}
