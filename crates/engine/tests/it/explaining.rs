//! What is said of a field before it is edited is what happens when it is; and what the log tells of all of it.

use std::collections::BTreeSet;

use driftless_document::{
    DELETED, FieldPath, FieldType, Node, Policy, RecordId, Rules, Shown, Status, Value,
};
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

/// What happens when an outlook comes true under these rules: the status of the entry, if there is one.
fn comes_true(outlook: &Outlook, rules: Option<&Rules>) -> Option<Status> {
    let mut pair = pair();
    if let Some(rules) = rules {
        pair.laptop.set_rules(rules).unwrap();
        pair.laptop.commit_group().unwrap();
        sync(&mut pair.phone, &mut pair.laptop).unwrap();
    }
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

#[track_caller]
fn assert_comes_true(outlook: &Outlook, rules: Option<&Rules>) {
    let status = comes_true(outlook, rules);
    let foretold = outlook.fate.statuses();
    let is_so = status.map_or(foretold.is_empty(), |status| foretold.contains(&status));
    assert!(is_so, "{status:?} is not foretold: {outlook:?}");
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
    for outlook in &outlooks {
        assert_comes_true(outlook, None);
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

/// Rules with one policy for fields and one for records.
fn rules(of_fields: &str, of_records: &str) -> Rules {
    let text = format!(
        "version = 1\n[[rule]]\npath = \"**\"\n{of_fields}\n[[rule]]\nkind = \"record_deleted\"\n{of_records}"
    );
    Rules::read(&text).unwrap()
}

/// What is foretold under these rules of `title` and of the record, and whether it comes true.
fn foretold(rules: &Rules) -> Vec<Outlook> {
    let mut pair = pair();
    pair.laptop.set_rules(rules).unwrap();
    pair.laptop.commit_group().unwrap();
    let of = |path| pair.laptop.explain("notes", pair.record, path).unwrap();
    let outlooks = [of("title").outlooks, of(DELETED).outlooks].concat();
    for outlook in &outlooks {
        assert_comes_true(outlook, Some(rules));
    }
    outlooks
}

fn fate(outlooks: &[Outlook], ours: Deed, theirs: Deed) -> (Fate, Option<usize>) {
    let wanted = |one: &&Outlook| (one.ours, one.theirs) == (ours, theirs);
    let outlook = outlooks.iter().find(wanted).unwrap();
    (outlook.fate, outlook.rule)
}

#[test]
fn what_rules_decide_is_foretold_by_the_rules_in_force() {
    let told = foretold(&rules("policy = \"max\"", "policy = \"edit_wins\""));
    let decided = Fate::DecidedByPolicy;
    assert_eq!(fate(&told, Deed::Set, Deed::Set), (decided, Some(0)));
    // A side is empty: nothing is the greatest.
    assert_eq!(fate(&told, Deed::Set, Deed::Unset), (Fate::Open, Some(0)));
    assert_eq!(fate(&told, Deed::Set, Deed::SetSame), (Fate::Agreed, None));
    assert_eq!(
        fate(&told, Deed::Set, Deed::DeleteRecord),
        (decided, Some(1))
    );

    let told = foretold(&rules("policy = \"latest\"", "policy = \"delete_wins\""));
    assert_eq!(fate(&told, Deed::Set, Deed::Unset), (decided, Some(0)));
    let deleted = fate(&told, Deed::DeleteRecord, Deed::SetOther);
    assert_eq!(deleted, (decided, Some(1)));

    // Texts are no truth values, and whether the best author is alone is not known before.
    let told = foretold(&rules("policy = \"any_true\"", "policy = \"prefer_owner\""));
    assert_eq!(fate(&told, Deed::Set, Deed::Set), (Fate::Open, Some(0)));
    let deleted = fate(&told, Deed::Set, Deed::DeleteRecord);
    assert_eq!(deleted, (Fate::PolicyOrPerson, Some(1)));

    // Whether a rule matches that asks how the edits came about is not known before either.
    let told = foretold(&rules(
        "policy = \"max\"\nedits = { min = 3 }",
        "policy = \"review\"",
    ));
    let depends = Fate::DependsOnEdits;
    assert_eq!(fate(&told, Deed::Set, Deed::Set), (depends, None));
    assert_eq!(
        fate(&told, Deed::Set, Deed::DeleteRecord),
        (Fate::Open, Some(1))
    );
}

#[test]
fn every_policy_does_what_is_foretold_of_it() {
    let of_values = [
        r#""max""#,
        r#""min""#,
        r#""any_true""#,
        r#""all_true""#,
        r#""longest""#,
        r#"{ rank = ["x", "y"] }"#,
        "{ rank = [1, 2] }",
        r#"{ rank = ["p", "q"] }"#,
    ];
    let of_all = [
        r#""review""#,
        r#""first_edit""#,
        r#""most_edits""#,
        r#"{ prefer_role = ["viewer"] }"#,
        r#"{ prefer_role = ["editor", "owner"] }"#,
        r#""prefer_owner""#,
        r#""latest""#,
        r#"{ custom = "not installed" }"#,
    ];
    let of_fields = of_values.map(|policy| (policy, r#""review""#));
    let of_both = of_all.map(|policy| (policy, policy));
    let mut fates = BTreeSet::new();
    for (field, record) in of_fields.into_iter().chain(of_both) {
        let rules = rules(&format!("policy = {field}"), &format!("policy = {record}"));
        fates.extend(foretold(&rules).iter().map(|told| told.fate.as_str()));
    }
    assert_eq!(fates.len(), 5, "{fates:?}");
}

#[test]
fn afterwards_the_rule_and_what_it_shows_are_told() {
    let mut pair = pair();
    set(&mut pair.laptop, pair.record, "title", "x");
    set(&mut pair.phone, pair.record, "title", "w");
    set(&mut pair.phone, pair.record, "title", "v");
    sync(&mut pair.phone, &mut pair.laptop).unwrap();
    let open = pair.laptop.explain("notes", pair.record, "title").unwrap();
    assert_eq!(open.policy, Some(Policy::Review));
    assert_eq!(open.shown, Some(Value::String("v".into())));
    let max = rules("policy = \"max\"", "policy = \"edit_wins\"");
    pair.laptop.set_rules(&max).unwrap();
    pair.laptop.commit_group().unwrap();
    let told = pair.laptop.explain("notes", pair.record, "title").unwrap();
    assert_eq!((told.rule, told.policy), (Some(0), Some(Policy::Max)));
    assert_eq!(told.shown, Some(Value::String("x".into())));
    assert_eq!(told.overlaps[0].status, Status::AutoMerged);
    assert_eq!(told.overlaps[0].rule, Some(0));
    let told = pair.laptop.explain("notes", pair.record, DELETED).unwrap();
    assert_eq!(told.policy, Some(Policy::EditWins));
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

/// Ten records of which both devices gave `title` a value, in the order in which the devices wrote, all decided for
/// that of the laptop, which is the owner's; what is suggested then.
fn suggested_for_the_owners(values: impl Fn(usize) -> [&'static str; 2]) -> Vec<&'static str> {
    let (_a, mut laptop, _b, mut phone) = two();
    let ids: Vec<_> = (0..10)
        .map(|_| insert(&mut laptop, r#"{"title":"0"}"#))
        .collect();
    sync(&mut phone, &mut laptop).unwrap();
    for (n, &id) in ids.iter().enumerate() {
        let [ours, theirs] = values(n);
        set(&mut laptop, id, "title", ours);
        set(&mut phone, id, "title", theirs);
    }
    sync(&mut phone, &mut laptop).unwrap();
    for view in laptop.conflicts(&ConflictFilter::open()).unwrap() {
        let is_ours = |actor| view.devices[&actor].device == laptop.device();
        let mut sides = view.entry.candidates.iter();
        let ours = sides.position(|side| is_ours(side.actor())).unwrap();
        laptop
            .resolve(view.entry.id, None, &Decision::Keep(ours))
            .unwrap();
        laptop.commit_group().unwrap();
    }
    let suggestions = insight(&laptop).suggestions.into_iter();
    suggestions.map(|suggestion| suggestion.policy).collect()
}

#[test]
fn what_is_suggested_is_what_the_policy_of_that_name_picks() {
    // Texts compare by code points, as `max` compares them; their lengths and their values differ without a pattern.
    let values = |n| [["b", "a"], ["d", "cc"]][n % 2];
    assert_eq!(suggested_for_the_owners(values), ["max"]);
    let values = |n| [["b", "aa"], ["a", "bb"], ["cc", "b"], ["aa", "b"]][n % 4];
    assert_eq!(suggested_for_the_owners(values), ["prefer_owner"]);
}
