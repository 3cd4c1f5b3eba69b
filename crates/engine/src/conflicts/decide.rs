//! Deciding one entry: an edit like any other, which says in the record that it is a decision.
//!
//! A decision is one change that depends on all heads of the record, so it knows every member, and closes the entry on
//! every device that gets it. It is refused, and nothing is written, where the entry is not what the person read.

use driftless_document::{
    Candidate, DELETED, Entry, EntryId, FieldKey, FieldPath, FieldType, Intent, Kind, Node, REVIEW,
    Row, Shown, Status, Value,
};

use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;
use crate::types::{Commit, ConflictView};

/// How a person decides an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The n-th candidate stands, counted from 0.
    Keep(usize),
    /// Another value stands.
    Merge(Node),
    /// Both sides stand, as they were merged: where a field holds both.
    Both,
}

impl Decision {
    /// What the record says of it, for good.
    fn word(&self) -> &'static str {
        match self {
            Self::Keep(_) => "keep",
            Self::Merge(_) => "merge",
            Self::Both => "both",
        }
    }
}

impl Replica {
    /// Decides an open entry: one change that knows every member and so settles the register, everywhere.
    ///
    /// `seen` is the number of members when the person read it; an entry that has grown since is not decided.
    pub fn resolve(
        &mut self,
        id: EntryId,
        seen: Option<usize>,
        decision: &Decision,
    ) -> Result<Commit, EngineError> {
        let current = self.undecided(id, seen)?;
        let row = self.core.stored_row(&current.key)?.map(|stored| stored.row);
        let intents = self.decided(&current, decision, row.as_ref())?;
        self.write_one(&current.key, &intents)
    }

    /// Says of an open entry that it may stay as it is: closed everywhere, until a write that was made without
    /// knowing of this comes.
    ///
    /// `note` has at most [`limits::NOTE_CHARS`] characters and may be empty. `seen` is as with [`Replica::resolve`].
    pub fn acknowledge(
        &mut self,
        id: EntryId,
        seen: Option<usize>,
        note: &str,
    ) -> Result<Commit, EngineError> {
        limits::check_note(note)?;
        let current = self.undecided(id, seen)?;
        self.write_one(&current.key, &[acknowledged(&current.entry, note)])
    }

    /// Opens an entry again that was decided or acknowledged: one change, which withdraws every decision on it.
    ///
    /// What the record shows stays as it was decided until it is decided anew. `seen` is the entry as the person read
    /// it: one that has grown, or was decided otherwise since, is left alone.
    pub fn undo(&mut self, id: EntryId, seen: Option<&Entry>) -> Result<Commit, EngineError> {
        self.core.stage_evidence()?;
        let current = self.entry(id)?;
        if !is_decided(current.status) {
            return Err(EngineError::ConflictOpen {
                current: Box::new(current),
            });
        }
        if seen.is_some_and(|seen| !is_same(seen, &current.entry)) {
            return Err(EngineError::ConflictGrown {
                current: Box::new(current),
            });
        }
        let intent = reviewed(&current.entry, Value::String("reopen".into()));
        self.write_one(&current.key, &[intent])
    }

    /// Everything that a decision writes.
    pub(super) fn decided(
        &self,
        current: &ConflictView,
        decision: &Decision,
        row: Option<&Row>,
    ) -> Result<Vec<Intent>, EngineError> {
        let mut intents = hidden_by(&current.entry, decision, row);
        intents.extend(match current.entry.kind {
            Kind::Text => self.text_intents(current, decision)?,
            _ => intents_of(current, decision)?,
        });
        let word = Value::String(decision.word().into());
        intents.push(reviewed(&current.entry, word));
        Ok(intents)
    }

    /// What makes a text read as it was decided; where what is merged stands, nothing.
    fn text_intents(
        &self,
        current: &ConflictView,
        decision: &Decision,
    ) -> Result<Vec<Intent>, EngineError> {
        let register = &current.entry.register;
        let text = match decision {
            Decision::Both => return Ok(Vec::new()),
            Decision::Keep(n) => {
                // What the log shows of it may be cut: the whole is in the record.
                let change = candidate(current, *n)?.change;
                let record = self.core.record(&current.key)?.at(&[change])?;
                match record.row().fields.remove(register) {
                    Some(Value::Text(text)) => text,
                    _ => String::new(),
                }
            }
            Decision::Merge(Node::Leaf(Value::String(text))) => text.clone(),
            Decision::Merge(_) => return Err(does_not_fit(current, "a text, or by keeping one")),
        };
        let path = FieldKey::parse(register).map(|field| field.path().to_key());
        let path = path.unwrap_or_else(|| register.clone());
        Ok(vec![Intent::ReplaceText { path, text }])
    }

    /// The entry as it stands, to be decided.
    fn undecided(&mut self, id: EntryId, seen: Option<usize>) -> Result<ConflictView, EngineError> {
        self.core.stage_evidence()?; // earlier writes of this group count
        let current = self.entry(id)?;
        if is_decided(current.status) {
            return Err(EngineError::ConflictClosed {
                current: Box::new(current),
            });
        }
        if seen.is_some_and(|seen| seen != current.entry.members.len()) {
            return Err(EngineError::ConflictGrown {
                current: Box::new(current),
            });
        }
        Ok(current)
    }
}

