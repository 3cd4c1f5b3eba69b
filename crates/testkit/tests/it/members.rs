//! Devices that are removed, adopted and let back in: every order of arrival comes to what the oracle says.

use driftless_testkit::members::{Reached, run};

/// Histories of the ordinary tests; many more run by `cargo xtask soak members`.
const HISTORIES: u64 = 40;

/// Histories that failed once: of one envelope two runs of its device issued again, and both counted.
const KEPT: [u64; 1] = [20_164];

#[test]
fn what_is_admitted_is_a_function_of_envelopes_and_membership_records() {
    let mut all = Reached::default();
    for seed in (0..HISTORIES).chain(KEPT) {
        let reached = run(seed).unwrap_or_else(|why| panic!("history {seed}: {why}"));
        all.add(&reached);
    }
    let Reached {
        removals,
        quarantined,
        void,
        adopted,
        returned,
        split,
        reissued,
        duplicates,
        ..
    } = all;
    for reached in [
        removals,
        quarantined,
        void,
        adopted,
        returned,
        split,
        reissued,
        duplicates,
    ] {
        assert!(reached > 0, "the histories reach all there is: {all:?}");
    }
}
