//! How an intent becomes one change of the fewest operations that say it.
//!
//! Changes are encoded here directly, byte for byte as Automerge's own transaction would (a property test
//! holds the two side by side), because a transaction drops what it takes for nothing: a put of the value
//! that stands, and the confirming of one side of a conflict. The one difference: a transaction also depends
//! on its actor's last change where a head knows of it already; here the dependencies are the heads.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::Refusal;
use crate::change::{Action, Change, Operation};
use crate::ids::{ActorId, ChangeHash, OpId};
use crate::limits;
use crate::path::{self, DELETED, Register};
use crate::prescan;
use crate::record::Record;
use crate::value::Value;

/// One thing a user wants of one register.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Intent {
    /// The register shall hold this value, alone. Nothing is written where it does already.
    Put {
        /// The register's key.
        key: String,
        /// The value.
        value: Value,
    },
    /// The field shall be absent, and all fields below it.
    Remove {
        /// The register's key.
        key: String,
    },
    /// This one register shall be absent, whatever lies below it.
    Clear {
        /// The register's key.
        key: String,
    },
    /// The register's overlapping edits are decided: written even where the value stands already.
    Settle {
        /// The register's key.
        key: String,
        /// The value, or none for absent.
        value: Option<Value>,
    },
}

/// Why an intent cannot become a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The key names no register, or one that cannot hold that.
    #[error("`{key}` is not the key of a field")]
    NotAField {
        /// The key.
        key: String,
    },
    /// The value cannot be kept.
    #[error("the value of `{key}` is not a finite number")]
    NotFinite {
        /// The key.
        key: String,
    },
    /// The value is not in the one form it is kept in.
    #[error(
        "the value of `{key}` is not in the form it is kept in: JSON with sorted keys and no spaces, bytes as bytes"
    )]
    NotCanonical {
        /// The key.
        key: String,
    },
    /// More than fits into one change.
    #[error(
        "the edit makes {count} {what}, one change holds at most {limit}; write it in smaller parts"
    )]
    TooMuch {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

pub(crate) fn write(
    record: &Record,
    actor: ActorId,
    time: i64,
    intents: &[Intent],
) -> Result<Option<Vec<u8>>, WriteError> {
    let deps = record.heads();
    let past = record.graph().continues(&actor, &deps);
    let mut writer = Writer {
        record,
        actor,
        start_op: past.max_op + 1,
        deps,
        live: BTreeMap::new(),
        operations: Vec::new(),
    };
    for intent in intents {
        writer.intend(intent)?;
    }
    let Writer {
        deps,
        operations,
        start_op,
        ..
    } = writer;
    if operations.is_empty() {
        return Ok(None);
    }
    if deps.len() > limits::CHANGE_DEPS {
        return Err(WriteError::TooMuch {
            what: "dependencies",
            count: deps.len(),
            limit: limits::CHANGE_DEPS,
        });
    }
    let change = Change {
        hash: ChangeHash([0; 32]), // not part of the encoding: it is computed from it
        actor,
        seq: past.seq + 1,
        start_op,
        deps,
        time,
        operations,
    };
    let raw = change.encode().raw_bytes().to_vec();
    match prescan::check(&raw) {
        Err(Refusal::TooLarge { bytes, limit }) => Err(WriteError::TooMuch {
            what: "bytes",
            count: bytes,
            limit,
        }),
        Err(Refusal::OverLimit { what, count, limit }) => {
            Err(WriteError::TooMuch { what, count, limit })
        }
        _ => Ok(Some(raw)),
    }
}

struct Writer<'a> {
    record: &'a Record,
    actor: ActorId,
    start_op: u64,
    deps: Vec<ChangeHash>,
    /// What is live on the registers written so far, with what this change did to them.
    live: BTreeMap<String, Vec<(OpId, Value)>>,
    operations: Vec<Operation>,
}

impl Writer<'_> {
    fn intend(&mut self, intent: &Intent) -> Result<(), WriteError> {
        match intent {
            Intent::Put { key, value } => {
                check(key, Some(value))?;
                let live = self.live(key);
                if live.len() != 1 || live[0].1 != *value {
                    self.operate(key, Action::Put(value.clone()));
                }
            }
            Intent::Remove { key } => {
                check(key, None)?;
                let stored = self.record.keys();
                let below: BTreeSet<_> = stored
                    .chain(self.live.keys().cloned())
                    .filter(|k| path::is_below(k, key))
                    .collect();
                for key in std::iter::once(key).chain(&below) {
                    if !self.live(key).is_empty() {
                        self.operate(key, Action::Delete);
                    }
                }
            }
            Intent::Clear { key } => {
                check(key, None)?;
                if !self.live(key).is_empty() {
                    self.operate(key, Action::Delete);
                }
            }
            Intent::Settle { key, value } => {
                check(key, value.as_ref())?;
                if let Some(value) = value {
                    self.operate(key, Action::Put(value.clone()));
                } else {
                    if self.live(key).is_empty() {
                        self.operate(key, Action::Put(Value::Null)); // deleting nothing says nothing
                    }
                    self.operate(key, Action::Delete);
                }
            }
        }
        Ok(())
    }

    fn live(&mut self, key: &str) -> &mut Vec<(OpId, Value)> {
        if !self.live.contains_key(key) {
            let live = self.record.live_at(key, &self.deps);
            self.live.insert(key.to_owned(), live);
        }
        self.live.entry(key.to_owned()).or_default()
    }

    fn operate(&mut self, key: &str, action: Action) {
        let id = OpId {
            counter: self.start_op + self.operations.len() as u64,
            actor: self.actor,
        };
        let now = match &action {
            Action::Put(value) => vec![(id, value.clone())],
            _ => Vec::new(),
        };
        let before = std::mem::replace(self.live(key), now);
        self.operations.push(Operation {
            key: key.to_owned(),
            action,
            pred: before.into_iter().map(|(id, _)| id).collect(),
        });
    }
}

fn check(key: &str, value: Option<&Value>) -> Result<(), WriteError> {
    // `$deleted` is true or false, never emptied: admission demands it.
    let allowed = key != DELETED || matches!(value, Some(Value::Bool(_)));
    if !allowed || Register::parse(key).is_none() {
        return Err(WriteError::NotAField { key: key.into() });
    }
    match value {
        Some(Value::Float(number)) if !number.is_finite() => {
            Err(WriteError::NotFinite { key: key.into() })
        }
        // Otherwise it would read back as another value, and be written again each time.
        Some(value) if Value::from_scalar(&value.to_scalar()).as_ref() != Some(value) => {
            Err(WriteError::NotCanonical { key: key.into() })
        }
        _ => Ok(()),
    }
}
