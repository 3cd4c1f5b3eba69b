//! Devices that edit apart agree afterwards, and log what overlapped.

use driftless_document::{FieldPath, Kind, Node, Shown, Status, Value, parse_node};
use driftless_engine::{ConflictFilter, Decision, Edit, EngineError};

use crate::support::{Device, assert_equal, insert, set, sync, sync_until, text, two};

#[test]
fn edits_of_different_fields_merge_without_an_entry() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a","body":"b"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "A");
    set(&mut phone, id, "body", "B");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(text(&phone, id, "title"), Some(Value::String("A".into())));
    assert_eq!(text(&laptop, id, "body"), Some(Value::String("B".into())));
    assert_eq!(phone.conflicts(&ConflictFilter::default()).unwrap(), []);
}

#[test]
fn edits_of_the_same_field_stand_in_both_logs_until_one_side_decides() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "from laptop");
    set(&mut phone, id, "title", "from phone");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    let open = phone.conflicts(&ConflictFilter::default()).unwrap();
    assert_eq!(open.len(), 1);
    let entry = &open[0].entry;
    assert_eq!((open[0].status, entry.kind), (Status::Open, Kind::PutPut));
    assert_eq!(entry.base, [Shown::Value(Value::String("a".into()))]);
    let mut values: Vec<_> = entry
        .candidates
        .iter()
        .map(|c| format!("{:?}", c.shown))
        .collect();
    values.sort();
    assert_eq!(
        values,
        [
            r#"Value(String("from laptop"))"#,
            r#"Value(String("from phone"))"#
        ]
    );
    let names: Vec<_> = entry
        .candidates
        .iter()
        .map(|c| open[0].devices[&c.actor()].name.clone())
        .collect();
    assert!(names.contains(&"laptop".to_owned()) && names.contains(&"phone".to_owned()));

    phone
        .resolve(entry.id, Some(entry.members.len()), &Decision::Keep(0))
        .unwrap();
    phone.commit_group().unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    let closed = laptop.conflict(&entry.id.to_string()).unwrap();
    assert_eq!(closed.status, Status::Resolved);
    assert_eq!(closed.resolved, Some(entry.candidates[0].shown.clone()));
    let again = laptop.resolve(entry.id, None, &Decision::Keep(1));
    assert!(matches!(again, Err(EngineError::ConflictClosed { .. })));
}

#[test]
fn a_delete_against_an_edit_is_an_open_entry_and_the_record_stays_deleted() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    laptop.delete("notes", id).unwrap();
    laptop.commit_group().unwrap();
    set(&mut phone, id, "title", "still wanted");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    let entry = laptop
        .conflicts(&ConflictFilter::default())
        .unwrap()
        .remove(0);
    assert_eq!(
        (entry.entry.kind, entry.status),
        (Kind::RecordDeleted, Status::Open)
    );
    assert!(laptop.get("notes", id).unwrap().unwrap().deleted);
    let keep = entry
        .entry
        .candidates
        .iter()
        .position(|c| c.shown == Shown::Keep)
        .unwrap();
    laptop
        .resolve(entry.entry.id, None, &Decision::Keep(keep))
        .unwrap();
    laptop.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    assert!(!phone.get("notes", id).unwrap().unwrap().deleted);
    assert_eq!(
        text(&phone, id, "title"),
        Some(Value::String("still wanted".into()))
    );
}

