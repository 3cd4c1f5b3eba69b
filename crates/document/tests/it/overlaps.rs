//! The table of docs/overlaps.md: of every type of field, every two edits made apart.

use std::fmt::Write as _;
use std::path::Path;

use driftless_document::{
    Entry, Intent, NoAuthors, Policy, Record, RecordId, Shown, Value, evidence, nest, value_to_json,
};

use crate::support::{actor, edit, put, receive, remove, text};

/// Edits of one kind of field, any two of which may happen apart.
struct Field {
    name: &'static str,
    /// What the record is before, in words.
    start: &'static str,
    before: Vec<Vec<Intent>>,
    edits: Vec<(&'static str, Vec<Intent>)>,
}

fn splice(at: usize, delete: usize, insert: &str) -> Vec<Intent> {
    vec![Intent::Splice {
        path: "f".into(),
        at,
        delete,
        insert: insert.into(),
    }]
}

fn increment(by: i64) -> Vec<Intent> {
    let path = "f".into();
    vec![Intent::Increment { path, by }]
}

fn insert(at: usize, value: &str) -> Vec<Intent> {
    vec![Intent::InsertElements {
        path: "f".into(),
        at: Some(at),
        values: vec![text(value)],
    }]
}

fn put_at(at: usize, value: &str) -> Vec<Intent> {
    vec![Intent::PutElement {
        path: "f".into(),
        at,
        value: text(value),
    }]
}

fn remove_at(at: usize) -> Vec<Intent> {
    vec![Intent::RemoveElements {
        path: "f".into(),
        at,
        count: 1,
    }]
}

fn member(member: &str, is_added: bool) -> Vec<Intent> {
    let (path, member) = ("f".into(), text(member));
    vec![if is_added {
        Intent::AddMember { path, member }
    } else {
        Intent::RemoveMember { path, member }
    }]
}

fn deleted(is: bool) -> Vec<Intent> {
    vec![put("$deleted", Value::Bool(is))]
}

fn fields() -> Vec<Field> {
    let kinds = [
        value(),
        counter(),
        text_field(),
        list(),
        set_field(),
        record(),
        deleted_record(),
    ];
    kinds.into()
}

fn set(value: &str) -> Vec<Intent> {
    vec![put("f", text(value))]
}

fn value() -> Field {
    Field {
        name: "value",
        start: "`f` is \"old\"",
        before: vec![set("old")],
        edits: vec![
            ("set to \"a\"", set("a")),
            ("set to \"b\"", set("b")),
            ("unset", vec![remove("f")]),
            ("set `f.g` below it", vec![put("f.g", text("x"))]),
        ],
    }
}

fn counter() -> Field {
    Field {
        name: "counter",
        start: "`f` is 10",
        before: vec![increment(10)],
        edits: vec![
            ("+1", increment(1)),
            ("-2", increment(-2)),
            ("set to 20", vec![put("f", Value::Int(20))]),
        ],
    }
}

fn text_field() -> Field {
    Field {
        name: "text",
        start: "`f` is \"one two\"",
        before: vec![splice(0, 0, "one two")],
        edits: vec![
            ("put \"A \" at the beginning", splice(0, 0, "A ")),
            ("put \" B\" at the end", splice(7, 0, " B")),
            ("replace \"one\" by \"1\"", splice(0, 3, "1")),
            ("delete \"two\"", splice(4, 3, "")),
            ("put \"w\" inside \"two\"", splice(5, 0, "w")),
        ],
    }
}

fn list() -> Field {
    Field {
        name: "list",
        start: "`f` is [\"x\", \"y\"]",
        before: vec![[insert(0, "x"), insert(1, "y")].concat()],
        edits: vec![
            ("insert \"a\" first", insert(0, "a")),
            ("append \"b\"", insert(2, "b")),
            ("set the first to \"p\"", put_at(0, "p")),
            ("set the first to \"q\"", put_at(0, "q")),
            ("remove the first", remove_at(0)),
        ],
    }
}

fn set_field() -> Field {
    Field {
        name: "set",
        start: "`f` has \"m\"",
        before: vec![member("m", true)],
        edits: vec![
            ("add \"m\" again", member("m", true)),
            ("add \"n\"", member("n", true)),
            ("remove \"m\"", member("m", false)),
        ],
    }
}

fn record() -> Field {
    Field {
        name: "record",
        start: "`f` is \"old\"",
        before: vec![set("old")],
        edits: vec![
            ("edit a field", vec![put("f", text("new"))]),
            ("delete the record", deleted(true)),
        ],
    }
}

fn deleted_record() -> Field {
    Field {
        name: "record",
        start: "deleted, `f` was \"old\"",
        before: vec![set("old"), deleted(true)],
        edits: vec![
            ("edit a field", vec![put("f", text("new"))]),
            ("restore the record", deleted(false)),
        ],
    }
}

/// The record that two devices come to which edit it apart, whoever receives first.
fn merged(before: &[Vec<Intent>], one: &[Intent], other: &[Intent]) -> Record {
    let mut ana = Record::new();
    let mut ben = Record::new();
    for intents in before {
        let raw = edit(&mut ana, actor(1), intents);
        receive(&mut ben, &raw);
    }
    let from_ana = edit(&mut ana, actor(1), one);
    let from_ben = edit(&mut ben, actor(2), other);
    receive(&mut ana, &from_ben);
    receive(&mut ben, &from_ana);
    assert_eq!(ana.row(), ben.row());
    ana
}

fn shown(record: &Record) -> String {
    let row = record.row();
    let nested = nest(&row.fields);
    let mut all = serde_json::Map::new();
    all.extend(nested.fields);
    let fields = serde_json::Value::from(all);
    let beside = if nested.shadowed.is_empty() {
        String::new()
    } else {
        format!(" beside `{}`", serde_json::Value::from(nested.shadowed))
    };
    let deleted = if row.deleted { "deleted; " } else { "" };
    format!("{deleted}`{fields}`{beside}")
}

fn logged(record: &Record) -> String {
    let changes = record.changes().unwrap();
    let found = evidence("c", RecordId([7; 16]), &changes);
    if found.entries.is_empty() {
        return "nothing".into();
    }
    let entries: Vec<_> = found.entries.iter().map(entry).collect();
    entries.join("; ")
}

fn entry(entry: &Entry) -> String {
    let sides: Vec<_> = entry.candidates.iter().map(|c| side(&c.shown)).collect();
    let status = entry.verdict(&Policy::Review, &NoAuthors).status.as_str();
    format!("`{}` {status}: {}", entry.kind.as_str(), sides.join(" or "))
}

fn side(shown: &Shown) -> String {
    match shown {
        Shown::Value(value) => format!("`{}`", value_to_json(value)),
        Shown::Absent => "nothing".into(),
        Shown::Keep => "keep it".into(),
        other => format!("{other:?}"),
    }
}

fn table() -> String {
    let mut page = String::from(
        "# Every two edits made apart

<!-- Written by `DRIFTLESS_WRITE=1 cargo test -p driftless-document overlaps` from what two records come to; the test holds it to that. -->

Two devices begin with the same record, each makes one edit without knowing of the other, and then they meet. For every
type of field, every two edits: what both show then, and what stands in the conflict log, with its kind, its status and
the sides to choose from. No rules are set, so whatever a person could see otherwise is `open`. [The conflict log](conflict-log.md) says why.
",
    );
    for field in fields() {
        let Field {
            name,
            start,
            before,
            edits,
        } = &field;
        write!(
            page,
            "\n## {}: {start}\n\n",
            name.to_uppercase()
                .chars()
                .take(1)
                .chain(name.chars().skip(1))
                .collect::<String>()
        )
        .unwrap();
        page.push_str(
            "| one device | the other | both show | in the conflict log |\n|---|---|---|---|\n",
        );
        for (n, (one, first)) in edits.iter().enumerate() {
            for (other, second) in &edits[n..] {
                let record = merged(before, first, second);
                let (shown, logged) = (shown(&record), logged(&record));
                writeln!(page, "| {one} | {other} | {shown} | {logged} |").unwrap();
            }
        }
    }
    page
}

#[test]
fn the_table_in_the_docs_is_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/overlaps.md");
    let now = table();
    if std::env::var_os("DRIFTLESS_WRITE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == now,
        "docs/overlaps.md is not what happens; `DRIFTLESS_WRITE=1 cargo test -p driftless-document overlaps` writes it anew:\n{now}"
    );
}
