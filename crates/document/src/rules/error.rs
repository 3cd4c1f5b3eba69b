//! Why a document of rules is refused, and where in it.

use std::fmt;

use crate::limits;

/// A document of rules that cannot be used; its author's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The key at fault, as in `rule[2].policy.rank[1]`, counted from 0; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub fault: RulesFault,
}

/// What is wrong with a document of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesFault {
    /// It is larger than rules are.
    #[error("the rules have {bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The most.
        limit: usize,
    },
    /// It is no TOML.
    #[error("not TOML: {reason}")]
    NotToml {
        /// What the parser says.
        reason: String,
    },
    /// It is no JSON.
    #[error("{reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// It came from another device, and not in the form rules travel in.
    #[error("the rules are not in the form in which they travel")]
    NotCanonical,
    /// It is of a version this Driftless does not know.
    #[error("version {version} is of a newer Driftless; this one knows version {known}")]
    Newer {
        /// Its version.
        version: u64,
        /// The one that is known.
        known: u64,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key nobody knows.
    #[error("there is no such key; here are {known}")]
    UnknownKey {
        /// Those there are.
        known: String,
    },
    /// Something of another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What is expected, with its article.
        expected: &'static str,
        /// What it is, with its article.
        found: &'static str,
    },
    /// A word that is none of those there are.
    #[error("{found:?} is none of {known}")]
    NotOneOf {
        /// The word.
        found: String,
        /// Those there are.
        known: String,
    },
    /// A number that is too small, too large, or has a fraction.
    #[error("expected a whole number from {min} to {max}")]
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// A range without a number in it.
    #[error("`min` is greater than `max`: nothing matches")]
    EmptyRange,
    /// More than there may be.
    #[error("{count} {what}, at most {limit} are taken")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// A list or a text with nothing in it.
    #[error("it is empty")]
    Empty,
    /// Something that stands twice in a list.
    #[error("{value} stands twice")]
    Twice {
        /// What.
        value: String,
    },
    /// A control character, which a list on a terminal cannot show.
    #[error("it has a control character")]
    ControlCharacter,
    /// A pattern that is none.
    #[error("{reason}")]
    Pattern {
        /// Why.
        reason: String,
    },
    /// A rule that can match nothing, because its policy does not decide what it asks for.
    #[error("`{policy}` does not decide conflicts of kind {kinds}")]
    DecidesNothing {
        /// The policy.
        policy: &'static str,
        /// The kinds the rule asks for.
        kinds: String,
    },
    /// A rule on fields whose policy decides about records.
    #[error("`{policy}` decides about whole records, so the rule can have no `{key}`")]
    NotOfFields {
        /// The policy.
        policy: &'static str,
        /// The key.
        key: &'static str,
    },
}

impl From<RulesFault> for RulesError {
    fn from(fault: RulesFault) -> Self {
        Self {
            at: String::new(),
            fault,
        }
    }
}

impl RulesError {
    pub(super) fn too_large(bytes: usize, limit: usize) -> Self {
        RulesFault::TooLarge { bytes, limit }.into()
    }

    /// What the author does about it.
    pub fn remedy(&self) -> String {
        match &self.fault {
            RulesFault::Newer { .. } => "Update Driftless on this device.".into(),
            RulesFault::TooLarge { .. } | RulesFault::TooMany { .. } => format!(
                "Write fewer or shorter rules: a pattern with * stands for many names, and {} rules are the most.",
                limits::RULES
            ),
            _ => "Mend the file there; `driftless rules check FILE` tries it without setting it."
                .into(),
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            self.fault.fmt(f)
        } else {
            write!(f, "{}: {}", self.at, self.fault)
        }
    }
}

impl std::error::Error for RulesError {}
