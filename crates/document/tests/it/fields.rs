//! Counters, texts, lists and sets: what edits made apart come to.

use driftless_document::{
    Change, FieldKey, FieldPath, FieldType, Intent, Record, Value, WriteError,
};

use crate::support::{actor, edit, put, receive, remove, settle, text};
use crate::typed::{add, drop_member, increment, push, replace, splice};

fn read(record: &Record, key: &str) -> Option<Value> {
    record.row().fields.get(key).cloned()
}

/// Two devices begin a record apart, and each receives what the other wrote.
fn apart(one: &[Intent], other: &[Intent]) -> Record {
    let (mut ana, mut ben) = (Record::new(), Record::new());
    let from_ana = edit(&mut ana, actor(1), one);
    let from_ben = edit(&mut ben, actor(2), other);
    receive(&mut ana, &from_ben);
    receive(&mut ben, &from_ana);
    assert_eq!(ana.row(), ben.row());
    ana
}

#[test]
fn every_increment_counts() {
    let mut record = apart(&[increment("views", 3)], &[increment("views", 4)]);
    assert_eq!(read(&record, "views#counter"), Some(Value::Counter(7)));
    edit(&mut record, actor(1), &[increment("views", -2)]);
    assert_eq!(read(&record, "views#counter"), Some(Value::Counter(5)));
}

#[test]
fn a_counter_that_is_set_is_incremented_by_the_difference() {
    let mut ana = Record::new();
    let start = edit(&mut ana, actor(1), &[increment("views", 10)]);
    let mut ben = Record::new();
    receive(&mut ben, &start);
    let set = edit(&mut ana, actor(1), &[put("views", Value::Int(15))]);
    let more = edit(&mut ben, actor(2), &[increment("views", 1)]);
    receive(&mut ana, &more);
    receive(&mut ben, &set);
    assert_eq!(read(&ana, "views#counter"), Some(Value::Counter(16)));
    assert_eq!(ana.row(), ben.row());
    let same = ana.write(actor(1), 1, &[put("views", Value::Int(16))]);
    assert_eq!(same, Ok(None));
}

#[test]
fn a_text_that_two_begin_apart_is_one_text() {
    let record = apart(&[splice("note", 0, 0, "Hello")], &[replace("note", " you")]);
    let Some(Value::Text(text)) = read(&record, "note#text") else {
        panic!("there is a text");
    };
    assert!(
        ["Hello you", " youHello"].contains(&text.as_str()),
        "{text}"
    );
}

#[test]
fn edits_of_one_text_in_different_places_both_stand() {
    let mut ana = Record::new();
    let start = edit(&mut ana, actor(1), &[replace("note", "the quick fox")]);
    let mut ben = Record::new();
    receive(&mut ben, &start);
    let first = edit(&mut ana, actor(1), &[replace("note", "the slow fox")]);
    let second = edit(&mut ben, actor(2), &[splice("note", 13, 0, " jumps ü𝄞")]);
    receive(&mut ana, &second);
    receive(&mut ben, &first);
    let expected = Some(Value::Text("the slow fox jumps ü𝄞".into()));
    assert_eq!(read(&ana, "note#text"), expected);
    assert_eq!(ana.row(), ben.row());
    // Only what differs was written.
    let change = Change::from_raw(&first).unwrap();
    assert!(change.operations.len() <= 9, "{}", change.operations.len());
}

#[test]
fn a_list_keeps_the_elements_of_both_sides() {
    let mut ana = Record::new();
    let start = edit(
        &mut ana,
        actor(1),
        &[push("steps", &[text("a"), Value::Int(2)])],
    );
    let mut ben = Record::new();
    receive(&mut ben, &start);
    let put = Intent::PutElement {
        path: "steps".into(),
        at: 0,
        value: text("A"),
    };
    let gone = Intent::RemoveElements {
        path: "steps".into(),
        at: 1,
        count: 1,
    };
    let first = edit(&mut ana, actor(1), &[put, push("steps", &[Value::Null])]);
    let second = edit(&mut ben, actor(2), &[gone]);
    receive(&mut ana, &second);
    receive(&mut ben, &first);
    let expected = Value::List(vec![text("A"), Value::Null]);
    assert_eq!(read(&ana, "steps#list"), Some(expected));
    assert_eq!(ana.row(), ben.row());
}

