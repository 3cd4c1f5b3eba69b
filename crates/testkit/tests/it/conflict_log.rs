//! `evidence` against the brute-force oracle, and what must hold of the log besides.

use std::collections::BTreeMap;

use driftless_document::{
    Change, EntryId, Evidence, Kind, MemberAction, NoAuthors, Policy, Shown, Status, Value,
    evidence,
};
use driftless_testkit::differential::{self, Tally};
use driftless_testkit::histories::{
    self, COLLECTION, Dice, Manner, Plan, RECORD, Step, What, Wish, shuffled,
};
use driftless_testkit::known::Known;
use driftless_testkit::oracle::{self, Canary, Episode};
use driftless_testkit::plain::{Plain, actor};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Histories within which each canary has to be found.
const CANARY_CASES: u64 = 60;

fn log(changes: &[Change]) -> Evidence {
    evidence(COLLECTION, RECORD, changes)
}

fn for_all(cases: u64, steps: usize, check: impl FnMut(&Plan) -> Result<(), TestCaseError>) {
    histories::for_all(cases, &manner(steps), check);
}

fn manner(steps: usize) -> Manner {
    Manner {
        steps,
        ..Manner::default()
    }
}

#[test]
fn the_log_equals_the_oracle() {
    let mut all = Tally::default();
    histories::for_all(4_000, &manner(60), |plan| {
        all.add(&differential::check(plan)?);
        Ok::<_, String>(())
    });
    println!("{all}");
    // Histories in which nothing happens would all pass.
    let least = all.histories / 1_000;
    assert!(all.missing(least).is_empty(), "{:?}", all.missing(least));
}

#[test]
fn the_log_equals_the_oracle_on_long_histories() {
    histories::for_all(60, &manner(400), |plan| {
        differential::check(plan).map(|_| ())
    });
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for canary in Canary::ALL {
        let plans = (0..CANARY_CASES).map(|seed| Plan::random(seed, &manner(60)));
        let found = plans.into_iter().position(|plan| {
            assert!(
                !differential::finds(None, &plan),
                "found where nothing is broken"
            );
            differential::finds(Some(canary), &plan)
        });
        println!("{canary:?} is found by history {found:?}");
        assert!(found.is_some(), "{canary:?} is not found");
    }
}

#[test]
fn a_history_without_concurrency_makes_no_entry() {
    for_all(500, 40, |plan| {
        let mut plan = plan.clone();
        for n in (0..plan.steps.len()).rev() {
            let meet = Step {
                what: What::Meet,
                replica: 0,
                field: 0,
                at: 0,
                value: 0,
            };
            plan.steps.insert(n, meet);
        }
        let mut found = log(&Plain::of(&plan).changes);
        found.entries.retain(|entry| entry.kind != Kind::Integrity);
        prop_assert_eq!(found.entries, Vec::new());
        Ok(())
    });
}

/// What settles a register, and the key it is said of.
fn settling(episode: &Episode, deletes: bool) -> Option<Wish> {
    let entry = &episode.entry;
    let key = entry.register.clone();
    let value = |value| Wish::Settle {
        key: key.clone(),
        value: Some(value),
    };
    match entry.kind {
        Kind::Integrity => None,
        Kind::RecordDeleted => Some(value(Value::Bool(deletes))),
        Kind::Text => Some(Wish::Settle {
            key: format!("$review/{}", entry.id),
            value: Some(Value::String("merge".to_owned())),
        }),
        Kind::ListElement => {
            let (key, element) = key.rsplit_once('/')?;
            let (counter, actor) = element.split_once('@')?;
            let mut bytes = [0; 16];
            for (byte, pair) in bytes.iter_mut().zip(actor.as_bytes().chunks(2)) {
                let pair = std::str::from_utf8(pair).ok()?;
                *byte = u8::from_str_radix(pair, 16).ok()?;
            }
            Some(Wish::SettleElement {
                key: key.to_owned(),
                element: driftless_document::OpId {
                    counter: counter.parse().ok()?,
                    actor: driftless_document::ActorId(bytes),
                },
                value: Some(Value::Int(99)),
            })
        }
        _ if key.contains("tags/") => Some(value(Value::Bool(true))),
        _ => Some(value(Value::Int(99))),
    }
}

#[test]
fn a_write_by_someone_who_saw_everything_settles_its_register() {
    for_all(1_500, 50, |plan| {
        let mut plain = Plain::of(plan);
        let (_, open) = differential::both(&plain.changes);
        for episode in open.iter().filter(|episode| !episode.settled) {
            let Some(settle) = settling(episode, plan.seed % 2 == 0) else {
                continue;
            };
            let everything = plain.everything();
            prop_assert!(plain.write(actor(0, 99), &everything, &[settle]));
            for entry in log(&plain.changes).entries {
                let status = entry.verdict(&Policy::Review, &NoAuthors).status;
                let is_it = entry.id == episode.entry.id && entry.kind != Kind::Integrity;
                prop_assert!(!is_it || status == Status::Resolved);
            }
        }
        let now = log(&plain.changes);
        let shapes = now.entries.iter().any(|e| e.kind == Kind::Integrity);
        prop_assert_eq!(now.unsettled, shapes);
        Ok(())
    });
}

#[test]
fn a_settled_log_stands_while_only_changes_that_knew_all_follow() {
    for_all(1_500, 30, |plan| {
        let mut plain = Plain::of(plan);
        let before = log(&plain.changes);
        if !before.unsettled {
            for (n, key) in ["a", "$deleted", "b"].iter().enumerate() {
                let value = Some(Value::Bool(n == 1));
                let key = (*key).to_owned();
                let everything = plain.everything();
                plain.write(actor(n, 99), &everything, &[Wish::Settle { key, value }]);
            }
            prop_assert_eq!(log(&plain.changes), before);
        }
        Ok(())
    });
}

#[test]
fn every_id_ever_given_stays_a_name_of_an_entry() {
    for_all(400, 40, |plan| {
        let all = Plain::of(plan).changes;
        let all = shuffled(&all, &mut Dice(u64::from(plan.seed)));
        let mut given = BTreeMap::<EntryId, String>::new();
        for end in 1..=all.len() {
            let (found, episodes) = differential::both(&all[..end]);
            differential::compare(&found, &episodes).map_err(TestCaseError::fail)?;
            let now: Vec<(Vec<EntryId>, String)> = episodes.into_iter().map(names).collect();
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

/// The names and the register of an episode; none of what is a function of the row alone.
fn names(episode: Episode) -> (Vec<EntryId>, String) {
    let entry = episode.entry;
    let ids = std::iter::once(entry.id).chain(entry.also);
    let ids = ids.filter(|_| entry.kind != Kind::Integrity).collect();
    (ids, entry.register)
}

#[test]
fn an_edit_beside_a_deletion_is_an_open_entry_that_names_both_sides() {
    let mut plain = Plain::default();
    let put = |key: &str, value: Value| Wish::Put {
        key: key.to_owned(),
        value,
    };
    let (ana, ben) = (actor(0, 0), actor(1, 0));
    let start = Known::below(1);
    plain.write(ana, &Known::default(), &[put("name", Value::Int(1))]);
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

#[test]
fn the_oracle_says_the_same_in_whatever_order_it_is_asked() {
    for_all(300, 60, |plan| {
        let changes = Plain::of(plan).changes;
        let mut backwards = changes.clone();
        backwards.reverse();
        let said = oracle::episodes(COLLECTION, RECORD, &changes);
        prop_assert_eq!(oracle::episodes(COLLECTION, RECORD, &backwards), said);
        Ok(())
    });
}
