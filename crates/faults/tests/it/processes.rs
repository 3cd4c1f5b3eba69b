//! Real processes are recorded, killed, and made to fail.

use std::process::{Command, Output};

fn faults(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faults"));
    command.args(arguments).output().unwrap()
}

/// Runs it and gives the line for the ledger.
#[track_caller]
fn passes(arguments: &[&str]) -> String {
    let output = faults(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{why}");
    assert!(said.contains("no failure"), "{said}");
    said
}

#[test]
fn no_power_loss_loses_what_was_acknowledged_with_sled() {
    passes(&[
        "power", "--engine", "sled", "--images", "120", "--seed", "1",
    ]);
}

#[test]
fn no_power_loss_loses_what_was_acknowledged_with_redb() {
    passes(&[
        "power", "--engine", "redb", "--images", "120", "--seed", "1",
    ]);
}

#[test]
fn processes_that_are_killed_lose_nothing_acknowledged() {
    for engine in ["sled", "redb"] {
        passes(&["kill", "--engine", engine, "--kills", "12", "--seed", "1"]);
    }
}

#[test]
fn an_operation_that_fails_loses_nothing_acknowledged() {
    for engine in ["sled", "redb"] {
        let said = passes(&[
            "failing", "--engine", engine, "--every", "61", "--seed", "1",
        ]);
        assert!(!said.contains("| 0 noticed"), "{said}");
    }
}

#[test]
fn a_folder_that_was_spoilt_is_whole_mended_or_told_and_never_wrong() {
    for engine in ["sled", "redb"] {
        passes(&["spoil", "--engine", engine, "--cases", "60", "--seed", "1"]);
    }
}

#[test]
fn a_repair_that_is_interrupted_anywhere_comes_to_the_same_when_it_is_run_again() {
    for engine in ["sled", "redb"] {
        passes(&[
            "mending", "--engine", engine, "--images", "60", "--seed", "1",
        ]);
    }
}

#[test]
fn a_repair_that_does_not_sync_is_found_out() {
    for fault in ["uncovered:0", "uncovered:1"] {
        let output = faults(&[
            "interrupted",
            "--engine",
            "redb",
            "--images",
            "200",
            "--seed",
            "1",
            "--fault",
            fault,
        ]);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{fault} was not noticed");
        assert!(why.contains("image: Cut"), "{why}");
        let kept = why.lines().find_map(|line| line.strip_prefix("kept in "));
        std::fs::remove_dir_all(kept.unwrap()).unwrap();
    }
}

#[test]
fn syncs_cover_the_journal_before_a_commit_is_acknowledged_and_the_store_before_it_is_closed() {
    for engine in ["sled", "redb"] {
        let alone = ["images", "--engine", engine, "--images", "1", "--alone"];
        let output = faults(&alone);
        assert!(output.status.success(), "{output:?}");
        for fault in ["uncovered:0", "uncovered:1"] {
            let output = faults(&[&alone[..], &["--fault", fault]].concat());
            let why = String::from_utf8_lossy(&output.stderr);
            assert!(why.contains("no sync has covered all of journal/"), "{why}");
        }
    }
}

/// The recorder and the judge are worth nothing if they do not notice what they are there for.
#[test]
fn a_program_that_does_not_sync_is_found_out() {
    for fault in ["uncovered:0", "uncovered:1"] {
        let output = faults(&[
            "images", "--engine", "redb", "--images", "300", "--seed", "1", "--fault", fault,
        ]);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{fault} was not noticed");
        let kept = why
            .lines()
            .find_map(|line| line.strip_prefix("kept: the folder as it was left in "));
        let image = std::path::Path::new(kept.unwrap().split(", its log").next().unwrap());
        std::fs::remove_dir_all(image.parent().unwrap()).unwrap();
        assert!(why.contains("image: Cut"), "{why}");
    }
}
