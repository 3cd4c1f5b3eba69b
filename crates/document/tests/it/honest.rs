//! Honest work of the largest kind is let in: what people do, no rule stands in the way of.

use driftless_document::{ActorId, Intent, Record, Value};

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
