//! Why a JSON text is refused, and where in it.

use std::fmt;

use crate::path::FieldPath;

/// A JSON text that cannot be kept as it is; the caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// The value at fault, as in `address.tags[2]`; empty for the whole.
    pub path: String,
    /// Where in the text, if the text was at hand.
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 1.
    pub column: usize,
}

/// What is wrong with a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// It is no JSON.
    #[error("not JSON: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It is JSON, but a record is an object.
    #[error("expected an object, found {found}")]
    NotAnObject {
        /// What it is, with its article.
        found: &'static str,
    },
    /// An object has a key twice: one of the values would be lost.
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// No 64-bit float has these digits.
    #[error("the number {text} would lose digits and become {nearest}")]
    NumberLosesDigits {
        /// The number, shortened if it is long.
        text: String,
        /// What it would become.
        nearest: String,
    },
    /// An integer beyond 64 bits, or a number beyond the range of a float.
    #[error("the number {text} is too large for 64 bits")]
    NumberOutOfRange {
        /// The number, shortened if it is long.
        text: String,
    },
    /// Objects or arrays lie too deep in each other.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The most levels.
        max: usize,
    },
    /// The path of a field is too long.
    #[error("the field's path has {bytes} bytes, at most {max_bytes} are kept")]
    KeyTooLong {
        /// Its bytes as a key.
        bytes: usize,
        /// The most bytes.
        max_bytes: usize,
    },
    /// A `{"$bytes": ...}` whose content is not standard base64.
    #[error("$bytes takes standard base64 with padding")]
    BadBytes,
    /// A `{"$timestamp": ...}` whose content is not a time.
    #[error("$timestamp takes an RFC 3339 time, such as 2026-01-31T12:00:00Z, found {text}")]
    BadTimestamp {
        /// What was found, shortened if it is long.
        text: String,
    },
    /// A time finer than a millisecond.
    #[error("the time {text} would lose digits: milliseconds are kept")]
    TimestampLosesDigits {
        /// The time.
        text: String,
    },
}

impl JsonError {
    /// Whether the text is no JSON at all, as a plain word is.
    pub fn is_syntax(&self) -> bool {
        matches!(self.fault, JsonFault::Syntax { .. })
    }

    /// The error seen from the object or array around: `step` is a key or an `[index]`.
    pub(super) fn within(mut self, step: &str) -> Self {
        let joint = match self.path.bytes().next() {
            None | Some(b'[') => "",
            Some(_) => ".",
        };
        self.path = format!("{step}{joint}{}", self.path);
        self
    }

    /// The error, `offset` bytes into `text`; a place that is known already is kept.
    pub(super) fn at(mut self, text: &str, offset: usize) -> Self {
        self.position.get_or_insert_with(|| position(text, offset));
        self
    }
}

impl From<JsonFault> for JsonError {
    fn from(fault: JsonFault) -> Self {
        Self {
            fault,
            path: String::new(),
            position: None,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        if !self.path.is_empty() {
            write!(f, ", at {}", shorten(&self.path))?;
        }
        if let Some(Position { line, column }) = self.position {
            write!(f, ", line {line} column {column}")?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

fn position(text: &str, offset: usize) -> Position {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let mut lines = before.rsplit(|byte| *byte == b'\n');
    let last = lines.next().unwrap_or_default();
    Position {
        line: 1 + lines.count(),
        column: 1 + last.len(),
    }
}

/// How a key reads in the path of an error.
pub(super) fn step(key: &str) -> String {
    // A key that is too long for a path is what the error is about.
    FieldPath::new([key]).map_or_else(|_| shorten(key), |path| path.to_key())
}

/// The text, or its beginning where it is too long for a message.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
