//! Honest work of the largest kind is let in: what people do, no rule stands in the way of.

use driftless_document::{ActorId, Counted, Intent, JOINED, Record, Value, WriteError, limits};

use crate::support::{DEVICE, actor, edit, put, receive, text};

/// The n-th of many actors of the device.
fn session(n: u16) -> ActorId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&DEVICE);
    bytes[14..].copy_from_slice(&n.to_be_bytes());
    ActorId(bytes)
}

fn append(added: &str) -> Intent {
    Intent::AppendText {
        path: "notes".into(),
        text: added.into(),
    }
}

fn notes(record: &Record) -> String {
    match record.row().fields.get("notes#text") {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

fn assert_loads(record: &Record) {
    let loaded = Record::load(&record.save(), &record.heads()).unwrap();
    assert_eq!(loaded.row(), record.row());
}

#[test]
fn a_paste_of_twelve_thousand_characters_is_one_change() {
    let mut record = Record::new();
    let paste = "Größe, 大きさ, size. ".repeat(12_000 / 18 + 1);
    edit(&mut record, actor(1), &[append("before "), append(&paste)]);
    assert_eq!(notes(&record), format!("before {paste}"));
    assert_loads(&record);
}

#[test]
fn a_record_of_a_thousand_actors_goes_on() {
    let mut record = Record::new();
    for n in 0..1_000 {
        edit(
            &mut record,
            session(n),
            &[put("count", Value::Int(n.into()))],
        );
    }
    assert_eq!(record.row().fields["count"], Value::Int(999));
    assert_loads(&record);
}

#[test]
fn three_hundred_heads_are_one_after_the_next_edit() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("title", text("first"))]);
    let apart: Vec<_> = (0..300)
        .map(|n| {
            let intents = [put("title", text(&n.to_string())), append("x")];
            let written = record.write(session(n), 1 << 12, &intents);
            written.unwrap().unwrap()
        })
        .collect();
    for raw in &apart {
        receive(&mut record, raw);
    }
    assert_eq!(record.heads().len(), 300);
    edit(&mut record, actor(1), &[put("title", text("last"))]);
    assert_eq!(record.heads().len(), 1);
    assert_eq!(record.row().fields["title"], text("last"));
    assert_eq!(notes(&record).len(), 300);
    assert_loads(&record);
}

#[test]
fn a_paragraph_that_sixty_five_sessions_wrote_is_deleted_at_once() {
    let mut record = Record::new();
    for n in 0..65 {
        edit(&mut record, session(n), &[append("a few more words. ")]);
    }
    let length = notes(&record).len();
    let cut = Intent::Splice {
        path: "notes".into(),
        at: 0,
        delete: length,
        insert: String::new(),
    };
    edit(&mut record, session(99), &[cut]);
    assert_eq!(notes(&record), "");
    assert_loads(&record);
}

/// Writes, in as many changes as it takes, and brings each to another device; says how many there were.
fn edit_split(record: &mut Record, by: ActorId, intents: &[Intent]) -> usize {
    let parts = record
        .write_split(by, 7 << 12, intents, &Counted::default())
        .unwrap();
    let mut other = record.clone();
    for raw in &parts {
        receive(record, raw);
        receive(&mut other, raw);
    }
    assert_eq!(record.heads().len(), 1);
    assert_eq!(other.row(), record.row());
    assert_loads(record);
    parts.len()
}

fn push(values: Vec<Value>) -> Intent {
    Intent::InsertElements {
        path: "items".into(),
        at: None,
        values,
    }
}

