//! What people noted about an entry: the `$review/<entry>` registers.

use super::history::History;
use super::{Review, ReviewAction};
use crate::change::Action;
use crate::ids::{EntryId, OpId};
use crate::limits;
use crate::path::REVIEW;
use crate::value::Value;

/// What one change notes about one entry.
#[derive(Clone)]
pub(super) struct ReviewStep {
    pub(super) change: usize,
    pub(super) operation: OpId,
    value: Option<Value>,
}

/// The entry that a key names.
pub(super) fn entry_named(key: &str) -> Option<EntryId> {
    let name = key.strip_prefix(REVIEW)?;
    let id: EntryId = name.parse().ok()?;
    (id.to_string() == name).then_some(id)
}

/// Adds what a change notes; its last word counts.
pub(super) fn push(steps: &mut Vec<ReviewStep>, change: usize, operation: OpId, action: &Action) {
    if steps.last().is_some_and(|last| last.change == change) {
        steps.pop();
    }
    let value = match action {
        Action::Put(value) => Some(value.clone()),
        _ => None,
    };
    steps.push(ReviewStep {
        change,
        operation,
        value,
    });
}

impl ReviewStep {
    /// Whether it says something: emptying the register says nothing.
    pub(super) fn is_note(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn is_reopen(&self) -> bool {
        matches!(&self.value, Some(Value::String(word)) if word == "reopen")
    }

    /// Whether it says that its change decides.
    pub(super) fn is_decision(&self) -> bool {
        let words = ["keep", "merge", "both"];
        matches!(&self.value, Some(Value::String(word)) if words.contains(&word.as_str()))
    }

    fn action(&self) -> ReviewAction {
        match &self.value {
            Some(Value::String(word)) => match word.as_str() {
                "keep" => ReviewAction::Keep,
                "merge" => ReviewAction::Merge,
                "both" => ReviewAction::Both,
                "reopen" => ReviewAction::Reopen,
                _ => ReviewAction::Other(cut(word)),
            },
            Some(Value::Json(text)) => match note_of(text) {
                Some(note) => ReviewAction::Acknowledge { note: cut(&note) },
                None => ReviewAction::Other(cut(text)),
            },
            _ => ReviewAction::Other(String::new()),
        }
    }

    pub(super) fn review(
        &self,
        history: &History<'_>,
        stands: impl Fn(&ReviewAction) -> bool,
    ) -> Review {
        let (change, time) = history.change(self.change);
        let what = self.action();
        Review {
            operation: self.operation,
            change,
            time,
            stands: stands(&what),
            what,
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(limits::REVIEW_CHARACTERS).collect()
}

/// The note of `{"acknowledge":"the note"}`, which says that an entry may stay as it is.
fn note_of(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let note = value.as_object().filter(|object| object.len() == 1)?;
    note.get("acknowledge")?.as_str().map(str::to_owned)
}
