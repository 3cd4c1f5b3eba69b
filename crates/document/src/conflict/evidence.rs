//! The first layer: what overlapped, computed from the changes alone.

use std::cell::OnceCell;

use super::episode::{Acts, Place};
use super::forks::Forks;
use super::history::{History, Leaf, Start};
use super::order::Order;
use super::text::Edits;
use super::{Entry, Evidence, shape};
use crate::change::Change;
use crate::ids::{OpId, RecordId};
use crate::value::Value;

/// What overlapped in a record: a pure function of its changes.
///
/// `changes` are all the record's changes, each after its past; which of the possible orders makes no
/// difference.
pub fn evidence(collection: &str, record: RecordId, changes: &[Change]) -> Evidence {
    let history = History::new(changes, Forks::of(changes), &Nothing, &|_| true);
    let place = Place { collection, record };
    let mut found = Found::default();
    found.overlaps(&history, place);
    found.entries.extend(shape::entries(&history, place));
    found.into_evidence()
}

/// Before the first change of a record there is nothing.
struct Nothing;

impl Start for Nothing {
    fn live(&self, _: Leaf<'_>) -> Vec<(OpId, Value)> {
        Vec::new()
    }

    fn elements(&self, _: &str) -> Vec<(OpId, Value)> {
        Vec::new()
    }
}

/// Entries in the making, those that are merely agreed included.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
}

impl Found {
    /// Adds the overlaps of a history.
    fn overlaps(&mut self, history: &History<'_>, place: Place<'_>) {
        if history.forks.is_empty() {
            return;
        }
        for leaf in history.leaves() {
            for fork in history.forks.iter() {
                let acts = Acts::of(history, leaf, fork);
                self.entries.extend(acts.entries(place));
            }
        }
        for key in history.texts() {
            let order = OnceCell::new();
            let in_order = || order.get_or_init(|| Order::of(history, key));
            for fork in history.forks.iter() {
                let edits = Edits::of(history, key, fork);
                self.entries.extend(edits.entries(place, &in_order));
            }
        }
    }

    fn into_evidence(self) -> Evidence {
        let mut entries = self.entries;
        let unsettled = entries.iter().any(|entry| !entry.is_settled());
        entries.retain(|entry| entry.is_settled() || entry.is_acknowledged() || !entry.is_agreed());
        let place = |entry: &Entry| entry.members.first().map(|member| member.operation);
        entries.sort_by(|a, b| (&a.register, place(a)).cmp(&(&b.register, place(b))));
        Evidence { entries, unsettled }
    }
}
