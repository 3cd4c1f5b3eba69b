//! The conflict log in the terminal: shown, filtered, paged, watched, counted, decided many at once, and taken back.

use serde_json::{Value as Json, json};

use crate::conflicts::{meet, one_conflict, pair};
use crate::support::{Device, text};

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
fn acknowledged_and_undone_on_one_device_is_so_on_the_other() {
    let (_world, laptop, phone, id) = one_conflict();
    let note = "both are used, asked on Monday";
    let acknowledged = laptop.json(["conflicts", "acknowledge", &id, "--note", note]);
    assert_eq!(acknowledged["status"], "acknowledged");
    meet(&laptop, &phone);
    assert_eq!(
        phone.json(["conflicts", "show", &id])["status"],
        "acknowledged"
    );
    assert_eq!(phone.json(["status"])["conflicts_open"], 0);
    let shown = phone.run(["conflicts", "show", &id]).succeeded().stdout;
    assert!(
        shown.contains(&format!("acknowledged it: {note}")),
        "{shown}"
    );
    let again = ["conflicts", "acknowledge", &id];
    assert_eq!(phone.fails(7, again)["code"], "conflict_closed");

    assert_eq!(phone.json(["conflicts", "undo", &id])["status"], "open");
    assert_eq!(
        phone.fails(7, ["conflicts", "undo", &id])["code"],
        "conflict_open"
    );
    phone.json(["conflicts", "resolve", &id, "--keep", "0"]);
    meet(&laptop, &phone);
    assert_eq!(laptop.json(["conflicts", "undo", &id])["status"], "open");
    meet(&laptop, &phone);
    assert_eq!(phone.json(["conflicts", "show", &id])["status"], "open");
    assert_eq!(laptop.export(), phone.export());
    assert_eq!(laptop.digest(), phone.digest());
    let long = "x".repeat(1_001);
    laptop.fails(2, ["conflicts", "acknowledge", &id, "--note", &long]);
}

/// The page on the log shows an entry as it is: each name in it, and no other.
#[test]
fn the_documented_entry_has_the_names_of_a_real_one() {
    let page = include_str!("../../docs/conflict-log.md");
    let example = page.split("```json").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let documented: Json = serde_json::from_str(example).unwrap();
    let (_world, laptop, _, id) = one_conflict();
    let shown = laptop.json(["conflicts", "show", &id]);
    let names =
        |object: &Json| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&documented), names(&shown));
    for list in ["candidates", "members"] {
        assert_eq!(
            names(&documented[list][0]),
            names(&shown[list][0]),
            "{list}"
        );
    }
    for name in [
        "kind",
        "status",
        "policy",
        "rule",
        "provisional",
        "members_total",
    ] {
        assert_eq!(documented[name], shown[name], "{name}");
    }
}

#[test]
fn the_log_is_counted_and_a_field_is_explained_the_same_on_both() {
    let (_world, laptop, phone, id) = one_conflict();
    let told = laptop.json(["explain", "c", "key:0", "v"]);
    assert_eq!(told, phone.json(["explain", "c", "key:0", "v"]));
    assert_eq!(
        (&told["path"], &told["policy"]),
        (&json!("v"), &json!("review"))
    );
    assert!(!told["before"].as_array().unwrap().is_empty(), "{told}");
    assert_eq!(told["after"][0]["conflict"]["id"], *id);
    let said = laptop
        .run(["explain", "c", "key:0", "v"])
        .succeeded()
        .stdout;
    assert!(
        said.contains("`v` is set") && said.replace('\n', " ").contains("Nobody has decided yet."),
        "{said}"
    );
    assert!(
        said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    let said = laptop
        .run(["explain", "c", "key:0", "$deleted"])
        .succeeded()
        .stdout;
    assert!(said.contains("the record is deleted"), "{said}");
    laptop.fails(3, ["explain", "c", "nobody", "v"]);
    laptop.fails(2, ["explain", "c", "key:0", "a..b"]);

    laptop.json(["conflicts", "resolve", &id, "--keep", "0"]);
    meet(&laptop, &phone);
    let insight = laptop.json(["conflicts", "insight"]);
    assert_eq!(insight, phone.json(["conflicts", "insight"]));
    assert_eq!(
        (&insight["opened"], &insight["decided"], &insight["open"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(
        insight["hottest"],
        json!([{"collection": "c", "path": "v", "entries": 1, "open": 0}])
    );
    assert_eq!(
        laptop.json(["conflicts", "insight", "--fields", "0"])["hottest"],
        json!([])
    );
    let said = laptop.run(["conflicts", "insight"]).succeeded().stdout;
    assert!(said.contains("        1   decided\n"), "{said}");
    let told = phone.run(["explain", "c", "key:0", "v"]).succeeded().stdout;
    assert!(told.replace('\n', " ").contains("decided for"), "{told}");
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
