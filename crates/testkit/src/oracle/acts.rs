//! What each change does to each register, and which of it contests.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, MemberAction, OpId, Operation, Value};

use super::text::Edit;
use super::{Canary, Oracle};

pub(super) const DELETED: &str = "$deleted";

/// What a register is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The record's own: whether it is deleted.
    Record,
    /// A field replaced as a whole.
    Scalar,
    /// A member of a set.
    Member,
    /// An element of a list.
    Element(OpId),
    /// A text.
    Text,
}

/// One register with all that is done to it, in (counter, actor) order.
pub(super) struct Register {
    /// Its name in the log.
    pub(super) name: String,
    /// The key of its operations.
    pub(super) key: String,
    pub(super) sort: Sort,
    pub(super) acts: Vec<Act>,
}

/// What one change does to a register.
pub(super) struct Act {
    pub(super) change: usize,
    pub(super) operation: OpId,
    pub(super) action: MemberAction,
    /// Of a text, what of it is changed.
    pub(super) edit: Option<Edit>,
}

/// The type that a key says: what stands behind the first `#` or `/` that is not escaped.
fn sort_of(key: &str) -> Option<Sort> {
    if key == DELETED {
        return Some(Sort::Record);
    }
    if key.starts_with('$') {
        return None;
    }
    let mut letters = key.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '/' => return Some(Sort::Member),
            '#' if &key[at..] == "#text" => return Some(Sort::Text),
            '#' if matches!(&key[at..], "#list" | "#counter") => return None,
            _ => {}
        }
    }
    Some(Sort::Scalar)
}

/// The register that an operation writes, if it is one that can be contested.
fn register_of(operation: &Operation) -> Option<(String, Sort)> {
    let key = &operation.key;
    match (&operation.action, sort_of(key)) {
        (Action::Put(_) | Action::Delete, Some(sort)) => Some((key.clone(), sort)),
        (Action::Insert { .. } | Action::DeleteElement { .. }, Some(Sort::Text)) => {
            Some((key.clone(), Sort::Text))
        }
        (Action::PutElement { element, .. } | Action::DeleteElement { element }, None) => {
            let bytes = element.actor.0.iter();
            let actor: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
            let actor = actor.concat();
            let name = format!("{key}/{}@{actor}", element.counter);
            Some((name, Sort::Element(*element)))
        }
        _ => None,
    }
}

