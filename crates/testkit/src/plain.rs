//! Carries out a plan as data alone: changes without documents, thousands of histories a second.
//!
//! What a wish becomes is written here once more, from its documentation.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, ActorId, Change, ChangeHash, OpId, Operation, Value};

use crate::histories::{FIELDS, Plan, Step, Type, What, Wish};
use crate::known::Known;
use crate::sequence::{self, Element};
use crate::view::View;

/// All changes of a plan, each after its past.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    /// The changes.
    pub changes: Vec<Change>,
    /// Of each change, the places of its past.
    pub pasts: Vec<Known>,
}

/// The actor of a replica after some restarts. Of one device: the first half says which.
pub fn actor(replica: usize, restarts: usize) -> ActorId {
    let mut bytes = [0; 16];
    let device = (replica as u64).wrapping_mul(0x53d1_93d8_4a31_70f5); // not in the order of replicas
    bytes[..8].copy_from_slice(&device.to_be_bytes());
    bytes[8..].copy_from_slice(&(restarts as u64).to_be_bytes());
    ActorId(bytes)
}

/// What each replica of a plan knows while it is carried out, by place in the history.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// Of each replica.
    pub known: Vec<Known>,
    restarts: Vec<usize>,
}

impl Knowledge {
    /// Replicas that know nothing.
    pub fn new(replicas: usize) -> Self {
        Self {
            known: vec![Known::default(); replicas],
            restarts: vec![0; replicas],
        }
    }

    /// The actor under which a replica writes now.
    pub fn actor(&self, replica: usize) -> ActorId {
        actor(replica, self.restarts[replica])
    }

    /// A delivery or a restart; false where the step is an edit.
    pub fn deliver(&mut self, plan: &Plan, step: Step, pasts: &[Known]) -> bool {
        let at = plan.replica(step.replica);
        let from = plan.replica(step.at);
        match step.what {
            What::Restart => self.restarts[at] += 1,
            What::Meet => self.known.fill(Known::below(pasts.len())),
            What::PullAll => {
                let more = self.known[from].clone();
                self.known[at].union(&more);
            }
            What::PullOne => {
                let new = |n: &usize| !self.known[at].contains(*n);
                let news: Vec<usize> = self.known[from].iter().filter(new).collect();
                if !news.is_empty() {
                    let one = news[usize::from(step.value) % news.len()];
                    self.known[at].union(&pasts[one]);
                    self.known[at].insert(one);
                }
            }
            _ => return false,
        }
        true
    }
}

impl Plain {
    /// Carries out a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut plain = Self::default();
        let mut knowledge = Knowledge::new(plan.replicas);
        for step in &plan.steps {
            if knowledge.deliver(plan, *step, &plain.pasts) {
                continue;
            }
            let at = plan.replica(step.replica);
            let wishes = plan.wishes(*step, &plain.view(&knowledge.known[at]));
            if plain.write(knowledge.actor(at), &knowledge.known[at], &wishes) {
                knowledge.known[at].insert(plain.changes.len() - 1);
            }
        }
        plain
    }

    /// What somebody sees who knows these changes.
    pub fn view<'a>(&'a self, known: &'a Known) -> View<'a> {
        View {
            changes: &self.changes,
            pasts: &self.pasts,
            known,
        }
    }

    /// Adds a change that a replica which knows some changes makes; false where it would do nothing.
    pub fn write(&mut self, actor: ActorId, known: &Known, wishes: &[Wish]) -> bool {
        let view = self.view(known);
        let mut max_op = known.iter().map(|n| self.changes[n].max_op()).max();
        if max_op.is_none() && wishes.iter().any(needs_genesis) {
            max_op = Some(1);
        }
        let mut draft = Draft {
            view,
            actor,
            start_op: max_op.unwrap_or(0) + 1,
            operations: Vec::new(),
        };
        for wish in wishes {
            draft.wish(wish);
        }
        let Draft {
            start_op,
            operations,
            ..
        } = draft;
        if operations.is_empty() {
            return false;
        }
        let own = known.iter().filter(|&n| self.changes[n].actor == actor);
        let seq = own.count() as u64 + 1;
        let mut covered = Known::default();
        for n in known.iter() {
            covered.union(&self.pasts[n]);
        }
        let heads = known.iter().filter(|&n| !covered.contains(n));
        let mut deps: Vec<ChangeHash> = heads.map(|n| self.changes[n].hash).collect();
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

    /// All changes.
    pub fn everything(&self) -> Known {
        Known::below(self.changes.len())
    }
}

/// Whether a wish is of an object, which a genesis change of one operation makes first.
fn needs_genesis(wish: &Wish) -> bool {
    !matches!(
        wish,
        Wish::Put { .. } | Wish::Remove { .. } | Wish::Add { .. } | Wish::Settle { .. }
    )
}

/// The operation that makes the object of a key.
fn genesis(key: &str) -> OpId {
    let hash = blake3::derive_key("driftless genesis change 1", key.as_bytes());
    let mut actor = [0; 16];
    actor.copy_from_slice(&hash[..16]);
    OpId {
        counter: 1,
        actor: ActorId(actor),
    }
}

struct Draft<'a> {
    view: View<'a>,
    actor: ActorId,
    start_op: u64,
    operations: Vec<Operation>,
}

