//! Counters, texts, lists and sets without async.

use driftless_document::RecordId;

use super::{Collection, wait};
use crate::commit::Commit;
use crate::error::Error;
use crate::fields::IntoElement;

impl Collection {
    /// See [`Collection::increment`](crate::Collection::increment).
    pub fn increment(&self, id: RecordId, path: &str, by: i64) -> Result<Commit, Error> {
        let (inner, path) = (self.inner.clone(), path.to_owned());
        wait(async move { inner.increment(id, &path, by).await })
    }

    /// See [`Collection::splice`](crate::Collection::splice).
    pub fn splice(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Result<Commit, Error> {
        let (inner, path, insert) = (self.inner.clone(), path.to_owned(), insert.to_owned());
        wait(async move { inner.splice(id, &path, at, delete, &insert).await })
    }

    /// See [`Collection::append_text`](crate::Collection::append_text).
    pub fn append_text(&self, id: RecordId, path: &str, text: &str) -> Result<Commit, Error> {
        let (inner, path, text) = (self.inner.clone(), path.to_owned(), text.to_owned());
        wait(async move { inner.append_text(id, &path, &text).await })
    }

    /// See [`Collection::replace_text`](crate::Collection::replace_text).
    pub fn replace_text(&self, id: RecordId, path: &str, text: &str) -> Result<Commit, Error> {
        let (inner, path, text) = (self.inner.clone(), path.to_owned(), text.to_owned());
        wait(async move { inner.replace_text(id, &path, &text).await })
    }

    /// See [`Collection::text`](crate::Collection::text).
    pub fn text(&self, id: RecordId, path: &str) -> Result<Option<String>, Error> {
        let (inner, path) = (self.inner.clone(), path.to_owned());
        wait(async move { inner.text(id, &path).await })
    }

    /// See [`Collection::push`](crate::Collection::push).
    pub fn push(&self, id: RecordId, path: &str, value: impl IntoElement) -> Result<Commit, Error> {
        let (inner, path, value) = (self.inner.clone(), path.to_owned(), value.into_element()?);
        wait(async move { inner.push(id, &path, value).await })
    }

    /// See [`Collection::insert_at`](crate::Collection::insert_at).
    pub fn insert_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        let (inner, path, value) = (self.inner.clone(), path.to_owned(), value.into_element()?);
        wait(async move { inner.insert_at(id, &path, at, value).await })
    }

    /// See [`Collection::put_at`](crate::Collection::put_at).
    pub fn put_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        value: impl IntoElement,
    ) -> Result<Commit, Error> {
        let (inner, path, value) = (self.inner.clone(), path.to_owned(), value.into_element()?);
        wait(async move { inner.put_at(id, &path, at, value).await })
    }

    /// See [`Collection::remove_at`](crate::Collection::remove_at).
    pub fn remove_at(
        &self,
        id: RecordId,
        path: &str,
        at: usize,
        count: usize,
    ) -> Result<Commit, Error> {
        let (inner, path) = (self.inner.clone(), path.to_owned());
        wait(async move { inner.remove_at(id, &path, at, count).await })
    }

    /// See [`Collection::add`](crate::Collection::add).
    pub fn add(&self, id: RecordId, path: &str, member: impl IntoElement) -> Result<Commit, Error> {
        let (inner, path, member) = (self.inner.clone(), path.to_owned(), member.into_element()?);
        wait(async move { inner.add(id, &path, member).await })
    }

    /// See [`Collection::remove`](crate::Collection::remove).
    pub fn remove(
        &self,
        id: RecordId,
        path: &str,
        member: impl IntoElement,
    ) -> Result<Commit, Error> {
        let (inner, path, member) = (self.inner.clone(), path.to_owned(), member.into_element()?);
        wait(async move { inner.remove(id, &path, member).await })
    }
}
