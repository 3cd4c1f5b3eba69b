//! What becomes of an envelope: a function of it, its causal past and the membership log.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Admission, Change, ChangeHash, Record, RecordId, change_hash};
use driftless_protocol::{
    BodyForm, Code, Envelope, FeedId, Header, Item, ItemPayload, Role, check_commitment,
};

use super::{Core, RefusedChange, StoredRow, TakenBack};
use crate::error::EngineError;
use crate::limits;
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::RecordKey;

/// What an envelope does to one record.
pub(crate) struct Update {
    pub(crate) key: RecordKey,
    /// The record afterwards.
    pub(crate) record: Record,
    /// Its row before, and how many bytes that has.
    pub(crate) before: Option<StoredRow>,
    pub(crate) row_bytes: usize,
    /// The new changes with their raw bytes.
    pub(crate) changes: Vec<(Change, Vec<u8>)>,
    /// Whether one of them did not continue the heads as they were.
    pub(crate) forked: bool,
}

impl Update {
    /// Whether the record stays within what the store keeps as one value; the error has its bytes at most.
    pub(crate) fn check_size(&self) -> Result<(), usize> {
        let new: usize = self.changes.iter().map(|(_, raw)| raw.len()).sum();
        let bytes = self.row_bytes + new;
        if bytes > limits::RECORD_BYTES {
            return Err(bytes);
        }
        Ok(())
    }
}

/// What becomes of an envelope.
pub(crate) enum Judgement {
    /// It is admitted.
    Apply(Vec<Update>),
    /// It is held and passed on, not applied: a newer version may understand it.
    Hold,
    /// It is held and passed on, not applied, for this reason; the last is what it rests on that its author, or
    /// the author of what it rests on, has taken back.
    Quarantine(Code, String, BTreeSet<TakenBack>),
    /// It cannot be judged yet, or breaks what holds of every feed: it is not held.
    Missing(Code, String),
}

impl Core {
    /// Judges an envelope that is not held yet.
    pub(crate) fn judge(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        if let Err((code, detail)) = self.check_chain(envelope.header())? {
            return Ok(Judgement::Missing(code, detail.into()));
        }
        self.judge_in_place(envelope)
    }

    /// Judges an envelope wherever in its feed it stands: one that is held can be judged again.
    pub(crate) fn judge_in_place(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        let header = envelope.header();
        if header
            .membership
            .iter()
            .any(|head| !self.log.contains(head))
        {
            return Ok(Judgement::Missing(
                Code::MissingPast,
                "it names membership records that are not here".into(),
            ));
        }
        let Some(member) = self
            .log
            .member_at(header.feed.device_prefix(), &header.membership)
        else {
            return Ok(Judgement::Missing(
                Code::UnknownDevice,
                "its author is no member at the membership records it names".into(),
            ));
        };
        if envelope.verify(&member.device).is_err() {
            return Ok(Judgement::Missing(
                Code::BadSignature,
                "its signature does not verify".into(),
            ));
        }
        if member.role < Role::Editor {
            return Ok(not_allowed(format!(
                "its author's role is {}",
                member.role.as_str()
            )));
        }
        if !self.is_granted(&member.device) {
            return Ok(not_allowed(
                "its author's invite was used more often than it allows".into(),
            ));
        }
        match envelope.body() {
            BodyForm::Known { .. } => match self.judge_items(envelope)? {
                Judgement::Apply(_) if self.is_taken_back(envelope) => {
                    let taken = BTreeSet::from([TakenBack::of(envelope)]);
                    let detail = "its author has taken it back".to_owned();
                    Ok(Judgement::Quarantine(Code::ChangeRefused, detail, taken))
                }
                judgement => Ok(judgement),
            },
            BodyForm::Unknown(_) => Ok(Judgement::Hold),
            // The signature does not cover which parts are left out: whoever passed it on may have cut them.
            _ => Ok(spoilt("parts of it were left out")),
        }
    }

    /// Whether a header continues what is held of its feed and its device.
    fn check_chain(
        &self,
        header: &Header,
    ) -> Result<Result<(), (Code, &'static str)>, EngineError> {
        if header.workspace != self.keys.0 {
            return Ok(Err((Code::OtherWorkspace, "it is of another workspace")));
        }
        if let Some(feed) = self.feeds.get(&header.feed) {
            return Ok(if header.follows(feed.last, &feed.head) {
                Ok(())
            } else if header.n == feed.last + 1 {
                Err((Code::Equivocation, "its feed went on differently elsewhere"))
            } else {
                Err((Code::BrokenChain, "it does not continue its feed"))
            });
        }
        if header.n != 1 {
            return Ok(Err((Code::BrokenChain, "the feed's beginning is missing")));
        }
        let Some(before) = header.predecessor else {
            return Ok(Ok(()));
        };
        Ok(match self.envelope_place(&before.feed, before.n)? {
            None => Err((Code::MissingPast, "the feed before it is missing")),
            Some(place) if place.hash == before.hash => Ok(()),
            Some(_) => Err((
                Code::Equivocation,
                "the feed before it went on differently elsewhere",
            )),
        })
    }

