//! Suspending, resuming, catching up within a time, and doing without async.

use std::time::Duration;

use driftless::testing::MemoryNetwork;
use driftless::{ConnectionState, Fields, ListOptions, Reach, Value, blocking};
use serde_json::json;

use crate::support::{
    HeldClock, LOOPBACK, Two, created, equal, joined, live, networked, note, on, options, reads,
    scratch, two, two_with, until,
};

#[tokio::test(flavor = "current_thread")]
async fn a_suspended_database_sends_nothing_and_a_resumed_one_goes_on() {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    let c = joined(&a, &server, on(&network, "c")).await;
    let own = b.sync().serve(LOOPBACK).await.unwrap();
    let dialled = b.sync().connect(&server.url()).await.unwrap();
    let accepted = c.sync().connect(&own.url()).await.unwrap();
    live(&dialled).await;
    live(&accepted).await;

    b.suspend().await.unwrap();
    assert_eq!(dialled.status().state, ConnectionState::Offline);
    assert!(a.sync().connections().is_empty(), "it said goodbye");
    until("the other side knows", async || {
        let error = accepted.status().last_error;
        error.is_some_and(|error| error.code() == "peer_unreachable")
    })
    .await;
    let id = note(&b, "written meanwhile").await;
    let watched = b.watch_status().changed().await.unwrap();
    assert!(watched.suspended);
    assert_eq!((watched.report.pending, watched.next_attempt_ms), (1, None));
    for refused in [
        b.sync().once(&server.url()).await.unwrap_err(),
        b.sync().serve(LOOPBACK).await.unwrap_err(),
        dialled.sync_now().await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), "suspended");
    }
    accepted.stop().await;
    let carried = network.bytes_carried();
    note(&a, "of a").await;
    let clock = HeldClock::hold();
    clock.pass(Duration::from_secs(600), &[&a, &b, &c]).await;
    assert_eq!(network.bytes_carried(), carried);
    clock.release();

    b.resume().await.unwrap();
    reads(&a, id, "written meanwhile").await;
    live(&dialled).await;
    let accepted = c.sync().connect(&own.url()).await.unwrap();
    reads(&c, id, "written meanwhile").await;
    equal(&[&a, &b, &c]).await;
    accepted.stop().await;
    dialled.stop().await;
    own.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_sync_in_a_given_time_says_what_is_left_and_keeps_to_it() {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    // Nobody known: nothing to do.
    let alone = a.sync().sync_for(Duration::from_secs(1)).await.unwrap();
    assert!(alone.is_complete() && alone.synced.is_empty());

    note(&b, "one").await;
    let done = b.sync().sync_for(Duration::MAX).await.unwrap();
    assert!(done.is_complete(), "{done:?}");
    assert_eq!((done.synced.len(), done.synced[0].records_sent), (1, 1));
    assert_eq!(done.pending, 0);

    // A network that takes everything and carries nothing is the worst there is.
    let bytes = Fields::from([("bytes".to_owned(), Value::Bytes(vec![7; 100_000]))]);
    b.collection("blobs").insert(bytes).await.unwrap();
    for budget_ms in [100, 1_000, 4_000] {
        let budget = Duration::from_millis(budget_ms);
        network.set_silent(true);
        let clock = HeldClock::hold();
        let sync = b.sync();
        let begun = tokio::time::Instant::now();
        let left = tokio::spawn(async move { sync.sync_for(budget).await });
        while !left.is_finished() {
            clock.pass(budget / 100, &[&a, &b]).await;
        }
        let left = left.await.unwrap().unwrap();
        let took = begun.elapsed();
        assert!(took <= budget * 11 / 10, "{took:?} of {budget:?}");
        assert!(took >= budget * 9 / 10, "{took:?} of {budget:?}");
        assert_eq!(left.unfinished, [server.url()]);
        assert_eq!((left.is_complete(), left.pending), (false, 1));
        clock.release();
        network.set_silent(false);
    }
    network.cut();
    let failed = b.sync().sync_for(Duration::from_secs(20)).await.unwrap();
    assert_eq!(failed.failed.len(), 1);
    assert_eq!(failed.failed[0].1.code(), "peer_unreachable");
    network.restore();

    // What a phone does when it wakes a program for a moment.
    b.suspend().await.unwrap();
    let done = b.sync().sync_for(Duration::from_secs(20)).await.unwrap();
    assert!(done.is_complete() && done.pending == 0, "{done:?}");
    equal(&[&a, &b]).await;
    server.stop().await;
}

