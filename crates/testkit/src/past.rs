//! What a record read at any of its changes, from the graph alone: the judge of histories and of reads of the
//! past.
//!
//! Written from the documentation, sharing no code with the crate it checks, and from other evidence: which
//! change knew of which, and never what an operation says it replaces.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, ChangeHash, Fields, OpId, Value};

use crate::sequence;

/// Some changes, each with all it knew of.
pub struct Past<'a> {
    changes: BTreeMap<ChangeHash, &'a Change>,
    knew: BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
}

/// What one change leaves somewhere: its last operation there, and the value, if it leaves one.
type Left<'a> = (ChangeHash, OpId, Option<&'a Value>);

impl<'a> Past<'a> {
    /// The past of every change; each of them stands after its own. What none of them is, is a genesis change.
    pub fn of(changes: &'a [Change]) -> Self {
        let mut knew = BTreeMap::<_, BTreeSet<ChangeHash>>::new();
        for change in changes {
            let mut known = BTreeSet::new();
            for dep in &change.deps {
                if let Some(past) = knew.get(dep) {
                    known.extend(past);
                    known.insert(*dep);
                }
            }
            knew.insert(change.hash, known);
        }
        Self {
            changes: changes.iter().map(|c| (c.hash, c)).collect(),
            knew,
        }
    }

    /// Whether one change knew of another.
    pub fn knew(&self, later: &ChangeHash, earlier: &ChangeHash) -> bool {
        self.knew[later].contains(earlier)
    }

    /// Some changes and all they knew of.
    pub fn at(&self, heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let heads = heads.iter().filter(|head| self.knew.contains_key(head));
        let mut all: BTreeSet<_> = heads.clone().copied().collect();
        all.extend(heads.flat_map(|head| &self.knew[head]));
        all
    }

    /// The values on a register after some changes, the shown one last: the last writes of those that write it
    /// and that no other one of them knew of.
    pub fn read(&self, key: &str, at: &BTreeSet<ChangeHash>) -> Vec<Value> {
        let left = at.iter().filter_map(|hash| {
            let numbered = self.changes[hash].numbered();
            let (id, operation) = numbered.filter(|(_, o)| o.key == key).last()?;
            let value = match &operation.action {
                Action::Put(value) => Some(value),
                _ => None,
            };
            Some((*hash, id, value))
        });
        self.standing(&left.collect::<Vec<_>>())
    }

    /// The values that are left where some changes write one after or beside the other, the shown one last.
    fn standing(&self, left: &[Left<'_>]) -> Vec<Value> {
        let is_last = |hash: &ChangeHash| !left.iter().any(|(later, ..)| self.knew(later, hash));
        let mut live: Vec<_> = left
            .iter()
            .filter(|(hash, ..)| is_last(hash))
            .filter_map(|(_, id, value)| Some((*id, (*value)?.clone())))
            .collect();
        live.sort_by_key(|(id, _)| *id);
        live.into_iter().map(|(_, value)| value).collect()
    }

    /// The fields a row shows after some changes.
    ///
    /// # Panics
    ///
    /// Where they hold what no Driftless writes.
    pub fn fields(&self, at: &BTreeSet<ChangeHash>) -> Fields {
        let operations = at.iter().flat_map(|hash| &self.changes[hash].operations);
        let keys: BTreeSet<&str> = operations.map(|operation| operation.key.as_str()).collect();
        let mut fields = Fields::new();
        for key in keys.into_iter().filter(|key| !key.starts_with('$')) {
            if key.ends_with("#counter") {
                fields.insert(key.to_owned(), Value::Counter(self.sum(key, at)));
            } else if key.ends_with("#text") {
                let letters = self.elements(key, at).into_iter().map(|value| match value {
                    Value::String(letter) => letter,
                    other => panic!("a text holds {other:?}"),
                });
                fields.insert(key.to_owned(), Value::Text(letters.collect()));
            } else if key.ends_with("#list") {
                fields.insert(key.to_owned(), Value::List(self.elements(key, at)));
            } else if let Some(shown) = self.read(key, at).pop() {
                match key.split_once('/') {
                    Some((set, name)) => {
                        let members = fields.entry(format!("{set}/"));
                        let members = members.or_insert(Value::Set(Vec::new()));
                        if let Value::Set(members) = members {
                            members.push(member(name));
                        }
                    }
                    None => {
                        fields.insert(key.to_owned(), shown);
                    }
                }
            }
        }
        fields
    }

    fn sum(&self, key: &str, at: &BTreeSet<ChangeHash>) -> i64 {
        let operations = at.iter().flat_map(|hash| &self.changes[hash].operations);
        let increments = operations.filter(|operation| operation.key == key);
        increments
            .map(|operation| match operation.action {
                Action::Increment(by) => by,
                _ => 0,
            })
            .sum()
    }

    /// The values of a text or list, in order.
    fn elements(&self, key: &str, at: &BTreeSet<ChangeHash>) -> Vec<Value> {
        let numbered = || {
            let changes = at.iter().map(|hash| self.changes[hash]);
            let numbered = changes.flat_map(|change| {
                let numbered = change.numbered();
                numbered.map(move |(id, operation)| (change.hash, id, operation))
            });
            numbered.filter(|(_, _, operation)| operation.key == key)
        };
        let mut left = BTreeMap::<OpId, BTreeMap<ChangeHash, Left<'_>>>::new();
        for (hash, id, operation) in numbered() {
            let (element, value) = match &operation.action {
                Action::Insert { value, .. } => (id, Some(value)),
                Action::PutElement { element, value } => (*element, Some(value)),
                Action::DeleteElement { element } => (*element, None),
                _ => continue,
            };
            // The operations of a change are numbered in order: its last one stays.
            let of_element = left.entry(element).or_default();
            of_element.insert(hash, (hash, id, value));
        }
        sequence::elements(numbered().map(|(_, id, operation)| (id, operation)))
            .into_iter()
            .filter_map(|element| {
                let left = left.remove(&element.id).unwrap_or_default();
                self.standing(&left.into_values().collect::<Vec<_>>()).pop()
            })
            .collect()
    }
}

/// The member that a part of a key says.
pub(crate) fn member(name: &str) -> Value {
    match name.split_once(':') {
        Some(("i", number)) => Value::Int(number.parse().expect("a number")),
        Some(("s", text)) => Value::String(text.to_owned()),
        _ => panic!("no plan writes the member {name}"),
    }
}
