//! What becomes of an envelope: a function of it, its causal past and the membership log.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Admission, Change, ChangeHash, Record, change_hash};
use driftless_protocol::{
    BodyForm, Code, Envelope, FeedId, Item, ItemPayload, Role, check_commitment,
};

use super::{Core, RefusedChange, StoredRow, TakenBack};
use crate::error::EngineError;
use crate::limits;
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::{RecordKey, Void};

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
    /// Whether the record's row stays within so many bytes; the error has its bytes at most.
    pub(crate) fn check_size(&self, limit: usize) -> Result<(), usize> {
        let new: usize = self.changes.iter().map(|(_, raw)| raw.len()).sum();
        let bytes = self.row_bytes + new;
        if bytes > limit {
            return Err(bytes);
        }
        Ok(())
    }
}

/// What becomes of an envelope.
pub(crate) enum Judgement {
    /// It is admitted.
    Apply(Vec<Update>),
    /// It is applied and void, so it does not count: why.
    Void(Void, Vec<Update>),
    /// It is held and passed on, not applied: a newer version may understand it.
    Hold,
    /// It is held and passed on, not applied, for this reason; the last is what it rests on that its author, or
    /// the author of what it rests on, has taken back.
    Quarantine(Code, String, BTreeSet<TakenBack>),
    /// It counts, and rests on what is not applied; the last is what was taken back there.
    Rests(String, BTreeSet<TakenBack>),
    /// It does not count, by the whole membership log; that may change.
    NotCurrent(Code, &'static str),
    /// It cannot be judged yet, or breaks what holds of every feed: it is not held.
    Missing(Code, String),
}

impl Core {
    /// Judges an envelope that is not held yet.
    pub(crate) fn judge(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        if let Err((code, detail)) = self.check_chain(envelope)? {
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
        let at = self.log.at(&header.membership);
        let prefix = header.feed.device_prefix();
        let mut members = at.members.iter().map(|(member, _)| member.device);
        let author = members.find(|device| device.prefix() == prefix);
        let Some(member) = author.and_then(|device| at.active(&device)) else {
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
        if !matches!(envelope.body(), BodyForm::Partial(_))
            && let Err(why) = self.check_branches(envelope)?
        {
            return self.if_held(envelope, Judgement::NotCurrent(Code::Equivocation, why));
        }
        // After that: a change on a branch may have come twice, from one who knew more and from one who knew less.
        if self.goes_back(envelope, &at)? {
            return Ok(refused(
                "it names membership records that are older than what it builds on",
            ));
        }
        let current = self.check_current(envelope, &member.device, &at);
        match (envelope.body(), current) {
            (BodyForm::Known { .. }, Ok(())) => self.judge_known(envelope),
            (BodyForm::Known { .. }, Err(_)) if self.is_wanted(envelope) => {
                Ok(match self.judge_known(envelope)? {
                    Judgement::Apply(updates) => Judgement::Void(Void::NotCurrent, updates),
                    judgement => judgement,
                })
            }
            (BodyForm::Known { .. }, Err((code, why))) => {
                self.if_held(envelope, Judgement::NotCurrent(code, why))
            }
            (BodyForm::Unknown(_), Ok(())) => Ok(Judgement::Hold),
            (BodyForm::Unknown(_), Err((code, why))) => Ok(Judgement::NotCurrent(code, why)),
            // The signature does not cover which parts are left out: whoever passed it on may have cut them.
            _ => Ok(spoilt("parts of it were left out")),
        }
    }

    /// Judges what an envelope that is to be applied says.
    fn judge_known(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        match self.judge_items(envelope)? {
            Judgement::Apply(_) if self.is_taken_back(envelope) => {
                let taken = BTreeSet::from([TakenBack::of(envelope)]);
                let detail = "its author has taken it back".to_owned();
                Ok(Judgement::Quarantine(Code::ChangeRefused, detail, taken))
            }
            rests @ Judgement::Rests(..) => self.if_held(envelope, rests),
            judgement => Ok(judgement),
        }
    }

    /// A verdict that may change one day is passed on what could be judged then.
    fn if_held(&self, envelope: &Envelope, judgement: Judgement) -> Result<Judgement, EngineError> {
        Ok(match self.check_held(envelope)? {
            Ok(()) => judgement,
            Err((code, detail)) => Judgement::Missing(code, detail),
        })
    }

    /// Whether a header continues what is held of its feed and its device.
    fn check_chain(
        &self,
        envelope: &Envelope,
    ) -> Result<Result<(), (Code, &'static str)>, EngineError> {
        let header = envelope.header();
        if header.workspace != self.keys.0 {
            return Ok(Err((Code::OtherWorkspace, "it is of another workspace")));
        }
        let slot = self.slot_of(header, &envelope.hash())?;
        if let Some(feed) = self.feeds.get(&slot) {
            return Ok(if header.follows(feed.last, &feed.head) {
                Ok(())
            } else if header.n == feed.last + 1 {
                Err((Code::Equivocation, "its feed went on differently elsewhere"))
            } else {
                Err((Code::BrokenChain, "it does not continue its feed"))
            });
        }
        if header.n != 1 {
            let before = self.slot_holding(&header.feed, header.n - 1, &header.prev)?;
            return Ok(if slot.is_branch() && before.is_some() {
                Ok(())
            } else {
                Err((Code::BrokenChain, "the feed's beginning is missing"))
            });
        }
        let Some(before) = header.predecessor else {
            return Ok(Ok(()));
        };
        let (feed, n) = (before.feed, before.n);
        Ok(if self.slot_holding(&feed, n, &before.hash)?.is_some() {
            Ok(())
        } else if self.envelope_place(&feed, n)?.is_some() {
            Err((
                Code::Equivocation,
                "the feed before it went on differently elsewhere",
            ))
        } else {
            Err((Code::MissingPast, "the feed before it is missing"))
        })
    }

    fn judge_items(&self, envelope: &Envelope) -> Result<Judgement, EngineError> {
        let id = EnvelopeId::signed(envelope); // what lies on a branch does not come here
        let mut updates = BTreeMap::<RecordKey, Update>::new();
        for (collection, item, payload) in envelope.items() {
            let key = RecordKey::of(collection, item);
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
            if let Err(bytes) = update.check_size(limits::MERGED_RECORD_BYTES) {
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
        if let Some(refused_in) = self.refused_change(&update.key, &last)?
            && refused_in.id != id
        {
            return Ok(Err(refused("it repeats a change that was refused")));
        }
        for (raw, seq) in payload.changes.iter().zip(item.first_seq..) {
            let is_last = seq == item.last_seq;
            let admitted = match update.record.admit(raw, feed.device_prefix()) {
                Ok(Admission::Admitted(admitted)) => admitted,
                Ok(Admission::MissingPast(hash)) => return self.judge_missing(&update.key, hash),
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
    fn judge_missing(
        &self,
        key: &RecordKey,
        hash: ChangeHash,
    ) -> Result<Result<(), Judgement>, EngineError> {
        Ok(Err(match self.refused_change(key, &hash)? {
            Some(RefusedChange { taken_back, .. }) => Judgement::Rests(
                format!("it rests on the change {hash}, which was refused"),
                taken_back,
            ),
            None => Judgement::Missing(
                Code::MissingPast,
                format!("it rests on the change {hash}, which is not here"),
            ),
        }))
    }

    /// Whether an envelope is held under this name, and not quarantined; one on a branch is held under another.
    pub(crate) fn is_applied(&self, feed: &FeedId, n: u64) -> Result<bool, EngineError> {
        let is_held = self.feeds.get(feed).is_some_and(|held| n <= held.last);
        Ok(is_held && !self.is_quarantined(feed, n)?)
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
