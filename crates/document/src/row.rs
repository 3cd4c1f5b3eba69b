//! A record as it reads now: what lists, queries and digests look at instead of documents.

use std::collections::BTreeSet;

use crate::codec::{self, Decode, DecodeError, Encode};
use crate::ids::{ChangeHash, Version};
use crate::path::FieldPath;
use crate::value::Fields;

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
    /// The record's version.
    pub fn version(&self) -> Version {
        Version::of(&self.heads)
    }

    /// The keys of the fields that hold a value while there are fields below them, in order: a row can show only
    /// one of the two.
    pub fn clashes(&self) -> impl Iterator<Item = &str> {
        let mut above = BTreeSet::new();
        for key in self.fields.keys() {
            above.extend(self.clashes_above(key));
        }
        above.into_iter()
    }

    /// Those of [`Row::clashes`] that the register of this key is one side of.
    pub fn has_clash_at(&self, key: &str) -> bool {
        let below = format!("{key}.");
        let next = self.fields.range(below.clone()..).next();
        let is_above = next.is_some_and(|(next, _)| next.starts_with(&below));
        self.clashes_above(key).next().is_some() || (is_above && self.is_value(key))
    }

    /// The fields above a key that hold a value.
    fn clashes_above<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let above = key.match_indices('.').map(|(at, _)| &key[..at]);
        above.filter(|above| self.is_value(above))
    }

    fn is_value(&self, key: &str) -> bool {
        self.fields.contains_key(key) && FieldPath::parse(key).is_ok()
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
