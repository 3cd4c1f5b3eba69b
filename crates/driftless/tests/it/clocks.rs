//! Devices whose clocks are a year apart, or jump: nothing is decided by time, and nobody is stopped by it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use driftless::{Clock, Database, InviteOptions, Options, Resolution, Status};

use crate::support::{
    LOOPBACK, assert_equal, invitation, networked, note, open_conflicts, retitle, scratch, title,
};

const NOW_MS: i64 = 1_790_000_000_000;
const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;

/// A clock that stands where it is put.
#[derive(Clone)]
struct Wrong(Arc<AtomicI64>);

impl Wrong {
    fn at(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    fn put(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

impl Clock for Wrong {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn options(name: &str, clock: &Wrong) -> Options {
    networked(name).with_clock(clock.clone())
}

async fn with_clock(dir: &Path, name: &str, clock: &Wrong) -> Database {
    Database::create(dir, options(name, clock)).await.unwrap()
}

#[tokio::test]
async fn two_devices_a_year_apart_converge_and_decide_by_knowledge_not_by_time() {
    for apart in [-YEAR_MS, YEAR_MS] {
        let folder = scratch();
        let (right, wrong) = (Wrong::at(NOW_MS), Wrong::at(NOW_MS + apart));
        let a = with_clock(&folder.path().join("a"), "a", &right).await;
        let server = a.sync().serve(LOOPBACK).await.unwrap();
        // By the device that checks it, the invitation is fresh; the other's clock is not asked.
        let link = invitation(&a, &server).await;
        let b = Database::join(folder.path().join("b"), &link, options("b", &wrong))
            .await
            .unwrap();
        let id = note(&a, "from a").await;
        b.sync().again().await.unwrap();

        // Whoever has seen the other's value replaces it, however early its clock is.
        for (device, text) in [(&b, "b knew"), (&a, "a knew")] {
            retitle(device, id, text).await;
            b.sync().again().await.unwrap();
            assert_eq!(title(&a, id).await, text);
            assert_eq!(title(&b, id).await, text);
        }
        assert_eq!(open_conflicts(&a).await.len(), 0);

        // Edits made apart are one conflict on both, and the late clock is no argument.
        retitle(&a, id, "a apart").await;
        retitle(&b, id, "b apart").await;
        b.sync().again().await.unwrap();
        assert_equal(&a, &b).await;
        let conflicts = open_conflicts(&b).await;
        assert_eq!(conflicts.len(), 1);
        b.conflicts()
            .resolve(&conflicts[0], Resolution::Keep(0))
            .await
            .unwrap();
        b.sync().again().await.unwrap();
        assert_equal(&a, &b).await;
        let id = conflicts[0].id().to_string();
        let entry = a.conflicts().get(&id).await.unwrap();
        assert_eq!(entry.status(), Status::Resolved);
        for device in [&a, &b] {
            let report = device.verify().await.unwrap();
            assert_eq!(report.problems, Vec::<String>::new());
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_clock_that_jumps_back_between_two_starts_does_not_turn_changes_around() {
    let folder = scratch();
    let dir = folder.path().join("a");
    let clock = Wrong::at(NOW_MS);
    let database = with_clock(&dir, "a", &clock).await;
    let id = note(&database, "first").await;
    database.close().await.unwrap();
    clock.put(NOW_MS - YEAR_MS);
    let database = Database::open(&dir, options("a", &clock)).await.unwrap();
    retitle(&database, id, "second").await;
    clock.put(0);
    retitle(&database, id, "third").await;
    assert_eq!(title(&database, id).await, "third");
    let report = database.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let commits = database.changes_since(0, 10).await.unwrap();
    let times: Vec<i64> = commits.iter().map(|change| change.time_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.iter().all(|time| *time >= NOW_MS), "{times:?}");
}

#[tokio::test]
async fn an_invitation_ends_by_the_clock_of_the_member_that_is_asked() {
    let folder = scratch();
    let clock = Wrong::at(NOW_MS);
    let a = with_clock(&folder.path().join("a"), "a", &clock).await;
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = a.invite(InviteOptions::to(server.url())).await.unwrap();
    clock.put(NOW_MS + YEAR_MS);
    let b = folder.path().join("b");
    let late = Database::join(&b, &link, networked("b")).await;
    assert_eq!(late.unwrap_err().code(), "invite_expired");
    clock.put(NOW_MS);
    let joined = Database::join(&b, &link, networked("b")).await.unwrap();
    joined.close().await.unwrap();
    server.stop().await;
}
