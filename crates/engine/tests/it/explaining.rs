//! What is said of a field before it is edited is what happens when it is; and what the log tells of all of it.

use driftless_document::{DELETED, FieldPath, FieldType, Node, RecordId, Shown, Status, Value};
use driftless_engine::{
    Commit, ConflictFilter, Decision, Deed, Edit, Fate, HotField, Insight, InsightCount, Outlook,
    Replica, Suggestion,
};

use crate::support::{Device, assert_equal, insert, set, sync, two};

struct Pair {
    _devices: (Device, Device),
    laptop: Replica,
    phone: Replica,
    record: RecordId,
}

fn pair() -> Pair {
    let (a, mut laptop, b, mut phone) = two();
    let record = insert(&mut laptop, r#"{"title":"a","other":"b","gone":"c"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    Pair {
        _devices: (a, b),
        laptop,
        phone,
        record,
    }
}

/// Does to `title` what an outlook says; none where this test knows no such deed.
fn act(replica: &mut Replica, record: RecordId, deed: Deed, is_ours: bool) -> Option<Commit> {
    let put = |path: &str, value: &str| Edit::Set {
        path: FieldPath::parse(path).unwrap(),
        node: Node::Leaf(Value::String(value.into())),
    };
    let edit = match deed {
        Deed::Set => put("title", if is_ours { "x" } else { "y" }),
        Deed::SetSame => put("title", "x"),
        Deed::SetOther => put("other", "z"),
        Deed::Unset => Edit::Unset {
            path: FieldPath::parse("title").unwrap(),
        },
        Deed::DeleteRecord => return Some(replica.delete("notes", record).unwrap()),
        _ => return None,
    };
    Some(replica.edit("notes", record, &[edit]).unwrap())
}

/// What happens when an outlook comes true: the status of the entry, if there is one.
fn comes_true(outlook: Outlook) -> Option<Status> {
    let mut pair = pair();
    act(&mut pair.laptop, pair.record, outlook.ours, true).unwrap();
    act(&mut pair.phone, pair.record, outlook.theirs, false).unwrap();
    pair.laptop.commit_group().unwrap();
    pair.phone.commit_group().unwrap();
    sync(&mut pair.phone, &mut pair.laptop).unwrap();
    assert_equal(&pair.laptop, &pair.phone);
    let entries = pair.laptop.conflicts(&ConflictFilter::default()).unwrap();
    assert!(entries.len() <= 1, "{entries:?}");
    entries.first().map(|view| view.status)
}

#[test]
fn every_outlook_on_a_value_and_on_a_record_comes_true() {
    let pair = pair();
    let of_value = pair.laptop.explain("notes", pair.record, "title").unwrap();
    let of_record = pair.laptop.explain("notes", pair.record, DELETED).unwrap();
    assert_eq!(of_value.field_type, FieldType::Value);
    assert_eq!(of_value.shown, Some(Value::String("a".into())));
    assert_eq!(of_value.overlaps, []);
    let outlooks: Vec<_> = [of_value.outlooks, of_record.outlooks].concat();
    assert_eq!(outlooks.len(), 9);
    for outlook in outlooks {
        assert_eq!(comes_true(outlook), outlook.fate.status(), "{outlook:?}");
    }
    let absent = pair
        .laptop
        .explain("notes", pair.record, "not.there")
        .unwrap();
    assert_eq!((absent.field_type, absent.shown), (FieldType::Value, None));
    assert!(
        pair.laptop
            .explain("notes", RecordId([1; 16]), "title")
            .is_err()
    );
    assert!(pair.laptop.explain("notes", pair.record, "a..b").is_err());
}

#[test]
fn afterwards_the_overlaps_of_the_field_are_told() {
    let mut pair = pair();
    set(&mut pair.laptop, pair.record, "title", "x");
    set(&mut pair.phone, pair.record, "title", "y");
    sync(&mut pair.phone, &mut pair.laptop).unwrap();
    let told = pair.laptop.explain("notes", pair.record, "title").unwrap();
    assert_eq!(told.overlaps.len(), 1);
    assert_eq!(told.overlaps[0].status, Status::Open);
    assert!(
        told.outlooks
            .iter()
            .any(|outlook| outlook.fate == Fate::Open)
    );
    let other = pair.laptop.explain("notes", pair.record, "other").unwrap();
    assert_eq!(other.overlaps, []);
}

fn insight(replica: &Replica) -> Insight {
    let mut count = InsightCount::new();
    let mut after = None;
    loop {
        after = replica.count_insight(&mut count, after.as_ref()).unwrap();
        if after.is_none() {
            return count.finish(2);
        }
    }
}

