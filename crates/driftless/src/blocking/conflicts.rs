//! The conflict log without async.

use driftless_engine::{ConflictFilter, ConflictPosition};

use super::wait;
use crate::commit::Commit;
use crate::conflicts::{Conflict, ConflictMembers, ConflictPage, Resolution};
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
}
