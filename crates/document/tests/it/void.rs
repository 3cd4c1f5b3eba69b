//! Records with void changes: applied for the sake of what rests on them, and not shown.

use std::collections::BTreeSet;

use driftless_document::{
    ActorId, Admission, ChangeHash, DELETED, Intent, Record, RecordId, Row, Value, counting,
    evidence,
};

const HONEST: ActorId = ActorId([1; 16]);
const LATE: ActorId = ActorId([2; 16]);
const OTHER: ActorId = ActorId([3; 16]);

/// Writes at the record's heads and says which change it was.
fn write(record: &mut Record, actor: ActorId, intents: &[Intent]) -> ChangeHash {
    let raw = record.write(actor, 1 << 40, intents).unwrap().unwrap();
    let Ok(Admission::Admitted(admitted)) = record.admit(&raw, actor.device_prefix()) else {
        panic!("an honest change");
    };
    let (applied, change) = std::mem::take(record).apply(admitted).unwrap();
    *record = applied;
    change.hash
}

fn put(key: &str, value: &str) -> Intent {
    Intent::Put {
        key: key.into(),
        value: Value::String(value.into()),
    }
}

fn increment(path: &str, by: i64) -> Intent {
    Intent::Increment {
        path: path.into(),
        by,
    }
}

fn void(hashes: &[ChangeHash]) -> BTreeSet<ChangeHash> {
    hashes.iter().copied().collect()
}

fn shown(row: &Row, key: &str) -> Option<Value> {
    row.fields.get(key).cloned()
}

#[test]
fn what_a_void_change_wrote_is_not_there_and_what_it_wrote_over_is() {
    let mut record = Record::new();
    write(
        &mut record,
        HONEST,
        &[put("title", "first"), increment("seen", 2)],
    );
    let late = [
        write(
            &mut record,
            LATE,
            &[
                put("title", "late"),
                put("extra", "late"),
                increment("seen", 5),
            ],
        ),
        write(
            &mut record,
            LATE,
            &[
                Intent::AddMember {
                    path: "tags".into(),
                    member: Value::String("late".into()),
                },
                increment("mine", 1),
                Intent::Put {
                    key: DELETED.into(),
                    value: Value::Bool(true),
                },
            ],
        ),
    ];
    write(&mut record, HONEST, &[put("body", "on top")]);
    let row = record.row_counting(&void(&late)).unwrap();
    let text = |text: &str| Some(Value::String(text.into()));
    assert_eq!(shown(&row, "title"), text("first"));
    assert_eq!(shown(&row, "body"), text("on top"));
    assert_eq!(shown(&row, "extra"), None);
    assert_eq!(shown(&row, "seen#counter"), Some(Value::Counter(2)));
    assert_eq!(row.fields.len(), 3, "{row:?}");
    assert_eq!(row.heads, record.heads());
    assert_eq!(record.row_counting(&BTreeSet::new()).unwrap(), record.row());
}

#[test]
fn an_honest_write_over_a_void_one_replaces_what_that_one_had_replaced() {
    let mut record = Record::new();
    write(&mut record, HONEST, &[put("a", "first"), put("b", "first")]);
    let remove = Intent::Remove { key: "b".into() };
    let late = write(&mut record, LATE, &[put("a", "late"), remove]);
    write(
        &mut record,
        HONEST,
        &[put("a", "second"), put("b", "second")],
    );
    let row = record.row_counting(&void(&[late])).unwrap();
    assert_eq!(row, record.row());
    let changes = counting(record.changes().unwrap(), &void(&[late]));
    let found = evidence("notes", RecordId([7; 16]), &changes);
    assert_eq!(found.entries, []);
    // Each replaces the one before it alone, so nothing lies beside it.
    let first = changes[0].op_id(0);
    assert_eq!(changes[2].operations[0].pred, [first]);
    assert_eq!(changes[2].operations[1].pred, [changes[0].op_id(1)]);
}

/// Writes where changes are void, and says what the record reads then.
fn write_over(record: &mut Record, late: &[ChangeHash], intents: &[Intent]) -> Row {
    let counted = record.counted(&void(late)).unwrap();
    let raw = record.write_counting(HONEST, 1 << 40, intents, &counted);
    let raw = raw.unwrap().expect("it says something");
    let Ok(Admission::Admitted(admitted)) = record.admit(&raw, HONEST.device_prefix()) else {
        panic!("an honest change");
    };
    let (applied, _) = std::mem::take(record).apply(admitted).unwrap();
    *record = applied;
    record.row_counting(&void(late)).unwrap()
}

