//! The one text of a JSON value.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::{JsonError, JsonFault, step};
use super::number;
use crate::limits;

/// The canonical text of a value; fails where it has more than [`limits::DEPTH`] levels.
pub(crate) fn write(value: &Json) -> Result<String, JsonError> {
    let mut text = String::new();
    push(&mut text, value, limits::DEPTH)?;
    Ok(text)
}

fn push(text: &mut String, value: &Json, levels: usize) -> Result<(), JsonError> {
    let inner = match value {
        Json::Array(_) | Json::Object(_) => levels
            .checked_sub(1)
            .ok_or(JsonFault::TooDeep { max: limits::DEPTH })?,
        _ => levels,
    };
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => text.push_str(
            &number::number_text(&number::value_of(number)?)
                .expect("a number reads as a finite number"),
        ),
        Json::String(string) => push_string(text, string),
        Json::Array(elements) => {
            text.push('[');
            for (n, element) in elements.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                push(text, element, inner).map_err(|error| error.within(&format!("[{n}]")))?;
            }
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            // serde_json keeps another order where some crate of the build asks for it.
            let sorted: BTreeMap<&String, &Json> = members.iter().collect();
            for (n, (key, member)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                push_string(text, key);
                text.push(':');
                push(text, member, inner).map_err(|error| error.within(&step(key)))?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn push_string(text: &mut String, string: &str) {
    text.push_str(&serde_json::to_string(string).expect("a string always has a JSON text"));
}
