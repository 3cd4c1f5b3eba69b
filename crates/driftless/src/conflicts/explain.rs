//! [`Explained`]: what becomes of an edit that somebody else makes too, in plain words.

use std::fmt;

use driftless_document::{
    DELETED, FieldType, Policy, RecordId, Shown, Status, Value, value_to_json,
};
use driftless_engine::{ConflictView, Deed, Explanation, Fate, Outlook, Replica};
use serde_json::{Value as Json, json};

use super::Conflicts;
use super::entry::{Choice, Conflict, shown_to_json};
use crate::error::Error;
use crate::time::rfc3339;

/// How edits of one field merge that are made apart, and how those did that the log has; in words and as data.
///
/// Displays as its sentences, a line each.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// As data.
    pub explanation: Explanation,
    /// What becomes of an edit made here while somebody else, who does not know of it, makes one: a sentence each.
    pub before: Vec<String>,
    /// What overlapped here so far: the entries, each with its sentences.
    pub after: Vec<(Conflict, Vec<String>)>,
}

impl Conflicts {
    /// How edits of a field merge that are made apart, and how those did that the log has; `path` is the field's, or
    /// `$deleted` for the record as a whole.
    pub async fn explain(
        &self,
        collection: &str,
        record: RecordId,
        path: &str,
    ) -> Result<Explained, Error> {
        let (collection, path) = (collection.to_owned(), path.to_owned());
        let explain = move |replica: &Replica| replica.explain(&collection, record, &path);
        Ok(Explained::new(self.actor.read(explain).await?))
    }
}

impl Explained {
    fn new(explanation: Explanation) -> Self {
        let before = explanation.outlooks.iter();
        let after = explanation.overlaps.iter().map(|view| {
            let conflict = Conflict::new(view.clone());
            let told = told(&explanation, &conflict);
            (conflict, told)
        });
        Self {
            before: before
                .map(|outlook| foretold(&explanation, outlook))
                .collect(),
            after: after.collect(),
            explanation,
        }
    }

