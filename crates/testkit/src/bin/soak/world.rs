//! Worlds in which everything fails as a seed says, one after the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use driftless_testkit::world::{make_smaller, simulate};

use crate::options::{Options, cpu_text};

/// How long a failure is made smaller.
const TO_MAKE_SMALLER: Duration = Duration::from_secs(120);

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let (mut changes, mut frames, mut events, mut device_ms) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut befell = BTreeMap::<String, u64>::new();
    let carry_out = |seed| {
        simulate(seed).map_err(|failure| {
            // Said at once: to make it smaller can take long, and who ends the run meanwhile should have it.
            eprintln!("{failure}\n\nmaking it smaller …");
            let begun = Instant::now();
            let smaller = make_smaller(&failure, None, &|| begun.elapsed() < TO_MAKE_SMALLER);
            format!("{failure}\n\nmade smaller:\n{smaller}")
        })
    };
    let cases = options.each_at_once("worlds", carry_out, |outcome| {
        changes += outcome.world.changes as u64;
        frames += outcome.world.frames;
        events += outcome.events;
        device_ms += outcome.device_ms;
        for (what, count) in outcome.befell {
            *befell.entry(what).or_default() += count;
        }
    })?;
    let told: Vec<String> = befell.iter().map(|(w, n)| format!("{w}: {n}")).collect();
    println!("befell: {}", told.join(", "));
    let faults: u64 = befell.values().sum();
    println!(
        "| `soak world --seed {} --cases {cases}` | {} | {cases} | {} | {changes} changes, {frames} frames, {events} events, {faults} faults, {} days of devices; no failure |",
        options.seed,
        options.commit,
        cpu_text(),
        device_ms / 86_400_000,
    );
    Ok(())
}
