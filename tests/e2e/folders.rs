//! Four folders in trouble: random commands on them while processes are killed, files are damaged and repaired, backups
//! are brought back, folders are copied and both go on. In the end all hold the same, nothing is wrong with any of
//! them, and what another device had acknowledged, or what no damage came to, is there.
//!
//! As a test it is a few short lives. `cargo xtask soak folders --minutes 60 --seed 1` lives one after another, each from
//! the next seed; the same variables as of `devices` say how long, and `DRIFTLESS_STEPS` how long each is. What is done
//! depends on the seed; how far a process came when it is killed does not.

#[path = "folders/harm.rs"]
mod harm;
#[path = "folders/life.rs"]
mod life;
#[path = "folders/place.rs"]
mod place;
#[path = "folders/steps.rs"]
mod steps;

use std::time::{Duration, Instant};

use crate::devices::asked;
use life::{Figures, Life};

/// Steps of one life where nothing else is said.
const STEPS: u64 = 50;

/// Lives of the ordinary test: one in which everything comes about, and those that found a fault.
const KEPT: [u64; 5] = [1, 11, 40, 145, 181];

#[test]
fn folders_in_trouble_end_equal_and_whole() {
    let steps = asked("DRIFTLESS_STEPS").unwrap_or(STEPS);
    let minutes = asked("DRIFTLESS_MINUTES");
    let asked_for = asked("DRIFTLESS_SEED").or(minutes.map(|_| 1));
    let length = Duration::from_secs(minutes.unwrap_or(0) * 60);
    let begun = Instant::now();
    let minutes = || begun.elapsed().as_secs() / 60;
    let mut all = Figures::default();
    let Some(first) = asked_for else {
        for seed in KEPT {
            all.add(&life_of(seed, steps));
        }
        let is_reached = all.damages > 0 && all.kills > 0 && all.restored > 0 && all.copies > 0;
        assert!(is_reached, "this is what it is about: {all}");
        return;
    };
    for seed in first.. {
        all.add(&life_of(seed, steps));
        if begun.elapsed() >= length {
            break;
        }
        eprintln!("{} min: {all}", minutes());
    }
    let commit = std::env::var("DRIFTLESS_COMMIT").unwrap_or_else(|_| "(not given)".into());
    let minutes = minutes();
    println!("| `soak folders --seed {first}` | {commit} | {minutes} min | {all}; no failure |");
}

fn life_of(seed: u64, steps: u64) -> Figures {
    let mut life = Life::begin(seed);
    for _ in 0..steps {
        life.step();
    }
    life.ends_equal()
}
