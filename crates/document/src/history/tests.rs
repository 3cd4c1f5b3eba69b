#![allow(clippy::unwrap_used)]

use super::*;
use crate::change::{Action, Operation};
use crate::ids::{ActorId, EntryId, OpId};
use crate::path::{DELETED, REVIEW};
use crate::value::Value;

/// A change on some others; `writes` are keys with what replaces what.
fn change(actor: u8, seq: u64, past: &[&Change], writes: &[(&str, Action, &[OpId])]) -> Change {
    let mut deps: Vec<_> = past.iter().map(|change| change.hash).collect();
    deps.sort_unstable();
    let operations = writes.iter().map(|(key, action, pred)| Operation {
        key: (*key).to_owned(),
        action: action.clone(),
        pred: pred.to_vec(),
    });
    Change {
        hash: ChangeHash(
            *blake3::hash(
                &[[u64::from(actor), seq].map(u64::to_le_bytes)]
                    .concat()
                    .concat(),
            )
            .as_bytes(),
        ),
        actor: ActorId([actor; 16]),
        seq,
        start_op: past.iter().map(|change| change.max_op()).max().unwrap_or(0) + 1,
        deps,
        time: i64::try_from(seq).unwrap() << 12,
        creates: Vec::new(),
        operations: operations.collect(),
    }
}

fn text(value: &str) -> Value {
    Value::String(value.into())
}

fn put(value: &str) -> Action {
    Action::Put(text(value))
}

fn whole(history: &History) -> Vec<HistoryStep> {
    history.page(&HistoryOptions::default()).unwrap().steps
}

/// A record made by 1; 1 and 2 set its title apart; 2 decides, removes the other field and deletes it.
fn story() -> [Change; 4] {
    let made = change(
        1,
        1,
        &[],
        &[("note", put("n"), &[]), ("title", put("a"), &[])],
    );
    let first = change(1, 2, &[&made], &[("title", put("one"), &[made.op_id(1)])]);
    let second = change(2, 1, &[&made], &[("title", put("two"), &[made.op_id(1)])]);
    let review = format!("{REVIEW}{}", EntryId([9; 16]));
    let decided = change(
        2,
        2,
        &[&first, &second],
        &[
            ("title", put("one"), &[first.op_id(0), second.op_id(0)]),
            ("note", Action::Delete, &[made.op_id(0)]),
            (&review, put("keep"), &[]),
            (DELETED, Action::Put(Value::Bool(true)), &[]),
        ],
    );
    [made, first, second, decided]
}

#[test]
fn every_step_says_what_its_author_saw_and_not_what_stands_before_it() {
    let [made, first, second, decided] = story();
    let history = History::of(vec![
        decided.clone(),
        second.clone(),
        first.clone(),
        made.clone(),
        first.clone(),
    ]);
    assert_eq!((history.len(), history.is_empty()), (4, false));
    let steps = whole(&history);
    let order: Vec<_> = steps.iter().map(|step| step.change).collect();
    assert_eq!(order, [made.hash, first.hash, second.hash, decided.hash]);

    let title = |before: &[&str], after: &str| FieldWrite {
        path: "title".into(),
        before: before.iter().map(|value| text(value)).collect(),
        after: Some(text(after)),
    };
    assert_eq!(steps[0].writes[1], title(&[], "a"));
    assert_eq!(steps[1].writes, [title(&["a"], "one")]);
    assert_eq!(
        steps[2].writes,
        [title(&["a"], "two")],
        "it never saw `one`"
    );
    let removed = FieldWrite {
        path: "note".into(),
        before: vec![text("n")],
        after: None,
    };
    assert_eq!(steps[3].writes, [removed, title(&["one", "two"], "one")]);
    assert_eq!(
        steps[3].deletion,
        Some(Deletion {
            before: false,
            after: true
        })
    );
    let keep = Decided {
        entry: EntryId([9; 16]),
        how: How::Keep,
    };
    assert_eq!(steps[3].decisions, [keep]);
    assert_eq!(
        steps.iter().map(|step| step.apart).collect::<Vec<_>>(),
        [false, false, true, false]
    );
    assert_eq!(
        steps.iter().map(|step| step.deps).collect::<Vec<_>>(),
        [0, 1, 1, 2]
    );
    let versions = [
        &[made.hash][..],
        &[first.hash],
        &[first.hash, second.hash],
        &[decided.hash],
    ];
    assert_eq!(
        steps.iter().map(|step| step.version).collect::<Vec<_>>(),
        versions.map(Version::of)
    );
}

