//! Alterations of what a change says, not of its bytes: afterwards it is encoded and hashed as an honest one is.

use driftless_document::{Action, ActorId, Change, ChangeHash, OpId, Value};

use crate::histories::Dice;

/// Keys: of fields of every type, of none, and ours.
const KEYS: [&str; 26] = [
    "a",
    "address",
    "address.city",
    "address\\.city",
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a\\",
    "a\\x",
    "$deleted",
    "$owner",
    "$review/00000000-0000-8000-8000-000000000000",
    "$x",
    "notes#text",
    "items#list",
    "views#counter",
    "a#",
    "a#later",
    "tags/s:x",
    "tags/i:1",
    "tags/i:01",
    "tags/",
    "tags/x",
    "#00000000000000000000000000000000",
];

/// Alters one thing a change says; `other` is where foreign ones come from.
pub(super) fn alter(dice: &mut Dice, change: &mut Change, other: &Change) {
    match dice.below(24) {
        0 => change.seq = number(dice, change.seq),
        1 => change.start_op = number(dice, change.start_op),
        2 => change.time = number(dice, change.time.unsigned_abs()).cast_signed(),
        3 => change.actor = actor(dice, change.actor, other),
        4 | 5 => alter_deps(dice, &mut change.deps, other),
        6 => alter_creates(dice, &mut change.creates, other),
        7..=10 => alter_list(dice, change, other),
        _ => alter_operation(dice, change, other),
    }
}

fn number(dice: &mut Dice, number: u64) -> u64 {
    const EDGES: [u64; 8] = [
        0,
        1,
        2,
        u32::MAX as u64 - 1,
        u32::MAX as u64,
        u32::MAX as u64 + 1,
        i64::MAX as u64,
        u64::MAX,
    ];
    match dice.below(4) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number.wrapping_add(dice.roll() >> dice.below(64)),
        _ => EDGES[dice.below(EDGES.len())],
    }
}

fn actor(dice: &mut Dice, mut actor: ActorId, other: &Change) -> ActorId {
    match dice.below(3) {
        0 => other.actor,
        1 => {
            actor.0[15] ^= 1;
            actor
        }
        _ => {
            actor.0[dice.below(16)] = dice.roll().to_le_bytes()[0];
            actor
        }
    }
}

fn alter_deps(dice: &mut Dice, deps: &mut Vec<ChangeHash>, other: &Change) {
    let at = dice.below(deps.len().max(1));
    match dice.below(6) {
        0 if !deps.is_empty() => drop(deps.remove(at)),
        1 if !deps.is_empty() => deps.push(deps[at]),
        2 if !deps.is_empty() => deps[at].0[dice.below(32)] ^= 1,
        3 => deps.clone_from(&other.deps),
        4 => deps.push(other.hash),
        _ => {
            deps.extend(&other.deps);
            deps.sort_unstable();
            deps.dedup();
        }
    }
}

fn alter_creates(dice: &mut Dice, creates: &mut Vec<String>, other: &Change) {
    match dice.below(3) {
        0 => drop(creates.pop()),
        1 => creates.clone_from(&other.creates),
        _ => creates.push(key(dice, other)),
    }
    if dice.below(2) == 0 {
        creates.sort_unstable();
        creates.dedup();
    }
}

fn key(dice: &mut Dice, other: &Change) -> String {
    match dice.below(8) {
        0 => "k".repeat(1_000 + dice.below(60)),
        1 => ["d"; 40][..30 + dice.below(5)].join("."),
        2 if !other.operations.is_empty() => {
            let at = dice.below(other.operations.len());
            other.operations[at].key.clone()
        }
        _ => KEYS[dice.below(KEYS.len())].to_owned(),
    }
}