impl Oracle<'_> {
    /// All registers that are written, with what is done to each.
    pub(super) fn registers(&self) -> Vec<Register> {
        let mut registers = BTreeMap::<String, Register>::new();
        for (n, change) in self.changes.iter().enumerate() {
            for (name, (key, sort, act)) in writes(n, change) {
                let register = registers.entry(name.clone()).or_insert(Register {
                    name,
                    key,
                    sort,
                    acts: Vec::new(),
                });
                register.acts.push(act);
            }
        }
        if let Some(register) = registers.get_mut(DELETED) {
            for n in 0..self.changes.len() {
                register.acts.extend(self.touch(n));
            }
        }
        let mut registers: Vec<Register> = registers.into_values().collect();
        if !self.has(Canary::ArrivalOrder) {
            for register in &mut registers {
                register
                    .acts
                    .sort_by_key(|act| (act.operation.counter, act.operation.actor.0));
            }
        }
        registers
    }

    /// That a change edits a field, unless it says itself what it wants of the record, or its past reads deleted.
    fn touch(&self, n: usize) -> Option<Act> {
        let change = &self.changes[n];
        if change.operations.iter().any(|o| o.key == DELETED) {
            return None;
        }
        let is_edit = |operation: &Operation| !operation.key.starts_with('$');
        let first = change.operations.iter().position(is_edit)?;
        let before = self.live(DELETED, |earlier| self.precedes(earlier, n));
        let reads_deleted = before.into_values().next_back() == Some(Value::Bool(true));
        (!reads_deleted).then(|| Act {
            change: n,
            operation: change.op_id(first),
            action: MemberAction::Touch,
            edit: None,
        })
    }

    /// The live values of a register of the root after some changes, by operation.
    pub(super) fn live(
        &self,
        key: &str,
        includes: impl Fn(usize) -> bool,
    ) -> BTreeMap<OpId, Value> {
        let mut live = BTreeMap::new();
        let mut dead = BTreeSet::new();
        for (id, operation) in self.operations(key, includes) {
            dead.extend(operation.pred.iter().copied());
            if let Action::Put(value) = &operation.action {
                live.insert(id, value.clone());
            }
        }
        live.retain(|id, _| !dead.contains(id));
        live
    }

    /// The operations with a key of some changes.
    pub(super) fn operations(
        &self,
        key: &str,
        includes: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = (OpId, &Operation)> {
        let changes = self.changes.iter().enumerate();
        let included = changes.filter(move |(n, _)| includes(*n));
        let numbered = included.flat_map(|(_, change)| change.numbered());
        numbered.filter(move |(_, operation)| operation.key == key)
    }

    /// Whether two acts contest each other.
    pub(super) fn contest(&self, register: &Register, x: &Act, y: &Act) -> bool {
        let knew = |earlier: &Act, later: &Act| {
            if self.has(Canary::Pred) && earlier.action != MemberAction::Touch {
                self.replaces(register, later, earlier)
            } else {
                self.precedes(earlier.change, later.change)
            }
        };
        if x.change == y.change || knew(x, y) || knew(y, x) {
            return false;
        }
        let is_put = |act: &Act| matches!(act.action, MemberAction::Put(_));
        match register.sort {
            Sort::Record => {
                let deletes = |act: &Act| act.action == MemberAction::Put(Value::Bool(true));
                let keeps = |act: &Act| {
                    matches!(
                        act.action,
                        MemberAction::Touch | MemberAction::Put(Value::Bool(false))
                    )
                };
                (deletes(x) && keeps(y)) || (keeps(x) && deletes(y))
            }
            Sort::Scalar | Sort::Element(_) => is_put(x) || is_put(y),
            Sort::Member => (is_put(x) || is_put(y)) && x.action != y.action,
            Sort::Text => match (&x.edit, &y.edit) {
                (Some(x), Some(y)) => x.meets(y, self.has(Canary::InsertionsOnly)),
                _ => false,
            },
        }
    }

    /// Whether one act replaces another by what its operations say, over any number of steps.
    fn replaces(&self, register: &Register, later: &Act, earlier: &Act) -> bool {
        let operations: BTreeMap<OpId, &Operation> =
            self.operations(&register.key, |_| true).collect();
        let of = |change: usize, id: &OpId| {
            let change = &self.changes[change];
            id.actor == change.actor && (change.start_op..=change.max_op()).contains(&id.counter)
        };
        let own = operations.keys().filter(|id| of(later.change, id));
        let mut open: Vec<OpId> = own.copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if of(earlier.change, &id) {
                return true;
            }
            if let (true, Some(operation)) = (seen.insert(id), operations.get(&id)) {
                open.extend(&operation.pred);
            }
        }
        false
    }

    /// The connected components, of two or more acts, of "contests": places among the register's acts.
    pub(super) fn components(&self, register: &Register) -> Vec<Vec<usize>> {
        let acts = &register.acts;
        let mut dropped = !self.has(Canary::DropPair);
        let mut pairs = BTreeSet::new();
        for x in 0..acts.len() {
            for y in x + 1..acts.len() {
                if self.contest(register, &acts[x], &acts[y]) {
                    if dropped {
                        pairs.insert((x, y));
                        pairs.insert((y, x));
                    }
                    dropped = true;
                }
            }
        }
        let mut seen = BTreeSet::new();
        let mut components = Vec::new();
        for start in 0..acts.len() {
            let mut component = BTreeSet::new();
            let mut open = vec![start];
            while let Some(x) = open.pop() {
                if seen.insert(x) {
                    component.insert(x);
                    open.extend(pairs.range((x, 0)..(x + 1, 0)).map(|(_, y)| *y));
                }
            }
            if component.len() > 1 {
                components.push(component.into_iter().collect());
            }
        }
        components
    }
}

/// What a change does to each register it writes, by the register's name: its last operation there; of a text all
/// its operations, named by the first.
fn writes(n: usize, change: &Change) -> BTreeMap<String, (String, Sort, Act)> {
    let mut writes = BTreeMap::<String, (String, Sort, Act)>::new();
    for (id, operation) in change.numbered() {
        let Some((name, sort)) = register_of(operation) else {
            continue;
        };
        let mut act = Act {
            change: n,
            operation: id,
            action: match &operation.action {
                Action::Put(value) | Action::PutElement { value, .. } => {
                    MemberAction::Put(value.clone())
                }
                _ => MemberAction::Delete,
            },
            edit: None,
        };
        if sort == Sort::Text {
            if writes.contains_key(&name) {
                continue;
            }
            act.edit = Some(Edit::of(change, &operation.key));
        }
        writes.insert(name, (operation.key.clone(), sort, act));
    }
    writes
}
