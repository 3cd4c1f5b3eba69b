//! The one batch builder: what a local edit, a peer's envelope and a replayed one write to the store.

use std::collections::BTreeSet;

use driftless_document::{
    Change, ChangeHash, Entry, EntryId, Evidence, REVIEW, Record, Row, change_hash, counting,
    evidence, read_change,
};
use driftless_protocol::{Code, Envelope, FeedId, Hash, Header, Predecessor, check_commitment};
use driftless_store::{FrameKind, KeyBuilder, KeyReader, Position};

use super::{
    Core, Judgement, OWN_ENVELOPE_FRAME, RefusedChange, StoredRow, TakenBack, Update, Verdict,
};
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::{RecordKey, Void};

/// Loose changes behind a saved document before it is compacted, where the document is small.
const LOOSE_CHANGES: usize = 16;
/// Of a large one it is a part of its changes: then saving it again and again costs in proportion to the changes.
const LOOSE_PART: usize = 64;
/// Of a record with at most so many changes it is not noted where overlaps are merely agreed: the whole is read
/// again instead, which takes less than a millisecond.
const REREAD_CHANGES: usize = 64;
/// An envelope with more records than this is a bulk: its documents are not kept loaded.
const BULK_RECORDS: usize = 64;

/// A record whose conflict entries are to be brought up to date.
pub(super) struct Contested {
    /// Whether some overlap was not settled before.
    was_unsettled: bool,
    /// The changes that came since.
    came: Vec<Change>,
}

/// Where an envelope lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnvelopePlace {
    pub(crate) position: Position,
    /// The hash of its header.
    pub(crate) hash: Hash,
    /// How many items it has.
    pub(crate) items: u64,
}

const FORMAT: u8 = 1;

impl EnvelopePlace {
    pub(super) fn of(envelope: &Envelope, position: Position) -> Self {
        Self {
            position,
            hash: envelope.hash(),
            items: envelope.items().len() as u64,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        KeyBuilder::new()
            .push_u8(FORMAT)
            .push_fixed(&self.position.to_bytes())
            .push_fixed(&self.hash.0)
            .push_u64(self.items)
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        reader.take_u8()?;
        let place = Self {
            position: Position::from_bytes(reader.take_fixed()?),
            hash: Hash(reader.take_fixed()?),
            items: reader.take_u64()?,
        };
        reader.finish()?;
        Ok(place)
    }
}

impl Core {
    pub(crate) fn envelope_place(
        &self,
        feed: &FeedId,
        n: u64,
    ) -> Result<Option<EnvelopePlace>, EngineError> {
        if let Some(place) = self.packed_place(feed, n)? {
            return Ok(Some(place));
        }
        let bytes = self
            .base
            .get(&self.keys.numbered(Space::Envelope, feed, n))?;
        bytes.map(|bytes| EnvelopePlace::decode(&bytes)).transpose()
    }

    /// Stages what an envelope does; it lies in the journal at `position`, in a frame of this kind.
    pub(crate) fn stage_envelope(
        &mut self,
        envelope: &Envelope,
        (position, kind): (Position, FrameKind),
        judgement: Judgement,
    ) -> Result<(), EngineError> {
        let header = envelope.header();
        let id = self.id_of(envelope)?;
        let packed_in = self.list_envelope(envelope, &id, position);
        self.end_waiting(envelope);
        let before = self.before(header, &id.feed)?;
        let hash = envelope.hash();
        let feed = self.feeds.push(id.feed, header, hash, before).encode();
        self.base.put(self.keys.feed(&id.feed), feed);
        if before.is_some() && self.follow_feed(&id.feed) {
            self.turn();
        }
        self.stage_known(envelope, &id);
        if header.feed.belongs_to(&self.device) {
            let is_own = kind == OWN_ENVELOPE_FRAME;
            if is_own || self.continues_own(&id.feed, before) {
                self.state.own_feed = Some(id.feed);
            }
            if is_own && matches!(judgement, Judgement::NotCurrent(Code::Equivocation, _)) {
                self.stage_lost(&id);
            }
            if let Some((body, _)) = envelope.known() {
                self.state.clock.last = self.state.clock.last.max(body.meta.time);
            }
        }
        let judgement = self.stage_reissues(envelope, judgement)?;
        // What a removed device had not sent takes nothing back either, nor what lies on a branch.
        let takes_back = !matches!(
            judgement,
            Judgement::Void(Void::NotCurrent, _)
                | Judgement::NotCurrent(Code::PastRemoval | Code::Equivocation, _)
        );
        match judgement {
            Judgement::Void(why, updates) => self.stage_void(header, why, updates, packed_in)?,
            Judgement::Apply(updates) => {
                let keep = updates.len() <= BULK_RECORDS;
                for update in updates {
                    self.stage_update(update, header.feed, keep, packed_in)?;
                }
            }
            Judgement::Hold => {
                self.stage_quarantine(envelope, Code::NeedsNewerVersion, "", BTreeSet::new())?;
            }
            Judgement::Quarantine(code, detail, taken_back) => {
                self.stage_quarantine(envelope, code, &detail, taken_back)?;
            }
            Judgement::Rests(detail, taken_back) => {
                let below = self.refused_below(envelope)?;
                self.keep_for_others(header.feed, &taken_back);
                // What is wanted of what lies below is found now: who rests on this one need not look there again.
                let verdict = Verdict::of(Code::ChangeRefused, &detail);
                self.stage_verdict(envelope, &verdict)?;
                self.stage_refused(envelope, taken_back)?;
                self.want(below)?;
            }
            Judgement::NotCurrent(code, detail) => {
                self.stage_not_current(envelope, code, detail)?;
            }
            Judgement::Missing(code, detail) => return Err(EngineError::peer(code, detail)),
        }
        if takes_back {
            self.stage_take_backs(envelope)?;
        }
        Ok(())
    }

