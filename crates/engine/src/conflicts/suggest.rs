//! What people decide again and again, a policy can decide: suggestions from the decisions on a field.
//!
//! A suggestion is a guess for a person to judge. Nothing is decided by it.

use driftless_document::{Authors, Entry, Kind, Policy, ReviewAction, Shown};

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

/// What is tried, the more telling first: of two that foretell as much the first is suggested.
const POLICIES: [Policy; 11] = [
    Policy::AnyTrue,
    Policy::AllTrue,
    Policy::Max,
    Policy::Min,
    Policy::Longest,
    Policy::EditWins,
    Policy::DeleteWins,
    Policy::PreferOwner,
    Policy::MostEdits,
    Policy::Latest,
    Policy::FirstEdit,
];

/// How often each policy would have decided as people did.
#[derive(Clone, Debug, Default)]
pub(super) struct Foretold {
    decisions: u64,
    alike: [u64; POLICIES.len()],
}

impl Foretold {
    /// Takes note of an entry, if a person has decided it.
    pub(super) fn add(&mut self, entry: &Entry, authors: &dyn Authors) {
        let is_decision =
            |what: &ReviewAction| matches!(what, ReviewAction::Keep | ReviewAction::Merge);
        let mut reviews = entry.reviews.iter();
        let by_person = reviews.any(|review| review.stands && is_decision(&review.what));
        let Some(outcome) = entry.outcomes.last().filter(|_| by_person) else {
            return;
        };
        // Of these rules say nothing.
        if entry.is_merged_by_type() || entry.kind == Kind::Integrity {
            return;
        }
        self.decisions += 1;
        for (policy, alike) in POLICIES.iter().zip(&mut self.alike) {
            let picked = policy.pick(entry, authors);
            let picked = picked.map(|side| &entry.candidates[side].shown);
            // No policy takes an element out of a list.
            let takes_out = entry.kind == Kind::ListElement && picked == Some(&Shown::Absent);
            *alike += u64::from(picked == Some(&outcome.shown) && !takes_out);
        }
    }

    /// The policy that is suggested, if the decisions say enough.
    pub(super) fn suggestion(&self, collection: &str, path: &str) -> Option<Suggestion> {
        let tried = POLICIES.iter().zip(self.alike);
        // Of equals the last is taken: so they are looked at from the end.
        let (policy, alike) = tried.rev().max_by_key(|(_, alike)| *alike)?;
        let is_enough = self.decisions >= DECISIONS && alike * 100 >= self.decisions * PERCENT;
        is_enough.then(|| Suggestion {
            collection: collection.to_owned(),
            path: path.to_owned(),
            policy: policy.as_str(),
            decisions: self.decisions,
            alike,
        })
    }
}
