//! Which envelopes were issued again, and which of several counts that issue one again.
//!
//! Two runs of one device may both take an envelope for theirs to issue again: one that was signed before the two parted,
//! or that lay in a folder which runs twice. Of those that are applied and current one counts: the one with the most
//! items, then with the smallest hash. The others are duplicates, and void: their changes stay, so that what others wrote
//! on top of them goes on to count, and have no effect.
//!
//! Which envelopes are applied and current does not depend on which of them are duplicates, so what counts is a function
//! of the envelopes and the membership records. One that came before the one that counts has been applied as if it
//! counted: then everything is derived again, with what was found so far known from the beginning.
//!
//! Who asks: `stage`, of each envelope that is to be applied.

use std::collections::BTreeMap;

use driftless_protocol::{Envelope, FeedId, Hash};
use driftless_store::{KeyBuilder, KeyReader, Visit};

use super::take_back::reissued_by;
use super::{Core, Judgement, TakenBack};
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::{self, Space};
use crate::types::Void;

const FORMAT: u8 = 2;

/// One that issues an envelope again, and is applied and current. The smallest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rival {
    /// `u64::MAX` less its items: what could not be issued again by one run may have been by the other.
    items_less: u64,
    hash: Hash,
    id: EnvelopeId,
}

/// What counts of the envelopes that issue others again, by what was lost first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reissues {
    /// Of this pass over the journal, and of what came since.
    found: BTreeMap<TakenBack, Rival>,
    /// Of the pass before it.
    known: BTreeMap<TakenBack, Rival>,
}

impl Reissues {
    fn best(&self, lost: &TakenBack) -> Option<Rival> {
        let both = [&self.found, &self.known].into_iter();
        both.filter_map(|of| of.get(lost).copied()).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.known.is_empty()
    }

    /// Before everything is derived again.
    pub(super) fn begin_pass(&mut self) {
        self.known = std::mem::take(&mut self.found);
    }

    /// Whether a pass came to something else than what was known before it.
    pub(super) fn differs(&self) -> bool {
        self.found != self.known
    }
}

impl Core {
    /// Notes what an envelope issues again; says what becomes of it where another one counts for the same.
    pub(super) fn stage_reissues(
        &mut self,
        envelope: &Envelope,
        judgement: Judgement,
    ) -> Result<Judgement, EngineError> {
        let named = reissued_by(envelope);
        for lost in &named {
            let key = self.keys.reissued(lost);
            if self.base.get(&key)?.is_none() {
                self.base.put(key, encode(None));
            }
        }
        let Some(lost) = named.last() else {
            return Ok(judgement);
        };
        let Judgement::Apply(updates) = judgement else {
            return Ok(judgement);
        };
        let this = Rival {
            items_less: u64::MAX - envelope.items().len() as u64,
            hash: envelope.hash(),
            id: self.id_of(envelope)?,
        };
        let best = self.reissues.best(lost);
        if self
            .reissues
            .found
            .get(lost)
            .is_none_or(|found| this < *found)
        {
            self.reissues.found.insert(*lost, this);
            self.base.put(self.keys.reissued(lost), encode(Some(this)));
        }
        match best {
            Some(best) if best < this => return Ok(Judgement::Void(Void::Duplicate, updates)),
            // Another one was applied as if it counted.
            Some(best) if this < best => self.turn(),
            _ => {}
        }
        Ok(Judgement::Apply(updates))
    }

    /// Whether its device has issued an envelope again.
    pub(crate) fn is_reissued(&self, named: &TakenBack) -> Result<bool, EngineError> {
        Ok(self.base.get(&self.keys.reissued(named))?.is_some())
    }

    /// Which envelope counts in the place of one that its device has issued again, where one does.
    pub(crate) fn reissued_as(&self, envelope: &Envelope) -> Option<EnvelopeId> {
        let first = reissued_by(envelope).last().copied();
        let lost = first.unwrap_or_else(|| TakenBack::of(envelope));
        self.reissues.best(&lost).map(|rival| rival.id)
    }

    pub(super) fn load_reissues(&mut self) -> Result<(), EngineError> {
        let mut found = Vec::new();
        let space = self.keys.space(Space::Reissued);
        self.base.scan(&space, &[], &mut |key, value| {
            found.push((space::envelope_of(key), decode(value)));
            Visit::Continue
        })?;
        for (lost, rival) in found {
            if let Some(rival) = rival? {
                self.reissues.found.insert(lost?, rival);
            }
        }
        Ok(())
    }
}

/// The value of an envelope that was issued again, with the one that counts for it.
fn encode(counts: Option<Rival>) -> Vec<u8> {
    let value = KeyBuilder::new().push_u8(FORMAT);
    match counts {
        None => value.finish(),
        Some(rival) => value
            .push_u64(u64::MAX - rival.items_less)
            .push_fixed(&rival.hash.0)
            .push_fixed(&rival.id.feed.0)
            .push_u64(rival.id.n)
            .finish(),
    }
}

fn decode(bytes: &[u8]) -> Result<Option<Rival>, EngineError> {
    let mut reader = KeyReader::new(bytes);
    if reader.take_u8()? != FORMAT {
        return Err(EngineError::store_damaged(
            "a note of what was issued again has another format",
        ));
    }
    if reader.rest().is_empty() {
        return Ok(None);
    }
    let items_less = u64::MAX - reader.take_u64()?;
    let hash = Hash(reader.take_fixed()?);
    let id = EnvelopeId {
        feed: FeedId(reader.take_fixed()?),
        n: reader.take_u64()?,
    };
    reader.finish()?;
    Ok(Some(Rival {
        items_less,
        hash,
        id,
    }))
}
