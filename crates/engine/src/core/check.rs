//! Whether a store that was not closed is whole: nothing listed is missing, nothing is there that is not listed.
//!
//! Every value carries a checksum, so what is there is what was written; this finds what is not there. It reads
//! the store once and loads no document.

use std::collections::BTreeMap;

use driftless_document::Evidence;
use driftless_protocol::{FeedId, Hash};
use driftless_store::{Journal, JournalError, Position, Visit};

use super::rows::StoredRow;
use super::stage::EnvelopePlace;
use super::{Core, envelope_at};
use crate::error::EngineError;
use crate::records::event_of;
use crate::space::{self, Space};
use crate::types::RecordKey;

/// Shown the key and the value of each entry.
type Visitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), EngineError>;

impl Core {
    /// Compares the parts of the store with each other.
    pub(crate) fn check_whole(&self) -> Result<(), EngineError> {
        self.check_envelopes()?;
        self.check_commits()?;
        self.check_rows()?;
        self.check_aliases()?;
        let notes = self.base.keys(&self.keys.space(Space::Note))?.len() as u64;
        let take_backs = self.base.keys(&self.keys.space(Space::TakeBack))?.len() as u64;
        if take_backs != self.state.take_backs {
            return Err(lost("what was taken back"));
        }
        if notes == self.state.notes {
            Ok(())
        } else {
            Err(lost("a setting"))
        }
    }

    /// The newest envelope lies in the journal where the store says, or it is the store of another journal.
    pub(super) fn check_is_of(&self, journal: &Journal) -> Result<(), EngineError> {
        let newest = self.newest_envelope()?;
        let is_loose = |(position, _): &(Position, Hash)| *position >= journal.packs().end();
        let Some((position, hash)) = newest.filter(is_loose) else {
            return Ok(());
        };
        match envelope_at(journal, position) {
            Ok(envelope) if envelope.hash() == hash => Ok(()),
            Err(EngineError::Journal(JournalError::Files(error))) => {
                Err(JournalError::from(error).into())
            }
            _ => Err(EngineError::store_damaged(
                "it is of another journal: its newest envelope lies elsewhere in this one",
            )),
        }
    }

    /// Where the last envelope lies of the feed that the newest change came in; none where it is listed as packed.
    fn newest_envelope(&self) -> Result<Option<(Position, Hash)>, EngineError> {
        let seq = self.state.seq;
        let Some(newest) = self.base.get(&self.keys.commit(seq))? else {
            return Ok(None);
        };
        let (_, id) = event_of(seq, &newest)?;
        let Some(feed) = self.feeds.get(&id) else {
            return Ok(None);
        };
        let place = self.keys.numbered(Space::Envelope, &id, feed.last);
        let Some(place) = self.base.get(&place)? else {
            return Ok(None);
        };
        let place = EnvelopePlace::decode(&place)?;
        Ok(Some((place.position, place.hash)))
    }

    /// Every conflict entry is found by all its ids.
    fn check_aliases(&self) -> Result<(), EngineError> {
        let mut ids = Vec::new();
        self.each(Space::Conflict, &mut |_, value| {
            for entry in Evidence::decode(value)?.entries {
                ids.push(entry.id);
                ids.extend(entry.also);
            }
            Ok(())
        })?;
        for id in ids {
            if self.base.get(&self.keys.alias(&id))?.is_none() {
                return Err(lost("the id of a conflict"));
            }
        }
        Ok(())
    }

    /// Every feed's envelopes are listed, from the first to the last.
    fn check_envelopes(&self) -> Result<(), EngineError> {
        let mut listed = BTreeMap::<FeedId, u64>::new();
        // A branch begins with the number where it leaves its feed.
        let begins = |feed: &FeedId| self.feeds.get(feed).map_or(1, |feed| feed.first);
        for (feed, first, last) in self.packed.stretches() {
            let before = listed
                .insert(feed, last)
                .unwrap_or(begins(&feed).saturating_sub(1));
            if before.checked_add(1) != Some(first) || last < first {
                return Err(lost("a stretch of envelopes"));
            }
        }
        self.each(Space::Envelope, &mut |key, _| {
            let (feed, n) = space::numbered_of(key)?;
            let last = listed
                .entry(feed)
                .or_insert(begins(&feed).saturating_sub(1));
            *last += 1;
            if *last == n {
                Ok(())
            } else {
                Err(lost("an envelope"))
            }
        })?;
        let complete = listed
            .iter()
            .all(|(id, last)| self.feeds.get(id).is_some_and(|feed| feed.last == *last));
        if complete && self.feeds.len() == listed.len() {
            Ok(())
        } else {
            Err(lost("a feed"))
        }
    }

    /// Every commit is listed.
    fn check_commits(&self) -> Result<(), EngineError> {
        let mut last = 0;
        for (first, end) in self.packed.commit_stretches() {
            if first != last + 1 || end < first {
                return Err(lost("a stretch of commits"));
            }
            last = end;
        }
        if last != self.state.seq_packed {
            return Err(lost("a stretch of commits"));
        }
        self.each(Space::Commit, &mut |key, _| {
            last += 1;
            if space::seq_of(key)? == last {
                Ok(())
            } else {
                Err(lost("a commit"))
            }
        })?;
        if last == self.state.seq {
            Ok(())
        } else {
            Err(lost("a commit"))
        }
    }

    /// Every record that was written has its row, its document and its conflict entries.
    fn check_rows(&self) -> Result<(), EngineError> {
        let mut parts = BTreeMap::<RecordKey, u8>::new();
        self.each(Space::Document, &mut |key, _| {
            let (part, record) = key.split_last().ok_or_else(|| lost("a document"))?;
            let loose = parts.entry(space::record_of(record)?).or_insert(0);
            *loose += u8::from(*part > 0);
            Ok(())
        })?;
        let mut entries = BTreeMap::<RecordKey, usize>::new();
        self.each(Space::Conflict, &mut |key, value| {
            let count = Evidence::decode(value)?.entries.len();
            entries.insert(space::record_of(key)?, count);
            Ok(())
        })?;
        let mut rows = 0;
        self.scan_rows(None, &mut |key, bytes| {
            let stored = StoredRow::decode(bytes)?;
            rows += 1;
            let whole = parts.get(&key) == Some(&stored.loose)
                && entries.get(&key).copied().unwrap_or(0) == stored.entries as usize;
            if whole {
                Ok(Visit::Continue)
            } else {
                Err(lost("a part of a record"))
            }
        })?;
        if rows == self.state.records {
            Ok(())
        } else {
            Err(lost("a row"))
        }
    }

    fn each(&self, space: Space, visit: Visitor<'_>) -> Result<(), EngineError> {
        let mut result = Ok(());
        self.base
            .scan(&self.keys.space(space), &[], &mut |key, value| {
                result = visit(key, value);
                if result.is_ok() {
                    Visit::Continue
                } else {
                    Visit::Stop
                }
            })?;
        result
    }
}

fn lost(what: &str) -> EngineError {
    EngineError::store_damaged(format!("{what} is missing"))
}
