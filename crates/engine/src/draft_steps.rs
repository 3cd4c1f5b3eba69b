//! What a draft keeps of steps on counters, texts, lists and sets.
//!
//! Such steps are said of what was there, and a draft has no past: increments, members and new elements can be written
//! again as they are, and what was put into a text or list goes to its end. What was taken out of one, or replaced in
//! it, cannot, and is named as left out.

use std::collections::BTreeMap;

use driftless_document::{
    Action, Change, FieldKey, FieldPath, FieldType, OpId, Value, element_from_json, value_to_json,
};
use serde_json::{Map, Value as Json, json};

use crate::draft::{DraftError, fault};
use crate::types::Edit;

/// Steps by the field's path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftSteps {
    /// What counters were incremented by.
    pub increment: BTreeMap<String, i64>,
    /// What was put into texts: it goes to their ends.
    pub append: BTreeMap<String, String>,
    /// What was put into lists: it goes to their ends.
    pub push: BTreeMap<String, Vec<Value>>,
    /// Members that were added to sets.
    pub add: BTreeMap<String, Vec<Value>>,
    /// Members that were removed from sets.
    pub remove: BTreeMap<String, Vec<Value>>,
}

/// What stands for the key of a text or list that is not known here begins so.
const NAMELESS: &str = "#";

impl DraftSteps {
    /// What the parts are called in JSON.
    pub(crate) const PARTS: [&str; 5] = ["increment", "append", "push", "add", "remove"];

    /// Whether a register's key is of a field that is changed in steps.
    pub(crate) fn are_of(key: &str) -> bool {
        let kind = FieldKey::parse(key).map(|field| field.kind());
        key.starts_with(NAMELESS) || kind.is_some_and(|kind| kind != FieldType::Value)
    }

    /// Takes in the steps of a change, and says what of them cannot be done again.
    pub(crate) fn take(&mut self, change: &Change) -> Vec<String> {
        let mut inserted = BTreeMap::<&str, Inserted>::new();
        let mut left_out = BTreeMap::<String, u64>::new();
        for (id, operation) in change.numbered() {
            let key = operation.key.as_str();
            let Some(field) = FieldKey::parse(key) else {
                if key.starts_with(NAMELESS) {
                    *left_out
                        .entry("a text or list that is not here: steps".into())
                        .or_default() += 1;
                }
                continue;
            };
            let path = field.path().to_key();
            match &operation.action {
                Action::Increment(by) => {
                    let sum = self.increment.entry(path).or_default();
                    *sum = sum.saturating_add(*by);
                }
                Action::Insert { after, value } => {
                    let inserted = inserted.entry(key).or_default();
                    inserted.put(id, after.as_ref(), value.clone());
                }
                Action::PutElement { element, value } => {
                    if !inserted.entry(key).or_default().replace(element, value) {
                        *left_out
                            .entry(format!("{path}: elements that were replaced"))
                            .or_default() += 1;
                    }
                }
                Action::DeleteElement { element } => {
                    if !inserted.entry(key).or_default().take_out(element) {
                        let what = match field.kind() {
                            FieldType::Text => "characters",
                            _ => "elements",
                        };
                        *left_out
                            .entry(format!("{path}: {what} that were removed"))
                            .or_default() += 1;
                    }
                }
                action => {
                    if let Some(member) = field.member() {
                        self.take_member(path, member, matches!(action, Action::Put(_)));
                    }
                }
            }
        }
        for (key, inserted) in inserted {
            if let Some(field) = FieldKey::parse(key) {
                self.take_inserted(&field, inserted);
            }
        }
        let left_out = left_out.into_iter();
        left_out
            .map(|(what, count)| format!("{what} ({count})"))
            .collect()
    }

    /// The last word on a member counts.
    fn take_member(&mut self, path: String, member: Value, is_added: bool) {
        let (to, from) = if is_added {
            (&mut self.add, &mut self.remove)
        } else {
            (&mut self.remove, &mut self.add)
        };
        if let Some(others) = from.get_mut(&path) {
            others.retain(|other| *other != member);
        }
        from.retain(|_, members| !members.is_empty());
        let members = to.entry(path).or_default();
        if !members.contains(&member) {
            members.push(member);
        }
    }

    fn take_inserted(&mut self, field: &FieldKey, inserted: Inserted) {
        let path = field.path().to_key();
        let values = inserted.in_order();
        if values.is_empty() {
            return;
        }
        if field.kind() == FieldType::Text {
            let text = self.append.entry(path).or_default();
            text.extend(values.into_iter().filter_map(|value| match value {
                Value::String(character) => Some(character),
                _ => None,
            }));
        } else {
            self.push.entry(path).or_default().extend(values);
        }
    }

