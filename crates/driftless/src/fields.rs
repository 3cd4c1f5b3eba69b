//! Counters, texts, lists and sets: the verbs of [`Collection`] for fields on which edits made apart merge.
//!
//! The first of them makes the field. A field keeps its type: what does not fit it is an error that names the field.

use driftless_document::{FieldPath, JsonError, RecordId, Value, element_from_json};
use driftless_engine::Edit;
use serde_json::Value as Json;

use crate::collection::Collection;
use crate::commit::Commit;
use crate::error::Error;

/// What can be given as an element of a list or a member of a set: a [`Value`], or JSON.
///
/// An object and an array in a list are one element each.
pub trait IntoElement {
    /// The value.
    fn into_element(self) -> Result<Value, JsonError>;
}

impl IntoElement for Value {
    fn into_element(self) -> Result<Value, JsonError> {
        Ok(self)
    }
}

impl IntoElement for Json {
    fn into_element(self) -> Result<Value, JsonError> {
        element_from_json(&self)
    }
}

impl IntoElement for &str {
    fn into_element(self) -> Result<Value, JsonError> {
        Ok(Value::String(self.to_owned()))
    }
}

impl IntoElement for i64 {
    fn into_element(self) -> Result<Value, JsonError> {
        Ok(Value::Int(self))
    }
}

impl Collection {
    /// Adds to a counter, or takes from it: nobody's increment is ever lost.
    ///
    /// `by` is at most 2 to the power of 40 either way.
    pub async fn increment(&self, id: RecordId, path: &str, by: i64) -> Result<Commit, Error> {
        let path = FieldPath::parse(path)?;
        self.edit(id, vec![Edit::Increment { path, by }]).await
    }

    /// Takes characters out of a text and puts others in their place; `at` and `delete` count Unicode code points.
    pub async fn splice(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Result<Commit, Error> {
        let edit = Edit::Splice {
            path: FieldPath::parse(path)?,
            at,
            delete,
            insert: insert.to_owned(),
        };
        self.edit(id, vec![edit]).await
    }

    /// Puts characters at the end of a text.
    pub async fn append_text(&self, id: RecordId, path: &str, text: &str) -> Result<Commit, Error> {
        let edit = Edit::AppendText {
            path: FieldPath::parse(path)?,
            text: text.to_owned(),
        };
        self.edit(id, vec![edit]).await
    }

    /// Makes a text read so. Only what differs is changed, so that edits made elsewhere meet as few of it as can be.
    pub async fn replace_text(
        &self,
        id: RecordId,
        path: &str,
        text: &str,
    ) -> Result<Commit, Error> {
        let edit = Edit::ReplaceText {
            path: FieldPath::parse(path)?,
            text: text.to_owned(),
        };
        self.edit(id, vec![edit]).await
    }

    /// What a text reads; `None` where the record has no text there.
    pub async fn text(&self, id: RecordId, path: &str) -> Result<Option<String>, Error> {
        let path = FieldPath::parse(path)?;
        let record = self.get(id).await?;
        let value = record.and_then(|record| record.row.at(&path).cloned());
        Ok(value.and_then(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        }))
    }

    /// Puts an element at the end of a list.
    pub async fn push(
        &self,
        id: RecordId,
        path: &str,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        self.put_in(id, path, None, value).await
    }

    /// Puts a new element before the one at a place, counted from 0; or at the end, where as many are before it.
    pub async fn insert_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        self.put_in(id, path, Some(at), value).await
    }

    async fn put_in(
        &self,
        id: RecordId,
        path: &str,
        at: Option<usize>,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        let edit = Edit::InsertElements {
            path: FieldPath::parse(path)?,
            at,
            values: vec![value.into_element()?],
        };
        self.edit(id, vec![edit]).await
    }

    /// Gives an element of a list another value.
    pub async fn put_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        let edit = Edit::PutElement {
            path: FieldPath::parse(path)?,
            at,
            value: value.into_element()?,
        };
        self.edit(id, vec![edit]).await
    }

    /// Takes elements out of a list.
    pub async fn remove_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        count: usize,
    ) -> Result<Commit, Error> {
        let path = FieldPath::parse(path)?;
        self.edit(id, vec![Edit::RemoveElements { path, at, count }])
            .await
    }

    /// Gives a set a member: a text, a number, or true or false. It stays, whoever removes it at the same time.
    pub async fn add(
        &self,
        id: RecordId,
        path: &str,
        member: impl IntoElement,
    ) -> Result<Commit, Error> {
        let edit = Edit::AddMember {
            path: FieldPath::parse(path)?,
            member: member.into_element()?,
        };
        self.edit(id, vec![edit]).await
    }

    /// Takes a member from a set.
    pub async fn remove(
        &self,
        id: RecordId,
        path: &str,
        member: impl IntoElement,
    ) -> Result<Commit, Error> {
        let edit = Edit::RemoveMember {
            path: FieldPath::parse(path)?,
            member: member.into_element()?,
        };
        self.edit(id, vec![edit]).await
    }
}
