//! The log after some changes came equals the log of all changes, whatever came in whatever portions.

use std::collections::BTreeSet;

use driftless_document::{
    Change, ChangeHash, Evidence, Intent, Record, RecordId, Value, change_hash, evidence,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::support::{actor, edit, put, receive, remove, settle, text};

const RECORD: RecordId = RecordId([1; 16]);

/// One device: its record, the log it keeps, and what it could pass on.
struct Device {
    record: Record,
    log: Evidence,
    came: Vec<Change>,
    raw: Vec<(ChangeHash, Vec<u8>)>,
    starts: u8,
}

impl Device {
    fn receive(&mut self, raw: &[u8]) {
        let change = receive(&mut self.record, raw);
        self.raw.push((change.hash, raw.to_vec()));
        self.came.push(change);
    }

    /// Brings the log up to date, and holds it against the whole.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let came = std::mem::take(&mut self.came);
        let log = self
            .record
            .evidence_after("people", RECORD, &self.log, &came);
        self.log = log.unwrap();
        let whole = evidence("people", RECORD, &self.record.changes().unwrap());
        prop_assert_eq!(&self.log, &whole);
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Do {
    Edit(u8, u8, u8),
    Review(u8, u8),
    Pull(u8, u8),
    Look,
    Reload,
    Restart,
}

fn step() -> impl Strategy<Value = (u8, Do)> {
    let what = prop_oneof![
        8 => any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Do::Edit(a, b, c)),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Do::Review(a, b)),
        5 => any::<(u8, u8)>().prop_map(|(a, b)| Do::Pull(a, b)),
        3 => Just(Do::Look),
        1 => Just(Do::Reload),
        1 => Just(Do::Restart),
    ];
    (any::<u8>(), what)
}

fn intent(record: &Record, kind: u8, place: u8, value: u8) -> Intent {
    let fields = record.row().fields;
    let length = match fields.get("notes#text") {
        Some(Value::Text(text)) => text.chars().count(),
        _ => 0,
    };
    let elements = match fields.get("steps#list") {
        Some(Value::List(values)) => values.len(),
        _ => 0,
    };
    let register = ["a", "b", "address", "address.b"][usize::from(place % 4)];
    let number = Value::Int(i64::from(value % 3));
    let (path, at) = ("steps".to_owned(), usize::from(place) % elements.max(1));
    let member = Value::Int(i64::from(place % 2));
    match kind % 14 {
        0..=3 => put(register, number),
        4 => remove(register),
        5 => settle(register, (value > 99).then_some(number)),
        6 => put("$deleted", Value::Bool(value > 99)),
        7 | 8 => {
            let at = usize::from(place) % (length + 1);
            Intent::Splice {
                path: "notes".into(),
                at,
                delete: usize::from(value % 3).min(length - at),
                insert: ["x", "yz", ""][usize::from(kind) % 3].into(),
            }
        }
        9 => Intent::InsertElements {
            path,
            at: Some(at),
            values: vec![number],
        },
        10 => Intent::PutElement {
            path,
            at,
            value: number,
        },
        11 => Intent::RemoveElements { path, at, count: 1 },
        12 => Intent::AddMember {
            path: "tags".into(),
            member,
        },
        _ => Intent::RemoveMember {
            path: "tags".into(),
            member,
        },
    }
}

