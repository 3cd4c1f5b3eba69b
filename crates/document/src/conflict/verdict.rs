//! The second layer: what a contested register shows, and whether a person is needed.

use super::{Entry, Kind, Shown};
use crate::field::{FieldKey, FieldType};
use crate::policy::{Authors, Customs, Policy};

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
    /// What the policy shows, where nobody has decided; none where it falls to `review`.
    pub picked: Option<Shown>,
    /// Whether the policy is a program's own and not installed here: another device may show something else.
    pub provisional: bool,
}

impl Entry {
    /// What `policy` makes of this entry: a pure function of both and of who the authors are.
    ///
    /// No custom policy is installed here: [`Entry::verdict_with`] is given some.
    pub fn verdict(&self, policy: &Policy, authors: &dyn Authors) -> Verdict {
        let picked = policy.pick(self, authors);
        self.judge(picked, matches!(policy, Policy::Custom(_)))
    }

    /// What `policy` makes of this entry, where it may be one of the program's own.
    pub fn verdict_with(
        &self,
        policy: &Policy,
        collection: &str,
        authors: &dyn Authors,
        customs: &Customs,
    ) -> Verdict {
        match policy {
            Policy::Custom(name) if customs.has(name) => {
                let decides = policy.decides(self.kind);
                let picked = customs.pick(name, collection, self, authors);
                self.judge(picked.filter(|_| decides), false)
            }
            _ => self.verdict(policy, authors),
        }
    }

    fn judge(&self, picked: Option<usize>, provisional: bool) -> Verdict {
        let settled = self.is_settled();
        // Without its elements a list would count otherwise on the screen than in the document.
        let takes_out = |n: &usize| {
            self.kind == Kind::ListElement && self.candidates[*n].shown == Shown::Absent
        };
        let picked = picked.filter(|n| !settled && !takes_out(n));
        let status = if settled {
            Status::Resolved
        } else if self.is_acknowledged() {
            Status::Acknowledged
        } else if self.is_agreed() {
            Status::Agreed
        } else if picked.is_some() || self.is_merged_by_type() {
            Status::AutoMerged
        } else {
            Status::Open
        };
        Verdict {
            status,
            resolved: self.outcomes.last().map(|outcome| outcome.shown.clone()),
            picked: picked.map(|n| self.candidates[n].shown.clone()),
            provisional: provisional && !settled,
        }
    }

    /// Whether the field's type merges what overlaps in it: texts, and the members of sets.
    pub fn is_merged_by_type(&self) -> bool {
        let is_member =
            || FieldKey::parse(&self.register).is_some_and(|key| key.kind() == FieldType::Set);
        self.kind == Kind::Text || is_member()
    }
}
