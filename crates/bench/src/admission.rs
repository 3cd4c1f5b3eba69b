//! What admission costs without applying, beside what Automerge's own parser takes of it; and what looking at a saved
//! document first adds to loading it.

use std::hint::black_box;
use std::time::Duration;

use automerge::{Automerge, Change, LoadOptions};
use driftless_document::{Admission, Intent, Record, Value};
use rustix::time::{ClockId, clock_gettime};

use crate::records::{actor, edit, put, write};

/// Each is measured so often; the median counts.
const RUNS: usize = 31;

/// Runs and prints all of it.
pub fn run() {
    println!("admission, without applying:");
    usual();
    println!("the largest changes there may be:");
    largest();
    println!("loading:");
    loading();
}

/// What `f` gives, and the CPU time that this thread takes for it: what else the machine does is no part of it.
fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(now).unwrap_or_default()
    };
    let begun = now();
    let done = black_box(f());
    (done, now().saturating_sub(begun))
}

/// The median of what `f` takes.
fn median<T>(runs: usize, mut f: impl FnMut() -> T) -> Duration {
    let mut all: Vec<_> = (0..runs).map(|_| timed(&mut f).1).collect();
    all.sort_unstable();
    all[runs / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Changes as people make them all day, on a record that has a history.
fn usual() {
    let mut record = Record::new();
    let long =
        "It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(20);
    edit(
        &mut record,
        1,
        0,
        &[append(&long), push(vec![Value::Int(1); 50])],
    );
    for n in 0..2_000 {
        let intents = [put(n % 10, i64::from(n)), append("x")];
        edit(&mut record, 1, n / 50, &intents);
    }
    let cases: [(&str, Vec<Intent>); 6] = [
        ("one field", vec![put(3, -1)]),
        ("ten fields", (0..10).map(|n| put(n, -1)).collect()),
        ("a word typed", vec![append("thirteen ")]),
        ("a paste of 1,000 characters", vec![append(&long[..1_000])]),
        ("a member of a set", vec![member("blue")]),
        ("an element of a list", vec![push(vec![Value::Bool(true)])]),
    ];
    for (what, intents) in cases {
        let raw = write(&record, actor(2, 0), &intents);
        let admitting = median(RUNS * 10, || admit(&record, &raw));
        let parsing = median(RUNS * 10, || parse(&raw));
        println!(
            "  {what}: {:.1} us, of which Automerge's parser takes {:.1} us",
            micros(admitting),
            micros(parsing)
        );
    }
}

/// Changes at the limit of operations, as dense as they can be.
fn largest() {
    let most = driftless_document::limits::CHANGE_OPERATIONS;
    let mut full = Record::new();
    // What is deleted.
    edit(&mut full, 1, 0, &[append(&"x".repeat(most))]);
    let elements = |n: usize| vec![Value::Bool(true); n];
    let delete = Intent::Splice {
        path: "notes".into(),
        at: 0,
        delete: most,
        insert: String::new(),
    };
    let empty = Record::new();
    let adds = (0..most).map(|n| put(0, i64::try_from(n).unwrap_or(0)));
    let dense = driftless_document::limits::CHANGE_WRITES;
    let cases: [(&str, &Record, Vec<Intent>); 4] = [
        ("a paste", &empty, vec![append(&"x".repeat(most))]),
        ("equal elements", &empty, vec![push(elements(dense))]),
        ("puts in one field", &empty, adds.collect()),
        ("a text deleted", &full, vec![delete]),
    ];
    for (what, record, intents) in cases {
        let raw = write(record, actor(2, 0), &intents);
        let admitting = median(5, || admit(record, &raw));
        let own = parse_time(&raw);
        let memory = allocation_counter::measure(|| drop(admit(record, &raw)));
        let Admission::Admitted(admitted) = admit(record, &raw) else {
            panic!("an honest change is admitted");
        };
        let copy = record.clone();
        let mut held = None;
        let applying_memory = allocation_counter::measure(|| {
            held = Some(timed(|| copy.apply(admitted).expect("it applies")));
        });
        let ((applied, _), applying) = held.expect("it was applied");
        let saved = applied.save();
        let loading = median(3, || {
            Record::load(&saved, &applied.heads()).expect("it loads")
        });
        println!(
            "  {what}, {} operations in {} bytes: {:.1} ms and {} KiB to admit, of which Automerge's parser takes {:.1} ms; \
             {:.1} ms and {} KiB to apply; {} bytes saved, {:.1} ms to load",
            parse(&raw).operations.len(),
            raw.len(),
            micros(admitting) / 1e3,
            memory.bytes_max / 1024,
            micros(own) / 1e3,
            micros(applying) / 1e3,
            applying_memory.bytes_max / 1024,
            saved.len(),
            micros(loading) / 1e3,
        );
    }
}

/// What looking at a saved document first adds to loading it.
fn loading() {
    for changes in [10_u32, 1_000, 10_000] {
        let mut record = Record::new();
        for n in 0..changes {
            let mut intents = vec![put(n % 10, i64::from(n))];
            if n % 20 == 0 {
                intents.push(append("some words "));
            }
            edit(&mut record, 1, n / 50, &intents);
        }
        let (saved, heads) = (record.save(), record.heads());
        let looking = median(RUNS, || Record::check_saved(&saved).expect("it is honest"));
        let loading = median(RUNS, || Record::load(&saved, &heads).expect("it loads"));
        let own = median(RUNS, || {
            Automerge::load_with_options(&saved, LoadOptions::new()).expect("it loads")
        });
        println!(
            "  a record of {changes} changes, {} bytes: {:.0} us, of which looking at it first {:.0} us; Automerge alone {:.0} us",
            saved.len(),
            micros(loading),
            micros(looking),
            micros(own),
        );
    }
}

fn admit(record: &Record, raw: &[u8]) -> Admission {
    record.admit(raw, [2; 8]).expect("an honest change")
}

/// What no one who reads a change with Automerge can do without: its own parser, and the operations taken apart.
fn parse(raw: &[u8]) -> automerge::ExpandedChange {
    let change = Change::from_bytes(last_chunk(raw).to_vec());
    change.expect("an honest change").decode()
}

fn parse_time(raw: &[u8]) -> Duration {
    median(5, || parse(raw))
}

/// The change behind the genesis changes it brings along.
fn last_chunk(raw: &[u8]) -> &[u8] {
    let magic = [0x85, 0x6f, 0x4a, 0x83];
    let at = raw.windows(4).rposition(|bytes| bytes == magic);
    &raw[at.expect("a change begins with it")..]
}

fn append(text: &str) -> Intent {
    Intent::AppendText {
        path: "notes".into(),
        text: text.into(),
    }
}

fn push(values: Vec<Value>) -> Intent {
    Intent::InsertElements {
        path: "items".into(),
        at: None,
        values,
    }
}

fn member(text: &str) -> Intent {
    Intent::AddMember {
        path: "tags".into(),
        member: Value::String(text.into()),
    }
}
