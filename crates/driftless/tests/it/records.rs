//! One device, without a network.

use driftless::{
    Database, Edit, Error, ErrorKind, FieldPath, Fields, Filter, ListOptions, RecordId, Value,
    parse_node, parse_record,
};
use serde_json::json;

use crate::support::{created, note, opened, options, retitle, scratch};

#[tokio::test(flavor = "current_thread")]
async fn what_was_written_is_there_after_closing_and_opening() {
    let folder = scratch();
    let dir = folder.path().join("laptop");
    let database = created(&dir, "laptop").await;
    let people = database.collection("people");
    let ada =
        json!({"name": "Ada", "address": {"city": "London", "zip": "00501"}, "tags": ["a", 1]});
    let (id, commit) = people.insert(&ada).await.unwrap();
    assert!(commit.changed);
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();

    let database = opened(&dir).await;
    assert_eq!(database.opening().rebuilt, None);
    assert_eq!(database.digest().await.unwrap(), digest);
    let record = database
        .collection("people")
        .get(id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(serde_json::Value::Object(record.fields()), ada);
    assert_eq!(record.version, commit.version);
    let expected = json!({
        "id": id.to_string(),
        "collection": "people",
        "version": commit.version.to_string(),
        "fields": ada,
    });
    assert_eq!(record.to_json(), expected);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let people = database.collection("people");
    let ada = json!({"name": "Ada", "address": {"city": "London", "zip": "1"}});
    let (id, first) = people.insert(ada).await.unwrap();

    let moved = json!({"address": {"city": "Paris"}});
    let second = people.update(id, &moved).await.unwrap();
    assert!(second.changed && second.seq > first.seq);
    let same = people.update(id, &moved).await.unwrap();
    assert!(!same.changed);
    assert_eq!(same.version, second.version);

    people.unset(id, &["address.zip"]).await.unwrap();
    let path = FieldPath::parse("name").unwrap();
    let node = parse_node("\"Countess\"").unwrap();
    people
        .edit(id, vec![Edit::Set { path, node }])
        .await
        .unwrap();
    let record = people.get(id).await.unwrap().unwrap();
    let expected = json!({"name": "Countess", "address": {"city": "Paris"}});
    assert_eq!(serde_json::Value::Object(record.fields()), expected);

    let changes = database.changes_since(0, 100).await.unwrap();
    assert_eq!(changes.len(), 4);
    assert!(changes.iter().all(|change| change.key.record == id));
    assert!(
        changes
            .iter()
            .all(|change| change.device == database.device())
    );
    let later = database.changes_since(second.seq, 1).await.unwrap();
    assert_eq!(later, changes[2..3]);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_deleted_record_is_not_listed_and_can_be_restored() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let (kept, gone) = (note(&database, "kept").await, note(&database, "gone").await);
    notes.delete(gone).await.unwrap();

    let listed = notes.list(ListOptions::default()).await.unwrap();
    assert_eq!(
        listed.iter().map(|record| record.id).collect::<Vec<_>>(),
        [kept]
    );
    assert!(notes.get(gone).await.unwrap().unwrap().deleted);
    let refused = notes.update(gone, json!({"title": "x"})).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("record_deleted", ErrorKind::NotFound)
    );

    notes.restore(gone).await.unwrap();
    assert_eq!(notes.list(ListOptions::default()).await.unwrap().len(), 2);
    assert_eq!(database.status().await.unwrap().records, 2);
    assert_eq!(
        database.collections().await.unwrap(),
        [("notes".to_owned(), 2)]
    );
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_listing_is_filtered_and_cut_and_in_the_order_of_ids() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let shops = database.collection("shops");
    for zip in ["00501", "10001", "00501"] {
        shops.insert(json!({ "zip": zip })).await.unwrap();
    }
    let filter = Filter {
        path: FieldPath::parse("zip").unwrap(),
        value: Value::Int(501),
        text: "00501".to_owned(),
    };
    let options = ListOptions {
        filters: vec![filter],
        limit: None,
    };
    let found = shops.list(options.clone()).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].id < found[1].id);
    let limit = Some(1);
    let first = shops.list(ListOptions { limit, ..options }).await.unwrap();
    assert_eq!(first, found[..1]);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_import_of_any_length_is_cut_into_blocks_and_can_be_repeated() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let shops = database.collection("shops");
    let row = |n: usize, text: &str| {
        let id = RecordId::from_key("shops", &[&n.to_string()]);
        let fields = parse_record(&format!("{{\"n\": {n}, \"text\": {text:?}}}")).unwrap();
        (Some(id), fields)
    };
    let rows: Vec<(Option<RecordId>, Fields)> = (0..600).map(|n| row(n, "x")).collect();
    let counts = shops.import(rows.clone()).await.unwrap();
    assert_eq!(
        (counts.imported, counts.updated, counts.unchanged),
        (600, 0, 0)
    );
    let digest = database.digest().await.unwrap();

    let counts = shops.import(rows.clone()).await.unwrap();
    assert_eq!(
        (counts.imported, counts.updated, counts.unchanged),
        (0, 0, 600)
    );
    assert_eq!(database.digest().await.unwrap(), digest);

    let mut rows = rows;
    rows[599] = row(599, "y");
    let counts = shops.import(rows).await.unwrap();
    assert_eq!(
        (counts.imported, counts.updated, counts.unchanged),
        (0, 1, 599)
    );
    let named = shops.find("key:599").await.unwrap();
    assert_eq!(
        shops.get(named).await.unwrap().unwrap().fields()["text"],
        "y"
    );
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn what_makes_no_sense_is_refused_with_a_sentence_and_a_remedy() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let notes = database.collection("notes");
    let id = note(&database, "x").await;
    let nobody = RecordId([7; 16]);
    let cases: Vec<(Error, &str, ErrorKind)> = vec![
        (
            notes.insert(json!([1])).await.unwrap_err(),
            "bad_value",
            ErrorKind::Usage,
        ),
        (
            notes.unset(id, &["a..b"]).await.unwrap_err(),
            "bad_path",
            ErrorKind::Usage,
        ),
        (
            notes.update(nobody, json!({"a": 1})).await.unwrap_err(),
            "not_found",
            ErrorKind::NotFound,
        ),
        (
            notes.find("key:none").await.unwrap_err(),
            "not_found",
            ErrorKind::NotFound,
        ),
        (
            database.conflicts().get("none").await.unwrap_err(),
            "not_found",
            ErrorKind::NotFound,
        ),
        (
            database
                .collection("$ours")
                .insert(json!({"a": 1}))
                .await
                .unwrap_err(),
            "bad_name",
            ErrorKind::Usage,
        ),
        (
            database.sync().once("laptop").await.unwrap_err(),
            "bad_address",
            ErrorKind::Usage,
        ),
        (
            database.sync().once("wss://laptop:1").await.unwrap_err(),
            "tls_unsupported",
            ErrorKind::Usage,
        ),
        (
            database.sync().again().await.unwrap_err(),
            "no_peer",
            ErrorKind::Usage,
        ),
    ];
    for (error, code, kind) in cases {
        assert_eq!((error.code(), error.kind()), (code, kind), "{error}");
        assert!(
            !error.message().is_empty() && error.remedy().ends_with('.'),
            "{error:?}"
        );
        assert!(!error.retry(), "{error:?}");
    }
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn settings_are_kept() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "d").await;
    assert_eq!(database.setting("types/shops").await.unwrap(), None);
    database
        .set_setting("types/shops", b"zip=string")
        .await
        .unwrap();
    database.close().await.unwrap();
    let database = Database::rebuild(&dir, options("d")).await.unwrap();
    let kept = database.setting("types/shops").await.unwrap();
    assert_eq!(kept.as_deref(), Some(&b"zip=string"[..]));
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_closed_database_says_so_and_closing_twice_is_fine() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "d").await;
    let id = note(&database, "x").await;
    let other = database.clone();
    database.close().await.unwrap();
    let error = other.status().await.unwrap_err();
    assert_eq!(error.code(), "closed");
    other.close().await.unwrap();

    let database = opened(&dir).await;
    retitle(&database, id, "y").await;
    database.close().await.unwrap();
}
