//! Worlds in which everything fails as a seed says, one after the other.

use std::collections::BTreeMap;

use driftless_testkit::world::{make_smaller, simulate};

use crate::options::{Options, cpu_text};

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let (mut changes, mut frames, mut events, mut device_ms) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut befell = BTreeMap::<String, u64>::new();
    let carry_out = |seed| {
        simulate(seed).map_err(|failure| {
            let smaller = make_smaller(&failure, None);
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
