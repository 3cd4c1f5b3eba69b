//! Two devices, ten thousand records, one of them killed in the middle.

use crate::gate::Gate;
use crate::import::strikes;
use crate::support::{Device, Serving, World, bytes_after_handshake, number};

#[test]
fn ten_thousand_records_survive_a_kill_and_then_cost_next_to_nothing() {
    const RECORDS: u64 = 10_000;
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(10_000));
    let counts = laptop.json(["import", &file, "--collection", "strikes", "--key", "key"]);
    assert_eq!(number(&counts["imported"]), RECORDS);

    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    assert_eq!(
        phone.json(["status"])["records"],
        0,
        "joining brings no records"
    );

    // Killed in the middle: some records have arrived, and the gate holds the rest back.
    let gate = Gate::new(&serving.url, 400_000);
    let mut syncing = phone.start(["sync", &gate.url]);
    syncing.stderr_line_with("received ");
    syncing.kill();
    drop(gate);
    let kept = number(&phone.json(["status"])["records"]);
    assert!(
        (1..RECORDS).contains(&kept),
        "it was killed in the middle, with {kept} records"
    );

    let report = phone.json(["sync", &serving.url]);
    assert_eq!(
        number(&report["records_received"]),
        RECORDS - kept,
        "what was kept is not sent again"
    );
    assert_eq!(phone.digest(), laptop_digest(&laptop, serving));
    phone.json(["verify"]);

    // Nothing new.
    let serving = laptop.serve();
    let report = phone.json(["sync", &serving.url]);
    assert!(bytes_after_handshake(&report) < 400, "{report}");
    assert_eq!(report["round_trips"], 1, "{report}");
    assert_eq!(
        (
            number(&report["records_sent"]),
            number(&report["records_received"])
        ),
        (0, 0)
    );

    // One changed field.
    phone.json(["set", "strikes", "key:S00042", "Wildlife Size=Large"]);
    let report = phone.json(["sync", &serving.url]);
    assert!(bytes_after_handshake(&report) < 1_000, "{report}");
    assert_eq!(
        (
            number(&report["records_sent"]),
            number(&report["records_received"])
        ),
        (1, 0)
    );
    assert_eq!(
        phone.json(["status"])["pending"],
        0,
        "the change is acknowledged"
    );
    assert_eq!(phone.digest(), laptop_digest(&laptop, serving));
}

/// The digest of a device that serves: it must end first, for a folder has one user.
fn laptop_digest(laptop: &Device, serving: Serving) -> serde_json::Value {
    serving.stop();
    laptop.digest()
}

#[test]
fn an_interrupted_sync_keeps_what_has_arrived() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(3_000));
    laptop.json(["import", &file, "--collection", "strikes", "--key", "key"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());

    let gate = Gate::new(&serving.url, 100_000);
    let mut syncing = phone.start(["sync", &gate.url, "--json"]);
    syncing.stderr_line_with("received ");
    syncing.interrupt();
    let error = syncing.wait().failed(1);
    assert_eq!(error["code"], "interrupted");
    assert_eq!(error["retry"], true);

    let kept = number(&phone.json(["status"])["records"]);
    assert!((1..3_000).contains(&kept), "{kept} records have arrived");
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(number(&report["records_received"]), 3_000 - kept);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn a_device_that_goes_away_in_the_middle_is_a_network_error_and_what_arrived_is_kept() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(3_000));
    laptop.json(["import", &file, "--collection", "strikes", "--key", "key"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());

    let gate = Gate::new(&serving.url, 100_000);
    let mut syncing = phone.start(["sync", &gate.url, "--json"]);
    syncing.stderr_line_with("received ");
    serving.kill();
    drop(gate);
    let error = syncing.wait().failed(5);
    assert_eq!(error["code"], "connection_lost", "{error}");
    assert_eq!(error["retry"], true);

    let kept = number(&phone.json(["status"])["records"]);
    assert!((1..3_000).contains(&kept), "{kept} records have arrived");
    let serving = laptop.serve();
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(number(&report["records_received"]), 3_000 - kept);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn the_peer_is_remembered_across_restarts() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("notes", &["title=a"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    let status = phone.json(["status"]);
    assert_eq!(status["peers"][0]["name"], "laptop");
    assert_eq!(status["peers"][0]["address"], serving.url.as_str());
    assert!(status["peers"][0]["last_sync"].is_string());

    phone.json(["set", "notes", &id, "title=b"]);
    let before = phone.json(["status"]);
    assert_eq!(
        (
            number(&before["pending"]),
            number(&before["pending_changes"])
        ),
        (1, 1)
    );
    let report = phone.json(["sync"]);
    assert_eq!(number(&report["records_sent"]), 1);
    assert_eq!(number(&phone.json(["status"])["pending"]), 0);
    serving.stop();
    assert_eq!(laptop.fields("notes", &id)["title"], "b");
}

#[test]
fn a_device_that_met_nobody_says_what_it_needs() {
    let world = World::new();
    let laptop = world.init("laptop");
    let error = laptop.fails(2, ["sync"]);
    assert_eq!(error["code"], "no_peer");
}