#[test]
fn three_devices_in_a_chain_converge_though_the_ends_never_meet() {
    let (first, mut laptop, second, mut phone) = two();
    let link = phone.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    phone.commit_group().unwrap();
    let third = Device::new(3);
    let mut tablet = third.join(&mut phone, &link, "tablet").unwrap();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    for round in 0..20 {
        laptop.close().unwrap();
        phone.close().unwrap();
        tablet.close().unwrap();
        laptop = first.open();
        phone = second.open();
        tablet = third.open();
        set(&mut laptop, id, "title", &format!("laptop {round}"));
        sync(&mut laptop, &mut phone).unwrap();
        sync(&mut tablet, &mut phone).unwrap();
        set(&mut tablet, id, "title", &format!("tablet {round}"));
        let here = insert(&mut phone, r#"{"made":"on the phone"}"#);
        set(&mut phone, here, "made", "and edited");
        sync(&mut tablet, &mut phone).unwrap();
        sync(&mut phone, &mut laptop).unwrap();
    }
    sync(&mut tablet, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_equal(&tablet, &phone);
    assert_eq!(laptop.digest().unwrap().records, 21);
    for replica in [&laptop, &phone, &tablet] {
        assert!(replica.status().unwrap().cursor_entries <= 3);
    }
}

#[test]
fn a_sync_with_nothing_new_says_hello_and_nothing_else() {
    let (_, mut laptop, _, mut phone) = two();
    for n in 0..300 {
        insert(&mut laptop, &format!(r#"{{"n":{n}}}"#));
    }
    sync(&mut phone, &mut laptop).unwrap();
    let idle = sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(idle.summary.round_trips, 1);
    assert_eq!(idle.summary.records_received + idle.summary.records_sent, 0);
    assert!(idle.bytes <= 140, "{} bytes", idle.bytes);
}

#[test]
fn one_changed_field_costs_its_envelope_and_little_more() {
    let (a, mut laptop, b, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a","body":"b"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    laptop.close().unwrap();
    phone.close().unwrap();
    let (mut laptop, mut phone) = (a.open(), b.open());
    set(&mut phone, id, "title", "b");
    let synced = sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(synced.summary.records_sent, 1);
    assert!(synced.bytes <= 700, "{} bytes", synced.bytes);
    assert!(synced.summary.round_trips <= 2);
    assert_equal(&laptop, &phone);
}

#[test]
fn what_one_side_has_just_sent_is_not_sent_back() {
    let (first, mut laptop, second, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    for n in 0..150 {
        laptop.close().unwrap();
        phone.close().unwrap();
        laptop = first.open();
        phone = second.open();
        set(&mut laptop, id, "left", &format!("{n}"));
        set(&mut phone, id, "right", &format!("{n}"));
    }
    let synced = sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(
        (synced.summary.records_sent, synced.summary.records_received),
        (150, 150)
    );
    assert!(
        synced.summary.round_trips <= 4,
        "{} round trips",
        synced.summary.round_trips
    );
    assert_equal(&laptop, &phone);
}

#[test]
fn an_overlap_that_ends_in_agreement_leaves_nothing_behind_on_those_who_saw_it_open() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "same");
    set(&mut phone, id, "title", "other");
    // The phone's edit arrives, ours does not go back: the link is cut.
    sync_until(&mut phone, &mut laptop, 3).unwrap();
    let seen = laptop.conflicts(&ConflictFilter::default()).unwrap();
    assert_eq!(seen.len(), 1);
    set(&mut phone, id, "title", "same");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(laptop.conflicts(&ConflictFilter::default()).unwrap(), []);
    let gone = laptop.conflict(&seen[0].entry.id.to_string());
    assert!(matches!(gone, Err(EngineError::NotFound { .. })));
}

#[test]
fn a_value_that_is_decided_for_is_shown_even_where_the_other_side_made_an_object() {
    for (decision, value) in [(None, 5), (Some(9), 9)] {
        let (_, mut laptop, _, mut phone) = two();
        let id = insert(&mut laptop, r#"{"m":0}"#);
        sync(&mut phone, &mut laptop).unwrap();
        let edit = |json: &str| Edit::Set {
            path: FieldPath::parse("m").unwrap(),
            node: parse_node(json).unwrap(),
        };
        laptop.edit("notes", id, &[edit("5")]).unwrap();
        laptop.commit_group().unwrap();
        phone.edit("notes", id, &[edit(r#"{"p":1}"#)]).unwrap();
        phone.commit_group().unwrap();
        sync(&mut phone, &mut laptop).unwrap();
        let entry = laptop
            .conflicts(&ConflictFilter::default())
            .unwrap()
            .remove(0)
            .entry;
        let five = Shown::Value(Value::Int(5));
        let keep = entry
            .candidates
            .iter()
            .position(|c| c.shown == five)
            .unwrap();
        let decision = match decision {
            None => Decision::Keep(keep),
            Some(n) => Decision::Merge(Node::Leaf(Value::Int(n))),
        };
        laptop.resolve(entry.id, None, &decision).unwrap();
        laptop.commit_group().unwrap();
        sync(&mut phone, &mut laptop).unwrap();
        assert_equal(&laptop, &phone);
        let fields = phone.get("notes", id).unwrap().unwrap().fields;
        assert_eq!(
            fields.into_iter().collect::<Vec<_>>(),
            [("m".to_owned(), Value::Int(value))]
        );
    }
}
