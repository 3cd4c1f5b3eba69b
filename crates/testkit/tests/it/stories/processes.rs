//! Stories of processes that end, and of disks that forget.

use driftless_testkit::schedule::{Fault, Step};

use super::{A, B, C, Story, arrive, import, live, set, stage, sync};

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn all() -> Vec<Story> {
    let mut restarts = vec![];
    for n in 0..12 {
        restarts.extend([
            set(A, n % 4),
            Step::Reopen { who: A },
            set(B, n % 3),
            Step::Crash { who: B },
        ]);
        if n % 4 == 3 {
            restarts.push(sync(A, B, 2));
        }
    }
    let fail = |how, coin| Step::FailCommit { who: A, how, coin };
    let mut power = vec![];
    for n in 1..=6 {
        power.extend([
            stage(A, n % 4),
            fail(Fault::Power(n), n),
            set(B, (n + 1) % 4),
        ]);
    }
    vec![
        Story("restarted-again-and-again", 2, restarts, 3),
        Story(
            "killed-with-staged-edits",
            2,
            vec![
                stage(A, 1),
                Step::Crash { who: A },
                stage(A, 2),
                Step::Commit { who: A },
                Step::Crash { who: A },
            ],
            0,
        ),
        Story("power-goes-at-each-operation", 2, power, 1),
        Story(
            "power-goes-between-commits",
            2,
            vec![
                import(A, 1),
                stage(A, 2),
                Step::PowerLoss {
                    who: A,
                    kept: 0,
                    coin: 3,
                },
                set(A, 3),
                Step::PowerLoss {
                    who: A,
                    kept: 1,
                    coin: 4,
                },
            ],
            0,
        ),
        Story(
            "a-barrier-fails-and-then-the-store",
            2,
            vec![
                fail(Fault::Sync, 1),
                set(A, 2),
                fail(Fault::Store, 3),
                set(B, 1),
            ],
            1,
        ),
        Story(
            "a-store-is-lost-and-one-is-stale",
            2,
            vec![
                import(A, 1),
                Step::Backup { who: A },
                set(A, 2),
                sync(A, B, 2),
                set(B, 3),
                Step::LoseStore { who: B },
                Step::StaleStore { who: A, backup: 1 },
                Step::StaleStore { who: A, backup: 0 },
            ],
            0,
        ),
        Story(
            "killed-in-the-middle-of-a-sync",
            3,
            vec![
                import(A, 1),
                live(B, A, 3),
                arrive(0, 4),
                Step::Crash { who: B },
                live(B, A, 3),
                arrive(0, 5),
                Step::PowerLoss {
                    who: A,
                    kept: 2,
                    coin: 9,
                },
                live(C, A, 3),
                arrive(0, 6),
            ],
            0,
        ),
    ]
}
