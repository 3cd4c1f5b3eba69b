//! What becomes of an edit.

use driftless_document::{
    Action, DecodeError, Evidence, Intent, LoadError, NoAuthors, Policy, Record, RecordId, Row,
    Shown, Status, Value, Version, WriteError, change_hash, evidence, limits,
};

use crate::support::{actor, admitted, edit, put, receive, remove, settle, text};

fn operations(record: &Record, intents: &[Intent]) -> Vec<(String, Action)> {
    let raw = record.write(actor(1), 1, intents).unwrap().unwrap();
    let operations = admitted(record, &raw).change().operations.clone();
    operations.into_iter().map(|o| (o.key, o.action)).collect()
}

fn unchanged(record: &Record, intents: &[Intent]) -> bool {
    record.write(actor(1), 1, intents).unwrap().is_none()
}

#[test]
fn an_edit_is_written_admitted_applied_and_read() {
    let mut record = Record::new();
    assert_eq!(record.heads(), []);
    let raw = record.write(
        actor(1),
        (1_700_000_000_000 << 12) | 5,
        &[put("name", text("Ana")), put("address.city", text("Oslo"))],
    );
    let raw = raw.unwrap().unwrap();
    let change = receive(&mut record, &raw);
    assert_eq!((change.seq, change.start_op, change.max_op()), (1, 1, 2));
    assert_eq!(change.time_ms(), 1_700_000_000_000);
    assert_eq!(change.deps, []);
    assert_eq!(record.heads(), [change.hash]);
    assert!(record.has_change(&change.hash));
    assert_eq!(record.change_count(), 1);
    assert_eq!(record.changes().unwrap(), std::slice::from_ref(&change));
    let row = record.row();
    let expected = [("address.city", text("Oslo")), ("name", text("Ana"))];
    assert_eq!(row.fields, expected.map(|(k, v)| (k.to_owned(), v)).into());
    assert!(!row.deleted);
    assert_eq!(row.version(), Version::of(&[change.hash]));

    let second = edit(&mut record, actor(1), &[put("name", text("Ben"))]);
    let changes = record.changes().unwrap();
    assert_eq!(Some(changes[1].hash), change_hash(&second));
    assert_eq!(changes[1].deps, [change.hash]);
}

#[test]
fn every_type_of_value_reads_back_as_it_was_written() {
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Uint(u64::MAX),
        Value::Float(-0.25),
        text("\u{0}é🦀"),
        text(""),
        Value::Bytes(vec![]),
        Value::Bytes(vec![1, 2]),
        Value::Timestamp(-5),
        Value::Json("[1,{}]".into()),
        Value::Opaque(vec![9, 9]),
    ];
    let mut record = Record::new();
    for value in values {
        edit(&mut record, actor(1), &[put("f", value.clone())]);
        assert_eq!(record.row().fields["f"], value);
        let loaded = Record::load(&record.save(), &record.heads()).unwrap();
        assert_eq!(loaded.row(), record.row());
        assert!(unchanged(&record, &[put("f", value)]));
    }
}

#[test]
fn a_zero_with_a_sign_is_the_value_that_one_without_is() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("f", Value::Float(0.0))]);
    assert!(unchanged(&record, &[put("f", Value::Float(-0.0))]));
}

#[test]
fn what_stands_already_is_not_written_again() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    assert!(unchanged(&record, &[put("a", Value::Int(1))]));
    assert!(unchanged(&record, &[remove("b")]));
    assert!(unchanged(&record, &[]));
    assert_eq!(operations(&record, &[put("a", Value::Uint(1))]).len(), 1);
}

#[test]
fn removing_a_field_removes_what_is_below_it_and_nothing_else() {
    let mut record = Record::new();
    let names = [
        "address",
        "address.city",
        "address\\.zip",
        "addresses",
        "address.geo.lat",
    ];
    let puts: Vec<_> = names.iter().map(|name| put(name, Value::Int(1))).collect();
    edit(&mut record, actor(1), &puts);
    edit(&mut record, actor(1), &[remove("address")]);
    let left: Vec<_> = record.row().fields.into_keys().collect();
    assert_eq!(left, ["address\\.zip", "addresses"]);
    assert!(unchanged(&record, &[remove("address")]));
}

#[test]
fn removing_a_field_removes_what_the_same_edit_put_below_it() {
    let record = Record::new();
    let city = put("address.city", Value::Int(1));
    let written = operations(&record, &[city, remove("address")]);
    assert_eq!(
        written,
        [
            ("address.city".to_owned(), Action::Put(Value::Int(1))),
            ("address.city".to_owned(), Action::Delete)
        ]
    );
}

