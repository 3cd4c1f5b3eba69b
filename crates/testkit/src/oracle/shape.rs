//! A field that has both a value and fields below it.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Candidate, Entry, Kind, OpId, Shown, Status};

use super::names::shape_id;
use super::{Episode, Oracle};

impl Oracle<'_> {
    pub(super) fn shapes(&self) -> Vec<Episode> {
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
                let smallest = below.flat_map(|(_, values)| values.keys()).min()?;
                Some(self.shape(key, values, *smallest))
            })
            .collect()
    }

    fn shape(&self, key: &str, values: &BTreeMap<OpId, Shown>, below: OpId) -> Episode {
        let sides = values.iter().map(|(id, shown)| (*id, shown.clone()));
        let sides = sides.chain(std::iter::once((below, Shown::Fields)));
        let candidate = |(operation, shown): (OpId, Shown)| {
            let change = self
                .changes
                .iter()
                .find(|change| change.numbered().any(|(id, _)| id == operation));
            let change = change.expect("a live operation is one of a change");
            Candidate {
                shown,
                operation,
                change: change.hash,
                time: change.time,
            }
        };
        let entry = Entry {
            id: shape_id(self.collection, self.record, key),
            also: Vec::new(),
            register: key.to_owned(),
            kind: Kind::Integrity,
            base: Vec::new(),
            candidates: sides.map(candidate).collect(),
            members: Vec::new(),
            outcomes: Vec::new(),
            reviews: Vec::new(),
            spans: Vec::new(),
        };
        Episode {
            entry,
            settled: false,
            status: Status::Open,
        }
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
