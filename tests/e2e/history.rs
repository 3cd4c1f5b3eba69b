//! Who did what to a record, and the record as it was.

use serde_json::{Value as Json, json};

use crate::support::{Device, Serving, World, text};

fn meet(laptop: &Device, phone: &Device) {
    let serving: Serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
}

/// A record `key:a` that two devices edited apart; the phone decides, deletes it and restores it.
fn story() -> (World, Device, Device) {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("rows.csv", "k,title,body\na,start,b\n");
    laptop.json(["import", &file, "--collection", "c", "--key", "k"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    serving.stop();

    // The laptop's second edit stands after the phone's first one, whatever their clocks say.
    laptop.json(["set", "c", "key:a", "body=B"]);
    laptop.json(["set", "c", "key:a", "title=laptop's"]);
    phone.json(["set", "c", "key:a", "title=phone's"]);
    meet(&laptop, &phone);
    let conflict = laptop.conflicts(&[]).remove(0);
    let keep = conflict["candidates"].as_array().unwrap();
    let keep = keep.iter().position(|side| side["value"] == "phone's");
    let keep = keep.unwrap().to_string();
    phone.json([
        "conflicts",
        "resolve",
        &text(&conflict["id"]),
        "--keep",
        &keep,
    ]);
    phone.json(["unset", "c", "key:a", "body"]);
    phone.json(["delete", "c", "key:a"]);
    phone.json(["restore", "c", "key:a"]);
    meet(&laptop, &phone);
    (world, laptop, phone)
}

#[test]
fn both_devices_tell_one_history() {
    let (_world, laptop, phone) = story();
    let lines = laptop.lines(["history", "c", "key:a"]);
    assert_eq!(lines, phone.lines(["history", "c", "key:a"]));
    assert_eq!(lines.len(), 8);
    let record = laptop.json(["get", "c", "key:a"]);
    for line in &lines {
        assert_eq!(
            (&line["record"], &line["collection"]),
            (&record["id"], &json!("c"))
        );
        for field in ["version", "change", "device", "device_name", "time"] {
            assert!(!text(&line[field]).is_empty(), "{field}: {line}");
        }
        for field in ["time_ms", "seq", "deps"] {
            assert!(line[field].is_u64(), "{field}: {line}");
        }
        assert!(line.get("user").is_none(), "{line}");
    }
    assert_eq!(lines[7]["version"], record["version"]);
    assert_eq!(lines[0]["deps"], 0);

    let of = |device: &'static str| {
        lines
            .iter()
            .filter(move |line| line["device_name"] == device)
    };
    assert_eq!((of("laptop").count(), of("phone").count()), (3, 5));
    let write =
        |before: Json, after: Json| json!([{"path": "title", "before": before, "after": after}]);
    let title = |line: &&Json| line["fields"][0]["path"] == "title";
    let phones: Vec<_> = of("phone").filter(title).collect();
    assert_eq!(phones[0]["fields"], write(json!("start"), json!("phone's")));
    let laptops = of("laptop").rfind(title).unwrap();
    assert_eq!(laptops["fields"], write(json!("start"), json!("laptop's")));
    assert_eq!(laptops["apart"], true);

    let decided = phones[1];
    let conflict = &laptop.conflicts(&["--status", "resolved"])[0]["id"];
    assert_eq!(
        decided["decisions"],
        json!([{"conflict": conflict, "how": "keep"}])
    );
    let field = &decided["fields"][0];
    let mut seen = [text(&field["before"]), text(&field["beside"][0])];
    seen.sort_unstable();
    assert_eq!(seen, ["laptop's", "phone's"]);
    assert_eq!(lines[5]["fields"][0]["after"], json!({"$absent": true}));
    assert_eq!(lines[6]["deleted"], json!({"before": false, "after": true}));
    assert_eq!(lines[7]["deleted"], json!({"before": true, "after": false}));
}

/// The history as people read it, with what differs from run to run made equal.
fn told(device: &Device, more: &[&str]) -> String {
    let arguments = || ["history", "c", "key:a"].iter().chain(more);
    let mut told = device.run(arguments()).succeeded().stdout;
    let conflict = text(&device.conflicts(&[])[0]["id"]);
    told = told.replace(&conflict[..8], "conflict");
    for line in device.lines(arguments()) {
        let (version, time) = (text(&line["version"]), text(&line["time"]));
        let minute = time[..16].replace('T', " ");
        told = told
            .replace(&version[..8], "version.")
            .replace(&minute, "2026-01-31 12:00");
    }
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    told
}

#[test]
fn a_history_is_read_like_a_log() {
    let (_world, laptop, _phone) = story();
    let title = told(&laptop, &["--field", "title"]);
    // Random ids say which of two undecided values is shown, and whether the laptop's first edit stands before
    // the phone's.
    let title = title
        .replace("phone's | laptop's", "laptop's | phone's")
        .replace(" *  phone", "    phone");
    let snapshots = [
        ("of_a_field", title),
        ("the_newest", told(&laptop, &["--limit", "3"])),
        ("of_no_field", told(&laptop, &["--field", "none"])),
    ];
    insta::with_settings!({
        snapshot_path => "history",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for (name, told) in snapshots {
            insta::assert_snapshot!(name, told);
        }
    });
}

#[test]
fn a_record_is_shown_as_it_was() {
    let (_world, laptop, phone) = story();
    let lines = laptop.lines(["history", "c", "key:a"]);
    let at = |device: &Device, version: &Json| {
        device.json(["get", "c", "key:a", "--at", &text(version)])
    };
    let made = at(&laptop, &lines[0]["version"]);
    assert_eq!(
        made["fields"],
        json!({"k": "a", "title": "start", "body": "b"})
    );
    assert_eq!(made["version"], lines[0]["version"]);
    for line in &lines {
        let then = at(&phone, &line["version"]);
        assert_eq!(then, at(&laptop, &line["version"]));
        assert_eq!(then["version"], line["version"]);
    }
    // As its author saw it: the phone had not heard of the laptop's edits.
    let phones = lines
        .iter()
        .find(|line| line["device_name"] == "phone")
        .unwrap();
    let then = at(&laptop, &phones["change"]);
    assert_eq!(
        then["fields"],
        json!({"k": "a", "title": "phone's", "body": "b"})
    );
    // By the beginning, for people, and deleted.
    let short = &text(&lines[6]["version"])[..10];
    let then = phone.run(["get", "c", "key:a", "--at", short]).succeeded();
    assert!(
        then.stdout.contains("phone's") && then.stdout.contains("deleted then"),
        "{then:?}"
    );
    assert_eq!(at(&laptop, &lines[6]["version"])["deleted"], true);
    // What `set` printed is a version.
    let saved = laptop.json(["set", "c", "key:a", "n=1"]);
    laptop.json(["set", "c", "key:a", "n=2"]);
    assert_eq!(at(&laptop, &saved["version"])["fields"]["n"], 1);
    // A deleted record has its history, and its past.
    laptop.json(["delete", "c", "key:a"]);
    assert_eq!(
        laptop.fails(3, ["get", "c", "key:a"])["code"],
        "record_deleted"
    );
    assert_eq!(laptop.lines(["history", "c", "key:a"]).len(), 11);
    assert_eq!(at(&laptop, &saved["version"])["fields"]["n"], 1);
}

#[test]
fn a_past_that_nobody_knows_is_a_sentence() {
    let (_world, laptop, phone) = story();
    for name in ["zz", "00000000000000000000000000000000", ""] {
        let error = laptop.fails(3, ["get", "c", "key:a", "--at", name]);
        assert_eq!(error["code"], "unknown_version");
    }
    laptop.fails(3, ["history", "c", "key:b"]);
    laptop.fails(3, ["get", "c", "key:b", "--at", "00"]);
    laptop.fails(2, ["history", "c", "key:a", "--field", "a..b"]);
    laptop.fails(2, ["history", "c", "key:a", "--limit", "few"]);
    // A version of the phone is unknown here until the next sync.
    let saved = phone.json(["set", "c", "key:a", "n=1"]);
    let version = text(&saved["version"]);
    laptop.fails(3, ["get", "c", "key:a", "--at", &version]);
    meet(&laptop, &phone);
    let then = laptop.json(["get", "c", "key:a", "--at", &version]);
    assert_eq!(then["fields"]["n"], 1);
    assert_eq!(
        laptop
            .lines(["history", "c", "key:a", "--field", "$deleted"])
            .len(),
        2
    );
}