#[test]
fn adding_again_wins_over_a_removal_made_apart() {
    let mut ana = Record::new();
    let start = edit(&mut ana, actor(1), &[add("tags", text("urgent"))]);
    let mut ben = Record::new();
    receive(&mut ben, &start);
    let again = edit(
        &mut ana,
        actor(1),
        &[add("tags", text("urgent")), add("tags", Value::Int(3))],
    );
    let removed = edit(&mut ben, actor(2), &[drop_member("tags", text("urgent"))]);
    assert_eq!(read(&ben, "tags/"), None);
    receive(&mut ana, &removed);
    receive(&mut ben, &again);
    let expected = Value::Set(vec![Value::Int(3), text("urgent")]);
    assert_eq!(read(&ana, "tags/"), Some(expected));
    assert_eq!(ana.row(), ben.row());
}

#[test]
fn members_and_paths_with_every_character_keep_apart() {
    let mut record = Record::new();
    let members = ["a/b", "a.b", "#", "$deleted", "", "i:3", "ü\n\0", "a\\"];
    let path = FieldPath::new(["a.b/c", "", "$x#"]).unwrap().to_key();
    let adds: Vec<_> = members.iter().map(|m| add(&path, text(m))).collect();
    edit(&mut record, actor(1), &adds);
    edit(
        &mut record,
        actor(1),
        &[add("n", Value::Int(1)), add("n", Value::Float(1.0))],
    );
    edit(
        &mut record,
        actor(1),
        &[add("n", Value::Bool(true)), add("n", Value::Uint(u64::MAX))],
    );
    let Some(Value::Set(found)) = read(&record, &format!("{path}/")) else {
        panic!("there is a set");
    };
    let mut expected: Vec<_> = members.iter().map(|m| text(m)).collect();
    expected.sort_by_key(|value| format!("{value:?}"));
    let mut sorted = found;
    sorted.sort_by_key(|value| format!("{value:?}"));
    assert_eq!(sorted, expected);
    let Some(Value::Set(numbers)) = read(&record, "n/") else {
        panic!("there is a set");
    };
    assert_eq!(numbers.len(), 4);
}

#[test]
fn keys_are_taken_apart_and_put_together_the_same() {
    let path = || FieldPath::parse("a.b\\/c").unwrap();
    for kind in FieldType::ALL {
        let key = FieldKey::new(path(), kind);
        assert_eq!(FieldKey::parse(&key.to_key()), Some(key));
    }
    let member = FieldKey::of_member(path(), &text("x/y#z")).unwrap();
    assert_eq!(member.to_key(), "a.b\\/c/s:x/y#z");
    assert_eq!(
        FieldKey::parse(&member.to_key()).unwrap().member(),
        Some(text("x/y#z"))
    );
    for wrong in [
        "a#", "a#Text", "a/x", "a/i:03", "a/f:1", "a/b:yes", "#text", "/s:x", "a#text/",
    ] {
        assert_eq!(FieldKey::parse(wrong), None, "{wrong}");
    }
    let long = text(&"x".repeat(2_000));
    assert_eq!(FieldKey::of_member(path(), &long), None);
}

#[test]
fn removing_a_field_empties_what_cannot_go() {
    let mut record = Record::new();
    let all = [
        replace("all.note", "some text"),
        push("all.steps", &[Value::Int(1)]),
        add("all.tags", text("x")),
        put("all.name", text("y")),
    ];
    edit(&mut record, actor(1), &all);
    edit(&mut record, actor(1), &[remove("all")]);
    let fields = record.row().fields;
    assert_eq!(fields["all.note#text"], Value::Text(String::new()));
    assert_eq!(fields["all.steps#list"], Value::List(Vec::new()));
    assert_eq!(fields.len(), 2);
    edit(&mut record, actor(1), &[increment("all.views", 1)]);
    for removal in [remove("all"), remove("all.views")] {
        let failure = record.write(actor(1), 1, &[removal]);
        let path = "all.views".to_owned();
        assert_eq!(failure, Err(WriteError::CannotUnset { path }));
    }
}

/// A record with a field of each type.
fn with_all_types() -> Record {
    let mut record = Record::new();
    let all = [
        increment("n", 1),
        replace("t", "abc"),
        push("l", &[Value::Int(1)]),
        add("s", text("x")),
        put("v", Value::Int(1)),
    ];
    edit(&mut record, actor(1), &all);
    record
}

fn failure(record: &Record, intent: Intent) -> String {
    let failure = record.write(actor(1), 1, &[intent]);
    failure.unwrap_err().to_string()
}

