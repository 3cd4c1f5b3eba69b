//! What each type of field promises, on real records, whatever the order in which changes come.

use std::collections::BTreeMap;

use driftless_document::{Action, Change, Intent, OpId, Record, Row, Value};
use driftless_testkit::histories::{self, Dice, Manner, Plan, Type, shuffled};
use driftless_testkit::past::Past;
use driftless_testkit::plain::actor;
use driftless_testkit::replicas::{Replicas, receive};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Carries out plans that write one type of field alone, and gives `check` the changes and what all replicas show.
fn for_all(cases: u64, kind: Type, check: impl Fn(&[Change], &Row) -> Result<(), TestCaseError>) {
    let manner = Manner {
        replicas: 2..=4,
        steps: 40,
        scalars: false,
    };
    let is_of_kind = |plan: &Plan| (0..4).all(|n| plan.field(n).1 == kind);
    histories::for_all(cases, &manner, |plan| {
        let mut plan = plan.clone();
        let palettes = (0..=u8::MAX).map(|n| plan.palette.wrapping_add(n));
        let palette = palettes.into_iter().find(|&palette| {
            is_of_kind(&Plan {
                palette,
                ..plan.clone()
            })
        });
        plan.palette = palette.expect("there is a palette of each type");
        let mut replicas = Replicas::of(&plan);
        replicas.exchange_all();
        let row = replicas.records[0].row();
        for other in &replicas.records {
            prop_assert_eq!(&other.row(), &row);
        }
        let mut late = Record::new();
        for change in shuffled(&replicas.changes, &mut Dice(u64::from(plan.seed))) {
            let raw = &replicas.raw[&change.hash];
            receive(&mut late, raw, change.actor.device_prefix());
        }
        prop_assert_eq!(&late.row(), &row);
        check(&replicas.changes, &row)
    });
}

#[test]
fn no_increment_is_lost() {
    for_all(200, Type::Counter, |changes, row| {
        let operations = changes.iter().flat_map(|change| &change.operations);
        let sum: i64 = operations
            .map(|operation| match operation.action {
                Action::Increment(by) => by,
                _ => 0,
            })
            .sum();
        let shown = row.fields.get("views#counter").cloned();
        let written = changes
            .iter()
            .any(|change| change.operations.iter().any(|o| o.key == "views#counter"));
        prop_assert_eq!(shown, written.then_some(Value::Counter(sum)));
        Ok(())
    });
}

#[test]
fn a_member_is_there_if_somebody_added_it_and_nobody_who_knew_removed_it() {
    for_all(300, Type::Member, |changes, row| {
        let past = Past::of(changes);
        for (key, member) in [
            ("tags/s:x", Value::String("x".into())),
            ("tags/i:1", Value::Int(1)),
        ] {
            let left = |change: &Change| {
                let mut of_key = change.operations.iter().filter(|o| o.key == key);
                of_key.next_back().map(|operation| operation.action.clone())
            };
            let added = |change: &&Change| matches!(left(change), Some(Action::Put(_)));
            let removed = |change: &&Change| matches!(left(change), Some(Action::Delete));
            let is_there = changes.iter().filter(added).any(|add| {
                let mut removals = changes.iter().filter(removed);
                !removals.any(|removal| past.knew(&removal.hash, &add.hash))
            });
            let shown = match row.fields.get("tags/") {
                Some(Value::Set(members)) => members.iter().filter(|m| **m == member).count(),
                _ => 0,
            };
            prop_assert_eq!(shown, usize::from(is_there), "{}", key);
        }
        Ok(())
    });
}

#[test]
fn to_add_a_member_twice_is_to_add_it_once() {
    let mut record = Record::new();
    let add = Intent::AddMember {
        path: "tags".into(),
        member: Value::String("x".into()),
    };
    let mut rows = Vec::new();
    for _ in 0..2 {
        let raw = record.write(actor(0, 0), 1, std::slice::from_ref(&add));
        let raw = raw.expect("a set").expect("an add is always written");
        receive(&mut record, &raw, actor(0, 0).device_prefix());
        rows.push(record.row().fields);
    }
    assert_eq!(rows[0], rows[1]);
    let once = Value::Set(vec![Value::String("x".into())]);
    assert_eq!(rows[1].get("tags/"), Some(&once));
}

/// The elements that were put into a text or list, with how often they were taken out.
fn elements(changes: &[Change], key: &str) -> BTreeMap<OpId, (Value, usize)> {
    let mut elements = BTreeMap::<OpId, (Value, usize)>::new();
    for (id, operation) in changes.iter().flat_map(Change::numbered) {
        if operation.key != key {
            continue;
        }
        match &operation.action {
            Action::Insert { value, .. } => {
                elements.insert(id, (value.clone(), 0));
            }
            Action::DeleteElement { element } => {
                elements.get_mut(element).expect("it was put in before").1 += 1;
            }
            _ => {}
        }
    }
    elements
}

#[test]
fn a_text_has_each_character_that_was_put_in_and_not_taken_out_once() {
    for_all(300, Type::Text, |changes, row| {
        for (key, shown) in &row.fields {
            let Value::Text(shown) = shown else {
                return Err(TestCaseError::fail(format!("{key} shows {shown:?}")));
            };
            let left = elements(changes, key).into_values();
            let left = left.filter(|(_, removed)| *removed == 0);
            let mut left: Vec<String> = left
                .map(|(value, _)| match value {
                    Value::String(letter) => letter,
                    other => panic!("a text holds {other:?}"),
                })
                .collect();
            let mut shown: Vec<String> = shown.chars().map(String::from).collect();
            left.sort();
            shown.sort();
            prop_assert_eq!(shown, left);
        }
        Ok(())
    });
}

#[test]
fn a_list_has_each_element_once_unless_all_who_wrote_it_last_took_it_out() {
    for_all(300, Type::List, |changes, row| {
        let Some(Value::List(shown)) = row.fields.get("items#list") else {
            return Ok(());
        };
        let all = elements(changes, "items#list");
        let untouched = all.values().filter(|(_, removed)| *removed == 0).count();
        prop_assert!(untouched <= shown.len() && shown.len() <= all.len());
        Ok(())
    });
}
