//! Genesis changes: how a text, a list and a counter come to be, on every replica as the same object.
//!
//! Automerge merges two objects only if they are one: made by one operation. So each such field has one change
//! that makes it, a function of the field's key alone, with an actor of its own. The first change of a device
//! that needs it brings it along and depends on it; whoever receives it rebuilds it and compares. No
//! schema is involved, and two devices that begin the same text apart begin one text.
//!
//! A document is one record's, so the record is no part of it. What a genesis change makes is never removed.

use automerge::legacy;

use crate::change::actor_of;
use crate::field::{FieldKey, FieldType};
use crate::ids::{ActorId, ChangeHash, OpId};

use crate::prescan;

/// A genesis change, built from the key of its field.
#[derive(Clone, Debug)]
pub(crate) struct Genesis {
    pub(crate) key: String,
    pub(crate) actor: ActorId,
    pub(crate) hash: ChangeHash,
    pub(crate) change: automerge::Change,
}

impl Genesis {
    /// That of the field with this key, or `None` where the key is not that of a text, list or counter.
    pub(crate) fn of(key: &str) -> Option<Self> {
        let action = match FieldKey::parse(key)?.kind() {
            FieldType::Text => legacy::OpType::Make(automerge::ObjType::Text),
            FieldType::List => legacy::OpType::Make(automerge::ObjType::List),
            FieldType::Counter => legacy::OpType::Put(automerge::ScalarValue::counter(0)),
            FieldType::Value | FieldType::Set => return None,
        };
        let actor = actor(key);
        let change = automerge::Change::from(legacy::Change {
            operations: vec![legacy::Op {
                action,
                obj: legacy::ObjectId::Root,
                key: legacy::Key::Map(key.into()),
                pred: Vec::new().into(),
                insert: false,
            }],
            actor_id: automerge::ActorId::from(actor.0),
            hash: None,
            seq: 1,
            start_op: std::num::NonZeroU64::MIN,
            time: 0,
            message: None,
            deps: Vec::new(),
            extra_bytes: Vec::new(),
            author: None,
        });
        Some(Self {
            key: key.to_owned(),
            actor,
            hash: ChangeHash(change.hash().0),
            change,
        })
    }

    /// The one whose bytes these are, if they are one's.
    pub(crate) fn read(chunk: &[u8]) -> Option<Self> {
        let genesis = Self::of(&prescan::only_key(chunk)?)?;
        (genesis.change.raw_bytes() == chunk).then_some(genesis)
    }
}

/// The operation that makes the text, list or counter of this key.
///
/// Of a change that was taken apart on its own a text or list is known by its genesis actor only; its key is
/// then a [`nameless`] one.
pub(crate) fn operation(key: &str) -> OpId {
    OpId {
        counter: 1,
        actor: named(key).unwrap_or_else(|| actor(key)),
    }
}

/// The actor of the genesis change of the field with this key.
pub(crate) fn actor(key: &str) -> ActorId {
    let mut hash = blake3::Hasher::new_derive_key("driftless genesis change 1");
    hash.update(key.as_bytes());
    let mut bytes = [0; 16];
    hash.finalize_xof().fill(&mut bytes);
    ActorId(bytes)
}

/// What stands for the key of a text or list where only its operation is known: no field's key begins so.
pub(crate) fn nameless(object: &legacy::OpId) -> Option<String> {
    let actor = actor_of(object.actor()).filter(|_| object.counter() == 1)?;
    // Each step inside a text has one, so it is not left to formatting.
    let digits = actor.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from(HEX[usize::from(digit)]));
    Some(std::iter::once('#').chain(digits).collect())
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The actor that a [`nameless`] key says.
pub(crate) fn named(key: &str) -> Option<ActorId> {
    let hex = key.strip_prefix('#')?;
    let digits: &[u8; 32] = hex.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    for (n, digit) in digits.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        bytes[n / 2] = bytes[n / 2] << 4 | value;
    }
    Some(ActorId(bytes))
}
