//! The journal damaged: `verify` says where, `repair` keeps what is whole, a sync brings back the rest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::support::{Device, Serving, World, files_below, text, text_of};

/// Every file below a folder, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.file_name() != "driftless.lock" {
                contents.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    contents
}

/// A laptop and a phone that hold the same; the laptop has more that nobody else holds.
fn two_devices(world: &World) -> (Device, Device) {
    let laptop = world.init("laptop");
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    for n in 0..20 {
        phone.insert("notes", &[&format!("title=of the phone {n}")]);
    }
    phone.json(["sync", &serving.url]);
    serving.stop();
    for n in 0..20 {
        laptop.insert("notes", &[&format!("title=of the laptop {n}")]);
    }
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    (laptop, phone)
}

/// Alters a byte of the text where the journal has it.
fn damage(device: &Device, what: &str) {
    let segment = device.dir.join("journal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes
        .windows(what.len())
        .position(|window| window == what.as_bytes())
        .expect("the journal has it");
    bytes[at] ^= 0x20;
    fs::write(&segment, bytes).unwrap();
}

fn whole(device: &Device) -> Json {
    device.json(["verify"])
}

/// What `verify` finds where something is wrong: its report, and its error.
#[track_caller]
fn faults(device: &Device) -> (Json, Json) {
    let outcome = device.run(["verify", "--json"]);
    assert_eq!(outcome.status.code(), Some(8), "{outcome:?}");
    let error = outcome.error();
    assert_eq!(error["code"], "unsound", "{outcome:?}");
    (outcome.lines().remove(0), error)
}

#[test]
fn a_damaged_envelope_is_found_and_comes_back_from_a_peer() {
    let world = World::new();
    let (laptop, phone) = two_devices(&world);
    // What only the laptop has, and must not lose.
    let own = laptop.insert("notes", &["title=never sent"]);
    damage(&laptop, "of the phone 7");
    let before = contents(&laptop.dir);

    let (found, error) = faults(&laptop);
    assert!(
        text(&error["remedy"]).contains("driftless repair"),
        "{error}"
    );
    assert_eq!(
        found["faults"][0]["file"], "journal/00000001.seg",
        "{found}"
    );
    let said = laptop.run(["verify"]);
    assert!(
        said.stdout.contains("journal/00000001.seg, byte "),
        "{}",
        said.stdout
    );
    assert_eq!(contents(&laptop.dir), before, "verify changes nothing");
    let refused = laptop.fails(8, ["list", "notes"]);
    assert!(
        text(&refused["remedy"]).contains("driftless repair"),
        "{refused}"
    );

    let plan = laptop.json(["repair", "--dry-run"]);
    assert_eq!(plan["missing"][0]["name"], "phone", "{plan}");
    assert_eq!(contents(&laptop.dir), before, "a dry run changes nothing");

    let done = laptop.json(["repair"]);
    assert_eq!(done["segments_mended"], 1, "{done}");
    assert_eq!(done["missing"][0]["name"], "phone", "{done}");
    assert_eq!(
        done["missing"][0]["first"], done["missing"][0]["last"],
        "{done}"
    );
    assert_eq!(laptop.fields("notes", &own)["title"], "never sent");
    let aside = PathBuf::from(text(&done["set_aside"][0]));
    assert_eq!(
        fs::read(aside).unwrap(),
        before[&laptop.dir.join("journal/00000001.seg")]
    );
    let (still, error) = faults(&laptop);
    assert_eq!(still["faults"][0]["remedy"], "sync", "{still}");
    assert!(
        text(&error["remedy"]).contains("Sync with a device"),
        "{still}"
    );

    let serving: Serving = phone.serve();
    laptop.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(whole(&laptop)["problems"], json!([]));
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(phone.fields("notes", &own)["title"], "never sent");
    assert_eq!(
        laptop.json(["repair"])["segments_mended"],
        0,
        "nothing is left to do"
    );
}

#[test]
fn a_repair_fetches_what_is_missing_at_once() {
    let world = World::new();
    let (laptop, phone) = two_devices(&world);
    damage(&laptop, "of the laptop 3");
    let serving = phone.serve();
    let done = laptop.json(["repair", "--peer", &serving.url]);
    serving.stop();
    assert_eq!(done["missing"], json!([]), "{done}");
    assert!(done["fetched"].as_u64().unwrap() > 0, "{done}");
    assert_eq!(whole(&laptop)["problems"], json!([]));
    assert_eq!(laptop.digest(), phone.digest());
    // Its next changes are under a number that was never used.
    let new = laptop.insert("notes", &["title=after it"]);
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.fields("notes", &new)["title"], "after it");
    assert_eq!(laptop.digest(), phone.digest());
}

