//! Everything works without a network: the stories of this suite, told again to devices that have none.
//!
//! The test program runs itself once more. There, every device has a transport whose every attempt fails, except
//! in stories about several devices, which then meet within the process; stories about real sockets are left out.

use std::process::Command;

use driftless::testing::NoNetwork;
use driftless::{
    Class, ConflictFilter, ConnectionState, Database, InviteOptions, ListOptions, Options, Reach,
    Resolution,
};
use serde_json::json;

use crate::support::{OFFLINE, note, open_conflicts, retitle, scratch, title, two, until};

/// Modules that are about sockets of the operating system.
const ABOUT_SOCKETS: [&str; 5] = [
    "sockets::",
    "refusals::",
    "remedies::",
    "live_sockets::",
    "offline::",
];

#[test]
fn every_story_that_is_not_about_sockets_comes_true_without_a_network() {
    let program = std::env::current_exe().unwrap();
    let mut again = Command::new(program);
    for module in ABOUT_SOCKETS {
        again.args(["--skip", module]);
    }
    let output = again.env(OFFLINE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // So that a name that changed does not leave out the rest unnoticed.
    for story in [
        "folders::a_folder_that_is_open_is_busy",
        "records::what_was_written_is_there_after_closing_and_opening",
        "stores::",
        "syncing::a_device_joins_and_both_become_equal",
        "threads::",
    ] {
        assert!(told.contains(&format!("test {story}")), "{story}: {told}");
    }
}

/// The list above covers what is in the suite only as long as its stories take their options from `support`.
#[test]
fn stories_take_their_options_from_the_one_place_that_knows_of_the_network() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let exempt = format!("{name}::");
        if name == "support" || ABOUT_SOCKETS.contains(&exempt.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for own in ["Options::named(", "Options::default()"] {
            for (at, _) in text.match_indices(own) {
                let before = text[..at].chars().next_back();
                let part_of_a_name = before.is_some_and(char::is_alphanumeric);
                assert!(part_of_a_name, "{} makes its own {own}", path.display());
            }
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_first_launch_needs_no_network_even_with_a_connection_that_never_comes_about() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let options = || Options::named("d").with_transport(NoNetwork);
    let database = Database::create(&dir, options()).await.unwrap();
    let connection = database.sync().connect("ws://hub:7717").await.unwrap();
    let id = note(&database, "one").await;
    retitle(&database, id, "two").await;
    let notes = database.collection("notes");
    let commit = notes.update(id, json!({"body": "text"})).await.unwrap();
    commit.reached(Reach::Local).await.unwrap();
    assert_eq!(title(&database, id).await, json!("two"));
    assert_eq!(notes.list(ListOptions::default()).await.unwrap().len(), 1);
    notes.delete(id).await.unwrap();
    notes.restore(id).await.unwrap();
    let invitation = InviteOptions::to("ws://hub:7717");
    database.invite(invitation).await.unwrap();
    let conflicts = database.conflicts();
    let filter = ConflictFilter::default();
    assert!(conflicts.list(filter).await.unwrap().is_empty());
    assert!(database.verify().await.unwrap().problems.is_empty());
    let status = database.status().await.unwrap();
    assert_eq!((status.records, status.pending), (1, 1));

    // The connection says what is the matter, and when it tries again; it is the only one that knows.
    until("the first attempt has failed", async || {
        connection.status().last_error.is_some()
    })
    .await;
    let known = connection.status();
    let ConnectionState::Waiting {
        until_ms, attempt, ..
    } = known.state
    else {
        panic!("it waits, and is not {:?}", known.state)
    };
    assert!(attempt >= 1);
    assert_eq!(known.next_attempt_ms, Some(until_ms));
    assert_eq!(known.last_error.unwrap().class(), Class::Network);
    database.suspend().await.unwrap();
    database.resume().await.unwrap();
    connection.stop().await;
    database.close().await.unwrap();

    let database = Database::open(&dir, options()).await.unwrap();
    let connection = database.sync().connect("ws://hub:7717").await.unwrap();
    database.rebuild_in_place(None).await.unwrap();
    assert_eq!(title(&database, id).await, json!("two"));
    drop(connection);
    database.close().await.unwrap();
    let database = Database::rebuild(&dir, options()).await.unwrap();
    assert_eq!(title(&database, id).await, json!("two"));
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn conflicts_are_read_and_decided_without_a_network() {
    let world = two().await;
    let id = note(&world.a, "base").await;
    world.b.sync().again().await.unwrap();
    retitle(&world.a, id, "of a").await;
    retitle(&world.b, id, "of b").await;
    world.b.sync().again().await.unwrap();
    let dir = world.b.dir().to_owned();
    world.server.stop().await;
    world.b.close().await.unwrap();

    let options = Options::default().with_transport(NoNetwork);
    let alone = Database::open(&dir, options).await.unwrap();
    let open = open_conflicts(&alone).await;
    assert_eq!(open.len(), 1);
    let conflicts = alone.conflicts();
    let decided = conflicts.resolve(&open[0], Resolution::Keep(1)).await;
    assert!(decided.unwrap().changed);
    assert!(open_conflicts(&alone).await.is_empty());
    let error = alone.sync().again().await.unwrap_err();
    assert_eq!(error.code(), "peer_unreachable", "only sync needs one");
    alone.close().await.unwrap();
}
