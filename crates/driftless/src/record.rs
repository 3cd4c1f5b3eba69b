//! [`RecordView`]: a record as it reads now.

use driftless_document::{Nested, RecordId, Row, Version, nest};
use serde_json::{Map, Value as Json, json};

/// A record as it reads now.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordView {
    /// Its id, the same on every device.
    pub id: RecordId,
    /// Its collection.
    pub collection: String,
    /// Equal versions mean equal records.
    pub version: Version,
    /// Whether it is deleted; its fields are kept, and come back when it is restored.
    pub deleted: bool,
    /// Its fields, flat, under their paths.
    pub row: Row,
}

impl RecordView {
    pub(crate) fn new(collection: &str, id: RecordId, row: Row) -> Self {
        Self {
            id,
            collection: collection.to_owned(),
            version: row.version(),
            deleted: row.deleted,
            row,
        }
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
