//! A change of a record, taken apart into columns.

use driftless_document::{Action, ActorId, Change, ChangeHash, OpId, Operation, Value};

use super::columns::{Column, Reader, Writer};
use super::dictionary::{Dictionaries, History};

const NULL: u64 = 1;
const FALSE: u64 = 2;
const TRUE: u64 = 3;
const INT: u64 = 4;
const UINT: u64 = 5;
const FLOAT: u64 = 6;
const STRING: u64 = 7;
const BYTES: u64 = 8;
const TIMESTAMP: u64 = 9;
const JSON: u64 = 10;
const OPAQUE: u64 = 11;
/// No value: the register is emptied.
const DELETE: u64 = 0;
/// A counter is added to.
const INCREMENT: u64 = 12;
/// A new element of a text or list: at its beginning, behind the one of the operation before, behind another.
const INSERT_FIRST: u64 = 13;
const INSERT_NEXT: u64 = 14;
const INSERT: u64 = 15;
const PUT_ELEMENT: u64 = 16;
const DELETE_ELEMENT: u64 = 17;

/// Writes a change of a record; its actor, number and roughly its time are the item's.
pub(super) fn write(
    writer: &mut Writer,
    all: &mut Dictionaries,
    record: usize,
    time: i64,
    change: &Change,
) {
    let history = &all.histories[record];
    writer.number(Column::Change, change.deps.len() as u64);
    for hash in &change.deps {
        let distance = history.distance(hash);
        writer.number(Column::Change, distance as u64);
        if distance == 0 {
            writer.bytes(Column::Noise, &hash.0);
        }
    }
    let expected = history.next_counter(&change.deps);
    writer.signed(Column::Change, difference(change.start_op, expected));
    writer.signed(Column::Change, change.time.wrapping_sub(time));
    writer.number(Column::Change, change.operations.len() as u64);
    for (id, operation) in change.numbered() {
        let (key, is_new) = all.keys.number(&operation.key);
        writer.number(Column::Key, key as u64);
        if is_new {
            writer.text(Column::Key, Column::Text, operation.key.as_bytes());
        }
        if replaces(all, record, key, &operation.action) == operation.pred {
            writer.number(Column::Replaced, 0);
        } else {
            writer.number(Column::Replaced, operation.pred.len() as u64 + 1);
            for replaced in &operation.pred {
                let back = difference(change.start_op, replaced.counter);
                writer.signed(Column::Replaced, back);
                write_actor(writer, all, &replaced.actor);
            }
        }
        write_action(writer, all, id, &operation.action);
        leave_live(all, record, key, id, operation);
    }
    all.histories[record].push(change, change.hash);
}

/// Reads what [`write`] wrote; gives the change's bytes and hash.
pub(super) fn read(
    reader: &mut Reader,
    all: &mut Dictionaries,
    record: usize,
    time: i64,
    (actor, seq): (ActorId, u64),
) -> Option<(Vec<u8>, ChangeHash)> {
    let history = all.histories.get(record)?;
    let deps = read_deps(reader, history)?;
    let expected = history.next_counter(&deps);
    let start_op = expected.wrapping_add_signed(reader.signed(Column::Change)?);
    let mut change = Change {
        hash: ChangeHash([0; 32]),
        actor,
        seq,
        start_op,
        deps,
        time: time.wrapping_add(reader.signed(Column::Change)?),
        creates: Vec::new(),
        operations: Vec::new(),
    };
    for _ in 0..reader.number(Column::Change)? {
        let counter = start_op.checked_add(change.operations.len() as u64)?;
        let key = usize::try_from(reader.number(Column::Key)?).ok()?;
        if key == all.keys.len() {
            let text = reader.text(Column::Key, Column::Text)?.to_vec();
            all.keys.number(&String::from_utf8(text).ok()?);
        }
        let name = all.keys.name(key)?.clone();
        let id = OpId { counter, actor };
        let action = read_action(reader, all, id)?;
        let pred = match reader.number(Column::Replaced)? {
            0 => replaces(all, record, key, &action),
            count => (1..count)
                .map(|_| {
                    let back = reader.signed(Column::Replaced)?;
                    Some(OpId {
                        counter: start_op.wrapping_sub(back.cast_unsigned()),
                        actor: read_actor(reader, all)?,
                    })
                })
                .collect::<Option<_>>()?,
        };
        let operation = Operation {
            key: name,
            action,
            pred,
        };
        leave_live(all, record, key, id, &operation);
        change.operations.push(operation);
    }
    change.creates = change.find_creates();
    let (raw, hash) = change.to_raw()?;
    all.histories[record].push(&change, hash);
    Some((raw, hash))
}

