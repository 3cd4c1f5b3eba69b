//! Databases and collections without async.

use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless_document::{Fields, RecordId, Rules};
use driftless_engine::{
    ChangeEvent, DigestReport, Edit, ImportCounts, MissingRun, RecordSync, RulesExplanation,
    RulesReport, StatusReport, VerifyReport,
};
use driftless_protocol::{DeviceId, WorkspaceId};

use super::conflicts::Conflicts;
use super::sync::Sync;
use super::wait;
use crate::collection::IntoFields;
use crate::commit::{Commit, Reach};
use crate::error::Error;
use crate::opening::Opening;
use crate::options::Options;
use crate::record::RecordView;
use crate::status::DatabaseStatus;
use crate::{InviteOptions, ListOptions};

/// [`Database`](crate::Database) without async.
#[derive(Clone, Debug)]
pub struct Database {
    inner: crate::Database,
}

impl Database {
    /// See [`Database::create`](crate::Database::create).
    pub fn create(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        opened(async move { crate::Database::create(dir, options).await })
    }

    /// See [`Database::open`](crate::Database::open).
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        opened(async move { crate::Database::open(dir, options).await })
    }

    /// See [`Database::rebuild`](crate::Database::rebuild).
    pub fn rebuild(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        opened(async move { crate::Database::rebuild(dir, options).await })
    }

    /// See [`Database::repair`](crate::Database::repair).
    pub fn repair(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        opened(async move { crate::Database::repair(dir, options).await })
    }

    /// See [`Database::inspect`](crate::Database::inspect).
    pub fn inspect(dir: impl AsRef<Path>, options: Options) -> Result<VerifyReport, Error> {
        let dir = dir.as_ref().to_owned();
        wait(async move { crate::Database::inspect(dir, options).await })
    }

    /// See [`Database::inspect_while`](crate::Database::inspect_while).
    pub fn inspect_while(
        dir: impl AsRef<Path>,
        options: Options,
        go_on: impl Fn() -> bool + Send + 'static,
    ) -> Result<Option<VerifyReport>, Error> {
        let dir = dir.as_ref().to_owned();
        wait(async move { crate::Database::inspect_while(dir, options, go_on).await })
    }

    /// See [`Database::join`](crate::Database::join).
    pub fn join(dir: impl AsRef<Path>, link: &str, options: Options) -> Result<Self, Error> {
        let (dir, link): (PathBuf, _) = (dir.as_ref().to_owned(), link.to_owned());
        opened(async move { crate::Database::join(dir, &link, options).await })
    }

    /// See [`Database::close`](crate::Database::close).
    pub fn close(self) -> Result<(), Error> {
        wait(self.inner.close())
    }

    /// See [`Database::close_soon`](crate::Database::close_soon).
    pub fn close_soon(self, tidy: Duration) -> Result<(), Error> {
        wait(self.inner.close_soon(tidy))
    }

    /// The same database, for async code.
    pub fn to_async(&self) -> crate::Database {
        self.inner.clone()
    }

    /// See [`Database::collection`](crate::Database::collection).
    pub fn collection(&self, name: &str) -> Collection {
        Collection {
            inner: self.inner.collection(name),
        }
    }

    /// See [`Database::conflicts`](crate::Database::conflicts).
    pub fn conflicts(&self) -> Conflicts {
        Conflicts::new(self.inner.conflicts())
    }

    /// See [`WorkspaceRules::current`](crate::WorkspaceRules::current).
    pub fn rules(&self) -> Result<RulesReport, Error> {
        let inner = self.inner.rules();
        wait(async move { inner.current().await })
    }

    /// See [`WorkspaceRules::set`](crate::WorkspaceRules::set).
    pub fn set_rules(&self, rules: Rules) -> Result<bool, Error> {
        let inner = self.inner.rules();
        wait(async move { inner.set(rules).await })
    }

    /// See [`WorkspaceRules::explain`](crate::WorkspaceRules::explain).
    pub fn explain_rules(
        &self,
        collection: &str,
        record: RecordId,
        field: &str,
    ) -> Result<RulesExplanation, Error> {
        let inner = self.inner.rules();
        let (collection, field) = (collection.to_owned(), field.to_owned());
        wait(async move { inner.explain(&collection, record, &field).await })
    }

    /// See [`Database::sync`](crate::Database::sync).
    pub fn sync(&self) -> Sync {
        Sync::new(self.inner.sync())
    }

    /// See [`Database::dir`](crate::Database::dir).
    pub fn dir(&self) -> &Path {
        self.inner.dir()
    }

    /// See [`Database::workspace`](crate::Database::workspace).
    pub fn workspace(&self) -> WorkspaceId {
        self.inner.workspace()
    }

    /// See [`Database::device`](crate::Database::device).
    pub fn device(&self) -> DeviceId {
        self.inner.device()
    }

    /// See [`Database::opening`](crate::Database::opening).
    pub fn opening(&self) -> &Opening {
        self.inner.opening()
    }

    /// See [`Database::invite`](crate::Database::invite).
    pub fn invite(&self, invitation: InviteOptions) -> Result<String, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.invite(invitation).await })
    }

    /// See [`Database::changes_since`](crate::Database::changes_since).
    pub fn changes_since(&self, seq: u64, limit: usize) -> Result<Vec<ChangeEvent>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.changes_since(seq, limit).await })
    }

    /// See [`Database::collections`](crate::Database::collections).
    pub fn collections(&self) -> Result<Vec<(String, u64)>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.collections().await })
    }

    /// See [`Database::status`](crate::Database::status).
    pub fn status(&self) -> Result<StatusReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.status().await })
    }

    /// See [`Database::dismiss_elsewhere`](crate::Database::dismiss_elsewhere).
    pub fn dismiss_elsewhere(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        wait(async move { inner.dismiss_elsewhere().await })
    }

    /// See [`Database::watch_status`](crate::Database::watch_status).
    pub fn watch_status(&self) -> StatusWatch {
        StatusWatch {
            inner: Some(self.inner.watch_status()),
        }
    }

    /// See [`Database::digest`](crate::Database::digest).
    pub fn digest(&self) -> Result<DigestReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.digest().await })
    }

    /// See [`Database::verify`](crate::Database::verify).
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.verify().await })
    }

    /// See [`Database::missing`](crate::Database::missing).
    pub fn missing(&self) -> Result<Vec<MissingRun>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.missing().await })
    }

    /// See [`Database::suspend`](crate::Database::suspend).
    pub fn suspend(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        wait(async move { inner.suspend().await })
    }

    /// See [`Database::resume`](crate::Database::resume).
    pub fn resume(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        wait(async move { inner.resume().await })
    }

    /// See [`Database::setting`](crate::Database::setting).
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        wait(async move { inner.setting(&name).await })
    }

    /// See [`Database::set_setting`](crate::Database::set_setting).
    pub fn set_setting(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let (inner, name, value) = (self.inner.clone(), name.to_owned(), value.to_owned());
        wait(async move { inner.set_setting(&name, &value).await })
    }
}

