//! Counters, texts, lists and sets: what a dishonest peer may try.

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use driftless_document::{Change, Record, Refusal};

use crate::support::{actor, edit, encoded, expanded, refusal, text};
use crate::typed::{add, increment, replace, splice};

/// A record with a text and a counter, the change that made them, and an honest change after it.
fn victim() -> (Record, Vec<u8>, Vec<u8>) {
    let mut record = Record::new();
    let made = edit(
        &mut record,
        actor(1),
        &[replace("t", "abc"), increment("n", 1)],
    );
    let next = [splice("t", 1, 1, "x"), increment("n", 2)];
    let next = record.write(actor(1), 9, &next).unwrap().unwrap();
    (record, made, next)
}

/// The chunks in front of a change's own.
fn genesis_part(raw: &[u8]) -> &[u8] {
    let own = Change::from_raw(raw).unwrap();
    let alone = Change {
        creates: Vec::new(),
        ..own
    };
    let own = alone.to_raw().unwrap().0;
    &raw[..raw.len() - own.len()]
}

#[test]
fn a_genesis_change_travels_exactly_where_it_is_needed() {
    let (record, made, next) = victim();
    let foreign = |raw: &[u8]| refusal(&record, raw).to_string();
    let pointless = [genesis_part(&made), &next].concat();
    assert_eq!(
        foreign(&pointless),
        "the change holds a genesis change that it does not depend on"
    );
    let mut change = expanded(&next);
    let all = Change::from_raw(&made).unwrap().deps;
    change
        .deps
        .extend(all.iter().map(|hash| automerge::ChangeHash(hash.0)));
    change.deps.sort_unstable();
    let bare = encoded(change);
    assert_eq!(
        foreign(&bare),
        "the change holds a dependency on a genesis change that it does not bring along"
    );
    let again = [genesis_part(&made), &bare].concat();
    assert_eq!(
        foreign(&again),
        "the change holds a genesis change that its past has already"
    );
    let swapped: Vec<u8> = {
        let part = genesis_part(&made);
        let first = part.len() / 2;
        let first = (first.saturating_sub(8)..part.len())
            .find(|at| part[*at..].starts_with(&[0x85, 0x6f, 0x4a, 0x83]))
            .unwrap();
        [&part[first..], &part[..first], &made[part.len()..]].concat()
    };
    assert_eq!(refusal(&Record::new(), &swapped), Refusal::NotCanonical);
    let without = &made[genesis_part(&made).len()..];
    assert!(matches!(
        Record::new().admit(without, crate::support::DEVICE),
        Ok(driftless_document::Admission::MissingPast(_))
    ));
}

/// Why the honest change after [`victim`] is refused with its n-th operation made dishonest. The first deletes an
/// element, the second puts one in, the third increments.
fn with(n: usize, alter: impl FnOnce(&mut automerge::legacy::Op)) -> String {
    let (record, _, next) = victim();
    let mut change = expanded(&next);
    let kinds: Vec<_> = change.operations.iter().map(|o| o.insert).collect();
    assert_eq!(kinds, [false, true, false]);
    alter(&mut change.operations[n]);
    refusal(&record, &encoded(change)).to_string()
}

fn wrong_place(n: usize, key: &str) -> String {
    format!("operation {n} has the key or value of no field: `{key}`")
}

fn wrong_pred(n: usize, key: &str) -> String {
    format!("operation {n} on `{key}` does not replace exactly what was live in its past")
}

fn nobody() -> OpId {
    OpId::new(900, &actor(1).0.into())
}

fn put_text(value: &str) -> OpType {
    OpType::Put(automerge::ScalarValue::Str(value.into()))
}

#[test]
fn steps_in_a_text_refer_to_what_their_past_put_there() {
    let key = || Key::Seq(ElementId::Id(nobody()));
    assert_eq!(with(0, |o| o.key = key()), wrong_place(0, "t#text"));
    assert_eq!(with(1, |o| o.key = key()), wrong_place(1, "t#text"));
    assert_eq!(with(0, |o| o.pred = vec![].into()), wrong_pred(0, "t#text"));
    assert_eq!(
        with(1, |o| o.pred = vec![nobody()].into()),
        wrong_pred(1, "t#text")
    );
    for not_a_character in ["two", ""] {
        let refused = with(1, |o| o.action = put_text(not_a_character));
        assert_eq!(refused, wrong_place(1, "t#text"));
    }
    assert_eq!(
        with(0, |o| o.action = put_text("y")),
        wrong_place(0, "t#text")
    );
    let elsewhere = ObjectId::Id(OpId::new(1, &actor(1).0.into()));
    let nameless = format!("#{}", actor(1));
    assert_eq!(with(1, |o| o.obj = elsewhere), wrong_place(1, &nameless));
}

#[test]
fn an_increment_is_of_a_counter_that_there_is() {
    assert_eq!(
        with(2, |o| o.pred = vec![].into()),
        wrong_pred(2, "n#counter")
    );
    for by in [0, i64::MAX] {
        let refused = with(2, |o| o.action = OpType::Increment(by));
        assert_eq!(refused, wrong_place(2, "n#counter"));
    }
    for key in ["name", "m#counter", "t#text"] {
        let refused = with(2, |o| o.key = Key::Map(key.into()));
        assert_eq!(refused, wrong_place(2, key));
    }
    assert_eq!(
        with(2, |o| o.action = put_text("y")),
        wrong_place(2, "n#counter")
    );
}

#[test]
fn an_element_of_one_text_is_none_of_another() {
    let (mut record, _, next) = victim();
    edit(&mut record, actor(1), &[replace("u", "z")]);
    let on_u = record.write(actor(1), 9, &[splice("u", 0, 1, "")]);
    let mut change = expanded(&on_u.unwrap().unwrap());
    change.operations[0].obj = expanded(&next).operations[0].obj.clone();
    let refused = refusal(&record, &encoded(change)).to_string();
    assert_eq!(refused, wrong_place(0, "t#text"));
}

#[test]
fn a_member_is_there_or_not() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[add("tags", text("x"))]);
    let raw = record
        .write(actor(1), 9, &[add("tags", text("x"))])
        .unwrap()
        .unwrap();
    for value in [
        automerge::ScalarValue::Null,
        automerge::ScalarValue::Boolean(false),
    ] {
        let mut change = expanded(&raw);
        change.operations[0].action = OpType::Put(value);
        assert!(matches!(
            refusal(&record, &encoded(change)),
            Refusal::WrongRegister { .. }
        ));
    }
}