#[test]
fn several_intents_on_one_register_build_on_each_other() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    let intents = [
        put("a", Value::Int(2)),
        put("a", Value::Int(2)),
        remove("a"),
        remove("a"),
        put("a", Value::Int(1)),
    ];
    let raw = record.write(actor(1), 1, &intents).unwrap().unwrap();
    let change = receive(&mut record, &raw);
    let preds: Vec<_> = change
        .operations
        .iter()
        .map(|o| o.pred.iter().map(|id| id.counter).collect::<Vec<_>>())
        .collect();
    assert_eq!(preds, [vec![1], vec![2], vec![]]);
    assert_eq!(record.row().fields["a"], Value::Int(1));
}

/// Two devices that edited apart, and then met.
fn met(mine: &[Intent], theirs: &[Intent]) -> Record {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(0))]);
    let mut other = record.clone();
    edit(&mut record, actor(1), mine);
    let raw = edit(&mut other, actor(2), theirs);
    receive(&mut record, &raw);
    record
}

fn statuses(record: &Record) -> Vec<(String, Status, Option<Shown>)> {
    let found = evidence("people", RecordId([1; 16]), &record.changes().unwrap());
    let status = |entry: driftless_document::Entry| {
        let verdict = entry.verdict(&Policy::Review, &NoAuthors);
        (entry.register, verdict.status, verdict.resolved)
    };
    found.entries.into_iter().map(status).collect()
}

#[test]
fn keeping_the_shown_value_settles_what_overlapped() {
    let mut record = met(&[put("a", Value::Int(1))], &[put("a", Value::Int(2))]);
    assert_eq!(record.row().fields["a"], Value::Int(2));
    assert_eq!(statuses(&record), [("a".to_owned(), Status::Open, None)]);
    edit(&mut record, actor(1), &[settle("a", Some(Value::Int(2)))]);
    let kept = Some(Shown::Value(Value::Int(2)));
    assert_eq!(
        statuses(&record),
        [("a".to_owned(), Status::Resolved, kept)]
    );
    assert_eq!(record.row().fields["a"], Value::Int(2));
    let note = [settle("a", Some(Value::Int(2)))];
    assert!(!unchanged(&record, &note), "a decision is always written");
}

#[test]
fn a_put_of_the_shown_value_settles_too_while_others_stand_beside_it() {
    let mut record = met(&[put("a", Value::Int(1))], &[put("a", Value::Int(2))]);
    edit(&mut record, actor(1), &[put("a", Value::Int(2))]);
    assert_eq!(statuses(&record)[0].1, Status::Resolved);
    assert!(unchanged(&record, &[put("a", Value::Int(2))]));
}

#[test]
fn keeping_a_field_absent_settles_whether_anything_is_there_or_not() {
    let mut record = met(&[remove("a")], &[put("a", Value::Int(2))]);
    edit(&mut record, actor(1), &[settle("a", None)]);
    let absent = Some(Shown::Absent);
    assert_eq!(
        statuses(&record),
        [("a".to_owned(), Status::Resolved, absent)]
    );
    assert!(record.row().fields.is_empty());

    let put_and_removed = [put("a", Value::Int(5)), remove("a")];
    let mut record = met(&[remove("a")], &put_and_removed);
    assert_eq!(statuses(&record), [], "both sides emptied it");
    edit(&mut record, actor(1), &[settle("a", None)]);
    assert!(record.row().fields.is_empty());
}

#[test]
fn a_deleted_record_keeps_its_fields_and_can_be_restored() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    edit(&mut record, actor(1), &[put("$deleted", Value::Bool(true))]);
    assert!(record.row().deleted);
    assert_eq!(record.row().fields.len(), 1);
    edit(
        &mut record,
        actor(1),
        &[put("$deleted", Value::Bool(false))],
    );
    assert!(!record.row().deleted);
}

#[test]
fn our_own_registers_are_not_shown_among_the_fields() {
    let mut record = Record::new();
    let intents = [
        put("$review/x", Value::Int(1)),
        put("\\$deleted", Value::Bool(true)),
    ];
    edit(&mut record, actor(1), &intents);
    let row = record.row();
    assert_eq!(row.fields.into_keys().collect::<Vec<_>>(), ["\\$deleted"]);
    assert!(!row.deleted);
}

#[test]
fn nothing_is_written_that_admission_would_refuse() {
    let record = Record::new();
    for key in ["", ".", "a.", "a\\b", "a.$b", "/a", "#a"] {
        let failure = record.write(actor(1), 1, &[put(key, Value::Null)]);
        let key = key.to_owned();
        assert_eq!(failure, Err(WriteError::NotAField { key }));
    }
    let infinite = record.write(actor(1), 1, &[put("a", Value::Float(f64::INFINITY))]);
    let key = "a".to_owned();
    assert_eq!(infinite, Err(WriteError::NotFinite { key }));
    let many: Vec<_> = (0..1_100)
        .map(|n| put(&format!("f{n}"), text(&"x".repeat(500))))
        .collect();
    let failure = record.write(actor(1), 1, &many);
    assert!(matches!(
        failure,
        Err(WriteError::TooMuch { what: "bytes", .. })
    ));
}

