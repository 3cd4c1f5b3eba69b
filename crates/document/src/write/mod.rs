//! How an intent becomes one change of the fewest operations that say it.
//!
//! Changes are encoded here directly, byte for byte as Automerge's own transaction would (a property test
//! holds the two side by side), because a transaction drops what it takes for nothing: a put of the value
//! that stands, and the confirming of one side of a conflict. The one difference: a transaction also depends
//! on its actor's last change where a head knows of it already; here the dependencies are the heads, and the
//! genesis changes of the texts, lists and counters that the change is the first to need.

mod diff;
mod elements;
mod intent;
mod parts;
mod typed;

use std::collections::{BTreeMap, BTreeSet};

pub use intent::{Intent, WriteError};
pub(crate) use parts::Parts;

use self::elements::Elements;
use crate::change::{Action, Operation};
use crate::field::{FieldKey, FieldType, element_of};
use crate::genesis;
use crate::ids::{ActorId, ChangeHash, OpId};
use crate::limits;
use crate::path::{self, DELETED, Register};
use crate::record::Record;
use crate::value::Value;
use crate::void::Counted;

/// What `intents` do, one after the other, at the record's heads; none where that is nothing. What void changes wrote to
/// is taken as it is `counted`.
pub(crate) fn write(
    record: &Record,
    actor: ActorId,
    time: i64,
    intents: &[Intent],
    counted: &Counted,
) -> Result<Option<Parts>, WriteError> {
    let heads = record.heads();
    let past = record
        .graph()
        .continues(&actor, &record.graph().seen(&heads));
    let makes_something = intents.iter().any(Intent::makes_object);
    let max_op = past.max_op.max(u64::from(makes_something));
    let mut writer = Writer {
        record,
        actor,
        start_op: max_op + 1,
        heads,
        live: BTreeMap::new(),
        counted: counted.0.clone(),
        elements: BTreeMap::new(),
        keys: record.keys().chain(counted.0.keys().cloned()).collect(),
        creates: BTreeSet::new(),
        operations: Vec::new(),
    };
    for intent in intents {
        writer.intend(intent)?;
    }
    if writer.operations.is_empty() {
        return Ok(None);
    }
    Ok(Some(Parts {
        actor,
        time,
        heads: writer.heads,
        past,
        start_op: writer.start_op,
        operations: writer.operations,
        creates: writer.creates,
    }))
}

struct Writer<'a> {
    record: &'a Record,
    actor: ActorId,
    start_op: u64,
    heads: Vec<ChangeHash>,
    /// What is live on the registers written so far, with what this change did to them.
    live: BTreeMap<String, Vec<(OpId, Value)>>,
    /// What stands on the registers, and in the counters, that void changes wrote to and this change has not.
    counted: BTreeMap<String, Vec<Value>>,
    /// The texts and lists changed so far, with what this change did to them.
    elements: BTreeMap<String, Elements>,
    /// The keys of all live registers of the record, and of those that void changes wrote to.
    keys: BTreeSet<String>,
    /// The keys of the texts, lists and counters that the record does not have.
    creates: BTreeSet<String>,
    operations: Vec<Operation>,
}

