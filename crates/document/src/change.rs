//! One change, taken apart: what a record's history, admission and the conflict log look at.

use automerge::legacy;
use sha2::{Digest as _, Sha256};

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
    /// What it does; the n-th operation has the counter `start_op + n`.
    pub operations: Vec<Operation>,
}

/// One step of a change, on one register.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The register's key.
    pub key: String,
    /// What is done to it.
    pub action: Action,
    /// The operations it replaces: exactly those live where the change was made, sorted.
    pub pred: Vec<OpId>,
}

/// What an operation does to its register.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Gives it a value.
    Put(Value),
    /// Empties it.
    Delete,
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
        crate::prescan::check(raw).ok()?;
        let admitted = crate::admission::parse(raw).ok()?;
        Some(admitted.change)
    }

    /// The raw change chunk with its hash, or `None` where there is none with these contents.
    ///
    /// The hash is computed, whatever [`Change::hash`] says.
    pub fn to_raw(&self) -> Option<(Vec<u8>, ChangeHash)> {
        let most = u64::from(u32::MAX);
        let is_possible = (1..=most).contains(&self.start_op) && self.max_op() <= most;
        let encoded = is_possible.then(|| crate::quiet::catch(|| self.encode()).ok());
        let encoded = encoded.flatten()?;
        Some((encoded.raw_bytes().to_vec(), ChangeHash(encoded.hash().0)))
    }

    /// The raw change chunk: what is signed for, stored and sent.
    pub(crate) fn encode(&self) -> automerge::Change {
        let operations = self.operations.iter().map(encode_operation).collect();
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

fn encode_operation(operation: &Operation) -> legacy::Op {
    legacy::Op {
        action: match &operation.action {
            Action::Put(value) => legacy::OpType::Put(value.to_scalar()),
            Action::Delete => legacy::OpType::Delete,
        },
        obj: legacy::ObjectId::Root,
        key: legacy::Key::Map(operation.key.as_str().into()),
        pred: operation
            .pred
            .iter()
            .map(|id| legacy::OpId::new(id.counter, &automerge::ActorId::from(id.actor.0)))
            .collect::<Vec<_>>()
            .into(),
        insert: false,
    }
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
        operations: expanded
            .operations
            .iter()
            .map(decode_operation)
            .collect::<Result<_, _>>()?,
    })
}

fn decode_operation(operation: &legacy::Op) -> Result<Operation, &'static str> {
    if operation.obj != legacy::ObjectId::Root || operation.insert {
        return Err("an operation inside an object");
    }
    let legacy::Key::Map(key) = &operation.key else {
        return Err("a list operation at the root");
    };
    let action = match &operation.action {
        legacy::OpType::Put(scalar) => {
            Action::Put(Value::from_scalar(scalar).ok_or("a value of an unknown type")?)
        }
        legacy::OpType::Delete => Action::Delete,
        legacy::OpType::Make(_) => return Err("an object that is not made by a genesis change"),
        legacy::OpType::Increment(_) => return Err("an increment of something that is no counter"),
        _ => return Err("a mark"),
    };
    let pred = operation.pred.iter().map(|id| {
        Some(OpId {
            counter: id.counter(),
            actor: actor_of(id.actor())?,
        })
    });
    Ok(Operation {
        key: key.to_string(),
        action,
        pred: pred
            .collect::<Option<_>>()
            .ok_or("an actor id that has not 16 bytes")?,
    })
}

pub(crate) fn actor_of(actor: &automerge::ActorId) -> Option<ActorId> {
    actor.to_bytes().try_into().ok().map(ActorId)
}

/// The hash of a raw change chunk, without parsing what is inside, or `None` where the bytes are no chunk.
///
/// Automerge's change hash is SHA-256 over the chunk without its magic and checksum; the checksum is the
/// hash's first four bytes.
pub fn change_hash(raw: &[u8]) -> Option<ChangeHash> {
    crate::prescan::body(raw).ok()?;
    let hash: [u8; 32] = Sha256::digest(&raw[8..]).into();
    (hash[..4] == raw[4..8]).then_some(ChangeHash(hash))
}