    /// Notes where an envelope lies; gives the segment if that is packed.
    fn list_envelope(
        &mut self,
        envelope: &Envelope,
        id: &EnvelopeId,
        position: Position,
    ) -> Option<u32> {
        let packed_in = (position < self.packed_before).then_some(position.segment);
        if let Some(segment) = packed_in {
            self.list_packed_envelope(id.feed, id.n, segment);
        } else {
            let key = self.keys.numbered(Space::Envelope, &id.feed, id.n);
            let place = EnvelopePlace::of(envelope, position);
            self.base.put(key, place.encode());
        }
        packed_in
    }

    fn stage_void(
        &mut self,
        header: &Header,
        why: Void,
        updates: Vec<Update>,
        packed_in: Option<u32>,
    ) -> Result<(), EngineError> {
        let key = self.keys.numbered(Space::Void, &header.feed, header.n);
        self.base.put(key, super::void::encode_envelope(why));
        for update in updates {
            let changes = update.changes.iter().map(|(change, _)| change.hash);
            self.stage_void_changes(&update.key, why, changes)?;
            self.stage_update(update, header.feed, false, packed_in)?;
        }
        Ok(())
    }

    /// Whether a feed of this device goes on from what this folder wrote: then it may be its own, of before a backup took
    /// its place; a copy's may not. What is written once it is known that the feed was split goes on from where the two
    /// parted. A branch is for who wrote it.
    fn continues_own(&self, slot: &FeedId, before: Option<Predecessor>) -> bool {
        if slot.is_branch() {
            return false;
        }
        let Some(own) = self.state.own_feed else {
            return true;
        };
        let goes_on_from = |feed: FeedId| {
            let last = self.feeds.get(&feed).map_or(0, |feed| feed.last);
            before.is_some_and(|before| before.feed == feed && before.n >= last)
        };
        let common = self.common_of(own);
        let from_nothing = common.is_branch() && before.is_none();
        own == *slot
            || goes_on_from(own)
            || (own.is_branch() && (goes_on_from(common) || from_nothing))
    }

    /// The feed that a branch left, and which counts; any other is its own.
    pub(crate) fn common_of(&self, mut feed: FeedId) -> FeedId {
        while let Some(before) = self.feeds.get(&feed).and_then(|feed| feed.predecessor)
            && feed.is_branch()
        {
            feed = before.feed;
        }
        feed
    }

    fn stage_quarantine(
        &mut self,
        envelope: &Envelope,
        code: Code,
        detail: &str,
        taken_back: BTreeSet<TakenBack>,
    ) -> Result<(), EngineError> {
        self.keep_for_others(envelope.header().feed, &taken_back);
        let verdict = Verdict {
            rests_on: self.refused_below(envelope)?,
            ..Verdict::of(code, detail)
        };
        self.stage_verdict(envelope, &verdict)?;
        self.stage_refused(envelope, taken_back)
    }

