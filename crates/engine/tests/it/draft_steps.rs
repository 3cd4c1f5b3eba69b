//! What a draft keeps of steps on counters, texts, lists and sets, and how they are written again.

use driftless_document::{FieldPath, RecordId, Value};
use driftless_engine::{Draft, Edit, Replica};
use serde_json::{Value as Json, json};

use crate::discard::{outbox, sync_refused, taken_back};
use crate::support::{insert, sync, two};

fn path(name: &str) -> FieldPath {
    FieldPath::parse(name).unwrap()
}

fn edit(replica: &mut Replica, note: RecordId, edits: &[Edit]) {
    replica.edit("notes", note, edits).unwrap();
    replica.commit_group().unwrap();
}

fn splice(at: usize, delete: usize, insert: &str) -> Edit {
    Edit::Splice {
        path: path("text"),
        at,
        delete,
        insert: insert.into(),
    }
}

fn push(value: &str) -> Edit {
    Edit::InsertElements {
        path: path("list"),
        at: None,
        values: vec![Value::String(value.into())],
    }
}

fn count(by: i64) -> Edit {
    Edit::Increment {
        path: path("count"),
        by,
    }
}

fn member(member: &str, is_added: bool) -> Edit {
    let (path, member) = (path("set"), Value::String(member.into()));
    if is_added {
        Edit::AddMember { path, member }
    } else {
        Edit::RemoveMember { path, member }
    }
}

/// A record with such fields, and the draft of an envelope that changed all of them and was refused.
fn discarded() -> (Replica, RecordId, Draft) {
    let (_, mut laptop, _, mut phone) = two();
    let note = insert(&mut laptop, r#"{"title":"a"}"#);
    let begun = [
        count(1),
        splice(0, 0, "abc"),
        push("one"),
        member("old", true),
    ];
    edit(&mut laptop, note, &begun);
    sync(&mut laptop, &mut phone).unwrap();
    let first = Edit::RemoveElements {
        path: path("list"),
        at: 0,
        count: 1,
    };
    let steps = [
        count(5),
        count(-2),
        splice(1, 1, "XY"),
        push("two"),
        first,
        member("old", false),
        member("new", true),
    ];
    edit(&mut laptop, note, &steps);
    let poison = *outbox(&laptop).last().unwrap();
    sync_refused(&mut laptop, &mut phone, &|id| *id == poison);
    let (draft, _) = taken_back(&mut laptop, poison);
    (laptop, note, draft)
}

#[test]
fn a_draft_carries_steps_and_says_what_it_leaves_out() {
    let (_, note, draft) = discarded();
    let json = draft.to_json();
    let expected = json!({
        "collection": "notes",
        "record": note.to_string(),
        "set": {},
        "unset": [],
        "deleted": null,
        "increment": { "count": 3 },
        "append": { "text": "XY" },
        "push": { "list": ["two"] },
        "add": { "set": ["new"] },
        "remove": { "set": ["old"] },
        "left_out": [
            "list: elements that were removed (1)",
            "text: characters that were removed (1)",
        ],
    });
    assert_eq!(json["records"][0], expected);
    assert_eq!(Draft::from_json(&json).unwrap(), draft);
    for (part, value) in [
        ("increment", json!(1.5)),
        ("push", 1.into()),
        ("add", "x".into()),
    ] {
        let mut json = json.clone();
        json["records"][0][part]["f"] = value;
        let place = Draft::from_json(&json).unwrap_err().place;
        assert_eq!(place, format!("records[0].{part}.f"));
    }
}

#[test]
fn the_steps_of_a_draft_are_done_again_on_what_is_there() {
    let (mut laptop, note, draft) = discarded();
    let applied = laptop.apply_draft(&draft).unwrap();
    laptop.commit_group().unwrap();
    assert_eq!((applied.written, applied.skipped.len()), (5, 0));
    let row = laptop.get("notes", note).unwrap().unwrap();
    let fields = driftless_document::nest(&row.fields).fields;
    let expected = json!({
        "title": "a", "count": 4, "text": "abcXY", "list": ["one", "two"], "set": ["new"],
    });
    assert_eq!(Json::Object(fields), expected);

    // A record that is not there any more is made by its steps.
    let mut elsewhere = draft;
    elsewhere.records[0].key.record = RecordId([9; 16]);
    assert_eq!(laptop.apply_draft(&elsewhere).unwrap().written, 4);
    laptop.commit_group().unwrap();
}
