//! How a field's path becomes the key of its register, and back.
//!
//! A path is a list of segments. In a segment `\`, `.`, `/`, `#` and a leading `$` stand behind a `\`, and
//! the empty segment is written `\e`; `.` joins segments. So a column `address.city` (`address\.city`), a
//! nested address/city (`address.city`) and a column `$deleted` (`\$deleted`) are three different things.
//! Keys that begin with a bare `$` are ours. An unescaped `#` ends the path of a text, list or counter and says
//! which it is, an unescaped `/` that of a set and says the member: see [`FieldKey`].

use std::fmt;

use crate::field::FieldKey;
use crate::limits;

/// The register that says whether a record is deleted.
pub const DELETED: &str = "$deleted";
/// What the keys of notes on decisions begin with; the rest is the entry's id.
pub const REVIEW: &str = "$review/";
/// The register that is written where a change only joins heads: it says nothing, and is never shown.
pub const JOINED: &str = "$joined";

/// The path of a field: one or more segments, any text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    segments: Vec<String>,
}

/// Why a text is not a field's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is no segment, or nothing between two dots.
    #[error("the field path `{path}` has an empty part; the empty name is written \\e")]
    EmptySegment {
        /// The text.
        path: String,
    },
    /// A backslash stands before something that needs none.
    #[error(
        "the field path `{path}` has a \\ at byte {at} that escapes nothing; write \\\\ for one backslash"
    )]
    BadEscape {
        /// The text.
        path: String,
        /// Where, in bytes.
        at: usize,
    },
    /// A character with a meaning of its own stands bare.
    #[error("the field path `{path}` has a bare `{character}` at byte {at}; write \\{character}")]
    Reserved {
        /// The text.
        path: String,
        /// The character.
        character: char,
        /// Where, in bytes.
        at: usize,
    },
    /// More segments than [`limits::DEPTH`], or a key over [`limits::KEY_BYTES`].
    #[error(
        "the field path is too long: {segments} parts of at most {max_segments}, {bytes} bytes of at most {max_bytes}"
    )]
    TooLong {
        /// Its segments.
        segments: usize,
        /// Its bytes as a key.
        bytes: usize,
        /// The most segments.
        max_segments: usize,
        /// The most bytes.
        max_bytes: usize,
    },
}

impl FieldPath {
    /// The path with these segments, outermost first.
    pub fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Result<Self, PathError> {
        let path = Self {
            segments: segments.into_iter().map(Into::into).collect(),
        };
        if path.segments.is_empty() {
            return Err(PathError::EmptySegment {
                path: String::new(),
            });
        }
        path.check_length()?;
        Ok(path)
    }

    /// Reads a path as people and programs write it, such as `address.city` or `a\.b`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut segments = Vec::new();
        let mut segment = String::new();
        let mut fresh = true; // nothing of this segment was read yet
        let mut ended = false; // `\e` was read: nothing may follow but a dot
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '.' if fresh => return Err(empty(text)),
                '.' => {
                    segments.push(std::mem::take(&mut segment));
                    (fresh, ended) = (true, false);
                    continue;
                }
                '\\' => match letters.next() {
                    Some((_, 'e')) if fresh => ended = true,
                    Some((_, escaped @ ('\\' | '.' | '/' | '#'))) if !ended => {
                        segment.push(escaped);
                    }
                    Some((_, '$')) if fresh => segment.push('$'),
                    _ => return Err(bad_escape(text, at)),
                },
                '/' | '#' => return Err(reserved(text, letter, at)),
                '$' if fresh => return Err(reserved(text, letter, at)),
                _ if ended => return Err(bad_escape(text, at)),
                plain => segment.push(plain),
            }
            fresh = false;
        }
        if fresh {
            return Err(empty(text));
        }
        segments.push(segment);
        Self::new(segments)
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The key of the register this path names.
    pub fn to_key(&self) -> String {
        let mut key = String::new();
        for (n, segment) in self.segments.iter().enumerate() {
            if n > 0 {
                key.push('.');
            }
            push_escaped(&mut key, segment);
        }
        key
    }

    fn check_length(&self) -> Result<(), PathError> {
        let bytes = self.to_key().len();
        if self.segments.len() > limits::DEPTH || bytes > limits::KEY_BYTES {
            return Err(PathError::TooLong {
                segments: self.segments.len(),
                bytes,
                max_segments: limits::DEPTH,
                max_bytes: limits::KEY_BYTES,
            });
        }
        Ok(())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_key())
    }
}

fn push_escaped(key: &mut String, segment: &str) {
    if segment.is_empty() {
        key.push_str("\\e");
    }
    for (n, letter) in segment.chars().enumerate() {
        if matches!(letter, '\\' | '.' | '/' | '#') || (letter == '$' && n == 0) {
            key.push('\\');
        }
        key.push(letter);
    }
}

fn empty(path: &str) -> PathError {
    PathError::EmptySegment { path: path.into() }
}

fn bad_escape(path: &str, at: usize) -> PathError {
    PathError::BadEscape {
        path: path.into(),
        at,
    }
}

fn reserved(path: &str, character: char, at: usize) -> PathError {
    PathError::Reserved {
        path: path.into(),
        character,
        at,
    }
}

/// What a register's key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// A field that is replaced as a whole.
    Field(FieldPath),
    /// A member of a set, or a text, list or counter.
    Typed(FieldKey),
    /// One of ours: deleted, owner, review.
    Special,
    /// A kind of register of a later Driftless: kept, not shown.
    Later,
}

impl Register {
    /// Reads a key, or `None` where no Driftless would write it.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        if key.is_empty() || key.len() > limits::KEY_BYTES {
            return None;
        }
        if key.starts_with('$') {
            return Some(Self::Special);
        }
        match FieldPath::parse(key) {
            Ok(path) => Some(Self::Field(path)),
            Err(PathError::Reserved {
                character: '/' | '#',
                at,
                ..
            }) if at > 0 => Some(FieldKey::parse(key).map_or(Self::Later, Self::Typed)),
            Err(_) => None,
        }
    }
}

/// Whether `key` is that of a text, list or counter at `path`, or of a member of a set there.
pub(crate) fn is_typed(key: &str, path: &str) -> bool {
    key.strip_prefix(path)
        .is_some_and(|rest| rest.starts_with(['#', '/']))
}

/// The paths of the fields that a field lies in, the nearest first.
pub(crate) fn above(path: &str) -> impl Iterator<Item = &str> {
    let bytes = path.as_bytes();
    let is_joint = |at: &usize| {
        let escapes = bytes[..*at].iter().rev().take_while(|byte| **byte == b'\\');
        bytes[*at] == b'.' && escapes.count() % 2 == 0
    };
    let joints = (0..bytes.len()).rev().filter(is_joint).collect::<Vec<_>>();
    joints.into_iter().map(|at| &path[..at])
}

/// Whether the register `key` lies below the field `ancestor` (`address.city` below `address`).
pub(crate) fn is_below(key: &str, ancestor: &str) -> bool {
    key.strip_prefix(ancestor)
        .is_some_and(|rest| rest.starts_with('.'))
}
