//! What a step wants of a replica that knows some changes.

use driftless_document::{OpId, Value};

use super::{Plan, Step, Type, What};
use crate::oracle::{entry_id, shape_id};
use crate::view::{Target, View};

/// What a person wants of one field.
///
/// A position is counted among what is there, and is within it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// The register shall hold this value, alone, in the place of what lies above and below it. Nothing is written
    /// where it does already.
    Put {
        /// The register's key.
        key: String,
        /// The value.
        value: Value,
    },
    /// The register shall be absent, and all fields below it.
    Remove {
        /// The register's key.
        key: String,
    },
    /// The set shall have this member, also against a removal that nobody here knows of: written in any case.
    Add {
        /// The member's key.
        key: String,
    },
    /// The register's overlapping edits are decided: written even where the value stands already.
    Settle {
        /// The register's key.
        key: String,
        /// The value, or none for absent.
        value: Option<Value>,
    },
    /// The counter counts on.
    Increment {
        /// The counter's key.
        key: String,
        /// By how much.
        by: i64,
    },
    /// Characters are taken out of a text, and others put in there.
    Splice {
        /// The text's key.
        key: String,
        /// Where.
        at: usize,
        /// How many are taken out.
        delete: usize,
        /// What is put in.
        insert: String,
    },
    /// An element is put into a list.
    InsertElement {
        /// The list's key.
        key: String,
        /// Where.
        at: usize,
        /// The element.
        value: Value,
    },
    /// An element of a list is replaced, or taken out.
    SetElement {
        /// The list's key.
        key: String,
        /// Where.
        at: usize,
        /// The value, or none to take it out.
        value: Option<Value>,
    },
    /// The overlapping edits of one element of a list are decided, whether it is there or not.
    SettleElement {
        /// The list's key.
        key: String,
        /// The element.
        element: OpId,
        /// The value, or none for absent.
        value: Option<Value>,
    },
}

/// Characters that texts are made of.
const LETTERS: [&str; 8] = ["x", "y", "ab", "é", "q", "wo", "\u{1f600}", "z"];
/// What decisions say; the last is of a later Driftless.
const DECISIONS: [&str; 8] = [
    "keep", "merge", "both", "keep", "merge", "keep", "both", "someday",
];
/// What increments add.
const STEPS_OF_COUNTERS: [i64; 4] = [1, 5, -2, 3];

impl Plan {
    /// What a step wants to write of a replica that knows what `view` shows; nothing where it is no edit.
    pub fn wishes(&self, step: Step, view: &View<'_>) -> Vec<Wish> {
        let deleted = |value: u8| Value::Bool(!value.is_multiple_of(4));
        let put = |key: &str, value: Value| Wish::Put {
            key: key.to_owned(),
            value,
        };
        match step.what {
            What::Write => self.write(step, view),
            What::WriteTwo => {
                let other = Step {
                    field: step.field.wrapping_add(1 + step.at % 4),
                    ..step
                };
                let mut both = self.write(step, view);
                // A second position in one text or list would be one in what the first has left of it.
                let root = |field: u8| self.field(field).0.split(['.', '#', '/']).next();
                if root(other.field) != root(step.field) {
                    both.extend(self.write(other, view));
                }
                both
            }
            What::Remove => self.remove(step, view),
            What::Settle => self.settle(step, view, false),
            What::Confirm => self.settle(step, view, true),
            What::WriteAndDelete => {
                let mut both = self.write(step, view);
                both.push(put("$deleted", deleted(step.at)));
                both
            }
            What::Delete => vec![put("$deleted", deleted(step.value))],
            What::SettleDeleted => vec![Wish::Settle {
                key: "$deleted".to_owned(),
                value: Some(deleted(step.value)),
            }],
            What::Decide => decide(step, view),
            What::Acknowledge => {
                let note = ["", "seen", "a \\\"quoted\\\" note"][usize::from(step.value % 3)];
                let note = Value::Json(format!("{{\"acknowledge\":\"{note}\"}}"));
                let target = target(step, view);
                target.map(|t| review(&t, note)).into_iter().collect()
            }
            What::Reopen => reopen(step, view),
            What::Note => vec![put("$review/note", Value::Int(i64::from(step.value % 3)))],
            What::Restart | What::Meet | What::PullAll | What::PullOne => Vec::new(),
        }
    }

    fn write(&self, step: Step, view: &View<'_>) -> Vec<Wish> {
        let (key, kind) = self.field(step.field);
        let (key, at) = (key.to_owned(), usize::from(step.at));
        let number = Value::Int(i64::from(step.value % 3));
        vec![match kind {
            Type::Scalar => Wish::Put { key, value: number },
            Type::Member => Wish::Add { key },
            Type::Counter => Wish::Increment {
                key,
                by: STEPS_OF_COUNTERS[usize::from(step.value) % STEPS_OF_COUNTERS.len()],
            },
            Type::Text => Wish::Splice {
                at: at % (view.length(&key) + 1),
                key,
                delete: 0,
                insert: LETTERS[usize::from(step.value) % LETTERS.len()].to_owned(),
            },
            Type::List => {
                let length = view.length(&key);
                if length > 0 && step.value >= 96 {
                    Wish::SetElement {
                        at: at % length,
                        key,
                        value: Some(number),
                    }
                } else {
                    Wish::InsertElement {
                        at: at % (length + 1),
                        key,
                        value: number,
                    }
                }
            }
        }]
    }