/// Says something about one of the entries, by one of its names, and decides it now and then.
fn review(log: &Evidence, which: u8, how: u8) -> Option<Vec<Intent>> {
    let entries = &log.entries;
    let entry = entries.get(usize::from(which) % entries.len().max(1))?;
    let names: Vec<_> = entry.names().collect();
    let name = names[usize::from(how / 8) % names.len()];
    let word = match how % 8 {
        0 | 1 => Value::Json(r#"{"acknowledge":""}"#.into()),
        2..=4 => text("reopen"),
        5 => text("merge"),
        _ => text("keep"),
    };
    let mut intents = vec![settle(&format!("$review/{name}"), Some(word))];
    let is_register = !entry.register.contains('#') && !entry.register.contains('/');
    if how.is_multiple_of(2) && is_register && entry.register != "$deleted" {
        intents.push(settle(&entry.register, Some(Value::Int(7))));
    }
    Some(intents)
}

fn run(count: usize, steps: &[(u8, Do)]) -> Result<(), TestCaseError> {
    let mut devices: Vec<Device> = Vec::new();
    for _ in 0..count {
        devices.push(Device {
            record: Record::new(),
            log: Evidence::default(),
            came: Vec::new(),
            raw: Vec::new(),
            starts: 0,
        });
    }
    for (who, what) in steps {
        let who = usize::from(*who) % count;
        let device = &mut devices[who];
        let by = actor(u8::try_from(who).unwrap() + 10 * device.starts);
        let intents = match what {
            Do::Edit(kind, place, value) => vec![intent(&device.record, *kind, *place, *value)],
            Do::Review(which, how) => match review(&device.log, *which, *how) {
                Some(intents) => intents,
                None => continue,
            },
            Do::Pull(from, portion) => {
                let from = usize::from(*from) % count;
                let held: BTreeSet<_> = devices[who].raw.iter().map(|(hash, _)| *hash).collect();
                let missing = devices[from]
                    .raw
                    .iter()
                    .filter(|(hash, _)| !held.contains(hash));
                let missing: Vec<_> = missing
                    .take(usize::from(*portion % 6) + 1)
                    .cloned()
                    .collect();
                for (_, raw) in missing {
                    devices[who].receive(&raw);
                }
                continue;
            }
            Do::Look => {
                device.look()?;
                continue;
            }
            Do::Reload => {
                let record = &device.record;
                device.record = Record::load(&record.save(), &record.heads()).unwrap();
                continue;
            }
            Do::Restart => {
                device.starts += 1;
                continue;
            }
        };
        if let Ok(Some(raw)) = device.record.write(by, 7 << 12, &intents) {
            assert!(change_hash(&raw).is_some());
            device.receive(&raw);
        }
    }
    devices.iter_mut().try_for_each(Device::look)
}

#[test]
fn the_log_kept_up_to_date_equals_the_log_of_all_changes() {
    let asked = std::env::var("DRIFTLESS_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(120);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, b"driftless: these cases, each run");
    let plans = (2..=4usize, prop::collection::vec(step(), 1..=60));
    let outcome =
        TestRunner::new_with_rng(config, seed).run(&plans, |(count, steps)| run(count, &steps));
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_record_loaded_with_two_heads_knows_what_both_left() {
    let place = ("people", RECORD);
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    let mut apart = record.clone();
    edit(&mut record, actor(1), &[put("$deleted", Value::Bool(true))]);
    let theirs = edit(&mut apart, actor(2), &[put("a", Value::Int(2))]);
    receive(&mut record, &theirs);
    let log = evidence(place.0, place.1, &record.changes().unwrap());
    let mut record = Record::load(&record.save(), &record.heads()).unwrap();
    // Both are known to this one; it neither deletes nor restores.
    edit(&mut record, actor(1), &[put("b", Value::Int(3))]);
    let mut apart = record.clone();
    edit(
        &mut record,
        actor(1),
        &[settle("$deleted", Some(Value::Bool(true)))],
    );
    let theirs = edit(&mut apart, actor(2), &[put("a", Value::Int(4))]);
    let before = evidence(place.0, place.1, &record.changes().unwrap());
    assert_eq!(before.entries.len(), log.entries.len());
    let came = receive(&mut record, &theirs);
    let log = record.evidence_after(place.0, place.1, &before, &[came]);
    let whole = evidence(place.0, place.1, &record.changes().unwrap());
    assert_eq!(log.unwrap(), whole);
}
