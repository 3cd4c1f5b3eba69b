//! Who did what to a record, and the record as it was.

use driftless::{ErrorKind, HistoryOptions, RecordId, Resolution};
use serde_json::{Value as Json, json};

use crate::support::{created, note, open_conflicts, retitle, scratch, two};

#[tokio::test(flavor = "current_thread")]
async fn two_devices_tell_one_history_with_the_decision_in_it() {
    let two = two().await;
    let (a, b) = (&two.a, &two.b);
    let id = note(a, "start").await;
    b.sync().again().await.unwrap();
    retitle(a, id, "by a").await;
    retitle(b, id, "by b").await;
    b.sync().again().await.unwrap();
    let conflict = open_conflicts(b).await.remove(0);
    b.conflicts()
        .resolve(&conflict, Resolution::Keep(0))
        .await
        .unwrap();
    b.sync().again().await.unwrap();

    let record = a.collection("notes").get(id).await.unwrap().unwrap();
    let history = record.history().await.unwrap();
    let whole = HistoryOptions::default();
    let of_b = b.collection("notes").history(id, whole).await.unwrap();
    assert_eq!(history, of_b);
    assert_eq!((history.entries.len(), history.earlier), (4, 0));
    assert_eq!(history.page_before(), None);

    let lines: Vec<Json> = history
        .entries
        .iter()
        .map(driftless::HistoryEntry::to_json)
        .collect();
    assert_eq!(lines[0]["device"], a.device().to_string());
    assert_eq!(lines[0]["device_name"], "a");
    let absent = json!({ "$absent": true });
    let first = json!([{"path": "title", "before": absent, "after": "start"}]);
    assert_eq!(lines[0]["fields"], first);
    let authors = [&lines[1], &lines[2]].map(|line| line["device_name"].as_str());
    assert!(authors.contains(&Some("a")) && authors.contains(&Some("b")));
    for line in &lines[1..3] {
        let name = line["device_name"].as_str().unwrap();
        let write = json!([{"path": "title", "before": "start", "after": format!("by {name}")}]);
        assert_eq!(line["fields"], write);
    }
    let decided = &lines[3];
    let decision = json!([{"conflict": conflict.id().to_string(), "how": "keep"}]);
    assert_eq!(decided["decisions"], decision);
    assert_eq!(decided["device_name"], "b");
    let write = &decided["fields"][0];
    let mut seen = [&write["before"], &write["beside"][0]].map(|value| value.as_str());
    seen.sort_unstable();
    assert_eq!(seen, [Some("by a"), Some("by b")]);
    assert_eq!(decided["version"], record.version.to_string());
    for line in &lines {
        assert_eq!(line["record"], id.to_string());
        assert!(line["time"].is_string() && line["time_ms"].is_i64());
        assert!(line.get("user").is_none() && line.get("deleted").is_none());
    }
    two.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_record_is_read_as_it_was_by_the_versions_its_writes_gave() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let (id, made) = notes.insert(json!({"n": 0})).await.unwrap();
    let mut versions = vec![(made.version, 0)];
    for n in 1..5 {
        let commit = notes.update(id, json!({ "n": n })).await.unwrap();
        versions.push((commit.version, n));
    }
    let deleted = notes.delete(id).await.unwrap();
    for (version, n) in versions {
        let record = notes.get_at(id, &version.to_string()).await.unwrap();
        assert_eq!((record.version, record.deleted), (version, false));
        assert_eq!(record.fields()["n"], n);
    }
    let gone = notes
        .get_at(id, &deleted.version.to_string())
        .await
        .unwrap();
    assert!(gone.deleted);
    assert_eq!(Some(&gone), notes.get(id).await.unwrap().as_ref());

    let mut options = HistoryOptions {
        limit: Some(4),
        ..HistoryOptions::default()
    };
    let newest = notes.history(id, options.clone()).await.unwrap();
    assert_eq!((newest.entries.len(), newest.earlier), (4, 2));
    let last = newest.entries[3].to_json();
    assert_eq!(last["deleted"], json!({"before": false, "after": true}));
    options.before = newest.page_before();
    let oldest = notes.history(id, options).await.unwrap();
    assert_eq!((oldest.entries.len(), oldest.page_before()), (2, None));
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_past_that_is_unknown_is_said_so_with_a_remedy() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let id = note(&database, "0").await;
    for n in 1..20 {
        retitle(&database, id, &n.to_string()).await;
    }
    let mut cases = vec![
        (notes.get_at(id, "zz").await, "unknown_version"),
        (notes.get_at(id, &"0".repeat(64)).await, "unknown_version"),
        (notes.get_at(RecordId([3; 16]), "00").await, "not_found"),
    ];
    for digit in "0123456789abcdef".chars() {
        let found = notes.get_at(id, &digit.to_string()).await;
        if found
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Usage)
        {
            cases.push((found, "ambiguous"));
        }
    }
    assert!(cases.len() > 3, "20 versions begin with 16 digits");
    for (refused, code) in cases {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.remedy().ends_with('.'), "{error:?}");
    }
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_record_that_is_kept_does_not_keep_the_folder() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let id = note(&database, "x").await;
    let record = database.collection("notes").get(id).await.unwrap().unwrap();
    let again = database.collection("notes").get(id).await.unwrap().unwrap();
    assert_eq!(again, record);
    assert_eq!(record.history().await.unwrap().entries.len(), 1);
    // The last handle goes, and the record is none.
    drop(database);
    assert_eq!(record.history().await.unwrap_err().code(), "closed");
    assert_eq!(again.fields()["title"], "x");
}
