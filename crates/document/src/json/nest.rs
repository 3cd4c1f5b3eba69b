//! Values and records back to JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::exact;
use super::typed;
use crate::field::FieldKey;
use crate::limits;
use crate::value::{Fields, Value};

/// A record as nested JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nested {
    /// The fields, nested as they were written.
    pub fields: Map<String, Json>,
    /// What has no place there, under its key: a field that has fields below it too, or another type too,
    /// which comes from writes that did not know of each other, and fields of a later Driftless.
    pub shadowed: Map<String, Json>,
}

/// Nests the fields of a record.
///
/// A counter is a number, a text a string, a list and a set an array.
///
/// Reading `fields` with [`parse_record`](super::parse_record) gives the same fields, but for a nested
/// object whose only field is named `$bytes` or `$timestamp`, and for the types of fields.
pub fn nest(fields: &Fields) -> Nested {
    let mut nested = Nested::default();
    let mut paths = BTreeMap::new();
    for (key, value) in fields {
        // Keys are sorted, so that a value stands before a field of another type that was made apart from it.
        let path = FieldKey::parse(key).map(|field| field.path().clone());
        match path {
            Some(path) if !paths.contains_key(&path) => {
                paths.insert(path, (key, value));
            }
            _ => {
                nested.shadowed.insert(key.clone(), value_to_json(value));
            }
        }
    }
    // Paths are ordered by segments, so the paths below one follow it.
    let mut paths = paths.into_iter().peekable();
    while let Some((path, (key, value))) = paths.next() {
        let value = value_to_json(value);
        let has_below = paths
            .peek()
            .is_some_and(|(next, _)| next.segments().starts_with(path.segments()));
        if has_below {
            nested.shadowed.insert(key.clone(), value);
        } else {
            insert(&mut nested.fields, path.segments(), value);
        }
    }
    nested
}

/// A value as JSON: bytes as `{"$bytes": base64}`, times as `{"$timestamp": RFC 3339 in UTC}`.
///
/// A value of a later Driftless is shown as `{"$opaque": base64}`; nothing reads that back. A float that
/// is not finite, which no record holds, is `null`.
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::String(value) => Json::from(value.as_str()),
        Value::Bytes(bytes) => typed::bytes_to_json(bytes),
        Value::Timestamp(timestamp_ms) => typed::timestamp_to_json(*timestamp_ms),
        // serde_json's own parser may round the last digit of a float. A text that is no JSON, which no
        // record holds, is shown as the text it is.
        Value::Json(text) => {
            exact::read(text, limits::DEPTH).unwrap_or_else(|_| Json::from(text.as_str()))
        }
        Value::Opaque(bytes) => typed::opaque_to_json(bytes),
        Value::Counter(count) => Json::from(*count),
        Value::Text(text) => Json::from(text.as_str()),
        Value::List(values) | Value::Set(values) => values.iter().map(value_to_json).collect(),
    }
}

fn insert(object: &mut Map<String, Json>, path: &[String], value: Json) {
    match path {
        [] => {}
        [name] => {
            object.insert(name.clone(), value);
        }
        [name, below @ ..] => {
            let member = object
                .entry(name.as_str())
                .or_insert_with(|| Json::Object(Map::new()));
            // No leaf is above another, so what stands here is an object made for a neighbour.
            if let Json::Object(member) = member {
                insert(member, below, value);
            }
        }
    }
}
