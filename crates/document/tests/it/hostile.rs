//! Well-formed changes of other shapes than Driftless writes: many of them make Automerge panic, or make a
//! document that never loads again.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ExpandedChange, ObjType, ScalarValue};
use driftless_document::{Record, Refusal, Value};

use crate::support::{actor, edit, encoded, expanded, put, refusal};

fn record() -> Record {
    let mut record = Record::new();
    edit(
        &mut record,
        actor(1),
        &[put("a", Value::Int(1)), put("b", Value::Int(1))],
    );
    record
}

fn honest() -> ExpandedChange {
    let next = record().write(actor(1), 9, &[put("c", Value::Int(2))]);
    expanded(&next.unwrap().unwrap())
}

fn foreign(alter: impl FnOnce(&mut ExpandedChange)) -> &'static str {
    let mut change = honest();
    alter(&mut change);
    match refusal(&record(), &encoded(change)) {
        Refusal::Foreign { what } => what,
        other => panic!("refused otherwise: {other}"),
    }
}

fn with_action(action: OpType) -> &'static str {
    foreign(|change| change.operations[0].action = action)
}

fn first_operation() -> OpId {
    OpId::new(1, &actor(1).0.into())
}

#[test]
fn objects_are_not_made() {
    for kind in [ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table] {
        let what = with_action(OpType::Make(kind));
        assert_eq!(what, "an object that is not made by a genesis change");
    }
}

#[test]
fn nothing_is_marked() {
    let mark = MarkData {
        name: "bold".into(),
        value: ScalarValue::Boolean(true),
        expand: true,
    };
    for action in [OpType::MarkBegin(mark), OpType::MarkEnd(false)] {
        assert_eq!(with_action(action), "a mark");
    }
}

#[test]
fn values_are_of_the_known_types() {
    for scalar in [
        ScalarValue::counter(5),
        ScalarValue::F64(f64::NAN),
        ScalarValue::F64(f64::INFINITY),
        ScalarValue::Unknown {
            type_code: 12,
            bytes: vec![1],
        },
    ] {
        assert_eq!(
            with_action(OpType::Put(scalar)),
            "a value of an unknown type"
        );
    }
}

#[test]
fn steps_inside_an_object_are_on_elements_and_the_others_on_keys() {
    let object = |c: &mut ExpandedChange| c.operations[0].obj = ObjectId::Id(first_operation());
    assert_eq!(foreign(object), "a key inside a text or list");
    assert_eq!(
        foreign(|c| c.operations[0].insert = true),
        "an element of no list"
    );
    let nowhere = ObjectId::Id(OpId::new(77, &actor(1).0.into()));
    let no_object = "an object that no genesis change makes";
    assert_eq!(foreign(|c| c.operations[0].obj = nowhere), no_object);
    let at_root = "a list operation at the root";
    for element in [ElementId::Head, ElementId::Id(first_operation())] {
        let key = Key::Seq(element);
        assert_eq!(foreign(|c| c.operations[0].key = key), at_root);
    }
}

#[test]
fn an_object_and_what_is_in_it_are_refused_together() {
    let what = foreign(|c| {
        let start = c.start_op.get();
        c.operations[0].action = OpType::Make(ObjType::List);
        let list = ObjectId::Id(OpId::new(start, &actor(1).0.into()));
        for (key, insert) in [
            (Key::Seq(ElementId::Head), true),
            (
                Key::Seq(ElementId::Id(OpId::new(99, &actor(1).0.into()))),
                true,
            ),
            (Key::Map("k".into()), false),
        ] {
            c.operations.push(Op {
                action: OpType::Put(ScalarValue::Null),
                obj: list.clone(),
                key,
                pred: vec![].into(),
                insert,
            });
        }
    });
    assert_eq!(what, "an object that is not made by a genesis change");
}

#[test]
fn nothing_stands_beside_the_operations() {
    let message = |c: &mut ExpandedChange| c.message = Some("hello".into());
    assert_eq!(foreign(message), "a message");
    assert_eq!(foreign(|c| c.extra_bytes = vec![1, 2, 3]), "extra bytes");
    assert_eq!(foreign(|c| c.operations.clear()), "nothing");
}

#[test]
fn actors_have_sixteen_bytes() {
    let what = "an actor id that has not 16 bytes";
    for bytes in [vec![], vec![3; 15], vec![3; 17]] {
        let actor_id = automerge::ActorId::from(bytes);
        let pred = vec![OpId::new(1, &actor_id)];
        assert_eq!(foreign(|c| c.operations[0].pred = pred.into()), what);
        assert_eq!(foreign(|c| c.actor_id = actor_id), what);
    }
}
