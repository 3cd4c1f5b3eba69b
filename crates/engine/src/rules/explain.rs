//! Which rule decides about a field, and why: of the entry there is, or of one that edits made apart would make.

use driftless_document::{
    DELETED, EntryId, FieldKey, FieldPath, FieldType, Kind, RecordId, Row, RulesWalk, Shown,
    Status, Subject, ValueType,
};

use crate::error::EngineError;
use crate::replica::Replica;
use crate::types::RecordKey;

/// Which rule decides about a field of a record, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesExplanation {
    /// The record.
    pub key: RecordKey,
    /// The path of the field, or `$deleted` for the record as a whole.
    pub path: String,
    /// The entry that is open there; none where this is of what would be, if the field were edited apart.
    pub entry: Option<EntryId>,
    /// Where that entry stands.
    pub status: Option<Status>,
    /// What it shows by a policy.
    pub picked: Option<Shown>,
    /// Whether the policy is a program's own that is not installed here.
    pub provisional: bool,
    /// The field's type, where that merges by itself and rules say nothing of it.
    pub by_type: Option<FieldType>,
    /// What became of each rule; nothing where the type merges by itself.
    pub walk: RulesWalk,
}

impl Replica {
    /// Which rule decides about a field, named by its path, or about the whole record, named `$deleted`.
    pub fn explain_rules(
        &self,
        collection: &str,
        id: RecordId,
        field: &str,
    ) -> Result<RulesExplanation, EngineError> {
        let (key, row) = self.existing(collection, id)?;
        let of_record = field == DELETED;
        let path = match field {
            DELETED => None,
            field => Some(FieldPath::parse(field)?),
        };
        let rules = &self.core.rules;
        let by_type = path.as_ref().and_then(|path| merged_by_type(&row, path));
        let walk = |subject: &Subject| match by_type {
            Some(_) => RulesWalk {
                steps: Vec::new(),
                rule: None,
                policy: None,
            },
            None => rules.rules.explain(subject),
        };
        let entries = self.core.evidence_now(&key)?.entries;
        let open = entries.into_iter().find(|entry| {
            let subject = Subject::of(collection, entry, rules);
            let is_there = subject.field == path && (subject.field.is_some() || of_record);
            is_there && rules.verdict(collection, entry).2.status != Status::Resolved
        });
        if let Some(entry) = open {
            let (_, _, verdict) = rules.verdict(collection, &entry);
            return Ok(RulesExplanation {
                path: field.to_owned(),
                entry: Some(entry.id),
                status: Some(verdict.status),
                picked: verdict.picked,
                provisional: verdict.provisional,
                by_type,
                walk: walk(&Subject::of(collection, &entry, rules)),
                key,
            });
        }
        Ok(RulesExplanation {
            path: field.to_owned(),
            entry: None,
            status: None,
            picked: None,
            provisional: false,
            by_type,
            walk: walk(&subject_to_be(collection, &row, path)),
            key,
        })
    }
}

/// The type of the field at a path, where one of those is there that is not replaced as a whole.
fn type_of(row: &Row, path: &FieldPath) -> Option<FieldType> {
    let is_there = |kind: &FieldType| {
        let key = FieldKey::new(path.clone(), *kind).to_key();
        *kind != FieldType::Value && row.fields.contains_key(&key)
    };
    FieldType::ALL.into_iter().find(is_there)
}

fn merged_by_type(row: &Row, path: &FieldPath) -> Option<FieldType> {
    type_of(row, path).filter(|kind| *kind != FieldType::List)
}

/// What rules would see if the field were edited apart: its type as it is now, and nothing of its authors.
fn subject_to_be(collection: &str, row: &Row, path: Option<FieldPath>) -> Subject {
    let kind = match &path {
        None => Kind::RecordDeleted,
        Some(path) => match type_of(row, path) {
            Some(FieldType::Text) => Kind::Text,
            Some(FieldType::List) => Kind::ListElement,
            _ => Kind::PutPut,
        },
    };
    let value = path
        .as_ref()
        .and_then(|path| row.fields.get(&path.to_key()));
    Subject {
        collection: collection.to_owned(),
        types: match &path {
            None => Some(Vec::new()),
            Some(_) => value.and_then(ValueType::of).map(|found| vec![found]),
        },
        field: path,
        kind,
        history: None,
    }
}
