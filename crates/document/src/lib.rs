//! Records of Driftless: their layout, their changes, what of a peer is let in, and what overlapped.
//!
//! This is the only crate that names Automerge. It knows one record at a time and no clock, disk or network.
//!
//! * [`Record`] is one Automerge document with its change graph. A local edit becomes bytes with
//!   [`Record::write`]; those bytes and a peer's alike pass [`Record::admit`] before [`Record::apply`].
//! * [`Row`] is the record as it reads now.
//! * [`evidence`] is the first layer of the conflict log, a pure function of the record's changes;
//!   [`Entry::verdict`] the second: what a [`Policy`] makes of an entry, and [`Rules`] say which policy it gets.
//! * [`History`] says what each change did; [`Record::at`] is the record as it was.
//!
//! Invariant: no byte of a peer reaches Automerge's document before [`Record::admit`] accepted it.

mod admission;
mod change;
mod chunks;
mod codec;
mod conflict;
mod field;
#[cfg(not(feature = "remember-records"))]
mod forgetful;
mod genesis;
mod graph;
mod history;
mod ids;
mod json;
pub mod limits;
mod path;
mod policy;
mod prescan;
mod quiet;
mod record;
mod references;
#[cfg(feature = "remember-records")]
mod remembered;
mod row;
mod rules;
mod sequence;
mod value;
mod void;
mod write;

#[cfg(not(feature = "remember-records"))]
use forgetful as remembered;

pub use admission::{Admission, Admitted, Refusal, read_change};
pub use change::{Action, Change, Operation, change_hash};
pub use codec::DecodeError;
pub use conflict::{
    Agreed, Candidate, Entry, Evidence, Kind, Member, MemberAction, Review, ReviewAction, Shown,
    Span, Status, Verdict, evidence, merged_forks,
};
pub use field::{FieldKey, FieldType};
pub use history::{
    Decided, Deletion, FieldWrite, History, HistoryError, HistoryOptions, HistoryPage, HistoryStep,
    How,
};
pub use ids::{ActorId, ChangeHash, EntryId, OpId, RecordId, Version};
pub use json::{
    JsonError, JsonFault, Nested, Node, Position, canonical_number, element_from_json,
    is_canonical, matches_text, nest, node_from_json, number_text, parse_node, parse_record,
    read_json, reads_as, value_to_json,
};
pub use path::{DELETED, FieldPath, JOINED, PathError, REVIEW};
pub use policy::{Authors, CustomInput, CustomPolicy, Customs, NoAuthors, Policy, ROLES};
pub use quiet::{Panicked, catch as catch_quietly};
pub use record::{ApplyError, LoadError, Record};
#[cfg(feature = "remember-records")]
pub use remembered::{Remembering, remember_records};
pub use row::Row;
pub use rules::{
    Fit, RULES_FORMAT, RuleStep, Rules, RulesError, RulesFault, RulesVersion, RulesWalk, Subject,
    ValueType, Writer, Writers, rules_schema,
};
pub use value::{Fields, Value};
pub use void::{Counted, counting};
pub use write::{Intent, WriteError};
