//! The conflict log of one record, in two layers.
//!
//! *Evidence* (what overlapped) is a pure function of the record's changes: [`evidence`]. The *verdict* (what
//! is shown, whether a person is needed) is a function of the evidence and the policy: [`Entry::verdict`].
//! Equal changes give byte-identical entries, in whatever order they came.

mod clocks;
mod contest;
mod deleted;
mod episode;
mod evidence;
mod forks;
mod history;
mod ledger;
mod reviews;
mod settle;
mod shape;
mod tally;
mod text;
mod update;
mod verdict;
mod window;

pub use evidence::evidence;
pub(crate) use ledger::Ledger;
pub use tally::merged_forks;
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
    /// The registers with overlaps that are merely agreed and not settled, in order.
    pub agreed: Vec<Agreed>,
}

/// That the overlaps of a register are merely agreed, so that there is no entry until somebody settles them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Agreed {
    /// The key of the register.
    pub register: String,
    /// The change of their smallest member.
    pub change: ChangeHash,
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
    /// Every write and touch of the episode, in (counter, actor) order: all stay readable for good. An integrity
    /// entry has none.
    pub members: Vec<Member>,
    /// The writes that settled it, in (counter, actor) order; the last one is shown. Empty while unsettled.
    pub outcomes: Vec<Candidate>,
    /// Of a text: where in each candidate's text the members lie that it is, or knew of, from the start.
    pub spans: Vec<Span>,
    /// What was noted about it, in (counter, actor) order.
    pub reviews: Vec<Review>,
}

impl Entry {
    /// Whether it is settled: somebody who knew every member wrote the register, and it was not opened again.
    pub fn is_settled(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// Whether somebody who knew all of it said that it may stay as it is, and nobody opened it again.
    pub fn is_acknowledged(&self) -> bool {
        let is_acknowledgement =
            |what: &ReviewAction| matches!(what, ReviewAction::Acknowledge { .. });
        let mut reviews = self.reviews.iter();
        reviews.any(|review| review.stands && is_acknowledgement(&review.what))
    }

    /// Whether all sides want the same. Two sides of a text never do: where both put in the same, it is there
    /// twice.
    pub fn is_agreed(&self) -> bool {
        let mut pairs = self.candidates.windows(2);
        !matches!(self.kind, Kind::Text | Kind::Integrity)
            && pairs.all(|pair| pair[0].shown == pair[1].shown)
    }

    /// The names it answers to.
    pub fn names(&self) -> impl Iterator<Item = EntryId> + '_ {
        std::iter::once(self.id).chain(self.also.iter().copied())
    }
}

/// Where members of a text's entry lie in one candidate's text: in characters (Unicode code points).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Span {
    /// The change of the candidate.
    pub change: ChangeHash,
    /// Where in the candidate's text it begins.
    pub at: u64,
    /// How many characters were removed there.
    pub deleted: u64,
    /// How many characters from there on were put in.
    pub inserted: u64,
}

/// What one change noted about an entry.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Review {
    /// Its operation.
    pub operation: OpId,
    /// Its change.
    pub change: ChangeHash,
    /// When the change claims to have been made.
    pub time: i64,
    /// What it says.
    pub what: ReviewAction,
    /// Whether that holds now: of a decision, that it is one of the outcomes; of an acknowledgement, that it knew
    /// all there is and was not withdrawn; of a reopening, that it withdrew what was decided.
    pub stands: bool,
}

/// What a review says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ReviewAction {
    /// One of the candidates was taken.
    Keep,
    /// Another value was taken.
    Merge,
    /// Both sides of a text or list stay.
    Both,
    /// It may stay as it is.
    Acknowledge {
        /// Why, in the words of who said it; at most [`limits::REVIEW_CHARACTERS`](crate::limits::REVIEW_CHARACTERS).
        note: String,
    },
    /// What was decided or acknowledged is withdrawn.
    Reopen,
    /// Something that this build does not know.
    Other(String),
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
    /// Of a field that holds a value: the fields below it.
    Fields,
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
    /// Edited a text: each side in the order of the text, at most
    /// [`limits::SHOWN_EDIT_CHARACTERS`](crate::limits::SHOWN_EDIT_CHARACTERS) of it.
    Text {
        /// What it removed.
        deleted: String,
        /// What it put in, without what it removed again.
        inserted: String,
    },
}

const FORMAT: u8 = 2;

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
