//! Whatever happens to a few devices, they agree afterwards: random schedules, one after the other.

use driftless_testkit::schedule::Schedule;
use driftless_testkit::shrink::shrink;
use driftless_testkit::world::{Failure, run_caught};

use crate::keep;
use crate::options::{Options, cpu_text};

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let (mut changes, mut frames) = (0_u64, 0_u64);
    let cases = options.each("schedules", |seed| {
        let schedule = Schedule::random(seed);
        match run_caught(&schedule, None) {
            Ok(outcome) => {
                changes += outcome.changes as u64;
                frames += outcome.frames;
                Ok(())
            }
            Err(failure) => Err(report(&format!("convergence-{seed}"), &schedule, &failure)),
        }
    })?;
    options.ledger(&format!(
        "| `soak convergence --seed {} --cases {cases}` | {} | {cases} | {} | {changes} changes, {frames} frames; no failure |",
        options.seed,
        options.commit,
        cpu_text()
    ));
    Ok(())
}

/// Carries out a kept schedule and tells it; whether it passed.
pub(crate) fn replay(name: &str, bytes: &[u8]) -> bool {
    let schedule = Schedule::decode(bytes);
    println!("{name}: {schedule}");
    match run_caught(&schedule, None) {
        Ok(outcome) => {
            println!("{outcome:?}\n");
            true
        }
        Err(failure) => {
            let name = format!("{name}-small");
            println!("FAILED {}\n", report(&name, &schedule, &failure));
            false
        }
    }
}

/// Makes a failing schedule small, keeps it and tells it.
fn report(name: &str, schedule: &Schedule, failure: &Failure) -> String {
    eprintln!("{name}: {failure}\nmaking it smaller ...");
    let small = shrink(schedule, &mut |smaller| run_caught(smaller, None).is_err());
    let last = run_caught(&small, None).err();
    let last = last.unwrap_or_else(|| failure.clone());
    format!("{small}\n{last}\n\n{}", keep(name, &small.encode()))
}
