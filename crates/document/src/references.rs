//! Whether each operation of a change says what it must of what was there where it was made.
//!
//! An operation names a register that there is, replaces exactly what is live there at the change's deps with
//! the change's own earlier operations on top, and refers to elements that its past or itself put in. So
//! nobody's log can be made to lie, and Automerge never sees a reference it does not know.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::Refusal;
use crate::change::{Action, Change, Operation};
use crate::field::{FieldKey, FieldType};
use crate::genesis::{self, Genesis};
use crate::graph::Seen;
use crate::ids::{ChangeHash, OpId};
use crate::limits;
use crate::path::{DELETED, Register};
use crate::record::Record;
use crate::sequence::Sequence;
use crate::value::Value;

/// So many registers are looked at together.
const MANY: usize = 3;

/// What a change knew of.
pub(crate) struct Past<'a> {
    pub(crate) record: &'a Record,
    /// Its dependencies but for the genesis changes it brings along, sorted.
    pub(crate) deps: &'a [ChangeHash],
    pub(crate) seen: &'a Seen,
    pub(crate) carried: &'a [Genesis],
}

impl Past<'_> {
    /// Whether the text, list or counter with this key was made there.
    fn has(&self, key: &str) -> bool {
        let place = self.record.place_of_genesis(key);
        place.is_some_and(|place| self.seen.contains(place))
            || self.carried.iter().any(|genesis| genesis.key == key)
    }
}

/// Checks the operations of a change whose dependencies are all there.
pub(crate) fn check(past: &Past<'_>, change: &Change) -> Result<(), Refusal> {
    let mut registers = Registers::new(past, change);
    let mut sequences = BTreeMap::<&str, Elements<'_>>::new();
    for (n, (id, step)) in change.numbered().enumerate() {
        match step.action {
            Action::Put(_) | Action::Delete => registers.check(n, id, step)?,
            Action::Increment(by) => check_increment(past, n, step, by)?,
            _ => {
                let kind = kind_of(past, n, step)?;
                let elements = sequences
                    .entry(&step.key)
                    .or_insert_with(|| Elements::new(past, &step.key));
                elements.check(n, id, step, kind)?;
            }
        }
    }
    Ok(())
}

fn wrong_register(operation: usize, step: &Operation) -> Refusal {
    Refusal::WrongRegister {
        operation,
        key: step.key.clone(),
    }
}

fn wrong_pred(operation: usize, step: &Operation) -> Refusal {
    Refusal::WrongPred {
        operation,
        key: step.key.clone(),
    }
}

/// Puts and deletes at the root.
struct Registers<'a> {
    past: &'a Past<'a>,
    /// What is live on each register, with what the change did so far.
    live: BTreeMap<&'a str, Vec<OpId>>,
}

impl<'a> Registers<'a> {
    fn new(past: &'a Past<'a>, change: &'a Change) -> Self {
        let mut keys = BTreeSet::new();
        for step in &change.operations {
            if matches!(step.action, Action::Put(_) | Action::Delete) {
                keys.insert(step.key.as_str());
            }
        }
        let is_now = past.record.graph().are_heads(past.deps);
        let live = if is_now && keys.len() >= MANY {
            past.record.live_in_one_pass(&keys)
        } else {
            BTreeMap::new()
        };
        Self { past, live }
    }

    fn check(&mut self, n: usize, id: OpId, step: &'a Operation) -> Result<(), Refusal> {
        if !may_hold(&step.key, &step.action) {
            return Err(wrong_register(n, step));
        }
        let live = self.live.entry(&step.key).or_insert_with(|| {
            let found = self.past.record.live_at(&step.key, self.past.deps);
            found.into_iter().map(|(id, _)| id).collect()
        });
        let empties_nothing = step.action == Action::Delete && step.pred.is_empty();
        if step.pred != *live || empties_nothing {
            return Err(wrong_pred(n, step));
        }
        live.clear();
        if let Action::Put(_) = step.action {
            live.push(id);
        }
        Ok(())
    }
}

