//! Copied folders and restored backups: nothing is lost by them, and a person is told.

use std::fs;

use driftless::blocking::Database;
use driftless::{Options, Randomness};
use serde_json::{Value as Json, json};

use crate::support::{Device, World, copy_folder, text};

/// A hub and a laptop that hold the same.
fn hub_and_laptop(world: &World) -> (Device, Device) {
    let hub = world.init("hub");
    let serving = hub.serve_and_invite();
    let laptop = world.join("laptop", serving.link());
    laptop.insert("notes", &["title=first"]);
    laptop.json(["sync", &serving.url]);
    serving.stop();
    (hub, laptop)
}

fn sync_with(hub: &Device, device: &Device) {
    let serving = hub.serve();
    device.json(["sync", &serving.url]);
    serving.stop();
}

/// What `status` tells of the folder; `verify` and `members list` tell the same.
#[track_caller]
fn told(device: &Device) -> (Json, Json) {
    let status = device.json(["status"]);
    let told = (status["elsewhere"].clone(), status["copied"].clone());
    let verified = device.json(["verify"]);
    assert_eq!(
        (&verified["elsewhere"], &verified["copied"]),
        (&told.0, &told.1)
    );
    let members = device.lines(["members", "list"]);
    let own = members.iter().find(|m| m["device"] == status["device"]);
    let own = own.expect("it is a member");
    assert_eq!((&own["elsewhere"], &own["copied"]), (&told.0, &told.1));
    told
}

fn lines_of(device: &Device, name: &str) -> Json {
    let members = device.lines(["members", "list"]);
    let found = members.iter().find(|member| member["name"] == name);
    found.expect("it is a member")["lines"].clone()
}

#[test]
fn a_copied_folder_is_told_on_both_sides() {
    let world = World::new();
    let (hub, laptop) = hub_and_laptop(&world);
    let twin = world.device("twin");
    laptop.copy_to(&twin.dir);

    // Before anybody has opened it.
    let verified = twin.json(["verify"]);
    assert_eq!(verified["copied"]["was_there"], true, "{verified}");
    assert_eq!(verified["copied"]["seen"], Json::Null, "{verified}");

    laptop.insert("notes", &["title=of the laptop"]);
    twin.insert("notes", &["title=of the twin"]);
    assert_eq!(told(&laptop), (Json::Null, Json::Null));
    let (elsewhere, copied) = told(&twin);
    assert_eq!(elsewhere, Json::Null, "nothing came yet");
    let path = fs::canonicalize(&laptop.dir).unwrap();
    assert_eq!(copied["from"], path.to_str().unwrap(), "{copied}");
    assert_eq!(copied["was_there"], true, "{copied}");

    sync_with(&hub, &laptop);
    sync_with(&hub, &twin);
    sync_with(&hub, &laptop);
    for device in [&laptop, &twin] {
        let (elsewhere, _) = told(device);
        assert_eq!(elsewhere["changes"], 1, "{elsewhere}");
        assert_eq!(elsewhere["changes_beside"], 1, "{elsewhere}");
        assert_eq!(elsewhere["numbers_used_twice"], false, "{elsewhere}");
        assert_eq!(elsewhere["feeds"][0]["beside"], true, "{elsewhere}");
        assert_eq!(device.digest(), hub.digest(), "and nothing is lost");
        for command in ["status", "verify", "members"] {
            let said = device.run([command]).succeeded().stdout;
            assert!(
                said.contains("by a copy of it, or by itself before it was restored"),
                "{command}: {said}"
            );
            assert!(said.contains("driftless join"), "{command}: {said}");
        }
    }
    let said = twin.run(["status"]).succeeded().stdout;
    assert!(said.contains("this folder is a copy"), "{said}");
    assert_eq!(lines_of(&hub, "laptop"), 2);
    let said = hub.run(["members"]).succeeded().stdout;
    assert!(said.contains("goes on in 2 lines"), "{said}");
    assert_eq!(told(&hub), (Json::Null, Json::Null), "its folder is one");

    // It is a function of the journal, packed or not.
    let before = told(&twin);
    twin.json(["rebuild"]);
    twin.json(["compact"]);
    twin.json(["rebuild"]);
    assert_eq!(told(&twin), before);

    // Once it was read only news is told.
    twin.json(["status", "--dismiss"]);
    assert_eq!(told(&twin), (Json::Null, Json::Null));
    twin.json(["rebuild"]);
    assert_eq!(told(&twin), (Json::Null, Json::Null));
    laptop.insert("notes", &["title=of the laptop again"]);
    sync_with(&hub, &laptop);
    sync_with(&hub, &twin);
    let (elsewhere, copied) = told(&twin);
    assert_eq!(elsewhere["changes"], 1, "{elsewhere}");
    assert_eq!(copied, Json::Null);
}

/// The same bytes in every process, as in an image of a machine's memory that runs twice.
struct Image(u8);

