//! The bytes of a record, its row and its conflict entries, held in files.
//!
//! To make the files anew after a change that is meant: `cargo xtask golden --write`.

use std::fmt::Write as _;

use driftless_document::{
    ActorId, Agreed, Candidate, ChangeHash, Entry, EntryId, Evidence, FieldPath, Fields, Kind,
    Member, MemberAction, OpId, Record, RecordId, Review, ReviewAction, Row, Rules, Shown, Span,
    Value, Version, change_hash,
};
use driftless_golden::Goldens;

use crate::support::{actor, edit, put, receive, remove, text};

const GOLDEN: Goldens = Goldens::of("document");

/// A path as segments, and its register key.
const PATHS: [(&[&str], &str); 15] = [
    (&["name"], "name"),
    (&["address", "city"], "address.city"),
    (&["address.city"], r"address\.city"),
    (&["$deleted"], r"\$deleted"),
    (&["a", "$b"], r"a.\$b"),
    (&["a$b"], "a$b"),
    (&["$$"], r"\$$"),
    (&["a/b"], r"a\/b"),
    (&["notes#text"], r"notes\#text"),
    (&[r"back\slash"], r"back\\slash"),
    (&[""], r"\e"),
    (&["", ""], r"\e.\e"),
    (&[r"\e"], r"\\e"),
    (&["ключ", "🦀"], "ключ.🦀"),
    (&["e"], "e"),
];

#[test]
fn register_keys() {
    let mut table = String::new();
    for (segments, key) in PATHS {
        let path = FieldPath::new(segments.iter().copied()).unwrap();
        assert_eq!(path.to_key(), key);
        assert_eq!(FieldPath::parse(key), Ok(path), "{key}");
        writeln!(table, "{segments:?} {key}").unwrap();
    }
    GOLDEN.holds_text("register_keys", &table);
}

