//! One change, taken apart: what a record's history, admission and the conflict log look at.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy;
use sha2::{Digest as _, Sha256};

use crate::chunks;
use crate::genesis::{self, Genesis};
use crate::ids::{ActorId, ChangeHash, OpId};
use crate::value::Value;

/// One Automerge change: one user intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its hash, which covers everything below.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: ActorId,
    /// The how-manyeth change of this actor in this record, from 1.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u64,
    /// The changes it directly knew of, sorted.
    pub deps: Vec<ChangeHash>,
    /// When it was made: wall milliseconds shifted by 12 bits, plus a counter. A claim, never used for order.
    pub time: i64,
    /// The keys of the texts, lists and counters it is the first in its past to change, sorted: their genesis
    /// changes travel with it, and are among `deps`.
    pub creates: Vec<String>,
    /// What it does; the n-th operation has the counter `start_op + n`.
    pub operations: Vec<Operation>,
}

/// One step of a change, on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The key of the field at the root; of a step inside a text or list, that of the text or list.
    pub key: String,
    /// What is done to it.
    pub action: Action,
    /// The operations it replaces: exactly those live where the change was made, sorted.
    pub pred: Vec<OpId>,
}

/// What an operation does to its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Gives a register a value.
    Put(Value),
    /// Empties a register.
    Delete,
    /// Adds to a counter.
    Increment(i64),
    /// Puts a new element into a text or list; it is called by the operation's id.
    Insert {
        /// The element it stands behind, or none to be the first.
        after: Option<OpId>,
        /// The element's value; in a text, a string of one character.
        value: Value,
    },
    /// Gives an element of a list another value.
    PutElement {
        /// The element.
        element: OpId,
        /// Its value.
        value: Value,
    },
    /// Removes an element of a text or list.
    DeleteElement {
        /// The element.
        element: OpId,
    },
}

impl Change {
    /// The id of the `n`-th operation.
    pub fn op_id(&self, n: usize) -> OpId {
        OpId {
            counter: self.start_op + n as u64,
            actor: self.actor,
        }
    }

    /// The counter of the last operation.
    pub fn max_op(&self) -> u64 {
        (self.start_op + self.operations.len() as u64).saturating_sub(1)
    }

    /// The wall time it claims, in milliseconds since 1970.
    pub fn time_ms(&self) -> i64 {
        self.time >> 12
    }

    /// The keys of the fields it writes whose genesis changes are among its dependencies, sorted: what
    /// [`Change::creates`] has of a change that was not made up.
    pub fn find_creates(&self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.operations.iter().map(|o| &o.key).collect();
        let is_created = |key: &&String| {
            let genesis = Genesis::of(key);
            genesis.is_some_and(|genesis| self.deps.contains(&genesis.hash))
        };
        keys.into_iter().filter(is_created).cloned().collect()
    }

    /// The changes it directly knew of, without the genesis changes that travel with it.
    pub fn known(&self) -> Vec<ChangeHash> {
        let keys: BTreeSet<&String> = self.operations.iter().map(|o| &o.key).collect();
        let created = keys.into_iter().filter_map(|key| Genesis::of(key));
        let created: BTreeSet<ChangeHash> = created.map(|genesis| genesis.hash).collect();
        let deps = self.deps.iter().filter(|hash| !created.contains(hash));
        deps.copied().collect()
    }

    /// Gives operations inside texts and lists their keys, where their genesis actors are known.
    pub(crate) fn name_objects(&mut self, keys: &BTreeMap<ActorId, &String>) {
        if keys.is_empty() {
            return;
        }
        for operation in &mut self.operations {
            let key = genesis::named(&operation.key).and_then(|actor| keys.get(&actor));
            if let Some(key) = key {
                operation.key.clone_from(key);
            }
        }
    }

    /// The operations with their ids.
    pub fn numbered(&self) -> impl Iterator<Item = (OpId, &Operation)> {
        self.operations
            .iter()
            .enumerate()
            .map(|(n, operation)| (self.op_id(n), operation))
    }

