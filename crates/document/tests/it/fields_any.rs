//! Counters, texts, lists and sets: any edits, in any order of delivery.

use driftless_document::{Change, Intent, Record, Value};
use proptest::prelude::*;

use crate::support::{actor, put, receive, remove};
use crate::typed::{add, drop_member, increment, replace, splice};

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, Vec<Intent>),
    Deliver { from: usize, to: usize, many: usize },
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let word = prop::sample::select(vec!["a", "bc", "déf", "𝄞"]);
    let value = prop_oneof![
        (0..3i64).prop_map(Value::Int),
        Just(Value::Null),
        "[xy]{0,2}".prop_map(Value::String)
    ];
    let small = 0..6usize;
    prop_oneof![
        (-3..4i64).prop_map(|by| increment("n", by)),
        (0..9i64).prop_map(|to| put("n", Value::Int(to))),
        (small.clone(), 0..3usize, word.clone())
            .prop_map(|(at, delete, s)| splice("t", at, delete, s)),
        "[ab ]{0,6}".prop_map(|s| replace("t", &s)),
        (small.clone(), prop::collection::vec(value.clone(), 0..3)).prop_map(|(at, values)| {
            Intent::InsertElements {
                path: "l".into(),
                at: Some(at),
                values,
            }
        }),
        (small.clone(), value).prop_map(|(at, value)| Intent::PutElement {
            path: "l".into(),
            at,
            value
        }),
        (small, 1..3usize).prop_map(|(at, count)| Intent::RemoveElements {
            path: "l".into(),
            at,
            count
        }),
        (0..3i64).prop_map(|m| add("s", Value::Int(m))),
        (0..3i64).prop_map(|m| drop_member("s", Value::Int(m))),
        Just(remove("t")),
        Just(remove("l")),
        Just(remove("s")),
        (0..3i64).prop_map(|v| put("v", Value::Int(v))),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3usize, prop::collection::vec(any_intent(), 1..4)).prop_map(|(by, i)| Step::Edit(by, i)),
        2 => (0..3usize, 0..3usize, 1..6usize).prop_map(|(from, to, many)| Step::Deliver { from, to, many }),
    ]
}

/// A replica and all changes it has, in the order in which it got them.
#[derive(Default)]
struct Replica {
    record: Record,
    log: Vec<Vec<u8>>,
}

impl Replica {
    fn receive(&mut self, raw: &[u8]) {
        if !self.log.iter().any(|other| other == raw) {
            receive(&mut self.record, raw);
            self.log.push(raw.to_vec());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_let_in_everywhere_and_reads_the_same(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut replicas = [Replica::default(), Replica::default(), Replica::default()];
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Edit(by, intents) => {
                    let by_actor = actor(u8::try_from(by * 50 + n).unwrap());
                    // Places out of range are refused; nothing is written then.
                    if let Ok(Some(raw)) = replicas[*by].record.write(by_actor, 1, intents) {
                        replicas[*by].receive(&raw);
                    }
                }
                Step::Deliver { from, to, many } => {
                    let new: Vec<_> = replicas[*from].log.clone();
                    let known = replicas[*to].log.clone();
                    for raw in new.iter().filter(|raw| !known.contains(raw)).take(*many) {
                        replicas[*to].receive(raw);
                    }
                }
            }
        }
        let all: Vec<_> = replicas.iter().flat_map(|replica| replica.log.clone()).collect();
        for replica in &mut replicas {
            // Each log is in an order in which every change follows its past.
            for raw in &all {
                replica.receive(raw);
            }
        }
        let rows: Vec<_> = replicas.iter().map(|replica| replica.record.row()).collect();
        prop_assert_eq!(&rows[0], &rows[1]);
        prop_assert_eq!(&rows[0], &rows[2]);
        let record = &replicas[0].record;
        let loaded = Record::load(&record.save(), &record.heads()).unwrap();
        prop_assert_eq!(loaded.row(), record.row());
        prop_assert_eq!(loaded.changes().unwrap().len(), record.change_count());
        let loose = Record::load(&replicas[1].log.concat(), &record.heads()).unwrap();
        prop_assert_eq!(loose.row(), record.row());
        for (raw, change) in replicas[0].log.iter().filter_map(|raw| Some((raw, Change::from_raw(raw)?))) {
            prop_assert_eq!(&change.to_raw().unwrap().0, raw);
        }
    }
}
