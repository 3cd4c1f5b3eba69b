//! Rules, from the command line: set on one device, the same on the other.

use serde_json::Value as Json;

use crate::support::{Device, World, text};

const RULES: &str = r#"
version = 1

[[rule]]
name = "A task that is done stays done"
collection = "tasks"
path = "state"
policy = { rank = ["done", "doing", "open"] }

[[rule]]
kind = "record_deleted"
policy = "edit_wins"
"#;

fn state(device: &Device, id: &str) -> Json {
    device.fields("tasks", id)["state"].clone()
}

#[test]
fn rules_set_on_one_device_show_the_same_pick_on_both() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("tasks", &["state=open", "title=Sweep"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    serving.stop();
    laptop.json(["set", "tasks", &id, "state=done"]);
    // One write more, so that Automerge's own pick is the phone's.
    phone.json(["set", "tasks", &id, "title=Sweep the floor"]);
    phone.json(["set", "tasks", &id, "state=doing"]);
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(
        (state(&laptop, &id), state(&phone, &id)),
        ("doing".into(), "doing".into())
    );

    let file = world.file("rules.toml", RULES);
    let refused = phone.fails(4, ["rules", "set", &file]);
    assert_eq!(refused["code"], "not_allowed");
    let checked = laptop.json(["rules", "check", &file]);
    let set = laptop.json(["rules", "set", &file]);
    assert_eq!(
        (&set["version"], &set["changed"]),
        (&checked["version"], &true.into())
    );
    assert_eq!(laptop.json(["rules", "set", &file])["changed"], false);
    assert_eq!(state(&laptop, &id), "done");

    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    for device in [&laptop, &phone] {
        assert_eq!(state(device, &id), "done");
        let open = device.conflicts(&["--status", "open"]);
        assert!(open.is_empty(), "{open:?}");
        let merged = device.conflicts(&["--status", "auto_merged"]);
        assert_eq!(
            (&merged[0]["policy"], &merged[0]["picked_value"]),
            (&"rank".into(), &"done".into())
        );
        assert_eq!(device.json(["rules"])["version"], set["version"]);
        assert_eq!(device.json(["status"])["rules"]["version"], set["version"]);
        let told = device.json(["rules", "explain", "tasks", &id, "state"]);
        assert_eq!(
            (&told["rule"], &told["picked"]),
            (&0.into(), &"done".into())
        );
        device.json(["verify"]);
    }
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
    let words = phone
        .run(["rules", "explain", "tasks", &id, "state"])
        .succeeded()
        .stdout;
    assert!(
        words.contains("* rule 0 (A task that is done stays done): matches"),
        "{words}"
    );
    assert!(words.contains("nobody has decided yet"), "{words}");

    // A person decides against the rule, and that stands.
    phone.json(["set", "tasks", &id, "state=doing"]);
    assert_eq!(state(&phone, &id), "doing");
    assert_eq!(text(&phone.conflicts(&[])[0]["status"]), "resolved");
}

#[test]
fn a_bad_rule_is_refused_with_the_key_it_is_in() {
    let world = World::new();
    let laptop = world.init("laptop");
    let bad = "version = 1\n[[rule]]\npolicy = { rank = [\"a\", 1.5] }\n";
    let file = world.file("bad.toml", bad);
    for action in ["check", "set"] {
        let error = laptop.fails(2, ["rules", action, &file]);
        assert_eq!(error["code"], "bad_rules");
        let message = text(&error["message"]);
        assert!(
            message.contains("rule[0].policy.rank[1]: expected"),
            "{message}"
        );
    }
    let gone = world.path("nothing.toml");
    laptop.fails(3, ["rules", "check", gone.to_str().unwrap()]);
    let large = world.file("large.toml", "#".repeat(70_000));
    laptop.fails(2, ["rules", "check", &large]);
    assert_eq!(laptop.json(["rules", "show"])["version"], Json::Null);
}

/// A device of the laptop's workspace that joins with a role.
fn joined(world: &World, laptop: &Device, role: &str) -> Device {
    let serving = laptop.serve_on("127.0.0.1:0", &["--invite", "--role", role]);
    let device = world.join(role, serving.link());
    device.json(["sync", &serving.url]);
    serving.stop();
    device
}

#[test]
fn an_admin_sets_the_rules_and_a_viewer_only_reads() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("tasks", &["state=open"]);
    let admin = joined(&world, &laptop, "admin");
    let viewer = joined(&world, &laptop, "viewer");
    assert_eq!(state(&viewer, &id), "open");
    let file = world.file("rules.toml", RULES);
    for arguments in [
        vec!["rules", "set", &file],
        vec!["set", "tasks", &id, "state=done"],
        vec!["invite"],
    ] {
        let refused = viewer.fails(4, arguments);
        assert_eq!(refused["code"], "not_allowed");
        assert!(!text(&refused["remedy"]).is_empty(), "{refused}");
    }
    let set = admin.json(["rules", "set", &file]);
    assert_eq!(set["changed"], true);
    let serving = laptop.serve();
    admin.json(["sync", &serving.url]);
    viewer.json(["sync", &serving.url]);
    serving.stop();
    for device in [&laptop, &viewer] {
        let rules = device.json(["rules"]);
        assert_eq!(rules["version"], set["version"]);
        assert_eq!(rules["set_by"]["device_name"], "admin");
    }
    let status = viewer.json(["status"]);
    let members = status["members"].as_array().unwrap().iter();
    let roles: Vec<_> = members.map(|member| text(&member["role"])).collect();
    assert_eq!(roles, ["owner", "admin", "viewer"]);
    let beyond = laptop.fails(2, ["invite", "--role", "owner"]);
    assert!(text(&beyond["message"]).contains("viewer"), "{beyond}");
}
