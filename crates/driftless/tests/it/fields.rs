//! Counters, texts, lists and sets in a program.

use driftless::{
    Database, Error, ErrorKind, FieldPath, FieldType, HistoryOptions, RecordId, Value,
};
use serde_json::{Value as Json, json};

use crate::support::{Two, created, opened, options, scratch, two};

async fn fields(database: &Database, id: RecordId) -> Json {
    let record = database.collection("notes").get(id).await.unwrap();
    Json::Object(record.unwrap().fields())
}

#[tokio::test(flavor = "current_thread")]
async fn every_verb_says_what_the_record_reads_afterwards() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let (id, _) = notes.insert(json!({"title": "Trip"})).await.unwrap();
    notes.increment(id, "visits", 3).await.unwrap();
    notes.increment(id, "visits", -1).await.unwrap();
    notes.append_text(id, "diary", "We left.").await.unwrap();
    notes.splice(id, "diary", 3, 4, "arrived").await.unwrap();
    notes.push(id, "stops", "Bern").await.unwrap();
    notes
        .insert_at(id, "stops", 0, json!({"city": "Basel", "nights": 2}))
        .await
        .unwrap();
    notes.push(id, "stops", 7).await.unwrap();
    notes.put_at(id, "stops", 1, json!(null)).await.unwrap();
    notes.remove_at(id, "stops", 2, 1).await.unwrap();
    notes.add(id, "tags", "rail").await.unwrap();
    notes.add(id, "tags", 2026).await.unwrap();
    notes.remove(id, "tags", "rail").await.unwrap();
    let expected = json!({
        "title": "Trip",
        "visits": 2,
        "diary": "We arrived.",
        "stops": [{"city": "Basel", "nights": 2}, null],
        "tags": [2026],
    });
    assert_eq!(fields(&database, id).await, expected);
    assert_eq!(
        notes.text(id, "diary").await.unwrap().as_deref(),
        Some("We arrived.")
    );
    assert_eq!(notes.text(id, "title").await.unwrap(), None);
    let record = notes.get(id).await.unwrap().unwrap();
    let visits = FieldPath::parse("visits").unwrap();
    assert_eq!(record.at(&visits), Some(&Value::Counter(2)));

    // What is read can be written back, and changes nothing.
    let again = notes.update(id, &expected).await.unwrap();
    assert!(!again.changed);
    notes
        .replace_text(id, "diary", "We all arrived.")
        .await
        .unwrap();
    notes.unset(id, &["diary", "stops", "tags"]).await.unwrap();
    let expected = json!({"title": "Trip", "visits": 2, "diary": "", "stops": []});
    assert_eq!(fields(&database, id).await, expected);
    database.close().await.unwrap();
    let database = opened(&folder.path().join("d")).await;
    assert_eq!(fields(&database, id).await, expected);
    assert_eq!(
        database.verify().await.unwrap().problems,
        Vec::<String>::new()
    );
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_error_names_the_field_and_what_can_be_done() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let (id, _) = notes.insert(json!({"title": "a"})).await.unwrap();
    notes.increment(id, "n", 1).await.unwrap();
    notes.append_text(id, "t", "abc").await.unwrap();
    notes.add(id, "s", "m").await.unwrap();
    let before = notes.get(id).await.unwrap();
    let errors: [(Error, &str, &str); 7] = [
        (
            notes.increment(id, "title", 1).await.unwrap_err(),
            "other_type",
            "the field `title` is a value, not a counter",
        ),
        (
            notes.add(id, "t", "x").await.unwrap_err(),
            "other_type",
            "the field `t` is a text, not a set",
        ),
        (
            notes.unset(id, &["n"]).await.unwrap_err(),
            "other_type",
            "the counter `n` cannot be unset; set it to 0",
        ),
        (
            notes.splice(id, "t", 2, 2, "").await.unwrap_err(),
            "out_of_range",
            "the text `t` has 3 characters; there is no place 3",
        ),
        (
            notes.put_at(id, "l", 0, 1).await.unwrap_err(),
            "out_of_range",
            "the list `l` has 0 elements; there is no place 0",
        ),
        (
            notes.update(id, json!({"n": "x"})).await.unwrap_err(),
            "bad_value",
            "the field `n` is a counter and cannot be set to that: give an integer, or increment it",
        ),
        (
            notes.add(id, "s", json!([1])).await.unwrap_err(),
            "bad_value",
            "a member of the set `s` is a text, a number or true or false, with its path at most 1024 bytes",
        ),
    ];
    for (error, code, message) in errors {
        assert_eq!((error.code(), error.message()), (code, message));
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(
            error.remedy().ends_with("nothing was written."),
            "{}",
            error.remedy()
        );
    }
    assert_eq!(notes.get(id).await.unwrap(), before);
    database.close().await.unwrap();
}

