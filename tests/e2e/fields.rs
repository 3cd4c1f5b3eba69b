//! Counters, texts, lists and sets: every verb on the command line, and three devices that use all of them apart.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::{Device, World, driftless, text};

/// A record with a field of each type.
fn typed(world: &World) -> (Device, String) {
    let laptop = world.init("laptop");
    let id = laptop.insert("c", &["name=a"]);
    laptop.json(["increment", "c", &id, "views=+2", "likes=-1"]);
    laptop.json(["text", "c", &id, "story", "--insert", "once"]);
    laptop.json(["push", "c", &id, "steps", "1", "two"]);
    laptop.json(["add", "c", &id, "tags=x", "tags=7"]);
    (laptop, id)
}

#[test]
fn each_verb_answers_as_set_does_and_the_record_reads_it() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    let record = laptop.json(["get", "c", &id]);
    let expected = json!({
        "name": "a", "views": 2, "likes": -1, "story": "once", "steps": [1, "two"], "tags": [7, "x"],
    });
    assert_eq!(record["fields"], expected);
    assert_eq!(laptop.lines(["list", "c"])[0]["fields"], expected);
    for (field, value) in [
        ("tags", "x"),
        ("views", "2"),
        ("story", "once"),
        ("steps", "two"),
    ] {
        let filter = format!("{field}={value}");
        assert_eq!(
            laptop.lines(["list", "c", "--where", &filter]).len(),
            1,
            "{filter}"
        );
    }

    let steps: [&[&str]; 11] = [
        &["set", "c", &id, "views=10"],
        &["increment", "c", &id, "views=-3"],
        &[
            "text", "c", &id, "story", "--at", "0", "--delete", "1", "--insert", "-O",
        ],
        &["text", "c", &id, "story", "--replace", "Once more"],
        &["push", "c", &id, "steps", "--at", "0", "-1", "{\"a\":[]}"],
        &["put-at", "c", &id, "steps", "2", "first"],
        &["remove-at", "c", &id, "steps", "0", "--count", "2"],
        &["remove", "c", &id, "tags=7"],
        &["add", "c", &id, "tags=\"7\""],
        &["set", "c", &id, "steps=[\"first\",\"last\"]"],
        &["unset", "c", &id, "likes.nothing"],
    ];
    for step in steps {
        let answer = laptop.json(step);
        let changed = answer["changed"].as_bool().unwrap();
        assert_eq!(changed, step[0] != "unset", "{step:?}: {answer}");
        assert_eq!(
            (&answer["id"], &answer["collection"]),
            (&json!(id), &json!("c"))
        );
    }
    let expected = json!({
        "name": "a", "views": 7, "likes": -1, "story": "Once more", "steps": ["first", "last"],
        "tags": ["7", "x"],
    });
    assert_eq!(laptop.json(["get", "c", &id])["fields"], expected);
    assert_eq!(laptop.json(["verify"])["problems"], json!([]));
}

#[test]
fn a_text_is_printed_and_replaced_by_files_and_standard_input() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("c", &["name=a"]);
    let file = world.file("note.txt", "First line\nsecond \u{1b}[31mline");
    laptop.json(["text", "c", &id, "note", "--replace-file", &file]);
    let answer = laptop.json(["text", "c", &id, "note"]);
    assert_eq!(answer["text"], "First line\nsecond \u{1b}[31mline");
    assert_eq!(answer["length"], 27);
    let said = laptop.run(["text", "c", &id, "note"]).succeeded().stdout;
    assert_eq!(said, "First line\nsecond \\u{1b}[31mline\n");
    let replace = |content: &[u8]| {
        let mut command = driftless(["text", "c", &id, "note", "--replace-file", "-", "--dir"]);
        command.arg(&laptop.dir).stdin(Stdio::piped());
        let mut process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(content).unwrap();
        process.wait().unwrap().code()
    };
    assert_eq!(replace("from a pipe: \u{e9}".as_bytes()), Some(0));
    assert_eq!(
        laptop.json(["text", "c", &id, "note"])["text"],
        "from a pipe: \u{e9}"
    );
    assert_eq!(replace(b"\xff"), Some(2));
    assert_eq!(replace(b""), Some(2), "what should have written it failed");
    let large = world.file("large.txt", "x".repeat(16 * 1024 * 1024 + 1));
    let refused = laptop.fails(2, ["text", "c", &id, "note", "--replace-file", &large]);
    assert!(
        text(&refused["message"]).contains("16,777,216"),
        "{refused}"
    );
    // The standard input is that of whoever types, wherever the folder is served.
    let serving = laptop.serve();
    assert_eq!(replace(b"through the server"), Some(0));
    serving.stop();
    assert_eq!(
        laptop.json(["text", "c", &id, "note"])["text"],
        "through the server"
    );
}