#[test]
fn a_field_is_changed_by_the_means_of_its_type() {
    let record = with_all_types();
    for (intent, message) in [
        (increment("t", 1), "the field `t` is a text, not a counter"),
        (
            splice("n", 0, 0, "x"),
            "the field `n` is a counter, not a text",
        ),
        (
            push("v", &[Value::Null]),
            "the field `v` is a value, not a list",
        ),
        (add("l", text("x")), "the field `l` is a list, not a set"),
        (increment("s", 1), "the field `s` is a set, not a counter"),
        (
            put("t#text", text("x")),
            "`t#text` is not the key of a field",
        ),
        (
            add("$deleted", text("x")),
            "`$deleted` is not the key of a field",
        ),
    ] {
        assert_eq!(failure(&record, intent), message);
    }
    let set_to_text = failure(&record, put("n", text("x")));
    let is_counter =
        "the field `n` is a counter and cannot be set to that: give an integer, or increment it";
    assert_eq!(set_to_text, is_counter);
    let set_to_array = failure(&record, put("l", Value::Json("[]".into())));
    let is_list =
        "the field `l` is a list and cannot be set to that: push, put and remove its elements";
    assert_eq!(set_to_array, is_list);
}

#[test]
fn an_edit_out_of_range_says_so() {
    let record = with_all_types();
    let element = Intent::PutElement {
        path: "l".into(),
        at: 1,
        value: Value::Null,
    };
    for (intent, message) in [
        (
            splice("t", 4, 0, "x"),
            "the text `t` has 3 characters; there is no place 4",
        ),
        (
            splice("t", 2, 2, ""),
            "the text `t` has 3 characters; there is no place 3",
        ),
        (element, "the list `l` has 1 elements; there is no place 1"),
    ] {
        assert_eq!(failure(&record, intent), message);
    }
    let far = failure(&record, splice("t", usize::MAX, usize::MAX, ""));
    assert!(
        far.ends_with("there is no place 18446744073709551615"),
        "{far}"
    );
    let much = failure(&record, increment("n", i64::MIN));
    let at_most =
        "the counter `n` takes increments of at most 1099511627776, not -9223372036854775808";
    assert_eq!(much, at_most);
    let nothing = failure(&record, add("s", Value::Null));
    assert!(
        nothing.starts_with("a member of the set `s` is a text"),
        "{nothing}"
    );
}

#[test]
fn a_text_may_be_a_text_on_one_side_and_a_value_on_the_other() {
    let mut record = apart(&[replace("note", "one")], &[put("note", text("two"))]);
    assert_eq!(read(&record, "note"), Some(text("two")));
    assert_eq!(read(&record, "note#text"), Some(Value::Text("one".into())));
    edit(
        &mut record,
        actor(1),
        &[Intent::Clear { key: "note".into() }],
    );
    edit(&mut record, actor(1), &[replace("note", "three")]);
    assert_eq!(read(&record, "note"), None);
    assert_eq!(
        read(&record, "note#text"),
        Some(Value::Text("three".into()))
    );
}

#[test]
fn a_field_takes_the_place_of_what_lies_above_and_below_it() {
    let mut record = Record::new();
    edit(
        &mut record,
        actor(1),
        &[put("a", text("one")), put("a\\.b", text("apart"))],
    );
    edit(
        &mut record,
        actor(1),
        &[put("a.b.c", Value::Int(1)), increment("a.n", 1)],
    );
    assert_eq!(read(&record, "a"), None);
    assert_eq!(read(&record, "a.n#counter"), Some(Value::Counter(1)));
    edit(&mut record, actor(1), &[put("a.b", text("two"))]);
    assert_eq!(read(&record, "a.b.c"), None);
    edit(
        &mut record,
        actor(1),
        &[add("a.b.tags", text("x")), replace("a.b.note", "y")],
    );
    assert_eq!(read(&record, "a.b"), None);
    assert_eq!(read(&record, "a\\.b"), Some(text("apart")));
    let failure = record.write(actor(1), 1, &[put("a", text("three"))]);
    let path = "a.n".to_owned();
    assert_eq!(failure, Err(WriteError::CannotUnset { path }));
}

#[test]
fn several_edits_of_one_text_go_into_one_change() {
    let mut record = Record::new();
    let edits = [
        splice("t", 0, 0, "hello"),
        splice("t", 5, 0, " world"),
        splice("t", 0, 6, ""),
    ];
    edit(&mut record, actor(1), &edits);
    assert_eq!(read(&record, "t#text"), Some(Value::Text("world".into())));
    assert_eq!(record.change_count(), 1);
}

