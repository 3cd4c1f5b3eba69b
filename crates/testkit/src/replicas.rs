//! Carries out a plan on real records: every change written, admitted and applied as a device would.

use std::collections::BTreeMap;

use driftless_document::{Admission, Change, ChangeHash, Intent, OpId, Record};

use crate::histories::{Dice, Plan, Step, Wish, shuffled};
use crate::known::Known;
use crate::past::member;
use crate::plain::Knowledge;
use crate::view::View;

/// A few replicas of one record.
pub struct Replicas {
    /// The records.
    pub records: Vec<Record>,
    /// All changes made, each after its past.
    pub changes: Vec<Change>,
    /// Their bytes.
    pub raw: BTreeMap<ChangeHash, Vec<u8>>,
    pasts: Vec<Known>,
    dice: Dice,
}

impl Replicas {
    /// Carries out a plan.
    ///
    /// # Panics
    ///
    /// Where an honest change is refused or does not apply.
    pub fn of(plan: &Plan) -> Self {
        let mut replicas = Self {
            records: vec![Record::new(); plan.replicas],
            changes: Vec::new(),
            raw: BTreeMap::new(),
            pasts: Vec::new(),
            dice: Dice(u64::from(plan.seed)),
        };
        let mut knowledge = Knowledge::new(plan.replicas);
        for step in &plan.steps {
            if knowledge.deliver(plan, *step, &replicas.pasts) {
                for (at, known) in knowledge.known.iter().enumerate() {
                    replicas.catch_up(at, known);
                }
            } else {
                replicas.edit(plan, *step, &mut knowledge);
            }
        }
        replicas
    }

    /// Brings every replica what it lacks, each in an order of its own.
    pub fn exchange_all(&mut self) {
        for at in 0..self.records.len() {
            let missing: Vec<Change> = self
                .changes
                .iter()
                .filter(|change| !self.records[at].has_change(&change.hash))
                .cloned()
                .collect();
            self.deliver(at, &missing);
        }
    }

    fn edit(&mut self, plan: &Plan, step: Step, knowledge: &mut Knowledge) {
        let at = plan.replica(step.replica);
        let known = &mut knowledge.known[at];
        let view = View {
            changes: &self.changes,
            pasts: &self.pasts,
            known,
        };
        let intents: Vec<Intent> = plan.wishes(step, &view).iter().map(intent).collect();
        let time = i64::try_from(self.changes.len()).expect("a plan has few steps") << 12;
        let record = &mut self.records[at];
        let written = record.write(knowledge.actor(at), time, &intents);
        if let Some(raw) = written.expect("plans write fields only") {
            let change = receive(record, &raw, knowledge.actor(at).device_prefix());
            self.raw.insert(change.hash, raw);
            self.changes.push(change);
            self.pasts.push(knowledge.known[at].clone());
            knowledge.known[at].insert(self.changes.len() - 1);
        }
    }

    /// Brings a replica what it is to know by now.
    fn catch_up(&mut self, at: usize, known: &Known) {
        let news: Vec<Change> = known
            .iter()
            .map(|n| &self.changes[n])
            .filter(|change| !self.records[at].has_change(&change.hash))
            .cloned()
            .collect();
        self.deliver(at, &news);
    }

    fn deliver(&mut self, to: usize, changes: &[Change]) {
        for change in shuffled(changes, &mut self.dice) {
            let prefix = change.actor.device_prefix();
            let received = receive(&mut self.records[to], &self.raw[&change.hash], prefix);
            assert_eq!(received, change);
        }
    }
}

/// What a wish is to a record.
fn intent(wish: &Wish) -> Intent {
    let path = |key: &str| key.split('#').next().unwrap_or(key).to_owned();
    match wish.clone() {
        Wish::Put { key, value } => Intent::Put { key, value },
        Wish::Remove { key } => Intent::Remove { key },
        Wish::Add { key } => {
            let (path, name) = key
                .split_once('/')
                .expect("a member's key has a set's path");
            Intent::AddMember {
                path: path.to_owned(),
                member: member(name),
            }
        }
        Wish::Settle { key, value } => Intent::Settle { key, value },
        Wish::Increment { key, by } => Intent::Increment {
            path: path(&key),
            by,
        },
        Wish::Splice {
            key,
            at,
            delete,
            insert,
        } => Intent::Splice {
            path: path(&key),
            at,
            delete,
            insert,
        },
        Wish::InsertElement { key, at, value } => Intent::InsertElements {
            path: path(&key),
            at: Some(at),
            values: vec![value],
        },
        Wish::SetElement {
            key,
            at,
            value: Some(value),
        } => Intent::PutElement {
            path: path(&key),
            at,
            value,
        },
        Wish::SetElement {
            key,
            at,
            value: None,
        } => Intent::RemoveElements {
            path: path(&key),
            at,
            count: 1,
        },
        Wish::SettleElement {
            key,
            element: OpId { counter, actor },
            value,
        } => Intent::Settle {
            key: format!("{key}/{counter}@{actor}"),
            value,
        },
    }
}

/// Admits and applies a raw change of one device.
///
/// # Panics
///
/// Where it is not admitted or does not apply.
pub fn receive(record: &mut Record, raw: &[u8], device_prefix: [u8; 8]) -> Change {
    let admitted = match record.admit(raw, device_prefix) {
        Ok(Admission::Admitted(admitted)) => admitted,
        other => panic!("an honest change is not admitted: {other:?}"),
    };
    let applied = std::mem::take(record).apply(admitted);
    let (applied, change) = applied.expect("an admitted change applies");
    *record = applied;
    change
}
