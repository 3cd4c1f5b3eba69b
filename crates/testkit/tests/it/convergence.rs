//! Replicas that got the same changes are the same, in whatever order the changes came.

use driftless_document::{Intent, Kind, NoAuthors, Policy, Record, Status, evidence};
use driftless_testkit::differential::check_on_records;
use driftless_testkit::histories::{self, COLLECTION, Dice, Manner, Plan, RECORD, shuffled};
use driftless_testkit::plain::actor;
use driftless_testkit::replicas::{Replicas, receive};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn for_all(cases: u64, check: impl Fn(&Plan) -> Result<(), TestCaseError>) {
    let manner = Manner {
        replicas: 2..=4,
        steps: 30,
        scalars: false,
    };
    histories::for_all(cases, &manner, check);
}

fn log_bytes(record: &Record) -> Vec<u8> {
    let changes = record.changes().expect("a record gives its changes");
    evidence(COLLECTION, RECORD, &changes).encode()
}

#[test]
fn replicas_with_equal_changes_have_equal_rows_heads_and_logs() {
    for_all(250, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let first = &replicas.records[0];
        let (row, log) = (first.row(), log_bytes(first));
        prop_assert_eq!(&row.heads, &first.heads());
        for other in &replicas.records[1..] {
            prop_assert_eq!(&other.row(), &row);
            prop_assert_eq!(other.heads(), first.heads());
            prop_assert_eq!(other.row().version(), row.version());
            prop_assert_eq!(&log_bytes(other), &log);
        }
        let mut dice = Dice(u64::from(plan.seed));
        for _ in 0..2 {
            let order = shuffled(&replicas.changes, &mut dice);
            let log_of_order = evidence(COLLECTION, RECORD, &order);
            prop_assert_eq!(&log_of_order.encode(), &log);
            let mut late = Record::new();
            for change in &order {
                receive(
                    &mut late,
                    &replicas.raw[&change.hash],
                    change.actor.device_prefix(),
                );
            }
            prop_assert_eq!(&late.row(), &row);
            prop_assert_eq!(&log_bytes(&late), &log);
        }
        Ok(())
    });
}

#[test]
fn records_write_and_show_what_the_models_do_and_keep_their_log_up_to_date() {
    for_all(500, |plan| {
        check_on_records(plan).map_err(TestCaseError::fail)
    });
}

#[test]
fn a_saved_record_loads_as_it_was_whole_or_with_loose_changes_behind() {
    for_all(200, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let record = &replicas.records[0];
        let loaded = Record::load(&record.save(), &record.heads());
        let loaded = loaded.expect("a saved record loads");
        prop_assert_eq!(loaded.row(), record.row());
        prop_assert_eq!(loaded.change_count(), record.change_count());
        prop_assert_eq!(log_bytes(&loaded), log_bytes(record));

        let order = shuffled(&replicas.changes, &mut Dice(u64::from(plan.seed)));
        let cut = order.len() / 2;
        let mut part = Record::new();
        for change in &order[..cut] {
            receive(
                &mut part,
                &replicas.raw[&change.hash],
                change.actor.device_prefix(),
            );
        }
        let mut bytes = part.save();
        for change in &order[cut..] {
            bytes.extend_from_slice(&replicas.raw[&change.hash]);
        }
        let loaded = Record::load(&bytes, &record.heads());
        let mut loaded = loaded.expect("a snapshot with its later changes loads");
        prop_assert_eq!(loaded.row(), record.row());
        prop_assert_eq!(log_bytes(&loaded), log_bytes(record));

        // It can be written as before: the next change is the same of both.
        let note = Intent::Put {
            key: "a".into(),
            value: driftless_document::Value::Int(77),
        };
        let next = record.write(actor(9, 0), 5, std::slice::from_ref(&note));
        let next = next
            .expect("a field is written")
            .expect("it is a new value");
        prop_assert_eq!(
            loaded.write(actor(9, 0), 5, &[note]),
            Ok(Some(next.clone()))
        );
        receive(&mut loaded, &next, actor(9, 0).device_prefix());
        Ok(())
    });
}

#[test]
fn a_settled_register_shows_what_was_decided() {
    for_all(150, |plan| {
        let mut replicas = Replicas::of(plan);
        replicas.exchange_all();
        let mut record = replicas.records[0].clone();
        let changes = record.changes().expect("a record gives its changes");
        for entry in evidence(COLLECTION, RECORD, &changes).entries {
            let is_open = entry.verdict(&Policy::Review, &NoAuthors).status == Status::Open;
            let is_register = matches!(
                entry.kind,
                Kind::RecordDeleted | Kind::PutDelete | Kind::PutPut
            );
            if !is_open || !is_register {
                continue;
            }
            for candidate in &entry.candidates {
                let before = record.clone();
                let key = entry.register.clone();
                let value = match &candidate.shown {
                    driftless_document::Shown::Value(value) => Some(value.clone()),
                    shown if key == "$deleted" => Some(driftless_document::Value::Bool(
                        *shown == driftless_document::Shown::Absent,
                    )),
                    _ => None,
                };
                let settle = Intent::Settle {
                    key: key.clone(),
                    value: value.clone(),
                };
                let raw = record.write(actor(9, 0), 1, &[settle]).expect("a field");
                let raw = raw.expect("settling always makes a change");
                receive(&mut record, &raw, actor(9, 0).device_prefix());
                if key == "$deleted" {
                    prop_assert_eq!(
                        Some(driftless_document::Value::Bool(record.row().deleted)),
                        value
                    );
                } else if !key.contains('/') {
                    prop_assert_eq!(record.row().fields.get(&key).cloned(), value);
                }
                let changes = record.changes().expect("a record gives its changes");
                for now in evidence(COLLECTION, RECORD, &changes).entries {
                    let is_other = now.register != key || now.kind == Kind::Integrity;
                    let status = now.verdict(&Policy::Review, &NoAuthors).status;
                    prop_assert!(is_other || status == Status::Resolved);
                }
                record = before;
            }
        }
        Ok(())
    });
}
