//! What a discarded envelope wrote, to be looked at, kept and written again.
//!
//! A draft has no past: it says what was to be, register by register, and is applied to records as they read
//! then. What no longer fits is left out with its reason; the rest is written.

use std::collections::BTreeMap;
use std::fmt;

use driftless_document::{
    Action, Change, DELETED, FieldPath, Fields, Intent, Node, RecordId, Row, Value, node_from_json,
    read_change, read_json, value_to_json,
};
use driftless_protocol::Envelope;
use serde_json::{Map, Value as Json, json};

use crate::draft_steps::DraftSteps;
use crate::edits;
use crate::error::EngineError;
use crate::quarantine::{EnvelopeId, records_of};
use crate::replica::Replica;
use crate::types::{Commit, Edit, RecordKey};

/// The version of a draft as JSON.
const DRAFT_VERSION: u64 = 1;

/// The writes of a discarded envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The envelope they were in.
    pub of: EnvelopeId,
    /// What was written, a record after the other.
    pub records: Vec<DraftRecord>,
}

/// What a draft writes to one record.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftRecord {
    /// The record.
    pub key: RecordKey,
    /// Values by the field's path.
    pub set: BTreeMap<String, Value>,
    /// The paths of fields that were removed.
    pub unset: Vec<String>,
    /// Whether the record was deleted or restored, if it was.
    pub deleted: Option<bool>,
    /// What was done to counters, texts, lists and sets, as far as it can be done again.
    pub steps: DraftSteps,
    /// What a draft does not offer: registers that are no field's, what was taken out of texts and lists, and changes
    /// that cannot be read.
    pub left_out: Vec<String>,
}

/// What became of a draft.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftApplied {
    /// Edits that were written.
    pub written: u64,
    /// Edits that say what the record says already.
    pub unchanged: u64,
    /// Edits that no longer fit.
    pub skipped: Vec<DraftSkipped>,
}

/// One edit of a draft that was not written.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftSkipped {
    /// The record.
    pub key: RecordKey,
    /// The field, or `$deleted`.
    pub path: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// Why a JSON text is not a draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a draft: {place}: {reason}")]
pub struct DraftError {
    /// Where in it.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// The changes an envelope has for a record, as far as they can be read.
pub(crate) fn changes_of(envelope: &Envelope, key: &RecordKey) -> Vec<Change> {
    let items = envelope.items().into_iter();
    items
        .filter(|(collection, item, _)| {
            *collection == key.collection && item.record == key.record.0
        })
        .flat_map(|(_, _, payload)| &payload.changes)
        .filter_map(|raw| read_change(raw).ok())
        .collect()
}

impl Draft {
    /// `name` gives the steps of a change inside texts and lists their keys.
    pub(crate) fn of(
        id: EnvelopeId,
        envelope: &Envelope,
        name: impl Fn(&RecordKey, &mut Change),
    ) -> Self {
        let records = records_of(envelope).into_iter().map(|key| {
            let mut changes = changes_of(envelope, &key);
            for change in &mut changes {
                name(&key, change);
            }
            DraftRecord::of(changes, key)
        });
        Self {
            of: id,
            records: records.collect(),
        }
    }

    /// How many edits it has.
    pub fn edits(&self) -> usize {
        let edits = self.records.iter().map(DraftRecord::edits);
        edits.sum()
    }

    /// The draft as JSON; [`Draft::from_json`] reads it back.
    pub fn to_json(&self) -> Json {
        let records: Vec<_> = self.records.iter().map(DraftRecord::to_json).collect();
        json!({ "draft": DRAFT_VERSION, "of": self.of.to_string(), "records": records })
    }

    /// Reads a draft, which a person may have edited, without losing a digit.
    pub fn parse(text: &str) -> Result<Self, DraftError> {
        let json = read_json(text).map_err(|error| fault("the text", error))?;
        Self::from_json(&json)
    }

    /// Reads a draft that is parsed already.
    pub fn from_json(json: &Json) -> Result<Self, DraftError> {
        let object = object_at(json, "the whole", &["draft", "of", "records"])?;
        if object.get("draft") != Some(&json!(DRAFT_VERSION)) {
            return Err(fault("draft", "it is of another version than 1"));
        }
        let of = object.get("of").and_then(Json::as_str).unwrap_or_default();
        let of = of.parse().map_err(|error| fault("of", error))?;
        let Some(Json::Array(records)) = object.get("records") else {
            return Err(fault("records", "it is no list"));
        };
        let records = records.iter().enumerate();
        let records = records.map(|(n, record)| {
            DraftRecord::from_json(record).map_err(|error| DraftError {
                place: format!("records[{n}].{}", error.place),
                ..error
            })
        });
        Ok(Self {
            of,
            records: records.collect::<Result<_, _>>()?,
        })
    }
}

impl DraftRecord {
    fn of(changes: Vec<Change>, key: RecordKey) -> Self {
        let mut record = Self {
            set: BTreeMap::new(),
            unset: Vec::new(),
            deleted: None,
            steps: DraftSteps::default(),
            left_out: Vec::new(),
            key,
        };
        for change in changes {
            let taken = record.steps.take(&change);
            record.left_out.extend(taken);
            for operation in change.operations {
                record.take(&operation.key, operation.action);
            }
        }
        let readable = record.edits() + record.left_out.len();
        if readable == 0 {
            record.left_out.push("a change that cannot be read".into());
        }
        record
    }

