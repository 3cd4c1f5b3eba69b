//! A device's journal and store are damaged anywhere: it is said, it is mended, and nothing that is whole is lost.

use driftless_testkit::damage::{Reached, run};

/// Cases of the ordinary tests; many more run by `cargo xtask soak repair`.
const CASES: u64 = 60;
/// Cases that failed once: what waited on a branch was not taken in again; a store without its state, and one from before a
/// repair, were not named; what was noted of a feed before it was split was missing for ever; a broken group with a later one,
/// cut short, behind it was taken for torn; a store behind its journal lacked what no opening could do without;
/// what waited for what was gone, and was lost itself later, was not named; a store beside the journal of another device;
/// a setting that was gone and came again from the journal was counted twice.
const KEPT: [u64; 17] = [
    205, 227, 237, 321, 3_012, 944, 1_664, 1_869, 2_161, 3_510, 2_000_353, 2_100_540, 2_100_677,
    3_001_081, 3_002_116, 3_100_082, 3_202_012,
];

#[test]
fn whatever_is_damaged_is_said_and_mended_without_losing_what_is_whole() {
    let mut all = Reached::default();
    for seed in (0..CASES).chain(KEPT) {
        let reached = run(seed).unwrap_or_else(|why| panic!("case {seed}: {why}"));
        all.add(&reached);
    }
    let Reached {
        journals,
        stores,
        harmless,
        gone,
        waited,
        lost,
        ..
    } = all;
    for reached in [journals, stores, harmless, gone, waited, lost] {
        assert!(reached > 0, "the cases reach all there is: {all:?}");
    }
}
