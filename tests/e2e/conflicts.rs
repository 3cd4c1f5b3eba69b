//! The conflict log: the same on both devices, decided once for all.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::support::{Device, Serving, World, text, text_of};

/// Two devices that hold the same `rows` of a collection `c`, keyed 0.. by `k`.
fn pair(rows: usize) -> (World, Device, Device) {
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

fn meet(laptop: &Device, phone: &Device) {
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
fn one_conflict() -> (World, Device, Device, String) {
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

/// What `conflicts show` prints, without what differs from run to run.
fn sheet(device: &Device, id: &str, entry: &Json) -> Vec<String> {
    let shown = device.run(["conflicts", "show", id]).succeeded().stdout;
    let mut shown = shown.replace(id, "ID");
    shown = shown.replace(&text(&entry["record"]), "RECORD");
    for candidate in entry["candidates"].as_array().unwrap() {
        let time = text(&candidate["time"]);
        let minutes = format!("{} {}", &time[..10], &time[11..16]);
        shown = shown.replace(&minutes, "2026-11-22 16:53");
    }
    shown.lines().map(str::to_owned).collect()
}

#[test]
fn the_sides_stand_next_to_each_other_with_their_differing_words_marked() {
    let (_world, laptop, phone) = pair(1);
    laptop.json(["set", "c", "key:0", "v=base of a laptop, 0"]);
    phone.json(["set", "c", "key:0", "other=1"]); // a later operation, so that the laptop's is the first
    phone.json(["set", "c", "key:0", "v=base of a phone, 0"]);
    meet(&laptop, &phone);
    let entry = phone.conflicts(&[]).remove(0);
    let id = text(&entry["id"]);
    assert_eq!(
        sheet(&phone, &id, &entry),
        [
            "conflict ID",
            "record c RECORD",
            "v: written on both sides, to be decided",
            "",
            "was base 0",
            "",
            "[0]                                    │ [1]",
            "base of a {+laptop+}, 0                │ base of a {+phone+}, 0",
            "laptop, 2026-11-22 16:53               │ phone, 2026-11-22 16:53",
        ]
    );
    phone.json(["conflicts", "resolve", &id, "--value", "\"base\""]);
    let last = sheet(&phone, &id, &entry).pop().unwrap();
    assert!(
        last.starts_with("phone, ") && last.ends_with(" decided it: base"),
        "{last}"
    );

    laptop.json(["set", "c", "key:0", "w=1"]);
    phone.json(["delete", "c", "key:0"]);
    meet(&laptop, &phone);
    let entry = phone.conflicts(&["--status", "open"]).remove(0);
    let shown = sheet(&phone, &text(&entry["id"]), &entry);
    assert_eq!(
        shown[2..4].concat(),
        "the record itself: deleted on one side, edited or restored on the other, to bedecided"
    );
    assert!(
        shown[8].contains("(deleted)") && shown[8].contains("(kept)"),
        "{shown:?}"
    );
}

#[test]
fn long_sides_are_cut_unless_all_of_them_is_asked_for_and_control_characters_are_never_obeyed() {
    let (_world, laptop, phone) = pair(1);
    let long = "all of it alike, ".repeat(300);
    laptop.json([
        "set",
        "c",
        "key:0",
        &format!("v={long}here \u{1b}[2J\u{202e}"),
    ]);
    phone.json(["set", "c", "key:0", &format!("v={long}there\nand there")]);
    meet(&laptop, &phone);
    let id = text(&laptop.conflicts(&[])[0]["id"]);
    let shown = |more: &[&str]| {
        let show = ["conflicts", "show", &id];
        laptop.run(show.iter().chain(more)).succeeded().stdout
    };
    let (short, full) = (shown(&[]), shown(&["--full"]));
    for said in [&short, &full] {
        assert!(
            said.contains("\\u{1b}[2J") && said.contains("\\n"),
            "{said}"
        );
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
    assert!(short.contains("--full shows all of it"), "{short}");
    assert!(!full.contains("--full"), "{full}");
    assert!(short.lines().count() < 30, "{short}");
    let wrote = full.lines().filter(|line| line.starts_with("put ")).count();
    assert_eq!(wrote, 2, "the writes that took part: {full}");
    assert!(full.matches("alike").count() > 300, "{full}");
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
fn pages_of_the_list_follow_each_other_without_a_gap() {
    let (_world, laptop, phone) = pair(7);
    for n in 0..7 {
        laptop.json(["set", "c", &format!("key:{n}"), "v=1"]);
        phone.json(["set", "c", &format!("key:{n}"), "v=2"]);
    }
    meet(&laptop, &phone);
    let all = laptop.conflicts(&[]);
    let mut found: Vec<Json> = Vec::new();
    loop {
        let last = found.last().map(|entry| text(&entry["id"]));
        let after = last.iter().flat_map(|last| ["--after", last.as_str()]);
        let page: Vec<&str> = ["--limit", "3"].into_iter().chain(after).collect();
        let page = laptop.conflicts(&page);
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        found.extend(page);
    }
    assert_eq!(found, all);
    let first = laptop
        .run(["conflicts", "list", "--limit", "3"])
        .succeeded()
        .stdout;
    let hint = format!("--after {}", text(&all[2]["id"]));
    assert!(first.contains(&hint), "{first}");
    laptop.fails(2, ["conflicts", "list", "--limit", "0"]);
    laptop.fails(3, ["conflicts", "list", "--after", "ffffffff"]);
}

#[test]
fn a_decision_on_less_than_there_is_by_now_is_refused_with_the_entry_as_it_is() {
    let (_world, laptop, phone, id) = one_conflict();
    let seen = laptop.json(["conflicts", "show", &id])["members_total"].to_string();
    assert_eq!(seen, "2");
    phone.json(["set", "c", "key:0", "w=1"]); // no side of it
    phone.json(["sync", &laptop.serve().url]);
    let keep = ["conflicts", "resolve", &id, "--keep", "0", "--seen"];
    let error = laptop.fails(7, keep.iter().chain(&["3"]));
    assert_eq!(error["code"], "conflict_grown");
    assert_eq!(error["conflict"], laptop.json(["conflicts", "show", &id]));
    let acknowledge = ["conflicts", "acknowledge", &id, "--seen", "1"];
    assert_eq!(laptop.fails(7, acknowledge)["code"], "conflict_grown");
    let decided = laptop.json(keep.iter().chain(&[seen.as_str()]));
    assert_eq!(decided["status"], "resolved");
    let error = laptop.fails(7, keep.iter().chain(&[seen.as_str()]));
    assert_eq!(error["code"], "conflict_closed");
    assert_eq!(error["conflict"], decided);
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

#[test]
fn all_that_fit_are_decided_at_once_and_what_does_not_fit_is_told() {
    let (_world, laptop, phone) = pair(6);
    for n in 0..6 {
        let key = format!("key:{n}");
        laptop.json(["set", "c", &key, &format!("v=laptop {n}")]);
        if n < 4 {
            phone.json(["set", "c", &key, &format!("v=phone {n}")]);
        } else {
            phone.json(["unset", "c", &key, "v"]);
        }
        laptop.json(["set", "c", &key, "w=1"]);
        phone.json(["set", "c", &key, "w=2"]);
    }
    meet(&laptop, &phone);
    assert_eq!(laptop.conflicts(&["--status", "open"]).len(), 12);
    let resolve = |device: &Device, more: &[&str]| {
        let words = ["conflicts", "resolve", "--all"];
        device.json(words.iter().chain(more))
    };
    let ids = |report: &Json| report["decided"].as_array().unwrap().len();

    let of_v = ["--path", "v", "--kind", "put_put"];
    let phones = [&of_v[..], &["--keep-of", "phone"]].concat();
    let preview = resolve(&laptop, &[&phones[..], &["--preview"]].concat());
    assert_eq!((ids(&preview), &preview["preview"]), (4, &json!(true)));
    assert_eq!(laptop.conflicts(&["--status", "open"]).len(), 12);
    let report = resolve(&laptop, &phones);
    assert_eq!((ids(&report), &report["preview"]), (4, &json!(false)));
    assert_eq!(report["decided"], preview["decided"]);
    for n in 0..4 {
        let fields = laptop.fields("c", &format!("key:{n}"));
        assert_eq!(fields["v"], format!("phone {n}"));
    }
    // What a rule does not fit is left, and named.
    let left = resolve(&laptop, &["--path", "v", "--keep", "7"]);
    assert_eq!(
        (ids(&left), left["skipped"].as_array().unwrap().len()),
        (0, 2)
    );
    assert_eq!(left["skipped"][0]["code"], "no_such_candidate");
    let words = [
        "conflicts",
        "resolve",
        "--all",
        "--path",
        "v",
        "--keep",
        "7",
    ];
    let said = laptop.run(words).succeeded().stdout;
    assert!(
        said.starts_with("0 conflicts decided, 2 left as they are\n"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3, "{said}");

    meet(&laptop, &phone);
    let before = phone.fields("c", "key:5");
    assert_eq!(ids(&resolve(&phone, &["--keep", "shown"])), 8);
    assert_eq!(phone.fields("c", "key:5"), before);
    meet(&laptop, &phone);
    assert!(laptop.conflicts(&["--status", "open"]).is_empty());
    assert_eq!(laptop.export(), phone.export());
    assert_eq!(laptop.digest(), phone.digest());
    for device in [&laptop, &phone] {
        device.json(["verify"]);
    }
}

#[test]
fn what_makes_no_sense_for_one_or_for_many_is_refused() {
    let (_world, laptop, _phone, id) = one_conflict();
    for words in [
        &["resolve", "--keep", "0"][..],
        &["resolve", &id, "--all", "--keep", "0"],
        &["resolve", &id, "--keep", "shown"],
        &["resolve", &id, "--keep", "newest"],
        &["resolve", &id, "--keep-of", "phone"],
        &["resolve", &id, "--keep", "0", "--collection", "c"],
        &["resolve", &id, "--keep", "0", "--preview"],
        &["resolve", "--all", "--value", "1"],
        &["resolve", "--all", "--keep", "0", "--seen", "2"],
        &["resolve", "--all", "--keep-of", "nobody"],
        &["resolve", "--all", "--keep", "0", "--both"],
        &["resolve", "--all"],
        &["acknowledge"],
        &["acknowledge", &id, "--kind", "put_put"],
    ] {
        laptop.fails(2, ["conflicts"].iter().chain(words));
    }
    assert_eq!(laptop.conflicts(&["--status", "open"]).len(), 1);
}

#[test]
fn a_watch_of_the_log_tells_what_opens_changes_and_is_closed() {
    let (_world, laptop, phone, id) = one_conflict();
    let mut watching = laptop.start(["conflicts", "watch", "--open", "--path", "v", "--json"]);
    let mut event =
        || -> Json { serde_json::from_str(&watching.stdout_line()).expect("a line is JSON") };
    let opened = event();
    assert_eq!(
        (&opened["what"], &opened["id"]),
        (&json!("opened"), &json!(id))
    );
    assert_eq!(opened["conflict"], laptop.json(["conflicts", "show", &id]));

    // The process that watches carries out the commands of others.
    laptop.json(["conflicts", "resolve", &id, "--keep", "0"]);
    let closed = event();
    assert_eq!(
        (&closed["what"], &closed["id"]),
        (&json!("closed"), &json!(id))
    );
    assert_eq!(closed["conflict"]["status"], "resolved");
    // Another field is not watched.
    laptop.json(["set", "c", "key:1", "w=1"]);
    phone.json(["set", "c", "key:1", "w=2"]);
    laptop.json(["set", "c", "key:2", "v=1"]);
    phone.json(["set", "c", "key:2", "v=2"]);
    let serving = phone.serve();
    laptop.json(["sync", &serving.url]);
    serving.stop();
    let opened = event();
    assert_eq!(opened["what"], "opened");
    assert_eq!(opened["conflict"]["path"], "v");
    watching.interrupt();
    watching.wait().succeeded();

    let mut watching = laptop.start(["conflicts", "watch"]);
    watching.stderr_line_with("watching");
    let id = text(&opened["id"]);
    laptop.json(["conflicts", "resolve", &id, "--keep", "1"]);
    let line = watching.stdout_line();
    let expected = format!(" conflict {id} closed (resolved): v of c ");
    assert!(line.contains(&expected), "{line}");
    watching.interrupt();
    watching.wait().succeeded();
}