    /// It as JSON: `{collection, record, path, type, rule, policy, shown, deleted, before: [{ours, theirs, fate, rule,
    /// policy, text}], after: [{conflict, text: [sentence]}]}`.
    pub fn to_json(&self) -> Json {
        let told = &self.explanation;
        let outlooks = told
            .outlooks
            .iter()
            .zip(&self.before)
            .map(|(outlook, text)| {
                json!({
                    "ours": outlook.ours.as_str(),
                    "theirs": outlook.theirs.as_str(),
                    "fate": outlook.fate.as_str(),
                    "rule": outlook.rule,
                    "policy": outlook.policy.as_ref().map(Policy::as_str),
                    "text": text,
                })
            });
        let after = self.after.iter();
        let after =
            after.map(|(conflict, text)| json!({ "conflict": conflict.to_json(), "text": text }));
        json!({
            "collection": told.key.collection,
            "record": told.key.record.to_string(),
            "path": told.path,
            "type": told.field_type.as_str(),
            "rule": told.rule,
            "policy": told.policy.as_ref().map(Policy::as_str),
            "shown": told.shown.as_ref().map(value_to_json),
            "deleted": told.deleted,
            "before": outlooks.collect::<Vec<_>>(),
            "after": after.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.iter().flat_map(|(_, sentences)| sentences);
        let mut sentences = self.before.iter().chain(after);
        sentences.try_for_each(|sentence| writeln!(f, "{sentence}"))
    }
}

/// What will become of two edits.
fn foretold(told: &Explanation, outlook: &Outlook) -> String {
    let ours = done_here(&told.path, outlook.ours);
    let theirs = done_there(&told.path, outlook.theirs);
    let fate = match outlook.fate {
        Fate::Merged => "both take effect, and there is nothing to decide".to_owned(),
        Fate::Agreed => "both want the same, and there is nothing to decide".to_owned(),
        Fate::MergedByType if told.field_type == FieldType::Set => {
            "the member stays, and the conflict log keeps both sides".to_owned()
        }
        Fate::MergedByType => {
            "both take effect, and the conflict log shows where they meet".to_owned()
        }
        Fate::DecidedByPolicy => format!(
            "every device shows {}, and the conflict log keeps both sides",
            picked_by(outlook)
        ),
        Fate::PolicyOrPerson => format!(
            "every device shows {}, if that tells the two apart; if not, a conflict waits for a person",
            picked_by(outlook)
        ),
        Fate::DependsOnEdits => {
            "which rule decides depends on the edits; the conflict log keeps both sides".to_owned()
        }
        Fate::Open => left_to_a_person(outlook),
    };
    format!("If here {ours}, and {theirs} on a device that does not know of it yet, {fate}.")
}

/// What a policy shows, and by which rule.
fn picked_by(outlook: &Outlook) -> String {
    let policy = outlook.policy.clone().unwrap_or_default().in_words();
    match outlook.rule {
        Some(rule) => format!("{policy} (rule {rule})"),
        None => policy,
    }
}

fn left_to_a_person(outlook: &Outlook) -> String {
    match &outlook.policy {
        Some(Policy::Custom(name)) => format!(
            "a conflict waits for a person, for the program's function `{name}` is not installed here"
        ),
        _ if is_about_record(outlook) => {
            "the record stays deleted, nothing is lost, and a conflict waits for a person"
                .to_owned()
        }
        _ => "every device shows the same one of the two, and a conflict waits for a person"
            .to_owned(),
    }
}

fn is_about_record(outlook: &Outlook) -> bool {
    [outlook.ours, outlook.theirs].contains(&Deed::DeleteRecord)
}

fn done_here(path: &str, deed: Deed) -> String {
    match deed {
        Deed::Set | Deed::SetSame => format!("`{path}` is set"),
        Deed::Unset => format!("`{path}` is unset"),
        Deed::SetOther => "a field of the record is edited".to_owned(),
        Deed::Increment => format!("`{path}` is added to"),
        Deed::EditHere | Deed::EditElsewhere => format!("a place in `{path}` is edited"),
        Deed::Insert => format!("elements are put into `{path}`"),
        Deed::PutElement => format!("an element of `{path}` is replaced"),
        Deed::RemoveElement => format!("an element of `{path}` is removed"),
        Deed::Add => format!("a member is added to `{path}`"),
        Deed::RemoveMember => format!("a member of `{path}` is removed"),
        Deed::DeleteRecord => "the record is deleted".to_owned(),
        _ => "something newer is done".to_owned(),
    }
}

fn done_there(path: &str, deed: Deed) -> &'static str {
    match deed {
        Deed::Set => "it is set to another value",
        Deed::SetSame => "it is set to the same value",
        Deed::Unset => "it is unset",
        Deed::SetOther if path == DELETED => "a field of the record is edited",
        Deed::SetOther => "another field of the record is edited",
        Deed::Increment => "it is added to",
        Deed::EditHere => "the same place is edited",
        Deed::EditElsewhere => "another place in it is edited",
        Deed::Insert => "elements are put in",
        Deed::PutElement => "the same element is replaced",
        Deed::RemoveElement => "the same element is removed",
        Deed::Add => "the same member is added",
        Deed::RemoveMember => "the same member is removed",
        Deed::DeleteRecord => "the record is deleted",
        _ => "something newer is done",
    }
}

/// What became of an overlap.
fn told(explanation: &Explanation, conflict: &Conflict) -> Vec<String> {
    let what = if conflict.path() == DELETED {
        "The record".to_owned()
    } else {
        let index = conflict.index().map(|index| format!("[{index}]"));
        format!("`{}{}`", conflict.path(), index.unwrap_or_default())
    };
    let base: Vec<_> = conflict.base().iter().map(ToString::to_string).collect();
    let mut sentences = vec![format!(
        "{what} was edited on several sides that did not know of each other. Before, it read {}.",
        base.join(" or ")
    )];
    sentences.extend(conflict.candidates().iter().map(|choice| {
        let by = written_by(choice);
        format!("{by} made it {}.", choice.value)
    }));
    sentences.push(outcome(explanation, conflict));
    sentences
}

fn outcome(explanation: &Explanation, conflict: &Conflict) -> String {
    match conflict.status() {
        Status::Resolved => {
            let decided = conflict.resolved();
            let decided = decided.map(|choice| (written_by(&choice), choice.value));
            decided.map_or_else(
                || "It is decided.".to_owned(),
                |(by, value)| format!("{by} decided for {value}."),
            )
        }
        Status::Acknowledged => {
            "Somebody who saw all of it said that it may stay as it is.".to_owned()
        }
        Status::Agreed => "All sides want the same.".to_owned(),
        Status::AutoMerged => format!(
            "Nobody has to decide: {}. The record shows {}.",
            merged_by(explanation, conflict.view()),
            shows(explanation, conflict)
        ),
        _ if conflict.view().provisional => format!(
            "Nobody has decided yet, and the function that the rules ask for is not installed here. Until somebody \
             decides, this device shows {}.",
            shows(explanation, conflict)
        ),
        _ => format!(
            "Nobody has decided yet. Until somebody does, every device shows {}.",
            shows(explanation, conflict)
        ),
    }
}

fn merged_by(explanation: &Explanation, view: &ConflictView) -> String {
    match explanation.field_type {
        FieldType::Text => "edits of a text are merged".to_owned(),
        FieldType::Set => "adding a member wins over removing it".to_owned(),
        _ => {
            let rule = view
                .rule
                .map_or_else(String::new, |rule| format!("rule {rule} asks for "));
            format!("{rule}{}", view.policy.in_words())
        }
    }
}

/// What the record shows of the contested place.
fn shows(explanation: &Explanation, conflict: &Conflict) -> String {
    let absent = || shown_to_json(&Shown::Absent).to_string();
    if conflict.path() == DELETED {
        return if explanation.deleted {
            "it as deleted"
        } else {
            "it"
        }
        .to_owned();
    }
    let shown = match (&explanation.shown, conflict.index()) {
        (Some(Value::List(elements)), Some(index)) => elements.get(index),
        (shown, _) => shown.as_ref(),
    };
    shown.map_or_else(absent, |value| value_to_json(value).to_string())
}

fn written_by(choice: &Choice) -> String {
    let author = &choice.author;
    let name = author.device_name.as_deref().unwrap_or("An unknown device");
    format!("{name} ({})", rfc3339(author.time_ms))
}
