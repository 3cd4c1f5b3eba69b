//! [`History`]: who did what to a record, and when they say they did.

use driftless_document::{
    ChangeHash, Decided, FieldType, FieldWrite, HistoryStep, How, RecordId, Value, value_to_json,
};
use driftless_engine::{RecordHistory, Void};
use serde_json::{Map, Value as Json, json};

use crate::conflicts::{Author, author_to_json};

/// A part of a record's history; [`HistoryOptions`](crate::HistoryOptions) say which.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// An entry a change, the oldest first. The order is the same on devices that hold the same changes: every
    /// change stands after all it knew of. Of changes made apart either may stand first.
    pub entries: Vec<HistoryEntry>,
    /// How many more there are before them that fit the options.
    pub earlier: u64,
}

/// What one change did to a record.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The collection of the record.
    pub collection: String,
    /// The record.
    pub record: RecordId,
    /// Who made the change: the device whose signature it came under, whatever the change says.
    pub author: Author,
    /// What it did.
    pub step: HistoryStep,
    /// Why it does not count, where it does not.
    pub void: Option<Void>,
}

impl History {
    pub(crate) fn new(history: RecordHistory) -> Self {
        let RecordHistory {
            key,
            steps,
            earlier,
            devices,
            void,
        } = history;
        let entry = |step: HistoryStep| {
            let named = devices.get(&step.actor);
            HistoryEntry {
                collection: key.collection.clone(),
                record: key.record,
                author: Author {
                    device: named.map(|named| named.device),
                    device_name: named.map(|named| named.name.clone()),
                    time_ms: step.time_ms(),
                    change: step.change.to_string(),
                },
                void: void.get(&step.change).copied(),
                step,
            }
        };
        Self {
            entries: steps.into_iter().map(entry).collect(),
            earlier,
        }
    }

    /// What [`HistoryOptions::before`](crate::HistoryOptions::before) takes for the page before this one; `None`
    /// where there is none.
    pub fn page_before(&self) -> Option<ChangeHash> {
        let first = self.entries.first().filter(|_| self.earlier > 0)?;
        Some(first.step.change)
    }
}

impl HistoryEntry {
    /// The entry as JSON; nothing in it depends on the device that answers, or on now.
    ///
    /// `{collection, record, version, change, device, device_name, time, time_ms, seq, deps, apart, fields}`, and
    /// `deleted` and `decisions` where there is something to say, and `void` (`"not_current"` or `"duplicate"`) where it
    /// does not count.
    pub fn to_json(&self) -> Json {
        let step = &self.step;
        let mut object = author_to_json(&self.author);
        object["collection"] = json!(self.collection);
        object["record"] = json!(self.record.to_string());
        object["version"] = json!(step.version.to_string());
        object["time_ms"] = json!(self.author.time_ms);
        object["seq"] = json!(step.seq);
        object["deps"] = json!(step.deps);
        object["apart"] = json!(step.apart);
        object["fields"] = step.writes.iter().map(write_to_json).collect();
        if let Some(deletion) = step.deletion {
            object["deleted"] = json!({ "before": deletion.before, "after": deletion.after });
        }
        if !step.decisions.is_empty() {
            object["decisions"] = step.decisions.iter().map(decided_to_json).collect();
        }
        if let Some(void) = self.void {
            object["void"] = json!(void.as_str());
        }
        object
    }
}

/// `note` is there where an entry was acknowledged.
fn decided_to_json(decided: &Decided) -> Json {
    let mut object = json!({
        "conflict": decided.entry.to_string(),
        "how": decided.how.as_str(),
    });
    if let How::Acknowledge { note } = &decided.how {
        object["note"] = json!(note);
    }
    object
}

/// `{path, before, after}`, and `beside` where there were other values that were not decided. A counter has its type
/// with it; a text, list and set have `{path, type, removed, added}`.
fn write_to_json(write: &FieldWrite) -> Json {
    let mut object = Map::new();
    object.insert("path".into(), json!(write.path));
    if write.kind != FieldType::Value {
        object.insert("type".into(), json!(write.kind.as_str()));
    }
    if !matches!(write.kind, FieldType::Value | FieldType::Counter) {
        let values = |values: &[Value]| values.iter().map(value_to_json).collect();
        object.insert("removed".into(), values(&write.removed));
        object.insert("added".into(), values(&write.added));
        return Json::Object(object);
    }
    object.insert("before".into(), shown(write.before.last()));
    if let Some((_, beside)) = write.before.split_last().filter(|(_, b)| !b.is_empty()) {
        object.insert("beside".into(), beside.iter().map(value_to_json).collect());
    }
    object.insert("after".into(), shown(write.after.as_ref()));
    Json::Object(object)
}

fn shown(value: Option<&Value>) -> Json {
    value.map_or_else(|| json!({ "$absent": true }), value_to_json)
}
