//! Being told of commits, and a store that is derived again while it is in use.

use serde_json::json;

use crate::support::{created, note, options, retitle, scratch, title, two};

#[tokio::test(flavor = "current_thread")]
async fn a_commit_wakes_who_waits_and_a_close_ends_the_wait() {
    let folder = scratch();
    let database = created(folder.path(), "a").await;
    let mut commits = database.commits();
    let before = database.last_change().await.unwrap();
    let id = note(&database, "one").await;
    commits.next().await.unwrap();
    let changes = database.changes_since(before, 10).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].key.record, id);
    assert_eq!(database.last_change().await.unwrap(), changes[0].seq);
    // Several that nobody waited for are told as one; reading commits nothing.
    retitle(&database, id, "two").await;
    retitle(&database, id, "three").await;
    commits.next().await.unwrap();
    database.status().await.unwrap();
    let waiting = tokio::spawn(async move { commits.next().await });
    database.close().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "closed");
}

#[tokio::test(flavor = "current_thread")]
async fn what_comes_from_another_device_is_a_commit_too() {
    let world = two().await;
    let id = note(&world.a, "from a").await;
    let mut commits = world.b.commits();
    let before = world.b.last_change().await.unwrap();
    world.b.sync().again().await.unwrap();
    commits.next().await.unwrap();
    let changes = world.b.changes_since(before, 10).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].device, world.a.device());
    assert_eq!(changes[0].key.record, id);
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_is_rebuilt_while_it_is_served_and_the_sync_goes_on() {
    let world = two().await;
    let id = note(&world.a, "one").await;
    world.b.sync().again().await.unwrap();
    let digest = world.a.digest().await.unwrap();
    let last = world.a.last_change().await.unwrap();
    let store = std::fs::read_to_string(world.a.dir().join("CURRENT")).unwrap();
    world.a.rebuild_in_place(None).await.unwrap();
    let rebuilt = std::fs::read_to_string(world.a.dir().join("CURRENT")).unwrap();
    assert_ne!(store, rebuilt, "another store is live");
    assert_eq!(world.a.digest().await.unwrap(), digest);
    assert_eq!(world.a.last_change().await.unwrap(), last);
    // The folder stayed held, the same server goes on, and both sides write on.
    assert!(
        driftless::Database::open(world.a.dir(), options("a"))
            .await
            .is_err()
    );
    retitle(&world.a, id, "two").await;
    note(&world.b, "three").await;
    world.b.sync().again().await.unwrap();
    assert_eq!(title(&world.b, id).await, json!("two"));
    assert_eq!(
        world.a.digest().await.unwrap(),
        world.b.digest().await.unwrap()
    );
    assert_eq!(
        world.a.verify().await.unwrap().problems,
        Vec::<String>::new()
    );
    world.server.stop().await;
    world.a.close().await.unwrap();
    world.b.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn progress_goes_to_whoever_asked() {
    let folder = scratch();
    let database = created(folder.path(), "a").await;
    note(&database, "one").await;
    let (tell, told) = std::sync::mpsc::channel();
    let own = database.with_progress(move |progress| {
        let _ = tell.send(progress);
    });
    database.verify().await.unwrap();
    assert_eq!(told.try_iter().count(), 0, "another handle asked");
    own.verify().await.unwrap();
    assert!(told.try_iter().count() > 0);
}