    /// The last word on a register counts.
    fn take(&mut self, key: &str, action: Action) {
        if key == DELETED {
            self.deleted = Some(action == Action::Put(Value::Bool(true)));
            return;
        }
        if DraftSteps::are_of(key) {
            return;
        }
        if FieldPath::parse(key).is_err() {
            self.left_out.push(key.to_owned());
            return;
        }
        self.unset.retain(|unset| unset != key);
        match action {
            Action::Put(value) => {
                self.set.insert(key.to_owned(), value);
            }
            Action::Delete => {
                self.set.remove(key);
                self.unset.push(key.to_owned());
            }
            _ => self.left_out.push(key.to_owned()),
        }
    }

    fn edits(&self) -> usize {
        self.set.len() + self.unset.len() + self.steps.len() + usize::from(self.deleted.is_some())
    }

    fn to_json(&self) -> Json {
        let set: Map<_, _> = self
            .set
            .iter()
            .map(|(path, value)| (path.clone(), value_to_json(value)))
            .collect();
        let mut object = json!({
            "collection": self.key.collection,
            "record": self.key.record.to_string(),
            "set": set,
            "unset": self.unset,
            "deleted": self.deleted,
            "left_out": self.left_out,
        });
        self.steps.write_to(&mut object);
        object
    }

    fn from_json(json: &Json) -> Result<Self, DraftError> {
        let known = [
            "collection",
            "record",
            "set",
            "unset",
            "deleted",
            "left_out",
        ];
        let known: Vec<_> = known.into_iter().chain(DraftSteps::PARTS).collect();
        let object = object_at(json, "it", &known)?;
        let text = |name: &str| object.get(name).and_then(Json::as_str).unwrap_or_default();
        let collection = text("collection").to_owned();
        crate::limits::check_collection(&collection).map_err(|error| fault("collection", error))?;
        let record: RecordId = text("record")
            .parse()
            .map_err(|_| fault("record", "it is no id of a record"))?;
        let nothing = Json::Object(Map::new());
        let Json::Object(members) = object.get("set").unwrap_or(&nothing) else {
            return Err(fault("set", "it is no object of fields"));
        };
        let mut set = BTreeMap::new();
        for (path, value) in members {
            let place = || format!("set.{path}");
            FieldPath::parse(path).map_err(|error| fault(&place(), error))?;
            match node_from_json(value).map_err(|error| fault(&place(), error))? {
                Node::Leaf(value) => set.insert(path.clone(), value),
                Node::Object(_) => {
                    return Err(fault(&place(), "an object's fields are named one by one"));
                }
            };
        }
        let deleted = match object.get("deleted") {
            None | Some(Json::Null) => None,
            Some(Json::Bool(deleted)) => Some(*deleted),
            Some(_) => return Err(fault("deleted", "it is neither true nor false")),
        };
        Ok(Self {
            key: RecordKey { collection, record },
            set,
            unset: texts(object, "unset")?,
            deleted,
            steps: DraftSteps::read_from(object)?,
            left_out: texts(object, "left_out")?,
        })
    }
}

fn texts(object: &Map<String, Json>, name: &str) -> Result<Vec<String>, DraftError> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(list)) => list
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| fault(name, "it is no list of texts")),
        Some(_) => Err(fault(name, "it is no list of texts")),
    }
}

fn object_at<'a>(
    json: &'a Json,
    place: &str,
    known: &[&str],
) -> Result<&'a Map<String, Json>, DraftError> {
    let Json::Object(object) = json else {
        return Err(fault(place, "it is no object"));
    };
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(fault(name, "a draft has no such part")),
        None => Ok(object),
    }
}

