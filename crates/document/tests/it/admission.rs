//! What admission says of a change, each answer once.

use automerge::ScalarValue;
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use driftless_document::{
    ActorId, Admission, ChangeHash, Record, Refusal, Value, change_hash, limits,
};

use crate::support::{
    DEVICE, actor, admitted, edit, encoded, expanded, put, receive, refusal, remove,
};

/// A record with a past, and an honest change that would continue it.
fn start() -> (Record, Vec<u8>) {
    let mut record = Record::new();
    edit(
        &mut record,
        actor(1),
        &[put("a", Value::Int(1)), put("b", Value::Int(1))],
    );
    edit(&mut record, actor(2), &[put("a", Value::Int(2))]);
    let next = record.write(actor(1), 9, &[put("a", Value::Int(3)), remove("b")]);
    (record, next.unwrap().unwrap())
}

fn refused(alter: impl FnOnce(&mut automerge::ExpandedChange)) -> Refusal {
    let (record, honest) = start();
    let mut change = expanded(&honest);
    alter(&mut change);
    refusal(&record, &encoded(change))
}

fn id(counter: u64, actor: ActorId) -> OpId {
    OpId::new(counter, &actor.0.into())
}

#[test]
fn an_honest_change_is_admitted_once_and_then_known() {
    let (mut record, honest) = start();
    assert_eq!(encoded(expanded(&honest)), honest);
    receive(&mut record, &honest);
    assert!(matches!(
        record.admit(&honest, DEVICE),
        Ok(Admission::Known)
    ));
}

