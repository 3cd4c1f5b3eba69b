//! The one batch builder: what a local edit, a peer's envelope and a replayed one write to the store.

use std::collections::BTreeSet;

use driftless_document::{Change, Entry, Record, change_hash, evidence};
use driftless_protocol::{Code, Envelope, FeedId, Hash, Header, check_commitment};
use driftless_store::{KeyBuilder, KeyReader, Position};

use super::{Core, Judgement, RefusedChange, StoredRow, TakenBack, Update};
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::RecordKey;

/// Loose changes behind a saved document before it is compacted.
const LOOSE_CHANGES: u8 = 16;
/// An envelope with more records than this is a bulk: its documents are not kept loaded.
const BULK_RECORDS: usize = 64;

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

    /// Stages what an envelope does; it lies in the journal at `position`.
    pub(crate) fn stage_envelope(
        &mut self,
        envelope: &Envelope,
        position: Position,
        judgement: Judgement,
    ) -> Result<(), EngineError> {
        let header = envelope.header();
        let packed_in = (position < self.packed_before).then_some(position.segment);
        if let Some(segment) = packed_in {
            self.list_packed_envelope(header.feed, header.n, segment);
        } else {
            let key = self.keys.numbered(Space::Envelope, &header.feed, header.n);
            let place = EnvelopePlace::of(envelope, position);
            self.base.put(key, place.encode());
        }
        let feed = self.feeds.push(header, envelope.hash()).encode();
        self.base.put(self.keys.feed(&header.feed), feed);
        if header.feed.belongs_to(&self.device) {
            if self.continues_own(header) {
                self.state.own_feed = Some(header.feed);
            }
            if let Some((body, _)) = envelope.known() {
                self.state.clock.last = self.state.clock.last.max(body.meta.time);
            }
        }
        match judgement {
            Judgement::Apply(updates) => {
                let keep = updates.len() <= BULK_RECORDS;
                for update in updates {
                    self.stage_update(update, header.feed, keep, packed_in)?;
                }
            }
            Judgement::Hold => {
                let nothing = BTreeSet::new();
                self.stage_quarantine(envelope, Code::NeedsNewerVersion, "", nothing)?;
            }
            Judgement::Quarantine(code, detail, taken_back) => {
                self.stage_quarantine(envelope, code, &detail, taken_back)?;
            }
            Judgement::Missing(code, detail) => return Err(EngineError::peer(code, detail)),
        }
        self.stage_take_backs(envelope)
    }

    /// Whether a feed of this device goes on from what this folder wrote; a copy's feeds may not.
    fn continues_own(&self, header: &Header) -> bool {
        let Some(own) = self.state.own_feed else {
            return true;
        };
        let last = self.feeds.get(&own).map_or(0, |feed| feed.last);
        own == header.feed
            || header
                .predecessor
                .is_some_and(|before| before.feed == own && before.n >= last)
    }

    fn stage_quarantine(
        &mut self,
        envelope: &Envelope,
        code: Code,
        detail: &str,
        taken_back: BTreeSet<TakenBack>,
    ) -> Result<(), EngineError> {
        let header = envelope.header();
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u32(u32::from(code.number()))
            .push_str(detail)
            .finish();
        let key = self
            .keys
            .numbered(Space::Quarantine, &header.feed, header.n);
        self.base.put(key, value);
        self.keep_for_others(header.feed, &taken_back);
        let refused = RefusedChange {
            id: EnvelopeId::of(envelope),
            taken_back,
        };
        // Only what the author vouches for: a stranger's change beside it is not refused by that.
        for (_, item, payload) in envelope.items() {
            let last = payload.changes.last().and_then(|raw| change_hash(raw));
            let vouched = last.filter(|hash| {
                item.actor == header.feed.0 && check_commitment(item, &payload.salt, &hash.0)
            });
            if let Some(hash) = vouched {
                self.stage_refused_change(&hash, &refused)?;
            }
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
            forked,
            ..
        } = update;
        self.state.records += u64::from(before.is_none());
        let (mut loose, mut unsettled, entries) =
            before.map_or((0, false, 0), |row| (row.loose, row.unsettled, row.entries));
        for (change, _) in &changes {
            self.state.seq += 1;
            match packed_in {
                Some(segment) => self.list_packed_commit(self.state.seq, segment),
                None => self.stage_commit(&key, change, feed),
            }
        }
        if usize::from(loose) + changes.len() > usize::from(LOOSE_CHANGES) {
            self.compact(&key, &record, loose)?;
            loose = 0;
        } else {
            for (_, raw) in changes {
                loose += 1;
                self.base.put(self.keys.document(&key, loose), raw);
            }
        }
        if forked || unsettled {
            unsettled = true;
            self.contested.insert(key.clone());
        }
        let stored = StoredRow {
            row: record.row(),
            loose,
            unsettled,
            entries,
        };
        self.base
            .put(self.keys.record(Space::Row, &key), stored.encode());
        if keep {
            self.documents.put(key, record);
        } else {
            self.documents.remove(&key); // what is loaded of it is not what it is now
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

    /// Computes anew the conflict entries of the records whose overlaps may have changed: once a group, however
    /// many changes it brought.
    pub(crate) fn stage_evidence(&mut self) -> Result<(), EngineError> {
        for key in std::mem::take(&mut self.contested) {
            let record = self.record(&key)?;
            let found = evidence(&key.collection, key.record, &record.changes()?);
            for entry in self.evidence(&key)?.entries {
                for id in std::iter::once(&entry.id).chain(&entry.also) {
                    self.base.delete(self.keys.alias(id));
                }
            }
            for entry in &found.entries {
                self.stage_aliases(&key, entry);
            }
            let place = self.keys.record(Space::Conflict, &key);
            if found.entries.is_empty() {
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

    fn stage_aliases(&mut self, key: &RecordKey, entry: &Entry) {
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_str(&key.collection)
            .push_fixed(&key.record.0)
            .finish();
        for id in std::iter::once(&entry.id).chain(&entry.also) {
            self.base.put(self.keys.alias(id), value.clone());
        }
    }
}
