//! What records read by their changes, of which some count.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, ChangeHash, DELETED, RecordId, Value};

use super::{Expected, Name};

/// What the records read by the admitted changes that are not void.
pub(super) fn rows(
    expected: &Expected,
    changes: &BTreeMap<Name, Vec<(RecordId, Change)>>,
) -> BTreeMap<RecordId, (bool, BTreeMap<String, String>)> {
    let mut of_record = BTreeMap::<RecordId, Vec<(&Change, bool)>>::new();
    for (name, changes) in changes {
        let is_admitted = expected.admitted.contains(name);
        let counts = is_admitted && !expected.duplicates.contains(name);
        if is_admitted || expected.void.contains(name) {
            for (record, change) in changes {
                of_record.entry(*record).or_default().push((change, counts));
            }
        }
    }
    let rows = of_record
        .into_iter()
        .map(|(id, changes)| (id, row(&changes)));
    rows.collect()
}

fn row(changes: &[(&Change, bool)]) -> (bool, BTreeMap<String, String>) {
    let by_hash: BTreeMap<ChangeHash, &Change> =
        changes.iter().map(|(c, _)| (c.hash, *c)).collect();
    let past = |change: &Change| {
        let mut past = BTreeSet::new();
        let mut open = change.deps.clone();
        while let Some(hash) = open.pop() {
            if past.insert(hash) {
                open.extend(by_hash.get(&hash).into_iter().flat_map(|c| &c.deps));
            }
        }
        past
    };
    // Of each register: the change, the operation's id and what it leaves; none where it is emptied.
    let mut writes = BTreeMap::<&str, Vec<(&Change, (u64, [u8; 16]), Option<&Value>)>>::new();
    let mut counters = BTreeMap::<&str, i64>::new();
    for (change, _) in changes.iter().filter(|(_, counts)| *counts) {
        for (at, step) in change.operations.iter().enumerate() {
            let id = (change.start_op + at as u64, change.actor.0);
            match &step.action {
                Action::Put(value) => {
                    writes
                        .entry(&step.key)
                        .or_default()
                        .push((change, id, Some(value)));
                }
                Action::Delete => writes
                    .entry(&step.key)
                    .or_default()
                    .push((change, id, None)),
                Action::Increment(by) => *counters.entry(&step.key).or_default() += by,
                _ => {}
            }
        }
    }
    let mut deleted = false;
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (key, writes) in writes {
        let is_over = |(change, id, _): &(&Change, (u64, [u8; 16]), Option<&Value>)| {
            writes.iter().any(|(later, other, _)| {
                past(later).contains(&change.hash) || (later.hash == change.hash && other > id)
            })
        };
        let live = writes.iter().filter(|write| !is_over(write));
        let live = live.filter_map(|(_, id, value)| Some((*id, (*value)?)));
        let shown = live.max_by_key(|(id, _)| *id).map(|(_, value)| value);
        match shown {
            Some(value) if key == DELETED => deleted = *value == Value::Bool(true),
            Some(value) => {
                fields.insert(key.to_owned(), format!("{value:?}"));
            }
            None => {}
        }
    }
    for (key, total) in counters {
        fields.insert(key.to_owned(), format!("{:?}", Value::Counter(total)));
    }
    (deleted, fields)
}
