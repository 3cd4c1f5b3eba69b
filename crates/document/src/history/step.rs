//! One step of a history: what one change wrote, and what it read there.

use std::collections::BTreeMap;

use super::around::Around;
use super::tally;
use crate::change::{Action, Change, Operation};
use crate::field::{FieldKey, FieldType};
use crate::ids::{ActorId, ChangeHash, EntryId, OpId, Version};
use crate::path::{DELETED, REVIEW, is_below, is_typed};
use crate::value::Value;

/// What one change did to its record.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryStep {
    /// The change.
    pub change: ChangeHash,
    /// Who made it; admission let it in under the signature of this actor's device only.
    pub actor: ActorId,
    /// The how-manyeth change of this actor in this record, from 1.
    pub seq: u64,
    /// When it was made: wall milliseconds shifted by 12 bits, plus a counter. A claim, for people to read.
    pub time: i64,
    /// How many changes it directly knew of: none if it made the record, several if it joined edits made apart.
    /// The genesis changes of its fields are nobody's, and not counted.
    pub deps: usize,
    /// Whether something that stands before it was not known to its author.
    pub apart: bool,
    /// The fields it wrote, by their keys.
    pub writes: Vec<FieldWrite>,
    /// What it said of the record's deletion, if it did.
    pub deletion: Option<Deletion>,
    /// The entries of the conflict log that it decided.
    pub decisions: Vec<Decided>,
    /// The record's version once this change and all that stands before it are applied.
    pub version: Version,
}

impl HistoryStep {
    /// The wall time it claims, in milliseconds since 1970.
    pub fn time_ms(&self) -> i64 {
        self.time >> 12
    }

    /// Whether it knew of no other change of the record.
    pub fn is_first(&self) -> bool {
        self.deps == 0
    }
}

/// What a change did to one field.
///
/// Of a value and a counter it says what the field held before and after; of a text, list and set, what of it went
/// and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldWrite {
    /// The field's path.
    pub path: String,
    /// The field's type.
    pub kind: FieldType,
    /// What a value or counter held where the change was made, the shown value last: several if edits made apart were
    /// not decided, none if it was absent.
    pub before: Vec<Value>,
    /// What a value or counter holds after it; none if the change removed it.
    pub after: Option<Value>,
    /// What it took out: of a text all that went, in the order of the text, as one [`Value::Text`]; of a list the values
    /// of elements that went or were replaced; of a set the members.
    pub removed: Vec<Value>,
    /// What it put in, likewise. A member that was there and was added again is among them.
    pub added: Vec<Value>,
}

/// What a change said of the record's deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Whether the record read deleted where the change was made.
    pub before: bool,
    /// Whether it does after it.
    pub after: bool,
}

/// A decision on an entry of the conflict log.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The entry, by the id it had then.
    pub entry: EntryId,
    /// How it was decided.
    pub how: How,
}

/// How an entry was decided.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum How {
    /// For one of its candidates.
    Keep,
    /// For another value.
    Merge,
    /// For both sides, as they were merged.
    Both,
    /// Not at all: it may stay as it is.
    Acknowledge {
        /// Why; may be empty.
        note: String,
    },
    /// A decision on it was taken back: it is open again.
    Reopen,
    /// As a later Driftless does it, in its words.
    Other(String),
}

impl How {
    /// The stable name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Keep => "keep",
            Self::Merge => "merge",
            Self::Both => "both",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Reopen => "reopen",
            Self::Other(name) => name,
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => Some(match name.as_str() {
                "keep" => Self::Keep,
                "merge" => Self::Merge,
                "both" => Self::Both,
                "reopen" => Self::Reopen,
                _ => Self::Other(name.clone()),
            }),
            Value::Json(text) => {
                let said: serde_json::Value = serde_json::from_str(text).ok()?;
                let note = said.get("acknowledge")?.as_str()?.to_owned();
                Some(Self::Acknowledge { note })
            }
            _ => None,
        }
    }
}

