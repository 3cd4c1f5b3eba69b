//! The kept histories: the smallest that reach each thing the conflict log can say, and those that failed once.
//! They are kept as bytes for the fuzzer, and carried out on each run.
//!
//! `DRIFTLESS_WRITE_SEEDS=1 cargo test -p driftless-testkit kept_histories` looks for them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use driftless_testkit::differential::{REACHED, check_caught};
use driftless_testkit::histories::{Manner, Plan};
use driftless_testkit::shrink::shrink;
use driftless_testkit::story;

/// Of so many random histories one reaches each thing.
const CASES: u64 = 20_000;
/// What the names of histories that failed once begin with.
const BUG: &str = "bug-";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/conflict_log")
}

fn file_name(reached: &str) -> String {
    reached.replace([' ', '_'], "-")
}

fn reaches(plan: &Plan, what: &str) -> bool {
    check_caught(plan).is_ok_and(|tally| tally.reached.contains_key(what))
}

fn smallest(what: &str) -> Plan {
    let plans = (0..CASES).map(|seed| Plan::random(seed, &Manner::default()));
    let mut plans = plans.filter(|plan| reaches(plan, what));
    let plan = plans.next();
    let plan = plan.unwrap_or_else(|| panic!("no history reaches: {what}"));
    shrink(&plan, &mut |smaller| reaches(smaller, what))
}

#[test]
fn each_thing_the_log_can_say_is_reached_by_a_kept_history() {
    let write = std::env::var_os("DRIFTLESS_WRITE_SEEDS").is_some();
    for what in REACHED {
        let path = folder().join(file_name(what));
        if write {
            fs::create_dir_all(folder()).expect("the folder of seeds can be made");
            fs::write(&path, smallest(what).encode()).expect("a seed can be written");
        }
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plan = Plan::decode(&bytes);
        match check_caught(&plan) {
            Ok(tally) => assert!(
                tally.reached.contains_key(what),
                "{what} is not reached:\n{}\n{tally}",
                story::tell(&plan)
            ),
            Err(why) => panic!("{what}:\n{}\n{why}", story::tell(&plan)),
        }
    }
}

#[test]
fn the_folder_holds_nothing_else_but_what_failed_once() {
    let expected: BTreeSet<String> = REACHED.into_iter().map(file_name).collect();
    for file in fs::read_dir(folder()).expect("the folder of seeds is there") {
        let path = file.expect("its files can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if expected.contains(&*name) {
            continue;
        }
        assert!(name.starts_with(BUG), "nobody knows {name}");
        let plan = Plan::decode(&fs::read(&path).expect("a seed can be read"));
        if let Err(why) = check_caught(&plan) {
            panic!("{name}:\n{}\n{why}", story::tell(&plan));
        }
    }
}
