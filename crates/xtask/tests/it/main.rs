//! The workspace keeps its own rules.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use driftless_xtask::{long, tidy};

#[test]
fn the_workspace_is_tidy() {
    let violations = tidy::check(&tidy::workspace_root()).expect("the workspace can be read");
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} to mend:\n{}",
        list.len(),
        list.join("\n")
    );
}

#[test]
fn every_harness_of_the_soak_can_be_asked_for_and_another_name_compiles_nothing() {
    let folder = tidy::workspace_root().join("crates/testkit/src/bin/soak");
    let mut harnesses: BTreeSet<String> = fs::read_dir(folder)
        .expect("the soak is a folder")
        .map(|entry| entry.expect("it is read").path())
        .map(|file| {
            file.file_stem()
                .expect("it has a name")
                .display()
                .to_string()
        })
        .collect();
    for other in ["main", "options"] {
        assert!(harnesses.remove(other));
    }
    let asked = long::SOAKS.map(str::to_owned);
    assert_eq!(BTreeSet::from(asked), harnesses);

    for wrong in [&["soak", "foldrs"][..], &["soak"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless-xtask"));
        // What would compile is not there.
        command.args(wrong).env("CARGO", "no-such-program");
        let outcome = command.output().expect("it starts");
        assert_eq!(outcome.status.code(), Some(2), "{wrong:?}: {outcome:?}");
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert!(said.starts_with("usage: cargo xtask"), "{said}");
    }
}
