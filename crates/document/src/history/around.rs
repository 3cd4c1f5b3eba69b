//! What the changes of a record know together of its counters and texts, where one change alone does not say it.
//!
//! What a counter read where it was incremented is the sum of the increments its author knew of. What a change took
//! out of a text is read in the order of the text, which all changes make.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::{History, tally};
use crate::change::{Action, Change};
use crate::field::FieldKey;
use crate::ids::OpId;
use crate::sequence::Sequence;
use crate::value::Value;

/// A history, to look things up that are about more than one change.
pub(super) struct Around<'a> {
    history: &'a History,
    /// The increments of all changes by the counter's key, each with the place of its change; made when needed.
    increments: OnceCell<BTreeMap<&'a str, Vec<(usize, i64)>>>,
    /// The order of the elements of the texts that were asked for.
    orders: RefCell<BTreeMap<String, BTreeMap<OpId, usize>>>,
}

impl<'a> Around<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        Self {
            history,
            increments: OnceCell::new(),
            orders: RefCell::default(),
        }
    }

    /// What a counter read where a change was made; none if it was not there.
    ///
    /// The cost is linear in the changes its author knew of.
    pub(super) fn count(&self, change: &Change, field: &FieldKey) -> Option<i64> {
        let key = field.to_key();
        if change.creates.contains(&key) {
            return None;
        }
        let increments = self.increments.get_or_init(|| self.all_increments());
        let past = self.past(change);
        let known = increments.get(key.as_str())?.iter();
        let known = known.filter(|(n, _)| past.contains(n));
        Some(known.fold(0i64, |sum, (_, by)| sum.wrapping_add(*by)))
    }

    /// Characters in the order of their text, as one text.
    pub(super) fn in_order(&self, key: Option<&String>, characters: Vec<(OpId, &Value)>) -> String {
        let mut characters = characters;
        if let Some(key) = key.filter(|_| characters.len() > 1) {
            let mut orders = self.orders.borrow_mut();
            let order = orders
                .entry(key.clone())
                .or_insert_with(|| self.elements_of(key).places());
            characters.sort_by_key(|(id, _)| order.get(id));
        }
        let texts = characters.into_iter().filter_map(|(_, value)| match value {
            Value::String(character) => Some(character.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// All elements that a text ever had.
    fn elements_of(&self, key: &str) -> Sequence {
        let mut elements = Sequence::default();
        for (n, change) in self.history.changes.iter().enumerate() {
            tally::add(1);
            for (id, operation) in change.numbered().filter(|(_, o)| o.key == key) {
                elements.push(n, id, operation);
            }
        }
        elements
    }

    fn all_increments(&self) -> BTreeMap<&'a str, Vec<(usize, i64)>> {
        let mut increments = BTreeMap::<&str, Vec<(usize, i64)>>::new();
        for (n, change) in self.history.changes.iter().enumerate() {
            tally::add(change.operations.len());
            for operation in &change.operations {
                if let Action::Increment(by) = operation.action {
                    increments.entry(&operation.key).or_default().push((n, by));
                }
            }
        }
        increments
    }

    /// The places of the changes that a change knew of.
    fn past(&self, change: &Change) -> BTreeSet<usize> {
        let place = |hash| self.history.index.get(hash).copied();
        let mut open: Vec<usize> = change.deps.iter().filter_map(place).collect();
        let mut past = BTreeSet::new();
        while let Some(n) = open.pop() {
            if past.insert(n) {
                tally::add(1);
                open.extend(self.history.changes[n].deps.iter().filter_map(place));
            }
        }
        past
    }
}