#[test]
fn what_is_more_than_one_change_holds_becomes_several() {
    let mut record = Record::new();
    let by = actor(1);
    // In bytes that say little: equal elements.
    let equal = vec![Value::Bool(true); 10_000];
    assert!(record.write(by, 1, &[push(equal.clone())]).is_err());
    assert_eq!(edit_split(&mut record, by, &[push(equal.clone())]), 4);
    assert_eq!(record.row().fields["items#list"], Value::List(equal));
    // In operations.
    let long = "twelve words of prose. ".repeat(4_000);
    assert_eq!(edit_split(&mut record, by, &[append(&long)]), 4);
    assert_eq!(notes(&record), long);
    let cut = Intent::Splice {
        path: "notes".into(),
        at: 10,
        delete: 80_000,
        insert: "in between".into(),
    };
    assert_eq!(edit_split(&mut record, by, &[cut]), 4);
    assert_eq!(notes(&record).len(), long.len() - 80_000 + 10);
    // In bytes.
    let many: Vec<_> = (0..1_100)
        .map(|n| put(&format!("f{n}"), text(&"x".repeat(500))))
        .collect();
    assert_eq!(edit_split(&mut record, by, &many), 2);
    assert_eq!(record.row().fields["f1099"], text(&"x".repeat(500)));
    // In fields that are made, each by a change that the one that needs it depends on.
    let made: Vec<_> = (0..1_500)
        .map(|n| Intent::Increment {
            path: format!("c{n}"),
            by: n + 1,
        })
        .collect();
    assert_eq!(edit_split(&mut record, by, &made), 2);
    assert_eq!(record.row().fields["c1499#counter"], Value::Counter(1_500));
}

#[test]
fn the_first_part_of_a_new_record_may_make_nothing() {
    let mut record = Record::new();
    let over = i64::try_from(limits::CHANGE_OPERATIONS).unwrap();
    let mut intents: Vec<_> = (0..over).map(|n| put("n", Value::Int(n))).collect();
    intents.push(append("then a text"));
    intents.push(Intent::Increment {
        path: "views".into(),
        by: 3,
    });
    assert!(edit_split(&mut record, actor(1), &intents) > 1);
    let row = record.row();
    assert_eq!(row.fields["n"], Value::Int(over - 1));
    assert_eq!(row.fields["views#counter"], Value::Counter(3));
    assert_eq!(notes(&record), "then a text");
}

#[test]
fn what_cannot_be_split_is_refused_before_it_is_written() {
    let record = Record::new();
    let large = text(&"x".repeat(limits::CHANGE_BYTES));
    let refused = record.write_split(
        actor(1),
        1,
        &[put("a", Value::Null), put("b", large)],
        &Counted::default(),
    );
    assert!(matches!(
        refused,
        Err(WriteError::TooMuch { what: "bytes", .. })
    ));
    let endless = "x".repeat(limits::EDIT_OPERATIONS + 1);
    let expected = WriteError::TooMuch {
        what: "operations",
        count: limits::EDIT_OPERATIONS + 1,
        limit: limits::EDIT_OPERATIONS,
    };
    let refused = record.write_split(actor(1), 1, &[append(&endless)], &Counted::default());
    assert_eq!(refused, Err(expected));
}

#[test]
fn more_heads_than_a_change_may_name_are_joined_before_the_next_edit() {
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("title", text("first"))]);
    let mut first = record.clone();
    let own = edit(&mut first, actor(1), &[put("own", Value::Null)]);
    let apart: Vec<_> = (0..1_100)
        .map(|n| {
            let written = record.write(session(n), 1 << 12, &[put(&format!("f{n}"), Value::Null)]);
            written.unwrap().unwrap()
        })
        .collect();
    for raw in apart.iter().chain([&own]) {
        receive(&mut record, raw);
    }
    assert_eq!(record.heads().len(), 1_101);
    let refused = record.write(actor(1), 1, &[put("title", text("last"))]);
    assert!(matches!(
        refused,
        Err(WriteError::TooMuch {
            what: "dependencies",
            ..
        })
    ));
    let row = record.row();
    let mut joins = 0;
    while let Some(some) = record.to_join(&actor(1)).unwrap() {
        let join = crate::support::settle(JOINED, Some(Value::Null));
        let raw = some.write(actor(1), 1, &[join]).unwrap().unwrap();
        receive(&mut record, &raw);
        joins += 1;
    }
    assert_eq!((joins, record.heads().len()), (2, 1_101 - 2 * 511));
    assert_eq!(record.row().fields, row.fields);
    edit(&mut record, actor(1), &[put("title", text("last"))]);
    assert_eq!(record.heads().len(), 1);
    assert_loads(&record);
}