    /// Takes a raw change apart, or `None` where [`Change::to_raw`] would not give back the very bytes.
    ///
    /// What is admitted always can be; bytes of which nothing is known may be given.
    pub fn from_raw(raw: &[u8]) -> Option<Self> {
        crate::admission::read_change(raw).ok()
    }

    /// The bytes of [`Change::from_raw`] with the change's hash, or `None` where there is none with these contents.
    ///
    /// The hash is computed, whatever [`Change::hash`] says.
    pub fn to_raw(&self) -> Option<(Vec<u8>, ChangeHash)> {
        let most = u64::from(u32::MAX);
        let is_possible = (1..=most).contains(&self.start_op) && self.max_op() <= most;
        let encoded = is_possible.then(|| crate::quiet::catch(|| self.encode()).ok());
        let encoded = encoded.flatten()?;
        let raw = chunks::join(&self.creates, encoded.raw_bytes());
        Some((raw, ChangeHash(encoded.hash().0)))
    }

    /// The change's own chunk, without the genesis changes it brings along.
    pub(crate) fn encode(&self) -> automerge::Change {
        // Steps inside one text stand together: what its key stands for is worked out once.
        let mut last = None::<(&str, OpId)>;
        let operations = self.operations.iter().map(|operation| {
            let object = is_inside(operation).then(|| match last {
                Some((key, object)) if key == operation.key => object,
                _ => genesis::operation(&operation.key),
            });
            last = object.map(|object| (&*operation.key, object)).or(last);
            encode_operation(operation, object.as_ref())
        });
        let operations = operations.collect();
        automerge::Change::from(legacy::Change {
            operations,
            actor_id: automerge::ActorId::from(self.actor.0),
            hash: None,
            seq: self.seq,
            start_op: self
                .start_op
                .try_into()
                .expect("operation counters start at 1"),
            time: self.time,
            message: None,
            deps: self
                .deps
                .iter()
                .map(|d| automerge::ChangeHash(d.0))
                .collect(),
            extra_bytes: Vec::new(),
            author: None,
        })
    }
}

/// Whether it is a step inside a text or list.
fn is_inside(operation: &Operation) -> bool {
    !matches!(
        operation.action,
        Action::Put(_) | Action::Delete | Action::Increment(_)
    )
}

/// `object` is the text or list that it is a step in.
fn encode_operation(operation: &Operation, object: Option<&OpId>) -> legacy::Op {
    let element = |id: &OpId| legacy::Key::Seq(legacy::ElementId::Id(encode_id(id)));
    let key = match &operation.action {
        Action::Put(_) | Action::Delete | Action::Increment(_) => {
            legacy::Key::Map(operation.key.as_str().into())
        }
        Action::Insert { after: None, .. } => legacy::Key::Seq(legacy::ElementId::Head),
        Action::Insert {
            after: Some(id), ..
        } => element(id),
        Action::PutElement { element: id, .. } | Action::DeleteElement { element: id } => {
            element(id)
        }
    };
    legacy::Op {
        action: match &operation.action {
            Action::Put(value)
            | Action::Insert { value, .. }
            | Action::PutElement { value, .. } => legacy::OpType::Put(value.to_scalar()),
            Action::Delete | Action::DeleteElement { .. } => legacy::OpType::Delete,
            Action::Increment(by) => legacy::OpType::Increment(*by),
        },
        obj: match object {
            Some(object) => legacy::ObjectId::Id(encode_id(object)),
            None => legacy::ObjectId::Root,
        },
        key,
        pred: operation
            .pred
            .iter()
            .map(encode_id)
            .collect::<Vec<_>>()
            .into(),
        insert: matches!(operation.action, Action::Insert { .. }),
    }
}

fn encode_id(id: &OpId) -> legacy::OpId {
    legacy::OpId::new(id.counter, &automerge::ActorId::from(id.actor.0))
}

