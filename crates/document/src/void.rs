//! A record as it counts where some of its changes are void: applied for the sake of what rests on them.
//!
//! Void changes stay in the change graph, so that the others keep their past. What they did to registers and counters
//! is left out: not shown, no side of an overlap, and in the way of nobody's write. What they did inside texts and lists
//! stays, since others' edits stand next to it. All of it is a function of the changes and of which are void.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Action, Change, Operation};
use crate::field::{FieldKey, FieldType};
use crate::ids::{ChangeHash, OpId};
use crate::path::DELETED;
use crate::record::{LoadError, Record};
use crate::row::Row;
use crate::value::Value;

/// What stands in the place of an operation that does not count, so that the others keep their numbers.
const LEFT_OUT: &str = "$void";

/// A record's changes as they count: `changes` are all of it, each after its past.
///
/// An operation that replaced a void one replaces what that one had replaced.
pub fn counting(mut changes: Vec<Change>, void: &BTreeSet<ChangeHash>) -> Vec<Change> {
    if changes.iter().all(|change| !void.contains(&change.hash)) {
        return changes;
    }
    let writes = Writes::of(&changes, void);
    let mut replaced = BTreeMap::<OpId, Vec<OpId>>::new();
    for (n, change) in changes.iter().enumerate() {
        for key in writes.keys_of(n) {
            let mut live = writes.live(key, |other| writes.knows(n, other));
            for (operation, step) in change.numbered() {
                if step.key == *key && is_write(step) {
                    replaced.insert(operation, std::mem::take(&mut live));
                    if matches!(step.action, Action::Put(_)) {
                        live.push(operation);
                    }
                }
            }
        }
    }
    for change in &mut changes {
        let is_void = void.contains(&change.hash);
        let (start, actor) = (change.start_op, change.actor);
        for (counter, operation) in (start..).zip(&mut change.operations) {
            if is_void && !is_inside(operation) {
                *operation = Operation {
                    key: LEFT_OUT.to_owned(),
                    action: Action::Increment(0),
                    pred: Vec::new(),
                };
            } else if let Some(pred) = replaced.remove(&OpId { counter, actor }) {
                operation.pred = pred;
            }
        }
    }
    changes
}

/// What void changes wrote to, as it counts: the values that stand on each register, smallest operation first, the last
/// one shown; and what the counters read. Everything else counts as it is.
#[derive(Clone, Debug, Default)]
pub struct Counted(pub(crate) BTreeMap<String, Vec<Value>>);

impl Record {
    /// What void changes of this record wrote to, as it counts.
    pub fn counted(&self, void: &BTreeSet<ChangeHash>) -> Result<Counted, LoadError> {
        let mut counted = BTreeMap::new();
        if void.iter().all(|change| !self.has_change(change)) {
            return Ok(Counted(counted));
        }
        let changes = self.changes()?;
        let writes = Writes::of(&changes, void);
        for key in &writes.keys {
            let live = writes.live(key, |_| true).into_iter();
            let values = live.filter_map(|operation| value_of(&changes, operation));
            counted.insert(key.clone(), values.collect());
        }
        for (key, (of_void, counts)) in steps(&changes, void) {
            let now = self.live_at(key, &self.heads()).pop();
            let now = now.and_then(|(_, value)| match value {
                Value::Counter(now) if counts => Some(Value::Counter(now.wrapping_sub(of_void))),
                _ => None,
            });
            counted.insert(key.to_owned(), now.into_iter().collect());
        }
        Ok(Counted(counted))
    }

    /// The record as it reads now, where some of its changes are void.
    pub fn row_counting(&self, void: &BTreeSet<ChangeHash>) -> Result<Row, LoadError> {
        let mut row = self.row();
        for (key, values) in self.counted(void)?.0 {
            show(&mut row, &key, values.into_iter().next_back());
        }
        Ok(row)
    }
}

fn is_write(step: &Operation) -> bool {
    matches!(step.action, Action::Put(_) | Action::Delete)
}

/// Whether a step is inside a text or list.
fn is_inside(step: &Operation) -> bool {
    use Action::{DeleteElement, Insert, PutElement};
    matches!(
        step.action,
        Insert { .. } | PutElement { .. } | DeleteElement { .. }
    )
}

fn value_of(changes: &[Change], operation: OpId) -> Option<Value> {
    let change = changes.iter().find(|change| {
        change.actor == operation.actor
            && (change.start_op..=change.max_op()).contains(&operation.counter)
    })?;
    let at = usize::try_from(operation.counter - change.start_op).ok()?;
    match &change.operations.get(at)?.action {
        Action::Put(value) => Some(value.clone()),
        _ => None,
    }
}

/// Puts what a register holds into the row.
fn show(row: &mut Row, key: &str, value: Option<Value>) {
    if key == DELETED {
        row.deleted = value == Some(Value::Bool(true));
        return;
    }
    if key.starts_with('$') {
        return;
    }
    let field = FieldKey::parse(key);
    let Some((field, member)) = field.and_then(|field| Some((field.clone(), field.member()?)))
    else {
        match value {
            Some(value) => row.fields.insert(key.to_owned(), value),
            None => row.fields.remove(key),
        };
        return;
    };
    let set = FieldKey::new(field.path().clone(), FieldType::Set).to_key();
    let members = match row.fields.remove(&set) {
        Some(Value::Set(members)) => members,
        _ => Vec::new(),
    };
    let key_of = |member: &Value| FieldKey::of_member(field.path().clone(), member);
    let keyed = members
        .into_iter()
        .filter_map(|m| Some((key_of(&m)?.to_key(), m)));
    let mut keyed: BTreeMap<String, Value> = keyed.collect();
    match value {
        Some(_) => keyed.insert(key.to_owned(), member),
        None => keyed.remove(key),
    };
    if !keyed.is_empty() {
        row.fields
            .insert(set, Value::Set(keyed.into_values().collect()));
    }
}

