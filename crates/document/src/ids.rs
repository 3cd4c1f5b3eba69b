//! The names of things inside a record.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::codec::{Decode, Encode};

/// Names a record within its collection: a `UUIDv7` made on the device, or a `UUIDv8` derived from a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// The id of the record of `collection` whose key fields read `key`, as text, in order.
    ///
    /// Two devices that make a record of the same key make the same record.
    pub fn from_key(collection: &str, key: &[&str]) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("driftless record key 1");
        for part in std::iter::once(&collection).chain(key) {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(uuid_of(&hash))
    }
}

/// Names one entry of the conflict log: the same on every replica.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EntryId(pub [u8; 16]);

impl EntryId {
    /// The id of the entry whose smallest member operation is `operation`.
    pub fn of(collection: &str, record: RecordId, register: &str, operation: OpId) -> Self {
        EntryNames::new(collection, record, register).of(operation)
    }

    /// The id of the integrity entry `shape` of a field that holds a value and has fields below it.
    pub fn of_shape(collection: &str, record: RecordId, field: &str) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("driftless integrity entry 1");
        update_with(&mut hash, &["shape", collection, field]);
        hash.update(&record.0);
        Self(uuid_of(&hash))
    }
}

/// Names the entries of one register.
pub(crate) struct EntryNames(blake3::Hasher);

impl EntryNames {
    pub(crate) fn new(collection: &str, record: RecordId, register: &str) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("driftless conflict entry 1");
        update_with(&mut hash, &[collection, register]);
        hash.update(&record.0);
        Self(hash)
    }

    /// The name of the entry whose smallest member operation is `operation`.
    pub(crate) fn of(&self, operation: OpId) -> EntryId {
        let mut hash = self.0.clone();
        hash.update(&operation.counter.to_le_bytes());
        hash.update(&operation.actor.0);
        EntryId(uuid_of(&hash))
    }
}

fn update_with(hash: &mut blake3::Hasher, parts: &[&str]) {
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
}

fn uuid_of(hash: &blake3::Hasher) -> [u8; 16] {
    let mut bytes = [0; 16];
    hash.finalize_xof().fill(&mut bytes);
    Uuid::new_v8(bytes).into_bytes()
}

macro_rules! shown_as_uuid {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Ok(Self(Uuid::parse_str(text)?.into_bytes()))
            }
        }
    )*};
}
shown_as_uuid!(RecordId, EntryId);

/// Names one process start of one device: its first 8 bytes say which device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ActorId(pub [u8; 16]);

impl ActorId {
    /// The bytes that name the device.
    pub fn device_prefix(&self) -> [u8; 8] {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.0[..8]);
        prefix
    }
}

/// The hash of a change, as Automerge computes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ChangeHash(pub [u8; 32]);

macro_rules! shown_as_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
shown_as_hex!(ActorId, ChangeHash, Version);

/// Names one operation: `counter` grows along causality, `actor` breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct OpId {
    /// One more than the largest counter its change knew of.
    pub counter: u64,
    /// Who made it.
    pub actor: ActorId,
}

/// A digest of a record's heads: equal versions mean equal states.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u8; 16]);

impl Version {
    /// The version of a record with these heads, in any order.
    pub fn of(heads: &[ChangeHash]) -> Self {
        let mut sorted = heads.to_vec();
        sorted.sort_unstable();
        let mut hash = blake3::Hasher::new_derive_key("driftless record version 1");
        for head in sorted {
            hash.update(&head.0);
        }
        let mut bytes = [0; 16];
        hash.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }
}