pub(crate) fn fault(place: &str, reason: impl fmt::Display) -> DraftError {
    DraftError {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

impl Replica {
    /// Writes a draft, edit by edit; what no longer fits is skipped with its reason.
    ///
    /// A record that is not there is made, under the id it had. An error means that this device cannot write at
    /// all; edits before it stand.
    pub fn apply_draft(&mut self, draft: &Draft) -> Result<DraftApplied, EngineError> {
        let mut applied = DraftApplied::default();
        for record in &draft.records {
            self.apply_draft_record(record, &mut applied)?;
        }
        Ok(applied)
    }

    fn apply_draft_record(
        &mut self,
        record: &DraftRecord,
        applied: &mut DraftApplied,
    ) -> Result<(), EngineError> {
        let DraftRecord { key, set, .. } = record;
        let row = self.get(&key.collection, key.record)?;
        let is_deleted = row.as_ref().is_some_and(|row| row.deleted);
        let writes_fields = !set.is_empty() || !record.steps.is_empty();
        if row.is_none() && !writes_fields && record.deleted == Some(false) {
            let empty = Intent::Put {
                key: DELETED.into(),
                value: Value::Bool(false),
            };
            let made = self.write_one(key, &[empty]);
            return count(key, DELETED, made.map(|commit| commit.changed), applied);
        }
        if row.is_none() && !set.is_empty() {
            let rows = vec![(Some(key.record), set.clone())];
            match self.import(&key.collection, rows) {
                Ok(_) => applied.written += set.len() as u64,
                Err(error) => {
                    let reason = reason_of(error)?;
                    let skip = |path: &String| skipped(key, path, &reason);
                    applied.skipped.extend(set.keys().map(skip));
                }
            }
            return self.apply_rest(record, true, applied);
        }
        if row.is_none() && writes_fields {
            return self.apply_rest(record, true, applied);
        }
        if row.is_none() {
            let paths = record.unset.iter().map(String::as_str);
            let deleted = record.deleted.map(|_| DELETED);
            let skip = |path| skipped(key, path, "The record is not there.");
            applied.skipped.extend(paths.chain(deleted).map(skip));
            return Ok(());
        }
        if is_deleted && record.deleted == Some(false) {
            let restored = self.restore(&key.collection, key.record);
            count(key, DELETED, restored.map(|commit| commit.changed), applied)?;
        }
        for (path, value) in set {
            let edit = FieldPath::parse(path).map(|path| Edit::Set {
                path,
                node: Node::Leaf(value.clone()),
            });
            let done = edit
                .map_err(EngineError::from)
                .and_then(|edit| self.edit(&key.collection, key.record, &[edit]));
            count(key, path, done.map(|commit| commit.changed), applied)?;
        }
        self.apply_rest(record, is_deleted, applied)
    }

    /// What is done to counters, texts, lists and sets, removals, and whether the record is deleted.
    fn apply_rest(
        &mut self,
        record: &DraftRecord,
        was_deleted: bool,
        applied: &mut DraftApplied,
    ) -> Result<(), EngineError> {
        let key = &record.key;
        for edit in record.steps.edits() {
            let path = edit.field().0.to_key();
            let done = self.apply_step(key, &edit);
            count(key, &path, done.map(|commit| commit.changed), applied)?;
        }
        for path in &record.unset {
            let edit = FieldPath::parse(path).map(|path| Edit::Unset { path });
            let done = edit
                .map_err(EngineError::from)
                .and_then(|edit| self.edit(&key.collection, key.record, &[edit]));
            count(key, path, done.map(|commit| commit.changed), applied)?;
        }
        match record.deleted {
            Some(true) => {
                let deleted = self.delete(&key.collection, key.record);
                count(key, DELETED, deleted.map(|commit| commit.changed), applied)
            }
            Some(false) if !was_deleted => {
                applied.unchanged += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Replica {
    /// An edit of a record; one that is not there is made.
    fn apply_step(&mut self, key: &RecordKey, edit: &Edit) -> Result<Commit, EngineError> {
        if self.get(&key.collection, key.record)?.is_some() {
            return self.edit(&key.collection, key.record, std::slice::from_ref(edit));
        }
        let nothing = Row {
            heads: Vec::new(),
            deleted: false,
            fields: Fields::new(),
        };
        let intents = edits::intents_of(edit, &nothing)?;
        self.write_one(key, &intents)
    }
}

/// Counts what became of one edit.
fn count(
    key: &RecordKey,
    path: &str,
    done: Result<bool, EngineError>,
    applied: &mut DraftApplied,
) -> Result<(), EngineError> {
    match done {
        Ok(true) => applied.written += 1,
        Ok(false) => applied.unchanged += 1,
        Err(error) => {
            let reason = reason_of(error)?;
            applied.skipped.push(skipped(key, path, &reason));
        }
    }
    Ok(())
}

fn skipped(key: &RecordKey, path: &str, reason: &str) -> DraftSkipped {
    DraftSkipped {
        key: key.clone(),
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Why an edit does not fit, as a sentence; an error that has nothing to do with the edit stays one.
fn reason_of(error: EngineError) -> Result<String, EngineError> {
    match error {
        EngineError::NotFound { .. }
        | EngineError::Deleted { .. }
        | EngineError::CollectionName { .. }
        | EngineError::Path(_)
        | EngineError::Write(_)
        | EngineError::TooMuch { .. }
        | EngineError::NamedTwice { .. } => {
            let mut sentence = error.to_string();
            if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
                sentence.replace_range(..1, &first);
            }
            sentence.push('.');
            Ok(sentence)
        }
        other => Err(other),
    }
}