/// Per counter that void changes stepped: what they added, and whether somebody else stepped it. One that nobody else
/// did is not there.
fn steps<'a>(changes: &'a [Change], void: &BTreeSet<ChangeHash>) -> BTreeMap<&'a str, (i64, bool)> {
    let mut steps = BTreeMap::<&str, (i64, bool, bool)>::new();
    for change in changes {
        let is_void = void.contains(&change.hash);
        for step in &change.operations {
            if let Action::Increment(by) = &step.action {
                let (of_void, concerns, counts) = steps.entry(&step.key).or_default();
                *of_void = of_void.wrapping_add(if is_void { *by } else { 0 });
                *concerns |= is_void;
                *counts |= !is_void;
            }
        }
    }
    let concerned = steps.into_iter().filter(|(_, (_, concerns, _))| *concerns);
    concerned
        .map(|(key, (of_void, _, counts))| (key, (of_void, counts)))
        .collect()
}

/// Who writes the registers that void changes wrote, void changes left out.
struct Writes {
    keys: BTreeSet<String>,
    /// Per register the changes that write it, with the operation that is live after each, if one is.
    of_key: BTreeMap<String, Vec<(usize, Option<OpId>)>>,
    /// The place of each writing change among them.
    writer: BTreeMap<usize, usize>,
    /// Per change which writers it knew of, a bit each.
    known: Vec<Vec<u64>>,
}

impl Writes {
    fn of(changes: &[Change], void: &BTreeSet<ChangeHash>) -> Self {
        let is_void = |change: &&Change| void.contains(&change.hash);
        let of_void = changes.iter().filter(is_void);
        let steps = of_void.flat_map(|change| &change.operations);
        let keys: BTreeSet<String> = steps
            .filter(|step| is_write(step))
            .map(|step| step.key.clone())
            .collect();
        let mut of_key = BTreeMap::<String, Vec<(usize, Option<OpId>)>>::new();
        let mut writer = BTreeMap::new();
        for (n, change) in changes.iter().enumerate() {
            if void.contains(&change.hash) {
                continue;
            }
            for (operation, step) in change.numbered() {
                if !is_write(step) || !keys.contains(&step.key) {
                    continue;
                }
                let next = writer.len();
                writer.entry(n).or_insert(next);
                let live = matches!(step.action, Action::Put(_)).then_some(operation);
                let writes = of_key.entry(step.key.clone()).or_default();
                match writes.last_mut() {
                    Some((last, before)) if *last == n => *before = live,
                    _ => writes.push((n, live)),
                }
            }
        }
        let known = known_writers(changes, &writer);
        Self {
            keys,
            of_key,
            writer,
            known,
        }
    }

    /// The registers among them that a change writes and counts.
    fn keys_of(&self, change: usize) -> impl Iterator<Item = &String> {
        let is_writer = self.writer.contains_key(&change);
        let of_key = self.of_key.iter().filter(move |_| is_writer);
        of_key
            .filter(move |(_, writes)| writes.binary_search_by_key(&change, |(n, _)| *n).is_ok())
            .map(|(key, _)| key)
    }

    /// Whether a change knew of another, which is a writer.
    fn knows(&self, change: usize, other: usize) -> bool {
        let at = self.writer.get(&other);
        at.is_some_and(|at| self.known[change][at / 64] >> (at % 64) & 1 == 1)
    }

    /// The live operations of a register after the changes that `includes` names: those that nobody there wrote over.
    fn live(&self, key: &str, includes: impl Fn(usize) -> bool) -> Vec<OpId> {
        let writes = self.of_key.get(key).map_or(&[][..], Vec::as_slice);
        let there: Vec<_> = writes.iter().filter(|(n, _)| includes(*n)).collect();
        let is_over = |n: usize| there.iter().any(|(later, _)| self.knows(*later, n));
        let mut live: Vec<_> = there
            .iter()
            .filter(|(n, _)| !is_over(*n))
            .filter_map(|(_, operation)| *operation)
            .collect();
        live.sort_unstable();
        live
    }
}

/// Which writers each change knew of.
fn known_writers(changes: &[Change], writer: &BTreeMap<usize, usize>) -> Vec<Vec<u64>> {
    let words = writer.len().div_ceil(64);
    let places = changes
        .iter()
        .enumerate()
        .map(|(n, change)| (change.hash, n));
    let places: BTreeMap<ChangeHash, usize> = places.collect();
    let mut known: Vec<Vec<u64>> = Vec::with_capacity(changes.len());
    for change in changes {
        let mut bits = vec![0; words];
        for before in change.deps.iter().filter_map(|hash| places.get(hash)) {
            // Each stands after its past.
            if let Some(theirs) = known.get(*before) {
                bits.iter_mut()
                    .zip(theirs)
                    .for_each(|(ours, theirs)| *ours |= theirs);
            }
            if let Some(at) = writer.get(before) {
                bits[at / 64] |= 1 << (at % 64);
            }
        }
        known.push(bits);
    }
    known
}