    fn stage_not_current(
        &mut self,
        envelope: &Envelope,
        code: Code,
        detail: &str,
    ) -> Result<(), EngineError> {
        let verdict = Verdict {
            // What lies on a branch may repeat numbers of the other: nothing can rest on it.
            may_be_wanted: code != Code::Equivocation,
            rests_on: self.refused_below(envelope)?,
            ..Verdict::of(code, detail)
        };
        self.stage_verdict(envelope, &verdict)?;
        self.stage_refused(envelope, BTreeSet::new())
    }

    fn stage_verdict(&mut self, envelope: &Envelope, verdict: &Verdict) -> Result<(), EngineError> {
        let id = self.id_of(envelope)?;
        let key = self.keys.numbered(Space::Quarantine, &id.feed, id.n);
        self.base.put(key, verdict.encode());
        Ok(())
    }

    /// Notes which changes are not applied.
    fn stage_refused(
        &mut self,
        envelope: &Envelope,
        taken_back: BTreeSet<TakenBack>,
    ) -> Result<(), EngineError> {
        let refused = RefusedChange {
            id: self.id_of(envelope)?,
            taken_back,
            on_branch: self.is_on_branch(envelope)?,
        };
        for (key, hash) in vouched(envelope) {
            self.stage_refused_change(&key, &hash, &refused)?;
        }
        Ok(())
    }

    fn stage_update(
        &mut self,
        update: Update,
        feed: FeedId,
        keep: bool,
        packed_in: Option<u32>,
    ) -> Result<(), EngineError> {
        let Update {
            key,
            record,
            before,
            changes,
            forked: forks,
            ..
        } = update;
        self.state.records += u64::from(before.is_none());
        let forked = forks || before.as_ref().is_some_and(|row| row.forked);
        let (mut loose, mut unsettled, entries) =
            before.map_or((0, false, 0), |row| (row.loose, row.unsettled, row.entries));
        for (change, _) in &changes {
            self.state.seq += 1;
            match packed_in {
                Some(segment) => self.list_packed_commit(self.state.seq, segment),
                None => self.stage_commit(&key, change, feed),
            }
        }
        let place = self.keys.record(Space::VoidChanges, &key);
        let void = self.has_void() && self.base.get(&place)?.is_some();
        let row = self.row_or_behind(&key, &record, void)?;
        let (changes, raw): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        let most = LOOSE_CHANGES.max(record.change_count() / LOOSE_PART);
        if usize::from(loose) + raw.len() > most.min(usize::from(u8::MAX)) {
            self.compact(&key, &record, loose)?;
            loose = 0;
        } else {
            for raw in raw {
                loose += 1;
                self.base.put(self.keys.document(&key, loose), raw);
            }
        }
        if forks || unsettled || void || changes.iter().any(|change| concerns_log(change, &row)) {
            let contested = self.contested.entry(key.clone());
            let contested = contested.or_insert_with(|| Contested {
                was_unsettled: unsettled,
                came: Vec::new(),
            });
            contested.came.extend(changes);
            unsettled = true;
        }
        let stored = StoredRow {
            row,
            loose,
            unsettled,
            entries,
            forked,
            void,
        };
        self.base
            .put(self.keys.record(Space::Row, &key), stored.encode());
        if keep {
            self.documents.borrow_mut().put(key, record);
        } else {
            self.documents.borrow_mut().remove(&key); // what is loaded of it is not what it is now
        }
        Ok(())
    }

    fn stage_commit(&mut self, key: &RecordKey, change: &Change, feed: FeedId) {
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_str(&key.collection)
            .push_fixed(&key.record.0)
            .push_fixed(&change.hash.0)
            .push_fixed(&feed.0)
            .push_i64(change.time)
            .finish();
        self.base.put(self.keys.commit(self.state.seq), value);
    }

    /// Replaces a document's loose changes by one snapshot, once that has been loaded back with equal heads.
    fn compact(&mut self, key: &RecordKey, record: &Record, loose: u8) -> Result<(), EngineError> {
        let saved = record.save();
        Record::load(&saved, &record.heads())?;
        self.base.put(self.keys.document(key, 0), saved);
        for part in 1..=loose {
            self.base.delete(self.keys.document(key, part));
        }
        Ok(())
    }

