//! Writes at and over every limit of a change: what is acknowledged is taken by every other device, and what is over a
//! limit that cannot be split is refused, with a typed error, before anything is written.

use driftless_document::{FieldPath, Fields, RecordId, Value, WriteError, limits as change};
use driftless_engine::{Edit, EngineError, ItemPage, Replica, limits};

use crate::support::{assert_equal, insert, sync, two};

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap()
}

fn append(field: &str, text: String) -> Edit {
    Edit::AppendText {
        path: path(field),
        text,
    }
}

fn set(field: &str, value: Value) -> Edit {
    Edit::Set {
        path: path(field),
        node: driftless_document::Node::Leaf(value),
    }
}

fn push(field: &str, values: Vec<Value>) -> Edit {
    Edit::InsertElements {
        path: path(field),
        at: None,
        values,
    }
}

fn increment(field: &str) -> Edit {
    Edit::Increment {
        path: path(field),
        by: 1,
    }
}

fn letters(count: usize) -> Value {
    Value::String("x".repeat(count))
}

/// Writes, and looks whether the other device has it all, and applied.
#[track_caller]
fn reaches(replica: &mut Replica, other: &mut Replica, id: RecordId, edits: &[Edit]) {
    replica.edit("notes", id, edits).unwrap();
    replica.commit_group().unwrap();
    sync(replica, other).unwrap();
    assert_eq!(replica.digest().unwrap(), other.digest().unwrap());
    assert!(other.quarantine(&ItemPage::default()).unwrap().is_empty());
}

#[test]
fn a_write_of_more_than_one_change_holds_is_several_and_reaches_the_other_device() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let over = change::CHANGE_OPERATIONS + 1_000;
    let bytes = change::CHANGE_BYTES / 1_000 + 10;
    let written: [Vec<Edit>; 7] = [
        // Writing operations in few bytes.
        vec![push("flags", vec![Value::Bool(true); 10_000])],
        // Operations.
        vec![append("story", "x".repeat(over))],
        // Operations that remove, which take no bytes.
        vec![Edit::ReplaceText {
            path: path("story"),
            text: String::new(),
        }],
        // Bytes.
        (0..bytes)
            .map(|n| set(&format!("f{n}"), letters(1_000)))
            .collect(),
        // Bytes of keys.
        (0..1_100)
            .map(|n| set(&format!("{n}{}", "k".repeat(1_000)), Value::Null))
            .collect(),
        // Dependencies: each counter has a change that makes it.
        (0..change::CHANGE_DEPS + 100)
            .map(|n| increment(&format!("c{n}")))
            .collect(),
        // All in one.
        vec![
            append("story", "y".repeat(5_000)),
            push("flags", vec![Value::Null; 5_000]),
            increment("c0"),
        ],
    ];
    for edits in written {
        reaches(&mut laptop, &mut phone, id, &edits);
    }
    assert_equal(&laptop, &phone);
    let row = laptop.get("notes", id).unwrap().unwrap();
    assert_eq!(row.fields["story#text"], Value::Text("y".repeat(5_000)));
}

#[test]
fn what_cannot_be_split_is_refused_before_it_is_written() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut laptop, &mut phone).unwrap();
    let before = (laptop.digest().unwrap(), laptop.status().unwrap());
    let over: [(&str, Edit); 3] = [
        ("bytes", set("a", letters(change::CHANGE_BYTES))),
        (
            "operations",
            append("a", "x".repeat(change::EDIT_OPERATIONS + 1)),
        ),
        (
            "operations",
            push("a", vec![Value::Null; change::EDIT_OPERATIONS + 1]),
        ),
    ];
    for (expected, edit) in over {
        let refused = laptop.edit("notes", id, &[set("title", letters(3)), edit]);
        assert!(
            matches!(&refused, Err(EngineError::Write(WriteError::TooMuch { what, .. })) if *what == expected),
            "{expected}: {refused:?}"
        );
    }
    // What many records hold together, and one record alone.
    let large = |_| {
        let fields = Fields::from([("body".to_owned(), letters(100_000))]);
        (None, fields)
    };
    let rows = (0..100).map(large).collect();
    let refused = laptop.import("notes", rows).unwrap_err();
    assert!(
        matches!(refused, EngineError::TooMuch { what: "bytes", .. }),
        "{refused:?}"
    );
    let after = (laptop.digest().unwrap(), laptop.status().unwrap());
    assert_eq!(before, after, "nothing was written");
    laptop.commit_group().unwrap();
    insert(&mut laptop, r#"{"title":"goes on"}"#);
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
}

#[test]
fn a_record_as_large_as_one_may_be_takes_no_more_and_what_it_has_goes_everywhere() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let part = change::CHANGE_BYTES - 1_024;
    let mut written = 0;
    let refused = loop {
        let fields = (0..14).map(|n| set(&format!("f{}", written + n), letters(part)));
        match laptop.edit("notes", id, &fields.collect::<Vec<_>>()) {
            Ok(_) => written += 14,
            Err(error) => break error,
        }
        laptop.commit_group().unwrap();
        assert!(written * part <= limits::RECORD_BYTES, "it grows and grows");
    };
    assert!(
        matches!(
            refused,
            EngineError::TooMuch {
                what: "bytes in one record",
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(written, 28);
    laptop.commit_group().unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
}

/// Bytes of a long value: it fits one change.
const VALUE: usize = 400_000;

#[test]
fn what_two_devices_add_apart_may_be_more_than_one_may_write() {
    let (_a, mut laptop, _b, mut phone) = two();
    let id = insert(&mut laptop, "{}");
    sync(&mut laptop, &mut phone).unwrap();
    for (replica, side) in [(&mut laptop, "l"), (&mut phone, "p")] {
        // Together a little more than one device may make of a record.
        for n in 0..=limits::RECORD_BYTES / 2 / VALUE {
            let value = Value::String("v".repeat(VALUE));
            let edit = set(&format!("{side}{n}"), value);
            replica.edit("notes", id, &[edit]).unwrap();
            replica.commit_group().unwrap();
        }
    }
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    for replica in [&laptop, &phone] {
        assert_eq!(replica.status().unwrap().quarantined, 0);
    }
}
