//! What a record read at any of its changes, from the graph alone: the judge of histories and of reads of the
//! past.
//!
//! Written from the documentation, sharing no code with the crate it checks, and from other evidence: which
//! change knew of which, and never what an operation says it replaces.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, ChangeHash, Fields, OpId, Value};

/// Some changes, each with all it knew of.
pub struct Past<'a> {
    changes: BTreeMap<ChangeHash, &'a Change>,
    knew: BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
}

impl<'a> Past<'a> {
    /// The past of every change; each of them stands after its own.
    pub fn of(changes: &'a [Change]) -> Self {
        let mut knew = BTreeMap::<_, BTreeSet<ChangeHash>>::new();
        for change in changes {
            let mut known: BTreeSet<_> = change.deps.iter().copied().collect();
            for dep in &change.deps {
                known.extend(&knew[dep]);
            }
            knew.insert(change.hash, known);
        }
        Self {
            changes: changes.iter().map(|c| (c.hash, c)).collect(),
            knew,
        }
    }

    /// Whether one change knew of another.
    pub fn knew(&self, later: &ChangeHash, earlier: &ChangeHash) -> bool {
        self.knew[later].contains(earlier)
    }

    /// Some changes and all they knew of.
    pub fn at(&self, heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let mut all: BTreeSet<_> = heads.iter().copied().collect();
        all.extend(heads.iter().flat_map(|head| &self.knew[head]));
        all
    }

    /// The values on a register after some changes, the shown one last: the last writes of those that write it
    /// and that no other one of them knew of.
    pub fn read(&self, key: &str, at: &BTreeSet<ChangeHash>) -> Vec<Value> {
        let writers: Vec<_> = at
            .iter()
            .filter_map(|hash| Some((hash, last_write(self.changes[hash], key)?)))
            .collect();
        let mut live: Vec<_> = writers
            .iter()
            .filter(|(hash, _)| !writers.iter().any(|(later, _)| self.knew(later, hash)))
            .filter_map(|(_, (id, action))| match action {
                Action::Put(value) => Some((*id, value.clone())),
                _ => None,
            })
            .collect();
        live.sort_by_key(|(id, _)| *id);
        live.into_iter().map(|(_, value)| value).collect()
    }

    /// The fields a row shows after some changes.
    pub fn fields(&self, at: &BTreeSet<ChangeHash>) -> Fields {
        let operations = at.iter().flat_map(|hash| &self.changes[hash].operations);
        let keys: BTreeSet<&str> = operations.map(|operation| operation.key.as_str()).collect();
        let fields = keys.into_iter().filter(|key| !key.starts_with('$'));
        fields
            .filter_map(|key| Some((key.to_owned(), self.read(key, at).pop()?)))
            .collect()
    }
}

fn last_write<'a>(change: &'a Change, key: &str) -> Option<(OpId, &'a Action)> {
    let written = change.numbered().filter(|(_, o)| o.key == key).last();
    written.map(|(id, operation)| (id, &operation.action))
}
