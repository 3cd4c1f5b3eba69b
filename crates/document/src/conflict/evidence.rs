//! The first layer: what overlapped, computed from the changes alone.

use std::collections::{BTreeMap, BTreeSet};

use super::episode::{Acts, Place};
use super::forks::Forks;
use super::history::{History, Leaf, Source};
use super::ledger::{Ledger, TEXT};
use super::text::Edits;
use super::{Agreed, Entry, Evidence, shape};
use crate::change::Change;
use crate::graph::ChangeGraph;
use crate::ids::{ChangeHash, OpId, RecordId};
use crate::sequence::{Sequence, Sequences};
use crate::value::Value;

/// What overlapped in a record: a pure function of its changes.
///
/// `changes` are all the record's changes, each after its past; which of the possible orders makes no
/// difference.
pub fn evidence(collection: &str, record: RecordId, changes: &[Change]) -> Evidence {
    let whole = Whole::of(changes);
    let history = whole.history();
    let place = Place { collection, record };
    let mut found = Found::default();
    found.overlaps(&history, whole.leaves(), place);
    found.entries.extend(shape::entries(&history, place));
    found.into_evidence()
}

/// All changes of a record.
pub(super) struct Whole {
    graph: ChangeGraph,
    genesis: BTreeSet<usize>,
    ledger: Ledger,
    sequences: Sequences,
}

impl Whole {
    /// Of changes each of which comes after its past. Dependencies that are none of these, as genesis changes are,
    /// are known to all of them.
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut whole = Self {
            graph: ChangeGraph::of(changes),
            genesis: BTreeSet::new(),
            ledger: Ledger::default(),
            sequences: Sequences::default(),
        };
        for (place, change) in changes.iter().enumerate() {
            whole.ledger.push(place, change);
            whole.sequences.push(place, change);
        }
        whole
    }

    pub(super) fn history(&self) -> History<'_> {
        History {
            graph: &self.graph,
            genesis: &self.genesis,
            ledger: &self.ledger,
            source: self,
            forks: Forks::of(&self.graph, &self.genesis),
        }
    }

    /// The leaves that are written, and the texts that are edited.
    fn leaves(&self) -> impl Iterator<Item = Leaf<'_>> {
        let lists = self
            .sequences
            .iter()
            .filter(|(key, _)| !key.ends_with(TEXT));
        let elements = lists.flat_map(|(key, list)| {
            list.written().map(move |element| Leaf {
                key,
                element: Some(element),
            })
        });
        let keys = self.ledger.keys().chain(self.ledger.texts());
        keys.map(Leaf::whole).chain(elements)
    }
}

impl Source for Whole {
    fn sequence(&self, key: &str) -> Option<&Sequence> {
        self.sequences.get(key)
    }

    fn live_before(&self, _: &str) -> Vec<(OpId, Value)> {
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
    /// Adds the overlaps of some leaves, and of texts as a whole.
    pub(super) fn overlaps<'a>(
        &mut self,
        history: &History<'_>,
        leaves: impl Iterator<Item = Leaf<'a>>,
        place: Place<'_>,
    ) {
        if history.forks.is_empty() {
            return;
        }
        for leaf in leaves {
            if leaf.element.is_none() && leaf.key.ends_with(TEXT) {
                for fork in history.forks.iter() {
                    let edits = Edits::of(history, leaf.key, fork);
                    self.entries.extend(edits.entries(place));
                }
                continue;
            }
            let steps = history.steps(leaf);
            for fork in history.forks.iter() {
                let acts = Acts::of(history, leaf, &steps, fork);
                self.entries.extend(acts.entries(place));
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
