//! One step of a history: what one change wrote, and what it read there.

use std::collections::BTreeMap;

use super::tally;
use crate::change::{Action, Change, Operation};
use crate::ids::{ActorId, ChangeHash, EntryId, OpId, Version};
use crate::path::{DELETED, REVIEW, is_below};
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
#[derive(Clone, Debug, PartialEq)]
pub struct FieldWrite {
    /// The field's path.
    pub path: String,
    /// What the field held where the change was made, the shown value last: several if edits made apart were not
    /// decided, none if it was absent.
    pub before: Vec<Value>,
    /// What it holds after it; none if the change removed it.
    pub after: Option<Value>,
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
    key == field || is_below(key, field)
}

/// The values that the operations so far put, to look up what later ones replace.
#[derive(Default)]
pub(super) struct Values<'a> {
    put: BTreeMap<OpId, &'a Value>,
}

impl<'a> Values<'a> {
    pub(super) fn push(&mut self, change: &'a Change) {
        for (id, operation) in change.numbered() {
            tally::add(1);
            if let Action::Put(value) = &operation.action {
                self.put.insert(id, value);
            }
        }
    }

    /// What `change` did; its past was pushed.
    pub(super) fn step(
        &self,
        change: &Change,
        apart: bool,
        version: Version,
        field: Option<&str>,
    ) -> HistoryStep {
        let mut step = HistoryStep {
            change: change.hash,
            actor: change.actor,
            seq: change.seq,
            time: change.time,
            deps: change.deps.len(),
            apart,
            writes: Vec::new(),
            deletion: None,
            decisions: Vec::new(),
            version,
        };
        let mut registers = BTreeMap::<&str, (&Operation, &Operation)>::new();
        for operation in &change.operations {
            let register = registers.entry(&operation.key);
            register.or_insert((operation, operation)).1 = operation;
        }
        for (key, (first, last)) in registers {
            if let Some(decided) = decision(key, last) {
                step.decisions.push(decided);
            } else if field.is_none_or(|field| is_within(key, field)) {
                self.note(&mut step, key, first, last);
            }
        }
        step
    }

    /// What a change did to one register by its first and its last operation there.
    fn note(&self, step: &mut HistoryStep, key: &str, first: &Operation, last: &Operation) {
        tally::add(first.pred.len() + 1);
        // Sorted, so that the greatest operation, which is shown, comes last.
        let replaced = first.pred.iter().filter_map(|id| self.put.get(id));
        let before: Vec<Value> = replaced.map(|&value| value.clone()).collect();
        let after = match &last.action {
            Action::Put(value) => Some(value.clone()),
            _ => None,
        };
        if key == DELETED {
            step.deletion = Some(Deletion {
                before: before.last() == Some(&Value::Bool(true)),
                after: after == Some(Value::Bool(true)),
            });
        } else {
            step.writes.push(FieldWrite {
                path: key.to_owned(),
                before,
                after,
            });
        }
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
