//! Stories of folders that are restored or copied.

use driftless_testkit::schedule::{Step, StoreOfBackup};

use super::{A, B, C, Story, arrive, back, copy, live, set, sync};

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn all() -> Vec<Story> {
    let own = StoreOfBackup::Own;
    vec![
        Story(
            "a-backup-is-restored-and-goes-on",
            2,
            vec![
                set(A, 1),
                sync(A, B, 2),
                set(A, 2),
                sync(A, B, 2),
                back(A, 0, own),
                set(A, 3),
                set(B, 0),
            ],
            1,
        ),
        Story(
            "a-backup-is-restored-and-nobody-had-the-rest",
            2,
            vec![set(A, 1), back(A, 0, StoreOfBackup::None), set(A, 2)],
            0,
        ),
        Story(
            "a-journal-is-restored-beside-a-newer-store",
            2,
            vec![
                set(A, 1),
                Step::Backup { who: A },
                set(A, 2),
                sync(A, B, 2),
                back(A, 1, StoreOfBackup::Newer),
                set(A, 3),
            ],
            1,
        ),
        Story(
            "a-backup-is-restored-again-and-again",
            3,
            vec![
                set(A, 1),
                sync(A, B, 3),
                back(A, 0, own),
                set(A, 2),
                sync(A, C, 3),
                back(A, 0, own),
                set(A, 3),
                back(A, 0, own),
                set(A, 0),
            ],
            1,
        ),
        Story(
            "both-are-restored-and-have-forgotten-each-other",
            3,
            vec![
                set(A, 1),
                set(B, 2),
                sync(A, B, 3),
                sync(B, C, 3),
                back(A, 0, own),
                back(B, 0, own),
                set(A, 3),
                sync(A, B, 3),
                set(B, 0),
            ],
            1,
        ),
        Story(
            "a-backup-is-restored-while-others-are-connected",
            3,
            vec![
                live(B, A, 3),
                live(C, A, 3),
                arrive(0, 8),
                arrive(1, 8),
                set(A, 1),
                arrive(0, 4),
                back(A, 0, own),
                live(B, A, 3),
                set(A, 2),
                arrive(0, 8),
                live(C, A, 3),
                arrive(1, 3),
            ],
            1,
        ),
        Story(
            "a-folder-is-copied-and-both-go-on",
            2,
            vec![
                set(A, 1),
                copy(A, true),
                set(A, 2),
                set(C, 3),
                sync(A, B, 3),
                sync(C, B, 3),
                set(B, 0),
            ],
            1,
        ),
        Story(
            "a-copy-meets-what-it-was-copied-from",
            2,
            vec![
                copy(A, false),
                set(A, 2),
                set(C, 3),
                sync(A, C, 3),
                live(C, A, 3),
                set(A, 1),
                set(C, 1),
                arrive(0, 8),
                set(C, 0),
                arrive(0, 8),
            ],
            2,
        ),
        Story(
            "a-copy-of-a-copy",
            2,
            vec![
                copy(A, true),
                set(C, 1),
                copy(C, true),
                set(3, 2),
                set(A, 3),
                sync(3, B, 4),
                copy(3, false),
                set(4, 0),
                sync(4, A, 5),
                set(3, 1),
            ],
            1,
        ),
        Story(
            "a-copied-folder-is-restored",
            2,
            vec![
                set(A, 1),
                copy(A, true),
                set(A, 2),
                sync(A, B, 3),
                set(C, 3),
                back(A, 0, own),
                set(A, 0),
                back(C, 0, own),
                set(C, 2),
                live(A, C, 3),
                arrive(0, 8),
            ],
            1,
        ),
    ]
}
