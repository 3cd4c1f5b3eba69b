//! Stories of connections: cut, live, several at once, spoilt.

use driftless_testkit::schedule::{Manner, Packing, Step, StoreOfBackup};

use super::{
    A, B, C, Story, arrive, back, connect, copy, cut, import, live, pack, refuse, set, sync,
    take_back,
};

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn all() -> Vec<Story> {
    let mut cuts: Vec<_> = (1..=8)
        .flat_map(|frames| {
            [
                import(A, frames % 4),
                set(B, frames % 4),
                cut(B, A, 2, frames),
            ]
        })
        .collect();
    cuts.push(sync(B, A, 2));
    let burst: Vec<_> = (0..20)
        .flat_map(|n| [set(n % 3, n % 4), arrive(0, 1), arrive(1, 1)])
        .collect();
    vec![
        Story("cut-after-each-frame", 2, cuts, 0),
        Story(
            "live-edits-go-out-at-once",
            2,
            vec![
                live(B, A, 2),
                arrive(0, 8),
                set(A, 1),
                arrive(0, 1),
                set(B, 2),
                arrive(0, 8),
            ],
            0,
        ),
        Story(
            "live-edits-cross",
            2,
            vec![
                live(B, A, 2),
                arrive(0, 8),
                set(A, 1),
                set(B, 2),
                arrive(0, 2),
            ],
            1,
        ),
        Story(
            "live-edits-while-greeting",
            2,
            vec![
                live(B, A, 2),
                set(A, 1),
                arrive(0, 1),
                set(B, 2),
                arrive(0, 1),
                set(A, 3),
                arrive(0, 1),
                set(B, 0),
            ],
            1,
        ),
        Story(
            "live-chain-passes-edits-on",
            3,
            [
                vec![live(A, B, 3), live(B, C, 3), arrive(0, 8), arrive(1, 8)],
                burst.clone(),
            ]
            .concat(),
            1,
        ),
        Story(
            "live-ring",
            3,
            [vec![live(A, B, 3), live(B, C, 3), live(C, A, 3)], burst].concat(),
            1,
        ),
        Story(
            "two-sessions-of-one-pair",
            2,
            vec![
                live(A, B, 2),
                live(B, A, 2),
                set(A, 1),
                arrive(0, 5),
                set(B, 2),
                arrive(1, 5),
                arrive(0, 8),
                set(A, 3),
                arrive(1, 8),
            ],
            0,
        ),
        Story(
            "live-cut-and-dialled-again",
            2,
            vec![
                live(A, B, 2),
                arrive(0, 8),
                set(A, 1),
                arrive(0, 1),
                Step::Disconnect { link: 0 },
                set(B, 2),
                live(A, B, 2),
                arrive(0, 3),
                set(A, 2),
            ],
            0,
        ),
        Story(
            "one-stays-and-one-parts",
            2,
            vec![
                connect(A, B, 2, Manner::LiveAndOnce),
                set(A, 1),
                arrive(0, 8),
                set(B, 2),
            ],
            1,
        ),
        Story(
            "mute-and-deaf",
            3,
            vec![
                connect(A, B, 3, Manner::Mute),
                connect(B, C, 3, Manner::Deaf),
                connect(C, A, 3, Manner::MuteListener),
                set(A, 1),
                set(B, 2),
                set(C, 3),
                arrive(0, 8),
                arrive(1, 8),
                arrive(2, 8),
                set(A, 0),
                arrive(2, 8),
            ],
            1,
        ),
        Story(
            "a-frame-arrives-twice",
            2,
            vec![
                set(A, 1),
                live(A, B, 2),
                arrive(0, 3),
                Step::Duplicate { link: 0, side: 1 },
                arrive(0, 8),
                set(B, 2),
            ],
            0,
        ),
        Story(
            "a-frame-of-an-old-session",
            2,
            vec![
                set(A, 1),
                sync(A, B, 2),
                set(B, 2),
                live(A, B, 2),
                arrive(0, 2),
                Step::Replay {
                    link: 0,
                    side: 1,
                    frame: 4,
                },
                arrive(0, 8),
                Step::Replay {
                    link: 0,
                    side: 0,
                    frame: 7,
                },
                arrive(0, 8),
            ],
            0,
        ),
        Story(
            "refused-and-later-taken",
            3,
            vec![refuse(A, B, 3, false), sync(A, C, 3), set(C, 2)],
            0,
        ),
        Story(
            "refused-and-taken-back",
            3,
            vec![
                set(A, 1),
                set(B, 2),
                refuse(A, B, 3, true),
                set(A, 3),
                sync(A, C, 3),
                set(C, 0),
            ],
            1,
        ),
        Story(
            "taken-back-while-a-copy-passes-it-on",
            3,
            vec![
                refuse(A, B, 3, false),
                copy(A, true),
                sync(3, C, 4),
                set(C, 2),
                take_back(A, 0),
                set(A, 1),
                sync(A, B, 4),
                set(3, 3),
                take_back(3, 0),
            ],
            1,
        ),
        Story(
            "taken-back-and-restored-from-before",
            3,
            vec![
                refuse(A, B, 3, true),
                sync(A, C, 3),
                set(C, 1),
                back(A, 0, StoreOfBackup::Own),
                set(A, 2),
                refuse(A, C, 3, true),
                pack(A, Packing::All),
                Step::LoseStore { who: A },
            ],
            1,
        ),
        Story(
            "taken-back-where-nothing-is-sent",
            2,
            vec![
                refuse(A, B, 2, false),
                set(B, 1),
                set(A, 3),
                // It arrives, and A does not hear of that.
                cut(A, B, 2, 3),
                connect(B, A, 2, Manner::MuteListener),
                take_back(A, 0),
            ],
            0,
        ),
    ]
}
