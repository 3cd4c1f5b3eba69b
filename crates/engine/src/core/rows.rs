//! What the store keeps of one record: its row, its document, its conflict entries.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, Evidence, Record, RecordId, Row, counting, evidence};
use driftless_store::Visit;

use super::{Core, Update};
use crate::error::EngineError;
use crate::space::{self, Space};
use crate::types::RecordKey;

/// A row with what belongs to the record besides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredRow {
    pub(crate) row: Row,
    /// Loose changes behind the saved document.
    pub(crate) loose: u8,
    /// Whether some overlap is not settled, so that the next write may change the conflict entries.
    pub(crate) unsettled: bool,
    /// How many conflict entries the record has.
    pub(crate) entries: u32,
    /// Whether some of its changes were made without knowing of each other.
    pub(crate) forked: bool,
    /// Whether some of its changes are void.
    pub(crate) void: bool,
}

/// Shown a record's name and its stored row.
pub(crate) type RowVisitor<'a> = &'a mut dyn FnMut(RecordKey, &[u8]) -> Result<Visit, EngineError>;

const FORMAT: u8 = 1;
const DELETED_BIT: u8 = 1;
const UNSETTLED_BIT: u8 = 2;
const FORKED_BIT: u8 = 4;
const VOID_BIT: u8 = 8;
/// Format, flags, loose changes, number of conflict entries.
const PREFIX_BYTES: usize = 7;

impl StoredRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flags = if self.row.deleted { DELETED_BIT } else { 0 }
            | if self.unsettled { UNSETTLED_BIT } else { 0 }
            | if self.forked { FORKED_BIT } else { 0 }
            | if self.void { VOID_BIT } else { 0 };
        let mut bytes = vec![FORMAT, flags, self.loose];
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(self.row.encode());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let (prefix, row) = bytes
            .split_at_checked(PREFIX_BYTES)
            .filter(|(prefix, _)| prefix[0] == FORMAT)
            .ok_or_else(|| EngineError::store_damaged("a row has an unknown format"))?;
        Ok(Self {
            row: Row::decode(row)?,
            loose: prefix[2],
            unsettled: prefix[1] & UNSETTLED_BIT != 0,
            forked: prefix[1] & FORKED_BIT != 0,
            void: prefix[1] & VOID_BIT != 0,
            entries: u32::from_le_bytes([prefix[3], prefix[4], prefix[5], prefix[6]]),
        })
    }

    /// Whether some overlap of a stored row's record is not settled, without decoding it.
    pub(crate) fn says_unsettled(bytes: &[u8]) -> bool {
        bytes.get(1).is_some_and(|flags| flags & UNSETTLED_BIT != 0)
    }

    /// Whether the history of a stored row forks, without decoding it.
    pub(crate) fn says_forked(bytes: &[u8]) -> bool {
        bytes.get(1).is_some_and(|flags| flags & FORKED_BIT != 0)
    }

    /// Whether a stored row reads deleted, without decoding it.
    pub(crate) fn says_deleted(bytes: &[u8]) -> bool {
        bytes.get(1).is_some_and(|flags| flags & DELETED_BIT != 0)
    }
}

impl Core {
    pub(crate) fn stored_row(&self, key: &RecordKey) -> Result<Option<StoredRow>, EngineError> {
        let bytes = self.base.get(&self.keys.record(Space::Row, key))?;
        bytes.map(|bytes| StoredRow::decode(&bytes)).transpose()
    }

    /// The record's document, a copy of the cached one or loaded; an empty one where there is none.
    pub(crate) fn record(&self, key: &RecordKey) -> Result<Record, EngineError> {
        let stored = self.stored_row(key)?;
        self.record_of(key, stored.as_ref())
    }

    /// The document of a record that has this row.
    pub(crate) fn record_of(
        &self,
        key: &RecordKey,
        stored: Option<&StoredRow>,
    ) -> Result<Record, EngineError> {
        let Some(stored) = stored else {
            return Ok(Record::new());
        };
        match self.documents.borrow().get(key) {
            Some(record) if record.heads() == stored.row.heads => Ok(record.clone()),
            _ => self.load_record(key, &stored.row.heads),
        }
    }

    /// The same, taken out of the cache if it is there: for who is going to change it.
    pub(super) fn take_record(
        &self,
        key: &RecordKey,
        stored: Option<&StoredRow>,
    ) -> Result<Record, EngineError> {
        let cached = self.documents.borrow_mut().take(key);
        let Some(stored) = stored else {
            return Ok(Record::new());
        };
        // A change on top of a stale copy would take a number that is taken: that splits a record for good.
        match cached {
            Some(record) if record.heads() == stored.row.heads => Ok(record),
            _ => self.load_record(key, &stored.row.heads),
        }
    }

    /// Puts back into the cache what [`Self::update_of`] took out, where nothing was done to it.
    pub(crate) fn give_back(&self, update: Update) {
        if update.before.is_some() {
            self.documents.borrow_mut().put(update.key, update.record);
        }
    }

