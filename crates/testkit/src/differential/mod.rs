//! Holds the conflict log of a plan's changes against what the oracle makes of them.

mod records;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use records::check_on_records;
pub use tally::{REACHED, Tally};

use driftless_document::{Change, Entry, Evidence, NoAuthors, Policy, Status, evidence};

use crate::histories::{COLLECTION, Dice, Plan, RECORD, shuffled};
use crate::oracle::{self, Canary, Episode};
use crate::plain::Plain;
use crate::story::panic_text;

/// Orders in which the changes of each history are given besides that in which they were made.
const ORDERS: usize = 2;

/// [`check`], and a panic is a failure like others.
pub fn check_caught(plan: &Plan) -> Result<Tally, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| check(plan)));
    caught.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}

/// [`check_on_records`], and a panic is a failure like others.
pub fn check_on_records_caught(plan: &Plan) -> Result<(), String> {
    let caught = catch_unwind(AssertUnwindSafe(|| check_on_records(plan)));
    caught.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}

/// Carries a plan out as data and holds the log against the oracle, whatever the order of the changes.
pub fn check(plan: &Plan) -> Result<Tally, String> {
    let plain = Plain::of(plan);
    let changes = &plain.changes;
    let found = evidence(COLLECTION, RECORD, changes);
    let expected = oracle::episodes(COLLECTION, RECORD, changes);
    let mut tally = compare(&found, &expected)?;
    tally.histories = 1;
    tally.changes = changes.len() as u64;
    let named_by = |entry: &Entry| {
        let also = entry.also.iter().map(|id| format!("$review/{id}"));
        let also: Vec<String> = also.collect();
        let mut operations = changes.iter().flat_map(|change| &change.operations);
        !also.is_empty() && operations.any(|operation| also.contains(&operation.key))
    };
    let by_alias = expected.iter().any(|episode| named_by(&episode.entry));
    tally.reach("named by an alias", by_alias);

    let bytes = found.encode();
    if Evidence::decode(&bytes).ok().as_ref() != Some(&found) {
        return Err("the log does not read back as it was written".to_owned());
    }
    let mut dice = Dice(u64::from(plan.seed));
    for _ in 0..ORDERS {
        let order = shuffled(changes, &mut dice);
        if evidence(COLLECTION, RECORD, &order).encode() != bytes {
            let other = evidence(COLLECTION, RECORD, &order);
            return Err(format!(
                "in another order the log is another: {}",
                difference(&other.entries, &found.entries)
            ));
        }
    }
    Ok(tally)
}

/// Whether the log of a plan's changes differs from what an oracle, with a fault or without, makes of them.
pub fn finds(canary: Option<Canary>, plan: &Plan) -> bool {
    let plain = Plain::of(plan);
    // In an order of its own: as they were made, nobody could tell it from that of operations.
    let order = shuffled(&plain.changes, &mut Dice(u64::from(plan.seed)));
    let found = evidence(COLLECTION, RECORD, &order);
    let expected = match canary {
        Some(canary) => oracle::broken(canary, COLLECTION, RECORD, &order),
        None => oracle::episodes(COLLECTION, RECORD, &order),
    };
    compare(&found, &expected).is_err()
}

/// Holds a log against the oracle's, field by field.
pub fn compare(found: &Evidence, expected: &[Episode]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for episode in expected {
        tally.count(episode);
    }
    let stored: Vec<&Episode> = expected
        .iter()
        .filter(|episode| episode.status != Status::Agreed)
        .collect();
    let entries: Vec<Entry> = stored.iter().map(|e| e.entry.clone()).collect();
    let is_equal = |entry: &&Entry| entries.iter().any(|other| other == *entry);
    tally.found = found.entries.len() as u64;
    tally.expected = entries.len() as u64;
    tally.equal = found.entries.iter().filter(is_equal).count() as u64;
    if found.entries != entries {
        return Err(format!(
            "{} of {} entries are the oracle's {}: {}",
            tally.equal,
            tally.found,
            tally.expected,
            difference(&found.entries, &entries)
        ));
    }
    let unsettled = expected.iter().any(|episode| !episode.settled);
    if found.unsettled != unsettled {
        return Err(format!("unsettled is {}, not {unsettled}", found.unsettled));
    }
    for (entry, episode) in found.entries.iter().zip(stored) {
        let verdict = entry.verdict(&Policy::Review, &NoAuthors);
        let decided = episode.entry.outcomes.last().map(|o| o.shown.clone());
        if verdict.status != episode.status || verdict.resolved != decided {
            return Err(format!(
                "the verdict {verdict:?} is not {:?}, {decided:?}: {entry:#?}",
                episode.status
            ));
        }
    }
    Ok(tally)
}

/// The first entry that differs.
fn difference(found: &[Entry], expected: &[Entry]) -> String {
    let length = found.len().max(expected.len());
    let first = (0..length).find(|&n| found.get(n) != expected.get(n));
    let first = first.unwrap_or(0);
    format!(
        "the log has {:#?}\nthe oracle has {:#?}",
        found.get(first),
        expected.get(first)
    )
}

/// The log and the oracle's episodes of some changes.
pub fn both(changes: &[Change]) -> (Evidence, Vec<Episode>) {
    (
        evidence(COLLECTION, RECORD, changes),
        oracle::episodes(COLLECTION, RECORD, changes),
    )
}