    /// Brings up to date the conflict entries of the records whose overlaps may have changed: once a group,
    /// however many changes it brought.
    pub(crate) fn stage_evidence(&mut self) -> Result<(), EngineError> {
        for (key, contested) in std::mem::take(&mut self.contested) {
            let (before, found, is_noted) = self.look_again(&key, &contested)?;
            self.stage_aliases(&key, &before, &found);
            let place = self.keys.record(Space::Conflict, &key);
            if found.entries.is_empty() && !is_noted {
                self.base.delete(place);
            } else {
                self.base.put(place, found.encode());
            }
            if let Some(mut stored) = self.stored_row(&key)? {
                stored.unsettled = found.unsettled;
                stored.entries = u32::try_from(found.entries.len()).unwrap_or(u32::MAX);
                self.base
                    .put(self.keys.record(Space::Row, &key), stored.encode());
            }
        }
        Ok(())
    }

    /// Whether the log lacks what this group has written so far.
    pub(crate) fn has_evidence_to_stage(&self) -> bool {
        !self.contested.is_empty()
    }

    /// What overlapped in a record before and after what came; and whether that is noted though there is no entry.
    fn look_again(
        &self,
        key: &RecordKey,
        contested: &Contested,
    ) -> Result<(Evidence, Evidence, bool), EngineError> {
        let row = self.stored_row(key)?;
        let is_kept = self.documents.borrow().get(key).is_some(); // not after a bulk
        let mut record = self.take_record(key, row.as_ref())?;
        let before = self.stored_evidence(key)?;
        let found = if row.as_ref().is_some_and(|row| row.void) {
            let changes = counting(record.changes()?, &self.void_changes(key)?);
            evidence(&key.collection, key.record, &changes)
        } else if before.is_none() && contested.was_unsettled {
            evidence(&key.collection, key.record, &record.changes()?)
        } else {
            let nothing = Evidence::default();
            let before = before.as_ref().unwrap_or(&nothing);
            record.evidence_after(&key.collection, key.record, before, &contested.came)?
        };
        let is_noted = !found.agreed.is_empty() && record.change_count() > REREAD_CHANGES;
        if is_kept {
            self.documents.borrow_mut().put(key.clone(), record);
        }
        Ok((before.unwrap_or_default(), found, is_noted))
    }

    /// Every entry is found by all its names, and by no others.
    fn stage_aliases(&mut self, key: &RecordKey, before: &Evidence, found: &Evidence) {
        let names = |evidence: &Evidence| -> BTreeSet<EntryId> {
            evidence.entries.iter().flat_map(Entry::names).collect()
        };
        let (before, found) = (names(before), names(found));
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_str(&key.collection)
            .push_fixed(&key.record.0)
            .finish();
        for id in before.difference(&found) {
            self.base.delete(self.keys.alias(id));
        }
        for id in found.difference(&before) {
            self.base.put(self.keys.alias(id), value.clone());
        }
    }
}

/// The changes of an envelope that its author vouches for: a stranger's beside them are not refused with it.
///
/// An item commits to its last change, and that names its past.
fn vouched(envelope: &Envelope) -> BTreeSet<(RecordKey, ChangeHash)> {
    let feed = envelope.header().feed;
    let mut vouched = BTreeSet::new();
    for (collection, item, payload) in envelope.items() {
        let key = RecordKey::of(collection, item);
        let last = payload.changes.last().and_then(|raw| change_hash(raw));
        let committed = last
            .filter(|hash| item.actor == feed.0 && check_commitment(item, &payload.salt, &hash.0));
        let mut below = BTreeSet::from_iter(committed);
        for raw in payload.changes.iter().rev() {
            match read_change(raw) {
                Ok(change) if change.actor.0 == feed.0 && below.contains(&change.hash) => {
                    vouched.insert((key.clone(), change.hash));
                    below.extend(change.deps);
                }
                Ok(_) => {}
                // It does not read, so it is nothing of a stranger's.
                Err(_) => {
                    let committed = committed.filter(|hash| change_hash(raw) == Some(*hash));
                    vouched.extend(committed.map(|hash| (key.clone(), hash)));
                }
            }
        }
    }
    vouched
}

/// Whether a change may alter the conflict entries of a record though it continues the heads and all is settled:
/// it names an entry, or it writes a field where there is a value above fields.
fn concerns_log(change: &Change, row: &Row) -> bool {
    let mut keys = change.operations.iter().map(|operation| &operation.key);
    keys.any(|key| key.starts_with(REVIEW) || row.has_clash_at(key))
}
