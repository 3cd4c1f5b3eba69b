//! Wrong arguments: each a usage error that says what to type, as text and as JSON.

use crate::support::{Running, World, driftless, run, text, text_of};

#[test]
fn wrong_arguments_are_usage_errors_in_json_too() {
    let wrong: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["init"],
        &["import", "--collection", "c"],
        &["import", "file.csv"],
        &["insert", "c"],
        &["set", "c", "id"],
        &["list", "c", "--limit", "many"],
        &["list", "c", "--limit", "-1"],
        &["join", "link"],
        &["invite", "--uses", "0"],
        &["invite", "--valid-for", "soon"],
        &["invite", "--valid-for", "0s"],
        &["serve", "--address", "ws://here:1"],
        &["serve", "--uses", "2"],
        &["serve", "--valid-for", "1h"],
        &["conflicts", "resolve", "id"],
        &["conflicts", "resolve", "id", "--keep", "0", "--value", "1"],
        &["conflicts", "resolve", "id", "--keep", "-1"],
        &["conflicts", "list", "--status", "agreed"],
        &["demo", "--seed", "seven"],
        &["status", "--surprise"],
    ];
    for arguments in wrong {
        let error = run(arguments.iter().chain(&["--json"])).failed(2);
        assert_eq!(error["code"], "usage", "{arguments:?}: {error}");
        assert_eq!(error["retry"], false);
        let outcome = run(*arguments);
        assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
        assert_eq!(outcome.stdout, "");
        assert!(!outcome.stderr.is_empty());
    }
}

#[test]
fn a_typing_error_in_a_command_gets_a_suggestion() {
    let error = run(["--json", "conflict"]).failed(2);
    assert!(text(&error["message"]).contains("conflict"), "{error}");
    assert!(text(&error["remedy"]).contains("conflicts"), "{error}");
}

#[test]
fn without_a_folder_both_ways_to_name_one_are_told() {
    for command in [
        &["status"][..],
        &["insert", "c", "a=1"],
        &["serve"],
        &["conflicts"],
    ] {
        let error = run(command.iter().chain(&["--json"])).failed(2);
        let remedy = text(&error["remedy"]);
        assert!(
            remedy.contains("--dir") && remedy.contains("DRIFTLESS_DIR"),
            "{remedy}"
        );
    }
}

#[test]
fn the_folder_may_come_from_the_environment_and_from_either_side() {
    let world = World::new();
    let laptop = world.init("laptop");
    let dir = laptop.dir.to_str().unwrap();
    let digest = laptop.digest();
    for arguments in [
        &["--dir", dir, "--json", "digest"][..],
        &["digest", "--json", "--dir", dir],
        &["--json", "digest", "--dir", dir],
    ] {
        assert_eq!(
            run(arguments).succeeded().lines(),
            std::slice::from_ref(&digest)
        );
    }
    let mut command = driftless(["digest", "--json"]);
    command.env("DRIFTLESS_DIR", dir);
    assert_eq!(Running::start(command).wait().succeeded().lines(), [digest]);
    // What is typed goes before what is set.
    let mut command = driftless(["digest", "--json", "--dir", "nowhere"]);
    command.env("DRIFTLESS_DIR", dir);
    assert_eq!(
        Running::start(command).wait().failed(3)["code"],
        "no_workspace"
    );
}

#[test]
fn a_folder_that_holds_nothing_is_not_found() {
    let world = World::new();
    std::fs::create_dir(world.path("empty")).unwrap();
    for name in ["nowhere", "empty"] {
        let device = world.device(name);
        for command in [
            &["status"][..],
            &["list", "c"],
            &["insert", "c", "a=1"],
            &["serve", "--listen", "127.0.0.1:0"],
            &["sync", "ws://127.0.0.1:9"],
            &["rebuild"],
            &["verify"],
        ] {
            let error = device.fails(3, command);
            assert!(text(&error["message"]).contains(name), "{error}");
        }
        assert!(
            world.path("nowhere").symlink_metadata().is_err(),
            "nothing is made"
        );
    }
}

#[test]
fn init_leaves_what_is_there_alone() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["a=1"]);
    let before = laptop.digest();
    let error = laptop.fails(4, ["init", "--name", "other"]);
    assert!(text(&error["message"]).contains("laptop"), "{error}");
    assert_eq!(laptop.digest(), before);
    for name in ["", " \n", &"x".repeat(1_000)] {
        world.device("named").fails(2, ["init", "--name", name]);
        assert!(
            world.path("named").symlink_metadata().is_err(),
            "nothing is left of a refused init"
        );
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::new();
    let laptop = world.init("laptop");
    let rows = text_of((0..3_000).map(|n| format!("{n},{}", "x".repeat(60))));
    let file = world.file("rows.csv", format!("n,text\n{rows}"));
    laptop.json(["import", &file, "--collection", "rows", "--key", "n"]);
    for arguments in [
        &["list", "rows"][..],
        &["list", "rows", "--json"],
        &["--help"],
        &["digest"],
    ] {
        let outcome = Running::start_unread(laptop.command(arguments)).wait();
        assert_eq!(outcome.stderr, "", "{arguments:?}");
        assert_eq!(outcome.status.code(), Some(0), "{arguments:?}");
    }
}