impl Draft<'_> {
    fn wish(&mut self, wish: &Wish) {
        match wish {
            Wish::Put { key, value } => {
                self.clear_above(key);
                self.clear_below(key);
                let live = self.live(key);
                if live.len() != 1 || live.values().next() != Some(value) {
                    self.put(key, value.clone());
                }
            }
            Wish::Remove { key } => {
                self.clear(key);
                self.clear_below(key);
            }
            Wish::Add { key } => {
                self.clear_above(key);
                self.put(key, Value::Bool(true));
            }
            Wish::Settle {
                key,
                value: Some(value),
            } => self.put(key, value.clone()),
            Wish::Settle { key, value: None } => {
                if self.live(key).is_empty() {
                    let nothing = match type_of(key) {
                        Some(Type::Member) => Value::Bool(true),
                        _ => Value::Null,
                    };
                    self.put(key, nothing);
                }
                self.delete(key);
            }
            Wish::Increment { key, by } => {
                self.clear_above(key);
                self.operate(key, Action::Increment(*by), vec![genesis(key)]);
            }
            Wish::Splice {
                key,
                at,
                delete,
                insert,
            } => self.splice(key, *at, *delete, insert),
            Wish::InsertElement { key, at, value } => {
                self.insert(key, *at, vec![value.clone()]);
            }
            Wish::SetElement { key, at, value } => {
                let Element { id, live } = self.there(key).swap_remove(*at);
                let stands = live.len() == 1 && live.values().next() == value.as_ref();
                match value {
                    Some(_) if stands => {}
                    Some(value) => self.put_element(key, id, value.clone()),
                    None => self.delete_element(key, id),
                }
            }
            Wish::SettleElement {
                key,
                element,
                value,
            } => self.settle_element(key, *element, value.clone()),
        }
    }

    fn settle_element(&mut self, key: &str, element: OpId, value: Option<Value>) {
        if let Some(value) = value {
            self.put_element(key, element, value);
            return;
        }
        if self.live_of(key, element).is_empty() {
            self.put_element(key, element, Value::Null);
        }
        self.delete_element(key, element);
    }

    /// Empties the values that a field lies in.
    fn clear_above(&mut self, key: &str) {
        if key.starts_with('$') {
            return;
        }
        for (at, _) in key.rmatch_indices('.') {
            if !key[..at].ends_with('\\') {
                self.clear(&key[..at]);
            }
        }
    }

    /// Empties all below a field; texts and lists there are made empty.
    fn clear_below(&mut self, key: &str) {
        let below = format!("{key}.");
        let keys: BTreeSet<String> = self
            .view
            .known
            .iter()
            .flat_map(|n| &self.view.changes[n].operations)
            .chain(&self.operations)
            .filter(|operation| operation.key.starts_with(&below))
            .map(|operation| operation.key.clone())
            .collect();
        for key in &keys {
            self.clear(key);
        }
    }

    fn clear(&mut self, key: &str) {
        match type_of(key) {
            Some(Type::Text | Type::List) => {
                for element in self.there(key) {
                    self.delete_element(key, element.id);
                }
            }
            _ if !self.live(key).is_empty() => self.delete(key),
            _ => {}
        }
    }

    fn splice(&mut self, key: &str, at: usize, delete: usize, insert: &str) {
        let there = self.there(key);
        for element in &there[at..at + delete] {
            self.delete_element(key, element.id);
        }
        let letters = insert.chars().map(|c| Value::String(c.to_string()));
        self.insert(key, at, letters.collect());
    }

    fn insert(&mut self, key: &str, at: usize, values: Vec<Value>) {
        let there = self.there(key);
        let mut after = at.checked_sub(1).map(|before| there[before].id);
        if !values.is_empty() {
            self.clear_above(key);
        }
        for value in values {
            after = Some(self.operate(key, Action::Insert { after, value }, Vec::new()));
        }
    }

    fn put(&mut self, key: &str, value: Value) {
        let replaced = self.live(key).into_keys().collect();
        self.operate(key, Action::Put(value), replaced);
    }

    fn delete(&mut self, key: &str) {
        let replaced = self.live(key).into_keys().collect();
        self.operate(key, Action::Delete, replaced);
    }

    fn put_element(&mut self, key: &str, element: OpId, value: Value) {
        let replaced = self.live_of(key, element);
        self.operate(key, Action::PutElement { element, value }, replaced);
    }

    fn delete_element(&mut self, key: &str, element: OpId) {
        let replaced = self.live_of(key, element);
        self.operate(key, Action::DeleteElement { element }, replaced);
    }

    fn numbered(&self, key: &str) -> impl Iterator<Item = (OpId, &Operation)> {
        let own = (self.start_op..).zip(&self.operations);
        let own = own.map(|(counter, operation)| {
            let actor = self.actor;
            (OpId { counter, actor }, operation)
        });
        let own = own.filter(move |(_, operation)| operation.key == key);
        self.view.operations(key).chain(own)
    }

    fn live(&self, key: &str) -> BTreeMap<OpId, Value> {
        crate::view::live(self.numbered(key))
    }

    /// The elements that are there.
    fn there(&self, key: &str) -> Vec<Element> {
        let mut elements = sequence::elements(self.numbered(key));
        elements.retain(|element| !element.live.is_empty());
        elements
    }

    /// What is live on an element, smallest first.
    fn live_of(&self, key: &str, element: OpId) -> Vec<OpId> {
        let elements = sequence::elements(self.numbered(key));
        let found = elements.into_iter().find(|e| e.id == element);
        found.map_or(Vec::new(), |e| e.live.into_keys().collect())
    }

    fn operate(&mut self, key: &str, action: Action, pred: Vec<OpId>) -> OpId {
        let id = OpId {
            counter: self.start_op + self.operations.len() as u64,
            actor: self.actor,
        };
        self.operations.push(Operation {
            key: key.to_owned(),
            action,
            pred,
        });
        id
    }
}

fn type_of(key: &str) -> Option<Type> {
    let field = FIELDS.iter().find(|(name, _)| *name == key);
    field.map(|(_, kind)| *kind)
}
