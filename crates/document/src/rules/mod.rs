//! Rules: which [`Policy`] an entry of the conflict log gets, as data.
//!
//! A document of rules is TOML or JSON, as people write it; [`Rules::read`] reads it and says where it is wrong.
//! [`Rules::canonical`] is its one form on every device, and what is replicated; the hash of that is the rules'
//! [`RulesVersion`]. The first rule that matches an entry gives its policy; where none does, that is `review`.
//!
//! Matching is a function of the entry, the collection's name and [`Authors`], in time bounded by the bytes of the
//! patterns times those of the names. This module knows nothing of how rules are replicated or who may set them.

mod document;
mod error;
mod explain;
mod fields;
mod matching;
mod pattern;
mod reader;
mod schema;

pub use error::{RulesError, RulesFault};
pub use explain::{Fit, RuleStep, RulesWalk};
pub use matching::{Subject, Writer, Writers};
pub use schema::rules_schema;

use std::fmt;

use crate::conflict::{Entry, Kind};
use crate::policy::{Authors, Policy};
use crate::rules::pattern::{NamePattern, PathPattern};
use crate::value::Value;

/// The version of the documents this Driftless knows.
pub const RULES_FORMAT: u64 = 1;

/// A document of rules, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    canonical: String,
}

/// Names a document of rules: the hash of its canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulesVersion(pub [u8; 32]);

impl RulesVersion {
    /// The version of the rules with this canonical form, known to this Driftless or not.
    pub fn of(canonical: &[u8]) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("driftless rules 1");
        hash.update(canonical);
        Self(*hash.finalize().as_bytes())
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One rule: what it matches, and the policy of what it matches. A condition that is not given holds of everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    name: Option<String>,
    collections: Vec<NamePattern>,
    paths: Vec<PathPattern>,
    types: Vec<ValueType>,
    kinds: Vec<Kind>,
    edits: Range,
    candidates: Range,
    devices: Range,
    some_roles: Vec<String>,
    every_role: Vec<String>,
    owner_wrote: Option<bool>,
    policy: Policy,
}

/// Numbers from the least to the greatest, each given or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    min: Option<u64>,
    max: Option<u64>,
}

impl Range {
    fn has(self, number: usize) -> bool {
        let number = number as u64;
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    fn is_open(self) -> bool {
        self == Self::default()
    }
}

/// The types a rule can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ValueType {
    /// Said to be nothing.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A time.
    Timestamp,
    /// An array or an empty object.
    Json,
}

impl ValueType {
    const ALL: [Self; 8] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::String,
        Self::Bytes,
        Self::Timestamp,
        Self::Json,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
        }
    }

    /// The type of a value; none of those that no register holds or this Driftless does not know.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) | Value::Uint(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
            Value::Timestamp(_) => Self::Timestamp,
            Value::Json(_) => Self::Json,
            _ => return None,
        })
    }
}

/// The kinds a rule can ask for: those that some policy decides.
const KINDS: [Kind; 4] = [
    Kind::RecordDeleted,
    Kind::ListElement,
    Kind::PutDelete,
    Kind::PutPut,
];

static REVIEW: Policy = Policy::Review;

impl Rules {
    /// Reads a document of rules, TOML or JSON: one that begins with `{` is JSON.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        document::read(text)
    }

    /// Reads the canonical form, as it comes from another device.
    ///
    /// Rules of a newer Driftless are [`RulesFault::Newer`].
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, RulesError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RulesFault::NotCanonical)?;
        let rules = document::read_json(text)?;
        if rules.canonical != text {
            return Err(RulesFault::NotCanonical.into());
        }
        Ok(rules)
    }

    /// Their one form: JSON with sorted keys, no spaces and no conditions that say nothing.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What names them.
    pub fn version(&self) -> RulesVersion {
        RulesVersion::of(self.canonical.as_bytes())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none: then everything is left to people.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The name that rule `n` was given, counted from 0.
    pub fn name(&self, n: usize) -> Option<&str> {
        self.rules.get(n)?.name.as_deref()
    }

    /// The policy of rule `n`, counted from 0.
    pub fn policy(&self, n: usize) -> Option<&Policy> {
        self.rules.get(n).map(|rule| &rule.policy)
    }

    /// The names of the custom policies they ask for, sorted.
    pub fn customs(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .rules
            .iter()
            .filter_map(|rule| match &rule.policy {
                Policy::Custom(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The policy of an entry, and the rule it comes from, counted from 0: none where no rule matches.
    ///
    /// Of what the field's type merges no rule says anything.
    pub fn decide(
        &self,
        collection: &str,
        entry: &Entry,
        authors: &dyn Authors,
    ) -> (Option<usize>, &Policy) {
        if self.rules.is_empty() || entry.is_merged_by_type() {
            return (None, &REVIEW);
        }
        let subject = Subject::of(collection, entry, authors);
        let matches = |rule: &Rule| matches!(rule.fit(&subject), Ok(()));
        match self.rules.iter().position(matches) {
            Some(n) => (Some(n), &self.rules[n].policy),
            None => (None, &REVIEW),
        }
    }
}

impl Default for Rules {
    /// No rules: every entry is left to people.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            canonical: document::write(&[]),
        }
    }
}