/// Every database begins with a call that waits.
fn opened(
    opening: impl Future<Output = Result<crate::Database, Error>> + Send + 'static,
) -> Result<Database, Error> {
    wait(opening).map(|inner| Database { inner })
}

impl Commit {
    /// [`Commit::reached`] without async; it waits as long as that takes.
    pub fn wait_until_reached(&self, reach: Reach) -> Result<(), Error> {
        let commit = self.clone();
        wait(async move { commit.reached(reach).await })
    }
}

/// [`StatusWatch`](crate::StatusWatch) without async.
#[derive(Debug)]
pub struct StatusWatch {
    /// None while, and after, a call did not end.
    inner: Option<crate::StatusWatch>,
}

impl StatusWatch {
    /// See [`StatusWatch::changed`](crate::StatusWatch::changed).
    pub fn changed(&mut self) -> Result<DatabaseStatus, Error> {
        let mut inner = self.inner.take().ok_or_else(Error::closed)?;
        let (inner, status) = wait(async move {
            let status = inner.changed().await?;
            Ok((inner, status))
        })?;
        self.inner = Some(inner);
        Ok(status)
    }
}

/// [`Collection`](crate::Collection) without async.
#[derive(Clone, Debug)]
pub struct Collection {
    pub(super) inner: crate::Collection,
}

impl Collection {
    /// See [`Collection::name`](crate::Collection::name).
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// See [`Collection::insert`](crate::Collection::insert).
    pub fn insert(&self, fields: impl IntoFields) -> Result<(RecordId, Commit), Error> {
        let (inner, fields) = (self.inner.clone(), fields.into_fields()?);
        wait(async move { inner.insert(fields).await })
    }

    /// See [`Collection::update`](crate::Collection::update).
    pub fn update(&self, id: RecordId, fields: impl IntoFields) -> Result<Commit, Error> {
        let (inner, fields) = (self.inner.clone(), fields.into_fields()?);
        wait(async move { inner.update(id, fields).await })
    }

    /// See [`Collection::edit`](crate::Collection::edit).
    pub fn edit(&self, id: RecordId, edits: Vec<Edit>) -> Result<Commit, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.edit(id, edits).await })
    }

    /// See [`Collection::unset`](crate::Collection::unset).
    pub fn unset(&self, id: RecordId, paths: &[&str]) -> Result<Commit, Error> {
        let inner = self.inner.clone();
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        wait(async move {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            inner.unset(id, &paths).await
        })
    }

    /// See [`Collection::delete`](crate::Collection::delete).
    pub fn delete(&self, id: RecordId) -> Result<Commit, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.delete(id).await })
    }

    /// See [`Collection::restore`](crate::Collection::restore).
    pub fn restore(&self, id: RecordId) -> Result<Commit, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.restore(id).await })
    }

    /// See [`Collection::get`](crate::Collection::get).
    pub fn get(&self, id: RecordId) -> Result<Option<RecordView>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.get(id).await })
    }

    /// See [`Collection::find`](crate::Collection::find).
    pub fn find(&self, wanted: &str) -> Result<RecordId, Error> {
        let (inner, wanted) = (self.inner.clone(), wanted.to_owned());
        wait(async move { inner.find(&wanted).await })
    }

    /// See [`Collection::list`](crate::Collection::list).
    pub fn list(&self, options: ListOptions) -> Result<Vec<RecordView>, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.list(options).await })
    }

    /// See [`Collection::import`](crate::Collection::import).
    pub fn import(&self, rows: Vec<(Option<RecordId>, Fields)>) -> Result<ImportCounts, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.import(rows).await })
    }

    /// See [`Collection::sync_state`](crate::Collection::sync_state).
    pub fn sync_state(&self, id: RecordId) -> Result<RecordSync, Error> {
        let inner = self.inner.clone();
        wait(async move { inner.sync_state(id).await })
    }
}