/// Whether a change writes a field or one below it; without a field every change does.
pub(super) fn writes_field(change: &Change, field: Option<&str>) -> bool {
    field.is_none_or(|field| {
        let mut keys = change.operations.iter().map(|operation| &operation.key);
        keys.any(|key| {
            tally::add(1);
            is_within(key, field)
        })
    })
}

fn is_within(key: &str, field: &str) -> bool {
    key == field || is_below(key, field) || is_typed(key, field)
}

/// The values that the operations so far put, to look up what later ones replace.
#[derive(Default)]
pub(super) struct Values<'a> {
    put: BTreeMap<OpId, &'a Value>,
}

/// What a step is shown with.
pub(super) struct Shown<'a> {
    /// Whether something that stands before the change was not known to its author.
    pub(super) apart: bool,
    /// The record's version with it.
    pub(super) version: Version,
    /// The field that is asked for, or all.
    pub(super) field: Option<&'a str>,
    /// Where its typed fields stood.
    pub(super) around: &'a Around<'a>,
}

impl<'a> Values<'a> {
    pub(super) fn push(&mut self, change: &'a Change) {
        for (id, operation) in change.numbered() {
            tally::add(1);
            if let Action::Put(value)
            | Action::Insert { value, .. }
            | Action::PutElement { value, .. } = &operation.action
            {
                self.put.insert(id, value);
            }
        }
    }

    /// What `change` did; its past was pushed.
    pub(super) fn step(&self, change: &Change, shown: &Shown<'_>) -> HistoryStep {
        let mut step = HistoryStep {
            change: change.hash,
            actor: change.actor,
            seq: change.seq,
            time: change.time,
            deps: change.deps.len().saturating_sub(change.creates.len()),
            apart: shown.apart,
            writes: Vec::new(),
            deletion: None,
            decisions: Vec::new(),
            version: shown.version,
        };
        let mut registers = BTreeMap::<&str, Vec<(OpId, &Operation)>>::new();
        for (id, operation) in change.numbered() {
            let register = registers.entry(&operation.key).or_default();
            register.push((id, operation));
        }
        for (key, operations) in registers {
            let is_wanted = shown.field.is_none_or(|field| is_within(key, field));
            let decided = operations.last().and_then(|(_, last)| decision(key, last));
            if let Some(decided) = decided {
                step.decisions.push(decided);
            } else if is_wanted {
                self.register(&mut step, change, shown, (key, &operations));
            }
        }
        step.writes
            .sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
        step
    }

    /// What a change did to one register.
    fn register(
        &self,
        step: &mut HistoryStep,
        change: &Change,
        shown: &Shown<'_>,
        (key, operations): (&str, &[(OpId, &Operation)]),
    ) {
        let (Some((_, first)), Some((_, last))) = (operations.first(), operations.last()) else {
            return; // there is one
        };
        if key == DELETED {
            step.deletion = Some(self.deletion(first, last));
            return;
        }
        let field = FieldKey::parse(key);
        let kind = field.as_ref().map_or(FieldType::Value, FieldKey::kind);
        let path = field
            .as_ref()
            .map_or_else(|| key.to_owned(), |f| f.path().to_key());
        let mut write = FieldWrite::of(path, kind);
        match (kind, &field) {
            (FieldType::Counter, Some(field)) => {
                write.count(shown.around.count(change, field), operations);
            }
            (FieldType::Text, _) => self.note_text(&mut write, shown.around, operations),
            (FieldType::List, _) => self.note_list(&mut write, operations),
            (FieldType::Set, Some(field)) => {
                let same = |other: &&mut FieldWrite| {
                    (&other.path, other.kind) == (&write.path, FieldType::Set)
                };
                if let Some(set) = step.writes.iter_mut().find(same) {
                    set.note_member(field, first, last);
                    return;
                }
                write.note_member(field, first, last);
            }
            _ => {
                write.before = self.replaced(first);
                if let Action::Put(value) = &last.action {
                    write.after = Some(value.clone());
                }
            }
        }
        step.writes.push(write);
    }

