//! Texts, lists and sets in histories: what was put into them, and that none of it is lost.

use driftless_document::{FieldPath, RecordId, Value};
use driftless_engine::{Edit, EngineError};

use super::oracle::Expected;
use super::{COLLECTION, World, commit, edit};

/// A text and a list that only grow, and a set of what is never taken out.
const LOG: &str = "log";
const QUEUE: &str = "queue";
const SEEN: &str = "seen";
/// Those from which things are taken out again.
const DRAFT: &str = "draft";
const STEPS: &str = "steps";
const TAGS: &str = "tags";
/// The texts and lists of these, as they are called in a change.
pub(super) const OBJECTS: [&str; 4] = ["log#text", "queue#list", "draft#text", "steps#list"];
/// What comes and goes in `TAGS`.
const TAGS_THERE_ARE: [&str; 3] = ["blue", "green", "red"];

/// What was put somewhere, once, and stays.
pub(super) struct Token {
    record: RecordId,
    field: &'static str,
    text: String,
}

impl World {
    /// Edits a text, list or set.
    pub(super) fn edit_inside(&mut self, device: usize) -> Result<(), String> {
        self.edits += 1;
        let record = self.records[self.special.below(self.records.len())];
        let text = format!("{device}-{};", self.edits);
        let (field, does) = self.draw_edit(device, record, &text)?;
        let replica = &mut self.replicas[device];
        match edit(replica, record, does) {
            Ok(()) if matches!(field, LOG | QUEUE | SEEN) => self.tokens.push(Token {
                record,
                field,
                text,
            }),
            // It is not there yet, deleted, or the device knows that it was removed.
            Ok(())
            | Err(
                EngineError::NotFound { .. }
                | EngineError::Deleted { .. }
                | EngineError::NotAllowed { .. },
            ) => {}
            Err(other) => return Err(format!("device {device} cannot edit {field}: {other}")),
        }
        commit(&mut self.replicas[device])
    }

    fn draw_edit(
        &mut self,
        device: usize,
        record: RecordId,
        text: &str,
    ) -> Result<(&'static str, Edit), String> {
        let path = |field| FieldPath::parse(field).expect("it is one");
        let row = self.replicas[device].get(COLLECTION, record);
        let fields = row.map_err(|e| e.to_string())?.map(|row| row.fields);
        let fields = fields.unwrap_or_default();
        let string = |text: &str| Value::String(text.to_owned());
        let chars = match fields.get("draft#text") {
            Some(Value::Text(text)) => text.chars().count(),
            _ => 0,
        };
        let elements = match fields.get("steps#list") {
            Some(Value::List(values)) => values.len(),
            _ => 0,
        };
        let dice = &mut self.special;
        let tag = string(TAGS_THERE_ARE[dice.below(TAGS_THERE_ARE.len())]);
        Ok(match dice.below(9) {
            0 | 1 => {
                let text = text.to_owned();
                let path = path(LOG);
                (LOG, Edit::AppendText { path, text })
            }
            2 => {
                let (path, values) = (path(QUEUE), vec![string(text)]);
                let at = None;
                (QUEUE, Edit::InsertElements { path, at, values })
            }
            3 => {
                let (path, member) = (path(SEEN), string(text));
                (SEEN, Edit::AddMember { path, member })
            }
            4 => {
                let at = dice.below(chars + 1);
                let splice = Edit::Splice {
                    path: path(DRAFT),
                    at,
                    delete: dice.below(chars - at + 1).min(3),
                    insert: text.to_owned(),
                };
                (DRAFT, splice)
            }
            5 if elements > 0 => {
                let (path, at) = (path(STEPS), dice.below(elements));
                let value = string(text);
                (STEPS, Edit::PutElement { path, at, value })
            }
            6 if elements > 0 => {
                let (path, at, count) = (path(STEPS), dice.below(elements), 1);
                (STEPS, Edit::RemoveElements { path, at, count })
            }
            7 => {
                let (path, member) = (path(TAGS), tag);
                (TAGS, Edit::RemoveMember { path, member })
            }
            8 => {
                let (path, member) = (path(TAGS), tag);
                (TAGS, Edit::AddMember { path, member })
            }
            _ => {
                let at = Some(dice.below(elements + 1));
                let (path, values) = (path(STEPS), vec![string(text)]);
                (STEPS, Edit::InsertElements { path, at, values })
            }
        })
    }

    /// Checks that everything that was put somewhere is there: once, where nothing of the record was issued twice.
    pub(super) fn check_tokens(&self, wanted: &Expected) -> Result<(), String> {
        for token in &self.tokens {
            let Token {
                record,
                field,
                text,
            } = token;
            let row = self.replicas[0].get(COLLECTION, *record);
            let row = row.map_err(|e| e.to_string())?;
            let row = row.ok_or_else(|| format!("record {record} is lost"))?;
            let keys = [
                format!("{field}#text"),
                format!("{field}#list"),
                format!("{field}/"),
            ];
            let values = keys.iter().filter_map(|key| row.fields.get(key));
            let count: usize = values.map(|value| times(value, text)).sum();
            let may_be_twice = wanted.issued_twice.contains(record);
            if count == 0 || (count > 1 && !may_be_twice) {
                return Err(format!("{text} is {count} times in {field} of {record}"));
            }
        }
        Ok(())
    }
}

fn times(value: &Value, wanted: &str) -> usize {
    match value {
        Value::Text(text) => text.matches(wanted).count(),
        Value::List(values) | Value::Set(values) => {
            let is_it = |value: &&Value| **value == Value::String(wanted.to_owned());
            values.iter().filter(is_it).count()
        }
        _ => 0,
    }
}
