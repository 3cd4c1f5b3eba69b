//! Reading records: rows only, never documents.

use driftless_document::{FieldKey, RecordId, Row, matches_text};
use driftless_protocol::FeedId;
use driftless_store::{KeyReader, Visit};

use crate::core::StoredRow;
use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;
use crate::rules::PickedBy;
use crate::space::{self, Space};
use crate::types::{ChangeEvent, Filter, RecordKey};

/// What a name of a record by its key begins with.
const BY_KEY: &str = "key:";
/// Bytes of an id as text.
const ID_TEXT_BYTES: usize = 36;

impl Replica {
    /// The row of a record, deleted or not; `None` where there never was one.
    pub fn get(&self, collection: &str, id: RecordId) -> Result<Option<Row>, EngineError> {
        limits::check_collection(collection)?;
        let key = RecordKey {
            collection: collection.to_owned(),
            record: id,
        };
        let stored = self.core.stored_row(&key)?;
        stored
            .map(|stored| self.core.shown_row(&key, stored, PickedBy::All))
            .transpose()
    }

    /// The record that a person names: by its id, the beginning of its id, or `key:VALUE`, where VALUE is the
    /// text of its key, or a JSON array of the texts of a composite key.
    pub fn find(&self, collection: &str, name: &str) -> Result<RecordId, EngineError> {
        limits::check_collection(collection)?;
        let not_found = || EngineError::NotFound {
            what: "record",
            name: name.to_owned(),
        };
        if let Some(key) = name.strip_prefix(BY_KEY) {
            let candidates = [
                Some(RecordId::from_key(collection, &[key])),
                composite(collection, key),
            ];
            for id in candidates.into_iter().flatten() {
                if self.get(collection, id)?.is_some() {
                    return Ok(id);
                }
            }
            return Err(not_found());
        }
        if let Ok(id) = name.parse::<RecordId>() {
            return match self.get(collection, id)? {
                Some(_) => Ok(id),
                None => Err(not_found()),
            };
        }
        let prefix = name.to_ascii_lowercase();
        if prefix.is_empty() || prefix.len() >= ID_TEXT_BYTES {
            return Err(not_found());
        }
        match self.core.ids_with_prefix(collection, &prefix)?[..] {
            [] => Err(not_found()),
            [id] => Ok(id),
            ref several => Err(EngineError::Ambiguous {
                what: "record",
                name: name.to_owned(),
                count: several.len(),
            }),
        }
    }

    /// The records of a collection that are not deleted and fulfil every filter, in id order.
    pub fn list(
        &self,
        collection: &str,
        filters: &[Filter],
        limit: Option<usize>,
    ) -> Result<Vec<(RecordId, Row)>, EngineError> {
        limits::check_collection(collection)?;
        let limit = limit.unwrap_or(usize::MAX);
        let wanted: Vec<_> = filters
            .iter()
            .map(|f| (FieldKey::keys_at(&f.path), f))
            .collect();
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        self.core.scan_rows(Some(collection), &mut |key, bytes| {
            if self.core.is_shown_deleted(&key, bytes)? {
                return Ok(Visit::Continue);
            }
            let stored = StoredRow::decode(bytes)?;
            let row = self.core.shown_row(&key, stored, PickedBy::All)?;
            let fits = wanted.iter().all(|(keys, filter)| {
                keys.iter()
                    .find_map(|key| row.fields.get(key))
                    .is_some_and(|value| matches_text(value, &filter.value, &filter.text))
            });
            if fits {
                found.push((key.record, row));
            }
            Ok(if found.len() < limit {
                Visit::Continue
            } else {
                Visit::Stop
            })
        })?;
        Ok(found)
    }

    /// The collections there are, each with how many records are not deleted, by name.
    pub fn collections(&self) -> Result<Vec<(String, u64)>, EngineError> {
        let mut found: Vec<(String, u64)> = Vec::new();
        self.core.scan_rows(None, &mut |key, bytes| {
            let live = u64::from(!self.core.is_shown_deleted(&key, bytes)?);
            match found.last_mut() {
                Some((name, count)) if *name == key.collection => *count += live,
                _ => found.push((key.collection, live)),
            }
            Ok(Visit::Continue)
        })?;
        Ok(found)
    }

    /// The number of the last change that was committed or received, 0 where there is none.
    pub fn last_change(&self) -> u64 {
        self.core.state.seq
    }

    /// How often everything was derived again since this was opened: then the changes have other numbers.
    pub fn derivations(&self) -> u64 {
        self.core.derivations
    }

    /// Each change committed here after number `seq`, once, in order, at most `limit` of them.
    ///
    /// Numbers are this replica's own. Where something is taken back or applied after all, everything is derived again, and
    /// what lies behind it is counted anew; [`Replica::derivations`] tells.
    pub fn changes_since(&self, seq: u64, limit: usize) -> Result<Vec<ChangeEvent>, EngineError> {
        let mut events = Vec::new();
        if limit == 0 {
            return Ok(events);
        }
        let members = self.core.log.resolved();
        let mut push = |event: ChangeEvent, prefix: [u8; 8]| {
            let device = members.iter().find(|(m, _)| m.device.prefix() == prefix);
            if let Some((member, _)) = device {
                events.push(ChangeEvent {
                    device: member.device,
                    ..event
                });
            }
            events.len() < limit
        };
        let mut next = seq.saturating_add(1);
        while let Some(commits) = self.core.packed_commits(next)? {
            for commit in &commits {
                let event = ChangeEvent {
                    seq: next,
                    key: commit.key.clone(),
                    change: commit.change,
                    device: driftless_protocol::DeviceId([0; 32]),
                    time_ms: commit.time >> 12,
                };
                if !push(event, commit.feed.device_prefix()) {
                    return Ok(events);
                }
                next += 1;
            }
        }
        let space = self.core.keys.space(Space::Commit);
        let from = self.core.keys.commit(next);
        let mut result = Ok(());
        self.core.base.scan(&space, &from, &mut |key, value| {
            let event = space::seq_of(key)
                .map_err(EngineError::from)
                .and_then(|seq| event_of(seq, value));
            match event {
                Ok((event, feed)) => {
                    if push(event, feed.device_prefix()) {
                        Visit::Continue
                    } else {
                        Visit::Stop
                    }
                }
                Err(error) => {
                    result = Err(error);
                    Visit::Stop
                }
            }
        })?;
        result.map(|()| events)
    }
}

/// A change of the commit space, and the feed it came in.
pub(crate) fn event_of(seq: u64, value: &[u8]) -> Result<(ChangeEvent, FeedId), EngineError> {
    let mut reader = KeyReader::new(value);
    reader.take_u8()?;
    let key = RecordKey {
        collection: reader.take_string()?,
        record: RecordId(reader.take_fixed()?),
    };
    let change = driftless_document::ChangeHash(reader.take_fixed()?);
    let feed = FeedId(reader.take_fixed()?);
    let time = reader.take_i64()?;
    reader.finish()?;
    let event = ChangeEvent {
        seq,
        key,
        change,
        device: driftless_protocol::DeviceId([0; 32]),
        time_ms: time >> 12,
    };
    Ok((event, feed))
}

/// The id of a composite key given as a JSON array of texts.
fn composite(collection: &str, text: &str) -> Option<RecordId> {
    let parts: Vec<String> = serde_json::from_str(text).ok()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Some(RecordId::from_key(collection, &parts))
}