#[test]
fn what_merged_opened_and_was_decided_is_counted_the_same_on_every_device() {
    let (first, mut laptop, _b, mut phone) = two();
    let ids: Vec<_> = (0..150)
        .map(|_| insert(&mut laptop, r#"{"title":"a","body":"b","state":"c"}"#))
        .collect();
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(insight(&laptop), Insight::default());
    // A hundred records are edited in different fields, forty in one, five of them in two, four alike, six not at all.
    for (n, &id) in ids.iter().enumerate().take(140) {
        set(&mut laptop, id, "title", "x");
        set(&mut phone, id, if n < 100 { "body" } else { "title" }, "y");
        if n >= 135 {
            set(&mut laptop, id, "state", "s");
            set(&mut phone, id, "state", "t");
        }
    }
    for &id in &ids[140..144] {
        set(&mut laptop, id, "title", "the same");
        set(&mut phone, id, "title", "the same");
    }
    sync(&mut phone, &mut laptop).unwrap();
    let before = insight(&laptop);
    assert_eq!(before, insight(&phone));
    assert_eq!(before.agreed, 4);
    assert_eq!(
        (before.auto_merges, before.opened, before.open),
        (104, 45, 45)
    );
    assert_eq!(before.decision_ms, None);
    let hot = |path: &str, entries, open| HotField {
        collection: "notes".into(),
        path: path.into(),
        entries,
        open,
    };
    assert_eq!(before.hottest, [hot("title", 40, 40), hot("state", 5, 5)]);

    let open = laptop.conflicts(&ConflictFilter::open()).unwrap();
    let decided: Vec<_> = open
        .iter()
        .filter(|v| v.entry.register == "state")
        .collect();
    for view in decided {
        laptop
            .resolve(view.entry.id, None, &Decision::Keep(0))
            .unwrap();
    }
    laptop.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    let after = insight(&phone);
    assert_eq!((after.auto_merges, after.opened), (104, 45));
    assert_eq!((after.decided, after.open), (5, 40));
    assert!(after.decision_ms.is_some_and(|ms| ms >= 0));
    assert_eq!(after.hottest, [hot("title", 40, 40), hot("state", 5, 0)]);
    assert_equal(&laptop, &phone);
    // Opened again, from the store and from the journal alone, it is the same.
    laptop.close().unwrap();
    let laptop = first.open();
    assert_eq!(insight(&laptop), after);
    laptop.close().unwrap();
}

fn put(replica: &mut Replica, id: RecordId, path: &str, value: Value) {
    let edit = Edit::Set {
        path: FieldPath::parse(path).unwrap(),
        node: Node::Leaf(value),
    };
    replica.edit("notes", id, &[edit]).unwrap();
    replica.commit_group().unwrap();
}

/// Decides the next open entry of `total` for the larger value, or for the smaller.
fn decide_total(replica: &mut Replica, larger: bool) {
    let filter = ConflictFilter {
        path: Some("total".into()),
        ..ConflictFilter::open()
    };
    let open = replica.conflicts(&filter).unwrap();
    let entry = &open[0].entry;
    let value = |shown: &Shown| match shown {
        Shown::Value(Value::Int(number)) => *number,
        other => panic!("{other:?}"),
    };
    let sides = entry.candidates.iter().enumerate();
    let largest = sides.max_by_key(|(_, side)| value(&side.shown)).unwrap().0;
    let keep = if larger { largest } else { 1 - largest };
    replica
        .resolve(entry.id, None, &Decision::Keep(keep))
        .unwrap();
    replica.commit_group().unwrap();
}

#[test]
fn a_policy_is_suggested_once_people_have_decided_alike_often_enough() {
    let (_a, mut laptop, _b, mut phone) = two();
    let ids: Vec<_> = (0..10)
        .map(|_| insert(&mut laptop, r#"{"total":1}"#))
        .collect();
    sync(&mut phone, &mut laptop).unwrap();
    for (&id, ours) in ids.iter().zip([90, 5].into_iter().cycle()) {
        put(&mut laptop, id, "total", Value::Int(ours));
        put(&mut phone, id, "total", Value::Int(10));
    }
    sync(&mut phone, &mut laptop).unwrap();
    for _ in 0..4 {
        decide_total(&mut laptop, true);
    }
    let few = insight(&laptop).suggestions;
    assert_eq!(few, [], "four decisions may be chance");
    for _ in 4..9 {
        decide_total(&mut laptop, true);
    }
    decide_total(&mut laptop, false);
    let total = Suggestion {
        collection: "notes".into(),
        path: "total".into(),
        policy: "max",
        decisions: 10,
        alike: 9,
    };
    assert_eq!(insight(&laptop).suggestions, [total]);
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(insight(&phone), insight(&laptop));
}