impl Randomness for Image {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

/// Edits a note in a process that goes on from that image.
fn edit_in_image(device: &Device, note: &str, title: &str) {
    let options = Options::default().with_randomness(|| Box::new(Image(0)));
    let database = Database::open(&device.dir, options).unwrap();
    let notes = database.collection("notes");
    notes
        .update(note.parse().unwrap(), json!({ "title": title }))
        .unwrap();
    database.close().unwrap();
}

#[test]
fn a_machine_whose_image_ran_twice_is_named_until_what_it_wrote_counts_again() {
    let world = World::new();
    let (hub, laptop) = hub_and_laptop(&world);
    let note = laptop.insert("notes", &["title=shared"]);
    sync_with(&hub, &laptop);
    let twin = world.device("twin");
    laptop.copy_to(&twin.dir);
    edit_in_image(&laptop, &note, "of one run");
    edit_in_image(&twin, &note, "of the other run");
    assert_eq!(hub.json(["status"])["used_twice"], json!([]));
    sync_with(&hub, &laptop);
    let serving = hub.serve();
    // The sync in which it is found may end there.
    for _ in 0..2 {
        twin.run(["sync", &serving.url]);
    }
    serving.stop();

    // The first run has not heard of it yet.
    let status = hub.json(["status"]);
    let told = &status["used_twice"][0];
    assert_eq!(told["name"], "laptop", "{status}");
    assert_eq!(told["waiting"], 1, "{status}");
    assert_eq!(status["quarantined"], 1, "{status}");
    let members = hub.lines(["members"]);
    assert_eq!(members[0]["used_twice"], Json::Null);
    assert_eq!(&members[1]["used_twice"], told);
    let signed = "laptop has signed different changes with the same numbers";
    for command in ["status", "members"] {
        let said = hub.run([command]).succeeded().stdout;
        assert_eq!(said.matches(signed).count(), 1, "{command}: {said}");
        assert!(
            said.contains("1 envelope of it does not count until it is written again"),
            "{command}: {said}"
        );
        assert!(said.contains("driftless join"), "{command}: {said}");
        assert!(
            !said.contains("lines beside each other"),
            "{command}: {said}"
        );
    }

    // Each run writes its own again, and then nothing waits.
    for device in [&laptop, &laptop, &twin, &laptop] {
        sync_with(&hub, device);
    }
    let status = hub.json(["status"]);
    assert_eq!(status["used_twice"][0]["waiting"], 0, "{status}");
    let said = hub.run(["status"]).succeeded().stdout;
    assert!(!said.contains(signed), "{said}");
    let said = hub.run(["members"]).succeeded().stdout;
    assert!(said.contains("all of it was written again"), "{said}");
    // The device itself is told once, with what it knows of both runs.
    let said = laptop.run(["status"]).succeeded().stdout;
    assert!(
        said.contains("image of this machine's memory ran twice"),
        "{said}"
    );
    assert!(!said.contains(signed), "{said}");
    assert_eq!(laptop.json(["status"])["used_twice"][0]["name"], "laptop");
    for device in [&laptop, &twin] {
        assert_eq!(device.digest(), hub.digest());
    }
}

#[test]
fn a_restored_backup_is_told_once_what_it_lacked_comes_back() {
    let world = World::new();
    let (hub, laptop) = hub_and_laptop(&world);
    let backup = world.path("backup");
    laptop.copy_to(&backup);
    let lost = [
        laptop.insert("notes", &["title=after the backup"]),
        laptop.insert("notes", &["title=and after that"]),
    ];
    sync_with(&hub, &laptop);
    let (elsewhere, _) = told(&laptop);
    assert_eq!(elsewhere, Json::Null);

    fs::remove_dir_all(&laptop.dir).unwrap();
    copy_folder(&backup, &laptop.dir);
    sync_with(&hub, &laptop);
    let (elsewhere, copied) = told(&laptop);
    assert_eq!(elsewhere["changes"], 2, "{elsewhere}");
    assert_eq!(elsewhere["changes_beside"], 0, "{elsewhere}");
    assert!(
        text(&elsewhere["message"]).contains("it was restored from an older state, or a copy"),
        "{elsewhere}"
    );
    // Not every file system tells when a folder was made; if it does, this one is another than it was.
    assert_ne!(copied["was_there"], true, "{copied}");
    for id in &lost {
        assert!(laptop.fields("notes", id)["title"].is_string());
    }
    // It goes on from there.
    laptop.insert("notes", &["title=later"]);
    sync_with(&hub, &laptop);
    assert_eq!(lines_of(&hub, "laptop"), 1);
    assert_eq!(told(&laptop).0, elsewhere);
    laptop.json(["rebuild"]);
    assert_eq!(told(&laptop).0, elsewhere);
}

#[test]
fn an_ordinary_life_tells_nothing_of_copies() {
    let world = World::new();
    let (hub, mut laptop) = hub_and_laptop(&world);
    let quiet = (Json::Null, Json::Null);
    for round in 0..3 {
        laptop.insert("notes", &[&format!("title=round {round}")]);
        hub.insert("notes", &[&format!("title=hub {round}")]);
        sync_with(&hub, &laptop);
        sync_with(&laptop, &hub);
    }
    laptop.json(["rebuild"]);
    laptop.json(["compact"]);
    sync_with(&hub, &laptop);
    assert_eq!(told(&laptop), quiet);

    // Renamed, it is the folder that it was.
    let moved = world.path("moved");
    fs::rename(&laptop.dir, &moved).unwrap();
    laptop.dir = moved;
    laptop.insert("notes", &["title=moved"]);
    sync_with(&hub, &laptop);
    assert_eq!(told(&laptop), quiet);

    // What was damaged and comes back was here before.
    laptop.insert("notes", &["title=to be damaged"]);
    laptop.insert("notes", &["title=behind it"]);
    sync_with(&hub, &laptop);
    let files = fs::read_dir(laptop.dir.join("journal")).unwrap();
    let segment = files.map(|file| file.unwrap().path()).max().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let what = b"to be damaged";
    let at = bytes.windows(what.len()).position(|window| window == what);
    bytes[at.expect("the journal has it")] ^= 0x20;
    fs::write(&segment, bytes).unwrap();
    let serving = hub.serve();
    let repaired = laptop.json(["repair", "--peer", &serving.url]);
    serving.stop();
    assert_eq!(repaired["missing"], json!([]), "{repaired}");
    assert_eq!(told(&laptop), quiet);
    assert_eq!(laptop.digest(), hub.digest());
    assert_eq!(lines_of(&hub, "laptop"), 1);
}
