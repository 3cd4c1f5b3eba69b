//! Stories of counters, texts, lists and sets.

use driftless_testkit::schedule::{
    ACKNOWLEDGE, ANOTHER_TEXT, BOTH, Packing, Step, StoreOfBackup, TypedEdit, TypedWrite, UNDO,
    Write,
};

use super::{
    A, B, C, Story, arrive, back, copy, decide, delete, live, pack, restore, set_at, sync, write,
};

fn typed(who: u8, edit: TypedEdit) -> Step {
    typed_at(who, edit, false)
}

fn typed_at(who: u8, edit: TypedEdit, shared: bool) -> Step {
    let record = 0;
    write(
        who,
        Write::Typed(TypedWrite {
            record,
            shared,
            edit,
        }),
    )
}

fn splice(who: u8, at: u8, delete: u8, insert: u8) -> Step {
    typed(who, TypedEdit::Splice { at, delete, insert })
}

// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn all() -> Vec<Story> {
    vec![
        Story(
            "counters-add-up",
            3,
            vec![
                typed(A, TypedEdit::Increment(2)),
                typed(B, TypedEdit::Increment(-3)),
                typed(C, TypedEdit::Increment(4)),
                sync(A, B, 3),
                typed(A, TypedEdit::Increment(1)),
                Step::Crash { who: A },
                sync(B, C, 3),
            ],
            0,
        ),
        Story(
            "texts-are-typed-at-both-ends",
            2,
            vec![
                splice(A, 0, 0, 7),
                live(A, B, 2),
                arrive(0, 8),
                splice(A, 3, 0, 3),
                splice(B, 6, 2, 1),
                arrive(0, 3),
                typed(B, TypedEdit::Append(6)),
                arrive(0, 8),
            ],
            0,
        ),
        Story(
            "a-text-is-replaced-twice",
            2,
            vec![
                splice(A, 0, 0, 3),
                sync(A, B, 2),
                typed(A, TypedEdit::Replace(7)),
                typed(B, TypedEdit::Replace(6)),
                sync(A, B, 2),
                decide(B, ANOTHER_TEXT),
                splice(A, 0, 3, 5),
            ],
            2,
        ),
        Story(
            "one-element-gets-two-values",
            2,
            vec![
                typed(A, TypedEdit::Push(0)),
                typed(A, TypedEdit::Push(1)),
                sync(A, B, 2),
                typed(A, TypedEdit::PutAt { at: 0, value: 2 }),
                typed(B, TypedEdit::PutAt { at: 0, value: 3 }),
                typed(B, TypedEdit::RemoveAt { at: 1, count: 1 }),
                typed(A, TypedEdit::PutAt { at: 1, value: 3 }),
                sync(B, A, 2),
                decide(A, BOTH),
                decide(A, 1),
                typed(B, TypedEdit::InsertAt { at: 0, value: 1 }),
            ],
            2,
        ),
        Story(
            "a-member-goes-and-stays",
            2,
            vec![
                typed(A, TypedEdit::Add(1)),
                sync(A, B, 2),
                typed(A, TypedEdit::Remove(1)),
                typed(B, TypedEdit::Remove(1)),
                typed(B, TypedEdit::Add(1)),
                sync(A, B, 2),
                decide(B, BOTH),
                decide(A, UNDO),
            ],
            1,
        ),
        Story(
            "one-field-made-as-three-types",
            3,
            vec![
                typed_at(A, TypedEdit::Push(1), true),
                typed_at(B, TypedEdit::Increment(2), true),
                typed_at(C, TypedEdit::Append(3), true),
                sync(A, B, 3),
                sync(B, C, 3),
                typed_at(C, TypedEdit::Increment(1), true),
                typed_at(A, TypedEdit::Add(1), true),
            ],
            0,
        ),
        Story(
            "bug-set-was-hidden-by-a-value-made-apart",
            2,
            vec![
                typed_at(A, TypedEdit::Increment(4), true),
                set_at(B, 0, 3, 2),
                sync(A, B, 2),
                set_at(A, 0, 3, 1),
                typed_at(B, TypedEdit::Push(4), true),
            ],
            0,
        ),
        Story(
            "deleted-while-it-is-typed-in",
            2,
            vec![
                splice(A, 0, 0, 7),
                sync(A, B, 2),
                delete(A),
                splice(B, 2, 1, 3),
                typed(B, TypedEdit::Push(3)),
                sync(A, B, 2),
                decide(A, ACKNOWLEDGE),
                restore(B),
                typed(B, TypedEdit::Increment(1)),
            ],
            1,
        ),
        Story(
            "typed-restored-and-copied",
            2,
            vec![
                splice(A, 0, 0, 3),
                typed(A, TypedEdit::Push(2)),
                sync(A, B, 2),
                back(A, 0, StoreOfBackup::Own),
                splice(A, 0, 0, 7),
                typed(A, TypedEdit::Push(3)),
                copy(A, true),
                splice(C, 1, 2, 5),
                typed(A, TypedEdit::Increment(3)),
                pack(A, Packing::All),
                typed(B, TypedEdit::PutAt { at: 0, value: 0 }),
                Step::LoseStore { who: B },
            ],
            1,
        ),
    ]
}
