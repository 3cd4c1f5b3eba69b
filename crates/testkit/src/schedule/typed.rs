//! Writes to counters, texts, lists and sets.
//!
//! Each type has a field of its own, and there is one field more that is everything: a value to one device and a
//! list to another, which the log has to say.

use super::{FIELDS, STRINGS};

/// What is written to a counter, text, list or set of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedWrite {
    /// Which record.
    pub record: u8,
    /// Whether the field is the one that others write as a value, or as another type.
    pub shared: bool,
    /// What is done.
    pub edit: TypedEdit,
}

/// What is done to a counter, text, list or set; a place is reduced to what there is when it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedEdit {
    /// A counter is so much more.
    Increment(i8),
    /// Characters of a text go, and others are put there.
    Splice {
        /// Where.
        at: u8,
        /// How many go.
        delete: u8,
        /// Which of [`STRINGS`] comes.
        insert: u8,
    },
    /// A text goes on with one of [`STRINGS`].
    Append(u8),
    /// A text shall read as one of [`STRINGS`].
    Replace(u8),
    /// A number is put at the end of a list.
    Push(u8),
    /// A number is put into a list.
    InsertAt {
        /// Before which element.
        at: u8,
        /// The number.
        value: u8,
    },
    /// An element of a list is another number.
    PutAt {
        /// Which.
        at: u8,
        /// The number.
        value: u8,
    },
    /// Elements of a list go.
    RemoveAt {
        /// The first.
        at: u8,
        /// How many.
        count: u8,
    },
    /// A set gets a member.
    Add(u8),
    /// A member of a set goes.
    Remove(u8),
}

/// The bit of a step's second argument that means the shared field; below it stands the record, above it a place.
const SHARED: u8 = 0x10;
const AT_SHIFT: u8 = 5;
const NUMBERS: u8 = 16;

impl TypedWrite {
    /// The field it writes.
    pub fn field(self) -> &'static str {
        if self.shared {
            return FIELDS[3];
        }
        match self.edit {
            TypedEdit::Increment(_) => "n",
            TypedEdit::Splice { .. } | TypedEdit::Append(_) | TypedEdit::Replace(_) => "t",
            TypedEdit::Push(_)
            | TypedEdit::InsertAt { .. }
            | TypedEdit::PutAt { .. }
            | TypedEdit::RemoveAt { .. } => "l",
            TypedEdit::Add(_) | TypedEdit::Remove(_) => "s",
        }
    }

    fn of(b: u8, edit: TypedEdit) -> Self {
        Self {
            record: b % NUMBERS,
            shared: b & SHARED != 0,
            edit,
        }
    }

    pub(super) fn increment([b, c]: [u8; 2]) -> Self {
        Self::of(
            b,
            TypedEdit::Increment([1, 2, 3, 4, 0, -1, -2, -3][usize::from(c % 8)]),
        )
    }

    pub(super) fn text([b, c]: [u8; 2]) -> Self {
        let insert = c >> 2 & 7;
        let edit = match c >> 5 & 3 {
            0 | 1 => TypedEdit::Splice {
                at: b >> AT_SHIFT,
                delete: c & 3,
                insert,
            },
            2 => TypedEdit::Append(insert),
            _ => TypedEdit::Replace(insert),
        };
        Self::of(b, edit)
    }

    pub(super) fn list([b, c]: [u8; 2]) -> Self {
        let (at, value) = (b >> AT_SHIFT, c >> 2 & 3);
        let edit = match c & 3 {
            0 => TypedEdit::Push(value),
            1 => TypedEdit::InsertAt { at, value },
            2 => TypedEdit::PutAt { at, value },
            _ => TypedEdit::RemoveAt {
                at,
                count: 1 + value,
            },
        };
        Self::of(b, edit)
    }

    pub(super) fn member([b, c]: [u8; 2]) -> Self {
        let member = c >> 1 & 3;
        let edit = if c & 1 == 0 {
            TypedEdit::Add(member)
        } else {
            TypedEdit::Remove(member)
        };
        Self::of(b, edit)
    }

    /// What [`TypedWrite::increment`] and the others read.
    pub(super) fn arguments(self) -> [u8; 2] {
        let (at, c) = match self.edit {
            TypedEdit::Increment(by) => {
                let low = by.to_le_bytes()[0];
                (
                    0,
                    if by > 0 {
                        low - 1
                    } else {
                        4 + by.unsigned_abs()
                    },
                )
            }
            TypedEdit::Splice { at, delete, insert } => (at, insert << 2 | delete),
            TypedEdit::Append(insert) => (0, 2 << 5 | insert << 2),
            TypedEdit::Replace(insert) => (0, 3 << 5 | insert << 2),
            TypedEdit::Push(value) => (0, value << 2),
            TypedEdit::InsertAt { at, value } => (at, value << 2 | 1),
            TypedEdit::PutAt { at, value } => (at, value << 2 | 2),
            TypedEdit::RemoveAt { at, count } => (at, (count - 1) << 2 | 3),
            TypedEdit::Add(member) => (0, member << 1),
            TypedEdit::Remove(member) => (0, member << 1 | 1),
        };
        let shared = if self.shared { SHARED } else { 0 };
        [self.record | shared | at << AT_SHIFT, c]
    }

    pub(super) fn told(self) -> String {
        let field = self.field();
        let here = format!("of record {}", self.record);
        let text = |n: u8| STRINGS[usize::from(n) % STRINGS.len()];
        match self.edit {
            TypedEdit::Increment(by) => format!("adds {by} to the counter {field} {here}"),
            TypedEdit::Splice { at, delete, insert } => format!(
                "takes {delete} characters at {at} out of the text {field} {here} and puts {:?} there",
                text(insert)
            ),
            TypedEdit::Append(n) => format!("appends {:?} to the text {field} {here}", text(n)),
            TypedEdit::Replace(n) => format!("makes the text {field} {here} read {:?}", text(n)),
            TypedEdit::Push(value) => format!("pushes {value} to the list {field} {here}"),
            TypedEdit::InsertAt { at, value } => {
                format!("puts {value} at place {at} into the list {field} {here}")
            }
            TypedEdit::PutAt { at, value } => {
                format!("makes element {at} of the list {field} {here} {value}")
            }
            TypedEdit::RemoveAt { at, count } => {
                format!("removes {count} elements at {at} of the list {field} {here}")
            }
            TypedEdit::Add(member) => format!("adds member {member} to the set {field} {here}"),
            TypedEdit::Remove(member) => {
                format!("removes member {member} from the set {field} {here}")
            }
        }
    }
}
