//! The order of a text's elements, those that were removed included.
//!
//! As Automerge has it: what was put in behind one element stands in descending order of (counter, actor), each
//! followed by what was put in behind it. So any two elements stand in the same order wherever both are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::history::History;
use crate::change::Action;
use crate::ids::OpId;
use crate::value::Value;

/// One element of a text.
pub(super) struct Element<'a> {
    pub(super) id: OpId,
    pub(super) text: Cow<'a, str>,
    /// The change that put it in; none where it was there before the first.
    made: Option<usize>,
    /// The changes that removed it.
    removed: Vec<usize>,
}

impl Element<'_> {
    /// Whether it stands in the text after the changes that `includes` names.
    pub(super) fn is_live(&self, includes: impl Fn(usize) -> bool) -> bool {
        self.made.is_none_or(&includes) && !self.removed.iter().any(|&change| includes(change))
    }
}

/// All elements a text ever had, in order.
pub(super) struct Order<'a> {
    pub(super) elements: Vec<Element<'a>>,
}

type Insertions<'a> = BTreeMap<Option<OpId>, Vec<(OpId, usize, &'a str)>>;

impl<'a> Order<'a> {
    pub(super) fn of(history: &History<'a>, key: &str) -> Self {
        let mut inserted = Insertions::new();
        let mut removed = BTreeMap::<OpId, Vec<usize>>::new();
        for &n in history.edits(key, &(0..history.changes.len())) {
            let steps = history.changes[n].numbered();
            for (id, step) in steps.filter(|(_, step)| step.key == key) {
                match &step.action {
                    Action::Insert { after, value } => {
                        let behind = inserted.entry(*after).or_default();
                        behind.push((id, n, letters(value)));
                    }
                    Action::DeleteElement { element } => {
                        removed.entry(*element).or_default().push(n);
                    }
                    _ => {}
                }
            }
        }
        for behind in inserted.values_mut() {
            behind.sort_unstable_by_key(|(id, ..)| *id); // taken from the end
        }
        let mut order = Self {
            elements: Vec::new(),
        };
        // What was there before stands behind all that was put in at the same place since.
        order.follow(None, &mut inserted);
        for (id, value) in history.start.elements(key) {
            order.push(id, letters(&value).to_owned().into(), None);
            order.follow(Some(id), &mut inserted);
        }
        for element in &mut order.elements {
            element.removed = removed.remove(&element.id).unwrap_or_default();
        }
        order
    }

    /// Adds what was put in behind an element, each followed by what was put in behind it.
    fn follow(&mut self, after: Option<OpId>, inserted: &mut Insertions<'a>) {
        let mut open = inserted.remove(&after).unwrap_or_default();
        while let Some((id, change, text)) = open.pop() {
            self.push(id, text.into(), Some(change));
            open.extend(inserted.remove(&Some(id)).into_iter().flatten());
        }
    }

    fn push(&mut self, id: OpId, text: Cow<'a, str>, made: Option<usize>) {
        self.elements.push(Element {
            id,
            text,
            made,
            removed: Vec::new(),
        });
    }
}

fn letters(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        _ => "",
    }
}