#[test]
fn a_process_that_serves_the_folder_carries_out_every_verb() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    let serving = laptop.serve();
    let commands: [&[&str]; 7] = [
        &["increment", "c", &id, "views=+3"],
        &["text", "c", &id, "story", "--at", "4", "--insert", " more"],
        &["push", "c", &id, "steps", "three"],
        &["put-at", "c", &id, "steps", "0", "one"],
        &["remove-at", "c", &id, "steps", "1"],
        &["add", "c", &id, "tags=y"],
        &["remove", "c", &id, "tags=7"],
    ];
    for command in commands {
        assert_eq!(laptop.json(command)["changed"], true, "{command:?}");
    }
    let error = laptop.fails(
        2,
        ["text", "c", &id, "story", "--at", "99", "--insert", "x"],
    );
    assert_eq!(error["code"], "out_of_range");
    assert_eq!(
        laptop.json(["text", "c", &id, "story"])["text"],
        "once more"
    );
    serving.stop();
    let expected = json!({
        "name": "a", "views": 5, "likes": -1, "story": "once more", "steps": ["one", "three"], "tags": ["x", "y"],
    });
    assert_eq!(laptop.fields("c", &id), expected);
}

#[test]
fn what_does_not_fit_is_refused_with_the_field_and_nothing_is_written() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    let before = laptop.json(["get", "c", &id]);
    let refusals: [(&[&str], &str, &str); 16] = [
        (&["increment", "c", &id, "views=1.5"], "usage", "`views`"),
        (&["increment", "c", &id, "views=++1"], "usage", "`views`"),
        (
            &["increment", "c", &id, "views=9223372036854775807"],
            "bad_value",
            "`views`",
        ),
        (&["increment", "c", &id, "name=1"], "other_type", "`name`"),
        (&["increment", "c", &id, "story=1"], "other_type", "`story`"),
        (&["set", "c", &id, "views=many"], "bad_value", "`views`"),
        (&["unset", "c", &id, "views"], "other_type", "`views`"),
        (
            &["text", "c", &id, "story", "--at", "5", "--insert", "x"],
            "out_of_range",
            "`story`",
        ),
        (
            &["text", "c", &id, "story", "--at", "1", "--delete", "4"],
            "out_of_range",
            "`story`",
        ),
        (
            &["text", "c", &id, "story", "--at", "1"],
            "usage",
            "nothing to do",
        ),
        (&["text", "c", &id, "tags"], "usage", "`tags`"),
        (
            &["put-at", "c", &id, "steps", "2", "x"],
            "out_of_range",
            "`steps`",
        ),
        (
            &["remove-at", "c", &id, "steps", "1", "--count", "2"],
            "out_of_range",
            "`steps`",
        ),
        (&["add", "c", &id, "tags=[1]"], "bad_value", "`tags`"),
        (&["add", "c", &id, "steps=1"], "other_type", "`steps`"),
        (&["set", "c", &id, "story.page=1"], "other_type", "`story`"),
    ];
    for (command, code, names) in refusals {
        let error = laptop.fails(2, command);
        assert_eq!(error["code"], code, "{command:?}: {error}");
        assert!(
            text(&error["message"]).contains(names),
            "{command:?}: {error}"
        );
    }
    let error = laptop.fails(3, ["push", "c", "nobody", "steps", "1"]);
    assert_eq!(error["code"], "not_found");
    assert_eq!(laptop.json(["get", "c", &id]), before);
}

#[test]
fn a_place_before_the_first_is_said_to_be_no_number_of_any() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    let commands: [&[&str]; 4] = [
        &["put-at", "c", &id, "steps", "-1", "x"],
        &["remove-at", "c", &id, "steps", "-1"],
        &["push", "c", &id, "steps", "--at", "-1", "x"],
        &["text", "c", &id, "story", "--at", "-1", "--insert", "x"],
    ];
    for command in commands {
        let error = laptop.fails(2, command);
        let message = text(&error["message"]);
        assert!(message.contains("a whole number, from 0 on"), "{error}");
    }
}