    /// What an envelope is about to change: the record as it is, nothing done to it yet.
    pub(crate) fn update_of(&self, key: RecordKey) -> Result<Update, EngineError> {
        let bytes = self.base.get(&self.keys.record(Space::Row, &key))?;
        let row_bytes = bytes.as_ref().map_or(0, Vec::len);
        let before = bytes.map(|bytes| StoredRow::decode(&bytes)).transpose()?;
        Ok(Update {
            record: self.take_record(&key, before.as_ref())?,
            key,
            before,
            row_bytes,
            changes: Vec::new(),
            forked: false,
        })
    }

    /// The stored document, with these heads.
    pub(crate) fn load_record(
        &self,
        key: &RecordKey,
        heads: &[ChangeHash],
    ) -> Result<Record, EngineError> {
        let mut bytes = Vec::new();
        let prefix = self.keys.record(Space::Document, key);
        self.base.scan(&prefix, &[], &mut |_, part| {
            bytes.extend_from_slice(part);
            Visit::Continue
        })?;
        Ok(Record::load(&bytes, heads)?)
    }

    pub(crate) fn evidence(&self, key: &RecordKey) -> Result<Evidence, EngineError> {
        Ok(self.stored_evidence(key)?.unwrap_or_default())
    }

    pub(crate) fn stored_evidence(&self, key: &RecordKey) -> Result<Option<Evidence>, EngineError> {
        let bytes = self.base.get(&self.keys.record(Space::Conflict, key))?;
        Ok(bytes.map(|bytes| Evidence::decode(&bytes)).transpose()?)
    }

    /// The conflict entries of a record, those of what is staged included.
    pub(crate) fn evidence_now(&self, key: &RecordKey) -> Result<Evidence, EngineError> {
        if !self.contested.contains_key(key) {
            return self.evidence(key);
        }
        let changes = counting(self.record(key)?.changes()?, &self.void_changes(key)?);
        Ok(evidence(&key.collection, key.record, &changes))
    }

    /// What a record reads; `void`: whether some of its changes are.
    pub(crate) fn row_of(
        &self,
        key: &RecordKey,
        record: &Record,
        void: bool,
    ) -> Result<Row, EngineError> {
        if void {
            Ok(record.row_counting(&self.void_changes(key)?)?)
        } else {
            Ok(record.row())
        }
    }

    /// From here on no row is read until the batch ends: what a record with void changes reads is found then, once, since
    /// it costs as much as the record's history is long. Says whether a batch had begun before.
    pub(crate) fn begin_batch(&mut self) -> bool {
        let outer = self.behind.is_some();
        self.behind.get_or_insert_default();
        outer
    }

    /// Ends a batch, within `outer` if that had begun before.
    pub(crate) fn end_batch(&mut self, outer: bool) -> Result<(), EngineError> {
        self.settle_rows()?;
        self.behind = outer.then(BTreeSet::new);
        Ok(())
    }

    /// What a record reads; in a batch with void changes what is settled later.
    pub(super) fn row_or_behind(
        &mut self,
        key: &RecordKey,
        record: &Record,
        void: bool,
    ) -> Result<Row, EngineError> {
        match &mut self.behind {
            Some(behind) if void => {
                behind.insert(key.clone());
                Ok(record.row())
            }
            _ => self.row_of(key, record, void),
        }
    }

    /// Finds what the records read whose rows are behind.
    pub(super) fn settle_rows(&mut self) -> Result<(), EngineError> {
        let behind: Vec<_> = self.behind.iter_mut().flat_map(std::mem::take).collect();
        for key in behind {
            let Some(mut stored) = self.stored_row(&key)? else {
                continue;
            };
            let record = self.record_of(&key, Some(&stored))?;
            stored.row = self.row_of(&key, &record, stored.void)?;
            let place = self.keys.record(Space::Row, &key);
            self.base.put(place, stored.encode());
        }
        Ok(())
    }

    /// Shows every row of a collection, or of all, in (collection, id) order.
    pub(crate) fn scan_rows(
        &self,
        collection: Option<&str>,
        visit: RowVisitor<'_>,
    ) -> Result<(), EngineError> {
        let prefix = match collection {
            Some(collection) => self.keys.collection(Space::Row, collection),
            None => self.keys.space(Space::Row),
        };
        let mut result = Ok(());
        self.base.scan(&prefix, &[], &mut |key, value| {
            let shown = space::record_of(key)
                .map_err(EngineError::from)
                .and_then(|key| visit(key, value));
            shown.unwrap_or_else(|error| {
                result = Err(error);
                Visit::Stop
            })
        })?;
        result
    }

    /// The ids of a collection that begin with some bytes, at most two of them.
    pub(crate) fn ids_with_prefix(
        &self,
        collection: &str,
        prefix: &str,
    ) -> Result<Vec<RecordId>, EngineError> {
        let mut found = Vec::new();
        self.scan_rows(Some(collection), &mut |key, _| {
            if key.record.to_string().starts_with(prefix) {
                found.push(key.record);
            }
            Ok(if found.len() > 1 {
                Visit::Stop
            } else {
                Visit::Continue
            })
        })?;
        Ok(found)
    }
}
