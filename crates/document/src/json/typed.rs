//! The values JSON has no form for: bytes and times, as objects of one `$` key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{JsonError, JsonFault, shorten};
use crate::value::Value;

const BYTES: &str = "$bytes";
const TIMESTAMP: &str = "$timestamp";
const OPAQUE: &str = "$opaque";

/// The value an object of one key stands for, or `None` where it is an object like any other.
pub(super) fn read(members: &Map<String, Json>) -> Option<Result<Value, JsonError>> {
    let mut members = members.iter();
    let (Some((key, content)), None) = (members.next(), members.next()) else {
        return None;
    };
    let value = match key.as_str() {
        BYTES => read_bytes(content),
        TIMESTAMP => read_timestamp(content),
        _ => return None,
    };
    Some(value.map_err(|fault| JsonError::from(fault).within(key)))
}

/// The object that stands for bytes.
pub(super) fn bytes_to_json(bytes: &[u8]) -> Json {
    json!({ BYTES: STANDARD.encode(bytes) })
}

/// The object that shows a value of a later Driftless.
pub(super) fn opaque_to_json(bytes: &[u8]) -> Json {
    json!({ OPAQUE: STANDARD.encode(bytes) })
}

/// The object that stands for a time; milliseconds are shown where there are any.
///
/// A time outside the years 0 to 9999 has no RFC 3339 text and is the number of its milliseconds.
pub(super) fn timestamp_to_json(timestamp_ms: i64) -> Json {
    let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(timestamp_ms) * NANOS_PER_MS)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok());
    match text {
        Some(text) => json!({ TIMESTAMP: text }),
        None => json!({ TIMESTAMP: timestamp_ms }),
    }
}

const NANOS_PER_MS: i128 = 1_000_000;

fn read_bytes(content: &Json) -> Result<Value, JsonFault> {
    content
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok())
        .map(Value::Bytes)
        .ok_or(JsonFault::BadBytes)
}

fn read_timestamp(content: &Json) -> Result<Value, JsonFault> {
    if let Some(timestamp_ms) = content.as_i64() {
        return Ok(Value::Timestamp(timestamp_ms));
    }
    let malformed = || JsonFault::BadTimestamp {
        text: shorten(&content.to_string()),
    };
    let text = content.as_str().ok_or_else(malformed)?;
    // The parser takes anything between date and time.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return Err(malformed());
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| malformed())?;
    let nanos = time.unix_timestamp_nanos();
    // The parser drops what is finer than a nanosecond, so the text is asked too.
    if nanos % NANOS_PER_MS != 0 || has_finer_digits(text) {
        return Err(JsonFault::TimestampLosesDigits {
            text: shorten(text),
        });
    }
    i64::try_from(nanos.div_euclid(NANOS_PER_MS))
        .map(Value::Timestamp)
        .map_err(|_| malformed())
}

/// Whether a digit other than 0 stands behind the third of the fraction of a second.
fn has_finer_digits(text: &str) -> bool {
    text.split_once('.').is_some_and(|(_, fraction)| {
        fraction
            .bytes()
            .take_while(u8::is_ascii_digit)
            .skip(3)
            .any(|digit| digit != b'0')
    })
}
