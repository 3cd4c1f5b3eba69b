//! What is whole in a journal that was damaged and mended, and rests on what is gone: it waits.
//!
//! An envelope or membership record that waits is not held: no cursor counts it, nothing shows it, so a peer sends it
//! again behind what is missing. What no peer has is appended to the journal once more as soon as all that it rests on is
//! back ([`Replica::admit_waiting`](crate::replica::Replica)). Only in a journal with gaps does anything wait.

use std::collections::BTreeMap;

use driftless_protocol::{Code, Envelope, FeedId, Hash, Record as MemberRecord};
use driftless_store::{Frame, FrameKind, Journal, KeyBuilder, KeyReader, Position, Visit};

use super::{Core, Judgement, MEMBER_FRAME};
use crate::error::EngineError;
use crate::membership::{MembershipLog, RecordRefusal};
use crate::space::{self, Keys, Space};

const FORMAT: u8 = 1;

/// What waits, and where it lies.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// By feed, number and hash of the header.
    pub(crate) envelopes: BTreeMap<(FeedId, u64, Hash), Position>,
    /// By hash.
    pub(crate) records: BTreeMap<Hash, Position>,
    /// Whether something came that may end the waiting.
    pub(crate) is_due: bool,
    /// Whether a membership record came, which may say who signed what waits.
    pub(crate) is_in_doubt: bool,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.envelopes.is_empty() && self.records.is_empty()
    }

    /// Whether an envelope of the feed waits that has this number or a later one: all before it were held here.
    pub(crate) fn waits_from(&self, feed: &FeedId, n: u64) -> bool {
        let later = (*feed, n, Hash::ZERO)..=(*feed, u64::MAX, Hash([u8::MAX; 32]));
        self.envelopes.range(later).next().is_some()
    }

    fn named(&self, feed: &FeedId, n: u64) -> impl Iterator<Item = (FeedId, u64, Hash)> + use<'_> {
        let names = (*feed, n, Hash::ZERO)..=(*feed, n, Hash([u8::MAX; 32]));
        self.envelopes.range(names).map(|(name, _)| *name)
    }
}

impl Core {
    /// Takes in a frame with an envelope from a journal with gaps.
    pub(super) fn replay_beside_gaps(
        &mut self,
        envelope: &Envelope,
        (position, kind): (Position, FrameKind),
    ) -> Result<(), EngineError> {
        let (feed, n) = (envelope.header().feed, envelope.header().n);
        if self.slot_holding(&feed, n, &envelope.hash())?.is_some() {
            return Ok(()); // it waited once, and came again
        }
        match self.judge(envelope)? {
            Judgement::Missing(Code::BadSignature | Code::BadFrame | Code::OtherWorkspace, why) => {
                tracing::warn!(%feed, n, %position, why, "what lies in the journal is no envelope of ours");
                Ok(())
            }
            // What was read out of a damaged file may be other than it was.
            Judgement::Missing(..) if self.is_of_another(envelope) => Ok(()),
            Judgement::Missing(..) => {
                let key = self.keys.waiting(&feed, n, &envelope.hash());
                self.base.put(key, encode(position));
                let name = (feed, n, envelope.hash());
                self.waiting.envelopes.insert(name, position);
                Ok(())
            }
            judgement => self.stage_envelope(envelope, (position, kind), judgement),
        }
    }

    /// Takes in a frame with a membership record from a journal with gaps.
    pub(super) fn replay_record_beside_gaps(&mut self, record: MemberRecord, position: Position) {
        let hash = record.hash();
        match self.stage_member(record) {
            Ok(()) => {}
            Err(RecordRefusal::MissingParent) => {
                self.base
                    .put(self.keys.waiting_record(&hash), encode(position));
                self.waiting.records.insert(hash, position);
            }
            Err(RecordRefusal::Invalid(_, why)) => {
                tracing::warn!(%position, why, "what lies in the journal is no membership record of ours");
            }
        }
    }

    /// An envelope is held now: it does not wait any more, and what rests on it may not have to.
    pub(super) fn end_waiting(&mut self, envelope: &Envelope) {
        if self.waiting.is_empty() {
            return;
        }
        self.waiting.is_due = true;
        let (feed, n) = (envelope.header().feed, envelope.header().n);
        self.forget_waiting(&(feed, n, envelope.hash()));
        // What waits for the same number lies on another branch of the feed, or is nobody's.
        let has_others = self.waiting.named(&feed, n).next().is_some();
        self.waiting.is_in_doubt |= has_others;
    }