    /// How many edits they are.
    pub(crate) fn len(&self) -> usize {
        let members = self.add.values().chain(self.remove.values());
        self.increment.len()
            + self.append.len()
            + self.push.len()
            + members.map(Vec::len).sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The steps as edits; a path was read or made as one.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(self.len());
        let path_of = |path: &String| FieldPath::parse(path).ok();
        let of_members = |members: &BTreeMap<String, Vec<Value>>| {
            let members = members
                .iter()
                .filter_map(|(path, m)| Some((path_of(path)?, m.clone())));
            let each = |(path, members): (FieldPath, Vec<Value>)| {
                members
                    .into_iter()
                    .map(move |member| (path.clone(), member))
            };
            members.flat_map(each).collect::<Vec<_>>()
        };
        for (path, by) in &self.increment {
            edits.extend(path_of(path).map(|path| Edit::Increment { path, by: *by }));
        }
        for (path, text) in &self.append {
            let text = text.clone();
            edits.extend(path_of(path).map(|path| Edit::AppendText { path, text }));
        }
        for (path, values) in &self.push {
            let values = values.clone();
            let at = None;
            edits.extend(path_of(path).map(|path| Edit::InsertElements { path, at, values }));
        }
        let removed = of_members(&self.remove).into_iter();
        edits.extend(removed.map(|(path, member)| Edit::RemoveMember { path, member }));
        let added = of_members(&self.add).into_iter();
        edits.extend(added.map(|(path, member)| Edit::AddMember { path, member }));
        edits
    }

    /// Writes the parts that hold something into the JSON of a draft's record.
    pub(crate) fn write_to(&self, object: &mut Json) {
        let values = |fields: &BTreeMap<String, Vec<Value>>| -> Map<String, Json> {
            let fields = fields.iter();
            let json = |values: &Vec<Value>| values.iter().map(value_to_json).collect();
            fields
                .map(|(path, values)| (path.clone(), json(values)))
                .collect()
        };
        let parts = [
            json!(self.increment),
            json!(self.append),
            json!(values(&self.push)),
            json!(values(&self.add)),
            json!(values(&self.remove)),
        ];
        for (name, part) in Self::PARTS.into_iter().zip(parts) {
            if part.as_object().is_some_and(|part| !part.is_empty()) {
                object[name] = part;
            }
        }
    }

    /// Reads the parts back.
    pub(crate) fn read_from(object: &Map<String, Json>) -> Result<Self, DraftError> {
        Ok(Self {
            increment: part(object, "increment", |by| {
                by.as_i64().ok_or("a counter is incremented by an integer")
            })?,
            append: part(object, "append", |text| {
                let text = text.as_str().map(str::to_owned);
                text.ok_or("what is put into a text is a text")
            })?,
            push: part(object, "push", values_of)?,
            add: part(object, "add", values_of)?,
            remove: part(object, "remove", values_of)?,
        })
    }
}

fn values_of(json: &Json) -> Result<Vec<Value>, &'static str> {
    let values = json.as_array().into_iter().flatten();
    let values = values.map(|value| element_from_json(value).ok());
    let values = values.collect::<Option<Vec<_>>>();
    values
        .filter(|_| json.is_array())
        .ok_or("it is no list of values")
}

/// One part of a draft's record: something for each field.
fn part<T>(
    object: &Map<String, Json>,
    name: &str,
    read: impl Fn(&Json) -> Result<T, &'static str>,
) -> Result<BTreeMap<String, T>, DraftError> {
    let nothing = Json::Object(Map::new());
    let Json::Object(members) = object.get(name).unwrap_or(&nothing) else {
        return Err(fault(name, "it is no object of fields"));
    };
    let mut fields = BTreeMap::new();
    for (path, json) in members {
        let place = || format!("{name}.{path}");
        FieldPath::parse(path).map_err(|error| fault(&place(), error))?;
        let value = read(json).map_err(|reason| fault(&place(), reason))?;
        fields.insert(path.clone(), value);
    }
    Ok(fields)
}

/// What a change put into one text or list: pieces that hang together.
#[derive(Default)]
struct Inserted {
    pieces: Vec<Vec<(OpId, Value)>>,
}

impl Inserted {
    fn put(&mut self, id: OpId, after: Option<&OpId>, value: Value) {
        let before = after.and_then(|after| self.place(after));
        match before {
            Some((piece, at)) => self.pieces[piece].insert(at + 1, (id, value)),
            None => self.pieces.push(vec![(id, value)]),
        }
    }

    fn place(&self, element: &OpId) -> Option<(usize, usize)> {
        // What is put in follows what was put in last, mostly.
        let pieces = self.pieces.iter().enumerate().rev();
        pieces.into_iter().find_map(|(n, piece)| {
            let at = piece.iter().rposition(|(id, _)| id == element)?;
            Some((n, at))
        })
    }

    /// Whether it was put in by the same change, and so has the value now.
    fn replace(&mut self, element: &OpId, value: &Value) -> bool {
        let place = self.place(element);
        if let Some((piece, at)) = place {
            self.pieces[piece][at].1 = value.clone();
        }
        place.is_some()
    }

    /// Whether it was put in by the same change, and so is gone.
    fn take_out(&mut self, element: &OpId) -> bool {
        let place = self.place(element);
        if let Some((piece, at)) = place {
            self.pieces[piece].remove(at);
        }
        place.is_some()
    }

    /// A text that is replaced is edited from its end, so the last piece is the first of the text.
    fn in_order(self) -> Vec<Value> {
        let pieces = self.pieces.into_iter().rev().flatten();
        pieces.map(|(_, value)| value).collect()
    }
}
