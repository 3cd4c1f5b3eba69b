//! Connections that stay: what is written on one device is on the others at once, and what is lost comes back.

use std::time::Duration;

use driftless::testing::MemoryNetwork;
use driftless::{
    ConnectOptions, Connection, ConnectionState, Database, Direction, Fields, Reach, Server,
    SyncState, SyncTrigger, Value,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    HeldClock, LOOPBACK, Two, equal, joined, live, note, on, reads, retitle, settle, two_with,
    until,
};

/// Two devices on a network that can be cut; the second keeps a connection to the first.
struct Linked {
    network: MemoryNetwork,
    a: Database,
    b: Database,
    connection: Connection,
    server: Server,
    _folder: TempDir,
}

async fn linked(options: ConnectOptions) -> Linked {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    let connection = b.sync().connect_with(&server.url(), options).await.unwrap();
    Linked {
        network,
        a,
        b,
        connection,
        server,
        _folder: folder,
    }
}

#[tokio::test(flavor = "current_thread")]
async fn edits_go_both_ways_through_an_open_connection() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let from_a = note(&world.a, "from a").await;
    let from_b = note(&world.b, "from b").await;
    reads(&world.b, from_a, "from a").await;
    reads(&world.a, from_b, "from b").await;
    retitle(&world.b, from_a, "changed by b").await;
    reads(&world.a, from_a, "changed by b").await;

    // Each knows the other, and that nothing is left.
    let status = world.connection.status();
    assert_eq!(
        (status.peer, status.direction),
        (Some(world.a.device()), Direction::Dialed)
    );
    let accepted = world.a.sync().connections();
    assert_eq!(accepted.len(), 1);
    assert_eq!(
        (accepted[0].peer, accepted[0].direction),
        (Some(world.b.device()), Direction::Accepted)
    );
    assert_eq!(accepted[0].state, ConnectionState::Live);
    until("both know", async || {
        let pending = |report: driftless::StatusReport| report.pending;
        let a = pending(world.a.status().await.unwrap());
        a + pending(world.b.status().await.unwrap()) == 0
    })
    .await;
    // The address is known to syncs that are made by hand.
    let address = world.b.sync().last_address().await.unwrap();
    assert_eq!(address, Some(world.server.url()));
    world.connection.stop().await;
    assert!(world.b.sync().connections().is_empty());
    until("the other side has seen it", async || {
        world.a.sync().connections().is_empty()
    })
    .await;
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_network_that_is_cut_a_hundred_times_loses_and_duplicates_nothing() {
    const ROUNDS: usize = 100;
    let world = linked(ConnectOptions::default()).await;
    let c = joined(&world.a, &world.server, on(&world.network, "c")).await;
    let second = c.sync().connect(&world.server.url()).await.unwrap();
    let all = [&world.a, &world.b, &c];
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        // Some are on their way when the cable is pulled, some are written while it is out.
        for database in all {
            ids.push(note(database, &format!("{round} before")).await);
        }
        world.network.cut();
        for database in all {
            ids.push(note(database, &format!("{round} after")).await);
        }
        world.network.restore();
        world.b.sync().retry_now();
        c.sync().retry_now();
        if round % 10 == 9 {
            equal(&all).await;
        }
    }
    equal(&all).await;
    for database in all {
        let status = database.status().await.unwrap();
        assert_eq!(status.records, ids.len() as u64);
        assert_eq!(status.quarantined, 0);
        let changes = database.changes_since(0, 10_000).await.unwrap();
        assert_eq!(changes.len(), ids.len(), "each change is there once");
        assert!(database.verify().await.unwrap().problems.is_empty());
    }
    live(&world.connection).await;
    live(&second).await;

    // Then there is nothing to say, for as long as nobody says that it is still there.
    let clock = HeldClock::hold();
    note(&world.a, "the last word").await;
    equal(&all).await;
    until("everybody knows", async || {
        let mut pending = 0;
        for database in all {
            pending += database.status().await.unwrap().pending;
        }
        pending == 0
    })
    .await;
    settle(&all).await;
    let before = world.network.bytes_carried();
    clock.pass(Duration::from_secs(24), &all).await;
    assert_eq!(world.network.bytes_carried(), before);
    let dialled = world.network.times_dialled();
    clock.pass(Duration::from_secs(10 * 60), &all).await;
    // Two connections, a ping and its answer of a few bytes every 25 seconds.
    let said = world.network.bytes_carried() - before;
    assert!((2 * 24 * 4..2 * 24 * 16).contains(&said), "{said} bytes");
    assert_eq!(world.network.times_dialled(), dialled, "nobody was lost");
    live(&world.connection).await;
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_first_edit_of_a_burst_goes_at_once_and_the_others_together() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let clock = HeldClock::hold();
    let both = [&world.a, &world.b];
    clock.pass(Duration::from_secs(1), &both).await;
    let first = note(&world.b, "first").await;
    reads(&world.a, first, "first").await;
    until("its arrival is known", async || {
        world.b.status().await.unwrap().pending == 0
    })
    .await;
    settle(&both).await;
    let changes = async || world.a.changes_since(0, 100).await.unwrap().len();
    for n in 0..20 {
        note(&world.b, &n.to_string()).await;
        settle(&both).await;
        assert_eq!(changes().await, 1, "it waits for its companions");
    }
    clock.pass(Duration::from_millis(30), &both).await;
    until("all have arrived", async || changes().await == 21).await;
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_lost_network_is_tried_ever_more_rarely_and_at_once_when_it_is_back() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let clock = HeldClock::hold();
    let both = [&world.a, &world.b];
    world.network.cut();
    let dialled = world.network.times_dialled();
    let attempts = || world.network.times_dialled() - dialled;
    let waiting = async || {
        settle(&both).await;
        match world.connection.status().state {
            ConnectionState::Waiting { attempt, .. } => attempt,
            other => panic!("it waits, and is not {other:?}"),
        }
    };
    assert_eq!(waiting().await, 1, "the loss counts as the first failure");
    let begun = tokio::time::Instant::now();
    for n in 2..30 {
        while waiting().await < n {
            let step = if n < 6 { 100 } else { 2_000 };
            tokio::time::advance(Duration::from_millis(step)).await;
            assert!(begun.elapsed() < Duration::from_secs(29 * 301), "it hangs");
        }
    }
    assert!(attempts() >= 28);
    // Half of five minutes on average, once the first ones are over.
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(20 * 30), "{took:?}");
    assert!(
        world
            .connection
            .status()
            .next_attempt_ms
            .is_some_and(|at| at > 0)
    );

    world.network.restore();
    world.b.sync().retry_now();
    live(&world.connection).await;
    let status = world.connection.status();
    assert_eq!((status.next_attempt_ms, status.last_error), (None, None));
    // A success begins anew: half a second at most.
    world.network.drop_connections();
    assert_eq!(waiting().await, 1);
    clock.pass(Duration::from_millis(501), &both).await;
    live(&world.connection).await;
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_cable_that_was_pulled_out_is_noticed_within_a_minute_or_so() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let clock = HeldClock::hold();
    let both = [&world.a, &world.b];
    // What the network has taken is lost, and much more than it takes waits.
    world.network.set_silent(true);
    let bytes = Fields::from([("bytes".to_owned(), Value::Bytes(vec![7; 100_000]))]);
    for _ in 0..30 {
        world
            .a
            .collection("blobs")
            .insert(bytes.clone())
            .await
            .unwrap();
    }
    clock.pass(Duration::from_secs(50), &both).await;
    assert_eq!(world.connection.status().state, ConnectionState::Live);
    clock.pass(Duration::from_secs(12), &both).await;
    let status = world.connection.status();
    let error = status.last_error.expect("it gave up");
    assert_eq!(error.code(), "timeout", "{error}");
    assert!(world.a.sync().connections().is_empty(), "so did the server");
    // It dials all the while; when the cable is back, the two go on where they were.
    world.network.set_silent(false);
    clock.pass(Duration::from_secs(15), &both).await;
    live(&world.connection).await;
    equal(&both).await;
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_interval_syncs_when_it_is_over_and_leaves_nothing_open() {
    let minute = Duration::from_secs(60);
    let options = ConnectOptions::with_trigger(SyncTrigger::Interval(minute));
    let world = linked(options).await;
    let clock = HeldClock::hold();
    let both = [&world.a, &world.b];
    let waits = async || {
        let status = world.connection.status();
        status.caught_up_ms.is_some() && status.next_attempt_ms.is_some()
    };
    until("the first sync is over", waits).await;
    let id = note(&world.b, "later").await;
    clock.pass(Duration::from_secs(55), &both).await;
    let notes = world.a.collection("notes");
    assert!(notes.get(id).await.unwrap().is_none());
    assert!(world.a.sync().connections().is_empty());
    clock.pass(Duration::from_secs(6), &both).await;
    reads(&world.a, id, "later").await;

    // A sync by hand begins the interval anew.
    clock.pass(Duration::from_secs(30), &both).await;
    world.connection.sync_now().await.unwrap();
    settle(&both).await;
    let dialled = world.network.times_dialled();
    clock.pass(Duration::from_secs(55), &both).await;
    assert_eq!(world.network.times_dialled(), dialled);
    clock.pass(Duration::from_secs(6), &both).await;
    assert_eq!(world.network.times_dialled(), dialled + 1);
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn manual_sends_nothing_by_itself() {
    let world = linked(ConnectOptions::with_trigger(SyncTrigger::Manual)).await;
    let clock = HeldClock::hold();
    let both = [&world.a, &world.b];
    let (dialled, carried) = (world.network.times_dialled(), world.network.bytes_carried());
    let id = note(&world.b, "not yet").await;
    world.b.sync().retry_now();
    clock.pass(Duration::from_secs(600), &both).await;
    assert_eq!(world.network.times_dialled(), dialled);
    assert_eq!(world.network.bytes_carried(), carried);
    let status = world.connection.status();
    assert_eq!(
        (status.state, status.next_attempt_ms),
        (ConnectionState::Offline, None)
    );

    let report = world.connection.sync_now().await.unwrap();
    assert_eq!((report.records_sent, report.peer), (1, world.a.device()));
    reads(&world.a, id, "not yet").await;
    let status = world.connection.status();
    assert_eq!(status.state, ConnectionState::Offline);
    assert!(status.caught_up_ms.is_some());
    world.network.cut();
    let error = world.connection.sync_now().await.unwrap_err();
    assert_eq!(world.connection.status().last_error, Some(error));
    // The trigger can be changed while it is there.
    world.network.restore();
    world.connection.set_trigger(SyncTrigger::OnWrite);
    live(&world.connection).await;
    clock.release();
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn push_and_pull_are_switched_apart() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let notes = |database: &Database| database.collection("notes");
    // The session that is open was agreed otherwise: there comes another.
    let session = async |push, pull| {
        world.connection.set_push(push);
        world.connection.set_pull(pull);
        let other = note(&world.a, "marks the session").await;
        live(&world.connection).await;
        other
    };
    session(false, true).await;
    let from_b = note(&world.b, "of b").await;
    let from_a = note(&world.a, "of a").await;
    reads(&world.b, from_a, "of a").await;
    world.connection.sync_now().await.unwrap();
    assert!(notes(&world.a).get(from_b).await.unwrap().is_none());
    let state = notes(&world.b).sync_state(from_b).await.unwrap().state;
    assert_ne!(state, SyncState::Synced);

    session(true, false).await;
    reads(&world.a, from_b, "of b").await;
    let only_a = note(&world.a, "stays").await;
    let from_b = note(&world.b, "goes").await;
    reads(&world.a, from_b, "goes").await;
    world.connection.sync_now().await.unwrap();
    assert!(notes(&world.b).get(only_a).await.unwrap().is_none());

    world.connection.set_push(false);
    until("both are off", async || {
        world.connection.status().state == ConnectionState::Offline
    })
    .await;
    let error = world.connection.sync_now().await.unwrap_err();
    assert_eq!(error.code(), "switched_off");
    session(true, true).await;
    equal(&[&world.a, &world.b]).await;
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_that_only_a_person_can_lift_is_waited_out_and_named() {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    let dir = folder.path().join("stranger");
    let stranger = Database::create(dir, on(&network, "stranger"))
        .await
        .unwrap();
    let clock = HeldClock::hold();
    let all = [&a, &b, &stranger];
    let connection = stranger.sync().connect(&server.url()).await.unwrap();
    until("it was refused", async || {
        connection.status().last_error.is_some()
    })
    .await;
    let status = connection.status();
    let ConnectionState::Waiting { reason, .. } = &status.state else {
        panic!("it waits, and is not {:?}", status.state)
    };
    let reason = reason.as_ref().expect("there is a reason");
    assert_eq!(reason.code(), "other_workspace");
    assert!(!reason.remedy().is_empty());
    let dialled = network.times_dialled();
    clock.pass(Duration::from_secs(299), &all).await;
    assert_eq!(network.times_dialled(), dialled, "it does not hammer");
    clock.pass(Duration::from_secs(2), &all).await;
    assert_eq!(network.times_dialled(), dialled + 1);
    connection.stop().await;
    clock.release();
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_commit_says_when_another_device_has_it_and_not_before() {
    let world = linked(ConnectOptions::with_trigger(SyncTrigger::Manual)).await;
    let notes = world.b.collection("notes");
    let (id, commit) = notes.insert(json!({"title": "one"})).await.unwrap();
    commit.reached(Reach::Local).await.unwrap();
    let again = notes.update(id, json!({"title": "one"})).await.unwrap();
    assert!(!again.changed);
    let (first, second) = (commit.clone(), again.clone());
    let mut reached = tokio::spawn(async move { first.reached(Reach::Peer).await });
    let mut also = tokio::spawn(async move { second.reached(Reach::Peer).await });
    settle(&[&world.a, &world.b]).await;
    assert!(!reached.is_finished() && !also.is_finished());
    // Whoever gives up waiting changes nothing for the others.
    let given_up = commit.clone();
    let given_up = tokio::spawn(async move { given_up.reached(Reach::Peer).await });
    settle(&[&world.b]).await;
    given_up.abort();
    let state = notes.sync_state(id).await.unwrap();
    assert_eq!(state.state, SyncState::LocalOnly);

    world.connection.sync_now().await.unwrap();
    (&mut reached).await.unwrap().unwrap();
    (&mut also).await.unwrap().unwrap();
    commit.reached(Reach::Peer).await.unwrap();
    let state = notes.sync_state(id).await.unwrap();
    assert_eq!(
        (state.state, state.peers),
        (SyncState::Synced, vec![world.a.device()])
    );

    // What comes later is not there because something before it is.
    let later = notes.update(id, json!({"title": "two"})).await.unwrap();
    let waiting = {
        let later = later.clone();
        tokio::spawn(async move { later.reached(Reach::Peer).await })
    };
    settle(&[&world.a, &world.b]).await;
    assert!(!waiting.is_finished());
    world.b.close().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "closed");
    let error = later.reached(Reach::Peer).await.unwrap_err();
    assert_eq!(error.code(), "closed");
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_status_tells_every_change_and_nothing_twice() {
    let world = linked(ConnectOptions::with_trigger(SyncTrigger::Manual)).await;
    let mut watch = world.b.watch_status();
    let first = watch.changed().await.unwrap();
    assert_eq!((first.report.records, first.report.pending), (0, 0));
    assert_eq!(first.connections.len(), 1);
    assert_eq!(first.connections[0].state, ConnectionState::Offline);

    let id = note(&world.b, "one").await;
    let local = watch.changed().await.unwrap();
    assert_eq!((local.report.records, local.report.pending), (1, 1));
    // Nothing happens, so nothing is told; giving up the wait loses nothing.
    let quiet = tokio::time::timeout(Duration::from_millis(300), watch.changed()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    world.connection.set_trigger(SyncTrigger::OnWrite);
    let mut states = Vec::new();
    loop {
        let now = watch.changed().await.unwrap();
        states.push(now.connections[0].state.as_str());
        let is_live = now.connections[0].state == ConnectionState::Live;
        assert_eq!(now.next_attempt_ms, None);
        if is_live && now.report.pending == 0 {
            assert_eq!(now.report.peers.len(), 1);
            assert_eq!(now.report.peers[0].lacks, 0);
            break;
        }
    }
    world.network.cut();
    let waits = loop {
        let now = watch.changed().await.unwrap();
        if now.connections[0].state.as_str() == "waiting" {
            break now;
        }
    };
    assert_eq!(waits.next_attempt_ms, waits.connections[0].next_attempt_ms);
    assert!(waits.next_attempt_ms.is_some());
    retitle(&world.b, id, "two").await;
    loop {
        let now = watch.changed().await.unwrap();
        let object = now.connections[0].to_json();
        if now.report.pending == 1 && object["state"] == "waiting" {
            let lost = ["connection_lost", "peer_unreachable"];
            let code = object["error"]["code"].as_str().unwrap();
            assert!(lost.contains(&code), "{object}");
            assert!(object["next_attempt"].as_str().unwrap().ends_with('Z'));
            break;
        }
    }
    world.b.close().await.unwrap();
    let error = loop {
        if let Err(error) = watch.changed().await {
            break error;
        }
    };
    assert_eq!(error.code(), "closed");
    until("the connection has seen it", async || {
        world.connection.status().state == ConnectionState::Stopped
    })
    .await;
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_large_first_sync_says_how_far_it_is() {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    let row = |n: u32| {
        let fields = Fields::from([("n".to_owned(), Value::String(n.to_string()))]);
        (None, fields)
    };
    let rows = (0..3_000).map(row).collect();
    a.collection("rows").import(rows).await.unwrap();
    let mut watch = b.watch_status();
    let connection = b.sync().connect(&server.url()).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let now = watch.changed().await.unwrap();
        match now.connections[0].state {
            ConnectionState::CatchingUp { done, total, .. } => {
                assert!(done <= total);
                seen.push((done, total));
            }
            ConnectionState::Live => break,
            _ => {}
        }
    }
    assert!(seen.is_sorted(), "{seen:?}");
    equal(&[&a, &b]).await;
    drop(connection);
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn two_connections_to_one_device_do_no_harm() {
    let world = linked(ConnectOptions::default()).await;
    let second = world.b.sync().connect(&world.server.url()).await.unwrap();
    live(&world.connection).await;
    live(&second).await;
    for n in 0..20 {
        note(&world.a, &format!("a {n}")).await;
        note(&world.b, &format!("b {n}")).await;
    }
    equal(&[&world.a, &world.b]).await;
    for database in [&world.a, &world.b] {
        assert_eq!(database.changes_since(0, 100).await.unwrap().len(), 40);
    }
    second.stop().await;
    let id = note(&world.a, "through the first").await;
    reads(&world.b, id, "through the first").await;
    world.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_is_dropped_is_stopped() {
    let world = linked(ConnectOptions::default()).await;
    live(&world.connection).await;
    let Linked {
        a,
        b,
        connection,
        server,
        ..
    } = world;
    drop(connection);
    until("both sides have let go", async || {
        a.sync().connections().is_empty() && b.sync().connections().is_empty()
    })
    .await;
    for wrong in ["wss://a:1", "nowhere"] {
        assert!(b.sync().connect(wrong).await.is_err());
    }
    let closed = b.clone();
    b.close().await.unwrap();
    let error = closed.sync().connect("ws://a:1").await.unwrap_err();
    assert_eq!(error.code(), "closed");
    // A server can be found again at the address it had.
    let address = server.local_addr().to_string();
    server.stop().await;
    let server = a.sync().serve(&address).await.unwrap();
    assert_ne!(address, LOOPBACK);
    server.stop().await;
}