#[test]
fn a_value_that_a_void_change_wrote_already_can_be_written() {
    let mut record = Record::new();
    write(&mut record, HONEST, &[put("a", "first")]);
    let deleted = |deleted| Intent::Put {
        key: DELETED.into(),
        value: Value::Bool(deleted),
    };
    let late = write(
        &mut record,
        LATE,
        &[put("a", "late"), put("b", "late"), deleted(true)],
    );
    let row = write_over(&mut record, &[late], &[put("a", "late"), deleted(true)]);
    assert_eq!(shown(&row, "a"), Some(Value::String("late".into())));
    assert_eq!(shown(&row, "b"), None);
    assert!(row.deleted);
    let counted = record.counted(&void(&[late])).unwrap();
    let again = record.write_counting(HONEST, 1 << 40, &[put("a", "late")], &counted);
    assert_eq!(again, Ok(None), "it stands");
}

#[test]
fn a_value_that_a_void_change_removed_already_can_be_removed() {
    let mut record = Record::new();
    let tag = |is_added| {
        let (path, member) = ("tags".to_owned(), Value::String("x".into()));
        if is_added {
            Intent::AddMember { path, member }
        } else {
            Intent::RemoveMember { path, member }
        }
    };
    let remove = |key: &str| Intent::Remove { key: key.into() };
    write(
        &mut record,
        HONEST,
        &[
            put("a", "first"),
            put("b", "first"),
            put("c", "x"),
            tag(true),
        ],
    );
    let late = write(
        &mut record,
        LATE,
        &[remove("a"), remove("b"), remove("c"), tag(false)],
    );
    let row = record.row_counting(&void(&[late])).unwrap();
    assert_eq!(row.fields.len(), 4, "{row:?}");
    let below = put("b.below", "second");
    let row = write_over(&mut record, &[late], &[remove("a"), below, tag(false)]);
    let keys: Vec<_> = row.fields.keys().map(String::as_str).collect();
    assert_eq!(keys, ["b.below", "c"]);
}

#[test]
fn what_a_void_change_added_to_a_counter_is_not_counted_when_it_is_given_a_value() {
    let mut record = Record::new();
    write(&mut record, HONEST, &[increment("seen", 2)]);
    let late = write(&mut record, LATE, &[increment("seen", 5)]);
    let seven = Intent::Put {
        key: "seen".into(),
        value: Value::Int(7),
    };
    let row = write_over(&mut record, &[late], &[seven]);
    assert_eq!(shown(&row, "seen#counter"), Some(Value::Counter(7)));
}

#[test]
fn a_void_side_is_no_side_of_a_conflict() {
    let mut one = Record::new();
    write(&mut one, HONEST, &[put("a", "first")]);
    let two = one.clone();
    let late = write(&mut one, LATE, &[put("a", "late")]);
    let apart = two
        .write(OTHER, 1 << 40, &[put("a", "apart")])
        .unwrap()
        .unwrap();
    let Ok(Admission::Admitted(admitted)) = one.admit(&apart, OTHER.device_prefix()) else {
        panic!("an honest change");
    };
    one = one.apply(admitted).unwrap().0;
    let id = RecordId([7; 16]);
    let changes = one.changes().unwrap();
    assert_eq!(evidence("notes", id, &changes).entries.len(), 1);
    let changes = counting(changes, &void(&[late]));
    assert_eq!(evidence("notes", id, &changes).entries, []);
    let row = one.row_counting(&void(&[late])).unwrap();
    assert_eq!(shown(&row, "a"), Some(Value::String("apart".into())));
}

#[test]
fn characters_of_a_void_change_stay() {
    let mut record = Record::new();
    let append = |text: &str| Intent::AppendText {
        path: "text".into(),
        text: text.into(),
    };
    write(&mut record, HONEST, &[append("one ")]);
    let late = write(&mut record, LATE, &[append("late "), put("a", "late")]);
    write(&mut record, HONEST, &[append("two")]);
    let row = record.row_counting(&void(&[late])).unwrap();
    assert_eq!(
        shown(&row, "text#text"),
        Some(Value::Text("one late two".into()))
    );
    assert_eq!(shown(&row, "a"), None);
}
