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