impl Writer<'_> {
    fn intend(&mut self, intent: &Intent) -> Result<(), WriteError> {
        self.check_room(0)?;
        match intent {
            Intent::Put { key, value } => self.put(key, value),
            Intent::Remove { key } => self.remove(key),
            Intent::Clear { key } => self.clear(key),
            Intent::Settle { key, value } => self.settle(key, value.as_ref()),
            Intent::Increment { path, by } => self.increment(path, *by),
            Intent::Splice {
                path,
                at,
                delete,
                insert,
            } => self.splice(path, *at, *delete, insert),
            Intent::AppendText { path, text } => self.append_text(path, text),
            Intent::ReplaceText { path, text } => self.replace_text(path, text),
            Intent::InsertElements { path, at, values } => self.insert_elements(path, *at, values),
            Intent::PutElement { path, at, value } => self.put_element(path, *at, value),
            Intent::RemoveElements { path, at, count } => self.remove_elements(path, *at, *count),
            Intent::AddMember { path, member } => self.member(path, member, true),
            Intent::RemoveMember { path, member } => self.member(path, member, false),
        }
    }

    /// Whether so many operations more are no more than an edit may do.
    fn check_room(&self, more: usize) -> Result<(), WriteError> {
        let count = self.operations.len().saturating_add(more);
        if count > limits::EDIT_OPERATIONS {
            return Err(WriteError::TooMuch {
                what: "operations",
                count,
                limit: limits::EDIT_OPERATIONS,
            });
        }
        Ok(())
    }

    fn put(&mut self, key: &str, value: &Value) -> Result<(), WriteError> {
        check(key, Some(value))?;
        if let Some(kind) = self.type_at(key) {
            self.put_typed(key, kind, value)?;
            // A value that was made apart stands first in a row: it would hide what was put.
            self.empty(key);
            return Ok(());
        }
        if let Some(Register::Field(_)) = Register::parse(key) {
            self.make_room(key)?;
        }
        let live = self.live(key);
        let is_there = live.len() == 1 && live[0].1 == *value;
        let counts = self.counted.get(key);
        if !is_there || counts.is_some_and(|stands| stands[..] != [value.clone()]) {
            self.operate(key, Action::Put(value.clone()));
        }
        Ok(())
    }

    /// Whether nothing stands on a register.
    fn is_empty(&mut self, key: &str) -> bool {
        match self.counted.get(key) {
            Some(stands) => stands.is_empty(),
            None => self.live(key).is_empty(),
        }
    }

    /// Nothing shall stand on a register.
    fn empty(&mut self, key: &str) {
        if !self.is_empty(key) {
            self.delete(key);
        }
    }

    /// Empties a register in any case.
    fn delete(&mut self, key: &str) {
        if self.live(key).is_empty() {
            // Deleting nothing says nothing.
            let nothing = match FieldKey::parse(key).map(|field| field.kind()) {
                Some(FieldType::Set) => Value::Bool(true),
                _ => Value::Null,
            };
            self.operate(key, Action::Put(nothing));
        }
        self.operate(key, Action::Delete);
    }

    /// Empties what cannot stand beside a field that gets a value: the values of the fields it lies in, and the
    /// fields below it.
    fn make_room(&mut self, path: &str) -> Result<(), WriteError> {
        self.clear_above(path);
        let below: BTreeSet<String> = self.keys_from(&format!("{path}.")).collect();
        below.iter().try_for_each(|key| self.clear(key))
    }

    fn clear_above(&mut self, path: &str) {
        for above in path::above(path) {
            self.empty(above);
        }
    }

    /// The keys that begin so, of what the record has and of what the change wrote.
    fn keys_from(&self, prefix: &str) -> impl Iterator<Item = String> {
        let begins = move |key: &&String| key.starts_with(prefix);
        let from = prefix.to_owned();
        let stored = self.keys.range(from.clone()..).take_while(begins);
        let written = self.live.range(from.clone()..).map(|(key, _)| key);
        let changed = self.elements.range(from..).map(|(key, _)| key);
        let written = written.take_while(begins).chain(changed.take_while(begins));
        stored.chain(written).cloned()
    }

    fn remove(&mut self, key: &str) -> Result<(), WriteError> {
        check_key(key)?;
        let belongs = |other: &String| path::is_below(other, key) || path::is_typed(other, key);
        let mut keys: BTreeSet<String> = self.keys_from(key).filter(belongs).collect();
        keys.insert(key.to_owned());
        keys.iter().try_for_each(|key| self.clear(key))
    }

    fn clear(&mut self, key: &str) -> Result<(), WriteError> {
        check_key(key)?;
        if let Some(field) = FieldKey::parse(key) {
            match field.kind() {
                FieldType::Counter => return self.clear_counter(key, &field),
                FieldType::Text | FieldType::List => return self.clear_elements(key),
                FieldType::Set if field.member().is_none() => {
                    self.clear_set(key);
                    return Ok(());
                }
                FieldType::Set | FieldType::Value => {}
            }
        }
        self.empty(key);
        Ok(())
    }

    fn settle(&mut self, key: &str, value: Option<&Value>) -> Result<(), WriteError> {
        if let Some((list, element)) = element_of(key) {
            return self.settle_element(list, element, value);
        }
        check(key, value)?;
        match value {
            Some(value) => self.operate(key, Action::Put(value.clone())),
            None => self.delete(key),
        }
        Ok(())
    }

    fn live(&mut self, key: &str) -> &mut Vec<(OpId, Value)> {
        if !self.live.contains_key(key) {
            let live = self.record.live_at(key, &self.heads);
            self.live.insert(key.to_owned(), live);
        }
        self.live.entry(key.to_owned()).or_default()
    }

    /// Puts or deletes at the root.
    fn operate(&mut self, key: &str, action: Action) {
        let id = self.next_id();
        let now = match &action {
            Action::Put(value) => vec![(id, value.clone())],
            _ => Vec::new(),
        };
        let before = std::mem::replace(self.live(key), now);
        let replaced = before.into_iter().map(|(id, _)| id).collect();
        self.counted.remove(key);
        self.push(key, action, replaced);
    }

    fn push(&mut self, key: &str, action: Action, pred: Vec<OpId>) -> OpId {
        let id = self.next_id();
        self.operations.push(Operation {
            key: key.to_owned(),
            action,
            pred,
        });
        id
    }

    fn next_id(&self) -> OpId {
        self.op_id(self.operations.len())
    }

    /// The id of the `n`-th operation.
    fn op_id(&self, n: usize) -> OpId {
        OpId {
            counter: self.start_op + n as u64,
            actor: self.actor,
        }
    }

    /// Sees to it that the text, list or counter is there once the change is applied.
    fn create(&mut self, key: &str) {
        if self.record.place_of_genesis(key).is_none() {
            self.creates.insert(key.to_owned());
        }
    }

    /// The operation that made a counter.
    fn genesis(key: &str) -> OpId {
        genesis::operation(key)
    }
}

fn check(key: &str, value: Option<&Value>) -> Result<(), WriteError> {
    let not_a_field = || WriteError::NotAField { key: key.into() };
    let holds = match Register::parse(key).ok_or_else(not_a_field)? {
        // True or false, never emptied: admission demands it.
        _ if key == DELETED => matches!(value, Some(Value::Bool(_))),
        Register::Typed(field) => {
            field.member().is_some() && matches!(value, None | Some(Value::Bool(true)))
        }
        Register::Field(_) | Register::Special | Register::Later => true,
    };
    if !holds {
        return Err(not_a_field());
    }
    value.map_or(Ok(()), |value| check_value(key, value))
}

/// Whether something may be emptied.
fn check_key(key: &str) -> Result<(), WriteError> {
    if key == DELETED || Register::parse(key).is_none() {
        return Err(WriteError::NotAField { key: key.into() });
    }
    Ok(())
}

fn check_value(key: &str, value: &Value) -> Result<(), WriteError> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            Err(WriteError::NotFinite { key: key.into() })
        }
        // Otherwise it would read back as another value, and be written again each time.
        value if Value::from_scalar(&value.to_scalar()).as_ref() != Some(value) => {
            Err(WriteError::NotCanonical { key: key.into() })
        }
        _ => Ok(()),
    }
}