#[test]
fn a_change_whose_past_is_not_here_waits() {
    let (mut record, honest) = start();
    receive(&mut record, &honest);
    let after = record.write(actor(2), 9, &[put("c", Value::Int(3))]);
    let after = after.unwrap().unwrap();
    let (record, _) = start();
    match record.admit(&after, DEVICE) {
        Ok(Admission::MissingPast(missing)) => {
            assert_eq!(Some(missing), change_hash(&honest));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_be_judged_without_the_past_is_refused_without_it() {
    let (record, honest) = start();
    let mut change = expanded(&honest);
    change.deps = vec![automerge::ChangeHash([1; 32])];
    let raw = encoded(change.clone());
    match record.admit(&raw, DEVICE) {
        Ok(Admission::MissingPast(missing)) => assert_eq!(missing, ChangeHash([1; 32])),
        other => panic!("{other:?}"),
    }
    change.time = -1;
    let refusal = refusal(&record, &encoded(change));
    assert_eq!(
        refusal,
        Refusal::Foreign {
            what: "a time out of range"
        }
    );
}

#[test]
fn the_actor_must_be_of_the_device_that_signed() {
    let (record, honest) = start();
    let refusal = record.admit(&honest, [4; 8]).unwrap_err();
    assert_eq!(refusal, Refusal::OtherDevice { actor: actor(1) });
}

#[test]
fn an_actor_has_one_change_of_a_number() {
    let (mut record, honest) = start();
    let twin = record.write(actor(1), 10, &[put("a", Value::Int(4))]);
    receive(&mut record, &honest);
    let expected = Refusal::SecondOfSeq {
        actor: actor(1),
        seq: 2,
    };
    assert_eq!(refusal(&record, &twin.unwrap().unwrap()), expected);
}

#[test]
fn numbers_continue_the_past() {
    let not = |what, found, expected| Refusal::DoesNotContinue {
        what,
        found,
        expected,
    };
    let seq = "sequence number";
    assert_eq!(refused(|c| c.seq = 1), not(seq, 1, 2));
    assert_eq!(refused(|c| c.seq = 3), not(seq, 3, 2));
    assert_eq!(refused(|c| c.actor_id = actor(7).0.into()), not(seq, 2, 1));
    for start_op in [1, 3, 5, 1_000_000] {
        let refusal = refused(|c| c.start_op = start_op.try_into().unwrap());
        assert_eq!(refusal, not("first operation", start_op, 4));
    }
    let known = |c: &mut automerge::ExpandedChange| c.deps.clear();
    assert_eq!(refused(known), not(seq, 2, 1));
}

#[test]
fn operation_counters_near_the_end_of_their_bits_are_refused() {
    for start_op in [u64::from(u32::MAX) + 1, u64::MAX - 1, u64::MAX] {
        let (record, honest) = start();
        let mut change = expanded(&honest);
        change.start_op = start_op.try_into().unwrap();
        let refusal = refusal(&record, &encoded(change));
        let fits = matches!(
            refusal,
            Refusal::NotAChange | Refusal::DoesNotContinue { .. }
        );
        assert!(fits, "{start_op}: {refusal}");
    }
}

#[test]
fn an_operation_replaces_exactly_what_was_live() {
    let wrong = |pred: Vec<OpId>| refused(move |c| c.operations[0].pred = pred.into());
    let expected = Refusal::WrongPred {
        operation: 0,
        key: "a".into(),
    };
    for pred in [
        vec![],
        vec![id(1, actor(1))],                  // live once, replaced since
        vec![id(2, actor(1))],                  // of another register
        vec![id(9, actor(1))],                  // of no operation
        vec![id(3, actor(9))],                  // of no actor
        vec![id(1, actor(1)), id(3, actor(2))], // more than is live
        vec![id(3, actor(2)), id(3, actor(2))], // twice
        vec![id(4, actor(1))],                  // itself
    ] {
        assert_eq!(wrong(pred.clone()), expected, "{pred:?}");
    }
    let nothing_there = refused(|c| {
        let delete = c.operations[1].clone();
        c.operations.push(delete);
    });
    let expected = Refusal::WrongPred {
        operation: 2,
        key: "b".into(),
    };
    assert_eq!(nothing_there, expected);
    let empty_delete = refused(|c| {
        c.operations[1].key = Key::Map("never there".into());
        c.operations[1].pred = vec![].into();
    });
    let key = "never there".into();
    assert_eq!(empty_delete, Refusal::WrongPred { operation: 1, key });
}

#[test]
fn the_second_operation_on_a_register_replaces_the_first() {
    let (mut record, honest) = start();
    let mut change = expanded(&honest);
    let mut again = change.operations[0].clone();
    again.pred = vec![id(4, actor(1))].into();
    change.operations.insert(1, again);
    let raw = encoded(change);
    receive(&mut record, &raw);
    assert_eq!(record.row().fields["a"], Value::Int(3));
}

#[test]
fn a_change_is_judged_by_its_own_past_not_by_what_came_since() {
    let (record, honest) = start();
    let mut later = record.clone();
    edit(
        &mut later,
        actor(3),
        &[put("a", Value::Int(8)), put("b", Value::Int(8))],
    );
    edit(&mut later, actor(3), &[remove("a")]);
    receive(&mut later, &honest);
    assert_eq!(later.row().fields["a"], Value::Int(3));
    assert_eq!(later.row().fields["b"], Value::Int(8));
}

#[test]
fn keys_and_values_that_no_driftless_writes_are_refused() {
    let keyed = |key: &str| {
        let key = Key::Map(key.into());
        refused(move |c| {
            let value = OpType::Put(ScalarValue::Null);
            c.operations = vec![Op {
                action: value,
                obj: ObjectId::Root,
                key,
                pred: vec![].into(),
                insert: false,
            }];
        })
    };
    let long = "k".repeat(limits::KEY_BYTES + 1);
    let deep = vec!["k"; limits::DEPTH + 1].join(".");
    for key in [
        ".", "a.", ".a", "a..b", "a\\", "a\\b", "\\ea", "a.$b", "/a", "#a", "a\\$", &long, &deep,
        "$deleted",
    ] {
        let expected = Refusal::WrongRegister {
            operation: 0,
            key: key.into(),
        };
        assert_eq!(keyed(key), expected);
    }
    let (mut record, _) = start();
    edit(&mut record, actor(1), &[put("$deleted", Value::Bool(true))]);
    let next = record.write(actor(1), 9, &[put("$deleted", Value::Bool(false))]);
    let mut next = expanded(&next.unwrap().unwrap());
    next.operations[0].action = OpType::Delete;
    let expected = Refusal::WrongRegister {
        operation: 0,
        key: "$deleted".into(),
    };
    assert_eq!(refusal(&record, &encoded(next)), expected);
}

#[test]
fn an_empty_key_is_refused() {
    let refusal = refused(|c| {
        c.operations.truncate(1);
        c.operations[0].key = Key::Map("".into());
        c.operations[0].pred = vec![].into();
    });
    let expected = [
        Refusal::NotAChange,
        Refusal::NotCanonical,
        Refusal::WrongRegister {
            operation: 0,
            key: String::new(),
        },
    ];
    assert!(expected.contains(&refusal), "{refusal}");
}

#[test]
fn registers_of_a_later_driftless_are_let_in() {
    let (mut record, honest) = start();
    let mut change = expanded(&honest);
    change.operations.truncate(1);
    change.operations[0].key = Key::Map("tags#later".into());
    change.operations[0].pred = vec![].into();
    change.operations[0].action = OpType::Put(ScalarValue::Bytes(vec![200, 1]));
    receive(&mut record, &encoded(change));
    let shown = record.row().fields["tags#later"].clone();
    assert_eq!(shown, Value::Opaque(vec![200, 1]));
}

#[test]
fn times_are_bounded() {
    for (time, honest) in [
        (-1, false),
        (limits::TIME_END, false),
        (i64::MIN, false),
        (i64::MAX, false),
        (0, true),
        (limits::TIME_END - 1, true),
    ] {
        let (record, raw) = start();
        let mut change = expanded(&raw);
        change.time = time;
        let raw = encoded(change);
        if honest {
            assert_eq!(admitted(&record, &raw).change().time, time);
        } else {
            let what = "a time out of range";
            assert_eq!(refusal(&record, &raw), Refusal::Foreign { what });
        }
    }
}

#[test]
fn dependencies_stand_sorted_and_once() {
    let (mut record, honest) = start();
    let mut other = record.clone();
    receive(&mut record, &honest);
    let apart = edit(&mut other, actor(3), &[put("c", Value::Int(1))]);
    receive(&mut record, &apart);
    let next = record.write(actor(1), 9, &[put("c", Value::Int(2))]);
    let next = next.unwrap().unwrap();
    admitted(&record, &next);
    for disorder in [&[1, 0][..], &[0, 0, 1]] {
        let mut change = expanded(&next);
        assert_eq!(change.deps.len(), 2);
        change.deps = disorder.iter().map(|&n| change.deps[n]).collect();
        let raw = encoded(change);
        if raw != next {
            assert_eq!(
                refusal(&record, &raw),
                Refusal::NotCanonical,
                "{disorder:?}"
            );
        }
    }
}

#[test]
fn a_dependency_that_another_one_knows_of_does_no_harm() {
    let (mut record, honest) = start();
    let mut change = expanded(&honest);
    let all = record.changes().unwrap();
    change.deps = all
        .iter()
        .map(|c| automerge::ChangeHash(c.hash.0))
        .collect();
    change.deps.sort_unstable();
    assert_eq!(change.deps.len(), 2);
    let change = receive(&mut record, &encoded(change));
    assert_eq!(record.heads(), [change.hash]);
    let loaded = Record::load(&record.save(), &record.heads()).unwrap();
    assert_eq!(loaded.row(), record.row());
}

#[test]
fn counts_are_bounded() {
    let over = |what, limit: usize| Refusal::OverLimit {
        what,
        count: limit + 1,
        limit,
    };
    let deps = refused(|c| {
        c.deps = (0..=limits::CHANGE_DEPS)
            .map(|n| {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&(n as u64).to_be_bytes());
                automerge::ChangeHash(hash)
            })
            .collect();
    });
    assert_eq!(deps, over("dependencies", limits::CHANGE_DEPS));
    let actors = refused(|c| {
        let some = (0..limits::CHANGE_ACTORS).map(|n| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            id(1, ActorId(bytes))
        });
        c.operations.truncate(1);
        c.operations[0].pred = some.collect::<Vec<_>>().into();
    });
    assert_eq!(actors, over("actors", limits::CHANGE_ACTORS));
    let operations = refused(|c| {
        let operation = c.operations[0].clone();
        c.operations = vec![operation; limits::CHANGE_OPERATIONS + 1];
    });
    assert_eq!(operations, over("operations", limits::CHANGE_OPERATIONS));
    // Whatever its past is: a change is judged by what it claims first.
    let most = usize::try_from(limits::RECORD_OPERATIONS).unwrap();
    let history = refused(|c| {
        c.operations.truncate(1);
        c.start_op = std::num::NonZeroU64::new(limits::RECORD_OPERATIONS + 1).unwrap();
    });
    assert_eq!(history, over("operations with those in its past", most));
}
