//! Texts and lists by brute force: operations in any order to elements in theirs.
//!
//! This is the replicated growable array of Roh et al. as its papers tell it, written for small histories: elements
//! put in behind the same one stand with the greatest operation first, each followed by what was put in behind it.
//! An element that is removed keeps its place.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, OpId, Operation, Value};

/// One place of a text or list.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The operation that put it in.
    pub id: OpId,
    /// Its live values, smallest operation first: the last is shown, and without any it is removed.
    pub live: BTreeMap<OpId, Value>,
}

/// All elements that these operations of one text or list put in, the removed ones too, in order.
///
/// What stands behind an element that none of them puts in is left out.
pub fn elements<'a>(operations: impl Iterator<Item = (OpId, &'a Operation)>) -> Vec<Element> {
    let mut behind = BTreeMap::<Option<OpId>, Vec<OpId>>::new();
    let mut values = BTreeMap::<OpId, BTreeMap<OpId, Value>>::new();
    let mut replaced = BTreeSet::new();
    for (id, operation) in operations {
        match &operation.action {
            Action::Insert { after, value } => {
                behind.entry(*after).or_default().push(id);
                values.entry(id).or_default().insert(id, value.clone());
            }
            Action::PutElement { element, value } => {
                replaced.extend(operation.pred.iter().copied());
                values
                    .entry(*element)
                    .or_default()
                    .insert(id, value.clone());
            }
            Action::DeleteElement { .. } => replaced.extend(operation.pred.iter().copied()),
            _ => {}
        }
    }
    for siblings in behind.values_mut() {
        siblings.sort_unstable(); // the greatest is taken from the end of `open` first
    }
    let mut open = behind.remove(&None).unwrap_or_default();
    let mut elements = Vec::with_capacity(values.len());
    while let Some(id) = open.pop() {
        let mut live = values.remove(&id).unwrap_or_default();
        live.retain(|operation, _| !replaced.contains(operation));
        elements.push(Element { id, live });
        open.extend(behind.remove(&Some(id)).unwrap_or_default());
    }
    elements
}

/// The shown values of the elements that are there.
pub fn shown(elements: &[Element]) -> Vec<Value> {
    let last = |element: &Element| element.live.values().next_back().cloned();
    elements.iter().filter_map(last).collect()
}

/// The characters of a text that are there.
pub fn text(elements: &[Element]) -> String {
    let letters = elements
        .iter()
        .filter_map(|element| element.live.values().next_back());
    letters
        .filter_map(|value| match value {
            Value::String(letter) => Some(letter.as_str()),
            _ => None,
        })
        .collect()
}