#[test]
fn the_history_names_fields_as_people_do() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    laptop.json(["remove", "c", &id, "tags=7"]);
    let fields: Vec<Json> = laptop
        .lines(["history", "c", &id])
        .iter()
        .flat_map(|line| line["fields"].as_array().unwrap().clone())
        .collect();
    let expected = json!([
        {"path": "name", "before": {"$absent": true}, "after": "a"},
        {"path": "likes", "type": "counter", "before": {"$absent": true}, "after": -1},
        {"path": "views", "type": "counter", "before": {"$absent": true}, "after": 2},
        {"path": "story", "type": "text", "removed": [], "added": ["once"]},
        {"path": "steps", "type": "list", "removed": [], "added": [1, "two"]},
        {"path": "tags", "type": "set", "removed": [], "added": [7, "x"]},
        {"path": "tags", "type": "set", "removed": [7], "added": []},
    ]);
    assert_eq!(Json::Array(fields), expected);
    let said = laptop.run(["history", "c", &id]).succeeded().stdout;
    assert!(!said.contains(['#', '/']), "{said}");
    assert!(said.contains("+ once") && said.contains("- 7"), "{said}");
    assert_eq!(
        laptop.lines(["history", "c", &id, "--field", "tags"]).len(),
        2
    );
}

fn meet(one: &Device, other: &Device) {
    let serving = one.serve();
    other.json(["sync", &serving.url]);
    serving.stop();
}

/// What the `n`-th device does apart from the others.
fn use_every_verb(device: &Device, n: usize, id: &str) {
    let nth = n.to_string();
    let steps: [&[&str]; 13] = [
        &[
            "increment",
            "c",
            id,
            &format!("views=+{}", n + 1),
            "likes=-1",
        ],
        &["set", "c", id, &format!("views={}", 100 * n)],
        &[
            "text", "c", id, "story", "--at", "2", "--delete", "1", "--insert", &nth,
        ],
        &[
            "text",
            "c",
            id,
            "story",
            "--replace",
            &format!("once {n} more"),
        ],
        &["text", "c", id, &format!("own {n}"), "--insert", "mine"],
        &["push", "c", id, "steps", &nth],
        &["push", "c", id, "steps", "--at", "0", &nth],
        &["put-at", "c", id, "steps", "1", &format!("one of {n}")],
        &["remove-at", "c", id, "steps", "2"],
        &["add", "c", id, &format!("tags={n}"), "tags=7"],
        &["remove", "c", id, if n == 1 { "tags=7" } else { "tags=x" }],
        &["set", "c", id, &format!("name={n}")],
        &["unset", "c", id, if n == 2 { "name" } else { "steps.none" }],
    ];
    for step in steps {
        device.json(step);
    }
    let last = if n == 0 {
        ["delete", "c", id, "--json"]
    } else {
        ["unset", "c", id, "tags.none"]
    };
    device.run(last).succeeded();
}

#[test]
fn three_devices_that_use_every_verb_apart_agree() {
    let world = World::new();
    let (laptop, id) = typed(&world);
    let mut devices = vec![laptop];
    for name in ["phone", "desk"] {
        let serving = devices[0].serve_and_invite();
        let device = world.join(name, serving.link());
        device.json(["sync", &serving.url]);
        serving.stop();
        devices.push(device);
    }
    for (n, device) in devices.iter().enumerate() {
        use_every_verb(device, n, &id);
    }
    // What one has reaches the others by way of it, whoever meets whom first.
    meet(&devices[0], &devices[1]);
    meet(&devices[1], &devices[2]);
    meet(&devices[2], &devices[0]);
    meet(&devices[0], &devices[1]);
    let digest = devices[0].digest();
    let conflicts = devices[0].export();
    for device in &devices[1..] {
        assert_eq!(device.digest(), digest);
        assert_eq!(device.export(), conflicts);
    }
    devices[2].json(["restore", "c", &id]);
    let fields = devices[2].fields("c", &id);
    // From 2 they set it to 0, 100 and 200: each set was the difference to what its author read.
    let differences = [-2, 98, 198];
    assert_eq!(fields["views"], 2 + differences.iter().sum::<i64>());
    assert_eq!(fields["likes"], -4);
    let tags = fields["tags"].as_array().unwrap();
    for tag in [json!(0), json!(1), json!(2), json!(7)] {
        assert!(tags.contains(&tag), "{tag} is there: {tags:?}");
    }
    assert!(
        !tags.contains(&json!("x")),
        "two removed it, nobody added it again"
    );
    let story = text(&fields["story"]);
    for n in ["0", "1", "2", "more"] {
        assert!(story.contains(n), "{story}");
    }
    for n in 0..3 {
        assert_eq!(fields[&format!("own {n}")], "mine");
    }
    for device in &devices {
        assert_eq!(device.json(["verify"])["problems"], json!([]));
    }
}
