//! [`Collection`]: records of one kind.

use driftless_document::{
    FieldPath, Fields, HistoryOptions, Node, RecordId, Row, Value, node_from_json,
};
use driftless_engine::{Edit, EngineError, Filter, ImportCounts, RecordKey, RecordSync, Replica};
use serde_json::Value as Json;

use crate::actor::Actor;
use crate::commit::Commit;
use crate::error::Error;
use crate::history::History;
use crate::limits::{IMPORT_BYTES, IMPORT_ROWS};
use crate::options::ProgressCallback;
use crate::progress::Progress;
use crate::record::RecordView;

/// Records of one kind; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Collection {
    actor: Actor,
    name: String,
    progress: Option<ProgressCallback>,
}

/// Which records a listing gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// Every one of these must hold.
    pub filters: Vec<Filter>,
    /// At most so many; all without it.
    pub limit: Option<usize>,
}

/// What can be given as the fields of a record: [`Fields`], or a JSON object.
pub trait IntoFields {
    /// The fields, flat, under their paths.
    fn into_fields(self) -> Result<Fields, Error>;
}

impl IntoFields for Fields {
    fn into_fields(self) -> Result<Fields, Error> {
        Ok(self)
    }
}

impl IntoFields for Json {
    fn into_fields(self) -> Result<Fields, Error> {
        (&self).into_fields()
    }
}

impl IntoFields for &Json {
    fn into_fields(self) -> Result<Fields, Error> {
        match self {
            Json::Object(members) if members.is_empty() => Ok(Fields::new()),
            Json::Object(_) => match node_from_json(self)? {
                Node::Object(fields) => Ok(fields),
                // An object like {"$bytes": ...} is a value, and a record has fields.
                Node::Leaf(_) => Err(Error::not_a_record(self)),
            },
            other => Err(Error::not_a_record(other)),
        }
    }
}

