//! Which entries are wanted, and where in their order a reader is.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driftless_document::{Entry, EntryId, Kind, RecordId, Status};
use driftless_protocol::DeviceId;
use driftless_store::{KeyBuilder, KeyError, KeyReader};

use crate::clock::Millis;
use crate::types::{ConflictView, RecordKey};

/// Which conflict entries to show; every condition given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this collection.
    pub collection: Option<String>,
    /// Only of this record.
    pub record: Option<RecordId>,
    /// Only of this register, as its key, or of the members and elements of this field.
    pub path: Option<String>,
    /// Only such as this device took part in, by a write that overlapped.
    pub author: Option<DeviceId>,
    /// Only such as came about before this time; see [`came_about_ms`].
    pub before_ms: Option<Millis>,
    /// Only such as came about at this time or later; see [`came_about_ms`].
    pub since_ms: Option<Millis>,
}

impl ConflictFilter {
    /// Those that a person has to decide.
    pub fn open() -> Self {
        Self {
            status: Some(Status::Open),
            ..Self::default()
        }
    }

    /// Whether an entry of this record can fit.
    pub(super) fn fits_record(&self, key: &RecordKey) -> bool {
        self.collection
            .as_ref()
            .is_none_or(|c| *c == key.collection)
            && self.record.is_none_or(|record| record == key.record)
    }

    /// Whether an entry fits, as far as its evidence tells: all but the status.
    pub(super) fn fits_entry(&self, entry: &Entry) -> bool {
        let wrote = |device: &DeviceId| {
            let mut authors = entry.members.iter().map(|member| member.operation.actor);
            authors.any(|actor| actor.device_prefix() == device.prefix())
        };
        self.kind.is_none_or(|kind| kind == entry.kind)
            && (self.path.as_ref()).is_none_or(|path| is_of_field(&entry.register, path))
            && self.author.as_ref().is_none_or(wrote)
            && self
                .before_ms
                .is_none_or(|time| came_about_ms(entry) < time)
            && self
                .since_ms
                .is_none_or(|time| came_about_ms(entry) >= time)
    }

    /// Whether an entry fits.
    pub fn fits(&self, view: &ConflictView) -> bool {
        self.status.is_none_or(|status| status == view.status)
            && self.fits_record(&view.key)
            && self.fits_entry(&view.entry)
    }
}

/// When an entry came to be what it is: the latest time that one of its members claims, in milliseconds since 1970.
///
/// A claim of the devices, whose clocks may be wrong: for people to read and to look for, never to order by.
pub fn came_about_ms(entry: &Entry) -> Millis {
    let times = entry.members.iter().map(|member| member.time >> 12);
    times.max().unwrap_or_default()
}

/// Whether a register is a field, or a member or element of it.
fn is_of_field(register: &str, field: &str) -> bool {
    // Inside a name both characters stand behind a backslash.
    let rest = register.strip_prefix(field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#']))
}

/// Where an entry stands in the order of all: by collection, record, path and id.
///
/// As text it is one word that says nothing to people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConflictPosition {
    /// The record.
    pub key: RecordKey,
    /// The key of the register.
    pub path: String,
    /// The entry.
    pub id: EntryId,
}

/// A text that is no [`ConflictPosition`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no place in the conflict log; give one as the page before ended with")]
pub struct ConflictPositionError {
    /// The text.
    pub text: String,
}

impl ConflictPosition {
    /// Where this entry stands.
    pub fn of(view: &ConflictView) -> Self {
        Self {
            key: view.key.clone(),
            path: view.entry.register.clone(),
            id: view.entry.id,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = KeyReader::new(bytes);
        let position = Self {
            key: RecordKey {
                collection: reader.take_string()?,
                record: RecordId(reader.take_fixed()?),
            },
            path: reader.take_string()?,
            id: EntryId(reader.take_fixed()?),
        };
        reader.finish()?;
        Ok(position)
    }
}

impl fmt::Display for ConflictPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = KeyBuilder::new()
            .push_str(&self.key.collection)
            .push_fixed(&self.key.record.0)
            .push_str(&self.path)
            .push_fixed(&self.id.0)
            .finish();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ConflictPosition {
    type Err = ConflictPositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let position = bytes.and_then(|bytes| Self::decode(&bytes).ok());
        position.ok_or_else(|| ConflictPositionError {
            text: text.chars().take(80).collect(),
        })
    }
}

/// Some entries in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictPage {
    /// The entries.
    pub entries: Vec<ConflictView>,
    /// After which one the next page begins; none where this is the last.
    pub next: Option<ConflictPosition>,
}

/// The path of the field that a register is of: what stands before its type, and its member or element.
pub(super) fn field_of(register: &str) -> &str {
    let mut escaped = false;
    let end = register.bytes().position(|byte| {
        let ends = !escaped && matches!(byte, b'#' | b'/');
        escaped = !escaped && byte == b'\\';
        ends
    });
    &register[..end.unwrap_or(register.len())]
}