#[test]
fn an_edit_that_replaces_more_than_one_change_may_is_not_written() {
    let register = |n: i64| format!("f{n}");
    let all = |value: i64| -> Vec<_> {
        let puts = (0..5_000).map(|n| put(&register(n), Value::Int(value)));
        puts.collect()
    };
    let mut record = Record::new();
    let mut sides = Vec::new();
    for n in 0..14 {
        let raw = record.write(actor(n), 1, &all(n.into())).unwrap().unwrap();
        sides.push(raw);
    }
    for raw in &sides {
        receive(&mut record, raw);
    }
    let expected = WriteError::TooMuch {
        what: "replaced operations",
        count: 14 * 5_000,
        limit: limits::CHANGE_REPLACED,
    };
    let failure = record.write(actor(99), 1, &all(99));
    assert_eq!(failure, Err(expected));
    let half = record.write(actor(99), 1, &all(99)[..2_500]).unwrap();
    receive(&mut record, &half.unwrap());
}

#[test]
fn whether_a_record_is_deleted_is_never_written_but_as_true_or_false() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("$deleted", Value::Bool(true))]);
    for wrong in [
        remove("$deleted"),
        settle("$deleted", None),
        put("$deleted", Value::Null),
        settle("$deleted", Some(Value::Int(1))),
    ] {
        let key = "$deleted".to_owned();
        let failure = record.write(actor(1), 1, &[wrong]);
        assert_eq!(failure, Err(WriteError::NotAField { key }));
    }
}

#[test]
fn a_change_applied_twice_is_there_once() {
    let record = Record::new();
    let raw = record.write(actor(1), 1, &[put("a", Value::Int(1))]);
    let raw = raw.unwrap().unwrap();
    let (first, again) = (admitted(&record, &raw), admitted(&record, &raw));
    let (record, first) = record.apply(first).unwrap();
    let (record, again) = record.apply(again).unwrap();
    assert_eq!(again, first);
    assert_eq!(record.change_count(), 1);
    assert_eq!(record.heads(), [first.hash]);
}

#[test]
fn a_change_admitted_to_one_record_is_not_applied_to_another_that_lacks_its_past() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    let raw = record.write(actor(1), 1, &[put("a", Value::Int(2))]);
    let next = admitted(&record, &raw.unwrap().unwrap());
    let other = Record::new();
    assert!(other.clone().apply(next).is_err());
    assert_eq!(other.heads(), []);
    assert_eq!(Record::load(&other.save(), &[]).unwrap().change_count(), 0);
}

#[test]
fn a_stored_record_loads_only_as_what_it_is() {
    let mut record = Record::new();
    edit(
        &mut record,
        actor(1),
        &[put("a", text("long enough to be seen"))],
    );
    let (bytes, heads) = (record.save(), record.heads());
    assert_eq!(Record::load(&bytes, &heads).unwrap().row(), record.row());
    let none = Record::load(&bytes, &[]).err();
    assert_eq!(none, Some(LoadError::OtherHeads));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Record::load(&damaged, &heads).is_err(), "byte {at}");
        assert!(Record::load(&bytes[..at], &heads).is_err(), "cut at {at}");
    }
}

#[test]
fn a_loose_change_that_is_stored_twice_is_loaded_once() {
    let mut record = Record::new();
    let first = edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    let snapshot = record.save();
    let second = edit(&mut record, actor(1), &[put("a", Value::Int(2))]);
    let stored = [snapshot, second.clone(), first, second].concat();
    let loaded = Record::load(&stored, &record.heads()).unwrap();
    assert_eq!(loaded.change_count(), 2);
    assert_eq!(loaded.row(), record.row());
}

#[test]
fn a_damaged_stored_log_is_an_error_or_another_log_never_a_panic() {
    let record = met(&[put("a", Value::Int(1))], &[put("a", text("x"))]);
    let log = evidence("p", RecordId([1; 16]), &record.changes().unwrap());
    assert_eq!(log.entries.len(), 1);
    let bytes = log.encode();
    assert_eq!(Evidence::decode(&bytes), Ok(log));
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xfb, 0xfd, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            if let Ok(other) = Evidence::decode(&damaged) {
                assert_eq!(other.encode(), damaged);
            }
        }
    }
}

#[test]
fn a_stored_row_reads_back_and_nothing_else_does() {
    let mut record = met(&[put("a", Value::Int(1))], &[put("a", text("x"))]);
    edit(&mut record, actor(1), &[put("b", Value::Float(1.5))]);
    let row = record.row();
    let bytes = row.encode();
    assert_eq!(Row::decode(&bytes), Ok(row));
    let mut later = bytes.clone();
    later[0] = 9;
    let failure = Row::decode(&later);
    assert!(matches!(
        failure,
        Err(DecodeError::UnknownFormat { found: 9, .. })
    ));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        Row::decode(&longer),
        Err(DecodeError::Malformed { .. })
    ));
    for end in 0..bytes.len() {
        assert!(Row::decode(&bytes[..end]).is_err());
    }
}
