//! A field that has both a value and fields below it.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{
    Action, Candidate, Entry, Kind, OpId, Review, ReviewAction, Shown, Status,
};

use super::names::shape_id;
use super::reviews::Said;
use super::{Episode, Oracle};

impl Oracle<'_> {
    /// The entries of the fields that have both, each open for as long as it is so.
    pub(super) fn shapes(&self, reviews: &[Said]) -> Vec<Episode> {
        // What is live of each key, smallest operation first; what cannot be emptied is live for good.
        let mut live = BTreeMap::<&str, BTreeMap<OpId, Shown>>::new();
        let mut dead = BTreeSet::new();
        for change in self.changes {
            for (id, operation) in change.numbered() {
                if operation.key.starts_with('$') {
                    continue;
                }
                let shown = match &operation.action {
                    Action::Delete => None,
                    Action::Put(value) => Some(Shown::Value(value.clone())),
                    _ => Some(Shown::Fields),
                };
                if matches!(operation.action, Action::Put(_) | Action::Delete) {
                    dead.extend(operation.pred.iter().copied());
                }
                live.entry(&operation.key)
                    .or_default()
                    .extend(shown.map(|shown| (id, shown)));
            }
        }
        for values in live.values_mut() {
            values.retain(|id, _| !dead.contains(id));
        }
        live.retain(|_, values| !values.is_empty());
        let is_value = |key: &str, values: &BTreeMap<OpId, Shown>| {
            !values.values().any(|shown| *shown == Shown::Fields) && !has_type(key)
        };
        let values = live.iter().filter(|(key, values)| is_value(key, values));
        values
            .filter_map(|(key, values)| {
                let prefix = format!("{key}.");
                let below = live.iter().filter(|(other, _)| other.starts_with(&prefix));
                // Of what cannot be emptied its first operation stands for all.
                let mut standing = BTreeSet::new();
                for (_, values) in below {
                    let objects = values.values().any(|shown| *shown == Shown::Fields);
                    let count = if objects { 1 } else { values.len() };
                    standing.extend(values.keys().take(count).copied());
                }
                (!standing.is_empty()).then(|| self.shape(key, values, &standing, reviews))
            })
            .collect()
    }

    fn shape(
        &self,
        key: &str,
        values: &BTreeMap<OpId, Shown>,
        below: &BTreeSet<OpId>,
        reviews: &[Said],
    ) -> Episode {
        let id = shape_id(self.collection, self.record, key);
        let sides = values.iter().map(|(id, shown)| (*id, shown.clone()));
        let sides = sides.chain(below.first().map(|first| (*first, Shown::Fields)));
        let candidate = |(operation, shown): (OpId, Shown)| {
            let change = &self.changes[self.change_of(operation)];
            Candidate {
                shown,
                operation,
                change: change.hash,
                time: change.time,
            }
        };
        let candidates = sides.map(candidate).collect();
        let standing: Vec<usize> = values
            .keys()
            .chain(below)
            .map(|id| self.change_of(*id))
            .collect();
        let reviews = self.reviews_of_shape(&Self::naming(reviews, &[id]), &standing);
        let acknowledged = reviews.iter().any(|review| review.stands);
        let entry = Entry {
            id,
            also: Vec::new(),
            register: key.to_owned(),
            kind: Kind::Integrity,
            base: Vec::new(),
            candidates,
            members: Vec::new(),
            outcomes: Vec::new(),
            reviews,
            spans: Vec::new(),
        };
        Episode {
            entry,
            settled: false,
            status: if acknowledged {
                Status::Acknowledged
            } else {
                Status::Open
            },
        }
    }

    /// What was said of it: an acknowledgement stands if it knew of all that stands.
    fn reviews_of_shape(&self, named: &[Said], standing: &[usize]) -> Vec<Review> {
        let stands = |said: &Said| {
            let mut reopened = named.iter().filter(|s| s.what == ReviewAction::Reopen);
            matches!(said.what, ReviewAction::Acknowledge { .. })
                && standing.iter().all(|&n| self.precedes(n, said.change))
                && !reopened.any(|reopening| self.precedes(said.change, reopening.change))
        };
        let review = |said: &Said| Review {
            operation: said.operation,
            change: self.changes[said.change].hash,
            time: self.changes[said.change].time,
            what: said.what.clone(),
            stands: stands(said),
        };
        named.iter().map(review).collect()
    }

    fn change_of(&self, operation: OpId) -> usize {
        let mut changes = self.changes.iter();
        let is_its = |change: &driftless_document::Change| {
            change.actor == operation.actor
                && (change.start_op..=change.max_op()).contains(&operation.counter)
        };
        changes
            .position(is_its)
            .expect("a live operation is one of a change")
    }
}

/// Whether a key says a type or a member: then no field lies below it.
fn has_type(key: &str) -> bool {
    let mut escaped = false;
    key.chars().any(|letter| {
        let bare = !escaped;
        escaped = bare && letter == '\\';
        bare && matches!(letter, '#' | '/')
    })
}
