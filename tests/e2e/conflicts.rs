//! The conflict log: the same on both devices, decided once for all.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::support::{Device, Serving, World, text, text_of};

/// Two devices that hold the same `rows` of a collection `c`, keyed 0.. by `k`.
pub fn pair(rows: usize) -> (World, Device, Device) {
    let world = World::new();
    let laptop = world.init("laptop");
    let lines = text_of((0..rows).map(|n| format!("{n},base {n},other {n}")));
    let file = world.file("rows.csv", format!("k,v,w\n{lines}"));
    laptop.json(["import", &file, "--collection", "c", "--key", "k"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    serving.stop();
    (world, laptop, phone)
}

pub fn meet(laptop: &Device, phone: &Device) {
    let serving: Serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
}

fn import_edits(
    world: &World,
    device: &Device,
    edits: impl Iterator<Item = (usize, String)>,
    field: &str,
) {
    let lines = text_of(edits.map(|(n, value)| format!("{n},{value}")));
    let file = world.file(
        &format!("{}-{field}.csv", device.name),
        format!("k,{field}\n{lines}"),
    );
    device.json(["import", &file, "--collection", "c", "--key", "k"]);
}

#[test]
fn a_hundred_overlapping_edits_are_a_hundred_conflicts_and_other_fields_none() {
    let (world, laptop, phone) = pair(200);
    import_edits(
        &world,
        &laptop,
        (0..100).map(|n| (n, format!("laptop {n}"))),
        "v",
    );
    import_edits(
        &world,
        &phone,
        (0..100).map(|n| (n, format!("phone {n}"))),
        "v",
    );
    import_edits(
        &world,
        &laptop,
        (100..200).map(|n| (n, format!("laptop {n}"))),
        "v",
    );
    import_edits(
        &world,
        &phone,
        (100..200).map(|n| (n, format!("phone {n}"))),
        "w",
    );
    meet(&laptop, &phone);

    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
    let entries = laptop.conflicts(&["--status", "open"]);
    assert_eq!(entries.len(), 100);
    assert_eq!(entries, phone.conflicts(&[]));
    let mut seen = BTreeSet::new();
    for entry in &entries {
        let n: usize = text(&entry["base"][0])
            .strip_prefix("base ")
            .unwrap()
            .parse()
            .unwrap();
        seen.insert(n);
        let sides: BTreeSet<_> = candidates(entry).into_iter().collect();
        let expected = [("laptop", n), ("phone", n)].map(|(device, n)| {
            (
                device.to_owned(),
                json!(format!("{device} {n}")).to_string(),
            )
        });
        assert_eq!(sides, BTreeSet::from(expected));
    }
    assert_eq!(seen, (0..100).collect(), "none of the others is a conflict");
    for device in [&laptop, &phone] {
        assert_eq!(device.json(["status"])["conflicts_open"], 100);
        let merged = device.fields("c", "key:150");
        assert_eq!(
            merged,
            json!({"k": 150, "v": "laptop 150", "w": "phone 150"})
        );
    }
    decide_three(&laptop, &phone, &entries);
}

/// Deciding on one closes on the other.
fn decide_three(laptop: &Device, phone: &Device, entries: &[Json]) {
    for (n, entry) in entries.iter().enumerate().take(3) {
        let id = text(&entry["id"]);
        let (device, keep) = if n == 0 { (laptop, "0") } else { (phone, "1") };
        device.json(["conflicts", "resolve", &id, "--keep", keep]);
    }
    meet(laptop, phone);
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
    for device in [laptop, phone] {
        assert_eq!(device.json(["status"])["conflicts_open"], 97);
        let resolved = device.conflicts(&["--status", "resolved"]);
        assert_eq!(resolved.len(), 3);
        for entry in &resolved {
            assert_eq!(
                candidates(entry).len(),
                2,
                "both values stay readable: {entry}"
            );
            assert!(
                !entry["resolved_by"].is_null() && !entry["resolved_value"].is_null(),
                "{entry}"
            );
        }
    }
    assert_eq!(
        laptop.export().lines().count(),
        100,
        "whatever their status"
    );
    laptop.json(["verify"]);
    phone.json(["verify"]);
}

/// Device and value of each candidate.
fn candidates(entry: &Json) -> Vec<(String, String)> {
    entry["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| {
            (
                text(&candidate["device_name"]),
                candidate["value"].to_string(),
            )
        })
        .collect()
}

/// One open conflict on `v` of record 0: the laptop says 1, the phone says 2.
pub fn one_conflict() -> (World, Device, Device, String) {
    let (world, laptop, phone) = pair(3);
    laptop.json(["set", "c", "key:0", "v=1"]);
    phone.json(["set", "c", "key:0", "v=2"]);
    meet(&laptop, &phone);
    let id = text(&laptop.conflicts(&[])[0]["id"]);
    (world, laptop, phone, id)
}

#[test]
fn an_entry_says_all_there_is_to_know() {
    let (_world, laptop, phone, id) = one_conflict();
    let entry = laptop.json(["conflicts", "show", &id]);
    assert_eq!(entry, phone.json(["conflicts", "show", &id[..8]]));
    assert_eq!(entry["collection"], "c");
    assert_eq!(entry["record"], laptop.json(["get", "c", "key:0"])["id"]);
    assert_eq!(entry["path"], "v");
    assert_eq!(entry["kind"], "put_put");
    assert_eq!(entry["status"], "open");
    assert_eq!(entry["policy"], "review");
    assert_eq!(entry["base"], json!(["base 0"]));
    assert_eq!(entry["resolved_by"], Json::Null);
    assert_eq!(entry["resolved_value"], Json::Null);
    assert!(entry["also"].is_array());
    for candidate in entry["candidates"].as_array().unwrap() {
        for field in ["device", "device_name", "change"] {
            assert!(!text(&candidate[field]).is_empty(), "{field}: {candidate}");
        }
        assert!(!candidate["time"].is_null(), "{candidate}");
    }
    // A bare `conflicts` lists, and every filter narrows.
    assert_eq!(laptop.lines(["conflicts"]), laptop.conflicts(&[]));
    for (filter, found) in [
        (&["--status", "open"][..], 1),
        (&["--status", "resolved"], 0),
        (&["--collection", "c"], 1),
        (&["--collection", "d"], 0),
        (&["--path", "v"], 1),
        (&["--path", "w"], 0),
        (&["--collection", "c", "--record", "key:0"], 1),
        (&["--collection", "c", "--record", "key:1"], 0),
        (&["--record", &text(&entry["record"])], 1),
        (&["--kind", "put_put"], 1),
        (&["--kind", "record_deleted"], 0),
        (&["--author", "phone"], 1),
        (
            &["--author", &text(&entry["candidates"][0]["device"])[..12]],
            1,
        ),
        (&["--newer-than", "1d"], 1),
        (&["--older-than", "1d"], 0),
        (&["--limit", "5"], 1),
        (&["--after", &id], 0),
    ] {
        assert_eq!(laptop.conflicts(filter).len(), found, "{filter:?}");
    }
    let count = |more: &[&str]| {
        let words = ["conflicts", "list", "--count"];
        laptop.json(words.iter().chain(more))["count"].clone()
    };
    assert_eq!((count(&[]), count(&["--path", "w"])), (json!(1), json!(0)));
    let error = laptop.fails(2, ["conflicts", "list", "--author", "nobody"]);
    assert!(text(&error["message"]).contains("nobody"), "{error}");
    let table = laptop.run(["conflicts"]).succeeded().stdout;
    for part in ["base 0", "laptop", "phone", &id[..8], "v"] {
        assert!(table.contains(part), "{part}: {table}");
    }
}

#[test]
fn a_decision_by_value_is_shown_everywhere() {
    let (_world, laptop, phone, id) = one_conflict();
    let resolved = phone.json(["conflicts", "resolve", &id, "--value", "-5"]);
    assert_eq!(resolved["status"], "resolved");
    assert_eq!(resolved["resolved_value"], -5);
    meet(&laptop, &phone);
    for device in [&laptop, &phone] {
        assert_eq!(device.fields("c", "key:0")["v"], -5);
        assert_eq!(
            device.json(["conflicts", "show", &id])["status"],
            "resolved"
        );
    }
    assert_eq!(laptop.export(), phone.export());
}

#[test]
fn decisions_that_cannot_be_are_refused_with_a_sentence() {
    let (_world, laptop, _phone, id) = one_conflict();
    let resolve = |code: i32, id: &str, decision: [&str; 2]| {
        laptop.fails(code, ["conflicts", "resolve", id, decision[0], decision[1]])
    };
    assert_eq!(
        resolve(2, &id, ["--keep", "2"])["code"],
        "no_such_candidate"
    );
    assert_eq!(
        resolve(2, &id, ["--value", "Bay St. Louis"])["code"],
        "usage"
    );
    assert_eq!(
        resolve(2, &id, ["--value", "123456789012345678901234567890"])["code"],
        "usage"
    );
    assert_eq!(resolve(3, "ffffffff", ["--keep", "0"])["code"], "not_found");
    laptop.fails(
        3,
        ["conflicts", "show", "00000000-0000-8000-8000-000000000000"],
    );
    assert_eq!(laptop.json(["conflicts", "show", &id])["status"], "open");

    let both = ["conflicts", "resolve", &id, "--both"];
    let error = laptop.fails(2, both);
    assert!(text(&error["message"]).contains("both sides"), "{error}");
    laptop.fails(2, both.iter().chain(&["--keep", "0"]));

    laptop.json(["conflicts", "resolve", &id, "--keep", "0"]);
    let error = resolve(7, &id, ["--keep", "1"]);
    assert_eq!(error["code"], "conflict_closed");
}

#[test]
fn clearing_and_deleting_are_sides_of_a_conflict_too() {
    let (_world, laptop, phone) = pair(3);
    laptop.json(["unset", "c", "key:0", "v"]);
    phone.json(["set", "c", "key:0", "v=2"]);
    laptop.json(["delete", "c", "key:1"]);
    phone.json(["set", "c", "key:1", "w=2"]);
    meet(&laptop, &phone);
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());

    let entries = laptop.conflicts(&[]);
    assert_eq!(entries.len(), 2);
    let of_kind = |kind: &str| entries.iter().find(|entry| entry["kind"] == kind).unwrap();
    let absent = json!({"$absent": true}).to_string();
    assert!(candidates(of_kind("put_delete")).contains(&("laptop".into(), absent.clone())));
    let deleted = of_kind("record_deleted");
    assert_eq!(
        candidates(deleted).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([
            ("laptop".into(), absent.clone()),
            ("phone".into(), json!("keep").to_string())
        ])
    );
    assert_eq!(
        laptop.fails(3, ["get", "c", "key:1"])["code"],
        "record_deleted"
    );

    // Keeping the record brings it back with the edit, on both.
    let keep = candidates(deleted)
        .iter()
        .position(|(device, _)| device == "phone")
        .unwrap();
    laptop.json([
        "conflicts",
        "resolve",
        &text(&deleted["id"]),
        "--keep",
        &keep.to_string(),
    ]);
    // Keeping an absent value clears the field.
    let cleared = of_kind("put_delete");
    let keep = candidates(cleared)
        .iter()
        .position(|(device, _)| device == "laptop")
        .unwrap();
    phone.json([
        "conflicts",
        "resolve",
        &text(&cleared["id"]),
        "--keep",
        &keep.to_string(),
    ]);
    meet(&laptop, &phone);
    for device in [&laptop, &phone] {
        assert_eq!(
            device.fields("c", "key:1"),
            json!({"k": 1, "v": "base 1", "w": 2})
        );
        assert_eq!(device.fields("c", "key:0"), json!({"k": 0, "w": "other 0"}));
        assert_eq!(device.json(["status"])["conflicts_open"], 0);
    }
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
}

#[test]
fn a_deletion_is_decided_by_keeping_a_side_only() {
    let (_world, laptop, phone) = pair(1);
    laptop.json(["delete", "c", "key:0"]);
    phone.json(["set", "c", "key:0", "w=2"]);
    meet(&laptop, &phone);
    let deleted = laptop.conflicts(&[]).remove(0);
    assert_eq!(deleted["kind"], "record_deleted");
    let id = text(&deleted["id"]);
    laptop.fails(2, ["conflicts", "resolve", &id, "--value", "1"]);
    let absent = [
        "conflicts",
        "resolve",
        &id,
        "--value",
        "{\"$absent\": true}",
    ];
    assert_eq!(laptop.fails(2, absent)["code"], "usage");
    assert_eq!(laptop.conflicts(&["--status", "open"]), [deleted]);
}
