//! The kept schedules: one story each, written down here, kept as bytes for the fuzzer, and carried out on each run.
//!
//! `DRIFTLESS_WRITE_SEEDS=1 cargo test -p driftless-testkit stories` writes the bytes anew.

mod edits;
mod folders;
mod links;
mod processes;
mod typed;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use driftless_testkit::schedule::{Manner, PLACES, Packing, Schedule, Step, StoreOfBackup, Write};
use driftless_testkit::world::{Outcome, run_caught};

const A: u8 = 0;
const B: u8 = 1;
const C: u8 = 2;

fn write(who: u8, write: Write) -> Step {
    Step::Write {
        who,
        write,
        staged: false,
    }
}

/// Sets field 0 of the first record.
fn set(who: u8, value: u8) -> Step {
    set_at(who, 0, 0, value)
}

fn set_at(who: u8, record: u8, field: u8, value: u8) -> Step {
    write(
        who,
        Write::Set {
            record,
            field,
            value,
        },
    )
}

fn stage(who: u8, value: u8) -> Step {
    Step::Write {
        who,
        write: Write::Set {
            record: 0,
            field: 0,
            value,
        },
        staged: true,
    }
}

fn delete(who: u8) -> Step {
    write(who, Write::Delete { record: 0 })
}

fn restore(who: u8) -> Step {
    write(who, Write::Restore { record: 0 })
}

fn decide(who: u8, choice: u8) -> Step {
    write(who, Write::Decide { entry: 0, choice })
}

fn import(who: u8, value: u8) -> Step {
    write(who, Write::Import { many: true, value })
}

/// `to` is counted from the one after `from`, as in every step that names two.
fn other(from: u8, to: u8, places: u8) -> u8 {
    (to + places - from - 1) % places
}

fn sync(from: u8, to: u8, places: u8) -> Step {
    let to = other(from, to, places);
    Step::Sync { from, to }
}

fn cut(from: u8, to: u8, places: u8, frames: u8) -> Step {
    let to = other(from, to, places);
    Step::Cut { from, to, frames }
}

fn live(from: u8, to: u8, places: u8) -> Step {
    connect(from, to, places, Manner::Live)
}

fn connect(from: u8, to: u8, places: u8, manner: Manner) -> Step {
    let to = other(from, to, places);
    Step::Connect { from, to, manner }
}

fn arrive(link: u8, frames: u8) -> Step {
    Step::Deliver {
        link,
        frames,
        order: 0b1010_1010,
    }
}

fn back(who: u8, backup: u8, store: StoreOfBackup) -> Step {
    Step::RestoreBackup { who, backup, store }
}

fn refuse(from: u8, to: u8, places: u8, take_back: bool) -> Step {
    let to = other(from, to, places);
    Step::Refuse {
        from,
        to,
        take_back,
    }
}

fn take_back(who: u8, which: u8) -> Step {
    Step::TakeBack { who, which }
}

fn pack(who: u8, how: Packing) -> Step {
    Step::Pack { who, how }
}

fn copy(who: u8, with_store: bool) -> Step {
    Step::CopyFolder { who, with_store }
}

/// A story: its name, how many devices, its steps, and how many conflict entries there are in the end.
struct Story(&'static str, usize, Vec<Step>, usize);

fn all() -> Vec<Story> {
    let parts = [
        edits::all(),
        typed::all(),
        links::all(),
        processes::all(),
        folders::all(),
    ];
    parts.into_iter().flatten().collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/convergence")
}

/// The kept inputs: of the stories, and of bugs.
fn kept() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder()).unwrap_or_else(|error| panic!("{error}"));
    let mut kept: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap_or_else(|error| panic!("{error}"));
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, bytes)
        })
        .collect();
    kept.sort();
    kept
}

fn carried_out(name: &str, schedule: &Schedule) -> Outcome {
    run_caught(schedule, None).unwrap_or_else(|failure| panic!("{name}: {failure}\n\n{schedule}"))
}

#[test]
fn each_story_ends_in_agreement_with_the_conflicts_it_tells_of() {
    let mut wrong = Vec::new();
    for Story(name, devices, steps, conflicts) in all() {
        let schedule = Schedule { devices, steps };
        let outcome = carried_out(name, &schedule);
        assert!(outcome.places <= PLACES);
        if outcome.conflicts != conflicts {
            wrong.push((name, outcome.conflicts));
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn the_kept_bytes_are_the_stories() {
    let stories: Vec<_> = all()
        .into_iter()
        .map(|Story(name, devices, steps, _)| {
            (name.to_owned(), Schedule { devices, steps }.encode())
        })
        .collect();
    if std::env::var_os("DRIFTLESS_WRITE_SEEDS").is_some() {
        for (name, bytes) in &stories {
            let written = fs::write(folder().join(name), bytes);
            written.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    let kept = kept();
    let names: BTreeSet<_> = stories.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), stories.len(), "each story has its own name");
    for (name, bytes) in &stories {
        let found = kept.iter().find(|(other, _)| other == name);
        assert_eq!(found.map(|(_, bytes)| bytes), Some(bytes), "{name}");
    }
}

#[test]
fn the_kept_inputs_end_in_agreement() {
    let stories: BTreeSet<_> = all().into_iter().map(|story| story.0.to_owned()).collect();
    // Those of the stories are carried out as such.
    for (name, bytes) in kept() {
        if !stories.contains(&name) {
            carried_out(&name, &Schedule::decode(&bytes));
        }
    }
}