#[test]
fn an_address_that_is_none_is_refused_before_the_folder_is_read() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["title=of the laptop"]);
    damage(&laptop, "of the laptop");
    let before = contents(&laptop.dir);
    for (address, code) in [
        ("http://127.0.0.1:7717", "bad_address"),
        ("nonsense", "bad_address"),
        ("wss://127.0.0.1:7717", "tls_unsupported"),
    ] {
        // A folder that is read first is repaired, or told to be damaged.
        let error = laptop.fails(2, ["repair", "--peer", address]);
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(contents(&laptop.dir), before, "nothing was touched");
    }
    let nowhere = world.device("nowhere");
    let error = nowhere.fails(2, ["repair", "--peer", "nonsense"]);
    assert_eq!(error["code"], "bad_address", "{error}");
}

#[test]
fn a_repair_that_cannot_tell_whose_workspace_it_is_says_so_and_touches_nothing() {
    let world = World::new();
    let (laptop, phone) = two_devices(&world);
    let digest = phone.digest();
    for (record, gone) in [
        ("laptop", "the record that began the workspace"),
        ("phone", "the record that let this device in"),
    ] {
        // Its name stands in it, and nowhere before it.
        let at = format!("spoilt-{record}");
        let spoilt = world.device(&at);
        phone.copy_to(&spoilt.dir);
        damage(&spoilt, record);
        // The store still has it.
        let mended = world.device(&format!("mended-{record}"));
        spoilt.copy_to(&mended.dir);
        let done = mended.json(["repair"]);
        assert_eq!(done["frames_restored"], 1, "{done}");
        assert_eq!(mended.digest(), digest);

        fs::remove_dir_all(spoilt.store()).unwrap();
        let before = contents(&spoilt.dir);
        let (found, error) = faults(&spoilt);
        let fault = found["faults"].as_array().unwrap();
        let fault = fault.iter().find(|fault| fault["part"] == "membership");
        let fault = fault.expect("it is told");
        assert!(text(&fault["what"]).contains(gone), "{fault}");
        assert_eq!(fault["remedy"], "rejoin", "{fault}");
        assert!(
            text(&error["remedy"]).contains("join the workspace again"),
            "{error}"
        );
        let serving = laptop.serve();
        for command in [&["repair"][..], &["repair", "--peer", &serving.url]] {
            let error = spoilt.fails(8, command);
            assert_eq!(error["code"], "membership_lost", "{error}");
            assert!(text(&error["message"]).contains(gone), "{error}");
            assert_eq!(contents(&spoilt.dir), before, "nothing was touched");
        }
        serving.stop();
    }
}

