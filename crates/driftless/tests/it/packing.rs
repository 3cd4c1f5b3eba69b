//! A journal that has grown is packed by whoever has the folder open, and nothing is lost by it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use driftless::{Database, Fields, RecordId, Value};

use crate::support::{
    assert_equal, created, invitation, networked, note, opened, options, retitle, scratch, serving,
    title,
};

/// Records of two kilobytes each.
async fn fill(database: &Database, from: u32, to: u32) {
    let row = |n: u32| {
        let id = RecordId::from_key("texts", &[&n.to_string()]);
        let text = format!("{n} and some words that come again ").repeat(60);
        let fields = Fields::from([("text".to_owned(), Value::String(text))]);
        (Some(id), fields)
    };
    let rows = (from..to).map(row).collect();
    database.collection("texts").import(rows).await.unwrap();
}

fn is_there(dir: &Path, file: &str) -> bool {
    dir.join("journal").join(file).exists()
}

fn journal_bytes(dir: &Path) -> u64 {
    let files = fs::read_dir(dir.join("journal")).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[tokio::test(flavor = "current_thread")]
async fn a_process_that_lives_for_an_instant_packs_what_it_finds() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "laptop").await;
    let id = note(&database, "in the first segment").await;
    fill(&database, 0, 2_600).await;
    let (digest, events) = (
        database.digest().await.unwrap(),
        database.changes_since(0, 3_000).await.unwrap(),
    );
    database.close().await.unwrap();
    assert!(journal_bytes(&dir) > 1024 * 1024);
    // Opened and closed at once: it waits for what it found to be packed.
    opened(&dir).await.close().await.unwrap();
    assert!(is_there(&dir, "00000001.pack"));
    assert!(!is_there(&dir, "00000001.seg"));
    assert!(is_there(&dir, "00000002.seg"));
    assert!(journal_bytes(&dir) < 3 * 1024 * 1024);
    let database = opened(&dir).await;
    assert_eq!(database.opening().rebuilt, None);
    assert_eq!(database.digest().await.unwrap(), digest);
    assert_eq!(database.changes_since(0, 3_000).await.unwrap(), events);
    retitle(&database, id, "goes on").await;
    assert!(database.verify().await.unwrap().problems.is_empty());
    database.close().await.unwrap();
    // The packed journal alone is enough.
    let database = Database::rebuild(&dir, options("laptop")).await.unwrap();
    assert_eq!(title(&database, id).await, "goes on");
    assert!(database.verify().await.unwrap().problems.is_empty());
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_process_that_must_end_soon_leaves_packing_to_the_next_one() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "laptop").await;
    fill(&database, 0, 1_300).await;
    let digest = database.digest().await.unwrap();
    database.close_soon(Duration::ZERO).await.unwrap();
    assert!(!is_there(&dir, "00000001.pack"));
    let database = opened(&dir).await;
    assert_eq!(database.opening().rebuilt, None);
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close_soon(Duration::MAX).await.unwrap();
    assert!(is_there(&dir, "00000001.pack"));
    let database = opened(&dir).await;
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_newcomer_gets_everything_from_a_device_whose_journal_is_packed() {
    let folder = scratch();
    let dir = folder.path().join("a");
    let a = serving(&dir, "a").await;
    fill(&a, 0, 2_600).await;
    a.close().await.unwrap();
    opened(&dir).await.close().await.unwrap();
    assert!(is_there(&dir, "00000001.pack"));
    let a = Database::open(&dir, networked("a")).await.unwrap();
    let server = a.sync().serve("127.0.0.1:0").await.unwrap();
    let link = invitation(&a, &server).await;
    let options = networked("b");
    let b = Database::join(folder.path().join("b"), &link, options)
        .await
        .unwrap();
    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    server.stop().await;
    a.close().await.unwrap();
    b.close().await.unwrap();
}
