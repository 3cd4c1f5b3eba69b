//! What people said of entries, and what of it stands.

use std::collections::BTreeMap;

use driftless_document::{Action, EntryId, OpId, ReviewAction, Value};

use super::Oracle;

/// One thing that somebody said of one entry.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) change: usize,
    pub(super) operation: OpId,
    /// The name it gives the entry.
    name: String,
    pub(super) what: ReviewAction,
}

impl Said {
    /// Whether it decides the entry.
    pub(super) fn decides(&self) -> bool {
        matches!(
            self.what,
            ReviewAction::Keep | ReviewAction::Merge | ReviewAction::Both
        )
    }
}

impl Oracle<'_> {
    /// All reviews, in (counter, actor) order: what each change leaves on each `$review/` register.
    pub(super) fn reviews(&self) -> Vec<Said> {
        let mut reviews = Vec::new();
        for (n, change) in self.changes.iter().enumerate() {
            let mut left = BTreeMap::<&str, (OpId, &Action)>::new();
            for (id, operation) in change.numbered() {
                if let Some(name) = operation.key.strip_prefix("$review/") {
                    left.insert(name, (id, &operation.action));
                }
            }
            for (name, (operation, action)) in left {
                if let Action::Put(value) = action {
                    reviews.push(Said {
                        change: n,
                        operation,
                        name: name.to_owned(),
                        what: what_is_said(value),
                    });
                }
            }
        }
        reviews.sort_by_key(|said| (said.operation.counter, said.operation.actor.0));
        reviews
    }

    /// Those that name one entry by one of its names.
    pub(super) fn naming(reviews: &[Said], ids: &[EntryId]) -> Vec<Said> {
        let names: Vec<String> = ids.iter().map(|id| name_of(*id)).collect();
        let named = reviews.iter().filter(|said| names.contains(&said.name));
        named.cloned().collect()
    }
}

/// An id as a UUID is written.
fn name_of(id: EntryId) -> String {
    let bytes = id.0.iter().enumerate();
    let parts: Vec<String> = bytes
        .map(|(at, byte)| match at {
            4 | 6 | 8 | 10 => format!("-{byte:02x}"),
            _ => format!("{byte:02x}"),
        })
        .collect();
    parts.concat()
}

fn what_is_said(value: &Value) -> ReviewAction {
    match value {
        Value::String(text) => match text.as_str() {
            "keep" => ReviewAction::Keep,
            "merge" => ReviewAction::Merge,
            "both" => ReviewAction::Both,
            "reopen" => ReviewAction::Reopen,
            other => ReviewAction::Other(other.to_owned()),
        },
        Value::Json(json) => match note(json) {
            Some(note) => ReviewAction::Acknowledge { note },
            None => ReviewAction::Other(String::new()),
        },
        _ => ReviewAction::Other(String::new()),
    }
}

/// The note of an acknowledgement: plans write none with other escapes than these.
fn note(json: &str) -> Option<String> {
    let inside = json.strip_prefix(r#"{"acknowledge":""#)?;
    let inside = inside.strip_suffix(r#""}"#)?;
    Some(inside.replace("\\\"", "\"").replace("\\\\", "\\"))
}
