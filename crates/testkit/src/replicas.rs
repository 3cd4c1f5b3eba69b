//! Carries out a plan on real records: every change written, admitted and applied as a device would.

use std::collections::BTreeMap;

use driftless_document::{Admission, Change, ChangeHash, Record};

use crate::histories::{Dice, Do, Plan, shuffled};
use crate::plain::actor;

/// A few replicas of one record.
pub struct Replicas {
    /// The records.
    pub records: Vec<Record>,
    /// All changes made, each after its past.
    pub changes: Vec<Change>,
    /// Their bytes.
    pub raw: BTreeMap<ChangeHash, Vec<u8>>,
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
            dice: Dice(plan.seed),
        };
        let mut restarts = vec![0; plan.replicas];
        for step in &plan.steps {
            let at = step.replica % plan.replicas;
            match step.action {
                Do::Restart => restarts[at] += 1,
                Do::Meet => replicas.exchange_all(),
                Do::PullAll(from) => {
                    let news = replicas.news(at, from % plan.replicas);
                    replicas.deliver(at, &news);
                }
                Do::PullOne(from, nth) => {
                    let news = replicas.news(at, from % plan.replicas);
                    if !news.is_empty() {
                        let one = news[nth % news.len()].hash;
                        let past = replicas.past_of(one, &news);
                        replicas.deliver(at, &past);
                    }
                }
                _ => replicas.edit(at, restarts[at], plan, &step.action),
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

    fn edit(&mut self, at: usize, restarts: usize, plan: &Plan, action: &Do) {
        let record = &mut self.records[at];
        let row = record.row();
        let intents = plan.intents(action, |key| row.fields.get(key).cloned());
        let time = i64::try_from(self.changes.len()).expect("a plan has few steps") << 12;
        let written = record.write(actor(at, restarts), time, &intents);
        if let Some(raw) = written.expect("plans write fields only") {
            let change = receive(record, &raw, actor(at, 0).device_prefix());
            self.raw.insert(change.hash, raw);
            self.changes.push(change);
        }
    }

    /// The changes that replica `from` has and `to` lacks, in the order they were made.
    fn news(&self, to: usize, from: usize) -> Vec<Change> {
        let new = |change: &&Change| {
            self.records[from].has_change(&change.hash)
                && !self.records[to].has_change(&change.hash)
        };
        self.changes.iter().filter(new).cloned().collect()
    }

    /// One change and those of its past that are among `news`.
    fn past_of(&self, one: ChangeHash, news: &[Change]) -> Vec<Change> {
        let mut wanted = vec![one];
        for change in self.changes.iter().rev() {
            if wanted.contains(&change.hash) {
                wanted.extend(&change.deps);
            }
        }
        let wanted = |change: &&Change| wanted.contains(&change.hash);
        news.iter().filter(wanted).cloned().collect()
    }

    fn deliver(&mut self, to: usize, changes: &[Change]) {
        for change in shuffled(changes, &mut self.dice) {
            let prefix = change.actor.device_prefix();
            let received = receive(&mut self.records[to], &self.raw[&change.hash], prefix);
            assert_eq!(received, change);
        }
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
    record.apply(admitted).expect("an admitted change applies")
}
