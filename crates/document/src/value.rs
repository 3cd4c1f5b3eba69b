//! What a field can hold.

use std::collections::BTreeMap;

use automerge::ScalarValue;

use crate::codec::{Decode, Encode};

/// The fields of a record, flat: register key to value. Keys are [`FieldPath`](crate::FieldPath) texts.
pub type Fields = BTreeMap<String, Value>;

/// One value of a field.
///
/// Two values are equal when their type and content are: `Int(3)` and `Uint(3)` differ. `Uint` is used
/// for numbers above `i64::MAX` only.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[non_exhaustive]
pub enum Value {
    /// No value, said explicitly; an absent field is not `Null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A finite floating point number.
    Float(f64),
    /// Unicode text, replaced as a whole.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// An array or an empty object, as canonical JSON; replaced as a whole.
    Json(String),
    /// A value of a later Driftless: kept and passed on, not understood here.
    Opaque(Vec<u8>),
    /// What a counter reads. Of rows only: a counter is changed by increments.
    Counter(i64),
    /// What a text reads. Of rows only: a text is changed by its characters.
    Text(String),
    /// What a list reads. Of rows only: a list is changed by its elements.
    List(Vec<Value>),
    /// What a set reads, its members sorted. Of rows only: a set is changed by its members.
    Set(Vec<Value>),
}

/// The first byte of a `Bytes` scalar says which of our types it is.
const TAG_BYTES: u8 = 0;
const TAG_JSON: u8 = 1;

impl Value {
    /// The scalar that stands for this value in an Automerge document.
    pub(crate) fn to_scalar(&self) -> ScalarValue {
        match self {
            // What a row reads of a container stands in no scalar: nothing writes the others.
            Self::Null | Self::Counter(_) | Self::Text(_) | Self::List(_) | Self::Set(_) => {
                ScalarValue::Null
            }
            Self::Bool(value) => ScalarValue::Boolean(*value),
            Self::Int(value) => ScalarValue::Int(*value),
            Self::Uint(value) => ScalarValue::Uint(*value),
            Self::Float(value) => ScalarValue::F64(*value),
            Self::String(value) => ScalarValue::Str(value.as_str().into()),
            Self::Timestamp(value) => ScalarValue::Timestamp(*value),
            Self::Bytes(value) => ScalarValue::Bytes(tagged(TAG_BYTES, value)),
            Self::Json(value) => ScalarValue::Bytes(tagged(TAG_JSON, value.as_bytes())),
            Self::Opaque(value) => ScalarValue::Bytes(value.clone()),
        }
    }

    /// As [`Value::from_scalar`], for what stands at the root: there may be counters.
    pub(crate) fn from_root(scalar: &ScalarValue) -> Option<Self> {
        match scalar {
            ScalarValue::Counter(counter) => Some(Self::Counter(i64::from(counter))),
            other => Self::from_scalar(other),
        }
    }

    /// The value a scalar stands for, or `None` where Driftless never writes such a scalar.
    pub(crate) fn from_scalar(scalar: &ScalarValue) -> Option<Self> {
        Some(match scalar {
            ScalarValue::Null => Self::Null,
            ScalarValue::Boolean(value) => Self::Bool(*value),
            ScalarValue::Int(value) => Self::Int(*value),
            ScalarValue::Uint(value) => Self::Uint(*value),
            ScalarValue::F64(value) if value.is_finite() => Self::Float(*value),
            ScalarValue::Str(value) => Self::String(value.to_string()),
            ScalarValue::Timestamp(value) => Self::Timestamp(*value),
            ScalarValue::Bytes(bytes) => from_tagged(bytes),
            _ => return None,
        })
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(bytes.len() + 1);
    tagged.push(tag);
    tagged.extend_from_slice(bytes);
    tagged
}

fn from_tagged(bytes: &[u8]) -> Value {
    match bytes.split_first() {
        Some((&TAG_BYTES, rest)) => Value::Bytes(rest.to_vec()),
        Some((&TAG_JSON, rest)) => match std::str::from_utf8(rest) {
            Ok(text) if crate::json::is_canonical(text) => Value::Json(text.to_owned()),
            _ => Value::Opaque(bytes.to_vec()),
        },
        _ => Value::Opaque(bytes.to_vec()),
    }
}
