//! A record as it reads now: what lists, queries and digests look at instead of documents.

use crate::codec::{self, Decode, DecodeError, Encode};
use crate::field::FieldKey;
use crate::ids::{ChangeHash, Version};
use crate::path::FieldPath;
use crate::value::{Fields, Value};

/// The shown values of a record at its heads.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Row {
    /// The hashes of the changes nothing depends on, sorted.
    pub heads: Vec<ChangeHash>,
    /// Whether the record reads deleted; its fields are kept all the same.
    pub deleted: bool,
    /// Every live register but ours, under its key.
    pub fields: Fields,
}

const FORMAT: u8 = 1;

impl Row {
    /// The value of the field at a path, whatever its type: of several that were made apart, the one a record shows.
    pub fn at(&self, path: &FieldPath) -> Option<&Value> {
        let keys = FieldKey::keys_at(path);
        keys.iter().find_map(|key| self.fields.get(key))
    }

    /// The record's version.
    pub fn version(&self) -> Version {
        Version::of(&self.heads)
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(FORMAT, self)
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode("row", FORMAT, bytes)
    }
}
