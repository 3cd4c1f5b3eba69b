//! Stories of what people write apart.

use driftless_testkit::schedule::{ANOTHER_VALUE, INSIDE_OBJECT, Jump, Step, Write};

use super::{A, B, C, Story, decide, delete, import, restore, set, set_at, sync, write};

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn all() -> Vec<Story> {
    vec![
        Story("nothing-happens", 2, vec![], 0),
        Story("two-edits-of-one-field", 2, vec![set(A, 1), set(B, 2)], 1),
        Story("two-edits-that-agree", 2, vec![set(A, 1), set(B, 1)], 0),
        Story(
            "edits-of-two-fields",
            2,
            vec![set_at(A, 0, 0, 1), set_at(B, 0, 3, 2)],
            0,
        ),
        Story("edit-against-delete", 2, vec![set(A, 1), delete(B)], 1),
        Story(
            "delete-restored-elsewhere",
            3,
            vec![
                delete(A),
                sync(A, B, 3),
                restore(B),
                delete(C),
                set(A, 2),
                restore(A),
            ],
            1,
        ),
        Story(
            "value-against-object",
            2,
            vec![set_at(A, 0, 1, 3), set_at(B, 0, 1, INSIDE_OBJECT | 2)],
            2,
        ),
        Story(
            "edit-below-what-is-unset",
            2,
            vec![
                set_at(A, 0, 2, 3),
                write(
                    B,
                    Write::Unset {
                        record: 0,
                        field: 1,
                    },
                ),
            ],
            1,
        ),
        Story(
            "decided-and-edited-at-once",
            3,
            vec![
                set(A, 1),
                set(B, 2),
                sync(A, B, 3),
                decide(A, 0),
                set(B, 3),
                set(C, 3),
            ],
            1,
        ),
        Story(
            "decided-twice-in-two-ways",
            2,
            vec![
                set(A, 1),
                set(B, 2),
                sync(A, B, 2),
                decide(A, 0),
                decide(B, ANOTHER_VALUE),
            ],
            2,
        ),
        Story(
            "imports-of-the-same-keys",
            3,
            vec![import(A, 1), import(B, 2), import(C, 1), sync(A, C, 3)],
            70,
        ),
        Story(
            "clocks-a-year-apart",
            3,
            vec![
                Step::Clock {
                    who: A,
                    jump: Jump::YearAhead,
                },
                Step::Clock {
                    who: B,
                    jump: Jump::YearBack,
                },
                set(A, 1),
                set(B, 2),
                sync(A, B, 3),
                set(B, 3),
                sync(B, C, 3),
                Step::Clock {
                    who: A,
                    jump: Jump::Epoch,
                },
                set(A, 2),
                write(A, Write::Insert { collection: 1 }),
            ],
            2,
        ),
    ]
}