/// Whether there is a register with this key that this can be done to.
fn may_hold(key: &str, action: &Action) -> bool {
    match Register::parse(key) {
        // True or false, never emptied.
        _ if key == DELETED => matches!(action, Action::Put(Value::Bool(_))),
        Some(Register::Typed(field)) => {
            field.member().is_some()
                && matches!(action, Action::Delete | Action::Put(Value::Bool(true)))
        }
        Some(Register::Field(_) | Register::Special | Register::Later) => true,
        None => false,
    }
}

fn check_increment(past: &Past<'_>, n: usize, step: &Operation, by: i64) -> Result<(), Refusal> {
    let is_counter = FieldKey::parse(&step.key).is_some_and(|k| k.kind() == FieldType::Counter);
    if !is_counter || !past.has(&step.key) || !is_increment(by) {
        return Err(wrong_register(n, step));
    }
    if step.pred != [genesis::operation(&step.key)] {
        return Err(wrong_pred(n, step));
    }
    Ok(())
}

/// Whether one increment may be this: something, and not so much that sums run over.
pub(crate) fn is_increment(by: i64) -> bool {
    by != 0 && by.unsigned_abs() <= limits::INCREMENT
}

/// Whether this is a text or list that the change knew of.
fn kind_of(past: &Past<'_>, n: usize, step: &Operation) -> Result<FieldType, Refusal> {
    let kind = FieldKey::parse(&step.key).map(|key| key.kind());
    match kind {
        Some(kind @ (FieldType::Text | FieldType::List)) if past.has(&step.key) => Ok(kind),
        _ => Err(wrong_register(n, step)),
    }
}

/// The elements of one text or list, as one change finds and leaves them.
struct Elements<'a> {
    past: &'a Past<'a>,
    sequence: Option<&'a Sequence>,
    /// Elements the change put in or touched, each with what is live there now.
    own: BTreeMap<OpId, Vec<OpId>>,
}

impl<'a> Elements<'a> {
    fn new(past: &'a Past<'a>, key: &str) -> Self {
        Self {
            past,
            sequence: past.record.sequence(key),
            own: BTreeMap::new(),
        }
    }

    /// What is live on an element, or `None` where the change knows of no such element.
    fn live(&self, element: &OpId) -> Option<Vec<OpId>> {
        if let Some(live) = self.own.get(element) {
            return Some(live.clone());
        }
        let includes = |change| self.past.seen.contains(change);
        let sequence = self.sequence?;
        sequence
            .knows(element, includes)
            .then(|| sequence.live(element, includes).into_keys().collect())
    }

    fn check(
        &mut self,
        n: usize,
        id: OpId,
        step: &Operation,
        kind: FieldType,
    ) -> Result<(), Refusal> {
        let is_text = kind == FieldType::Text;
        let (element, expected) = match &step.action {
            Action::Insert { after, value } => {
                let follows = after
                    .is_none_or(|after| self.live(&after).is_some_and(|live| !live.is_empty()));
                if !follows || (is_text && !is_character(value)) {
                    return Err(wrong_register(n, step));
                }
                (id, Vec::new())
            }
            Action::PutElement { element, .. } | Action::DeleteElement { element } => {
                let puts = matches!(step.action, Action::PutElement { .. });
                let live = self.live(element).filter(|_| !(is_text && puts));
                let live = live.ok_or_else(|| wrong_register(n, step))?;
                if live.is_empty() && !puts {
                    return Err(wrong_pred(n, step));
                }
                (*element, live)
            }
            _ => return Err(wrong_register(n, step)),
        };
        if step.pred != expected {
            return Err(wrong_pred(n, step));
        }
        let left = match step.action {
            Action::DeleteElement { .. } => Vec::new(),
            _ => vec![id],
        };
        self.own.insert(element, left);
        Ok(())
    }
}

/// Whether an element of a text may hold this: one code point.
fn is_character(value: &Value) -> bool {
    let Value::String(text) = value else {
        return false;
    };
    let mut characters = text.chars();
    characters.next().is_some() && characters.next().is_none()
}