    fn deletion(&self, first: &Operation, last: &Operation) -> Deletion {
        Deletion {
            before: self.replaced(first).last() == Some(&Value::Bool(true)),
            after: last.action == Action::Put(Value::Bool(true)),
        }
    }

    /// What an operation replaced. Sorted, so that the greatest operation, which is shown, comes last.
    fn replaced(&self, operation: &Operation) -> Vec<Value> {
        tally::add(operation.pred.len() + 1);
        let replaced = operation.pred.iter().filter_map(|id| self.put.get(id));
        replaced.map(|&value| value.clone()).collect()
    }

    /// All that went of a text and all that came, each in the order of the text.
    fn note_text(
        &self,
        write: &mut FieldWrite,
        around: &Around<'_>,
        operations: &[(OpId, &Operation)],
    ) {
        let mut own = BTreeMap::<OpId, &Value>::new();
        let mut gone = Vec::new();
        for (id, operation) in operations {
            match &operation.action {
                Action::Insert { value, .. } => {
                    own.insert(*id, value);
                }
                Action::DeleteElement { element } if own.remove(element).is_none() => {
                    gone.extend(self.put.get(element).map(|value| (*element, *value)));
                }
                _ => {}
            }
        }
        let key = operations.first().map(|(_, operation)| &operation.key);
        for (characters, part) in [
            (gone, &mut write.removed),
            (own.into_iter().collect(), &mut write.added),
        ] {
            let text = around.in_order(key, characters);
            part.extend((!text.is_empty()).then_some(Value::Text(text)));
        }
    }

    /// The values that went of a list and those that came.
    fn note_list(&self, write: &mut FieldWrite, operations: &[(OpId, &Operation)]) {
        // What each element that was touched held before, and holds after it.
        let mut elements = BTreeMap::<OpId, (Option<Value>, Option<Value>)>::new();
        for (id, operation) in operations {
            let (element, after) = match &operation.action {
                Action::Insert { value, .. } => (*id, Some(value.clone())),
                Action::PutElement { element, value } => (*element, Some(value.clone())),
                Action::DeleteElement { element } => (*element, None),
                _ => continue,
            };
            let before = || self.replaced(operation).pop();
            elements
                .entry(element)
                .or_insert_with(|| (before(), None))
                .1 = after;
        }
        for (before, after) in elements.into_values() {
            write.removed.extend(before);
            write.added.extend(after);
        }
    }
}

impl FieldWrite {
    fn of(path: String, kind: FieldType) -> Self {
        Self {
            path,
            kind,
            before: Vec::new(),
            after: None,
            removed: Vec::new(),
            added: Vec::new(),
        }
    }

    fn note_member(&mut self, field: &FieldKey, first: &Operation, last: &Operation) {
        let (Some(member), was_there) = (field.member(), !first.pred.is_empty()) else {
            return; // a set is written by its members
        };
        match last.action {
            Action::Put(_) => self.added.push(member),
            _ if was_there => self.removed.push(member),
            _ => {}
        }
    }

    fn count(&mut self, before: Option<i64>, operations: &[(OpId, &Operation)]) {
        let by = operations
            .iter()
            .map(|(_, operation)| match operation.action {
                Action::Increment(by) => by,
                _ => 0,
            });
        let after = by.fold(before.unwrap_or(0), i64::wrapping_add);
        self.before = before.map(Value::Counter).into_iter().collect();
        self.after = Some(Value::Counter(after));
    }
}

fn decision(key: &str, last: &Operation) -> Option<Decided> {
    let entry = key.strip_prefix(REVIEW)?.parse().ok()?;
    match &last.action {
        Action::Put(value) => Some(Decided {
            entry,
            how: How::of(value)?,
        }),
        _ => None,
    }
}
