//! The demo: what a person sees first.

use crate::support::{Device, Running, World, driftless, number, run, text};

const CONVERGED: &str =
    "converged: 3,376 records equal on 2 devices, 40 conflicts logged on both, 0 edits lost";

#[test]
fn it_converges_shows_its_conflicts_and_leaves_folders_to_try() {
    let world = World::new();
    let keep = world.path("try it");
    let outcome = Running::start(driftless(["demo", "--keep", keep.to_str().unwrap()]))
        .wait()
        .succeeded();
    assert_eq!(outcome.stdout.lines().last(), Some(CONVERGED));
    let mut left: Vec<_> = std::fs::read_dir(&keep)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["laptop", "phone"],
        "the device folders and nothing else"
    );

    let [laptop, phone] = ["laptop", "phone"].map(|name| Device {
        dir: keep.join(name),
        name: name.into(),
    });
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
    assert_eq!(laptop.export().lines().count(), 40);
    assert_eq!(
        laptop.json(["status"])["conflicts_open"],
        39,
        "one was decided"
    );
    for device in [&laptop, &phone] {
        device.json(["verify"]);
    }

    // The command it prints does what it says.
    let command = outcome
        .stdout
        .lines()
        .find(|line| line.contains("conflicts resolve"))
        .expect("it shows the command that decides one");
    let (_, arguments) = command.split_once("conflicts resolve").unwrap();
    let mut words = arguments.split_whitespace();
    let (id, keep_flag, n) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    assert!(
        arguments.contains('\''),
        "a folder with a space in its name is quoted: {command}"
    );
    phone.json(["conflicts", "resolve", id, keep_flag, n]);
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(laptop.json(["conflicts", "show", id])["status"], "resolved");

    // It never touches what is there.
    let error = run(["demo", "--keep", keep.to_str().unwrap(), "--json"]).failed(2);
    assert!(text(&error["message"]).contains("empty"), "{error}");
}

#[test]
fn as_json_it_is_one_summary_and_any_seed_converges() {
    let summary = run(["demo", "--seed", "20261122", "--json"])
        .succeeded()
        .lines()
        .remove(0);
    for (field, value) in [
        ("records", 3_376),
        ("conflicts", 40),
        ("edits_lost", 0),
        ("devices", 2),
    ] {
        assert_eq!(number(&summary[field]), value, "{field}: {summary}");
    }
    assert_eq!(summary["seed"], 20_261_122);
    assert_eq!(
        number(&summary["edits"]),
        number(&summary["edits_merged"]) + number(&summary["edits_in_conflict"])
    );
    assert_eq!(text(&summary["summary"]), CONVERGED);
}