fn read_deps(reader: &mut Reader, history: &History) -> Option<Vec<ChangeHash>> {
    (0..reader.number(Column::Change)?)
        .map(|_| match reader.number(Column::Change)? {
            0 => reader.fixed(Column::Noise).map(ChangeHash),
            distance => {
                let place = history.changes.len();
                let place = place.checked_sub(usize::try_from(distance).ok()?)?;
                history.changes.get(place).map(|(hash, _)| *hash)
            }
        })
        .collect()
}

fn write_actor(writer: &mut Writer, all: &mut Dictionaries, actor: &ActorId) {
    let (number, is_new) = all.actors.number(actor);
    writer.number(Column::Replaced, number as u64);
    if is_new {
        writer.bytes(Column::Id, &actor.0);
    }
}

fn read_actor(reader: &mut Reader, all: &mut Dictionaries) -> Option<ActorId> {
    let number = usize::try_from(reader.number(Column::Replaced)?).ok()?;
    if number == all.actors.len() {
        all.actors.number(&ActorId(reader.fixed(Column::Id)?));
    }
    all.actors.name(number).copied()
}

/// What an operation replaces, if nothing else was written meanwhile.
fn replaces(all: &Dictionaries, record: usize, key: usize, action: &Action) -> Vec<OpId> {
    match action {
        Action::Put(_) | Action::Delete | Action::Increment(_) => {
            all.histories[record].live(key).to_vec()
        }
        Action::Insert { .. } => Vec::new(),
        Action::PutElement { element, .. } | Action::DeleteElement { element } => vec![*element],
    }
}

fn leave_live(all: &mut Dictionaries, record: usize, key: usize, id: OpId, operation: &Operation) {
    let live = match operation.action {
        Action::Put(_) => Some(id),
        Action::Delete => None,
        Action::Increment(_) => operation.pred.first().copied(),
        _ => return,
    };
    all.histories[record].set_live(key, live);
}

fn write_action(writer: &mut Writer, all: &mut Dictionaries, id: OpId, action: &Action) {
    let column = Column::Value;
    match action {
        Action::Delete => writer.number(column, DELETE),
        Action::Put(value) => write_value(writer, value),
        Action::Increment(by) => {
            writer.number(column, INCREMENT);
            writer.signed(column, *by);
        }
        Action::Insert { after: None, value } => {
            writer.number(column, INSERT_FIRST);
            write_value(writer, value);
        }
        Action::Insert {
            after: Some(after),
            value,
        } if Some(*after) == before(id) => {
            writer.number(column, INSERT_NEXT);
            write_value(writer, value);
        }
        Action::Insert {
            after: Some(after),
            value,
        } => {
            writer.number(column, INSERT);
            write_element(writer, all, id, after);
            write_value(writer, value);
        }
        Action::PutElement { element, value } => {
            writer.number(column, PUT_ELEMENT);
            write_element(writer, all, id, element);
            write_value(writer, value);
        }
        Action::DeleteElement { element } => {
            writer.number(column, DELETE_ELEMENT);
            write_element(writer, all, id, element);
        }
    }
}

/// The operation before one of the same change.
fn before(id: OpId) -> Option<OpId> {
    Some(OpId {
        counter: id.counter.checked_sub(1)?,
        ..id
    })
}

