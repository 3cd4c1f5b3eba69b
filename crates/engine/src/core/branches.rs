//! Where an envelope has its place when its feed went on in two ways.
//!
//! An envelope is signed for a feed; it lies there, or on a **branch** of it where an accusation shows that the device
//! signed two with one number. What lies on a branch is held and passed on like anything else, so that every device has
//! both sides, and never counts; what rests on it waits as well. Its author issues it again (`reissue.rs`).

use driftless_document::read_change;
use driftless_protocol::{Envelope, FeedId, Hash, Header, Predecessor};

use super::Core;
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::RecordKey;

/// Why an envelope on a branch does not count.
const ON_A_BRANCH: &str = "its device has signed two different changes with one number";
/// Why one does not that rests on it.
const RESTS_ON_A_BRANCH: &str =
    "it rests on a change whose device has signed two different ones with one number";

impl Core {
    /// The feed or branch that a header has its place in.
    pub(crate) fn slot_of(&self, header: &Header, hash: &Hash) -> Result<FeedId, EngineError> {
        let forks = &self.forks;
        if !forks.concern(&header.feed) {
            return Ok(header.feed);
        }
        if forks.begins_at(header) {
            return Ok(header.feed.branch(hash));
        }
        if header.n == 1 {
            return Ok(header.feed);
        }
        let before = self.slot_holding(&header.feed, header.n - 1, &header.prev)?;
        Ok(before.unwrap_or(header.feed))
    }

    /// Names an envelope by its place here.
    pub(crate) fn id_of(&self, envelope: &Envelope) -> Result<EnvelopeId, EngineError> {
        let header = envelope.header();
        Ok(EnvelopeId {
            feed: self.slot_of(header, &envelope.hash())?,
            n: header.n,
        })
    }

    /// The feed or branch that holds an envelope with this hash, signed for `feed`.
    pub(crate) fn slot_holding(
        &self,
        feed: &FeedId,
        n: u64,
        hash: &Hash,
    ) -> Result<Option<FeedId>, EngineError> {
        if self.holds(feed, n, hash)? {
            return Ok(Some(*feed));
        }
        for branch in self.feeds.branches_of(feed) {
            if self.holds(branch, n, hash)? {
                return Ok(Some(*branch));
            }
        }
        Ok(None)
    }

    fn holds(&self, slot: &FeedId, n: u64, hash: &Hash) -> Result<bool, EngineError> {
        let place = self.envelope_place(slot, n)?;
        Ok(place.is_some_and(|place| place.hash == *hash))
    }

    /// What comes right before an envelope's feed or branch, by its place here.
    pub(super) fn before(
        &self,
        header: &Header,
        slot: &FeedId,
    ) -> Result<Option<Predecessor>, EngineError> {
        let before = if slot.is_branch() && header.n > 1 {
            Some(Predecessor {
                feed: header.feed,
                n: header.n - 1,
                hash: header.prev,
            })
        } else {
            header.predecessor
        };
        let Some(before) = before else {
            return Ok(None);
        };
        let feed = self.slot_holding(&before.feed, before.n, &before.hash)?;
        let feed = feed.unwrap_or(before.feed);
        Ok(Some(Predecessor { feed, ..before }))
    }

    /// Why an envelope does not count though its device may write, if its feed went on in two ways, or that of something it
    /// rests on.
    pub(super) fn check_branches(
        &self,
        envelope: &Envelope,
    ) -> Result<Result<(), &'static str>, EngineError> {
        if self.forks.is_empty() {
            return Ok(Ok(()));
        }
        if self.id_of(envelope)?.feed.is_branch() {
            return Ok(Err(ON_A_BRANCH));
        }
        Ok(if self.rests_on_branch(envelope)? {
            Err(RESTS_ON_A_BRANCH)
        } else {
            Ok(())
        })
    }

    /// Whether a change of an envelope rests on one that lies on a branch, or that rests on one itself.
    fn rests_on_branch(&self, envelope: &Envelope) -> Result<bool, EngineError> {
        for (collection, item, payload) in envelope.items() {
            let key = RecordKey::of(collection, item);
            for raw in &payload.changes {
                let Ok(change) = read_change(raw) else {
                    continue;
                };
                for hash in change.known() {
                    let refused = self.refused_change(&key, &hash)?;
                    if !refused.is_some_and(|refused| refused.on_branch) {
                        continue;
                    }
                    // It may have come in an envelope that counts as well.
                    if !self.record(&key)?.has_change(&hash) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether what an envelope brings can never count because of a branch.
    pub(super) fn is_on_branch(&self, envelope: &Envelope) -> Result<bool, EngineError> {
        Ok(self.check_branches(envelope)?.is_err())
    }

    /// Stages that an envelope which this folder wrote is to be issued again.
    pub(super) fn stage_lost(&mut self, id: &EnvelopeId) {
        let key = self.keys.numbered(Space::Lost, &id.feed, id.n);
        self.base.put(key, vec![1]);
    }
}
