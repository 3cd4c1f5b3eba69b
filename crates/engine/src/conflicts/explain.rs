//! What becomes of an edit of a field that somebody else edits too, before it happens and after.
//!
//! Said as data; the words are those of whoever shows it.

use driftless_document::{
    DELETED, FieldKey, FieldPath, FieldType, Kind, Policy, RecordId, Status, Value,
};

use super::ConflictFilter;
use crate::error::EngineError;
use crate::replica::Replica;
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
    /// The policy that picks what is shown where values overlap.
    pub policy: Policy,
    /// What becomes of an edit made here while somebody else, who does not know of it, makes one.
    pub outlooks: Vec<Outlook>,
    /// What overlapped here so far, the entries that the log has.
    pub overlaps: Vec<ConflictView>,
}

/// What becomes of two edits that do not know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What is done here.
    pub ours: Deed,
    /// What is done there.
    pub theirs: Deed,
    /// What becomes of both.
    pub fate: Fate,
}

/// What somebody does to a field or its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deed {
    /// Gives the field a value.
    Set,
    /// Gives the field the very value that the other side gives it.
    SetSame,
    /// Empties the field.
    Unset,
    /// Edits another field of the record.
    SetOther,
    /// Adds to the counter, or takes away from it.
    Increment,
    /// Edits a text or list in one place.
    EditHere,
    /// Edits a text or list in another place.
    EditElsewhere,
    /// Puts new elements into the list.
    Insert,
    /// Gives an element of the list another value, the one that the other side writes.
    PutElement,
    /// Removes that element of the list.
    RemoveElement,
    /// Adds a member to the set.
    Add,
    /// Removes that member from the set.
    RemoveMember,
    /// Deletes the record.
    DeleteRecord,
}

/// What becomes of two edits. Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Both take effect, and there is nothing to log.
    Merged,
    /// Both want the same: there is nothing to log.
    Agreed,
    /// Both are in the log, and the field's type says what is shown.
    MergedByType,
    /// Both are in the log, and the policy picks what is shown.
    DecidedByPolicy,
    /// Both are in the log, one is shown, and a person decides.
    Open,
}

impl Fate {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Agreed => "agreed",
            Self::MergedByType => "merged_by_type",
            Self::DecidedByPolicy => "decided_by_policy",
            Self::Open => "open",
        }
    }

    /// The status of the entry, where there is one.
    pub fn status(self) -> Option<Status> {
        match self {
            Self::Merged | Self::Agreed => None,
            Self::MergedByType | Self::DecidedByPolicy => Some(Status::AutoMerged),
            Self::Open => Some(Status::Open),
        }
    }
}

impl Deed {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::SetSame => "set_same",
            Self::Unset => "unset",
            Self::SetOther => "set_other",
            Self::Increment => "increment",
            Self::EditHere => "edit_here",
            Self::EditElsewhere => "edit_elsewhere",
            Self::Insert => "insert",
            Self::PutElement => "put_element",
            Self::RemoveElement => "remove_element",
            Self::Add => "add",
            Self::RemoveMember => "remove_member",
            Self::DeleteRecord => "delete_record",
        }
    }
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
        let (key, row) = self.existing(collection, id)?;
        let path = match path {
            DELETED => DELETED.to_owned(),
            path => FieldPath::parse(path)?.to_key(),
        };
        let here = row.fields.iter().find_map(|(key, value)| {
            let field = FieldKey::parse(key)?;
            (field.path().to_key() == path).then(|| (field.kind(), value.clone()))
        });
        let (field_type, shown) = here.map_or((FieldType::Value, None), |(t, v)| (t, Some(v)));
        let policy = Policy::default();
        let filter = ConflictFilter {
            collection: Some(key.collection.clone()),
            record: Some(key.record),
            path: Some(path.clone()),
            ..ConflictFilter::default()
        };
        Ok(Explanation {
            overlaps: self.conflicts(&filter)?,
            outlooks: if path == DELETED {
                of_record(&policy)
            } else {
                of_field(field_type, &policy)
            },
            key,
            path,
            field_type,
            shown,
            deleted: row.deleted,
            policy,
        })
    }
}

/// What a policy makes of an entry of this kind.
fn contested(_: &Policy, _: Kind) -> Fate {
    // The only policy there is leaves everything to a person.
    Fate::Open
}

fn of_record(policy: &Policy) -> Vec<Outlook> {
    let contested = contested(policy, Kind::RecordDeleted);
    vec![
        outlook(Deed::DeleteRecord, Deed::SetOther, contested),
        outlook(Deed::SetOther, Deed::DeleteRecord, contested),
        outlook(Deed::DeleteRecord, Deed::DeleteRecord, Fate::Agreed),
    ]
}

fn of_field(field_type: FieldType, policy: &Policy) -> Vec<Outlook> {
    let put_put = contested(policy, Kind::PutPut);
    let put_delete = contested(policy, Kind::PutDelete);
    let element = contested(policy, Kind::ListElement);
    let (ours, mut outlooks) = match field_type {
        FieldType::Counter => (
            Deed::Increment,
            vec![outlook(Deed::Increment, Deed::Increment, Fate::Merged)],
        ),
        FieldType::Text => (
            Deed::EditHere,
            vec![
                outlook(Deed::EditHere, Deed::EditElsewhere, Fate::Merged),
                outlook(Deed::EditHere, Deed::EditHere, Fate::MergedByType),
            ],
        ),
        FieldType::List => (
            Deed::Insert,
            vec![
                outlook(Deed::Insert, Deed::Insert, Fate::Merged),
                outlook(Deed::PutElement, Deed::PutElement, element),
                outlook(Deed::PutElement, Deed::RemoveElement, element),
                outlook(Deed::RemoveElement, Deed::RemoveElement, Fate::Agreed),
            ],
        ),
        FieldType::Set => (
            Deed::Add,
            vec![
                outlook(Deed::Add, Deed::Add, Fate::Merged),
                outlook(Deed::Add, Deed::RemoveMember, Fate::MergedByType),
                outlook(Deed::RemoveMember, Deed::RemoveMember, Fate::Agreed),
            ],
        ),
        _ => (
            Deed::Set,
            vec![
                outlook(Deed::Set, Deed::Set, put_put),
                outlook(Deed::Set, Deed::SetSame, Fate::Agreed),
                outlook(Deed::Set, Deed::Unset, put_delete),
                outlook(Deed::Unset, Deed::Unset, Fate::Agreed),
            ],
        ),
    };
    outlooks.push(outlook(ours, Deed::SetOther, Fate::Merged));
    let deleted = contested(policy, Kind::RecordDeleted);
    outlooks.push(outlook(ours, Deed::DeleteRecord, deleted));
    outlooks
}

fn outlook(ours: Deed, theirs: Deed, fate: Fate) -> Outlook {
    Outlook { ours, theirs, fate }
}
