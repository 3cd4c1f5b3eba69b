//! Schedules of edits, deliveries, crashes and restored folders: whatever happens, all agree afterwards.

use std::fmt::Write as _;

use driftless_testkit::schedule::Schedule;
use driftless_testkit::shrink::shrink;
use driftless_testkit::world::{Canary, Failure, run_caught};

/// Random schedules of each run.
const CASES: u64 = 1_200;
/// Of fewer than these it is not asked what they reached.
const FEW: u64 = 200;
/// What their seeds begin at.
const FIRST_SEED: u64 = 2_026_000_000;
/// Random schedules within which each canary has to be found.
const CANARY_CASES: u64 = 40;

fn cases() -> u64 {
    let asked = std::env::var("DRIFTLESS_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

/// Makes a failing schedule small, and tells it with the bytes that repeat it.
fn report(name: &str, schedule: &Schedule, failure: &Failure) -> String {
    let small = shrink(schedule, &mut |smaller| run_caught(smaller, None).is_err());
    let last = run_caught(&small, None).err();
    let mut bytes = String::new();
    for byte in small.encode() {
        let _ = write!(bytes, "{byte:02x}");
    }
    format!(
        "{name}: {failure}\n\nthe smallest that fails:\n{small}\n{}\n\nits bytes: {bytes}",
        last.unwrap_or_else(|| failure.clone())
    )
}

#[test]
fn whatever_happens_all_agree_afterwards() {
    let (mut contested, mut copied, mut rested) = (0, 0, 0);
    for seed in FIRST_SEED..FIRST_SEED + cases() {
        let schedule = Schedule::random(seed);
        match run_caught(&schedule, None) {
            Ok(outcome) => {
                contested += u64::from(outcome.conflicts > 0);
                copied += u64::from(outcome.places > schedule.devices);
                rested += u64::from(outcome.rests > 0);
            }
            Err(failure) => panic!("{}", report(&format!("seed {seed}"), &schedule, &failure)),
        }
    }
    // Schedules to which nothing happens would all pass.
    let reached = [contested * 4, copied * 40, rested * 12];
    assert!(
        cases() < FEW || reached.iter().all(|count| *count >= cases()),
        "of {} schedules {contested} had conflicts, {copied} a copied folder, {rested} a live session",
        cases()
    );
}

#[test]
fn the_same_schedule_leaves_the_same_trace() {
    for seed in 0..20 {
        let schedule = Schedule::random(seed);
        let once = run_caught(&schedule, None);
        assert!(once.is_ok(), "{once:?}");
        assert_eq!(run_caught(&schedule, None), once, "seed {seed}");
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    let canaries = [
        (Canary::LostFrame, "stalls"),
        (Canary::ForgottenCommits, "had been acknowledged here"),
        (Canary::LateWrite, "rows differ"),
        (Canary::LostValue, "missing"),
        (Canary::UnseenChange, "does not follow"),
        (Canary::WrongValue, "verify finds"),
    ];
    for (canary, said) in canaries {
        let found: Vec<_> = (0..CANARY_CASES)
            .filter_map(|seed| run_caught(&Schedule::random(seed), Some(canary)).err())
            .map(|failure| failure.what)
            .collect();
        let named = found.iter().any(|what| what.contains(said));
        assert!(named, "{canary:?} was found as {found:#?}");
    }
}
