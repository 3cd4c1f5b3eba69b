//! Which removals an envelope knew of: none may know less than what it builds on.
//!
//! Otherwise a removed device could work on top of what was made after its removal and say that it had not heard of
//! it. An honest device names all it has, and takes records before the envelopes that name them. Noted is only what
//! names some removal: a workspace without one pays nothing.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, change_hash, read_change};
use driftless_protocol::{Envelope, FeedId, Hash};
use driftless_store::{KeyBuilder, KeyReader};

use super::Core;
use crate::error::EngineError;
use crate::membership::Standing;
use crate::quarantine::EnvelopeId;
use crate::space::Space;

const FORMAT: u8 = 1;

impl Core {
    /// Whether an envelope says that it knows less of removals than what it builds on: its feed and its changes' past.
    pub(super) fn goes_back(
        &self,
        envelope: &Envelope,
        at: &Standing,
    ) -> Result<bool, EngineError> {
        if self.log.standing().known_removals.is_empty() {
            return Ok(false);
        }
        let header = envelope.header();
        let before = match header.predecessor {
            _ if header.n > 1 => Some((header.feed, header.n - 1, header.prev)),
            before => before.map(|before| (before.feed, before.n, before.hash)),
        };
        if let Some((feed, n, hash)) = before
            && let Some(feed) = self.slot_holding(&feed, n, &hash)?
            && self.knows_more(&self.keys.numbered(Space::Known, &feed, n), at)?
        {
            return Ok(true);
        }
        let mut deps = BTreeSet::new();
        for (_, _, payload) in envelope.items() {
            for raw in &payload.changes {
                if let Ok(change) = read_change(raw) {
                    deps.extend(change.deps);
                }
            }
        }
        for hash in deps {
            if self.knows_more(&self.keys.known_by(&hash), at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what is noted under a key names a removal that is not known at some heads.
    fn knows_more(&self, key: &[u8], at: &Standing) -> Result<bool, EngineError> {
        let Some(bytes) = self.base.get(key)? else {
            return Ok(false);
        };
        let mut reader = KeyReader::new(&bytes);
        reader.take_u8()?;
        let mut heads = Vec::new();
        while !reader.rest().is_empty() {
            heads.push(Hash(reader.take_fixed()?));
        }
        let theirs = self.log.at(&heads);
        Ok(!theirs.known_removals.is_subset(&at.known_removals))
    }

    /// Notes the heads an envelope names, where they know of a removal.
    pub(super) fn stage_known(&mut self, envelope: &Envelope, id: &EnvelopeId) {
        let header = envelope.header();
        if self.log.standing().known_removals.is_empty()
            || self.log.at(&header.membership).known_removals.is_empty()
        {
            return;
        }
        let value = KeyBuilder::new().push_u8(FORMAT);
        let heads = header.membership.iter();
        let value = heads.fold(value, |value, head| value.push_fixed(&head.0));
        let value = value.finish();
        let key = self.keys.numbered(Space::Known, &id.feed, id.n);
        self.base.put(key, value.clone());
        for hash in changes_of(envelope, &header.feed) {
            self.base.put(self.keys.known_by(&hash), value.clone());
        }
    }
}

/// The changes of an envelope that are its author's.
fn changes_of(envelope: &Envelope, feed: &FeedId) -> Vec<ChangeHash> {
    let items = envelope.items().into_iter();
    let own = items.filter(|(_, item, _)| item.actor == feed.0);
    own.flat_map(|(_, _, payload)| &payload.changes)
        .filter_map(|raw| change_hash(raw))
        .collect()
}
