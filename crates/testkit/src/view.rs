//! What somebody sees who knows some of the changes of a history, by brute force.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, OpId, Operation, Value};

use crate::histories::{FIELDS, Type};
use crate::known::Known;
use crate::sequence::{self, Element};

/// Some changes of a history, as somebody sees them who knows those alone.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The history, each change after its past.
    pub changes: &'a [Change],
    /// Of each change, the places of its past.
    pub pasts: &'a [Known],
    /// Which of them are known; all their pasts are.
    pub known: &'a Known,
}

/// A write that a decision can be about.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The register's name in the conflict log.
    pub register: String,
    /// The key that its operations have.
    pub key: String,
    /// The type of the field; none of the record's own register.
    pub kind: Option<Type>,
    /// The element, where the register is one of a list.
    pub element: Option<OpId>,
    /// The operation that names the write there; none where it is that the register has a value and fields below.
    pub operation: Option<OpId>,
    change: usize,
}

impl<'a> View<'a> {
    /// The known operations of one key, each after those it replaces.
    pub fn operations(&self, key: &str) -> impl Iterator<Item = (OpId, &'a Operation)> {
        let changes = self.changes;
        let numbered = self.known.iter().flat_map(move |n| changes[n].numbered());
        numbered.filter(move |(_, operation)| operation.key == key)
    }

    /// What is live on a register of the root.
    pub fn live(&self, key: &str) -> BTreeMap<OpId, Value> {
        live(self.operations(key))
    }

    /// The value that a register of the root shows.
    pub fn shown(&self, key: &str) -> Option<Value> {
        self.live(key).into_values().next_back()
    }

    /// The elements of a text or list, the removed ones too, in order.
    pub fn elements(&self, key: &str) -> Vec<Element> {
        sequence::elements(self.operations(key))
    }

    /// How many elements of a text or list are there.
    pub fn length(&self, key: &str) -> usize {
        let elements = self.elements(key);
        elements.iter().filter(|e| !e.live.is_empty()).count()
    }

    /// The names of the reviews there are, in the order they were first made.
    pub fn reviews(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for n in self.known.iter() {
            for operation in &self.changes[n].operations {
                let is_review = operation.key.starts_with("$review/");
                if is_review && !names.contains(&operation.key.as_str()) {
                    names.push(&operation.key);
                }
            }
        }
        names
    }

    /// The writes that a decision can be about: those that meet one made apart from them, or all where none does.
    pub fn targets(&self) -> Vec<Target> {
        let mut all: Vec<Target> = Vec::new();
        for n in self.known.iter() {
            all.extend(targets_of(&self.changes[n], n));
        }
        let apart =
            |x: usize, y: usize| x != y && !self.pasts[x].contains(y) && !self.pasts[y].contains(x);
        let meets = |target: &&Target| {
            all.iter().any(|other| {
                other.register == target.register && apart(other.change, target.change)
            })
        };
        let mut meeting: Vec<Target> = all.iter().filter(meets).cloned().collect();
        meeting.extend(self.shapes());
        if meeting.is_empty() { all } else { meeting }
    }

    /// The fields that may have both a value and fields below.
    fn shapes(&self) -> impl Iterator<Item = Target> {
        let values = FIELDS
            .iter()
            .filter(|(key, kind)| *kind == Type::Scalar && !self.live(key).is_empty());
        let has_below = |key: &str| {
            let below = format!("{key}.");
            let mut changes = self.known.iter().map(|n| &self.changes[n]);
            changes.any(|change| change.operations.iter().any(|o| o.key.starts_with(&below)))
        };
        let both = values.filter(move |(key, _)| has_below(key));
        both.map(|(key, kind)| Target {
            register: (*key).to_owned(),
            key: (*key).to_owned(),
            kind: Some(*kind),
            element: None,
            operation: None,
            change: 0,
        })
    }
}

/// What is live on a register of the root after some operations on it, each after those it replaces.
pub(crate) fn live<'a>(
    operations: impl Iterator<Item = (OpId, &'a Operation)>,
) -> BTreeMap<OpId, Value> {
    let mut live = BTreeMap::new();
    for (id, operation) in operations {
        live.retain(|id, _| !operation.pred.contains(id));
        if let Action::Put(value) = &operation.action {
            live.insert(id, value.clone());
        }
    }
    live
}

/// What one change writes; that it edits the record at all is one of them.
fn targets_of(change: &Change, n: usize) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut seen = BTreeSet::new();
    let mut edits = None;
    for (operation, step) in change.numbered() {
        let key = step.key.clone();
        let own = key.starts_with('$');
        if own && key != "$deleted" {
            continue;
        }
        if !own && edits.is_none() {
            edits = Some(operation);
        }
        let kind = FIELDS.iter().find(|(field, _)| *field == key);
        let kind = kind.map(|(_, kind)| *kind);
        let (register, element) = match (&step.action, kind) {
            (_, Some(Type::Counter)) | (Action::Insert { .. }, Some(Type::List)) => continue,
            (Action::PutElement { element, .. } | Action::DeleteElement { element }, kind)
                if kind != Some(Type::Text) =>
            {
                let (counter, actor) = (element.counter, element.actor);
                (format!("{key}/{counter}@{actor}"), Some(*element))
            }
            _ => (key.clone(), None),
        };
        if kind == Some(Type::Text) && !seen.insert(register.clone()) {
            continue; // a change's edit of a text is one, named by its smallest operation
        }
        targets.push(Target {
            register,
            key,
            kind,
            element,
            operation: Some(operation),
            change: n,
        });
    }
    if let Some(operation) = edits {
        targets.push(Target {
            register: "$deleted".to_owned(),
            key: "$deleted".to_owned(),
            kind: None,
            element: None,
            operation: Some(operation),
            change: n,
        });
    }
    targets
}