#[test]
fn a_register_written_twice_in_one_change_is_one_write() {
    let made = change(1, 1, &[], &[("a", put("x"), &[])]);
    let own = OpId {
        counter: 2,
        actor: made.actor,
    };
    let twice = change(
        1,
        2,
        &[&made],
        &[
            ("a", Action::Put(Value::Null), &[made.op_id(0)]),
            ("a", Action::Delete, &[own]),
        ],
    );
    let steps = whole(&History::of(vec![made, twice]));
    let removed = FieldWrite {
        path: "a".into(),
        before: vec![text("x")],
        after: None,
    };
    assert_eq!(steps[1].writes, [removed]);
}

#[test]
fn notes_that_are_no_decision_stay_readable() {
    let note = change(1, 1, &[], &[("$review/note", put("keep"), &[])]);
    let later = format!("{REVIEW}{}", EntryId([1; 16]));
    let later = change(1, 2, &[&note], &[(&later, put("later"), &[])]);
    let steps = whole(&History::of(vec![note, later]));
    assert_eq!(steps[0].writes[0].path, "$review/note");
    assert_eq!(steps[0].decisions, []);
    assert_eq!(steps[1].decisions[0].how, How::Other("later".into()));
}

/// A history of one author, each step of which writes one of two fields.
fn chain(length: u64) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for seq in 1..=length {
        let key = if seq % 2 == 0 { "b.c" } else { "a" };
        let write = |pred: &[OpId], past: &[&Change]| {
            change(1, seq, past, &[(key, put(&seq.to_string()), pred)])
        };
        let before = changes.len().checked_sub(2).map(|n| changes[n].op_id(0));
        let next = write(before.as_slice(), changes.last().as_slice());
        changes.push(next);
    }
    changes
}

#[test]
fn pages_follow_each_other_from_the_newest_back() {
    let changes = chain(10);
    let history = History::of(changes.clone());
    let all = whole(&history);
    let mut options = HistoryOptions {
        limit: Some(4),
        ..HistoryOptions::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = history.page(&options).unwrap();
        options.before = page.steps.first().map(|step| step.change);
        pages.push((page.steps.len(), page.earlier));
        assert_eq!(
            page.steps,
            all[page.earlier..page.earlier + page.steps.len()]
        );
        if page.earlier == 0 {
            break;
        }
    }
    assert_eq!(pages, [(4, 6), (4, 2), (2, 0)]);

    options.limit = Some(0);
    options.before = None;
    let none = history.page(&options).unwrap();
    assert_eq!((none.steps.len(), none.earlier), (0, 10));
    let hash = ChangeHash([0; 32]);
    options.before = Some(hash);
    assert_eq!(
        history.page(&options),
        Err(HistoryError::NoSuchChange { hash })
    );
}

#[test]
fn the_history_of_a_field_is_that_of_all_below_it_and_of_nothing_beside_it() {
    let history = History::of(chain(10));
    for (field, count, path) in [
        ("b", 5, "b.c"),
        ("b.c", 5, "b.c"),
        ("a", 5, "a"),
        ("b.", 0, ""),
        ("c", 0, ""),
    ] {
        let options = HistoryOptions {
            field: Some(field.into()),
            ..HistoryOptions::default()
        };
        let page = history.page(&options).unwrap();
        assert_eq!(page.steps.len(), count, "{field}");
        let mut writes = page.steps.iter().flat_map(|step| &step.writes);
        assert!(writes.all(|write| write.path == path), "{field}");
    }
    let deletions = HistoryOptions {
        field: Some(DELETED.into()),
        ..HistoryOptions::default()
    };
    let steps = History::of(story().into()).page(&deletions).unwrap().steps;
    assert_eq!((steps.len(), steps[0].writes.len()), (1, 0));
    assert!(steps[0].deletion.is_some());
}