#[test]
fn a_program_without_async_does_everything() {
    let folder = scratch();
    let a = blocking::Database::create(folder.path().join("a"), networked("a")).unwrap();
    let server = a.sync().serve(LOOPBACK).unwrap();
    let invitation = driftless::InviteOptions::to(server.url());
    let link = a.invite(invitation).unwrap();
    let b = blocking::Database::join(folder.path().join("b"), &link, networked("b")).unwrap();
    let connection = b.sync().connect(&server.url()).unwrap();
    let notes = b.collection("notes");
    let (id, commit) = notes.insert(json!({"title": "one"})).unwrap();
    commit.wait_until_reached(Reach::Peer).unwrap();
    let there = a.collection("notes").get(id).unwrap().unwrap();
    assert_eq!(there.fields()["title"], "one");
    let mut watch = b.watch_status();
    assert_eq!(watch.changed().unwrap().report.pending, 0);
    notes.update(id, json!({"title": "two"})).unwrap();
    connection.sync_now().unwrap();
    assert_eq!(notes.list(ListOptions::default()).unwrap().len(), 1);
    b.suspend().unwrap();
    let error = b.sync().again().unwrap_err();
    assert_eq!(error.code(), "suspended");
    b.resume().unwrap();
    connection.stop().unwrap();
    assert_eq!(a.digest().unwrap(), b.digest().unwrap());
    server.stop().unwrap();
    a.close().unwrap();
    let again = b.clone();
    b.close().unwrap();
    assert_eq!(again.status().unwrap_err().code(), "closed");
}

/// What a binding does that does not know who calls it.
fn blocking_calls() {
    let folder = scratch();
    let database = blocking::Database::create(folder.path().join("d"), options("d")).unwrap();
    let (id, _) = database
        .collection("notes")
        .insert(json!({"n": 1}))
        .unwrap();
    assert!(database.collection("notes").get(id).unwrap().is_some());
    // Nobody answers there, and the call ends all the same.
    let error = database.sync().once("ws://127.0.0.1:1").unwrap_err();
    assert_eq!(error.code(), "peer_unreachable");
    database.close().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn blocking_calls_end_inside_a_runtime_with_one_thread() {
    blocking_calls();
    tokio::task::spawn_blocking(blocking_calls).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_calls_end_inside_a_runtime_with_several_threads() {
    let many = (0..4).map(|_| tokio::spawn(async { blocking_calls() }));
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_database_can_be_used_with_and_without_async() {
    let world = two().await;
    let dir = world.b.dir().to_owned();
    world.b.close().await.unwrap();
    let own = tokio::task::spawn_blocking(move || blocking::Database::open(dir, networked("b")));
    let own = own.await.unwrap().unwrap();
    let id = note(&own.to_async(), "one").await;
    assert!(own.collection("notes").get(id).unwrap().is_some());
    own.close().unwrap();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_database_that_cannot_go_on_tells_whoever_waits_why() {
    let folder = scratch();
    let database = created(&folder.path().join("db"), "a").await;
    let mut status = database.watch_status();
    status.changed().await.unwrap();
    let mut commits = database.commits();
    let waiting = tokio::spawn({
        let database = database.clone();
        async move { database.ended().await }
    });
    std::fs::remove_dir_all(folder.path().join("db/journal")).unwrap();
    let refused = database.collection("notes").insert(json!({ "n": 1 })).await;
    assert_eq!(refused.unwrap_err().code(), "storage_failed");
    for told in [
        waiting.await.unwrap(),
        status.changed().await.unwrap_err(),
        commits.next().await.unwrap_err(),
        database.ended().await,
        database.status().await.unwrap_err(),
    ] {
        assert_eq!(told.code(), "storage_failed", "{told}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_database_that_is_closed_has_ended() {
    let folder = scratch();
    let database = created(&folder.path().join("db"), "a").await;
    let other = database.clone();
    let mut status = database.watch_status();
    status.changed().await.unwrap();
    database.close().await.unwrap();
    assert_eq!(other.ended().await.code(), "closed");
    assert_eq!(status.changed().await.unwrap_err().code(), "closed");
}
