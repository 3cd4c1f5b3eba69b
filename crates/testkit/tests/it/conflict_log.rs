//! `evidence` against the brute-force oracle, and what must hold of the log besides.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{
    Change, EntryId, Evidence, Intent, Kind, MemberAction, NoAuthors, Policy, RecordId, Shown,
    Status, Value, evidence,
};
use driftless_testkit::histories::{Dice, Do, Plan, Step, plans, runner, shuffled};
use driftless_testkit::oracle::{self, Episode};
use driftless_testkit::plain::{Plain, actor};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

const RECORD: RecordId = RecordId(*b"the record's id.");

/// The log without what depends on the row alone: the oracle knows overlaps only.
fn log(changes: &[Change]) -> Evidence {
    let mut found = evidence("people", RECORD, changes);
    let count = found.entries.len();
    found.entries.retain(|entry| entry.kind != Kind::Integrity);
    if found.entries.len() < count {
        found.unsettled = oracle(changes).iter().any(|episode| !episode.settled);
    }
    found
}

fn oracle(changes: &[Change]) -> Vec<Episode> {
    oracle::episodes("people", RECORD, changes)
}

/// Holds the log of some changes against the oracle's, field by field.
fn check_against_oracle(changes: &[Change]) -> Result<(), TestCaseError> {
    let found = log(changes);
    let expected = oracle(changes);
    let unsettled = expected.iter().any(|episode| !episode.settled);
    prop_assert_eq!(found.unsettled, unsettled);
    let stored: Vec<_> = expected
        .iter()
        .filter(|episode| episode.status != Status::Agreed)
        .collect();
    let of_register = |e: &&Episode| (e.entry.register.clone(), e.entry.members[0].operation);
    prop_assert!(stored.is_sorted_by_key(of_register));
    prop_assert_eq!(found.entries.len(), stored.len());
    for (entry, episode) in found.entries.iter().zip(stored) {
        prop_assert_eq!(entry, &episode.entry);
        prop_assert_eq!(
            entry.verdict(&Policy::Review, &NoAuthors).status,
            episode.status
        );
        prop_assert_eq!(
            entry.verdict(&Policy::Review, &NoAuthors).resolved,
            episode.entry.outcomes.last().map(|o| o.shown.clone())
        );
    }
    prop_assert_eq!(Evidence::decode(&found.encode()).ok(), Some(found));
    Ok(())
}