    fn remove(&self, step: Step, view: &View<'_>) -> Vec<Wish> {
        let (key, kind) = self.field(step.field);
        let (key, at) = (key.to_owned(), usize::from(step.at));
        vec![match kind {
            Type::Scalar | Type::Member => Wish::Remove { key },
            Type::Counter => Wish::Increment { key, by: -1 },
            Type::Text | Type::List => {
                let length = view.length(&key);
                if length == 0 {
                    return Vec::new();
                }
                let at = at % length;
                if kind == Type::List {
                    Wish::SetElement {
                        key,
                        at,
                        value: None,
                    }
                } else {
                    let insert = if step.value >= 128 { "r" } else { "" };
                    Wish::Splice {
                        key,
                        at,
                        delete: (1 + usize::from(step.value % 3)).min(length - at),
                        insert: insert.to_owned(),
                    }
                }
            }
        }]
    }

    /// Decides a register as some value, or as what it shows.
    fn settle(&self, step: Step, view: &View<'_>, as_shown: bool) -> Vec<Wish> {
        let (key, kind) = self.field(step.field);
        let some = match step.value % 4 {
            0 => None,
            _ if kind == Type::Member => Some(Value::Bool(true)),
            n => Some(Value::Int(i64::from(n))),
        };
        match kind {
            Type::Scalar | Type::Member => vec![Wish::Settle {
                key: key.to_owned(),
                value: if as_shown { view.shown(key) } else { some },
            }],
            Type::List => {
                let elements = view.elements(key);
                if elements.is_empty() {
                    return Vec::new();
                }
                let element = &elements[usize::from(step.at) % elements.len()];
                let shown = element.live.values().next_back().cloned();
                vec![Wish::SettleElement {
                    key: key.to_owned(),
                    element: element.id,
                    value: if as_shown { shown } else { some },
                }]
            }
            Type::Counter | Type::Text => self.write(step, view),
        }
    }
}

/// The write that a decision is about: one that may be in an entry, if there is one.
fn target(step: Step, view: &View<'_>) -> Option<Target> {
    let mut targets = view.targets();
    if targets.is_empty() {
        return None;
    }
    let at = match step.what {
        What::Acknowledge if step.value >= 160 => targets.len() - 1, // a shape, if there is one
        _ => usize::from(step.at) % targets.len(),
    };
    Some(targets.swap_remove(at))
}

fn review(target: &Target, value: Value) -> Wish {
    let id = match target.operation {
        Some(operation) => entry_id(
            super::COLLECTION,
            super::RECORD,
            &target.register,
            operation,
        ),
        None => shape_id(super::COLLECTION, super::RECORD, &target.register),
    };
    Wish::Settle {
        key: format!("$review/{id}"),
        value: Some(value),
    }
}

fn decide(step: Step, view: &View<'_>) -> Vec<Wish> {
    let Some(target) = target(step, view) else {
        return Vec::new();
    };
    let said = DECISIONS[usize::from(step.value % 8)].to_owned();
    let review = review(&target, Value::String(said));
    let choice = step.value / 8 % 8;
    let number = || Some(Value::Int(i64::from(choice)));
    let write = match (&target.element, target.kind) {
        _ if choice == 7 => return vec![review], // says so, and writes nothing
        (Some(element), _) => Wish::SettleElement {
            key: target.key.clone(),
            element: *element,
            value: if choice == 0 { None } else { number() },
        },
        (None, Some(Type::Text)) => {
            if choice < 3 {
                return vec![review];
            }
            Wish::Splice {
                key: target.key.clone(),
                at: 0,
                delete: view.length(&target.key).min(usize::from(choice % 2)),
                insert: "d".to_owned(),
            }
        }
        (None, kind) => Wish::Settle {
            key: target.key.clone(),
            value: match kind {
                None => Some(Value::Bool(choice.is_multiple_of(2))), // whether it is deleted
                _ if choice == 0 => None,
                _ if choice == 1 => view.shown(&target.key),
                Some(Type::Member) => Some(Value::Bool(true)),
                _ => number(),
            },
        },
    };
    vec![write, review]
}

/// Takes back what some review says; now and then in the name of another write of its register.
fn reopen(step: Step, view: &View<'_>) -> Vec<Wish> {
    let reopen = Value::String("reopen".to_owned());
    let reviews = view.reviews();
    if step.value.is_multiple_of(4) || reviews.is_empty() {
        let target = target(step, view);
        return target.map(|t| review(&t, reopen)).into_iter().collect();
    }
    let key = reviews[usize::from(step.at) % reviews.len()].to_owned();
    vec![Wish::Settle {
        key,
        value: Some(reopen),
    }]
}
