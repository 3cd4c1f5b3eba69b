//! What people decide again and again, a policy can decide: suggestions from the decisions on a field.
//!
//! A suggestion is a guess for a person to judge. Nothing is decided by it.

use std::cmp::Ordering;

use driftless_document::{Candidate, Entry, Kind, ReviewAction, Shown, Value};

/// Decisions on a field from which a suggestion is made: fewer may be chance.
const DECISIONS: u64 = 5;
/// Of a hundred decisions, how many a policy must have foretold.
const PERCENT: u64 = 90;

/// A policy that would have decided as people did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The collection.
    pub collection: String,
    /// The field's path, or `$deleted`.
    pub path: String,
    /// The name of the policy.
    pub policy: &'static str,
    /// How many entries of the field people have decided.
    pub decisions: u64,
    /// How many of these the policy would have decided alike.
    pub alike: u64,
}

/// A policy that is tried on decisions: which candidate it picks, if it can.
type Pick = fn(&[Candidate]) -> Option<&Candidate>;

/// What is tried, the more telling first: of two that foretell as much the first is suggested.
const POLICIES: [(&str, Pick); 8] = [
    ("any_true", |sides| {
        all_bools(sides).then(|| bool_side(sides, true))?
    }),
    ("all_true", |sides| {
        all_bools(sides).then(|| bool_side(sides, false))?
    }),
    ("max", |sides| greatest(sides, compare)),
    ("min", |sides| {
        greatest(sides, |a, b| Some(compare(a, b)?.reverse()))
    }),
    ("longest", |sides| greatest(sides, compare_lengths)),
    ("edit_wins", |sides| {
        sides.iter().find(|side| side.shown == Shown::Keep)
    }),
    ("delete_wins", |sides| {
        let is_of_record = sides.iter().any(|side| side.shown == Shown::Keep);
        sides
            .iter()
            .find(|side| is_of_record && side.shown == Shown::Absent)
    }),
    ("latest", |sides| sides.iter().max_by_key(|side| side.time)),
];

/// How often each policy would have decided as people did.
#[derive(Clone, Debug, Default)]
pub(super) struct Foretold {
    decisions: u64,
    alike: [u64; POLICIES.len()],
}

impl Foretold {
    /// Takes note of an entry, if a person has decided it.
    pub(super) fn add(&mut self, entry: &Entry) {
        let is_decision =
            |what: &ReviewAction| matches!(what, ReviewAction::Keep | ReviewAction::Merge);
        let mut reviews = entry.reviews.iter();
        let by_person = reviews.any(|review| review.stands && is_decision(&review.what));
        let Some(outcome) = entry.outcomes.last().filter(|_| by_person) else {
            return;
        };
        // Texts and shapes have no policies.
        if matches!(entry.kind, Kind::Text | Kind::Integrity) {
            return;
        }
        self.decisions += 1;
        for ((_, pick), alike) in POLICIES.iter().zip(&mut self.alike) {
            let picked = pick(&entry.candidates).map(|side| &side.shown);
            *alike += u64::from(picked == Some(&outcome.shown));
        }
    }

    /// The policy that is suggested, if the decisions say enough.
    pub(super) fn suggestion(&self, collection: &str, path: &str) -> Option<Suggestion> {
        let tried = POLICIES.iter().zip(self.alike);
        // Of equals the last is taken: so they are looked at from the end.
        let ((policy, _), alike) = tried.rev().max_by_key(|(_, alike)| *alike)?;
        let is_enough = self.decisions >= DECISIONS && alike * 100 >= self.decisions * PERCENT;
        is_enough.then(|| Suggestion {
            collection: collection.to_owned(),
            path: path.to_owned(),
            policy,
            decisions: self.decisions,
            alike,
        })
    }
}

fn all_bools(sides: &[Candidate]) -> bool {
    sides
        .iter()
        .all(|side| matches!(side.shown, Shown::Value(Value::Bool(_))))
}

/// The side that says so; where none does, all say the other.
fn bool_side(sides: &[Candidate], wanted: bool) -> Option<&Candidate> {
    let says_so = |side: &&Candidate| side.shown == Shown::Value(Value::Bool(wanted));
    sides.iter().find(says_so).or_else(|| sides.first())
}

/// The side with the greatest value, where all can be compared.
fn greatest(
    sides: &[Candidate],
    compare: fn(&Value, &Value) -> Option<Ordering>,
) -> Option<&Candidate> {
    let mut best: Option<(&Candidate, &Value)> = None;
    for side in sides {
        let Shown::Value(value) = &side.shown else {
            return None;
        };
        let is_better = match best {
            None => compare(value, value).map(|_| true)?,
            Some((_, greatest)) => compare(value, greatest)? == Ordering::Greater,
        };
        if is_better {
            best = Some((side, value));
        }
    }
    best.map(|(side, _)| side)
}

/// Numbers and times by size; nothing else.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    let whole = |value: &Value| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    match (a, b) {
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        _ => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

fn compare_lengths(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.chars().count().cmp(&b.chars().count())),
        _ => None,
    }
}