/// Takes a parsed change apart, or says what in it no Driftless writes.
pub(crate) fn decode(change: &automerge::Change) -> Result<Change, &'static str> {
    let expanded = change.decode();
    if expanded.message.is_some() {
        return Err("a message");
    }
    if !expanded.extra_bytes.is_empty() || expanded.author.is_some() {
        return Err("extra bytes");
    }
    Ok(Change {
        hash: ChangeHash(change.hash().0),
        actor: actor_of(&expanded.actor_id).ok_or("an actor id that has not 16 bytes")?,
        seq: expanded.seq,
        start_op: expanded.start_op.get(),
        deps: expanded
            .deps
            .iter()
            .map(|hash| ChangeHash(hash.0))
            .collect(),
        time: expanded.time,
        creates: Vec::new(),
        operations: expanded
            .operations
            .iter()
            .map(decode_operation)
            .collect::<Result<_, _>>()?,
    })
}

fn decode_operation(operation: &legacy::Op) -> Result<Operation, &'static str> {
    let (key, action) = match &operation.obj {
        legacy::ObjectId::Root => decode_at_root(operation)?,
        legacy::ObjectId::Id(object) => (
            genesis::nameless(object).ok_or("an object that no genesis change makes")?,
            decode_inside(operation)?,
        ),
    };
    let pred = operation.pred.iter().map(decode_id);
    Ok(Operation {
        key,
        action,
        pred: pred.collect::<Result<_, _>>()?,
    })
}

fn decode_at_root(operation: &legacy::Op) -> Result<(String, Action), &'static str> {
    let legacy::Key::Map(key) = &operation.key else {
        return Err("a list operation at the root");
    };
    let action = match &operation.action {
        _ if operation.insert => return Err("an element of no list"),
        legacy::OpType::Put(scalar) => Action::Put(decode_value(scalar)?),
        legacy::OpType::Delete => Action::Delete,
        legacy::OpType::Increment(by) => Action::Increment(*by),
        legacy::OpType::Make(_) => return Err("an object that is not made by a genesis change"),
        _ => return Err("a mark"),
    };
    Ok((key.to_string(), action))
}

fn decode_inside(operation: &legacy::Op) -> Result<Action, &'static str> {
    let legacy::Key::Seq(place) = &operation.key else {
        return Err("a key inside a text or list");
    };
    let element = match place {
        legacy::ElementId::Head => None,
        legacy::ElementId::Id(id) => Some(decode_id(id)?),
    };
    Ok(match (&operation.action, element) {
        (legacy::OpType::Put(scalar), after) if operation.insert => Action::Insert {
            after,
            value: decode_value(scalar)?,
        },
        (legacy::OpType::Put(scalar), Some(element)) => Action::PutElement {
            element,
            value: decode_value(scalar)?,
        },
        (legacy::OpType::Delete, Some(element)) if !operation.insert => {
            Action::DeleteElement { element }
        }
        (legacy::OpType::Make(_), _) => {
            return Err("an object that is not made by a genesis change");
        }
        (legacy::OpType::Increment(_), _) => {
            return Err("an increment of something that is no counter");
        }
        _ => return Err("a mark, or a step at no element"),
    })
}

fn decode_value(scalar: &automerge::ScalarValue) -> Result<Value, &'static str> {
    Value::from_scalar(scalar).ok_or("a value of an unknown type")
}

fn decode_id(id: &legacy::OpId) -> Result<OpId, &'static str> {
    Ok(OpId {
        counter: id.counter(),
        actor: actor_of(id.actor()).ok_or("an actor id that has not 16 bytes")?,
    })
}

pub(crate) fn actor_of(actor: &automerge::ActorId) -> Option<ActorId> {
    actor.to_bytes().try_into().ok().map(ActorId)
}

/// The hash of a raw change, without parsing what is inside, or `None` where the bytes are none.
///
/// Automerge's change hash is SHA-256 over the chunk without its magic and checksum; the checksum is the
/// hash's first four bytes.
pub fn change_hash(raw: &[u8]) -> Option<ChangeHash> {
    let (_, raw) = chunks::split(raw).ok()?;
    crate::prescan::body(raw).ok()?;
    let hash: [u8; 32] = Sha256::digest(&raw[8..]).into();
    (hash[..4] == raw[4..8]).then_some(ChangeHash(hash))
}