/// Whether somebody has decided it; what a type or a policy decided, a person can decide otherwise.
pub(super) fn is_decided(status: Status) -> bool {
    !matches!(status, Status::Open | Status::AutoMerged)
}

/// Whether an entry is what somebody read: nothing of it was added or decided since.
fn is_same(seen: &Entry, current: &Entry) -> bool {
    let outcomes = |entry: &Entry| -> Vec<_> {
        let outcomes = entry.outcomes.iter();
        outcomes.map(|outcome| outcome.operation).collect()
    };
    seen.members.len() == current.members.len()
        && seen.reviews.len() == current.reviews.len()
        && outcomes(seen) == outcomes(current)
}

/// What says that an entry may stay as it is.
pub(super) fn acknowledged(entry: &Entry, note: &str) -> Intent {
    let said = serde_json::json!({ "acknowledge": note });
    reviewed(entry, Value::Json(said.to_string()))
}

fn reviewed(entry: &Entry, value: Value) -> Intent {
    Intent::Settle {
        key: format!("{REVIEW}{}", entry.id),
        value: Some(value),
    }
}

/// What a decision writes to the register, and below it.
fn intents_of(current: &ConflictView, decision: &Decision) -> Result<Vec<Intent>, EngineError> {
    let entry = &current.entry;
    let settle = |value: Option<Value>| {
        vec![Intent::Settle {
            key: entry.register.clone(),
            value,
        }]
    };
    let field = FieldKey::parse(&entry.register);
    let is_member = field.is_some_and(|field| field.kind() == FieldType::Set);
    match decision {
        Decision::Keep(n) => Ok(match (&candidate(current, *n)?.shown, entry.kind) {
            (shown, Kind::RecordDeleted) => settle(Some(Value::Bool(*shown != Shown::Keep))),
            (Shown::Value(value), _) => settle(Some(value.clone())),
            _ => settle(None),
        }),
        // A member that one side added stays: it is confirmed.
        Decision::Both if is_member => Ok(settle(Some(Value::Bool(true)))),
        Decision::Both => Err(both_cannot_stand(current)),
        Decision::Merge(_) if is_member || entry.register == DELETED => {
            Err(does_not_fit(current, "keeping one"))
        }
        Decision::Merge(Node::Leaf(value)) => Ok(settle(Some(value.clone()))),
        Decision::Merge(Node::Object(_)) if entry.kind == Kind::ListElement => {
            Err(does_not_fit(current, "one value, or by keeping one"))
        }
        Decision::Merge(Node::Object(fields)) => {
            // An object in the place of a contested value: its fields are set, the value itself goes.
            let path = FieldPath::parse(&entry.register)?.to_key();
            let mut intents = settle(None);
            intents.extend(fields.iter().map(|(below, value)| Intent::Put {
                key: format!("{path}.{below}"),
                value: value.clone(),
            }));
            Ok(intents)
        }
    }
}

fn candidate(current: &ConflictView, n: usize) -> Result<&Candidate, EngineError> {
    let candidates = &current.entry.candidates;
    candidates
        .get(n)
        .ok_or_else(|| EngineError::NoSuchCandidate {
            wanted: n,
            count: candidates.len(),
            current: Box::new(current.clone()),
        })
}

fn does_not_fit(current: &ConflictView, takes: &'static str) -> EngineError {
    EngineError::DecisionDoesNotFit {
        takes,
        current: Box::new(current.clone()),
    }
}

/// Why both sides cannot stand, and what can be done.
fn both_cannot_stand(current: &ConflictView) -> EngineError {
    let (reason, remedy) = match current.entry.kind {
        Kind::RecordDeleted => (
            "a record is deleted or it is not",
            "Keep one of the two candidates.",
        ),
        Kind::ListElement => (
            "one element of a list holds one value",
            "Keep one of the candidates and push the other as an element of its own, or give a merged value.",
        ),
        Kind::Integrity => (
            "a field holds a value or has fields below it",
            "Keep one of the candidates, or acknowledge that both are there.",
        ),
        Kind::PutDelete => (
            "a field is absent or it holds a value",
            "Keep one of the candidates.",
        ),
        _ => (
            "the field holds one value",
            "Keep one of the candidates, or give a value that says both.",
        ),
    };
    EngineError::BothCannotStand {
        reason,
        remedy,
        current: Box::new(current.clone()),
    }
}

/// What would hide a value that is decided for: the fields below it, which a row shows in its place, and those
/// of an object that takes its place.
fn hidden_by(entry: &Entry, decision: &Decision, row: Option<&Row>) -> Vec<Intent> {
    let chosen = match decision {
        Decision::Keep(n) => matches!(
            entry.candidates.get(*n).map(|c| &c.shown),
            Some(Shown::Value(_))
        ),
        Decision::Merge(_) => true,
        Decision::Both => false,
    };
    let below = format!("{}.", entry.register);
    let keys = row.into_iter().flat_map(|row| row.fields.keys());
    keys.filter(|key| chosen && key.starts_with(&below))
        .map(|key| Intent::Clear { key: key.clone() })
        .collect()
}
