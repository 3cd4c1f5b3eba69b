//! What becomes of an edit of a field that somebody else edits too, before it happens and after.
//!
//! Said as data; the words are those of whoever shows it.

use driftless_document::{DELETED, FieldKey, FieldPath, FieldType, Policy, RecordId, Value};

use super::ConflictFilter;
use super::outlook::{Deed, Foresight, Outlook, value_type};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::rules::PickedBy;
use crate::types::{ConflictView, RecordKey};

/// How edits of one field merge, and how those that were made apart did.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The record.
    pub key: RecordKey,
    /// The field's path, or `$deleted`.
    pub path: String,
    /// Its type; of a field that is not there, a value's.
    pub field_type: FieldType,
    /// What it shows; none where it is absent, and for `$deleted`.
    pub shown: Option<Value>,
    /// Whether the record is deleted.
    pub deleted: bool,
    /// The rule that decides where values overlap or, of `$deleted`, where a deletion meets an edit, counted from 0; none
    /// where no rule matches, or `policy` is none.
    pub rule: Option<usize>,
    /// The policy that follows; none where the type merges by itself, or that depends on the edits.
    pub policy: Option<Policy>,
    /// What becomes of an edit made here while somebody else, who does not know of it, makes one.
    pub outlooks: Vec<Outlook>,
    /// What overlapped here so far, the entries that the log has.
    pub overlaps: Vec<ConflictView>,
}

impl Replica {
    /// How edits of a field merge that are made apart, and how those did that the log has; `path` is the field's, or
    /// `$deleted` for the record as a whole.
    pub fn explain(
        &self,
        collection: &str,
        id: RecordId,
        path: &str,
    ) -> Result<Explanation, EngineError> {
        let (key, stored) = self.existing_row(collection, id)?;
        let row = self.core.shown_row(&key, stored, PickedBy::All)?;
        let field = match path {
            DELETED => None,
            path => Some(FieldPath::parse(path)?),
        };
        let path = (field.as_ref()).map_or_else(|| DELETED.to_owned(), FieldPath::to_key);
        let here = row.fields.iter().find_map(|(key, value)| {
            let field = FieldKey::parse(key)?;
            (field.path().to_key() == path).then(|| (field.kind(), value.clone()))
        });
        let (field_type, shown) = here.map_or((FieldType::Value, None), |(t, v)| (t, Some(v)));
        let of_record = field.is_none();
        let foresight = Foresight {
            rules: &self.core.rules,
            collection,
            field,
            value_type: value_type(shown.as_ref()),
        };
        let outlooks = if of_record {
            foresight.of_record()
        } else {
            foresight.of_field(field_type)
        };
        // The first that rules have a say in, as far as this is not the deletion of a field's record.
        let first = outlooks.iter().find(|outlook| {
            let of_deletion = outlook.theirs == Deed::DeleteRecord;
            outlook.fate.is_for_rules() && (of_record || !of_deletion)
        });
        let (rule, policy) = first.map_or((None, None), |o| (o.rule, o.policy.clone()));
        let filter = ConflictFilter {
            collection: Some(key.collection.clone()),
            record: Some(key.record),
            path: Some(path.clone()),
            ..ConflictFilter::default()
        };
        Ok(Explanation {
            overlaps: self.conflicts(&filter)?,
            outlooks,
            key,
            path,
            field_type,
            shown,
            deleted: row.deleted,
            rule,
            policy,
        })
    }
}
