//! Changes are encoded here directly: byte for byte what Automerge's own transaction commits, but that they
//! depend on the heads alone.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ROOT, ReadDoc as _, ScalarValue};
use driftless_document::{Intent, Record, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{actor, encoded, put, receive, remove};

const KEYS: [&str; 4] = ["name", "address.city", "\\$deleted", "z"];

/// A value and the scalar that stands for it, said here once more.
fn value() -> impl Strategy<Value = (Value, ScalarValue)> {
    let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
    prop_oneof![
        Just((Value::Null, ScalarValue::Null)),
        any::<bool>().prop_map(|b| (Value::Bool(b), ScalarValue::Boolean(b))),
        any::<i64>().prop_map(|n| (Value::Int(n), ScalarValue::Int(n))),
        (0..3i64).prop_map(|n| (Value::Int(n), ScalarValue::Int(n))),
        (i64::MAX as u64 + 1..).prop_map(|n| (Value::Uint(n), ScalarValue::Uint(n))),
        proptest::num::f64::NORMAL.prop_map(|n| (Value::Float(n), ScalarValue::F64(n))),
        "\\PC{0,40}".prop_map(|s| (Value::String(s.clone()), ScalarValue::Str(s.into()))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(move |b| {
            let scalar = ScalarValue::Bytes(tagged(0, &b));
            (Value::Bytes(b), scalar)
        }),
        any::<i64>().prop_map(|n| (Value::Timestamp(n), ScalarValue::Timestamp(n))),
        (0..9u8).prop_map(move |n| {
            let json = format!("[{n}]");
            let scalar = ScalarValue::Bytes(tagged(1, json.as_bytes()));
            (Value::Json(json), scalar)
        }),
    ]
}

type Edit = (usize, Option<(Value, ScalarValue)>);

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, Vec<Edit>, i64),
    Meet,
}

fn step() -> impl Strategy<Value = Step> {
    let edit = (0..KEYS.len(), prop::option::weighted(0.75, value()));
    let edits = prop::collection::vec(edit, 1..6);
    prop_oneof![
        4 => (0..3usize, edits, 0..1i64 << 60).prop_map(|(at, e, time)| Step::Edit(at, e, time)),
        1 => Just(Step::Meet),
    ]
}

/// Makes the edits with a transaction, where one makes an operation, and says them as intents.
fn transact(document: &Automerge, edits: &[Edit], time: i64) -> (Vec<Intent>, Option<Vec<u8>>) {
    let mut intents = Vec::new();
    let mut document = document.clone();
    let heads = document.get_heads();
    let mut transaction = document.transaction();
    for (key, value) in edits {
        let key = KEYS[*key];
        let shown = transaction.get(ROOT, key).unwrap();
        match (value, shown) {
            (Some((_, scalar)), Some((automerge::Value::Scalar(shown), _)))
                if *shown == *scalar => {} // nothing, or a delete of the losers
            (Some((value, scalar)), _) => {
                transaction.put(ROOT, key, scalar.clone()).unwrap();
                intents.push(put(key, value.clone()));
            }
            (None, None) => {}
            (None, Some(_)) => {
                transaction.delete(ROOT, key).unwrap();
                intents.push(remove(key));
            }
        }
    }
    let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(time));
    let raw = hash.map(|hash| {
        let change = document.get_change_by_hash(&hash).unwrap();
        if change.deps().len() == heads.len() {
            return change.raw_bytes().to_vec();
        }
        // A transaction depends on its actor's last change as well, though a head knows of it.
        let mut expanded = change.decode();
        expanded.deps.retain(|dep| heads.contains(dep));
        encoded(expanded)
    });
    (intents, raw)
}

fn run(steps: Vec<Step>) -> Result<u32, TestCaseError> {
    let mut compared = 0;
    let mut all = Vec::<Vec<u8>>::new();
    let mut devices: Vec<_> = (0..3u8)
        .map(|n| {
            let mut document = Automerge::new();
            document.set_actor(actor(200 - 90 * n).0.into());
            (actor(200 - 90 * n), document, Record::new())
        })
        .collect();
    for step in steps {
        match step {
            Step::Edit(at, edits, time) => {
                let (actor, document, record) = &mut devices[at];
                let (intents, raw) = transact(document, &edits, time);
                let written = record.write(*actor, time, &intents).unwrap();
                prop_assert_eq!(&written, &raw);
                if let Some(raw) = raw {
                    receive(record, &raw);
                    let change = automerge::Change::from_bytes(raw.clone()).unwrap();
                    document.apply_changes([change]).unwrap();
                    all.push(raw);
                    compared += 1;
                }
            }
            Step::Meet => {
                for (_, document, record) in &mut devices {
                    for raw in &all {
                        let change = automerge::Change::from_bytes(raw.clone()).unwrap();
                        let hash = driftless_document::ChangeHash(change.hash().0);
                        if !record.has_change(&hash) {
                            receive(record, raw);
                        }
                        document.apply_changes([change]).unwrap();
                    }
                }
            }
        }
    }
    for (_, document, record) in &devices {
        let mut heads: Vec<_> = document.get_heads().iter().map(|h| h.0).collect();
        heads.sort_unstable();
        prop_assert_eq!(
            record.heads().iter().map(|h| h.0).collect::<Vec<_>>(),
            heads
        );
    }
    Ok(compared)
}

#[test]
fn a_change_is_byte_for_byte_what_a_transaction_commits() {
    let compared = std::cell::Cell::new(0);
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&prop::collection::vec(step(), 1..20), |steps| {
            compared.set(compared.get() + run(steps)?);
            Ok(())
        });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(compared.get() > 2_000, "{}", compared.get());
}
