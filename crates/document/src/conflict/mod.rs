//! The conflict log of one record, in two layers.
//!
//! *Evidence* (what overlapped) is a pure function of the record's changes: [`evidence`]. The *verdict* (what
//! is shown, whether a person is needed) is a function of the evidence and the policy: [`Entry::verdict`].
//! Equal changes give byte-identical entries, in whatever order they came.

mod episode;
mod evidence;
mod forks;
mod verdict;

pub use evidence::evidence;
pub use verdict::{Status, Verdict};

use crate::codec::{self, Decode, DecodeError, Encode};
use crate::ids::{ActorId, ChangeHash, EntryId, OpId};
use crate::value::Value;

/// What overlapped in one record.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Evidence {
    /// The entries, ordered by register and then by their smallest operation; none that is merely agreed.
    pub entries: Vec<Entry>,
    /// Whether some overlap, agreed ones included, is not settled yet: then the next write may change this.
    pub unsettled: bool,
}

/// One episode: a connected group of writes of one register that contest each other.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Entry {
    /// Its name on every replica: that of its smallest operation.
    pub id: EntryId,
    /// The names it goes by as well: a late change can join episodes, and their ids keep working.
    pub also: Vec<EntryId>,
    /// The key of the register.
    pub register: String,
    /// What kind of overlap it is.
    pub kind: Kind,
    /// What the register read in the common past of all members, smallest operation first.
    pub base: Vec<Shown>,
    /// What can be chosen from, in (counter, actor) order.
    pub candidates: Vec<Candidate>,
    /// Every write and touch of the episode, in (counter, actor) order: all stay readable for good.
    pub members: Vec<Member>,
    /// The writes that settled it, in (counter, actor) order; the last one is shown. Empty while unsettled.
    pub outcomes: Vec<Candidate>,
}

/// What kind of overlap an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[non_exhaustive]
pub enum Kind {
    /// A constraint that holds of each side, and not of both.
    Integrity,
    /// The record was deleted on one side and edited or restored on the other.
    RecordDeleted,
    /// One text was edited in one place on both sides.
    Text,
    /// One list element was written on both sides.
    ListElement,
    /// One side emptied the field, the other gave it a value.
    PutDelete,
    /// Both sides gave the field a value.
    PutPut,
}

impl Kind {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::RecordDeleted => "record_deleted",
            Self::Text => "text",
            Self::ListElement => "list_element",
            Self::PutDelete => "put_delete",
            Self::PutPut => "put_put",
        }
    }
}

/// What a register reads, as one side has it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[non_exhaustive]
pub enum Shown {
    /// A value.
    Value(Value),
    /// Nothing; of a record: it is deleted.
    Absent,
    /// Of a record: it is kept.
    Keep,
}

/// One side of an entry, or one decision on it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Candidate {
    /// What the register reads at that change.
    pub shown: Shown,
    /// The operation; where several are one candidate, the smallest.
    pub operation: OpId,
    /// Its change.
    pub change: ChangeHash,
    /// When the change claims to have been made: wall milliseconds shifted by 12 bits, plus a counter.
    pub time: i64,
}

impl Candidate {
    /// Who made it.
    pub fn actor(&self) -> ActorId {
        self.operation.actor
    }
}

/// One write or touch of an episode.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Member {
    /// Its operation.
    pub operation: OpId,
    /// What it did.
    pub action: MemberAction,
    /// Its change.
    pub change: ChangeHash,
    /// When the change claims to have been made.
    pub time: i64,
    /// Whether it is, or is part of, a candidate.
    pub candidate: bool,
}

/// What a member did to its register.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[non_exhaustive]
pub enum MemberAction {
    /// Gave it a value.
    Put(Value),
    /// Emptied it.
    Delete,
    /// Edited a field of the record, and so wants the record kept.
    Touch,
}

const FORMAT: u8 = 1;

impl Evidence {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(FORMAT, self)
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode("conflict entries", FORMAT, bytes)
    }
}