#[test]
fn a_key_that_is_not_the_folders_own_is_said_to_be_none() {
    let world = World::new();
    let (laptop, phone) = two_devices(&world);
    let key = laptop.dir.join("device.key");
    let own = fs::read(&key).unwrap();
    let digest = laptop.digest();
    let journal = || contents(&laptop.dir.join("journal"));
    let before = journal();
    let wrong = "this is not the key that the folder's device";
    for (harm, code, said) in [
        (
            Some(fs::read(phone.dir.join("device.key")).unwrap()),
            "wrong_device_key",
            format!("{wrong} `laptop` was let in with, but that of `phone`"),
        ),
        (
            Some(vec![7; 32]),
            "wrong_device_key",
            format!("{wrong} `laptop` was let in with, and no member's"),
        ),
        (
            Some(own[..31].to_vec()),
            "wrong_device_key",
            format!("{wrong} was let in with: it is 31 bytes long, and a key is 32"),
        ),
        (
            None,
            "device_key_missing",
            "the key of this folder's device is missing".to_owned(),
        ),
    ] {
        match harm {
            Some(bytes) => fs::write(&key, bytes).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        for command in [
            &["status"][..],
            &["insert", "notes", "title=by whom"],
            &["sync", "ws://127.0.0.1:9"],
            &["repair"],
            &["rebuild"],
        ] {
            let error = laptop.fails(8, command);
            assert_eq!(error["code"], code, "{command:?}: {error}");
            let message = text(&error["message"]);
            assert_eq!(message, format!("{}: {said}", key.display()), "{command:?}");
            let remedy = text(&error["remedy"]);
            assert!(remedy.contains("key back from a copy"), "{remedy}");
        }
        // The rest can be looked at without it.
        for _ in 0..2 {
            let (found, error) = faults(&laptop);
            assert_eq!(found["faults"].as_array().unwrap().len(), 1, "{found}");
            let fault = &found["faults"][0];
            assert_eq!(fault["file"], "device.key", "{found}");
            assert_eq!(fault["part"], "key", "{found}");
            assert_eq!(fault["remedy"], "bring_key", "{found}");
            assert_eq!(text(&fault["what"]), said, "{found}");
            assert_eq!(found["changes"], 40, "{found}");
            let remedy = text(&error["remedy"]);
            assert!(remedy.contains("key back from a copy"), "{remedy}");
        }
        assert_eq!(journal(), before, "nothing was touched");
    }
    fs::write(&key, own).unwrap();
    assert_eq!(laptop.digest(), digest);
    assert_eq!(whole(&laptop)["problems"], json!([]));
}

#[test]
fn a_folder_that_does_not_name_its_store_is_said_not_to_and_repaired() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["title=a"]);
    let digest = laptop.digest();
    let current = laptop.dir.join("CURRENT");
    for harm in ["junk", "", "store-9\n"] {
        fs::write(&current, harm).unwrap();
        let (report, _) = faults(&laptop);
        assert_eq!(report["faults"][0]["file"], "CURRENT", "{report}");
        assert_eq!(report["faults"][0]["remedy"], "rebuild", "{report}");
        laptop.json(["repair"]);
        assert_eq!(whole(&laptop)["problems"], json!([]));
        assert_eq!(laptop.digest(), digest);
    }
    fs::remove_file(&current).unwrap();
    let (report, _) = faults(&laptop);
    assert_eq!(report["faults"][0]["file"], "CURRENT", "{report}");
    laptop.json(["repair"]);
    assert_eq!(laptop.digest(), digest);
}

/// An engine panics on some damage; people are told in a sentence, and nothing else.
#[test]
fn an_engine_that_panics_on_a_damaged_store_does_so_in_silence() {
    let world = World::new();
    let laptop = world.device("laptop");
    laptop.json(["init", "--name", "laptop", "--engine", "sled"]);
    let rows = text_of((0..1_000).map(|n| format!("{n},row number {n}")));
    let file = world.file("rows.csv", format!("k,v\n{rows}"));
    laptop.json(["import", &file, "--collection", "rows", "--key", "k"]);
    let digest = laptop.digest();

    // The store of a process that was killed is opened as it is; one that was closed has a seal.
    let killed = world.device("killed");
    laptop.copy_to(&killed.dir);
    killed.serve().kill();
    for device in [&killed, &laptop] {
        // sled panics over a log that has a hole, and reads all of it when it has no snapshot.
        let store = files_below(&device.store());
        let is_snapshot = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == "snap");
        fs::remove_file(store.iter().find(is_snapshot).unwrap()).unwrap();
        let log = device.store().join("db");
        let mut bytes = fs::read(&log).unwrap();
        bytes[2] ^= 1;
        fs::write(log, bytes).unwrap();
    }

    for (device, command) in [
        (&killed, "status"),
        (&laptop, "verify"),
        (&laptop, "repair"),
        (&laptop, "verify"),
    ] {
        let said = device.run([command]);
        assert!(!said.stderr.contains("panicked"), "{command}: {said:#?}");
    }
    assert_eq!(killed.digest(), digest);
    assert_eq!(laptop.digest(), digest);
}
