//! The conflict log without async.

use driftless_document::RecordId;
use driftless_engine::{BulkRule, ConflictFilter, ConflictPosition, Insight};

use super::wait;
use crate::commit::Commit;
use crate::conflicts::{
    BulkReport, Conflict, ConflictEvent, ConflictMembers, ConflictPage, Explained, Resolution,
};
use crate::error::Error;

/// [`Conflicts`](crate::Conflicts) without async.
#[derive(Clone, Debug)]
pub struct Conflicts {
    inner: crate::Conflicts,
}

impl Conflicts {
    pub(super) fn new(inner: crate::Conflicts) -> Self {
        Self { inner }
    }

    /// See [`Conflicts::list`](crate::Conflicts::list).
    pub fn list(&self, filter: ConflictFilter) -> Result<Vec<Conflict>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.list(filter).await })
    }

    /// See [`Conflicts::get`](crate::Conflicts::get).
    pub fn get(&self, id: &str) -> Result<Conflict, Error> {
        let (inner, id) = (self.inner.clone(), id.to_owned());
        wait(async move { inner.get(&id).await })
    }

    /// See [`Conflicts::resolve`](crate::Conflicts::resolve).
    pub fn resolve(&self, conflict: &Conflict, resolution: Resolution) -> Result<Commit, Error> {
        let (inner, conflict) = (self.inner.clone(), conflict.clone());
        wait(async move { inner.resolve(&conflict, resolution).await })
    }

    /// See [`Conflicts::export`](crate::Conflicts::export).
    pub fn export(&self) -> Result<Vec<String>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.export().await })
    }

    /// See [`Conflicts::page`](crate::Conflicts::page).
    pub fn page(
        &self,
        filter: ConflictFilter,
        after: Option<ConflictPosition>,
        limit: usize,
    ) -> Result<ConflictPage, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.page(filter, after, limit).await })
    }

    /// See [`Conflicts::count`](crate::Conflicts::count).
    pub fn count(&self, filter: ConflictFilter) -> Result<u64, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.count(filter).await })
    }

    /// See [`Conflicts::members`](crate::Conflicts::members).
    pub fn members(&self, id: &str, first: usize, limit: usize) -> Result<ConflictMembers, Error> {
        let (inner, id) = (self.inner.clone(), id.to_owned());
        wait(async move { inner.members(&id, first, limit).await })
    }

    /// See [`Conflicts::acknowledge`](crate::Conflicts::acknowledge).
    pub fn acknowledge(&self, conflict: &Conflict, note: &str) -> Result<Commit, Error> {
        let (inner, conflict) = (self.inner.clone(), conflict.clone());
        let note = note.to_owned();
        wait(async move { inner.acknowledge(&conflict, &note).await })
    }

    /// See [`Conflicts::undo`](crate::Conflicts::undo).
    pub fn undo(&self, conflict: &Conflict) -> Result<Commit, Error> {
        let (inner, conflict) = (self.inner.clone(), conflict.clone());
        wait(async move { inner.undo(&conflict).await })
    }

    /// See [`Conflicts::decide_all`](crate::Conflicts::decide_all).
    pub fn decide_all(&self, filter: ConflictFilter, rule: BulkRule) -> Result<BulkReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.decide_all(filter, rule).await })
    }

    /// See [`Conflicts::preview_all`](crate::Conflicts::preview_all).
    pub fn preview_all(&self, filter: ConflictFilter, rule: BulkRule) -> Result<BulkReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.preview_all(filter, rule).await })
    }

    /// See [`Conflicts::explain`](crate::Conflicts::explain).
    pub fn explain(
        &self,
        collection: &str,
        record: RecordId,
        path: &str,
    ) -> Result<Explained, Error> {
        let inner = self.inner.clone();
        let (collection, path) = (collection.to_owned(), path.to_owned());
        wait(async move { inner.explain(&collection, record, &path).await })
    }

    /// See [`Conflicts::insight`](crate::Conflicts::insight).
    pub fn insight(&self, fields: usize) -> Result<Insight, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.insight(fields).await })
    }

    /// See [`Conflicts::watch`](crate::Conflicts::watch).
    pub fn watch(&self, filter: ConflictFilter) -> ConflictWatch {
        ConflictWatch {
            inner: Some(self.inner.watch(filter)),
        }
    }
}

/// [`ConflictWatch`](crate::ConflictWatch) without async.
#[derive(Debug)]
pub struct ConflictWatch {
    /// None while, and after, a call did not end.
    inner: Option<crate::ConflictWatch>,
}

impl ConflictWatch {
    /// See [`ConflictWatch::next_event`](crate::ConflictWatch::next_event).
    pub fn next_event(&mut self) -> Result<ConflictEvent, Error> {
        let mut inner = self.inner.take().ok_or_else(Error::closed)?;
        let (inner, event) = wait(async move {
            let event = inner.next_event().await?;
            Ok((inner, event))
        })?;
        self.inner = Some(inner);
        Ok(event)
    }

    /// See [`ConflictWatch::skip`](crate::ConflictWatch::skip).
    pub fn skip(&mut self) -> Result<usize, Error> {
        let mut inner = self.inner.take().ok_or_else(Error::closed)?;
        let (inner, skipped) = wait(async move {
            let skipped = inner.skip().await?;
            Ok((inner, skipped))
        })?;
        self.inner = Some(inner);
        Ok(skipped)
    }
}
