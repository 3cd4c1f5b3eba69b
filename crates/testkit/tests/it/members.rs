//! Devices that are removed, adopted and let back in: every order of arrival comes to what the oracle says.

use std::sync::LazyLock;

use driftless_testkit::members::{Manner, Reached, run, run_as};

/// Histories of the ordinary tests; many more run by `cargo xtask soak members`.
const HISTORIES: u64 = 40;
/// Histories that failed once: of one envelope two runs of its device issued again, and both counted; and changes of two
/// records were equal, which the harness took for one; and of two runs that made one change one knew of a removal, which
/// those who built on the other's were to know too; and of a text whose removed characters cannot be removed again, which
/// its device leaves open for a person to see.
const KEPT: [(u64, Manner); 4] = [
    (
        20_164,
        Manner {
            copies: false,
            inside: false,
        },
    ),
    (
        100_099,
        Manner {
            copies: true,
            inside: true,
        },
    ),
    (
        101_136,
        Manner {
            copies: false,
            inside: false,
        },
    ),
    (
        400_713,
        Manner {
            copies: true,
            inside: true,
        },
    ),
];

/// What the histories came to, or what is wrong with one.
static REACHED: LazyLock<Result<Reached, String>> = LazyLock::new(|| {
    let mut all = Reached::default();
    for seed in 0..HISTORIES {
        let reached = run(seed).map_err(|why| format!("history {seed}: {why}"))?;
        all.add(&reached);
    }
    Ok(all)
});

#[test]
fn what_is_admitted_is_a_function_of_envelopes_and_membership_records() {
    let all = REACHED.as_ref().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(all.never(), [""; 0], "of {HISTORIES} histories: {all:?}");
}

#[test]
fn histories_that_failed_once_do_not() {
    for (seed, manner) in KEPT {
        let reached = run_as(seed, manner);
        reached.unwrap_or_else(|why| panic!("history {seed} {manner:?}: {why}"));
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    let all = REACHED.as_ref().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(all.unnoticed(), [], "of {HISTORIES} histories: {all:?}");
}
