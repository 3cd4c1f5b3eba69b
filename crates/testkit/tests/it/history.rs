//! A record's history is what the changes say, the same in whatever order they came, and the past reads as it was.

use std::collections::BTreeSet;

use driftless_document::{
    ChangeHash, History, HistoryError, HistoryOptions, HistoryStep, LoadError, Value, Version,
};
use driftless_testkit::histories::{self, Dice, Manner, Plan, shuffled};
use driftless_testkit::past::Past;
use driftless_testkit::plain::Plain;
use driftless_testkit::replicas::{Replicas, receive};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn for_all(cases: u64, check: impl Fn(&Plan) -> Result<(), TestCaseError>) {
    let manner = Manner {
        replicas: 2..=4,
        steps: 30,
        scalars: true,
    };
    histories::for_all(cases, &manner, check);
}

fn steps(history: &History) -> Vec<HistoryStep> {
    let page = history.page(&HistoryOptions::default());
    page.expect("the whole of it is there").steps
}

#[test]
fn every_step_says_what_was_there_at_its_own_past() {
    for_all(400, |plan| {
        let changes = Plain::of(plan).changes;
        let past = Past::of(&changes);
        let steps = steps(&History::of(changes.clone()));
        prop_assert_eq!(steps.len(), changes.len());
        let mut before_it = BTreeSet::new();
        for step in &steps {
            let change = changes.iter().find(|change| change.hash == step.change);
            let change = change.expect("a step is a change");
            let seen = past.at(&change.deps);
            prop_assert!(seen.is_subset(&before_it), "all it knew stands before it");
            prop_assert_eq!(step.apart, seen != before_it);
            before_it.insert(change.hash);

            let after = past.at(&[change.hash]);
            for write in &step.writes {
                prop_assert_eq!(&write.before, &past.read(&write.path, &seen));
                let shown = past.read(&write.path, &after).pop();
                prop_assert_eq!(&write.after, &shown);
            }
            if let Some(deletion) = step.deletion {
                let deleted = |at| past.read("$deleted", at).last() == Some(&Value::Bool(true));
                prop_assert_eq!(deletion.before, deleted(&seen));
                prop_assert_eq!(deletion.after, deleted(&after));
            }
            let keys: BTreeSet<_> = change.operations.iter().map(|o| &*o.key).collect();
            let told = step.writes.iter().map(|write| &*write.path);
            let told: BTreeSet<_> = told.chain(step.deletion.map(|_| "$deleted")).collect();
            prop_assert_eq!(told, keys);
        }
        Ok(())
    });
}

#[test]
fn a_history_is_the_same_in_whatever_order_the_changes_came() {
    for_all(100, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let mut histories = replicas.records.iter().map(|record| {
            let changes = record.changes().expect("a record gives its changes");
            steps(&History::of(changes))
        });
        let first = histories.next().expect("there are two or more");
        prop_assert!(histories.all(|other| other == first));
        let mut dice = Dice(u64::from(plan.seed));
        let order = shuffled(&replicas.changes, &mut dice);
        prop_assert_eq!(&steps(&History::of(order)), &first);
        Ok(())
    });
}

#[test]
fn a_history_replayed_gives_every_version_and_the_row_at_its_end() {
    for_all(100, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let record = &replicas.records[0];
        let past = Past::of(&replicas.changes);
        let history = History::of(record.changes().expect("a record gives its changes"));
        let mut replayed = driftless_document::Record::new();
        let mut here = BTreeSet::new();
        for step in steps(&history) {
            let raw = &replicas.raw[&step.change];
            receive(&mut replayed, raw, step.actor.device_prefix());
            here.insert(step.change);
            let row = replayed.row();
            prop_assert_eq!(row.version(), step.version);
            prop_assert_eq!(&row.fields, &past.fields(&here));

            let heads = history.find(&step.version.to_string(), &[]);
            prop_assert_eq!(heads.as_ref(), Ok(&row.heads));
            let then = record.at(&row.heads).expect("it is built from its changes");
            prop_assert_eq!(then.row(), row);

            // What its author saw after it, by the hash of the change.
            let heads = history.find(&step.change.to_string(), &[]);
            prop_assert_eq!(heads, Ok(vec![step.change]));
            let then = record
                .at(&[step.change])
                .expect("it is built from its changes");
            prop_assert_eq!(then.row().version(), Version::of(&[step.change]));
            prop_assert_eq!(then.row().fields, past.fields(&past.at(&[step.change])));
        }
        prop_assert_eq!(replayed.row(), record.row());
        Ok(())
    });
}

#[test]
fn every_version_a_replica_showed_is_found_by_its_order_of_arrival() {
    for_all(60, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let history = History::of(replicas.changes.clone());
        let mut dice = Dice(u64::from(plan.seed));
        let arrived = shuffled(&replicas.changes, &mut dice);
        let hashes: Vec<_> = arrived.iter().map(|change| change.hash).collect();
        let mut shown = driftless_document::Record::new();
        for change in &arrived {
            let raw = &replicas.raw[&change.hash];
            receive(&mut shown, raw, change.actor.device_prefix());
            let version = shown.row().version().to_string();
            let heads = history.find(&version, &hashes);
            prop_assert_eq!(heads.as_ref(), Ok(&shown.heads()));
            let then = replicas.records[0].at(&shown.heads());
            prop_assert_eq!(
                then.expect("it is built from its changes").row(),
                shown.row()
            );
        }
        Ok(())
    });
}

#[test]
fn a_record_is_not_read_at_a_change_that_it_does_not_have() {
    for_all(20, |plan| {
        let record = &Replicas::of(plan).records[0];
        let hash = ChangeHash([1; 32]);
        let refused = record.at(&[hash]).map(|record| record.row());
        prop_assert_eq!(refused, Err(LoadError::NoSuchChange { hash }));
        // Heads that other heads knew of are none.
        let mut all: Vec<_> = record.heads();
        let changes = record.changes().expect("a record gives its changes");
        all.extend(changes.iter().map(|change| change.hash));
        let whole = record.at(&all).map(|record| record.row());
        prop_assert_eq!(whole, Ok(record.row()));
        let history = History::of(changes);
        let name = hash.to_string();
        prop_assert_eq!(
            history.find(&name, &[]),
            Err(HistoryError::NoSuchVersion { name: name.clone() })
        );
        Ok(())
    });
}
