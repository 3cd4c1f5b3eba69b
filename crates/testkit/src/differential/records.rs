//! The same on real records: what they write, what they show, and a log that is kept up to date as changes come.

use driftless_document::{Admission, Change, Evidence, Record, evidence};

use super::compare;
use crate::histories::{COLLECTION, Dice, Plan, RECORD, shuffled};
use crate::oracle;
use crate::past::Past;
use crate::plain::Plain;
use crate::replicas::{Replicas, receive};

/// Carries a plan out on real records.
///
/// What they write is what the plain model writes. What they show is what a replay of its own makes of the changes.
/// A record that gets all changes in another order, some twice, loaded anew now and then, keeps its log up to date
/// in portions: it is that of all its changes at any time, and the oracle's in the end.
pub fn check_on_records(plan: &Plan) -> Result<(), String> {
    let mut replicas = Replicas::of(plan);
    let plain = Plain::of(plan).changes;
    same_changes(&replicas.changes, &plain)?;
    for record in &replicas.records {
        shows_what_is_replayed(record)?;
    }
    replicas.exchange_all();
    let row = replicas.records[0].row();
    shows_what_is_replayed(&replicas.records[0])?;
    if replicas.records.iter().any(|record| record.row() != row) {
        return Err("records with equal changes have other rows".to_owned());
    }
    let mut dice = Dice(u64::from(plan.seed));
    let order = shuffled(&replicas.changes, &mut dice);
    let log = kept_up_to_date(&replicas, &order, &mut dice)?;
    let expected = oracle::episodes(COLLECTION, RECORD, &order);
    compare(&log, &expected).map(|_| ())
}

fn same_changes(real: &[Change], plain: &[Change]) -> Result<(), String> {
    let same = |(real, plain): (&Change, &Change)| {
        (real.actor, real.seq, real.start_op) == (plain.actor, plain.seq, plain.start_op)
            && real.operations == plain.operations
    };
    if real.len() == plain.len() && real.iter().zip(plain).all(same) {
        return Ok(());
    }
    let first = (0..real.len().max(plain.len())).find(|&n| match (real.get(n), plain.get(n)) {
        (Some(real), Some(plain)) => !same((real, plain)),
        _ => true,
    });
    let first = first.unwrap_or(0);
    Err(format!(
        "change {first}: the record writes {:#?}\nthe model writes {:#?}",
        real.get(first),
        plain.get(first)
    ))
}

fn shows_what_is_replayed(record: &Record) -> Result<(), String> {
    let changes = changes_of(record)?;
    let past = Past::of(&changes);
    let everything = changes.iter().map(|change| change.hash).collect();
    let (shown, replayed) = (record.row().fields, past.fields(&everything));
    if shown == replayed {
        Ok(())
    } else {
        Err(format!(
            "the row shows {shown:#?}\na replay shows {replayed:#?}"
        ))
    }
}

/// The log of a record to which changes come in this order, looked at after some of them.
fn kept_up_to_date(
    replicas: &Replicas,
    order: &[Change],
    dice: &mut Dice,
) -> Result<Evidence, String> {
    let mut record = Record::new();
    let mut log = Evidence::default();
    let mut came: Vec<Change> = Vec::new();
    let portion = 1 + dice.below(6);
    for (n, change) in order.iter().enumerate() {
        let raw = &replicas.raw[&change.hash];
        let device = change.actor.device_prefix();
        came.push(receive(&mut record, raw, device));
        if dice.below(8) == 0 {
            let again = record.admit(raw, device);
            if !matches!(again, Ok(Admission::Known)) {
                return Err(format!("a change that came twice is {again:?}"));
            }
        }
        let is_last = n + 1 == order.len();
        if is_last || dice.below(portion) == 0 {
            log = record
                .evidence_after(COLLECTION, RECORD, &log, &came)
                .map_err(|error| error.to_string())?;
            came.clear();
            let whole = evidence(COLLECTION, RECORD, &changes_of(&record)?);
            if log.encode() != whole.encode() {
                return Err(format!(
                    "after {} changes the log that was kept up to date has {log:#?}\nthe whole one has {whole:#?}",
                    n + 1
                ));
            }
            if dice.below(4) == 0 {
                record = Record::load(&record.save(), &record.heads())
                    .map_err(|error| error.to_string())?;
            }
        }
    }
    Ok(log)
}

fn changes_of(record: &Record) -> Result<Vec<Change>, String> {
    record.changes().map_err(|error| error.to_string())
}
