//! A session of random edits on three devices, each a folder that a process of its own serves, while the processes
//! are stopped, killed and started again: everybody ends with the same, and nothing that was acknowledged is gone.
//!
//! As a test it has a few dozen steps. `cargo xtask soak devices --minutes 60 --seed 1` runs the long form, which is
//! asked for with the environment: `DRIFTLESS_MINUTES` or `DRIFTLESS_STEPS` is its length, `DRIFTLESS_SEED` what
//! everything is drawn from, `DRIFTLESS_COMMIT` what the line for the ledger names. What is done depends on the seed
//! alone; what meets what depends on how fast the processes are.

#[path = "devices/fleet.rs"]
mod fleet;
#[path = "devices/session.rs"]
mod session;
#[path = "devices/witness.rs"]
mod witness;

use std::time::{Duration, Instant};

use session::Session;

/// Steps of the session where nothing else is said.
const STEPS: u64 = 60;

/// Steps a second of a session whose length is a time: about what three busy people do.
const STEPS_A_SECOND: u32 = 8;

const BETWEEN_LINES: Duration = Duration::from_secs(60);

#[test]
fn a_session_of_random_edits_on_three_devices_ends_equal() {
    let seed = asked("DRIFTLESS_SEED").unwrap_or(1);
    let minutes = asked("DRIFTLESS_MINUTES");
    let steps = asked("DRIFTLESS_STEPS").or(minutes.is_none().then_some(STEPS));
    let begun = Instant::now();
    let end = minutes.map(|minutes| begun + Duration::from_secs(minutes * 60));
    let mut told = begun;
    let mut session = Session::begin(seed);
    let is_over = |session: &Session| {
        steps.is_some_and(|steps| session.figures.steps >= steps)
            || end.is_some_and(|end| Instant::now() >= end)
    };
    while !is_over(&session) {
        let length = session.length_of_round();
        for step in 0..length {
            if is_over(&session) {
                break;
            }
            if minutes.is_some() {
                session.watch_until(begun + session.figures.steps_last(STEPS_A_SECOND));
            }
            session.step(step == length / 2);
            if told.elapsed() >= BETWEEN_LINES {
                told = Instant::now();
                eprintln!(
                    "{} min: {}",
                    begun.elapsed().as_secs() / 60,
                    session.figures
                );
            }
        }
        session.gather();
    }
    let length = begun.elapsed().as_secs() / 60;
    session.ends_equal();
    let figures = &session.figures;
    assert!(
        figures.conflicts > 0 && figures.kills > 0 && figures.edits.iter().all(|edits| *edits > 0),
        "edits on all, kills and overlaps are what this is about: {figures}"
    );
    let commit = std::env::var("DRIFTLESS_COMMIT").unwrap_or_else(|_| "(not given)".into());
    println!("| `soak devices --seed {seed}` | {commit} | {length} min | {figures}; no failure |");
}

/// A number of the environment.
pub fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
