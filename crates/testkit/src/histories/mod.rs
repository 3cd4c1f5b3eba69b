//! Random plans of edits, decisions and deliveries over a few replicas of one record.
//!
//! A [`Plan`] is read from bytes and written as bytes. Any bytes are a plan: the first four say how many replicas
//! there are, which fields they write and what the dice of deliveries start from; each four that follow are one
//! step, missing bytes are zero, and what is beyond [`STEPS`] steps is left out. So a fuzzer wastes nothing, and a
//! step that is dropped leaves the others as they were.
//!
//! A plan says what is wanted ([`Wish`]), as far as it can without knowing what a replica has: numbers in a step are
//! taken modulo what there is. [`plain`](crate::plain) carries a plan out as data alone,
//! [`replicas`](crate::replicas) on real records.

mod bytes;
mod dice;
mod random;
mod wishes;

pub use dice::{Dice, shuffled};
pub use random::{Manner, for_all};
pub use wishes::Wish;

use std::ops::RangeInclusive;

use driftless_document::RecordId;

/// The collection that a plan's record is in: decisions name entries, and these are named after it.
pub const COLLECTION: &str = "people";
/// The record of a plan.
pub const RECORD: RecordId = RecordId(*b"the record's id.");
/// Steps of one plan, at most: it bounds the work of an input.
pub const STEPS: usize = 400;
/// Replicas of one plan.
pub const REPLICAS: RangeInclusive<usize> = 2..=5;

/// The fields that plans write: beside and below each other, of every type.
pub const FIELDS: [(&str, Type); 13] = [
    ("a", Type::Scalar),
    ("address", Type::Scalar),
    ("address.city", Type::Scalar),
    ("b", Type::Scalar),
    ("address\\.city", Type::Scalar),
    ("address.zip", Type::Scalar),
    ("tags/s:x", Type::Member),
    ("tags/i:1", Type::Member),
    ("views#counter", Type::Counter),
    ("notes#text", Type::Text),
    ("items#list", Type::List),
    ("address.notes#text", Type::Text),
    ("address.tags/s:x", Type::Member),
];

/// The fields of one plan, as places in [`FIELDS`]: few, so that edits meet. The first ones are of scalars alone.
const PALETTES: [&[usize]; 21] = [
    &[0],
    &[0, 3],
    &[6],
    &[6, 7],
    &[9],
    &[9, 0],
    &[10],
    &[10, 0],
    &[8, 0],
    &[9, 10],
    &[1, 11, 2],
    &[1, 12],
    &[0, 6, 9, 10],
    &[0, 6, 8, 9, 10],
    &[9, 11],
    &[0, 6],
    &[10, 6],
    &[1, 2],
    &[0, 1, 2, 3, 4, 5],
    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    &[8],
];
/// How many of [`PALETTES`] have scalars alone.
const SCALAR_PALETTES: usize = 2;

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Replaced as a whole.
    Scalar,
    /// A member of a set: there or not.
    Member,
    /// Added to.
    Counter,
    /// Characters in an order.
    Text,
    /// Elements in an order, each replaced as a whole.
    List,
}

/// A plan for a few replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many replicas, within [`REPLICAS`].
    pub replicas: usize,
    /// Which of the lists of fields.
    pub palette: u8,
    /// What the dice of deliveries start from.
    pub seed: u16,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of one replica; numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub what: What,
    /// Which replica.
    pub replica: u8,
    /// Which field of the plan's.
    pub field: u8,
    /// Where in it; of a delivery from whom, of a decision which of the writes there.
    pub at: u8,
    /// What is written; of a delivery which change.
    pub value: u8,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Writes a field.
    Write,
    /// Writes two fields in one change.
    WriteTwo,
    /// Empties a register and all below it; in a text or list takes something out; takes one from a counter.
    Remove,
    /// Decides a register: a value or absent.
    Settle,
    /// Confirms what a register shows.
    Confirm,
    /// Writes a field and says in the same change whether the record is deleted.
    WriteAndDelete,
    /// Deletes the record, or restores it.
    Delete,
    /// Decides whether the record is deleted, as it stands or not.
    SettleDeleted,
    /// Decides the entry that holds some write, and says so.
    Decide,
    /// Says that the entry that holds some write may stay as it is.
    Acknowledge,
    /// Takes a decision or an acknowledgement back.
    Reopen,
    /// Writes a register of ours that makes no entries.
    Note,
    /// Goes on under another actor id.
    Restart,
    /// All replicas receive all there is.
    Meet,
    /// Receives all that another replica has.
    PullAll,
    /// Receives one change that another replica has, with its past.
    PullOne,
}

impl Plan {
    /// The field that a number stands for.
    pub fn field(&self, n: u8) -> (&'static str, Type) {
        let palette = PALETTES[usize::from(self.palette) % PALETTES.len()];
        FIELDS[palette[usize::from(n) % palette.len()]]
    }

    /// The replica that a number stands for.
    pub fn replica(&self, n: u8) -> usize {
        usize::from(n) % self.replicas
    }
}
