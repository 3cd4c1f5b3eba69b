//! Parses JSON without losing anything: number texts are seen, and keys that stand twice are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::error::{JsonError, JsonFault, Position, shorten, step};
use super::number;
use crate::limits;

/// Reads a whole text of at most `levels` objects and arrays inside each other.
pub(super) fn read(text: &str, levels: usize) -> Result<Json, JsonError> {
    let raw: &RawValue = parse(text, 0, text)?;
    Reader { whole: text }.read(raw.get(), levels)
}

/// Knows the whole text, so that errors can say where they are.
struct Reader<'a> {
    whole: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads the value whose text is `text`, a part of the whole without spaces around it.
    fn read(&self, text: &'a str, levels: usize) -> Result<Json, JsonError> {
        match text.as_bytes().first() {
            Some(b'{' | b'[') if levels == 0 => {
                let fault = JsonFault::TooDeep { max: limits::DEPTH };
                Err(self.here(fault, text))
            }
            Some(b'{') => self.read_object(text, levels - 1),
            Some(b'[') => self.read_array(text, levels - 1),
            Some(b'-' | b'0'..=b'9') => number::read(text)
                .map(Json::Number)
                .map_err(|fault| self.here(fault, text)),
            // A string or a word: nothing in these can be lost.
            _ => parse(text, self.offset(text), self.whole),
        }
    }

    fn read_object(&self, text: &'a str, levels: usize) -> Result<Json, JsonError> {
        let Members(members) = parse(text, self.offset(text), self.whole)?;
        let mut object = serde_json::Map::new();
        for (key, raw) in members {
            if object.contains_key(&key) {
                let key = shorten(&key);
                return Err(self.here(JsonFault::DuplicateKey { key }, raw.get()));
            }
            let value = self
                .read(raw.get(), levels)
                .map_err(|error| error.within(&step(&key)))?;
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }

    fn read_array(&self, text: &'a str, levels: usize) -> Result<Json, JsonError> {
        let elements: Vec<&RawValue> = parse(text, self.offset(text), self.whole)?;
        elements
            .into_iter()
            .enumerate()
            .map(|(n, raw)| {
                self.read(raw.get(), levels)
                    .map_err(|error| error.within(&format!("[{n}]")))
            })
            .collect::<Result<_, _>>()
            .map(Json::Array)
    }

    fn here(&self, fault: JsonFault, text: &str) -> JsonError {
        JsonError::from(fault).at(self.whole, self.offset(text))
    }

    /// Where `text`, which is a part of the whole, begins.
    fn offset(&self, text: &str) -> usize {
        text.as_ptr()
            .addr()
            .saturating_sub(self.whole.as_ptr().addr())
    }
}

/// Parses one level of `text`, which begins `offset` bytes into `whole`.
fn parse<'a, T: Deserialize<'a>>(
    text: &'a str,
    offset: usize,
    whole: &str,
) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        // The place is told on its own, as a place in the whole.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
        let mut error_here = JsonError::from(JsonFault::Syntax { reason }).at(whole, offset);
        if let Some(position) = &mut error_here.position {
            *position = further(*position, error.line(), error.column());
        }
        error_here
    })
}

/// The place `line` and `column` (from 1) of a text that begins at `start`.
fn further(start: Position, line: usize, column: usize) -> Position {
    Position {
        line: start.line + line.saturating_sub(1),
        column: match line {
            0 | 1 => start.column + column.saturating_sub(1),
            _ => column,
        },
    }
}

/// The members of an object in their order, with keys that stand twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