#[test]
fn a_version_is_found_by_what_was_shown_here_or_by_its_author() {
    let [made, first, second, decided] = story();
    let history = History::of(story().into());
    let find = |heads: &[ChangeHash], arrived: &[ChangeHash]| {
        history.find(&Version::of(heads).to_string(), arrived)
    };
    let mut both = vec![first.hash, second.hash];
    both.sort_unstable();
    for heads in [
        vec![made.hash],
        vec![first.hash],
        vec![second.hash],
        both,
        vec![decided.hash],
    ] {
        assert_eq!(find(&heads, &[]), Ok(heads));
    }
    // What neither the order of the history nor an author showed, a replica may have.
    let third = change(3, 1, &[&made], &[("x", put("x"), &[])]);
    let mut changes: Vec<_> = story().into();
    changes.push(third.clone());
    let history = History::of(changes);
    let mut shown = vec![second.hash, third.hash];
    shown.sort_unstable();
    let name = Version::of(&shown).to_string();
    assert_eq!(
        history.find(&name, &[]),
        Err(HistoryError::NoSuchVersion { name: name.clone() })
    );
    let arrived = [made.hash, second.hash, third.hash, first.hash];
    assert_eq!(history.find(&name, &arrived), Ok(shown.clone()));
    assert_eq!(history.find(&name[..8], &arrived), Ok(shown));
    assert!(History::is_whole_name(&name) && !History::is_whole_name(&name[1..]));

    let hash = third.hash.to_string().to_uppercase();
    assert_eq!(history.find(&hash, &[]), Ok(vec![third.hash]));
    assert_eq!(history.find(&hash[..10], &[]), Ok(vec![third.hash]));
}

#[test]
fn a_name_that_is_none_or_fits_several_is_refused() {
    let history = History::of(chain(40));
    for name in ["", "x", "0g", "é", &"0".repeat(65), &"0".repeat(32)] {
        let name = name.to_owned();
        assert_eq!(
            history.find(&name, &[]),
            Err(HistoryError::NoSuchVersion { name: name.clone() })
        );
    }
    // Forty states, and their authors' too, begin with one of sixteen digits.
    let several = "0123456789abcdef".chars().filter(|digit| {
        let found = history.find(&digit.to_string(), &[]);
        matches!(found, Err(HistoryError::AmbiguousVersion { count, .. }) if count > 1)
    });
    assert!(several.count() > 0);
}

/// Work for a page of a whole history, and for a search in it.
fn work(changes: Vec<Change>) -> usize {
    let arrived: Vec<_> = changes.iter().map(|change| change.hash).collect();
    let history = History::of(changes);
    tally::take();
    history.page(&HistoryOptions::default()).unwrap();
    history.find(&"0".repeat(32), &arrived).unwrap_err();
    tally::take()
}

#[test]
fn a_long_history_costs_in_proportion_to_its_length() {
    for length in [1_000, 10_000] {
        let work = work(chain(length));
        let length = usize::try_from(length).unwrap();
        assert!(
            (length..30 * length).contains(&work),
            "{work} for {length} changes"
        );
    }
    // Many who never met: each step shows as many heads as there are branches, whatever the length.
    for length in [200, 2_000] {
        let mut changes = Vec::new();
        for actor in 1..=8u8 {
            let mut last: Option<Change> = None;
            for seq in 1..=length {
                let next = change(
                    actor,
                    seq,
                    last.as_slice().iter().collect::<Vec<_>>().as_slice(),
                    &[("a", put("x"), &[])],
                );
                changes.push(next.clone());
                last = Some(next);
            }
        }
        let count = changes.len();
        let work = work(changes);
        assert!(
            (count..60 * count).contains(&work),
            "{work} for {count} changes"
        );
    }
}
