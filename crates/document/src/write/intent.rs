//! What a user wants of one field, and why it cannot be had.

use crate::field::FieldType;
use crate::limits;
use crate::value::Value;

/// One thing a user wants of one field.
///
/// `key` is a register's key; `path` a field's path, as text, without what says its type. Of a field that is a
/// counter, text, list or set, `Put` under its path means the steps that make it read so: an increment, edits, the
/// elements or members that differ. A list and a set are given as a JSON array.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Intent {
    /// The register shall hold this value, alone. Nothing is written where it does already.
    Put {
        /// The register's key.
        key: String,
        /// The value.
        value: Value,
    },
    /// The field shall be absent, and all fields below it; a text or list shall be empty.
    Remove {
        /// The register's key.
        key: String,
    },
    /// This one register shall be absent, whatever lies below it.
    Clear {
        /// The register's key.
        key: String,
    },
    /// The register's overlapping edits are decided: written even where the value stands already.
    Settle {
        /// The register's key; that of a list's element, too.
        key: String,
        /// The value, or none for absent.
        value: Option<Value>,
    },
    /// A counter shall be so much more, or less. It is made where it is not there.
    Increment {
        /// The field's path.
        path: String,
        /// What is added.
        by: i64,
    },
    /// In a text, some characters shall go and others stand in their place. It is made where it is not there.
    Splice {
        /// The field's path.
        path: String,
        /// Where, in Unicode code points from its beginning.
        at: usize,
        /// How many code points go.
        delete: usize,
        /// What is put there.
        insert: String,
    },
    /// A text shall go on with these characters. It is made where it is not there.
    AppendText {
        /// The field's path.
        path: String,
        /// What is put at its end.
        text: String,
    },
    /// A text shall read so; what it reads alike already is left alone.
    ReplaceText {
        /// The field's path.
        path: String,
        /// The whole text.
        text: String,
    },
    /// New elements in a list. It is made where it is not there.
    InsertElements {
        /// The field's path.
        path: String,
        /// Before which element, from 0; none for the end.
        at: Option<usize>,
        /// Their values.
        values: Vec<Value>,
    },
    /// An element of a list shall have this value.
    PutElement {
        /// The field's path.
        path: String,
        /// Which, from 0.
        at: usize,
        /// Its value.
        value: Value,
    },
    /// Some elements of a list shall go.
    RemoveElements {
        /// The field's path.
        path: String,
        /// The first, from 0.
        at: usize,
        /// How many.
        count: usize,
    },
    /// A set shall have this member, whoever removes it at the same time. It is written in any case.
    AddMember {
        /// The field's path.
        path: String,
        /// A string, integer, boolean or finite number.
        member: Value,
    },
    /// A set shall not have this member. Nothing is written where it has not.
    RemoveMember {
        /// The field's path.
        path: String,
        /// The member.
        member: Value,
    },
}

/// Why an intent cannot become a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The key names no register, or one that cannot hold that.
    #[error("`{key}` is not the key of a field")]
    NotAField {
        /// The key.
        key: String,
    },
    /// The value cannot be kept.
    #[error("the value of `{key}` is not a finite number")]
    NotFinite {
        /// The key.
        key: String,
    },
    /// The value is not in the one form it is kept in.
    #[error(
        "the value of `{key}` is not in the form it is kept in: JSON with sorted keys and no spaces, bytes as bytes"
    )]
    NotCanonical {
        /// The key.
        key: String,
    },
    /// The field has another type, so it is changed by other means.
    #[error("the field `{path}` is a {is}, not a {wanted}", is = is.as_str(), wanted = wanted.as_str())]
    OtherType {
        /// The field's path.
        path: String,
        /// What it is.
        is: FieldType,
        /// What it would have to be.
        wanted: FieldType,
    },
    /// The counter or text was to be given a value of another kind.
    #[error("the field `{path}` is a {is} and cannot be set to that: {remedy}", is = is.as_str())]
    DoesNotFit {
        /// The field's path.
        path: String,
        /// What it is.
        is: FieldType,
        /// What can be done.
        remedy: &'static str,
    },
    /// A field inside one that is a counter, text, list or set.
    #[error("the field `{path}` is a {is}, which has no fields inside it", is = is.as_str())]
    HasNoFields {
        /// The outer field's path.
        path: String,
        /// What it is.
        is: FieldType,
    },
    /// A counter, text, list or set was to be made of an object.
    #[error("the field `{path}` has fields inside it and cannot be a {wanted}", wanted = wanted.as_str())]
    HasFields {
        /// The field's path.
        path: String,
        /// What was to be made of it.
        wanted: FieldType,
    },
    /// A value was to stand in the place of an object that has a counter, text or list, which are there for good.
    #[error("the field `{path}` cannot be one value: the {is} `{inside}` inside it stays", is = is.as_str())]
    StaysInside {
        /// The field's path.
        path: String,
        /// The path of what stays.
        inside: String,
        /// What that is.
        is: FieldType,
    },
    /// A counter was to be unset: increments made elsewhere would be lost.
    #[error("the counter `{path}` cannot be unset; set it to 0")]
    CannotUnset {
        /// The field's path.
        path: String,
    },
    /// A place behind the end of a text or list.
    #[error("the {kind} `{path}` has {length} {what}; there is no place {at}", kind = kind.as_str(), what = if *kind == FieldType::Text { "characters" } else { "elements" })]
    OutOfRange {
        /// The field's path.
        path: String,
        /// A text or a list.
        kind: FieldType,
        /// The place that was asked for.
        at: usize,
        /// How long it is.
        length: usize,
    },
    /// More at once than a counter takes.
    #[error("the counter `{path}` takes increments of at most {limit}, not {by}", limit = limits::INCREMENT)]
    IncrementTooLarge {
        /// The field's path.
        path: String,
        /// What was to be added.
        by: i64,
    },
    /// A set has no such members.
    #[error(
        "a member of the set `{path}` is a text, a number or true or false, with its path at most {max_bytes} bytes",
        max_bytes = limits::KEY_BYTES
    )]
    NotAMember {
        /// The field's path.
        path: String,
    },
    /// More than fits into one change.
    #[error(
        "the edit makes {count} {what}, one change holds at most {limit}; write it in smaller parts"
    )]
    TooMuch {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The record's history has as many operations as one may.
    #[error(
        "the record's history has {limit} operations, which is the most one can have",
        limit = limits::RECORD_OPERATIONS
    )]
    RecordFull,
}
