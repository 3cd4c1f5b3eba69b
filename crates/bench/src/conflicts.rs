//! What the conflict log costs, beside applying the changes it is made of.

use std::hint::black_box;
use std::time::{Duration, Instant};

use driftless_document::{Change, Evidence, Record, RecordId, evidence, read_change};

use crate::records::{actor, edit, put, receive, write};

const RECORD: RecordId = RecordId([7; 16]);
const FIELDS: u32 = 10;

/// Runs and prints all of it.
pub fn run() {
    alone();
    many_records();
    for behind in [10, 100, 10_000] {
        long_record(behind);
    }
}

/// The median of some runs.
fn median(mut runs: Vec<Duration>) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}

fn micros(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count)
}

/// A record that nobody else edits.
fn alone() {
    const CHANGES: u32 = 1_000;
    let mut record = Record::new();
    let (mut applying, mut asking) = (Duration::ZERO, Duration::ZERO);
    for n in 0..CHANGES {
        let raw = write(&record, actor(1, 0), &[put(n % FIELDS, i64::from(n))]);
        let change = read_change(&raw).expect("an honest change");
        let start = Instant::now();
        // All that is done where nothing was made apart: nothing is computed, nothing is stored.
        assert!(black_box(record.continues_heads(&change)));
        asking += start.elapsed();
        let start = Instant::now();
        receive(&mut record, 1, &raw);
        applying += start.elapsed();
    }
    println!(
        "a record nobody else edits: {:.2} us to admit and apply a change, {:.3} us for the log ({:.2} %)",
        micros(applying, CHANGES),
        micros(asking, CHANGES),
        100.0 * asking.as_secs_f64() / applying.as_secs_f64(),
    );
}

/// 10,000 changes that two devices made apart, of 1,000 records, with one conflict each.
fn many_records() {
    const RECORDS: u32 = 1_000;
    const EACH: u32 = 5;
    const CHANGES: u32 = RECORDS * EACH * 2;
    let (mut applying, mut logging, mut reading) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut entries = 0;
    for number in 0..RECORDS {
        let mut start = Record::new();
        let all: Vec<_> = (0..FIELDS).map(|field| put(field, 0)).collect();
        edit(&mut start, 1, 0, &all);
        let mut sides = Vec::new();
        for device in [1, 2] {
            let mut side = start.clone();
            for n in 0..EACH {
                // Field 0 is written on both sides, the others on one.
                let field = if device == 1 || n == 0 {
                    n
                } else {
                    n + EACH - 1
                };
                let value = i64::from(number + n) + i64::from(device) * 7;
                sides.push((device, edit(&mut side, device, 1, &[put(field, value)])));
            }
        }
        let mut record = start;
        let clock = Instant::now();
        let came: Vec<_> = sides
            .iter()
            .map(|(device, raw)| receive(&mut record, *device, raw))
            .collect();
        applying += clock.elapsed();
        let clock = Instant::now();
        let found = record.evidence_after("c", RECORD, &Evidence::default(), &came);
        logging += clock.elapsed();
        let found = found.expect("the record reads");
        entries += found.entries.len();
        // The naive way: look at every field for several values.
        let document = automerge::Automerge::load(&record.save()).expect("it loads");
        let clock = Instant::now();
        black_box(naive(&document));
        reading += clock.elapsed();
        if number % 100 == 0 {
            let changes = record.changes().expect("the record reads");
            assert_eq!(found, evidence("c", RECORD, &changes));
        }
    }
    println!(
        "{CHANGES} changes made apart over {RECORDS} records, {entries} entries: {:.2} us to admit and apply a change, \
         {:.2} us for the log ({:.0} %); asking every field for several values takes {:.2} us",
        micros(applying, CHANGES),
        micros(logging, CHANGES),
        100.0 * logging.as_secs_f64() / applying.as_secs_f64(),
        micros(reading, CHANGES),
    );
}

fn naive(document: &automerge::Automerge) -> usize {
    use automerge::ReadDoc as _;
    let keys = document.keys(automerge::ROOT);
    let several = keys.filter(|key| {
        let all = document.get_all(automerge::ROOT, key);
        all.is_ok_and(|all| all.len() > 1)
    });
    several.count()
}

/// A record with 10,000 changes of 1,000 process starts, and one edit made `behind` changes before the last: in a
/// record that is in memory since it began, and in one that was loaded just before.
fn long_record(behind: u32) {
    const STARTS: u32 = 1_000;
    const EACH: u32 = 10;
    const RUNS: usize = 11;
    let mut record = Record::new();
    let mut older = record.clone();
    for n in 0..STARTS * EACH {
        if n == STARTS * EACH - behind {
            older = record.clone();
        }
        let intents = [put(n % FIELDS, i64::from(n))];
        edit(&mut record, 1, n / EACH, &intents);
    }
    let raw = write(&older, actor(2, 0), &[put(3, -1)]);
    drop(older);
    let saved = (record.save(), record.heads());
    let load = || Record::load(&saved.0, &saved.1).expect("it was saved");
    let case = format!(
        "a record of {} changes in {STARTS} process starts, one edit made {behind} changes ago",
        STARTS * EACH
    );
    let apply = |record: &mut Record| {
        let clock = Instant::now();
        let change = receive(record, 2, &raw);
        (change, clock.elapsed())
    };
    let (change, applying) = apply(&mut record);
    report(&case, applying, RUNS, &change, || record.clone());
    let (change, applying) = apply(&mut load());
    let loaded = || {
        let mut record = load();
        receive(&mut record, 2, &raw);
        record
    };
    report(
        &format!("{case}, just loaded"),
        applying,
        3,
        &change,
        loaded,
    );
}

/// Measures and prints what the log of one change costs, in a record that has it already.
fn report(
    case: &str,
    applying: Duration,
    runs: usize,
    change: &Change,
    record: impl Fn() -> Record,
) {
    let came = std::slice::from_ref(change);
    let log = |record: &mut Record| {
        let found = record.evidence_after("c", RECORD, &Evidence::default(), came);
        found.expect("the record reads")
    };
    let logging = (0..runs).map(|_| {
        let mut record = record();
        let clock = Instant::now();
        black_box(log(&mut record));
        clock.elapsed()
    });
    let logging = median(logging.collect());
    let mut record = record();
    let mut entries = 0;
    let allocated = allocation_counter::measure(|| entries = log(&mut record).entries.len());
    println!(
        "{case}: {:.0} us to admit and apply, {:.0} us and {} KiB for the log (at most {} KiB at once), {entries} entries",
        micros(applying, 1),
        micros(logging, 1),
        allocated.bytes_total / 1024,
        allocated.bytes_max / 1024,
    );
}