/// Two devices that changed a counter, a text, a list and a set, and the counter and the text apart.
async fn changed_apart() -> (Two, RecordId) {
    let pair = two().await;
    let notes = pair.a.collection("notes");
    let (id, _) = notes.insert(json!({"title": "a"})).await.unwrap();
    notes.increment(id, "n", 10).await.unwrap();
    notes.append_text(id, "t", "the quick fox").await.unwrap();
    notes.push(id, "l", "one").await.unwrap();
    notes.add(id, "s", "m").await.unwrap();
    pair.b.sync().again().await.unwrap();
    notes.increment(id, "n", 5).await.unwrap();
    let others = pair.b.collection("notes");
    others.update(id, json!({"n": 11})).await.unwrap();
    others.replace_text(id, "t", "a slow fox").await.unwrap();
    others.put_at(id, "l", 0, "two").await.unwrap();
    others.remove(id, "s", "m").await.unwrap();
    pair.b.sync().again().await.unwrap();
    notes.increment(id, "n", 1).await.unwrap();
    pair.b.sync().again().await.unwrap();
    (pair, id)
}

#[tokio::test(flavor = "current_thread")]
async fn the_history_says_what_came_and_what_went() {
    let (pair, id) = changed_apart().await;
    let (notes, others) = (pair.a.collection("notes"), pair.b.collection("notes"));
    assert_eq!(
        pair.a.digest().await.unwrap(),
        pair.b.digest().await.unwrap()
    );
    let history = notes.history(id, HistoryOptions::default()).await.unwrap();
    let same = others.history(id, HistoryOptions::default()).await.unwrap();
    assert_eq!(history, same);

    let of = |field: &str| -> Vec<Json> {
        let lines = history
            .entries
            .iter()
            .map(|entry| entry.to_json()["fields"].clone());
        let lines = lines.flat_map(|fields| fields.as_array().unwrap().clone());
        lines.filter(|line| line["path"] == field).collect()
    };
    let mut counts = of("n");
    let first = json!({"path": "n", "type": "counter", "before": {"$absent": true}, "after": 10});
    assert_eq!(counts.remove(0), first);
    let last = json!({"path": "n", "type": "counter", "before": 16, "after": 17});
    assert_eq!(counts.pop(), Some(last));
    counts.sort_by_key(|line| line["after"].as_i64());
    let made_apart =
        |after: i64| json!({"path": "n", "type": "counter", "before": 10, "after": after});
    assert_eq!(counts, [made_apart(11), made_apart(15)]);
    let changed = |field: &str, kind: &str, removed: Json, added: Json| json!({"path": field, "type": kind, "removed": removed, "added": added});
    assert_eq!(
        of("t"),
        [
            changed("t", "text", json!([]), json!(["the quick fox"])),
            changed("t", "text", json!(["thequick"]), json!(["aslow"])),
        ]
    );
    assert_eq!(
        of("l"),
        [
            changed("l", "list", json!([]), json!(["one"])),
            changed("l", "list", json!(["one"]), json!(["two"])),
        ]
    );
    assert_eq!(
        of("s"),
        [
            changed("s", "set", json!([]), json!(["m"])),
            changed("s", "set", json!(["m"]), json!([])),
        ]
    );
    assert_eq!(history.entries[1].step.writes[0].kind, FieldType::Counter);
    assert_eq!(history.entries[1].step.deps, 1);
    let only = HistoryOptions {
        field: Some("s".into()),
        ..HistoryOptions::default()
    };
    assert_eq!(notes.history(id, only).await.unwrap().entries.len(), 2);

    // The record as it was, with its fields as they were.
    let then = history.entries[3].step.version.to_string();
    let then = notes.get_at(id, &then).await.unwrap();
    let expected = json!({"title": "a", "n": 10, "t": "the quick fox", "l": ["one"]});
    assert_eq!(Json::Object(then.fields()), expected);
    pair.server.stop().await;
    pair.a.close().await.unwrap();
    pair.b.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_record_whose_first_change_makes_a_counter_was_made_by_it() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let draft = json!({"title": "a"});
    let (id, _) = notes.insert(draft).await.unwrap();
    notes.increment(id, "n", 1).await.unwrap();
    let history = notes.history(id, HistoryOptions::default()).await.unwrap();
    let deps: Vec<_> = history
        .entries
        .iter()
        .map(|entry| entry.step.deps)
        .collect();
    assert_eq!(deps, [0, 1], "what makes the counter is nobody's change");
    database.close().await.unwrap();
}

#[test]
fn the_verbs_are_there_without_async() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = driftless::blocking::Database::create(&dir, options("d")).unwrap();
    let notes = database.collection("notes");
    let (id, _) = notes.insert(json!({"title": "a"})).unwrap();
    notes.increment(id, "n", 2).unwrap();
    notes.append_text(id, "t", "ab").unwrap();
    notes.splice(id, "t", 0, 1, "A").unwrap();
    notes.replace_text(id, "t", "A b").unwrap();
    notes.push(id, "l", 1).unwrap();
    notes.insert_at(id, "l", 0, 0).unwrap();
    notes.put_at(id, "l", 1, "one").unwrap();
    notes.remove_at(id, "l", 0, 1).unwrap();
    notes.add(id, "s", "x").unwrap();
    notes.add(id, "s", "y").unwrap();
    notes.remove(id, "s", "x").unwrap();
    assert_eq!(notes.text(id, "t").unwrap().as_deref(), Some("A b"));
    let record = notes.get(id).unwrap().unwrap();
    let expected = json!({"title": "a", "n": 2, "t": "A b", "l": ["one"], "s": ["y"]});
    assert_eq!(Json::Object(record.fields()), expected);
    database.close().unwrap();
}