fn write_element(writer: &mut Writer, all: &mut Dictionaries, id: OpId, element: &OpId) {
    writer.signed(Column::Value, difference(id.counter, element.counter));
    write_actor(writer, all, &element.actor);
}

fn read_element(reader: &mut Reader, all: &mut Dictionaries, id: OpId) -> Option<OpId> {
    let back = reader.signed(Column::Value)?;
    Some(OpId {
        counter: id.counter.wrapping_sub(back.cast_unsigned()),
        actor: read_actor(reader, all)?,
    })
}

fn write_value(writer: &mut Writer, value: &Value) {
    let column = Column::Value;
    let mut text = |tag: u64, bytes: &[u8]| {
        writer.number(column, tag);
        writer.text(column, Column::Text, bytes);
    };
    match value {
        Value::String(string) => text(STRING, string.as_bytes()),
        Value::Bytes(bytes) => text(BYTES, bytes),
        Value::Json(json) => text(JSON, json.as_bytes()),
        Value::Opaque(bytes) => text(OPAQUE, bytes),
        Value::Bool(value) => writer.number(column, if *value { TRUE } else { FALSE }),
        Value::Int(number) => {
            writer.number(column, INT);
            writer.signed(column, *number);
        }
        Value::Uint(number) => {
            writer.number(column, UINT);
            writer.number(column, *number);
        }
        Value::Float(number) => {
            writer.number(column, FLOAT);
            writer.bytes(column, &number.to_bits().to_be_bytes());
        }
        Value::Timestamp(number) => {
            writer.number(column, TIMESTAMP);
            writer.signed(column, *number);
        }
        // Null; and a kind of value that is added some day does not come back as it was, and its segment stays as it is.
        _ => writer.number(column, NULL),
    }
}

fn read_action(reader: &mut Reader, all: &mut Dictionaries, id: OpId) -> Option<Action> {
    Some(match reader.number(Column::Value)? {
        DELETE => Action::Delete,
        INCREMENT => Action::Increment(reader.signed(Column::Value)?),
        INSERT_FIRST => Action::Insert {
            after: None,
            value: read_value(reader)?,
        },
        INSERT_NEXT => Action::Insert {
            after: Some(before(id)?),
            value: read_value(reader)?,
        },
        INSERT => Action::Insert {
            after: Some(read_element(reader, all, id)?),
            value: read_value(reader)?,
        },
        PUT_ELEMENT => Action::PutElement {
            element: read_element(reader, all, id)?,
            value: read_value(reader)?,
        },
        DELETE_ELEMENT => Action::DeleteElement {
            element: read_element(reader, all, id)?,
        },
        tag => Action::Put(read_tagged(reader, tag)?),
    })
}

fn read_value(reader: &mut Reader) -> Option<Value> {
    let tag = reader.number(Column::Value)?;
    read_tagged(reader, tag)
}

fn read_tagged(reader: &mut Reader, tag: u64) -> Option<Value> {
    let column = Column::Value;
    Some(match tag {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(reader.signed(column)?),
        UINT => Value::Uint(reader.number(column)?),
        FLOAT => Value::Float(f64::from_bits(u64::from_be_bytes(reader.fixed(column)?))),
        STRING => Value::String(read_string(reader)?),
        BYTES => Value::Bytes(reader.text(column, Column::Text)?.to_vec()),
        TIMESTAMP => Value::Timestamp(reader.signed(column)?),
        JSON => Value::Json(read_string(reader)?),
        OPAQUE => Value::Opaque(reader.text(column, Column::Text)?.to_vec()),
        _ => return None,
    })
}

fn read_string(reader: &mut Reader) -> Option<String> {
    let bytes = reader.text(Column::Value, Column::Text)?;
    String::from_utf8(bytes.to_vec()).ok()
}

/// `a - b` as it is added to `b` again, whatever they are.
fn difference(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b).cast_signed()
}