/// Every kind of value, each under a field of its own.
fn every_value() -> Fields {
    let values = [
        ("null", Value::Null),
        ("no", Value::Bool(false)),
        ("yes", Value::Bool(true)),
        ("int", Value::Int(-3)),
        ("least", Value::Int(i64::MIN)),
        ("uint", Value::Uint(u64::MAX)),
        ("float", Value::Float(-0.5)),
        ("text", text("h\u{e9}")),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("time", Value::Timestamp(-1)),
        ("json", Value::Json(r#"[1,"two",null]"#.into())),
        ("later", Value::Opaque(vec![9, 1])),
    ];
    values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[test]
fn changes_and_documents() {
    let mut record = Record::new();
    let intents: Vec<_> = every_value()
        .into_iter()
        .map(|(key, value)| put(&key, value))
        .collect();
    let raw = edit(&mut record, actor(1), &intents);
    GOLDEN.holds("change", &raw);
    let mut read = Record::new();
    receive(&mut read, &GOLDEN.bytes("change"));
    assert_eq!(read.row(), record.row());
    assert_eq!(record.row().fields, every_value());

    edit(
        &mut record,
        actor(2),
        &[remove("null"), put("int", text("x"))],
    );
    GOLDEN.holds("saved_document", &record.save());
    let read = Record::load(&GOLDEN.bytes("saved_document"), &record.heads()).unwrap();
    assert_eq!(read.row(), record.row());

    let operation = OpId {
        counter: 7,
        actor: actor(1),
    };
    let note = RecordId([5; 16]);
    let names = [
        RecordId::from_key("notes", &["a", "1"]).0.to_vec(),
        EntryId::of("notes", note, "name", operation).0.to_vec(),
        Version::of(&[ChangeHash([2; 32]), ChangeHash([1; 32])])
            .0
            .to_vec(),
        change_hash(&raw).unwrap().0.to_vec(),
    ];
    GOLDEN.holds("derived_names", &names.concat());
}

#[test]
fn rows() {
    let row = Row {
        heads: vec![ChangeHash([1; 32]), ChangeHash([2; 32])],
        deleted: true,
        fields: every_value(),
    };
    GOLDEN.round_trip("row", &row, Row::encode, Row::decode);
}

fn operation(counter: u64) -> OpId {
    OpId {
        counter,
        actor: ActorId([counter.to_le_bytes()[0]; 16]),
    }
}

fn candidate(counter: u64, shown: Shown) -> Candidate {
    Candidate {
        shown,
        operation: operation(counter),
        change: ChangeHash([counter.to_le_bytes()[0]; 32]),
        time: 1 << 52,
    }
}

fn member(counter: u64, action: MemberAction) -> Member {
    Member {
        operation: operation(counter),
        action,
        change: ChangeHash([3; 32]),
        time: -1,
        candidate: counter == 1,
    }
}

fn edit_of_a_text() -> MemberAction {
    MemberAction::Text {
        deleted: "h\u{e9}".into(),
        inserted: String::new(),
    }
}

fn every_review() -> Vec<Review> {
    let note = "seen, thanks".to_owned();
    let all = [
        ReviewAction::Keep,
        ReviewAction::Merge,
        ReviewAction::Both,
        ReviewAction::Acknowledge { note },
        ReviewAction::Reopen,
        ReviewAction::Other("later".into()),
    ];
    let review = |(n, what)| Review {
        operation: operation(n),
        change: ChangeHash([5; 32]),
        time: 1 << 52,
        stands: what == ReviewAction::Keep,
        what,
    };
    (10..).zip(all).map(review).collect()
}

#[test]
fn conflict_entries() {
    let kinds = [
        Kind::Integrity,
        Kind::RecordDeleted,
        Kind::Text,
        Kind::ListElement,
        Kind::PutDelete,
        Kind::PutPut,
    ];
    let entries = (1..).zip(kinds).map(|(n, kind)| Entry {
        id: EntryId([n; 16]),
        also: vec![EntryId([n + 100; 16])],
        register: "address.city".into(),
        kind,
        base: vec![Shown::Absent],
        candidates: vec![
            candidate(1, Shown::Value(text("K\u{f6}ln"))),
            candidate(300, Shown::Keep),
            candidate(301, Shown::Fields),
            candidate(302, Shown::Value(Value::Text("h\u{e9}".into()))),
        ],
        members: vec![
            member(1, MemberAction::Put(Value::Int(1))),
            member(2, MemberAction::Delete),
            member(70_000, MemberAction::Touch),
            member(70_001, edit_of_a_text()),
        ],
        outcomes: vec![candidate(9, Shown::Absent)],
        spans: vec![Span {
            change: ChangeHash([4; 32]),
            at: 300,
            deleted: 0,
            inserted: 7,
        }],
        reviews: every_review(),
    });
    let evidence = Evidence {
        entries: entries.collect(),
        unsettled: true,
        agreed: vec![Agreed {
            register: "name".into(),
            change: ChangeHash([6; 32]),
        }],
    };
    GOLDEN.round_trip("evidence", &evidence, Evidence::encode, Evidence::decode);
}

#[test]
fn rules() {
    let plain = [
        "review",
        "max",
        "min",
        "any_true",
        "all_true",
        "longest",
        "first_edit",
        "most_edits",
        "prefer_owner",
        "latest",
        "edit_wins",
        "delete_wins",
    ];
    let mut text = String::from("version = 1\n");
    for policy in plain {
        writeln!(text, "[[rule]]\npolicy = \"{policy}\"").unwrap();
    }
    text += r#"
[[rule]]
policy = { rank = ["done", -1, 9223372036854775807, true] }
[[rule]]
policy = { prefer_role = ["owner", "admin"] }
[[rule]]
name = "every condition"
collection = ["tasks", "a*"]
path = ["address.*", "**.id"]
type = ["string", "int"]
kind = ["put_put", "list_element"]
edits = { max = 9 }
candidates = { min = 2, max = 3 }
devices = { min = 2 }
some_role = "admin"
every_role = ["editor", "admin"]
owner_wrote = false
policy = { custom = "ours" }
"#;
    let rules = Rules::read(&text).unwrap();
    let shown = format!("{}\n{}\n", rules.canonical(), rules.version());
    GOLDEN.holds_text("rules", &shown);
}
