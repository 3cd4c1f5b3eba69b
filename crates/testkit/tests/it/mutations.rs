//! A share of the altered inputs, and all that were kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use driftless_testkit::mutations::{Class, Fate, Mutations, Trying, folder};

fn cases() -> u64 {
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(3_000)
}

fn seed() -> u64 {
    let wanted = std::env::var("DRIFTLESS_SEED").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// The inputs of a class that are tried here; those that go to a whole replica take longest.
fn share(class: Class) -> u64 {
    match class {
        Class::Session | Class::Stored => cases() / 4,
        _ => cases(),
    }
}

#[test]
fn altered_inputs_break_nothing() {
    let name = format!("test-{}", seed());
    let trying = Trying::new(&std::env::temp_dir(), &name);
    let mut mutations = Mutations::new(seed()).trying(trying);
    for class in Class::ALL {
        for case in 0..share(class) {
            if let Err(broken) = mutations.next_of(class) {
                let path = std::env::temp_dir().join(format!("{}-{case}", class.name()));
                fs::write(&path, &broken.input).expect("the input can be kept");
                panic!("case {case}: {}; kept as {}", broken.why, path.display());
            }
        }
        let taken = mutations.tally.taken(class);
        assert!(taken > share(class) / 100, "{taken} of {class:?} taken");
    }
    mutations.finish().expect("all is as it was");
    println!("{}", mutations.tally);
}

/// An input that came to each fate is kept, small ones; `DRIFTLESS_WRITE_SEEDS=1` looks for them anew.
#[test]
fn each_fate_of_each_class_is_reached_by_a_kept_input() {
    let write = std::env::var_os("DRIFTLESS_WRITE_SEEDS").is_some();
    let mut mutations = Mutations::new(3);
    for class in Class::ALL {
        let examples = if write {
            mutations.examples(class, 3_000)
        } else {
            BTreeMap::new()
        };
        for (fate, input) in examples {
            let name = fate
                .to_string()
                .replace(": ", "-")
                .replace([' ', '\''], "-");
            fs::write(folder(class).join(name), input).expect("a seed can be written");
        }
        let files = fs::read_dir(folder(class)).expect("the folder of seeds is there");
        let fates: BTreeSet<Fate> = files
            .map(|file| fs::read(file.expect("it can be listed").path()).expect("it reads"))
            .map(|input| {
                mutations
                    .try_one(class, &input)
                    .expect("it breaks nothing")
                    .0
            })
            .collect();
        assert!(fates.contains(&Fate::Taken), "{class:?}: {fates:?}");
        assert!(fates.len() > 1, "{class:?}: {fates:?}");
    }
}

#[test]
fn what_is_kept_breaks_nothing() {
    let mut mutations = Mutations::new(seed());
    for class in Class::ALL {
        let files = fs::read_dir(folder(class)).expect("the folder of seeds is there");
        for file in files {
            let path = file.expect("its files can be listed").path();
            let input = fs::read(&path).expect("a seed can be read");
            match mutations.try_one(class, &input) {
                Ok((fate, cost)) => println!("{}: {fate} {cost:?}", path.display()),
                Err(why) => panic!("{}: {why}", path.display()),
            }
        }
    }
    mutations.finish().expect("all is as it was");
}
