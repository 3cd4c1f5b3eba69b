//! The integrity entry `shape`: a field holds a value, and there are fields below it.
//!
//! Each side is right by itself: one gave `address` a value, the other wrote `address.city`. A row can show only
//! one of the two. What stands is a function of the row, so there is an entry as long as both do.

use std::collections::BTreeMap;

use super::episode::{Place, candidate};
use super::history::{History, Leaf};
use super::{Candidate, Entry, Kind, Review, ReviewAction, Shown};
use crate::field::{FieldKey, FieldType};
use crate::ids::{EntryId, OpId};
use crate::value::Value;

/// What stands for a register: the change, the operation, and its value where it is a field's.
type Standing = (usize, OpId, Option<Value>);

/// The entries of a record, one for each field that holds a value above others.
pub(super) fn entries(history: &History<'_>, place: Place<'_>) -> Vec<Entry> {
    let mut keys = BTreeMap::<&str, FieldType>::new();
    for key in history.ledger.keys().chain(history.ledger.objects()) {
        if let Some(field) = FieldKey::parse(key) {
            keys.insert(key, field.kind());
        }
    }
    let mut entries = Vec::new();
    for key in keys
        .keys()
        .copied()
        .filter(|key| keys[key] == FieldType::Value)
    {
        let beneath = format!("{key}.");
        let mut below = keys
            .range(beneath.as_str()..)
            .map(|(key, kind)| (*key, *kind));
        let below: Vec<_> = std::iter::from_fn(|| below.next())
            .take_while(|(key, _)| key.starts_with(&beneath))
            .collect();
        if below.is_empty() {
            continue;
        }
        let values = standing(history, key, FieldType::Value);
        let fields: Vec<_> = below
            .iter()
            .flat_map(|(key, kind)| standing(history, key, *kind))
            .collect();
        if !values.is_empty() && !fields.is_empty() {
            entries.push(entry(history, place, key, values, &fields));
        }
    }
    entries
}

/// The live operations of a register; of a counter, text or list, which always stands, the smallest.
fn standing(history: &History<'_>, key: &str, kind: FieldType) -> Vec<Standing> {
    if matches!(kind, FieldType::Value | FieldType::Set) {
        let leaf = Leaf::whole(key);
        let steps = history.steps(leaf);
        let live = history.live(leaf, &steps, |_| true).into_iter();
        let standing = live.filter_map(|(id, value)| {
            let step = steps.iter().find(|step| step.operation == id)?;
            Some((step.change, id, Some(value)))
        });
        return standing.collect();
    }
    let first = history.ledger.first_step(key);
    first.map(|(id, n)| (n, id, None)).into_iter().collect()
}

fn entry(
    history: &History<'_>,
    place: Place<'_>,
    key: &str,
    values: Vec<Standing>,
    fields: &[Standing],
) -> Entry {
    let id = EntryId::of_shape(place.collection, place.record, key);
    let standing: Vec<usize> = values.iter().chain(fields).map(|(n, ..)| *n).collect();
    let mut candidates: Vec<Candidate> = values
        .into_iter()
        .filter_map(|(n, operation, value)| {
            Some(candidate(history, Shown::Value(value?), n, operation))
        })
        .collect();
    let first = fields.iter().min_by_key(|(_, operation, _)| *operation);
    candidates
        .extend(first.map(|(n, operation, _)| candidate(history, Shown::Fields, *n, *operation)));
    Entry {
        id,
        also: Vec::new(),
        register: key.to_owned(),
        kind: Kind::Integrity,
        base: Vec::new(),
        candidates,
        members: Vec::new(),
        outcomes: Vec::new(),
        spans: Vec::new(),
        reviews: reviews(history, id, &standing),
    }
}

/// What was noted: an acknowledgement holds while it knew of all that stands.
fn reviews(history: &History<'_>, id: EntryId, standing: &[usize]) -> Vec<Review> {
    let steps = history.reviews_of(&[id], |_| false);
    let knew = |later: usize, earlier: usize| history.forks.knew(later, earlier);
    let review = |step: &&super::reviews::ReviewStep| {
        step.review(history, |what| {
            let mut reopenings = steps.iter().filter(|other| other.is_reopen());
            matches!(what, ReviewAction::Acknowledge { .. })
                && standing.iter().all(|&n| knew(step.change, n))
                && !reopenings.any(|reopened| knew(reopened.change, step.change))
        })
    };
    steps.iter().map(review).collect()
}
