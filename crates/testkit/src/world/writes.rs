//! What a person does on one device.

use driftless_document::{
    EntryId, FieldPath, Node, RecordId, Value, WriteError, parse_node, parse_record, reads_as,
};
use driftless_engine::{ConflictFilter, Decision, Edit, EngineError, RecordKey, Replica};

use super::{World, Wrong};
use crate::schedule::{
    ACKNOWLEDGE, ANOTHER_TEXT, ANOTHER_VALUE, BOTH, COLLECTIONS, FIELDS, INSIDE_OBJECT, UNDO,
    Write, pick,
};

/// Rows of a large import: more than an envelope's documents are kept loaded for.
const MANY_ROWS: usize = 70;
/// Rows of a small import.
const FEW_ROWS: usize = 3;
/// How many of an import's records other writes meet.
const MET_ROWS: usize = 2;
/// Records that other writes meet, at most.
const RECORDS: usize = 12;

impl World {
    /// Stages a write.
    pub(super) fn write(&mut self, n: usize, write: Write) -> Result<(), Wrong> {
        match write {
            Write::Insert { collection } => self.insert(n, collection),
            Write::Import { many, value } => self.import(n, many, value),
            Write::Decide { entry, choice } => self.decide(n, entry, choice),
            Write::Typed(typed) => match self.record_at(n, typed.record)? {
                Some(key) => self.edit_typed(n, &key, typed),
                None => Ok(()),
            },
            Write::Set { record, .. }
            | Write::Unset { record, .. }
            | Write::Delete { record }
            | Write::Restore { record } => match self.record_at(n, record)? {
                Some(key) => self.edit(n, &key, write),
                None => Ok(()),
            },
        }
    }