    /// Whether the author whom an envelope's feed names is known and did not sign it.
    pub(crate) fn is_of_another(&self, envelope: &Envelope) -> bool {
        let resolved = self.log.resolved();
        let mut members = resolved.iter().map(|(member, _)| member.device);
        let author = members.find(|device| envelope.header().feed.belongs_to(device));
        author.is_some_and(|author| envelope.verify(&author).is_err())
    }

    /// A membership record is here now.
    pub(super) fn end_waiting_of_record(&mut self, hash: &Hash) {
        if self.waiting.is_empty() {
            return;
        }
        self.waiting.is_due = true;
        self.waiting.is_in_doubt = true;
        if self.waiting.records.remove(hash).is_some() {
            self.base.delete(self.keys.waiting_record(hash));
        }
    }

    /// What waits under this name turned out to be nobody's.
    pub(crate) fn forget_waiting(&mut self, name: &(FeedId, u64, Hash)) {
        self.waiting.envelopes.remove(name);
        let key = self.keys.waiting(&name.0, name.1, &name.2);
        self.base.delete(key);
    }

    /// The envelopes that wait and may be next of their feeds or branches.
    pub(crate) fn waiting_next(&self) -> Vec<Position> {
        let next = self.waiting.envelopes.iter().filter(|((feed, n, _), _)| {
            self.feeds.get(feed).map_or(1, |feed| feed.last + 1) == *n || self.forks.concern(feed)
        });
        next.map(|(_, position)| *position).collect()
    }

    /// Reads what waits from the store.
    pub(super) fn load_waiting(&mut self) -> Result<(), EngineError> {
        let mut found = Vec::new();
        for space in [Space::Waiting, Space::WaitingRecord] {
            self.base
                .scan(&self.keys.space(space), &[], &mut |key, value| {
                    found.push((space, key.to_vec(), value.to_vec()));
                    Visit::Continue
                })?;
        }
        for (space, key, value) in found {
            let position = decode(&value)?;
            if let Space::Waiting = space {
                let name = space::waiting_of(&key)?;
                self.waiting.envelopes.insert(name, position);
            } else {
                let hash = space::waiting_record_of(&key)?;
                self.waiting.records.insert(hash, position);
            }
        }
        Ok(())
    }
}

/// All membership records of a journal with gaps that fit together.
pub(super) fn log_beside_gaps(journal: &Journal) -> Result<MembershipLog, EngineError> {
    let mut records = Vec::new();
    journal.replay(Position::START, &mut |frame: Frame| {
        if frame.kind == MEMBER_FRAME
            && let Ok(record) = MemberRecord::decode(&frame.bytes)
        {
            records.push(record);
        }
        Ok::<_, EngineError>(Visit::Continue)
    })?;
    fitting(records).ok_or(EngineError::MembershipLost {
        what: "the record that began the workspace",
    })
}

/// The log of those records that fit together, in any order; `None` where none of them begins one.
fn fitting(records: Vec<MemberRecord>) -> Option<MembershipLog> {
    let mut log = None;
    let mut left = Vec::new();
    for record in records {
        match (&log, MembershipLog::begin(record.clone())) {
            (None, Ok(begun)) => log = Some(begun),
            _ => left.push(record),
        }
    }
    let mut log = log?;
    loop {
        let before = left.len();
        left.retain(|record| {
            matches!(
                log.insert(record.clone()),
                Err(RecordRefusal::MissingParent)
            )
        });
        if left.len() == before {
            return Some(log);
        }
    }
}

impl Keys {
    pub(crate) fn waiting(self, feed: &FeedId, n: u64, hash: &Hash) -> Vec<u8> {
        KeyBuilder::after(&self.numbered(Space::Waiting, feed, n))
            .push_fixed(&hash.0)
            .finish()
    }

    pub(crate) fn waiting_record(self, hash: &Hash) -> Vec<u8> {
        KeyBuilder::after(&self.space(Space::WaitingRecord))
            .push_fixed(&hash.0)
            .finish()
    }
}

fn encode(position: Position) -> Vec<u8> {
    KeyBuilder::new()
        .push_u8(FORMAT)
        .push_fixed(&position.to_bytes())
        .finish()
}

fn decode(bytes: &[u8]) -> Result<Position, EngineError> {
    let mut reader = KeyReader::new(bytes);
    reader.take_u8()?;
    let position = Position::from_bytes(reader.take_fixed()?);
    reader.finish()?;
    Ok(position)
}