fn alter_list(dice: &mut Dice, change: &mut Change, other: &Change) {
    let operations = &mut change.operations;
    let at = dice.below(operations.len().max(1));
    match dice.below(5) {
        0 if !operations.is_empty() => drop(operations.remove(at)),
        1 if !operations.is_empty() => operations.insert(at, operations[at].clone()),
        2 if operations.len() > 1 => {
            let to = dice.below(operations.len());
            operations.swap(at, to);
        }
        3 => operations.extend(other.operations.iter().take(8).cloned()),
        _ => operations.truncate(at),
    }
}

fn alter_operation(dice: &mut Dice, change: &mut Change, other: &Change) {
    if change.operations.is_empty() {
        return;
    }
    let at = dice.below(change.operations.len());
    let id = id(dice, change, other);
    let operation = &mut change.operations[at];
    match dice.below(10) {
        0..=3 => match dice.below(5) {
            0 => operation.pred.clear(),
            1 => drop(operation.pred.pop()),
            2 => operation.pred.reverse(),
            3 if !operation.pred.is_empty() => operation.pred.push(operation.pred[0]),
            _ => operation.pred.push(id),
        },
        4 | 5 => operation.key = key(dice, other),
        _ => operation.action = action(dice, &operation.action, id),
    }
}

/// An operation of the change itself, one it replaces, one of the other's, or one of nobody.
fn id(dice: &mut Dice, change: &Change, other: &Change) -> OpId {
    let of = if dice.below(2) == 0 { change } else { other };
    let known = of.operations.iter().flat_map(|o| &o.pred).copied();
    let known: Vec<OpId> = known.collect();
    match dice.below(4) {
        0 if !known.is_empty() => known[dice.below(known.len())],
        1 => OpId {
            counter: number(dice, of.start_op),
            actor: of.actor,
        },
        2 => OpId {
            counter: of.start_op,
            actor: actor(dice, of.actor, other),
        },
        _ => OpId {
            counter: of
                .start_op
                .wrapping_add(dice.roll() % (of.operations.len() as u64 + 2)),
            actor: of.actor,
        },
    }
}

fn action(dice: &mut Dice, before: &Action, id: OpId) -> Action {
    match dice.below(9) {
        0 => Action::Delete,
        1 => Action::Increment([0, 1, -1, 1 << 40, i64::MIN, i64::MAX][dice.below(6)]),
        2 => Action::Insert {
            after: (dice.below(3) > 0).then_some(id),
            value: value(dice),
        },
        3 => Action::PutElement {
            element: id,
            value: value(dice),
        },
        4 => Action::DeleteElement { element: id },
        5 => match before.clone() {
            Action::Insert { value, .. } => Action::Insert {
                after: Some(id),
                value,
            },
            Action::PutElement { value, .. } => Action::PutElement { element: id, value },
            other => other,
        },
        6 => match before.clone() {
            Action::Insert { after, .. } => Action::Insert {
                after,
                value: value(dice),
            },
            _ => Action::Put(value(dice)),
        },
        _ => Action::Put(value(dice)),
    }
}

fn value(dice: &mut Dice) -> Value {
    match dice.below(16) {
        0 => Value::Null,
        1 => Value::Bool(dice.below(2) == 0),
        2 => Value::Int(dice.roll().cast_signed()),
        3 => Value::Uint(dice.roll()),
        4 => Value::Float([0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, f64::MIN][dice.below(6)]),
        5 => Value::String(String::new()),
        6 => Value::String("ab".into()),
        7 => Value::String("é".into()),
        8 => Value::Bytes(vec![0; dice.below(20)]),
        9 => Value::Timestamp(dice.roll().cast_signed()),
        10 => Value::Json("[".repeat(dice.below(20_000))),
        11 => {
            let depth = dice.below(100);
            Value::Json(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        }
        12 => Value::Json("[1,2,{\"a\":1e400}]".into()),
        13 => Value::Opaque(vec![dice.roll().to_le_bytes()[0]; dice.below(9)]),
        14 => Value::Opaque(b"\x01{\"b\":1,\"a\":2}".to_vec()),
        _ => Value::String("x".repeat(dice.below(3_000))),
    }
}
