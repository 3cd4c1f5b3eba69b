//! What a person does to counters, texts, lists and sets, and what it reads as afterwards.

use driftless_document::{FieldPath, Row, Value};
use driftless_engine::{Edit, EngineError, RecordKey};

use super::writes::{is_of_types, tolerate};
use super::{World, Wrong};
use crate::schedule::{STRINGS, TypedEdit, TypedWrite, pick};

impl World {
    pub(super) fn edit_typed(
        &mut self,
        n: usize,
        key: &RecordKey,
        write: TypedWrite,
    ) -> Result<(), Wrong> {
        let path =
            FieldPath::parse(write.field()).map_err(|error| Wrong::new(error.to_string()))?;
        let before = self.row_of(n, key)?;
        let (edit, expected) = edit_of(write.edit, &path, before.at(&path));
        let replica = self.places[n].live()?;
        match replica.edit(&key.collection, key.record, &[edit]) {
            Err(EngineError::Write(error)) if write.shared && is_of_types(&error) => return Ok(()),
            done => tolerate(done.map(|_| ()))?,
        }
        let row = self.row_of(n, key)?;
        // A field that was made as two types may show the other one.
        if row.deleted || write.shared || row.at(&path) == expected.as_ref() {
            return Ok(());
        }
        Err(Wrong::new(format!(
            "device {n} wrote {write:?} over {:?}, expects {expected:?} and reads {row:?}",
            before.at(&path)
        )))
    }

    fn row_of(&self, n: usize, key: &RecordKey) -> Result<Row, Wrong> {
        let row = self.places[n].seen()?.get(&key.collection, key.record)?;
        row.ok_or_else(|| Wrong::new("a record that was chosen is gone"))
    }
}

/// What the engine is asked to do, and what the field reads afterwards.
fn edit_of(edit: TypedEdit, path: &FieldPath, stands: Option<&Value>) -> (Edit, Option<Value>) {
    let path = path.clone();
    match edit {
        TypedEdit::Increment(by) => {
            let by = i64::from(by);
            let now = match stands {
                Some(Value::Counter(now)) => now + by,
                _ => by,
            };
            // Nothing added where nothing is makes no counter.
            let is_there = matches!(stands, Some(Value::Counter(_)));
            let reads = (is_there || by != 0).then_some(Value::Counter(now));
            (Edit::Increment { path, by }, reads)
        }
        TypedEdit::Splice { .. } | TypedEdit::Append(_) | TypedEdit::Replace(_) => {
            edit_of_text(edit, path, stands)
        }
        TypedEdit::Add(member) => {
            let member = member_of(member);
            let members = members_with(stands, &member, true);
            (Edit::AddMember { path, member }, members)
        }
        TypedEdit::Remove(member) => {
            let member = member_of(member);
            let members = members_with(stands, &member, false);
            (Edit::RemoveMember { path, member }, members)
        }
        _ => edit_of_list(edit, path, stands),
    }
}

fn edit_of_text(edit: TypedEdit, path: FieldPath, stands: Option<&Value>) -> (Edit, Option<Value>) {
    let now: Vec<char> = match stands {
        Some(Value::Text(text)) => text.chars().collect(),
        _ => Vec::new(),
    };
    // Nothing put where nothing is makes no text.
    let is_there = matches!(stands, Some(Value::Text(_)));
    let reads = |text: String| (is_there || !text.is_empty()).then_some(Value::Text(text));
    let string = |n: u8| STRINGS[pick(n, STRINGS.len())].to_owned();
    match edit {
        TypedEdit::Splice { at, delete, insert } => {
            let at = pick(at, now.len() + 1);
            let delete = usize::from(delete).min(now.len() - at);
            let insert = string(insert);
            let mut text: String = now[..at].iter().collect();
            text.push_str(&insert);
            text.extend(&now[at + delete..]);
            let edit = Edit::Splice {
                path,
                at,
                delete,
                insert,
            };
            (edit, reads(text))
        }
        TypedEdit::Append(insert) => {
            let text = string(insert);
            let whole = now.into_iter().chain(text.chars()).collect();
            (Edit::AppendText { path, text }, reads(whole))
        }
        TypedEdit::Replace(insert) => {
            let text = string(insert);
            let whole = reads(text.clone());
            (Edit::ReplaceText { path, text }, whole)
        }
        other => edit_of(other, &path, stands),
    }
}

fn edit_of_list(edit: TypedEdit, path: FieldPath, stands: Option<&Value>) -> (Edit, Option<Value>) {
    let mut now = match stands {
        Some(Value::List(values)) => values.clone(),
        _ => Vec::new(),
    };
    let number = |value: u8| Value::Int(i64::from(value));
    let insert = |at: Option<usize>, value: u8| Edit::InsertElements {
        path: path.clone(),
        at,
        values: vec![number(value)],
    };
    let edit = match edit {
        TypedEdit::InsertAt { at, value } => {
            let at = pick(at, now.len() + 1);
            now.insert(at, number(value));
            insert(Some(at), value)
        }
        TypedEdit::PutAt { at, value } if !now.is_empty() => {
            let at = pick(at, now.len());
            now[at] = number(value);
            let value = number(value);
            Edit::PutElement { path, at, value }
        }
        TypedEdit::RemoveAt { at, count } if !now.is_empty() => {
            let at = pick(at, now.len());
            let count = usize::from(count).min(now.len() - at);
            now.drain(at..at + count);
            Edit::RemoveElements { path, at, count }
        }
        // There is nothing to be replaced or removed yet.
        TypedEdit::Push(value) | TypedEdit::PutAt { value, .. } => {
            now.push(number(value));
            insert(None, value)
        }
        _ => {
            now.push(number(0));
            insert(None, 0)
        }
    };
    (edit, Some(Value::List(now)))
}

fn member_of(number: u8) -> Value {
    if number.is_multiple_of(2) {
        Value::Int(i64::from(number))
    } else {
        Value::String(format!("m{number}"))
    }
}

/// A set with or without a member; none where it has none.
fn members_with(stands: Option<&Value>, member: &Value, is_there: bool) -> Option<Value> {
    let mut members = match stands {
        Some(Value::Set(members)) => members.clone(),
        _ => Vec::new(),
    };
    members.retain(|other| other != member);
    if is_there {
        members.push(member.clone());
    }
    members.sort_by_key(|member| match member {
        Value::Int(number) => (false, *number, String::new()),
        other => (true, 0, format!("{other:?}")),
    });
    (!members.is_empty()).then_some(Value::Set(members))
}