impl Collection {
    pub(crate) fn new(actor: Actor, name: &str, progress: Option<ProgressCallback>) -> Self {
        Self {
            actor,
            name: name.to_owned(),
            progress,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a record and says its id.
    pub async fn insert(&self, fields: impl IntoFields) -> Result<(RecordId, Commit), Error> {
        let fields = fields.into_fields()?;
        let (id, commit) = self
            .write(move |replica, name| replica.insert(name, fields))
            .await?;
        Ok((id, self.committed(id, commit)))
    }

    /// Sets the fields that are given and leaves the others; an object sets the fields inside it.
    ///
    /// `null` is a value like any other: [`Collection::unset`] removes a field. A counter, text, list or set is changed
    /// by what makes it read so, and nothing that is done to it elsewhere is lost.
    pub async fn update(&self, id: RecordId, fields: impl IntoFields) -> Result<Commit, Error> {
        let edits = fields.into_fields()?.into_iter().map(set_leaf);
        let edits = edits.collect::<Result<Vec<_>, Error>>()?;
        self.edit(id, edits).await
    }

    /// Makes all the edits in one change.
    pub async fn edit(&self, id: RecordId, edits: Vec<Edit>) -> Result<Commit, Error> {
        let commit = self
            .write(move |replica, name| replica.edit(name, id, &edits))
            .await?;
        Ok(self.committed(id, commit))
    }

    /// Removes fields, and everything below them, by their paths, such as `address.city`; texts and lists are emptied.
    ///
    /// A counter is not removed: increments made elsewhere would be lost.
    pub async fn unset(&self, id: RecordId, paths: &[&str]) -> Result<Commit, Error> {
        let edits = paths.iter().map(|path| {
            let path = FieldPath::parse(path)?;
            Ok(Edit::Unset { path })
        });
        let edits = edits.collect::<Result<Vec<_>, Error>>()?;
        self.edit(id, edits).await
    }

    /// Deletes a record; it can be restored.
    pub async fn delete(&self, id: RecordId) -> Result<Commit, Error> {
        let commit = self
            .write(move |replica, name| replica.delete(name, id))
            .await?;
        Ok(self.committed(id, commit))
    }

    /// Restores a deleted record.
    pub async fn restore(&self, id: RecordId) -> Result<Commit, Error> {
        let commit = self
            .write(move |replica, name| replica.restore(name, id))
            .await?;
        Ok(self.committed(id, commit))
    }

    /// The record with this id, deleted or not; `None` where there never was one.
    pub async fn get(&self, id: RecordId) -> Result<Option<RecordView>, Error> {
        let row = self
            .read(move |replica, name| replica.get(name, id))
            .await?;
        Ok(row.map(|row| self.view(id, row)))
    }

    /// The record as it was at a version that this device showed, or that its history has; deleted or not.
    ///
    /// `version` is one that a write, a record or the history gave, the name of a change (the record as its author
    /// saw it then), or the beginning of either that is no other's.
    pub async fn get_at(&self, id: RecordId, version: &str) -> Result<RecordView, Error> {
        let version = version.to_owned();
        let row = self
            .read(move |replica, name| replica.get_at(name, id, &version))
            .await?;
        Ok(self.view(id, row))
    }

    /// What was done to the record, deleted or not: who, when, each field before and after, and decisions.
    pub async fn history(&self, id: RecordId, options: HistoryOptions) -> Result<History, Error> {
        let history = self
            .read(move |replica, name| replica.history(name, id, &options))
            .await?;
        Ok(History::new(history))
    }

    /// The record a person names: by its id, the beginning of its id, or `key:VALUE`.
    pub async fn find(&self, wanted: &str) -> Result<RecordId, Error> {
        let wanted = wanted.to_owned();
        self.read(move |replica, name| replica.find(name, &wanted))
            .await
    }

    /// The records that are not deleted, in the order of their ids.
    pub async fn list(&self, options: ListOptions) -> Result<Vec<RecordView>, Error> {
        let rows = self
            .read(move |replica, name| replica.list(name, &options.filters, options.limit))
            .await?;
        let views = rows.into_iter().map(|(id, row)| self.view(id, row));
        Ok(views.collect())
    }

    /// Imports records in blocks of at most 256 rows or 256 KiB; a block is durable as a whole or not at all.
    ///
    /// A row whose id exists gets the fields that differ; one without an id is a new record. Rows before an
    /// error are imported in whole blocks; importing again with the same ids adds nothing twice.
    pub async fn import(
        &self,
        rows: Vec<(Option<RecordId>, Fields)>,
    ) -> Result<ImportCounts, Error> {
        let mut total = ImportCounts::default();
        let mut done = 0;
        for block in blocks(rows) {
            done += block.len() as u64;
            let counts = self
                .write(move |replica, name| replica.import(name, block))
                .await?;
            total.imported += counts.imported;
            total.updated += counts.updated;
            total.unchanged += counts.unchanged;
            total.skipped_deleted += counts.skipped_deleted;
            if let Some(progress) = &self.progress {
                progress(Progress::Importing { rows: done });
            }
        }
        Ok(total)
    }

    /// How the record stands with the devices this one has met.
    pub async fn sync_state(&self, id: RecordId) -> Result<RecordSync, Error> {
        self.read(move |replica, name| replica.record_sync(name, id))
            .await
    }

    fn committed(&self, id: RecordId, commit: driftless_engine::Commit) -> Commit {
        let key = RecordKey {
            collection: self.name.clone(),
            record: id,
        };
        Commit::new(&self.actor, commit, key)
    }

    fn view(&self, id: RecordId, row: Row) -> RecordView {
        RecordView::new(&self.actor, &self.name, id, row)
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Replica, &str) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Error> {
        let name = self.name.clone();
        self.actor.read(move |replica| job(replica, &name)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica, &str) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Error> {
        let name = self.name.clone();
        self.actor.write(move |replica| job(replica, &name)).await
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn set_leaf((key, value): (String, Value)) -> Result<Edit, Error> {
    let path = FieldPath::parse(&key)?;
    let node = Node::Leaf(value);
    Ok(Edit::Set { path, node })
}

/// A row of an import.
type ImportRow = (Option<RecordId>, Fields);

/// Cuts rows into blocks that each fit into one envelope.
fn blocks(rows: Vec<ImportRow>) -> Vec<Vec<ImportRow>> {
    let mut blocks = Vec::new();
    let mut block: Vec<ImportRow> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let size = size_of(&row.1);
        if !block.is_empty() && (block.len() == IMPORT_ROWS || bytes + size > IMPORT_BYTES) {
            blocks.push(std::mem::take(&mut block));
            bytes = 0;
        }
        bytes += size;
        block.push(row);
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// Bytes of a row's keys and values, near enough.
fn size_of(fields: &Fields) -> usize {
    let sizes = fields
        .iter()
        .map(|(key, value)| key.len() + value_size(value));
    sizes.sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::String(text) | Value::Json(text) | Value::Text(text) => text.len(),
        Value::Bytes(bytes) | Value::Opaque(bytes) => bytes.len(),
        _ => 8,
    }
}
