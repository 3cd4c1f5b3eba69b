//! The elements of one text or list: their order, and which of them are there after some of the changes.
//!
//! The order is that of a replicated growable array (Roh et al. 2011), as Automerge has it: an element stands
//! behind the one it was put behind, elements put behind the same one the newest first. Elements that were
//! removed keep their place. Which are there is asked for a set of changes, closed under their past: a test of
//! a change's number, whatever the caller numbers them by.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::{Action, Change, Operation};
use crate::ids::OpId;
use crate::value::Value;

/// The texts and lists of a record, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequences(BTreeMap<String, Arc<Sequence>>);

impl Sequences {
    /// Takes in a change, numbered by the caller, after all that it knew of.
    pub(crate) fn push(&mut self, number: usize, change: &Change) {
        for (id, operation) in change.numbered() {
            let is_inside = matches!(
                operation.action,
                Action::Insert { .. } | Action::PutElement { .. } | Action::DeleteElement { .. }
            );
            if !is_inside {
                continue;
            }
            if !self.0.contains_key(&operation.key) {
                self.0.insert(operation.key.clone(), Arc::default());
            }
            if let Some(sequence) = self.0.get_mut(&operation.key) {
                Arc::make_mut(sequence).push(number, id, operation);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Sequence> {
        self.0.get(key).map(|sequence| &**sequence)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Sequence)> {
        let all = self.0.iter();
        all.map(|(key, sequence)| (key.as_str(), &**sequence))
    }
}

/// All elements of one text or list that there ever were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    elements: BTreeMap<OpId, Element>,
    order: Vec<OpId>,
    /// Where the last element was put: the next one mostly follows it.
    last: usize,
}

/// One element, removed since or not.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) id: OpId,
    change: usize,
    value: Arc<Value>,
    /// What was done to it later.
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    id: OpId,
    change: usize,
    /// Its new value, or none where it was removed.
    value: Option<Value>,
    replaced: Vec<OpId>,
}

impl Sequence {
    /// Takes in an operation of a change, after all that change knew of.
    pub(crate) fn push(&mut self, change: usize, id: OpId, operation: &Operation) {
        let (element, value) = match &operation.action {
            Action::Insert { after, value } => {
                let element = Element {
                    id,
                    change,
                    value: Arc::new(value.clone()),
                    steps: Vec::new(),
                };
                if self.elements.insert(id, element).is_none() {
                    self.place(id, after.as_ref());
                }
                return;
            }
            Action::PutElement { element, value } => (element, Some(value.clone())),
            Action::DeleteElement { element } => (element, None),
            Action::Put(_) | Action::Delete | Action::Increment(_) => return,
        };
        if let Some(element) = self.elements.get_mut(element) {
            element.steps.push(Step {
                id,
                change,
                value,
                replaced: operation.pred.clone(),
            });
        }
    }

    fn place(&mut self, id: OpId, after: Option<&OpId>) {
        let mut at = match after {
            None => 0,
            Some(after) if self.order.get(self.last) == Some(after) => self.last + 1,
            Some(after) => match self.order.iter().position(|other| other == after) {
                Some(at) => at + 1,
                None => self.order.len(),
            },
        };
        // What stands here was put behind the same element later, or behind such a one.
        while self.order.get(at).is_some_and(|other| *other > id) {
            at += 1;
        }
        self.order.insert(at, id);
        self.last = at;
    }

    /// Whether an element was put in by one of these changes, removed since or not.
    pub(crate) fn knows(&self, element: &OpId, includes: impl Fn(usize) -> bool) -> bool {
        let element = self.elements.get(element);
        element.is_some_and(|element| includes(element.change))
    }

    /// The values of an element after these changes, by operation, the shown one last; none if it is removed.
    pub(crate) fn live(
        &self,
        element: &OpId,
        includes: impl Fn(usize) -> bool,
    ) -> BTreeMap<OpId, &Value> {
        match self.elements.get(element) {
            Some(found) => found.live(*element, &includes),
            None => BTreeMap::new(),
        }
    }

    /// The elements that are there after these changes, in order, each with the value that is shown.
    pub(crate) fn read(
        &self,
        includes: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = (OpId, &Value)> {
        self.order.iter().filter_map(move |id| {
            let element = self.elements.get(id)?;
            if element.steps.is_empty() {
                return includes(element.change).then_some((*id, &*element.value));
            }
            let (_, value) = element.live(*id, &includes).pop_last()?;
            Some((*id, value))
        })
    }

    /// Where each element that there ever was stands.
    pub(crate) fn places(&self) -> BTreeMap<OpId, usize> {
        self.order.iter().copied().zip(0..).collect()
    }

    /// All elements, in order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.order.iter().filter_map(|id| self.elements.get(id))
    }

    /// The elements that were given another value, or removed.
    pub(crate) fn written(&self) -> impl Iterator<Item = OpId> {
        let written = self.elements.values().filter(|e| !e.steps.is_empty());
        written.map(|element| element.id)
    }

    /// How an element came to be, and what was done to it later.
    pub(crate) fn steps(&self, element: &OpId) -> impl Iterator<Item = ElementStep<'_>> {
        let found = self.elements.get(element).into_iter();
        found.flat_map(|element| {
            let made = ElementStep {
                id: element.id,
                change: element.change,
                value: Some(&element.value),
                replaced: &[],
            };
            let later = element.steps.iter().map(|step| ElementStep {
                id: step.id,
                change: step.change,
                value: step.value.as_ref(),
                replaced: &step.replaced,
            });
            std::iter::once(made).chain(later)
        })
    }
}

/// One operation on an element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElementStep<'a> {
    pub(crate) id: OpId,
    /// The number of its change.
    pub(crate) change: usize,
    /// The element's value from then on, or none where it was removed.
    pub(crate) value: Option<&'a Value>,
    pub(crate) replaced: &'a [OpId],
}

impl Element {
    /// Of a text: whether it is there after these changes.
    pub(crate) fn is_live(&self, includes: impl Fn(usize) -> bool) -> bool {
        includes(self.change) && !self.steps.iter().any(|step| includes(step.change))
    }

    /// Of a text: its character.
    pub(crate) fn letters(&self) -> &str {
        match &*self.value {
            Value::String(text) => text,
            _ => "",
        }
    }

    fn live(&self, id: OpId, includes: impl Fn(usize) -> bool) -> BTreeMap<OpId, &Value> {
        if !includes(self.change) {
            return BTreeMap::new();
        }
        let mut live = BTreeMap::from([(id, &*self.value)]);
        let steps = || self.steps.iter().filter(|step| includes(step.change));
        live.extend(steps().filter_map(|step| Some((step.id, step.value.as_ref()?))));
        for replaced in steps().flat_map(|step| &step.replaced) {
            live.remove(replaced);
        }
        live
    }
}
