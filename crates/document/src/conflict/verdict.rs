//! The second layer: whether a person is needed.

use super::{Entry, Kind, Shown};
use crate::field::{FieldKey, FieldType};

/// The rule that picks what a contested field shows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Automerge's own pick is shown, the same everywhere, and the entry stays open for a person.
    #[default]
    Review,
}

impl Policy {
    /// The stable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Review => "review",
        }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// A later write knew every member.
    Resolved,
    /// Somebody who saw every member said it may stay as it is.
    Acknowledged,
    /// All sides want the same.
    Agreed,
    /// Decided by the field's type or a policy.
    AutoMerged,
    /// A person has to decide.
    Open,
}

impl Status {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Agreed => "agreed",
            Self::AutoMerged => "auto_merged",
            Self::Open => "open",
        }
    }
}

/// What a policy makes of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where it stands.
    pub status: Status,
    /// What was decided: the last outcome's value, where it is resolved.
    pub resolved: Option<Shown>,
}

impl Entry {
    /// What `policy` makes of this entry: a pure function of both.
    pub fn verdict(&self, policy: &Policy) -> Verdict {
        let Policy::Review = policy;
        let status = if self.is_settled() {
            Status::Resolved
        } else if self.is_acknowledged() {
            Status::Acknowledged
        } else if self.is_agreed() {
            Status::Agreed
        } else if self.is_merged_by_type() {
            Status::AutoMerged
        } else {
            Status::Open
        };
        Verdict {
            status,
            resolved: self.outcomes.last().map(|outcome| outcome.shown.clone()),
        }
    }

    /// Whether the field's type merges what overlaps in it: texts, and the members of sets.
    pub fn is_merged_by_type(&self) -> bool {
        let is_member =
            || FieldKey::parse(&self.register).is_some_and(|key| key.kind() == FieldType::Set);
        self.kind == Kind::Text || is_member()
    }
}
