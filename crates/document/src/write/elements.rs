//! Texts and lists: places become elements.

use std::collections::BTreeMap;

use super::typed::check_element;
use super::{WriteError, Writer, diff};
use crate::change::Action;
use crate::field::{FieldKey, FieldType};
use crate::ids::OpId;
use crate::value::Value;

/// A text or list as the change finds it and leaves it.
pub(super) struct Elements {
    /// The elements that are there, in order; of a text with their characters.
    visible: Vec<(OpId, char)>,
    /// What is live on elements the change put in or touched.
    own: BTreeMap<OpId, Vec<OpId>>,
}

/// What an edit of a text or list goes by.
struct Place<'a> {
    path: &'a str,
    key: String,
    kind: FieldType,
}

impl Writer<'_> {
    pub(super) fn splice(
        &mut self,
        path: &str,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::Text)?;
        self.delete_at(&place, at, delete)?;
        self.insert_characters(&place, at, insert)
    }

    pub(super) fn append_text(&mut self, path: &str, text: &str) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::Text)?;
        let end = self.open(&place.key).visible.len();
        self.insert_characters(&place, end, text)
    }

    pub(super) fn replace_text(&mut self, path: &str, text: &str) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::Text)?;
        let old: Vec<char> = self
            .open(&place.key)
            .visible
            .iter()
            .map(|(_, c)| *c)
            .collect();
        let new: Vec<char> = text.chars().collect();
        // From the end, so that what is done does not move what is still to be done.
        for edit in diff::edits(&old, &new).into_iter().rev() {
            self.delete_at(&place, edit.at, edit.delete)?;
            self.insert_characters(&place, edit.at, &edit.insert)?;
        }
        Ok(())
    }

    pub(super) fn insert_elements(
        &mut self,
        path: &str,
        at: Option<usize>,
        values: &[Value],
    ) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::List)?;
        values
            .iter()
            .try_for_each(|value| check_element(path, value))?;
        let at = at.unwrap_or_else(|| self.open(&place.key).visible.len());
        self.check_place(&place, at, 0)?;
        self.insert_all(&place, at, values)
    }

    pub(super) fn put_element(
        &mut self,
        path: &str,
        at: usize,
        value: &Value,
    ) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::List)?;
        check_element(path, value)?;
        self.check_place(&place, at, 1)?;
        let element = self.open(&place.key).visible[at].0;
        let shown = self.value_of(&place.key, &element);
        if shown.as_ref() != Some(value) {
            self.operate_on(&place.key, element, Some(value));
        }
        Ok(())
    }

    pub(super) fn remove_elements(
        &mut self,
        path: &str,
        at: usize,
        count: usize,
    ) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::List)?;
        self.delete_at(&place, at, count)
    }

    /// A list shall have these elements; those that are alike already are left alone, and one that stands where
    /// another stood is that one with a new value.
    pub(super) fn replace_list(&mut self, path: &str, values: &[Value]) -> Result<(), WriteError> {
        let place = self.place(path, FieldType::List)?;
        values
            .iter()
            .try_for_each(|value| check_element(path, value))?;
        let visible: Vec<OpId> = self
            .open(&place.key)
            .visible
            .iter()
            .map(|(element, _)| *element)
            .collect();
        let old = visible
            .iter()
            .map(|element| self.shown(&place.key, element));
        let old: Vec<Option<Value>> = old.collect();
        let new: Vec<Option<Value>> = values.iter().cloned().map(Some).collect();
        // From the end, so that what is done does not move what is still to be done.
        for (old, new) in diff::changed(&old, &new).into_iter().rev() {
            let same = old.len().min(new.len());
            self.delete_at(&place, old.start + same, old.len() - same)?;
            self.insert_all(&place, old.start + same, &values[new.start + same..new.end])?;
            for (element, value) in visible[old].iter().zip(&values[new]).rev() {
                self.operate_on(&place.key, *element, Some(value));
            }
        }
        Ok(())
    }

    /// The value of an element that is shown, with what this change did.
    fn shown(&self, key: &str, element: &OpId) -> Option<Value> {
        let own = self.operations.iter().enumerate().rev();
        let mut own = own.filter(|(_, operation)| operation.key == key);
        let written = own.find_map(|(n, operation)| match &operation.action {
            Action::PutElement { element: of, value } if of == element => Some(value.clone()),
            Action::Insert { value, .. } if self.op_id(n) == *element => Some(value.clone()),
            _ => None,
        });
        let stored = || {
            let live = self.record.sequence(key)?.live(element, |_| true);
            live.into_values().next_back().cloned()
        };
        written.or_else(stored)
    }

    pub(super) fn clear_elements(&mut self, key: &str) -> Result<(), WriteError> {
        let Some(field) = FieldKey::parse(key) else {
            return Ok(());
        };
        let path = field.path().to_key();
        let place = self.place(&path, field.kind())?;
        let length = self.open(key).visible.len();
        self.delete_at(&place, 0, length)
    }

    /// Writes an element of a list in any case: its overlapping edits are decided.
    pub(super) fn settle_element(
        &mut self,
        list: &str,
        element: OpId,
        value: Option<&Value>,
    ) -> Result<(), WriteError> {
        let sequence = self.record.sequence(list);
        if !sequence.is_some_and(|sequence| sequence.knows(&element, |_| true)) {
            return Err(WriteError::NotAField { key: list.into() });
        }
        if let Some(value) = value {
            check_element(list, value)?;
        } else if self.live_on(list, &element).is_empty() {
            self.operate_on(list, element, Some(&Value::Null)); // deleting nothing says nothing
        }
        self.operate_on(list, element, value);
        Ok(())
    }

    fn place<'a>(&mut self, path: &'a str, kind: FieldType) -> Result<Place<'a>, WriteError> {
        let key = self.key_of(path, kind)?;
        Ok(Place { path, key, kind })
    }

    fn check_place(
        &mut self,
        place: &Place<'_>,
        at: usize,
        count: usize,
    ) -> Result<(), WriteError> {
        let length = self.open(&place.key).visible.len();
        if at.checked_add(count).is_none_or(|end| end > length) {
            return Err(WriteError::OutOfRange {
                path: place.path.to_owned(),
                kind: place.kind,
                at: at.max(at.saturating_add(count).saturating_sub(1)),
                length,
            });
        }
        Ok(())
    }

    fn delete_at(&mut self, place: &Place<'_>, at: usize, count: usize) -> Result<(), WriteError> {
        self.check_place(place, at, count)?;
        let gone: Vec<_> = self
            .open(&place.key)
            .visible
            .drain(at..at + count)
            .collect();
        for (element, _) in gone {
            self.operate_on(&place.key, element, None);
        }
        Ok(())
    }

    fn insert_characters(
        &mut self,
        place: &Place<'_>,
        at: usize,
        text: &str,
    ) -> Result<(), WriteError> {
        self.check_room(text.chars().count())?;
        let characters = text.chars().map(|c| (Value::String(c.into()), c));
        self.insert_run(place, at, characters);
        Ok(())
    }

    fn insert_all(
        &mut self,
        place: &Place<'_>,
        at: usize,
        values: &[Value],
    ) -> Result<(), WriteError> {
        self.check_room(values.len())?;
        let values = values.iter().map(|value| (value.clone(), '\0'));
        self.insert_run(place, at, values);
        Ok(())
    }

    /// Puts elements in, each behind the one before it.
    fn insert_run(
        &mut self,
        place: &Place<'_>,
        at: usize,
        values: impl Iterator<Item = (Value, char)>,
    ) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.clear_above(place.path);
        self.create(&place.key);
        let before = at.checked_sub(1);
        let elements = self.open(&place.key);
        let before = before.and_then(|before| elements.visible.get(before));
        let mut after = before.map(|(element, _)| *element);
        let mut visible = Vec::new();
        for (value, character) in values {
            let id = self.push(&place.key, Action::Insert { after, value }, Vec::new());
            visible.push((id, character));
            after = Some(id);
        }
        let elements = self.open(&place.key);
        elements
            .own
            .extend(visible.iter().map(|(id, _)| (*id, vec![*id])));
        elements.visible.splice(at..at, visible);
    }

    /// Gives an element a value, or removes it.
    fn operate_on(&mut self, key: &str, element: OpId, value: Option<&Value>) {
        let id = self.next_id();
        let replaced = self.live_on(key, &element);
        let (action, left) = match value {
            Some(value) => {
                let value = value.clone();
                (Action::PutElement { element, value }, vec![id])
            }
            None => (Action::DeleteElement { element }, Vec::new()),
        };
        self.open(key).own.insert(element, left);
        self.push(key, action, replaced);
    }

    /// The live operations of an element.
    fn live_on(&mut self, key: &str, element: &OpId) -> Vec<OpId> {
        if let Some(live) = self.open(key).own.get(element) {
            return live.clone();
        }
        let sequence = self.record.sequence(key);
        sequence.map_or_else(Vec::new, |sequence| {
            sequence.live(element, |_| true).into_keys().collect()
        })
    }

    /// The one value of an element that only the record's past wrote, and did so once.
    fn value_of(&mut self, key: &str, element: &OpId) -> Option<Value> {
        if self.open(key).own.contains_key(element) {
            return None;
        }
        let live = self.record.sequence(key)?.live(element, |_| true);
        match live.len() {
            1 => live.into_values().next().cloned(),
            _ => None,
        }
    }

    fn open(&mut self, key: &str) -> &mut Elements {
        if !self.elements.contains_key(key) {
            let visible = match self.record.sequence(key) {
                Some(sequence) => {
                    let read = sequence.read(|_| true);
                    read.map(|(id, value)| (id, character_of(value))).collect()
                }
                None => Vec::new(),
            };
            let elements = Elements {
                visible,
                own: BTreeMap::new(),
            };
            self.elements.insert(key.to_owned(), elements);
        }
        self.elements
            .get_mut(key)
            .expect("it was put in where it was missing")
    }
}

fn character_of(value: &Value) -> char {
    match value {
        Value::String(text) => text.chars().next().unwrap_or_default(),
        _ => '\0',
    }
}
