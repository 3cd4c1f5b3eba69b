//! What programs rely on: the fields of every command's JSON.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::support::{World, number, text};

#[track_caller]
fn fields(object: &Json) -> BTreeSet<&str> {
    let object = object.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[track_caller]
fn has(object: &Json, names: &[&str]) {
    let fields = fields(object);
    for name in names {
        assert!(fields.contains(name), "{name} is in {object}");
    }
}

#[test]
fn commands_on_records_answer_with_the_fields_that_stay() {
    let world = World::new();
    let laptop = world.device("laptop");
    let made = laptop.json(["init", "--name", "my laptop"]);
    has(&made, &["device", "workspace", "name"]);
    assert_eq!(made["name"], "my laptop");

    let file = world.file("rows.csv", "k,v\na,1\nb,2\n");
    let imported = laptop.json(["import", &file, "--collection", "c", "--key", "k"]);
    has(&imported, &["imported", "updated", "unchanged"]);
    let inserted = laptop.json(["insert", "c", "k=c"]);
    has(&inserted, &["id"]);
    for record in laptop.lines(["list", "c"]) {
        assert_eq!(
            fields(&record),
            BTreeSet::from(["id", "collection", "version", "fields"])
        );
    }
    let id = text(&inserted["id"]);
    for command in [
        &["set", "c", &id, "v=3"][..],
        &["unset", "c", &id, "v"],
        &["delete", "c", &id],
        &["restore", "c", &id],
    ] {
        has(
            &laptop.json(command),
            &["id", "collection", "version", "changed"],
        );
    }
}

#[test]
fn commands_between_devices_answer_with_the_fields_that_stay() {
    let world = World::new();
    let laptop = world.device("laptop");
    let made = laptop.json(["init", "--name", "laptop"]);
    laptop.insert("c", &["n=1"]);
    has(&laptop.json(["invite"]), &["link"]);
    let serving = laptop.serve_and_invite();
    let phone = world.device("phone");
    let joined = phone.json(["join", serving.link(), "--name", "phone"]);
    has(&joined, &["device", "workspace", "name"]);
    assert_eq!(joined["workspace"], made["workspace"]);
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(
        fields(&report),
        BTreeSet::from([
            "records_sent",
            "records_received",
            "bytes_sent",
            "bytes_received",
            "handshake_bytes",
            "round_trips",
        ])
    );
    let all = number(&report["bytes_sent"]) + number(&report["bytes_received"]);
    assert!(number(&report["handshake_bytes"]) < all, "{report}");
    serving.stop();

    let status = phone.json(["status"]);
    has(
        &status,
        &[
            "records",
            "pending",
            "conflicts_open",
            "peers",
            "cursor_entries",
        ],
    );
    assert_eq!(number(&status["records"]), 1);
    let digest = phone.digest();
    assert_eq!(
        fields(&digest),
        BTreeSet::from(["records_digest", "conflicts_digest", "records"]),
        "nothing that may differ between equal replicas"
    );
    assert_eq!(digest, laptop.digest());
    has(
        &phone.json(["verify"]),
        &["changes", "records", "conflicts", "problems"],
    );
    has(
        &phone.json(["rebuild"]),
        &["records", "records_digest", "conflicts_digest"],
    );
    assert_eq!(phone.digest(), digest);
    assert_eq!(phone.lines(["conflicts"]), Vec::<Json>::new());
    assert_eq!(phone.export(), "");
}

#[test]
fn errors_are_one_json_object_on_the_last_line_of_standard_error() {
    let world = World::new();
    let laptop = world.init("laptop");
    let outcome = laptop.run(["get", "c", "nobody", "--json"]);
    let error: Json = serde_json::from_str(&outcome.stderr).expect("nothing else is said");
    assert_eq!(fields(&error), BTreeSet::from(["error"]));
    assert_eq!(
        fields(&error["error"]),
        BTreeSet::from(["code", "message", "remedy", "retry"])
    );
    // For people it is a sentence and what to do.
    let outcome = laptop.run(["get", "c", "nobody"]);
    assert_eq!(outcome.status.code(), Some(3));
    assert!(
        outcome
            .stderr
            .starts_with("error: there is no record `nobody`\n"),
        "{outcome:?}"
    );
    assert_eq!(outcome.stderr.lines().count(), 2);
}
