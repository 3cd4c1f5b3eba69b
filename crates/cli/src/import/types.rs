//! The types of CSV columns, and how a cell is read as one.

use std::fmt;
use std::str::FromStr;

use driftless::{JsonError, Node, Value, canonical_number, parse_node};

/// The type of a column. An empty cell is null in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// Text as it stands.
    String,
    /// What a column of numbers is found to be: numbers whose text comes back the same, so `1.50` is none.
    PlainNumber,
    /// Any number of JSON that loses no digit.
    Number,
    /// A whole number of 64 bits.
    Integer,
    /// A number, kept as a float even if it is whole.
    Float,
    /// `true` or `false`.
    Bool,
    /// An RFC 3339 time.
    Timestamp,
    /// Any JSON; an object becomes fields below the column.
    Json,
}

const NAMES: [(ColumnType, &str); 8] = [
    (ColumnType::String, "string"),
    (ColumnType::PlainNumber, "plain-number"),
    (ColumnType::Number, "number"),
    (ColumnType::Integer, "integer"),
    (ColumnType::Float, "float"),
    (ColumnType::Bool, "bool"),
    (ColumnType::Timestamp, "timestamp"),
    (ColumnType::Json, "json"),
];

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(column_type, _)| column_type == self);
        f.pad(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(column_type, _)| *column_type)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no type; write string, number, integer, float, bool, timestamp or json"
                )
            })
    }
}

/// What exactly does not fit, where there is more to say than that.
type Misfit = Option<Box<JsonError>>;

impl ColumnType {
    /// What a cell that is not empty says as this type, or why it is not of it.
    pub(super) fn read(self, text: &str) -> Result<Node, Misfit> {
        let value = match self {
            Self::String => Value::String(text.to_owned()),
            Self::PlainNumber => canonical_number(text).ok_or(None)?,
            Self::Number => read_number(text)?,
            Self::Integer => match read_number(text)? {
                Value::Float(_) => return Err(None),
                integer => integer,
            },
            Self::Float => match read_number(text)? {
                // A fraction makes it a float, by the same check of its digits.
                Value::Int(_) | Value::Uint(_) => read_number(&format!("{}.0", text.trim()))?,
                float => float,
            },
            Self::Bool => Value::Bool(text.parse().map_err(|_| None)?),
            Self::Timestamp => {
                let wrapped = serde_json::json!({ "$timestamp": text }).to_string();
                return parse_node(&wrapped).map_err(|error| Some(Box::new(without_place(error))));
            }
            Self::Json => return parse_node(text).map_err(|error| Some(Box::new(error))),
        };
        Ok(Node::Leaf(value))
    }
}

fn read_number(text: &str) -> Result<Value, Misfit> {
    match parse_node(text) {
        Ok(Node::Leaf(value @ (Value::Int(_) | Value::Uint(_) | Value::Float(_)))) => Ok(value),
        Ok(_) => Err(None),
        Err(error) if error.is_syntax() => Err(None),
        Err(error) => Err(Some(Box::new(without_place(error)))),
    }
}

/// The error, without a place that means nothing in a cell.
fn without_place(mut error: JsonError) -> JsonError {
    error.path.clear();
    error.position = None;
    error
}
