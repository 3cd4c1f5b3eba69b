//! Carries out a plan as data alone: changes without documents, thousands of histories a second.
//!
//! What an intent becomes is written here once more, from its documentation.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, ActorId, Change, ChangeHash, Intent, OpId, Operation, Value};

use crate::histories::{Do, Plan};

/// All changes of a plan, each after its past.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    /// The changes.
    pub changes: Vec<Change>,
    /// Of each change, the indexes of its past.
    pasts: Vec<BTreeSet<usize>>,
}

/// The actor of a replica after some restarts. Of one device: the first half says which.
pub fn actor(replica: usize, restarts: usize) -> ActorId {
    let mut bytes = [0; 16];
    let device = (replica as u64).wrapping_mul(0x53d1_93d8_4a31_70f5); // not in the order of replicas
    bytes[..8].copy_from_slice(&device.to_be_bytes());
    bytes[8..].copy_from_slice(&(restarts as u64).to_be_bytes());
    ActorId(bytes)
}

impl Plain {
    /// Carries out a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut plain = Self::default();
        let mut known = vec![BTreeSet::new(); plan.replicas];
        let mut restarts = vec![0; plan.replicas];
        for step in &plan.steps {
            let at = step.replica % plan.replicas;
            match step.action {
                Do::Restart => restarts[at] += 1,
                Do::Meet => known.fill(plain.everything()),
                Do::PullAll(from) => {
                    let more = known[from % plan.replicas].clone();
                    known[at].extend(more);
                }
                Do::PullOne(from, nth) => {
                    let news: Vec<usize> = known[from % plan.replicas]
                        .difference(&known[at])
                        .copied()
                        .collect();
                    if !news.is_empty() {
                        let one = news[nth % news.len()];
                        known[at].insert(one);
                        known[at].extend(&plain.pasts[one]);
                    }
                }
                _ => {
                    let shows = |key: &str| {
                        let live = plain.live(key, &known[at]);
                        live.into_iter().next_back().map(|(_, value)| value)
                    };
                    let intents = plan.intents(&step.action, shows);
                    if plain.write(actor(at, restarts[at]), &known[at], &intents) {
                        known[at].insert(plain.changes.len() - 1);
                    }
                }
            }
        }
        plain
    }

    /// Adds a change that a replica which knows some changes makes; false where it would do nothing.
    pub fn write(&mut self, actor: ActorId, known: &BTreeSet<usize>, intents: &[Intent]) -> bool {
        let max_op = known.iter().map(|&n| self.changes[n].max_op()).max();
        let mut draft = Draft {
            plain: self,
            known,
            actor,
            start_op: max_op.unwrap_or(0) + 1,
            live: BTreeMap::new(),
            operations: Vec::new(),
        };
        for intent in intents {
            draft.intend(intent);
        }
        let Draft {
            start_op,
            operations,
            ..
        } = draft;
        if operations.is_empty() {
            return false;
        }
        let own = known.iter().filter(|&&n| self.changes[n].actor == actor);
        let seq = own.count() as u64 + 1;
        let is_head = |n: &usize| !known.iter().any(|&m| self.pasts[m].contains(n));
        let mut deps: Vec<ChangeHash> = known
            .iter()
            .filter(|n| is_head(n))
            .map(|&n| self.changes[n].hash)
            .collect();
        deps.sort_unstable();
        let number = self.changes.len();
        let hash = blake3::hash(format!("{number} {actor} {seq}").as_bytes());
        self.changes.push(Change {
            hash: ChangeHash(*hash.as_bytes()),
            actor,
            seq,
            start_op,
            deps,
            time: i64::try_from(number).unwrap_or(0) << 12,
            creates: Vec::new(),
            operations,
        });
        self.pasts.push(known.clone());
        true
    }

    /// All changes by index.
    pub fn everything(&self) -> BTreeSet<usize> {
        (0..self.changes.len()).collect()
    }

    /// What is live on a register after some changes.
    pub fn live(&self, key: &str, known: &BTreeSet<usize>) -> BTreeMap<OpId, Value> {
        let mut live = BTreeMap::new();
        for &n in known {
            for (id, operation) in self.changes[n].numbered() {
                if operation.key == key {
                    live.retain(|id, _| !operation.pred.contains(id));
                    if let Action::Put(value) = &operation.action {
                        live.insert(id, value.clone());
                    }
                }
            }
        }
        live
    }
}

struct Draft<'a> {
    plain: &'a Plain,
    known: &'a BTreeSet<usize>,
    actor: ActorId,
    start_op: u64,
    live: BTreeMap<String, BTreeMap<OpId, Value>>,
    operations: Vec<Operation>,
}

impl Draft<'_> {
    fn intend(&mut self, intent: &Intent) {
        match intent {
            Intent::Put { key, value } => {
                let live = self.live(key);
                if live.len() != 1 || live.values().next() != Some(value) {
                    self.operate(key, Action::Put(value.clone()));
                }
            }
            Intent::Remove { key } => {
                let keys: BTreeSet<String> = self
                    .plain
                    .changes
                    .iter()
                    .flat_map(|change| &change.operations)
                    .chain(&self.operations)
                    .map(|operation| operation.key.clone())
                    .filter(|below| below.starts_with(&format!("{key}.")))
                    .collect();
                for key in std::iter::once(key).chain(&keys) {
                    if !self.live(key).is_empty() {
                        self.operate(key, Action::Delete);
                    }
                }
            }
            Intent::Settle {
                key,
                value: Some(value),
            } => self.operate(key, Action::Put(value.clone())),
            Intent::Settle { key, value: None } => {
                if self.live(key).is_empty() {
                    self.operate(key, Action::Put(Value::Null));
                }
                self.operate(key, Action::Delete);
            }
            other => unreachable!("plans make no {other:?}"),
        }
    }

    fn live(&mut self, key: &str) -> &mut BTreeMap<OpId, Value> {
        if !self.live.contains_key(key) {
            let live = self.plain.live(key, self.known);
            self.live.insert(key.to_owned(), live);
        }
        self.live.entry(key.to_owned()).or_default()
    }

    fn operate(&mut self, key: &str, action: Action) {
        let id = OpId {
            counter: self.start_op + self.operations.len() as u64,
            actor: self.actor,
        };
        let live = self.live(key);
        let pred = std::mem::take(live).into_keys().collect();
        if let Action::Put(value) = &action {
            live.insert(id, value.clone());
        }
        self.operations.push(Operation {
            key: key.to_owned(),
            action,
            pred,
        });
    }
}
