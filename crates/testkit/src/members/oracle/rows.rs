//! What records read by their changes, of which some count.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, ChangeHash, DELETED, Operation, RecordId, Value};

use super::{Expected, Name};
use crate::members::kinds::OBJECTS;

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
    let pasts = Pasts::of(changes.iter().map(|(change, _)| *change));
    let counting = changes.iter().filter(|(_, counts)| *counts);
    let counting: Vec<&Change> = counting.map(|(change, _)| *change).collect();
    let mut deleted = false;
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut sets = BTreeMap::<&str, Vec<Value>>::new();
    for (key, writes) in registers(&counting) {
        let Some(value) = pasts.shown(&writes) else {
            continue;
        };
        match key.split_once("/s:") {
            _ if key == DELETED => deleted = *value == Value::Bool(true),
            Some((set, member)) => {
                let members = sets.entry(set).or_default();
                members.push(Value::String(member.to_owned()));
            }
            None => {
                fields.insert(key.to_owned(), format!("{value:?}"));
            }
        }
    }
    for (key, members) in sets {
        fields.insert(format!("{key}/"), format!("{:?}", Value::Set(members)));
    }
    let mut counters = BTreeMap::<&str, i64>::new();
    for step in counting.iter().flat_map(|change| &change.operations) {
        if let Action::Increment(by) = &step.action {
            *counters.entry(&step.key).or_default() += by;
        }
    }
    for (key, total) in counters {
        fields.insert(key.to_owned(), format!("{:?}", Value::Counter(total)));
    }
    // What does not count stays inside texts and lists.
    let all: Vec<&Change> = changes.iter().map(|(change, _)| *change).collect();
    for (key, sequence) in sequences(&all) {
        let values = sequence.values(&pasts);
        let value = if key.ends_with("#text") {
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                other => format!("{other:?}"),
            };
            Value::Text(values.into_iter().map(text).collect())
        } else {
            Value::List(values.into_iter().cloned().collect())
        };
        fields.insert(key.to_owned(), format!("{value:?}"));
    }
    (deleted, fields)
}

type Id = (u64, [u8; 16]);

/// A write: its change, the operation's id, and what it leaves; none where it takes away.
type Write<'a> = (&'a Change, Id, Option<&'a Value>);

/// The writes of each register.
fn registers<'a>(changes: &[&'a Change]) -> BTreeMap<&'a str, Vec<Write<'a>>> {
    let mut writes = BTreeMap::<&str, Vec<Write<'_>>>::new();
    for change in changes {
        for (id, step) in steps(change) {
            let left = match &step.action {
                Action::Put(value) => Some(value),
                Action::Delete => None,
                _ => continue,
            };
            writes
                .entry(&step.key)
                .or_default()
                .push((change, id, left));
        }
    }
    writes
}

fn steps(change: &Change) -> impl Iterator<Item = (Id, &Operation)> {
    let steps = (change.start_op..).zip(&change.operations);
    steps.map(|(n, step)| ((n, change.actor.0), step))
}

/// What each change knew of.
struct Pasts(BTreeMap<ChangeHash, BTreeSet<ChangeHash>>);

impl Pasts {
    fn of<'a>(changes: impl Iterator<Item = &'a Change>) -> Self {
        let by_hash: BTreeMap<ChangeHash, &Change> = changes.map(|c| (c.hash, c)).collect();
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
        Self(by_hash.iter().map(|(hash, c)| (*hash, past(c))).collect())
    }

    /// What is shown of some writes: of those that no other one knew of the one with the greatest id.
    fn shown<'a>(&self, writes: &[Write<'a>]) -> Option<&'a Value> {
        let is_over = |(change, id, _): &Write<'_>| {
            writes.iter().any(|(later, other, _)| {
                self.0[&later.hash].contains(&change.hash)
                    || (later.hash == change.hash && other > id)
            })
        };
        let live = writes.iter().filter(|write| !is_over(write));
        let live = live.filter_map(|(_, id, value)| Some((*id, (*value)?)));
        live.max_by_key(|(id, _)| *id).map(|(_, value)| value)
    }
}

/// The elements of a text or list.
#[derive(Default)]
struct Sequence<'a> {
    /// Behind which element each was put, and all that was written to it.
    elements: BTreeMap<Id, (Option<Id>, Vec<Write<'a>>)>,
}

fn sequences<'a>(changes: &[&'a Change]) -> BTreeMap<&'a str, Sequence<'a>> {
    let mut sequences = BTreeMap::<&str, Sequence<'_>>::new();
    for change in changes {
        for (id, step) in steps(change) {
            let (element, behind, left) = match &step.action {
                Action::Insert { after, value } => {
                    let after = after.map(|after| (after.counter, after.actor.0));
                    (id, Some(after), Some(value))
                }
                Action::PutElement { element, value } => {
                    ((element.counter, element.actor.0), None, Some(value))
                }
                Action::DeleteElement { element } => {
                    ((element.counter, element.actor.0), None, None)
                }
                _ => continue,
            };
            let sequence = sequences.entry(name(&step.key)).or_default();
            let (stands, writes) = sequence.elements.entry(element).or_default();
            if let Some(behind) = behind {
                *stands = behind;
            }
            writes.push((change, id, left));
        }
    }
    sequences
}

/// The text or list of a step: the change that is the first of its author to need it says its key, the others the hash of
/// that.
fn name(key: &str) -> &str {
    let is_it = |object: &&&str| {
        let hash = blake3::derive_key("driftless genesis change 1", object.as_bytes());
        let hex = hash[..16].iter().map(|byte| format!("{byte:02x}"));
        key.strip_prefix('#') == Some(&hex.collect::<String>())
    };
    OBJECTS.iter().find(is_it).copied().unwrap_or(key)
}

impl<'a> Sequence<'a> {
    /// What is there, in its order: of what was put behind one element the latest first, each with what follows it.
    fn values(&self, pasts: &Pasts) -> Vec<&'a Value> {
        let mut values = Vec::new();
        let behind = |one: Option<Id>| -> Vec<Id> {
            let all = self.elements.iter();
            let there = all.filter(|(_, (after, _))| *after == one);
            there.map(|(id, _)| *id).collect() // the greatest last, so it is taken first
        };
        let mut open = behind(None);
        while let Some(id) = open.pop() {
            values.extend(pasts.shown(&self.elements[&id].1));
            open.extend(behind(Some(id)));
        }
        values
    }
}