    fn insert(&mut self, n: usize, collection: u8) -> Result<(), Wrong> {
        let collection = COLLECTIONS[pick(collection, COLLECTIONS.len())];
        let fields = parse_record(r#"{"f0":"x","f1":{"g":1}}"#)
            .map_err(|error| Wrong::new(error.to_string()))?;
        let (record, _) = self.places[n].live()?.insert(collection, fields)?;
        self.remember(collection, record);
        Ok(())
    }

    fn remember(&mut self, collection: &str, record: RecordId) {
        let key = RecordKey {
            collection: collection.to_owned(),
            record,
        };
        if self.records.len() < RECORDS && !self.records.contains(&key) {
            self.records.push(key);
        }
    }

    fn import(&mut self, n: usize, many: bool, value: u8) -> Result<(), Wrong> {
        let collection = COLLECTIONS[0];
        let fields = parse_record(&format!(r#"{{"f0":{value}}}"#))
            .map_err(|error| Wrong::new(error.to_string()))?;
        let count = if many { MANY_ROWS } else { FEW_ROWS };
        let id_of = |row: usize| RecordId::from_key(collection, &[&row.to_string()]);
        let rows = (0..count).map(|row| (Some(id_of(row)), fields.clone()));
        self.places[n].live()?.import(collection, rows.collect())?;
        for row in 0..MET_ROWS {
            self.remember(collection, id_of(row));
        }
        Ok(())
    }

    fn decide(&mut self, n: usize, entry: u8, choice: u8) -> Result<(), Wrong> {
        let replica = self.places[n].live()?;
        let entries = replica.conflicts(&ConflictFilter::default())?;
        let Some(view) = entries.get(pick(entry, entries.len())) else {
            return Ok(());
        };
        let id = view.entry.id;
        let done = match choice {
            ACKNOWLEDGE => replica.acknowledge(id, None, "seen"),
            UNDO => replica.undo(id, None),
            BOTH => replica.resolve(id, None, &Decision::Both),
            ANOTHER_VALUE => {
                let decision = Decision::Merge(Node::Leaf(Value::Int(9)));
                replica.resolve(id, None, &decision)
            }
            ANOTHER_TEXT => {
                let decision = Decision::Merge(Node::Leaf(Value::String("decided".into())));
                replica.resolve(id, None, &decision)
            }
            candidate => replica.resolve(id, None, &Decision::Keep(usize::from(candidate))),
        };
        match done {
            // What is staged, and was not in the list yet, may have made it go: its sides agree by now, or what it is
            // about is no longer out of place. Then the list has it no more either.
            Err(EngineError::NotFound { .. }) if !lists(replica, id)? => Ok(()),
            done => tolerate(done.map(|_| ())),
        }
    }

    fn edit(&mut self, n: usize, key: &RecordKey, write: Write) -> Result<(), Wrong> {
        let replica = self.places[n].live()?;
        let (collection, id) = (key.collection.as_str(), key.record);
        let done = match write {
            Write::Set { field, value, .. } => {
                let number = value % INSIDE_OBJECT;
                let node = if value & INSIDE_OBJECT == 0 {
                    Node::Leaf(Value::Int(i64::from(number)))
                } else {
                    parse_node(&format!(r#"{{"g":{number}}}"#))
                        .map_err(|error| Wrong::new(error.to_string()))?
                };
                let path = path_of(field)?;
                replica.edit(collection, id, &[Edit::Set { path, node }])
            }
            Write::Unset { field, .. } => {
                let path = path_of(field)?;
                replica.edit(collection, id, &[Edit::Unset { path }])
            }
            Write::Delete { .. } => replica.delete(collection, id),
            _ => replica.restore(collection, id),
        };
        match done {
            // The field is a counter, text, list or set to somebody.
            Err(EngineError::Write(error)) if is_of_types(&error) => Ok(()),
            done => {
                tolerate(done.map(|_| ()))?;
                self.read_own_write(n, key, write)
            }
        }
    }

    /// What was just written reads so, staged or not.
    fn read_own_write(&self, n: usize, key: &RecordKey, write: Write) -> Result<(), Wrong> {
        let row = self.places[n].seen()?.get(&key.collection, key.record)?;
        let row = row.ok_or_else(|| Wrong::new("a record that was written is gone"))?;
        let reads_so = match write {
            _ if row.deleted => !matches!(write, Write::Restore { .. }),
            Write::Set { field, value, .. } if value & INSIDE_OBJECT == 0 => {
                let path = path_of(field)?;
                let wanted = Value::Int(i64::from(value));
                row.at(&path)
                    .is_some_and(|stands| reads_as(stands, &wanted))
            }
            Write::Unset { field, .. } => {
                let key = FIELDS[pick(field, FIELDS.len())];
                !row.fields.contains_key(key)
            }
            Write::Delete { .. } => false,
            _ => true,
        };
        if reads_so {
            return Ok(());
        }
        Err(Wrong::new(format!(
            "device {n} wrote {write:?} and reads {row:?}"
        )))
    }
}

fn path_of(field: u8) -> Result<FieldPath, Wrong> {
    let path = FieldPath::parse(FIELDS[pick(field, FIELDS.len())]);
    path.map_err(|error| Wrong::new(error.to_string()))
}

/// Whether a write is refused for what the field is.
pub(super) fn is_of_types(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::OtherType { .. }
            | WriteError::DoesNotFit { .. }
            | WriteError::HasNoFields { .. }
            | WriteError::HasFields { .. }
            | WriteError::CannotUnset { .. }
    )
}

/// What a person can run into; anything else is wrong.
pub(super) fn tolerate(result: Result<(), EngineError>) -> Result<(), Wrong> {
    match result {
        Ok(())
        | Err(
            EngineError::Deleted { .. }
            | EngineError::ConflictClosed { .. }
            | EngineError::ConflictOpen { .. }
            | EngineError::BothCannotStand { .. }
            | EngineError::NoSuchCandidate { .. }
            | EngineError::DecisionDoesNotFit { .. },
        ) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a replica lists an entry, by whatever name.
fn lists(replica: &Replica, id: EntryId) -> Result<bool, Wrong> {
    let entries = replica.conflicts(&ConflictFilter::default())?;
    let mut entries = entries.into_iter().map(|view| view.entry);
    Ok(entries.any(|entry| entry.id == id || entry.also.contains(&id)))
}