#[test]
fn a_large_paste_is_one_change() {
    let mut record = Record::new();
    let paste: String = ('a'..='z').cycle().take(12_000).collect();
    edit(&mut record, actor(1), &[replace("t", &paste)]);
    edit(&mut record, actor(1), &[splice("t", 0, 11_990, "")]);
    assert_eq!(
        read(&record, "t#text"),
        Some(Value::Text(paste[11_990..].into()))
    );
}

#[test]
fn an_elements_decision_is_written_whatever_it_shows() {
    let mut record = Record::new();
    let raw = edit(&mut record, actor(1), &[push("l", &[Value::Int(1)])]);
    let element = Change::from_raw(&raw).unwrap().op_id(0);
    let key = format!("l#list/{}@{}", element.counter, element.actor);
    edit(&mut record, actor(1), &[settle(&key, Some(Value::Int(1)))]);
    edit(&mut record, actor(1), &[settle(&key, None)]);
    assert_eq!(read(&record, "l#list"), Some(Value::List(Vec::new())));
    edit(&mut record, actor(1), &[settle(&key, None)]);
    edit(&mut record, actor(1), &[settle(&key, Some(text("back")))]);
    assert_eq!(
        read(&record, "l#list"),
        Some(Value::List(vec![text("back")]))
    );
}

#[test]
fn a_record_is_loaded_from_its_document_and_loose_changes_with_their_genesis() {
    let (mut ana, mut ben) = (Record::new(), Record::new());
    let first = edit(
        &mut ana,
        actor(1),
        &[replace("t", "one"), increment("n", 1)],
    );
    let second = edit(
        &mut ben,
        actor(2),
        &[replace("t", "two"), increment("n", 2)],
    );
    receive(&mut ana, &second);
    let loose = [first.clone(), second].concat();
    let loaded = Record::load(&loose, &ana.heads()).unwrap();
    assert_eq!(loaded.row(), ana.row());
    assert_eq!(loaded.change_count(), 2);
    assert_eq!(loaded.changes().unwrap(), ana.changes().unwrap());
    let mut loaded = Record::load(&ana.save(), &ana.heads()).unwrap();
    let more = [splice("t", 3, 0, "!"), increment("n", 5)];
    let raw = edit(&mut loaded, actor(3), &more);
    assert!(Change::from_raw(&raw).unwrap().creates.is_empty());
    receive(&mut ana, &raw);
    assert_eq!(loaded.row(), ana.row());
    let past = ana.at(&[Change::from_raw(&first).unwrap().hash]).unwrap();
    assert_eq!(read(&past, "t#text"), Some(Value::Text("one".into())));
}

#[test]
fn a_change_taken_apart_on_its_own_gives_the_same_bytes() {
    let mut record = Record::new();
    let intents = [
        replace("t", "one"),
        increment("n", 1),
        push("l", &[Value::Null]),
    ];
    let more = [
        splice("t", 1, 1, "xyz"),
        increment("n", 1),
        push("l", &[Value::Null]),
    ];
    for raw in [
        edit(&mut record, actor(1), &intents),
        edit(&mut record, actor(1), &more),
    ] {
        let change = Change::from_raw(&raw).unwrap();
        assert_eq!(change.to_raw().unwrap().0, raw);
        let named = record.changes().unwrap();
        let named = named
            .iter()
            .find(|other| other.hash == change.hash)
            .unwrap();
        assert_eq!(named.to_raw().unwrap().0, raw);
        assert!(named.operations.iter().all(|o| !o.key.starts_with('#')));
    }
}

#[test]
fn a_record_is_nested_with_counters_texts_lists_and_sets_in_their_places() {
    let mut record = Record::new();
    let all = [
        increment("a.n", 3),
        replace("a.t", "x"),
        push("l", &[Value::Int(1), text("y")]),
        add("s", text("z")),
    ];
    edit(&mut record, actor(1), &all);
    let nested = driftless_document::nest(&record.row().fields);
    let expected = serde_json::json!({ "a": { "n": 3, "t": "x" }, "l": [1, "y"], "s": ["z"] });
    assert_eq!(serde_json::Value::from(nested.fields), expected);
    assert!(nested.shadowed.is_empty());
    let both = apart(&[replace("note", "one")], &[put("note", text("two"))]);
    let nested = driftless_document::nest(&both.row().fields);
    assert_eq!(nested.fields["note"], "two");
    assert_eq!(nested.shadowed["note#text"], "one");
}
