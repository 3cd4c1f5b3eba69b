//! JSON texts to values and back, exactly.
//!
//! A nested object is flattened: each leaf is one field, under the path of its keys. An empty object and
//! every array is one value, kept as canonical JSON. `{"$bytes": "base64"}` and
//! `{"$timestamp": "RFC 3339"}` are the two values JSON has no form for; inside an array, and at the root
//! of a record, they are plain objects.
//!
//! What is read comes back the same: a number that would lose a digit, a key that stands twice, or nesting
//! over [`limits::DEPTH`] is an error that says where. Numbers are read from their text, never by way of a
//! lossy float: an integer is `Int`, above `i64::MAX` `Uint`, and refused beyond `u64`; a number with a
//! fraction or an exponent is `Float`. `-0` is `Float(-0.0)`, for no integer keeps its sign.

mod canonical;
mod compare;
mod error;
mod exact;
mod nest;
mod number;
mod typed;

#[cfg(test)]
mod tests;

use serde_json::Value as Json;

pub(crate) use self::canonical::write as canonical_text;
pub(crate) use self::compare::compare_numbers;
pub use self::compare::matches_text;
pub use self::error::{JsonError, JsonFault, Position};
pub use self::nest::{Nested, nest, value_to_json};
pub use self::number::{canonical_number, number_text};

use self::error::step;
use crate::limits;
use crate::path::{FieldPath, PathError};
use crate::value::{Fields, Value};

/// What a JSON text says of the place it is meant for: one value, or an object of fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// One value.
    Leaf(Value),
    /// The leaves of an object that is not empty, under keys relative to its place.
    Object(Fields),
}

impl Node {
    /// The registers this node fills when it is written at `place`, under their whole keys.
    ///
    /// Fails where a path gets longer than [`limits::DEPTH`] or [`limits::KEY_BYTES`] allow.
    pub fn into_fields_at(self, place: &FieldPath) -> Result<Fields, JsonError> {
        let leaves = match self {
            Self::Leaf(value) => return Ok(Fields::from([(place.to_key(), value)])),
            Self::Object(leaves) => leaves,
        };
        let mut fields = Fields::new();
        for (key, value) in leaves {
            let key = format!("{}.{key}", place.to_key());
            FieldPath::parse(&key).map_err(|error| from_path_error(&error).within(&key))?;
            fields.insert(key, value);
        }
        Ok(fields)
    }
}

/// Reads any JSON text as it stands: nothing is rounded, and a key that stands twice is an error.
pub fn read_json(text: &str) -> Result<Json, JsonError> {
    exact::read(text, READ_LEVELS)
}

/// Reads any JSON text.
pub fn parse_node(text: &str) -> Result<Node, JsonError> {
    node_from_json(&exact::read(text, READ_LEVELS)?)
}

/// Reads a JSON object as the fields of a record; `{}` has none.
pub fn parse_record(text: &str) -> Result<Fields, JsonError> {
    match exact::read(text, READ_LEVELS)? {
        Json::Object(members) => {
            let mut fields = Fields::new();
            flatten(&members, &mut Vec::new(), &mut fields)?;
            Ok(fields)
        }
        other => Err(JsonFault::NotAnObject {
            found: kind(&other),
        }
        .into()),
    }
}

/// Reads a JSON value that is parsed already, by the same rules.
///
/// What the parser of the caller rounded or dropped is lost: [`parse_node`] takes the text.
pub fn node_from_json(value: &Json) -> Result<Node, JsonError> {
    match value {
        Json::Object(members) if !members.is_empty() => {
            if let Some(value) = typed::read(members) {
                return Ok(Node::Leaf(value?));
            }
            let mut fields = Fields::new();
            flatten(members, &mut Vec::new(), &mut fields)?;
            Ok(Node::Object(fields))
        }
        leaf => Ok(Node::Leaf(read_leaf(leaf)?)),
    }
}

/// Whether a text is canonical JSON: what [`parse_node`] keeps for an array or an empty object.
///
/// Canonical is: keys sorted by their UTF-8 bytes, no spaces, the shortest digits that read back to the
/// same number, no escape that is not needed, at most [`limits::DEPTH`] levels. The text may be anything.
pub fn is_canonical(text: &str) -> bool {
    exact::read(text, limits::DEPTH)
        .and_then(|value| canonical::write(&value))
        .is_ok_and(|canonical| canonical == text)
}

/// Objects around a value and levels inside it: nothing deeper can be kept, so reading stops there.
const READ_LEVELS: usize = 2 * limits::DEPTH;

/// Adds the leaves of an object whose path is `place`.
fn flatten<'a>(
    members: &'a serde_json::Map<String, Json>,
    place: &mut Vec<&'a str>,
    fields: &mut Fields,
) -> Result<(), JsonError> {
    for (name, value) in members {
        place.push(name);
        flatten_member(value, place, fields).map_err(|error| error.within(&step(name)))?;
        place.pop();
    }
    Ok(())
}

fn flatten_member<'a>(
    value: &'a Json,
    place: &mut Vec<&'a str>,
    fields: &mut Fields,
) -> Result<(), JsonError> {
    let path = FieldPath::new(place.iter().copied()).map_err(|error| from_path_error(&error))?;
    let leaf = match value {
        Json::Object(members) if !members.is_empty() => match typed::read(members) {
            Some(value) => value?,
            None => return flatten(members, place, fields),
        },
        leaf => read_leaf(leaf)?,
    };
    fields.insert(path.to_key(), leaf);
    Ok(())
}

/// The value of anything but an object with members.
fn read_leaf(value: &Json) -> Result<Value, JsonError> {
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number::value_of(number)?,
        Json::String(text) => Value::String(text.clone()),
        Json::Array(_) | Json::Object(_) => Value::Json(canonical::write(value)?),
    })
}

fn from_path_error(error: &PathError) -> JsonError {
    match error {
        PathError::TooLong { bytes, .. } if *bytes > limits::KEY_BYTES => JsonFault::KeyTooLong {
            bytes: *bytes,
            max_bytes: limits::KEY_BYTES,
        },
        _ => JsonFault::TooDeep { max: limits::DEPTH },
    }
    .into()
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
