//! Loaded documents, kept within a budget of bytes.

use std::collections::BTreeMap;

use driftless_document::Record;

use crate::types::RecordKey;

/// Bytes that loaded documents may take, as estimated.
const BUDGET_BYTES: usize = 32 * 1024 * 1024;
/// What a loaded document takes before its first change (measured: 15 to 19 KB for small ones).
const DOCUMENT_BYTES: usize = 17 * 1024;
/// What a change adds to a loaded document, its graph and its ledger (measured with one field a change, 10,000 of
/// them: 0.8 KB where it was loaded, 1.2 KB where it grew in memory).
const CHANGE_BYTES: usize = 1_200;

/// The documents used last.
#[derive(Default)]
pub(crate) struct Documents {
    cached: BTreeMap<RecordKey, (Record, u64)>,
    bytes: usize,
    tick: u64,
}

impl Documents {
    /// Takes one out: who changes it is then the only one to hold it, and nothing of it is copied.
    pub(crate) fn take(&mut self, key: &RecordKey) -> Option<Record> {
        let (record, _) = self.cached.remove(key)?;
        self.bytes -= estimate(&record);
        Some(record)
    }

    pub(crate) fn get(&self, key: &RecordKey) -> Option<&Record> {
        self.cached.get(key).map(|(record, _)| record)
    }

    pub(crate) fn put(&mut self, key: RecordKey, record: Record) {
        self.tick += 1;
        self.bytes += estimate(&record);
        if let Some((replaced, _)) = self.cached.insert(key, (record, self.tick)) {
            self.bytes -= estimate(&replaced);
        }
        if self.bytes > BUDGET_BYTES {
            self.shrink();
        }
    }

    pub(crate) fn remove(&mut self, key: &RecordKey) {
        self.take(key);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops the older half, so that the search for old ones is rare.
    fn shrink(&mut self) {
        let mut ticks: Vec<u64> = self.cached.values().map(|(_, tick)| *tick).collect();
        ticks.sort_unstable();
        let limit = ticks[ticks.len() / 2];
        self.cached.retain(|_, (_, tick)| *tick > limit);
        self.bytes = self
            .cached
            .values()
            .map(|(record, _)| estimate(record))
            .sum();
    }
}

fn estimate(record: &Record) -> usize {
    DOCUMENT_BYTES + CHANGE_BYTES * record.change_count()
}
