//! Every input that was kept of every fuzz target, and a share of random ones. No folder, target or binary stands alone.

use std::collections::BTreeSet;
use std::path::Path;

use driftless_testkit::histories::Dice;
use driftless_testkit::targets::{TARGETS, Target, seeds};

/// Random inputs of each target that is not tried by a test of its own.
const CASES: u64 = 3_000;

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let stems = paths.map(|path| path.file_stem().unwrap_or_default().to_owned());
    stems
        .map(|stem| stem.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_kept_input_of_every_target_breaks_nothing() {
    for target in TARGETS {
        // These two are carried out by `stories` and `kept_histories`, which say more of them.
        if ["convergence", "conflict_log"].contains(&target.name) {
            continue;
        }
        for (path, input) in target.kept().expect("its kept inputs read") {
            if let Err(why) = target.run(&input) {
                panic!("{}: {why}", path.display());
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_kept_inputs_and_nothing_stands_alone() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    assert_eq!(names_in(&seeds()), targets, "the folders of fuzz/seeds");
    let fuzz = seeds().join("..");
    assert_eq!(
        names_in(&fuzz.join("fuzz_targets")),
        targets,
        "fuzz/fuzz_targets"
    );
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("fuzz/ has a manifest");
    for target in TARGETS {
        let kept = target.kept().expect("its kept inputs read");
        assert!(!kept.is_empty(), "{} has no corpus", target.name);
        let path = format!("path = \"fuzz_targets/{}.rs\"", target.name);
        assert!(manifest.contains(&path), "fuzz/Cargo.toml has no {path}");
    }
}

#[test]
fn altered_keys_texts_and_steps_break_nothing() {
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    let cases = wanted.and_then(|n| n.parse().ok()).unwrap_or(CASES);
    for target in TARGETS.into_iter().filter(|target| target.weight > 0) {
        let kept = target.kept().expect("its kept inputs read");
        let mut dice = Dice(7);
        for case in 0..cases {
            let input = Target::altered(&mut dice, &kept);
            if let Err(why) = target.run(&input) {
                panic!("{} case {case}, {:?}: {why}", target.name, input);
            }
        }
    }
}