fn for_all(cases: u32, steps: usize, check: impl Fn(Plan) -> Result<(), TestCaseError>) {
    let outcome = runner(cases).run(&plans(2..=5, steps), check);
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_log_equals_the_oracle() {
    for_all(6_000, 40, |plan| {
        let changes = Plain::of(&plan).changes;
        check_against_oracle(&changes)?;
        let other = shuffled(&changes, &mut Dice(plan.seed));
        prop_assert_eq!(log(&changes).encode(), log(&other).encode());
        Ok(())
    });
}

#[test]
fn the_log_equals_the_oracle_on_long_histories() {
    for_all(150, 400, |plan| {
        check_against_oracle(&Plain::of(&plan).changes)
    });
}

#[test]
fn random_histories_reach_every_kind_of_entry() {
    let seen = std::cell::RefCell::new(BTreeMap::<String, u32>::new());
    for_all(1_000, 40, |plan| {
        let changes = Plain::of(&plan).changes;
        let mut seen = seen.borrow_mut();
        let mut count = |what: &str| *seen.entry(what.to_owned()).or_default() += 1;
        for episode in oracle(&changes) {
            count(episode.entry.kind.as_str());
            count(episode.status.as_str());
            let is_touch = |m: &driftless_document::Member| m.action == MemberAction::Touch;
            if episode.entry.members.iter().any(is_touch) {
                count("touched");
            }
            for (least, what) in [(2, "outcomes"), (3, "more outcomes")] {
                if episode.entry.outcomes.len() >= least {
                    count(what);
                }
            }
            if episode.entry.base.len() > 1 {
                count("several base values");
            }
            if episode.entry.candidates.len() > 2 {
                count("three candidates");
            }
        }
        Ok(())
    });
    let seen = seen.into_inner();
    for what in [
        "record_deleted",
        "put_delete",
        "put_put",
        "resolved",
        "agreed",
        "open",
        "touched",
        "outcomes",
        "more outcomes",
        "several base values",
        "three candidates",
    ] {
        assert!(seen.get(what).is_some_and(|&n| n > 5), "{what}: {seen:?}");
    }
}

#[test]
fn a_history_without_concurrency_makes_no_entry() {
    for_all(500, 40, |mut plan| {
        for n in (0..plan.steps.len()).rev() {
            let meet = Step {
                replica: 0,
                action: Do::Meet,
            };
            plan.steps.insert(n, meet);
        }
        let changes = Plain::of(&plan).changes;
        prop_assert_eq!(log(&changes), Evidence::default());
        Ok(())
    });
}

#[test]
fn a_write_by_someone_who_saw_everything_settles_its_register() {
    for_all(1_500, 40, |plan| {
        let mut plain = Plain::of(&plan);
        let open: BTreeSet<String> = oracle(&plain.changes)
            .into_iter()
            .filter(|episode| !episode.settled)
            .map(|episode| episode.entry.register)
            .collect();
        for register in open {
            let value = match register.as_str() {
                "$deleted" => Value::Bool(plan.seed % 2 == 0),
                _ => Value::Int(99),
            };
            let settle = Intent::Settle {
                key: register.clone(),
                value: Some(value.clone()),
            };
            let everything = plain.everything();
            prop_assert!(plain.write(actor(0, 99), &everything, &[settle]));
            for entry in log(&plain.changes).entries {
                let status = entry.verdict(&Policy::Review, &NoAuthors).status;
                prop_assert!(entry.register != register || status == Status::Resolved);
            }
        }
        prop_assert!(!log(&plain.changes).unsettled);
        Ok(())
    });
}

#[test]
fn a_settled_log_stands_while_only_changes_that_knew_all_follow() {
    for_all(1_500, 30, |plan| {
        let mut plain = Plain::of(&plan);
        let before = log(&plain.changes);
        if !before.unsettled {
            for (n, key) in ["a", "$deleted", "b"].iter().enumerate() {
                let value = Some(Value::Bool(n == 1));
                let key = (*key).to_owned();
                let everything = plain.everything();
                plain.write(actor(n, 99), &everything, &[Intent::Settle { key, value }]);
            }
            let after = log(&plain.changes);
            prop_assert!(!after.unsettled);
            let kept: Vec<_> = before.entries.iter().map(|entry| entry.id).collect();
            prop_assert_eq!(after.entries.iter().map(|e| e.id).collect::<Vec<_>>(), kept);
            prop_assert_eq!(before, after);
        }
        Ok(())
    });
}

#[test]
fn every_id_ever_given_stays_a_name_of_an_entry() {
    for_all(600, 30, |plan| {
        let all = Plain::of(&plan).changes;
        let all = shuffled(&all, &mut Dice(plan.seed));
        let mut given = BTreeMap::<EntryId, String>::new();
        for end in 1..=all.len() {
            let now = oracle_and_log(&all[..end])?;
            for (id, register) in &given {
                let holds = now.iter().filter(|(ids, _)| ids.contains(id));
                let holds: Vec<_> = holds.map(|(_, register)| register).collect();
                prop_assert_eq!(holds, vec![register]);
            }
            given.extend(
                now.into_iter()
                    .filter_map(|(ids, register)| Some((*ids.first()?, register))),
            );
        }
        Ok(())
    });
}

/// The names and the register of each episode; those that are in the log are read from the log.
fn oracle_and_log(changes: &[Change]) -> Result<Vec<(Vec<EntryId>, String)>, TestCaseError> {
    check_against_oracle(changes)?;
    let names = |episode: Episode| {
        let entry = episode.entry;
        let ids = std::iter::once(entry.id).chain(entry.also).collect();
        (ids, entry.register)
    };
    Ok(oracle(changes).into_iter().map(names).collect())
}

#[test]
fn an_edit_beside_a_deletion_is_an_open_entry_that_names_both_sides() {
    let mut plain = Plain::default();
    let put = |key: &str, value: Value| Intent::Put {
        key: key.to_owned(),
        value,
    };
    let (ana, ben) = (actor(0, 0), actor(1, 0));
    let start = BTreeSet::from([0]);
    plain.write(ana, &BTreeSet::new(), &[put("name", Value::Int(1))]);
    plain.write(ana, &start, &[put("$deleted", Value::Bool(true))]);
    plain.write(ben, &start, &[put("name", Value::Int(2))]);
    let found = log(&plain.changes);
    assert_eq!(found.entries.len(), 1);
    let entry = &found.entries[0];
    assert_eq!(entry.kind, Kind::RecordDeleted);
    assert_eq!(entry.base, [Shown::Keep]);
    let shown: Vec<_> = entry
        .candidates
        .iter()
        .map(|c| (&c.shown, c.actor()))
        .collect();
    assert_eq!(shown, [(&Shown::Absent, ana), (&Shown::Keep, ben)]);
    let actions: Vec<_> = entry.members.iter().map(|m| &m.action).collect();
    let deletion = MemberAction::Put(Value::Bool(true));
    assert_eq!(actions, [&deletion, &MemberAction::Touch]);
    assert!(entry.outcomes.is_empty());
}
