//! Simulated worlds: network, disks, processes, clocks and members fail as a seed says, and all agree afterwards.

use std::collections::BTreeMap;

use driftless_testkit::world::{
    Mischief, SimCanary, make_smaller, simulate, simulate_where, simulate_with,
};

/// Worlds of each run.
const CASES: u64 = 120;
/// Of fewer than these it is not asked what they reached.
const FEW: u64 = 100;
/// Worlds of one kind.
const FEW_CASES: u64 = 16;
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

/// How often what befell somebody in some worlds where some things happen often; none may fail.
fn befell_where(often: &[Mischief]) -> BTreeMap<String, u64> {
    let mut befell = BTreeMap::<String, u64>::new();
    for seed in 0..FEW_CASES {
        match simulate_where(seed, often) {
            Ok(outcome) => {
                for (what, count) in outcome.befell {
                    *befell.entry(what).or_default() += count;
                }
            }
            Err(failure) => panic!(
                "{failure}\nmade smaller:\n{}",
                make_smaller(&failure, None, &|| true)
            ),
        }
    }
    befell
}

#[test]
fn a_member_that_is_removed_on_the_way_counts_alike_everywhere() {
    let befell = befell_where(&[Mischief::Leaver, Mischief::Remove]);
    for what in ["Removed", "Adopted"] {
        assert!(befell.contains_key(what), "{what} of {befell:?}");
    }
}

#[test]
fn a_member_that_signs_two_envelopes_with_one_number_is_found_out_and_counts_nowhere() {
    let befell = befell_where(&[Mischief::Equivocator]);
    // What others wrote on top of one of them.
    assert!(befell.contains_key("Issued again"), "{befell:?}");
}

#[test]
fn what_two_runs_of_one_memory_image_wrote_is_written_again() {
    let befell = befell_where(&[Mischief::Twin]);
    assert!(befell.contains_key("Issued again"), "{befell:?}");
}

/// None of these worlds fails.
#[track_caller]
fn do_not_fail(seeds: &[u64]) {
    for seed in seeds {
        if let Err(failure) = simulate(*seed) {
            panic!("{failure}");
        }
    }
}

#[test]
fn worlds_whose_sessions_failed_once_do_not() {
    // A session was told of envelopes of a branch under the name of the feed that it left; it got some of a branch in one
    // frame with what proves that there is one; after a feed was found to be split it took minutes until the two met again;
    // what came since the cursors were exchanged was built upon, and the peer held it otherwise, as its cursor says or a
    // position.
    do_not_fail(&[903_003, 905_103, 1_000_194, 7_012_759, 9_035_152]);
}

#[test]
fn worlds_with_void_work_that_failed_once_do_not() {
    // What is void was held against the oracle; what a void change had written already could not be written; work on top
    // of one of two equal changes was taken for work on the other.
    do_not_fail(&[906_026, 3_004_641, 3_005_046, 5_001_594]);
}

#[test]
fn worlds_whose_stores_failed_once_do_not() {
    // A store that was cut off while all was derived again was said to be damaged, one without a record yet too; a copy of
    // a device had not sent what it had just committed.
    do_not_fail(&[4_004_755, 7_005_891, 7_008_254]);
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

#[test]
fn a_world_that_fails_is_made_smaller_and_tells_its_story() {
    // What fails whatever happens, and what fails where one thing happens.
    let stories = [
        (SimCanary::ForgottenTimer, None, "L2"),
        (SimCanary::AnySignature, Some(Mischief::Forger), "S12"),
    ];
    for (canary, cause, said) in stories {
        let mut failures = (0..CANARY_CASES).filter_map(|seed| {
            let failed = simulate_with(seed, Some(canary)).err();
            failed
                .filter(|failure| failure.what.contains(said) && failure.odds.happening().len() > 3)
        });
        let failure = failures
            .next()
            .expect("a world fails in which much happens");
        let small = make_smaller(&failure, Some(canary), &|| true);
        assert!(small.what.contains(said), "{small}");
        assert_eq!(small.seed, failure.seed);
        let left = small.odds.happening();
        assert!(left.len() <= 1, "{small}");
        assert!(cause.is_none() || left.first() == cause.as_ref(), "{small}");
        assert!(small.odds.devices <= failure.odds.devices);
        assert!(small.odds.ticks <= failure.odds.ticks);
        assert_eq!(
            (small.odds.devices, small.odds.extra_links),
            (2, 0),
            "{small}"
        );
        assert!(!small.story.is_empty(), "{small}");
        let told = small.to_string();
        assert!(told.contains(&small.story[0]), "{told}");
        // Smaller it does not become.
        assert_eq!(
            make_smaller(&small, Some(canary), &|| true).odds,
            small.odds
        );
    }
}
