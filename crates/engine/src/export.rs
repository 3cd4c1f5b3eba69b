//! One envelope as JSON, with everything that can be read of it and its bytes: nothing is lost with a discard.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_document::{
    Action, Change, FieldKey, FieldType, OpId, Record, Value, read_change, value_to_json,
};
use driftless_protocol::{BodyForm, Envelope, Item, ItemPayload};
use serde_json::{Value as Json, json};

use crate::error::EngineError;
use crate::quarantine::{EnvelopeId, time_of};
use crate::replica::Replica;
use crate::types::RecordKey;

/// The version of the JSON.
const EXPORT_VERSION: u64 = 1;

impl Replica {
    /// An envelope that is held here, refused or not: its header, its items, what its changes write as far as
    /// they can be read, and all its bytes in base64.
    pub fn export(&self, id: EnvelopeId) -> Result<Json, EngineError> {
        if self.core.envelope_place(&id.feed, id.n)?.is_none() {
            return Err(EngineError::NotFound {
                what: "held change",
                name: id.to_string(),
            });
        }
        let envelope = self.read_envelope(&id.feed, id.n)?;
        let author = self.author_of(&id.feed);
        let refused = self
            .verdict(id)?
            .map(|(code, detail)| json!({ "code": code.as_str(), "detail": detail }));
        let items: Vec<Json> = envelope
            .items()
            .into_iter()
            .map(|(collection, item, payload)| {
                let key = RecordKey::of(collection, item);
                Ok(item_json(&key, item, payload, &self.core.record(&key)?))
            })
            .collect::<Result<_, EngineError>>()?;
        Ok(json!({
            "export": EXPORT_VERSION,
            "id": id.to_string(),
            "device": author.as_ref().map(|(device, _)| device.to_string()),
            "device_name": author.map(|(_, name)| name),
            "time_ms": time_of(&envelope),
            "refused": refused,
            "header": header_json(&envelope),
            "body": body_json(&envelope),
            "items": items,
            "bytes": STANDARD.encode(envelope.encode()),
        }))
    }
}

fn header_json(envelope: &Envelope) -> Json {
    let header = envelope.header();
    let membership = header.membership.iter().map(ToString::to_string);
    let predecessor = header.predecessor.map(|before| {
        let id = EnvelopeId {
            feed: before.feed,
            n: before.n,
        };
        json!({ "id": id.to_string(), "hash": before.hash.to_string() })
    });
    json!({
        "workspace": header.workspace.to_string(),
        "feed": header.feed.to_string(),
        "n": header.n,
        "prev": header.prev.to_string(),
        "predecessor": predecessor,
        "membership": membership.collect::<Vec<_>>(),
        "body": header.body.to_string(),
        "hash": envelope.hash().to_string(),
        "signature": STANDARD.encode(envelope.signature().as_bytes()),
    })
}

fn body_json(envelope: &Envelope) -> Json {
    match envelope.body() {
        BodyForm::Known { body, .. } => {
            let extensions = body.meta.ext.iter();
            let extensions = extensions
                .map(|(tag, bytes)| json!({ "tag": tag, "bytes": STANDARD.encode(bytes) }));
            json!({
                "form": "known",
                "atomic": body.meta.atomic,
                "schema": body.meta.schema.map(|hash| hash.to_string()),
                "app_version": body.meta.app_version,
                "extensions": extensions.collect::<Vec<_>>(),
            })
        }
        BodyForm::Unknown(_) => json!({ "form": "of_a_newer_version" }),
        _ => json!({ "form": "partial" }),
    }
}

fn item_json(key: &RecordKey, item: &Item, payload: &ItemPayload, record: &Record) -> Json {
    let changes = payload.changes.iter();
    let changes: Vec<_> = changes.map(|raw| change_json(raw, record)).collect();
    json!({
        "collection": key.collection,
        "record": key.record.to_string(),
        "actor": driftless_document::ActorId(item.actor).to_string(),
        "first_seq": item.first_seq,
        "last_seq": item.last_seq,
        "commitment": item.commitment.to_string(),
        "salt": STANDARD.encode(payload.salt),
        "changes": changes,
    })
}

fn change_json(raw: &[u8], record: &Record) -> Json {
    let mut object = match read_change(raw) {
        Ok(mut change) => {
            record.name_objects(&mut change);
            read_json(&change)
        }
        Err(refusal) => json!({ "unreadable": refusal.to_string() }),
    };
    object["bytes"] = STANDARD.encode(raw).into();
    object
}

fn read_json(change: &Change) -> Json {
    let writes: Vec<_> = change
        .operations
        .iter()
        .map(|operation| {
            let mut write = write_json(&operation.action);
            let (path, kind, member) = field_of(&operation.key);
            write["path"] = json!(path);
            if let Some(kind) = kind {
                write["type"] = json!(kind.as_str());
            }
            if let Some(member) = member {
                write["member"] = value_to_json(&member);
            }
            write
        })
        .collect();
    let deps = change.deps.iter().map(ToString::to_string);
    json!({
        "change": change.hash.to_string(),
        "actor": change.actor.to_string(),
        "seq": change.seq,
        "start_op": change.start_op,
        "time_ms": change.time_ms(),
        "deps": deps.collect::<Vec<_>>(),
        "writes": writes,
    })
}

fn write_json(action: &Action) -> Json {
    match action {
        Action::Put(value) => json!({ "value": value_to_json(value) }),
        Action::Delete => json!({ "removed": true }),
        Action::Increment(by) => json!({ "increment": by }),
        Action::Insert { after, value } => json!({
            "insert": value_to_json(value),
            "after": after.as_ref().map(element_name),
        }),
        Action::PutElement { element, value } => {
            json!({ "element": element_name(element), "value": value_to_json(value) })
        }
        Action::DeleteElement { element } => {
            json!({ "element": element_name(element), "removed": true })
        }
    }
}

/// The path of the field, its type unless it is a plain value, and the member of a set. A text or list that is not
/// known here has what stands for its key.
fn field_of(key: &str) -> (String, Option<FieldType>, Option<Value>) {
    match FieldKey::parse(key) {
        Some(field) => (
            field.path().to_key(),
            Some(field.kind()).filter(|kind| *kind != FieldType::Value),
            field.member(),
        ),
        None => (key.to_owned(), None, None),
    }
}

fn element_name(element: &OpId) -> String {
    format!("{}@{}", element.counter, element.actor)
}
