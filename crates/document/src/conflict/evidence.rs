//! The first layer: what overlapped, computed from the changes alone.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::episode::{Acts, Place};
use super::forks::Forks;
use super::history::{History, Leaf, Start};
use super::order::Order;
use super::text::Edits;
use super::{Agreed, Entry, Evidence, shape};
use crate::change::Change;
use crate::ids::{ChangeHash, OpId, RecordId};
use crate::value::Value;

/// What overlapped in a record: a pure function of its changes.
///
/// `changes` are all the record's changes, each after its past; which of the possible orders makes no
/// difference.
pub fn evidence(collection: &str, record: RecordId, changes: &[Change]) -> Evidence {
    let changes: Vec<&Change> = changes.iter().collect();
    let history = History::new(&changes, Forks::of(&changes), &Nothing, &|_| true);
    let place = Place { collection, record };
    let mut found = Found::default();
    found.overlaps(&history, place);
    found.entries.extend(shape::entries(&history, place));
    found.into_evidence()
}

/// Before the first change of a record there is nothing.
pub(super) struct Nothing;

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
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// What is known of agreed ones that are not among them.
    pub(super) agreed: Vec<Agreed>,
}

impl Found {
    /// Adds the overlaps of a history.
    pub(super) fn overlaps(&mut self, history: &History<'_>, place: Place<'_>) {
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

    pub(super) fn into_evidence(self) -> Evidence {
        let mut agreed: BTreeMap<String, ChangeHash> = BTreeMap::new();
        agreed.extend(
            self.agreed
                .into_iter()
                .map(|old| (old.register, old.change)),
        );
        let mut entries = self.entries;
        let place = |entry: &Entry| entry.members.first().map(|member| member.operation);
        entries.sort_by(|a, b| (&a.register, place(a)).cmp(&(&b.register, place(b))));
        entries.retain(|entry| {
            let is_shown = entry.is_settled() || entry.is_acknowledged() || !entry.is_agreed();
            if let (false, Some(first)) = (is_shown, entry.members.first()) {
                let noted = agreed.entry(entry.register.clone());
                noted.or_insert(first.change);
            }
            is_shown
        });
        let unsettled = !agreed.is_empty() || entries.iter().any(|entry| !entry.is_settled());
        let agreed = agreed.into_iter();
        Evidence {
            entries,
            unsettled,
            agreed: agreed
                .map(|(register, change)| Agreed { register, change })
                .collect(),
        }
    }
}
