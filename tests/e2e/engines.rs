//! The engines of the store, chosen, kept and switched; and a folder made small.

use std::fs;

use serde_json::{Value as Json, json};

use crate::support::{Device, World, number, text_of};

fn init(world: &World, name: &str, engine: &str) -> Device {
    let device = world.device(name);
    device.json(["init", "--name", name, "--engine", engine]);
    device
}

fn current(device: &Device) -> String {
    fs::read_to_string(device.dir.join("CURRENT")).unwrap()
}

/// Imports the same rows again and again, each time with other values.
fn filled(world: &World, device: &Device, times: u32) {
    for round in 0..times {
        let rows = text_of((0..400).map(|n| format!("{n},round {round} of {n}")));
        let file = world.file("rows.csv", format!("k,v\n{rows}"));
        device.json(["import", &file, "--collection", "rows", "--key", "k"]);
    }
}

#[test]
fn the_engine_is_chosen_kept_and_switched_and_what_is_held_stays_the_same() {
    let world = World::new();
    let laptop = init(&world, "laptop", "redb");
    filled(&world, &laptop, 2);
    assert_eq!(current(&laptop), "store-1 redb\n");
    let status = laptop.json(["status"]);
    assert_eq!(status["engine"], "redb");
    assert!(number(&status["store_bytes"]) > number(&status["store_live_bytes"]));
    assert_eq!(status["store_rewritten_bytes"], Json::Null);
    let said = laptop.run(["status"]).succeeded().stdout;
    assert!(said.contains("the store (redb)"), "{said}");

    let digest = laptop.digest();
    for (arguments, engine, named) in [
        (vec!["rebuild"], "redb", "store-2 redb\n"),
        (vec!["rebuild", "--engine", "sled"], "sled", "store-3\n"),
        (vec!["rebuild"], "sled", "store-4\n"),
        (
            vec!["rebuild", "--engine", "redb"],
            "redb",
            "store-5 redb\n",
        ),
    ] {
        assert_eq!(laptop.json(arguments)["engine"], engine);
        assert_eq!(current(&laptop), named);
        assert_eq!(laptop.digest(), digest);
        assert_eq!(laptop.json(["verify"])["problems"], json!([]));
        assert_eq!(laptop.json(["status"])["engine"], engine);
    }

    // The other device has its own, and they sync all the same.
    let serving = laptop.serve_and_invite();
    let phone = world.device("phone");
    let link = serving.link().to_owned();
    phone.json(["join", &link, "--name", "phone", "--engine", "redb"]);
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.json(["status"])["engine"], "redb");
    assert_eq!(phone.digest(), digest);
}

#[test]
fn an_engine_there_is_not_is_a_mistake_on_the_command_line() {
    let world = World::new();
    let laptop = world.device("laptop");
    let error = laptop.fails(2, ["init", "--name", "laptop", "--engine", "lmdb"]);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("sled and redb"), "{error}");
    assert!(!laptop.dir.exists());
}

#[test]
fn a_current_that_names_no_engine_there_is_is_mended_by_rebuild() {
    let world = World::new();
    let laptop = init(&world, "laptop", "redb");
    filled(&world, &laptop, 1);
    let digest = laptop.digest();
    fs::write(laptop.dir.join("CURRENT"), "store-1 lmdb\n").unwrap();
    let error = laptop.fails(8, ["digest"]);
    assert_eq!(error["code"], "store_unnamed", "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("rebuild"));
    laptop.json(["rebuild", "--engine", "redb"]);
    assert_eq!(laptop.digest(), digest);
}

#[test]
fn compacting_says_what_it_did_and_changes_nothing() {
    let world = World::new();
    for engine in ["sled", "redb"] {
        let laptop = init(&world, engine, engine);
        filled(&world, &laptop, 4);
        let digest = laptop.digest();
        let outcome = laptop.run(["compact", "--json"]).succeeded();
        assert!(
            outcome.stderr.contains("rewrote "),
            "with progress: {outcome:?}"
        );
        let report = outcome.lines().remove(0);
        assert!(number(&report["store_bytes_after"]) > 0);
        // So small a sled is mostly its own.
        assert!(
            number(&report["store_bytes_after"]) < 2 * number(&report["store_bytes_before"]),
            "{engine}: {report}"
        );
        assert!(number(&report["journal_bytes_after"]) <= number(&report["journal_bytes_before"]));
        assert!(current(&laptop).starts_with("store-2"));
        assert_eq!(laptop.digest(), digest);
        assert_eq!(laptop.json(["verify"])["problems"], json!([]));
        let said = laptop.run(["compact"]).succeeded().stdout;
        assert!(said.starts_with("the store took "), "{said}");
    }
}

#[test]
fn compacting_that_is_interrupted_or_killed_leaves_everything_whole() {
    let world = World::new();
    for engine in ["sled", "redb"] {
        let laptop = init(&world, engine, engine);
        filled(&world, &laptop, 2);
        let digest = laptop.digest();
        for round in 0..4 {
            let mut process = laptop.start(["compact", "--json"]);
            process.stderr_line_with("rewrote ");
            if round % 2 == 0 {
                process.interrupt();
                let outcome = process.wait();
                // It was in the middle, or just done.
                if !outcome.status.success() {
                    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
                    assert_eq!(outcome.error()["code"], "interrupted");
                }
            } else {
                process.kill();
            }
            let outcome = laptop.run(["digest", "--json"]).succeeded();
            assert_eq!(outcome.lines(), std::slice::from_ref(&digest));
            assert_eq!(outcome.stderr, "", "nothing had to be mended");
            assert_eq!(laptop.json(["verify"])["problems"], json!([]));
            let stores = fs::read_dir(&laptop.dir).unwrap().filter(|entry| {
                let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
                name.starts_with("store-") && !name.contains('.')
            });
            assert_eq!(stores.count(), 1);
        }
    }
}
