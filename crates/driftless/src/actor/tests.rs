//! Stories about the thread that owns the replica, from inside.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::task::Poll;

use driftless_engine::{EngineError, Parts, Replica};
use driftless_store::{Journal, MemoryFiles, MemoryKv, StoreFolder};
use serde_json::json;
use tempfile::TempDir;

use crate::actor::Actor;
use crate::collection::IntoFields;
use crate::error::Error;
use crate::new_folder::NewFolder;
use crate::opening;
use crate::options::Options;

/// A caller that waits for its answer.
type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a temporary folder")
}

async fn created(dir: &TempDir) -> Actor {
    let dir = dir.path().to_owned();
    let options = Options::named("d");
    let open = move || {
        let folder = NewFolder::begin(&dir, &options)?;
        let held = folder.finish(|parts| Replica::create(parts, "d"))?;
        Ok((held, ()))
    };
    let started = Actor::start(Options::default().clock, open).await;
    started.expect("the folder is empty").0
}

fn insert(replica: &mut Replica, n: usize) -> Result<(), EngineError> {
    let fields = json!({ "n": n }).into_fields().expect("a record");
    replica.insert("notes", fields).map(drop)
}

fn panics() -> Result<(), EngineError> {
    panic!("on purpose")
}

#[tokio::test(flavor = "current_thread")]
async fn a_read_that_panics_is_a_bug_and_the_thread_goes_on() {
    let dir = folder();
    let actor = created(&dir).await;
    let error = actor.read(|_| panics()).await.expect_err("it panicked");
    assert_eq!(error.code(), "bug");
    actor
        .write(|replica| insert(replica, 1))
        .await
        .expect("the thread goes on");
    actor.close(None).await.expect("and closes");
    let reopened = opening::open(dir.path(), &Options::default());
    let (held, opening) = reopened.expect("it was closed as it should be");
    assert_eq!(opening.rebuilt, None);
    assert_eq!(held.replica.status().expect("it reads").records, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_write_that_panics_ends_the_thread_and_opening_starts_from_the_journal() {
    let dir = folder();
    let actor = created(&dir).await;
    actor
        .write(|replica| insert(replica, 1))
        .await
        .expect("it is sound yet");
    let half = |replica: &mut Replica| {
        insert(replica, 2)?;
        panics()
    };
    let error = actor.write(half).await.expect_err("it panicked");
    assert_eq!(error.code(), "bug");
    let later = actor
        .read(Replica::status)
        .await
        .expect_err("the thread has ended");
    assert_eq!(later.code(), "bug");
    assert_eq!(
        actor.close(None).await.expect_err("it ended badly").code(),
        "bug"
    );

    // The folder is free at once, and holds what was acknowledged and nothing else.
    let reopened = opening::open(dir.path(), &Options::default());
    let (held, opening) = reopened.expect("the journal is sound");
    assert!(opening.rebuilt.is_some());
    assert_eq!(held.replica.status().expect("it reads").records, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_commit_that_fails_acknowledges_nothing_and_frees_the_folder() {
    let dir = folder();
    let files = MemoryFiles::new();
    let (own, path) = (files.clone(), dir.path().to_owned());
    let open = move || {
        let folder = NewFolder::begin(&path, &Options::named("d"))?;
        let journal = Journal::create(Box::new(own))?;
        let held = folder.finish(|parts| Replica::create(Parts { journal, ..parts }, "d"))?;
        Ok((held, ()))
    };
    let started = Actor::start(Options::default().clock, open).await;
    let actor = started.expect("the folder is empty").0;
    files.fail_syncs(true);
    let error = actor.write(|replica| insert(replica, 1)).await;
    assert_eq!(error.expect_err("the disk failed").code(), "storage_failed");
    let error = actor.read(Replica::status).await;
    assert_eq!(
        error.expect_err("nothing is shown").code(),
        "storage_failed"
    );
    let error = actor.close(None).await;
    assert_eq!(error.expect_err("it ended badly").code(), "storage_failed");
    StoreFolder::open(dir.path()).expect("nobody holds it any more");
}

#[tokio::test(flavor = "current_thread")]
async fn a_read_that_its_disk_fails_ends_the_thread_with_the_reason() {
    let dir = folder();
    let store = MemoryKv::new();
    let (own, path) = (store.clone(), dir.path().to_owned());
    let open = move || {
        let folder = NewFolder::begin(&path, &Options::named("d"))?;
        let kv = Box::new(own);
        let held = folder.finish(|parts| Replica::create(Parts { kv, ..parts }, "d"))?;
        Ok((held, ()))
    };
    let started = Actor::start(Options::default().clock, open).await;
    let actor = started.expect("the folder is empty").0;
    store.fail_reads(true);
    let error = actor.read(Replica::status).await;
    assert_eq!(error.expect_err("the disk failed").code(), "disk_full");
    store.fail_reads(false);
    assert_eq!(actor.ended().await.code(), "disk_full");
    let error = actor.write(|replica| insert(replica, 1)).await;
    assert_eq!(error.expect_err("nobody answers").code(), "disk_full");
}

#[tokio::test(flavor = "current_thread")]
async fn jobs_that_wait_together_share_one_fdatasync() {
    let dir = folder();
    let actor = created(&dir).await;
    let count = |replica: &Replica| Ok(replica.journal_counters().fdatasyncs);
    let before = actor.read(count).await.expect("it reads");
    // The thread is kept busy until a hundred writes wait for it.
    let (release, released) = sync_channel::<()>(1);
    let busy = actor.read(move |_| {
        let _ = released.recv();
        Ok(())
    });
    let mut jobs: Vec<Waiting<'_>> = vec![Box::pin(busy)];
    for n in 0..100 {
        jobs.push(Box::pin(actor.write(move |replica| insert(replica, n))));
    }
    poll_fn(|context| {
        for job in &mut jobs {
            assert!(job.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    drop(release);
    for job in jobs {
        job.await.expect("every write is durable");
    }
    let after = actor.read(count).await.expect("it reads");
    assert_eq!(after - before, 1);
    actor.close(None).await.expect("it closes");
}
