//! The first layer: what overlapped, computed from the changes alone.

use std::collections::BTreeMap;

use super::episode::{Acts, episodes_of};
use super::forks::{Fork, Forks};
use super::verdict::Status;
use super::{Evidence, MemberAction};
use crate::change::{Action, Change, Operation};
use crate::ids::{OpId, RecordId};
use crate::path::DELETED;
use crate::policy::{NoAuthors, Policy};
use crate::value::Value;

/// What overlapped in a record: a pure function of its changes.
///
/// `changes` are all the record's changes, each after its past; which of the possible orders makes no
/// difference. The cost is linear in the operations, plus, inside forks only, quadratic in the writes of one
/// register.
pub fn evidence(collection: &str, record: RecordId, changes: &[Change]) -> Evidence {
    let forks = Forks::of(changes);
    if forks.iter().next().is_none() {
        return Evidence::default();
    }
    let history = History::new(changes, forks);
    let mut found = Evidence::default();
    for register in history.writes.keys() {
        for fork in history.forks.iter() {
            let acts = Acts::of(&history, register, fork);
            for episode in episodes_of(fork, &acts) {
                let entry = episode.entry(collection, record, register, &history);
                let status = entry.verdict(&Policy::Review, &NoAuthors).status;
                found.unsettled |= status != Status::Resolved;
                if status != Status::Agreed {
                    found.entries.push(entry);
                }
            }
        }
    }
    found.entries.sort_by(|a, b| {
        (&a.register, a.members[0].operation).cmp(&(&b.register, b.members[0].operation))
    });
    found
}

/// One write: what one change does to one register, by its last operation there.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) change: usize,
    pub(super) operation: OpId,
    pub(super) action: &'a Action,
}

/// A record's changes, sorted by what they write.
pub(super) struct History<'a> {
    pub(super) changes: &'a [Change],
    pub(super) forks: Forks,
    /// Per register, its writes in history order.
    writes: BTreeMap<&'a str, Vec<Write<'a>>>,
    /// Per register, all operations with their change, in history order.
    operations: BTreeMap<&'a str, Vec<(usize, OpId, &'a Operation)>>,
}

impl<'a> History<'a> {
    fn new(changes: &'a [Change], forks: Forks) -> Self {
        let mut writes = BTreeMap::<&str, Vec<Write<'_>>>::new();
        let mut operations = BTreeMap::<&str, Vec<(usize, OpId, &Operation)>>::new();
        for (n, change) in changes.iter().enumerate() {
            let written = change.numbered().filter(|(_, o)| {
                makes_entries(&o.key) && matches!(o.action, Action::Put(_) | Action::Delete)
            });
            for (id, operation) in written {
                operations
                    .entry(&operation.key)
                    .or_default()
                    .push((n, id, operation));
                let write = Write {
                    change: n,
                    operation: id,
                    action: &operation.action,
                };
                let writes = writes.entry(&operation.key).or_default();
                match writes.last_mut() {
                    Some(last) if last.change == n => *last = write,
                    _ => writes.push(write),
                }
            }
        }
        Self {
            changes,
            forks,
            writes,
            operations,
        }
    }

    /// The writes of a register, in history order.
    pub(super) fn writes(&self, register: &str) -> &[Write<'a>] {
        self.writes.get(register).map_or(&[], Vec::as_slice)
    }

    /// The values live on a register after the changes that `includes` names, smallest operation first.
    pub(super) fn live(&self, register: &str, includes: impl Fn(usize) -> bool) -> Vec<&'a Value> {
        let mut live = BTreeMap::new();
        let operations = self.operations.get(register).map_or(&[][..], Vec::as_slice);
        for &(_, id, operation) in operations.iter().filter(|(change, ..)| includes(*change)) {
            for replaced in &operation.pred {
                live.remove(replaced);
            }
            if let Action::Put(value) = &operation.action {
                live.insert(id, value);
            }
        }
        live.into_values().collect()
    }

    /// The changes of a fork that edit fields and neither delete nor restore the record, each with its
    /// smallest such operation; without those whose past already reads deleted.
    pub(super) fn touches(&self, fork: &Fork) -> Vec<(usize, OpId)> {
        let edits = |n: usize| {
            let change = &self.changes[n];
            if change.operations.iter().any(|o| o.key == DELETED) {
                return None;
            }
            let (id, _) = change.numbered().find(|(_, o)| !o.key.starts_with('$'))?;
            let before = self.live(DELETED, |earlier| fork.knew(n, earlier));
            (before.last() != Some(&&Value::Bool(true))).then_some((n, id))
        };
        fork.range.clone().filter_map(edits).collect()
    }

    pub(super) fn member_action(write: &Write<'_>) -> MemberAction {
        match write.action {
            Action::Put(value) => MemberAction::Put(value.clone()),
            _ => MemberAction::Delete,
        }
    }
}

/// Of our own registers only the one that says deleted makes entries.
fn makes_entries(key: &str) -> bool {
    key == DELETED || !key.starts_with('$')
}
