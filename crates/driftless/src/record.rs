//! [`RecordView`]: a record as it reads now, or as it was.

use std::fmt;

use driftless_document::{FieldPath, HistoryOptions, Nested, RecordId, Row, Value, Version, nest};
use serde_json::{Map, Value as Json, json};

use crate::actor::{Actor, WeakActor};
use crate::collection::Collection;
use crate::error::Error;
use crate::history::History;

/// A record as it reads now, or as it was at the version that was asked for.
///
/// Two are equal if they show the same record and read the same. It does not keep the database open.
#[derive(Clone)]
pub struct RecordView {
    /// Its id, the same on every device.
    pub id: RecordId,
    /// Its collection.
    pub collection: String,
    /// Equal versions mean equal records.
    pub version: Version,
    /// Whether it is deleted; its fields are kept, and come back when it is restored.
    pub deleted: bool,
    /// Its fields, flat, under their keys: the path, and `#counter`, `#text`, `#list` or `/` behind it where the field is
    /// of that type.
    pub row: Row,
    origin: WeakActor,
}

impl RecordView {
    pub(crate) fn new(origin: &Actor, collection: &str, id: RecordId, row: Row) -> Self {
        Self {
            id,
            collection: collection.to_owned(),
            version: row.version(),
            deleted: row.deleted,
            row,
            origin: origin.downgrade(),
        }
    }

    /// The whole history of the record, as this device knows it now; [`Collection::history`] gives parts of it.
    pub async fn history(&self) -> Result<History, Error> {
        let collection = Collection::new(self.origin.upgrade()?, &self.collection, None);
        collection.history(self.id, HistoryOptions::default()).await
    }

    /// The value of the field at a path, whatever its type; `None` where there is none.
    pub fn at(&self, path: &FieldPath) -> Option<&Value> {
        self.row.at(path)
    }

    /// The fields as nested JSON, and what has no place there.
    pub fn nested(&self) -> Nested {
        nest(&self.row.fields)
    }

    /// The fields as nested JSON.
    pub fn fields(&self) -> Map<String, Json> {
        self.nested().fields
    }

    /// Values that concurrent edits left beside fields of their own, under their paths; mostly empty.
    pub fn shadowed(&self) -> Map<String, Json> {
        self.nested().shadowed
    }

    /// `{id, collection, version, fields}`, and `shadowed` and `deleted` where there is something to say.
    pub fn to_json(&self) -> Json {
        let Nested { fields, shadowed } = self.nested();
        let mut object = json!({
            "id": self.id.to_string(),
            "collection": self.collection,
            "version": self.version.to_string(),
            "fields": fields,
        });
        if !shadowed.is_empty() {
            object["shadowed"] = Json::Object(shadowed);
        }
        if self.deleted {
            object["deleted"] = Json::Bool(true);
        }
        object
    }
}

impl PartialEq for RecordView {
    fn eq(&self, other: &Self) -> bool {
        // The version and whether it is deleted are the row's.
        (self.id, &self.collection, &self.row) == (other.id, &other.collection, &other.row)
    }
}

impl fmt::Debug for RecordView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordView")
            .field("id", &self.id)
            .field("collection", &self.collection)
            .field("version", &self.version)
            .field("deleted", &self.deleted)
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}
