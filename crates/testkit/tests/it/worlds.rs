//! Simulated worlds: network, disks, processes, clocks and members fail as a seed says, and all agree afterwards.

use std::collections::BTreeMap;

use driftless_testkit::world::{Mischief, SimCanary, simulate, simulate_with};

/// Worlds of each run.
const CASES: u64 = 120;
/// Of fewer than these it is not asked what they reached.
const FEW: u64 = 100;
/// What their seeds begin at.
const FIRST_SEED: u64 = 5_000_000;
/// Worlds within which each canary has to be found.
const CANARY_CASES: u64 = 60;

fn cases() -> u64 {
    let asked = std::env::var("DRIFTLESS_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

#[test]
fn whatever_breaks_all_agree_once_it_is_healed() {
    let mut befell = BTreeMap::<String, u64>::new();
    for seed in FIRST_SEED..FIRST_SEED + cases() {
        match simulate(seed) {
            Ok(outcome) => {
                for what in outcome.befell.into_keys() {
                    *befell.entry(what).or_default() += 1;
                }
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    // Worlds in which nothing breaks would all pass.
    let never = Mischief::ALL
        .into_iter()
        .filter(|mischief| !befell.contains_key(&format!("{mischief:?}")));
    let never: Vec<_> = never.collect();
    assert!(cases() < FEW || never.is_empty(), "{never:?} of {befell:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..20 {
        let once = simulate(seed);
        assert!(once.is_ok(), "{once:?}");
        assert_eq!(simulate(seed), once, "seed {seed}");
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for canary in SimCanary::ALL {
        let said = match canary {
            SimCanary::DroppedDelivery | SimCanary::ForgottenTimer => "L2",
            SimCanary::UnstableOrder => "S1",
            SimCanary::AcknowledgedEarly => "S2",
            SimCanary::AnySignature => "S12",
            SimCanary::SyncedTooEarly => "S9",
            SimCanary::TalkedToStranger => "S7",
        };
        let found = (0..CANARY_CASES).find(|seed| {
            let failed = simulate_with(*seed, Some(canary)).err();
            failed.is_some_and(|failure| failure.what.contains(said))
        });
        println!("{canary:?} is found by world {found:?}");
        assert!(found.is_some(), "{canary:?} is not found");
    }
}