    fn judge_items(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        let id = EnvelopeId::of(envelope);
        let mut updates = BTreeMap::<RecordKey, Update>::new();
        for (collection, item, payload) in envelope.items() {
            let key = RecordKey {
                collection: collection.to_owned(),
                record: RecordId(item.record),
            };
            let update = match updates.entry(key) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let update = self.update_of(entry.key().clone())?;
                    entry.insert(update)
                }
            };
            if let Err(judgement) = self.judge_item(update, item, payload, id)? {
                return Ok(judgement);
            }
        }
        for update in updates.values() {
            if let Err(bytes) = update.check_size() {
                return Ok(refused(format!("a record of it would have {bytes} bytes")));
            }
        }
        Ok(Judgement::Apply(updates.into_values().collect()))
    }

    /// Judges one item: what its author signed is refused for good, what a relay may have done is not taken.
    ///
    /// The commitment vouches for the last change and, since that names its past, for those before it.
    fn judge_item(
        &self,
        update: &mut Update,
        item: &Item,
        payload: &ItemPayload,
        id: EnvelopeId,
    ) -> Result<Result<(), Judgement>, EngineError> {
        let feed = id.feed;
        if item.actor != feed.0 {
            return Ok(Err(refused("its actor is not its feed")));
        }
        let last = payload.changes.last().and_then(|raw| change_hash(raw));
        let Some(last) = last.filter(|hash| check_commitment(item, &payload.salt, &hash.0)) else {
            return Ok(Err(spoilt("its changes are not those it commits to")));
        };
        if item.last_seq.checked_sub(item.first_seq) != Some(payload.changes.len() as u64 - 1) {
            return Ok(Err(if payload.changes.len() == 1 {
                refused("its item names other changes")
            } else {
                spoilt("changes that its item names are missing")
            }));
        }
        if let Some(refused_in) = self.refused_change(&last)?
            && refused_in.id != id
        {
            return Ok(Err(refused("it repeats a change that was refused")));
        }
        for (raw, seq) in payload.changes.iter().zip(item.first_seq..) {
            let is_last = seq == item.last_seq;
            let admitted = match update.record.admit(raw, feed.device_prefix()) {
                Ok(Admission::Admitted(admitted)) => admitted,
                Ok(Admission::MissingPast(hash)) => return self.judge_missing(hash),
                _ if !is_last => return Ok(Err(spoilt("one of its changes is not its author's"))),
                Ok(Admission::Known) => return Ok(Err(refused("it repeats a change"))),
                Err(refusal) => return Ok(Err(refused(refusal.to_string()))),
            };
            let change = admitted.change();
            if change.actor.0 != item.actor || change.seq != seq {
                return Ok(Err(refused("its changes are not those its item names")));
            }
            update.forked |= !update.record.continues_heads(change);
            match std::mem::take(&mut update.record).apply(admitted) {
                Ok((record, change)) => {
                    update.record = record;
                    update.changes.push((change, raw.clone()));
                }
                Err(error) => {
                    let detail = error.to_string();
                    return Ok(Err(Judgement::Quarantine(
                        Code::Bug,
                        detail,
                        BTreeSet::new(),
                    )));
                }
            }
        }
        Ok(Ok(()))
    }

    /// A change whose past is not here: refused with what it rests on, or not to be judged yet.
    fn judge_missing(&self, hash: ChangeHash) -> Result<Result<(), Judgement>, EngineError> {
        Ok(Err(match self.refused_change(&hash)? {
            Some(RefusedChange { taken_back, .. }) => Judgement::Quarantine(
                Code::ChangeRefused,
                format!("it rests on the change {hash}, which was refused"),
                taken_back,
            ),
            None => Judgement::Missing(
                Code::MissingPast,
                format!("it rests on the change {hash}, which is not here"),
            ),
        }))
    }

    pub(crate) fn is_quarantined(&self, feed: &FeedId, n: u64) -> Result<bool, EngineError> {
        let key = self.keys.numbered(Space::Quarantine, feed, n);
        Ok(self.base.get(&key)?.is_some())
    }
}

/// Refused for good: its author signed it so.
fn refused(detail: impl Into<String>) -> Judgement {
    Judgement::Quarantine(Code::ChangeRefused, detail.into(), BTreeSet::new())
}

/// Refused as long as its author may not write.
fn not_allowed(detail: String) -> Judgement {
    Judgement::Quarantine(Code::NotAllowed, detail, BTreeSet::new())
}

/// Not taken: another device may have it whole.
fn spoilt(detail: &str) -> Judgement {
    Judgement::Missing(Code::BadFrame, detail.to_owned())
}
