//! Random plans of edits and deliveries over a few replicas of one record.
//!
//! A plan is data, so a failing one shrinks. What it does not say (the order of delivery) comes from
//! [`Dice`], seeded by the plan.

use std::collections::BTreeSet;

use driftless_document::{Change, Intent, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The registers that plans write, the first ones most: fields beside and below each other.
pub const REGISTERS: [&str; 6] = [
    "a",
    "address",
    "address.city",
    "b",
    "address\\.city",
    "address.zip",
];

/// A plan for a few replicas.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many replicas.
    pub replicas: usize,
    /// How many of [`REGISTERS`] are written.
    pub registers: usize,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What the dice of deliveries start from.
    pub seed: u64,
}

/// One step of one replica; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which replica.
    pub replica: usize,
    /// What it does.
    pub action: Do,
}

/// What a replica does.
#[derive(Clone, Debug)]
pub enum Do {
    /// Writes registers in one change.
    Put(Vec<(usize, i64)>),
    /// Empties a register and all below it.
    Remove(usize),
    /// Decides a register: a value or absent.
    Settle(usize, Option<i64>),
    /// Confirms what a register shows.
    Confirm(usize),
    /// Writes a register and says in the same change whether the record is deleted.
    PutAnd(usize, i64, bool),
    /// Deletes the record, or restores it.
    Delete(bool),
    /// Decides whether the record is deleted, as it stands or not.
    SettleDeleted(bool),
    /// Writes a register of ours that makes no entries.
    Note(i64),
    /// Goes on under another actor id.
    Restart,
    /// All replicas receive all there is.
    Meet,
    /// Receives all that another replica has.
    PullAll(usize),
    /// Receives one change that another replica has, with its past.
    PullOne(usize, usize),
}

fn action() -> impl Strategy<Value = Do> {
    let register = 0..REGISTERS.len();
    let value = 0..3i64;
    prop_oneof![
        8 => prop::collection::vec((register.clone(), value.clone()), 1..=2).prop_map(Do::Put),
        3 => register.clone().prop_map(Do::Remove),
        2 => (register.clone(), prop::option::of(value.clone())).prop_map(|(r, v)| Do::Settle(r, v)),
        1 => register.clone().prop_map(Do::Confirm),
        1 => (register, value.clone(), any::<bool>()).prop_map(|(r, v, d)| Do::PutAnd(r, v, d)),
        3 => prop::bool::weighted(0.7).prop_map(Do::Delete),
        1 => any::<bool>().prop_map(Do::SettleDeleted),
        1 => value.prop_map(Do::Note),
        1 => Just(Do::Restart),
        2 => Just(Do::Meet),
        5 => (0..5usize).prop_map(Do::PullAll),
        4 => (0..5usize, 0..8usize).prop_map(|(from, nth)| Do::PullOne(from, nth)),
    ]
}

/// Plans of up to `steps` steps over these many replicas.
pub fn plans(
    replicas: std::ops::RangeInclusive<usize>,
    steps: usize,
) -> impl Strategy<Value = Plan> {
    let step = (0..5usize, action()).prop_map(|(replica, action)| Step { replica, action });
    (
        replicas,
        1..=REGISTERS.len(),
        prop::collection::vec(step, 1..=steps),
        any::<u64>(),
    )
        .prop_map(|(replicas, registers, steps, seed)| Plan {
            replicas,
            registers,
            steps,
            seed,
        })
}

/// A runner of properties whose cases are the same on every run; `DRIFTLESS_CASES` asks for more of them.
pub fn runner(cases: u32) -> TestRunner {
    let asked = std::env::var("DRIFTLESS_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(cases);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(
        config,
        TestRng::from_seed(RngAlgorithm::ChaCha, b"driftless: these cases, each run"),
    )
}

impl Plan {
    /// The key that a plan's number stands for.
    pub fn register(&self, n: usize) -> &'static str {
        REGISTERS[n % self.registers]
    }

    /// What a step wants to write; nothing where it is no edit. `shows` says what a register shows.
    pub fn intents(&self, action: &Do, shows: impl Fn(&str) -> Option<Value>) -> Vec<Intent> {
        let put = |key: &str, value: Value| Intent::Put {
            key: key.to_owned(),
            value,
        };
        let settle = |key: &str, value: Option<Value>| Intent::Settle {
            key: key.to_owned(),
            value,
        };
        match action {
            Do::Put(puts) => puts
                .iter()
                .map(|(r, v)| put(self.register(*r), Value::Int(*v)))
                .collect(),
            Do::Remove(r) => vec![Intent::Remove {
                key: self.register(*r).to_owned(),
            }],
            Do::Settle(r, value) => vec![settle(self.register(*r), value.map(Value::Int))],
            Do::Confirm(r) => {
                let key = self.register(*r);
                vec![settle(key, shows(key))]
            }
            Do::PutAnd(r, v, deleted) => vec![
                put(self.register(*r), Value::Int(*v)),
                put("$deleted", Value::Bool(*deleted)),
            ],
            Do::Delete(deleted) => vec![put("$deleted", Value::Bool(*deleted))],
            Do::SettleDeleted(deleted) => vec![settle("$deleted", Some(Value::Bool(*deleted)))],
            Do::Note(value) => vec![put("$review/note", Value::Int(*value))],
            Do::Restart | Do::Meet | Do::PullAll(_) | Do::PullOne(..) => Vec::new(),
        }
    }
}

/// The changes of a set in some order in which each follows its past, all such orders possible.
pub fn shuffled(changes: &[Change], dice: &mut Dice) -> Vec<Change> {
    let mut waiting: Vec<&Change> = changes.iter().collect();
    let mut left: BTreeSet<_> = changes.iter().map(|change| change.hash).collect();
    let mut order = Vec::with_capacity(changes.len());
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|&n| !waiting[n].deps.iter().any(|dep| left.contains(dep)))
            .collect();
        let next = waiting.remove(ready[dice.below(ready.len())]);
        left.remove(&next.hash);
        order.push(next.clone());
    }
    order
}

/// A small deterministic source of choices (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() >> 32).unwrap_or(0) % end
    }
}
