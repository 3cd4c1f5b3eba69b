//! What an edit means for the registers of a record.
//!
//! A value takes the place of an object, and an object that of a value: the writer sees to that. A counter, a text and
//! a list are there for good and a set has members of its own, so nothing takes their place: they are changed by their
//! own means.

use driftless_document::{
    FieldKey, FieldPath, FieldType, Fields, Intent, Node, Row, Value, WriteError, reads_as,
};

use crate::types::Edit;

/// What an edit means for the registers of a record that reads `row`.
pub(crate) fn intents_of(edit: &Edit, row: &Row) -> Result<Vec<Intent>, WriteError> {
    let intent = match edit {
        Edit::Unset { path } => return Ok(vec![Intent::Remove { key: path.to_key() }]),
        Edit::Set { path, node } => return set(path, node, row),
        Edit::Increment { path, by } => Intent::Increment {
            path: path.to_key(),
            by: *by,
        },
        Edit::Splice {
            path,
            at,
            delete,
            insert,
        } => Intent::Splice {
            path: path.to_key(),
            at: *at,
            delete: *delete,
            insert: insert.clone(),
        },
        Edit::AppendText { path, text } => Intent::AppendText {
            path: path.to_key(),
            text: text.clone(),
        },
        Edit::ReplaceText { path, text } => Intent::ReplaceText {
            path: path.to_key(),
            text: text.clone(),
        },
        Edit::InsertElements { path, at, values } => Intent::InsertElements {
            path: path.to_key(),
            at: *at,
            values: values.clone(),
        },
        Edit::PutElement { path, at, value } => Intent::PutElement {
            path: path.to_key(),
            at: *at,
            value: value.clone(),
        },
        Edit::RemoveElements { path, at, count } => Intent::RemoveElements {
            path: path.to_key(),
            at: *at,
            count: *count,
        },
        Edit::AddMember { path, member } => Intent::AddMember {
            path: path.to_key(),
            member: member.clone(),
        },
        Edit::RemoveMember { path, member } => Intent::RemoveMember {
            path: path.to_key(),
            member: member.clone(),
        },
    };
    let (path, kind) = edit.field();
    check_above(path, row)?;
    check_below(path, kind, row)?;
    Ok(vec![intent])
}

/// The registers of a new record.
pub(crate) fn puts(fields: Fields) -> Vec<Intent> {
    let put = |(key, value)| Intent::Put { key, value };
    fields.into_iter().map(put).collect()
}

/// What makes a record hold the imported fields; fields that the import does not name stay.
pub(crate) fn differing(fields: Fields, row: &Row) -> Result<Vec<Intent>, WriteError> {
    let mut intents = Vec::new();
    for (key, value) in fields {
        match FieldPath::parse(&key) {
            Ok(path) if row.at(&path).is_some_and(|stands| reads_as(stands, &value)) => {}
            Ok(path) => intents.push(set_value(&path, value, row)?),
            Err(_) if row.fields.get(&key) == Some(&value) => {}
            Err(_) => intents.push(Intent::Put { key, value }),
        }
    }
    Ok(intents)
}

fn set(path: &FieldPath, node: &Node, row: &Row) -> Result<Vec<Intent>, WriteError> {
    let fields = match node {
        Node::Leaf(value) => return Ok(vec![set_value(path, value.clone(), row)?]),
        Node::Object(fields) => fields,
    };
    let key = path.to_key();
    if let Some((path, is)) = typed_at(path, row) {
        return Err(WriteError::HasNoFields { path, is });
    }
    let wanted: Fields = fields
        .iter()
        .map(|(below, value)| (format!("{key}.{below}"), value.clone()))
        .collect();
    let replaced = |other: &&String| **other == key || is_below(other, &key);
    let gone = row.fields.keys().filter(replaced);
    let gone = gone.filter(|other| !wanted.contains_key(FieldKey::path_in(other)));
    let mut intents: Vec<_> = gone.cloned().map(|key| Intent::Clear { key }).collect();
    for (key, value) in wanted {
        match FieldPath::parse(&key) {
            Ok(path) => intents.push(set_value(&path, value, row)?),
            Err(_) => intents.push(Intent::Put { key, value }), // the writer says what is wrong with it
        }
    }
    Ok(intents)
}

fn set_value(path: &FieldPath, value: Value, row: &Row) -> Result<Intent, WriteError> {
    let key = path.to_key();
    check_above(path, row)?;
    let below = row.fields.keys().filter(|other| is_below(other, &key));
    let stays = |field: &FieldKey| {
        matches!(
            field.kind(),
            FieldType::Counter | FieldType::Text | FieldType::List
        )
    };
    let mut below = below.filter_map(|key| FieldKey::parse(key));
    match below.find(stays) {
        None => Ok(Intent::Put { key, value }),
        Some(field) => Err(WriteError::StaysInside {
            path: key,
            inside: field.path().to_key(),
            is: field.kind(),
        }),
    }
}

/// A counter, text, list or set has no fields inside it.
fn check_above(path: &FieldPath, row: &Row) -> Result<(), WriteError> {
    let segments = path.segments();
    for length in 1..segments.len() {
        let Ok(above) = FieldPath::new(segments[..length].iter().cloned()) else {
            continue; // a part of a path is one
        };
        if let Some((path, is)) = typed_at(&above, row) {
            return Err(WriteError::HasNoFields { path, is });
        }
    }
    Ok(())
}

/// An object is not made a counter, text, list or set. Made apart, it may be both.
fn check_below(path: &FieldPath, wanted: FieldType, row: &Row) -> Result<(), WriteError> {
    let key = path.to_key();
    let is_there = typed_at(path, row).is_some();
    if !is_there && row.fields.keys().any(|other| is_below(other, &key)) {
        return Err(WriteError::HasFields { path: key, wanted });
    }
    Ok(())
}

/// The counter, text, list or set at a path.
fn typed_at(path: &FieldPath, row: &Row) -> Option<(String, FieldType)> {
    let keys = FieldKey::keys_at(path).into_iter();
    let mut keys = keys.filter(|key| row.fields.contains_key(key));
    keys.find_map(|key| {
        let kind = FieldKey::parse(&key)?.kind();
        (kind != FieldType::Value).then(|| (path.to_key(), kind))
    })
}

fn is_below(key: &str, ancestor: &str) -> bool {
    key.strip_prefix(ancestor)
        .is_some_and(|rest| rest.starts_with('.'))
}
