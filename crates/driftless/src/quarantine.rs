//! [`Quarantine`]: what is held and passed on, and not applied.

use driftless_engine::{
    Adopted, Discarded, EnvelopeId, ItemPage, QuarantineItem, RecordKey, Replica, Retried,
    VoidItem, WaitsFor,
};
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::error::Error;
use crate::time::rfc3339;

/// What is held and passed on, and not applied, item by item. It stops nothing else.
#[derive(Clone)]
pub struct Quarantine {
    actor: Actor,
}

impl Quarantine {
    pub(crate) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// The items, a page of them.
    pub async fn list(&self, page: ItemPage) -> Result<Vec<QuarantineItem>, Error> {
        self.actor
            .read(move |replica| replica.quarantine(&page))
            .await
    }

    /// One item, by its id, or by the beginning of its feed with the number.
    pub async fn get(&self, name: &str) -> Result<QuarantineItem, Error> {
        let name = name.to_owned();
        let get = move |replica: &Replica| {
            let id = replica.find_quarantined(&name)?;
            replica.quarantine_item(id)
        };
        self.actor.read(get).await
    }

    /// What is no item and does not count all the same, named as one is: applied for the sake of what rests on it, or written
    /// again twice.
    pub async fn void(&self, name: &str) -> Result<VoidItem, Error> {
        let name = name.to_owned();
        self.actor
            .read(move |replica| replica.find_void(&name))
            .await
    }

    /// Judges an item again: it is applied if this release, or the list of members, now lets it in.
    pub async fn retry(&self, id: EnvelopeId) -> Result<Retried, Error> {
        self.actor
            .write(move |replica| replica.retry_quarantined(id))
            .await
    }

    /// Adopts items: they count on every device, though their device was removed or its admission does not stand.
    ///
    /// Only the owner and admins may, and what is refused for another reason cannot be adopted: errors of kind
    /// `Refused`.
    pub async fn adopt(&self, ids: Vec<EnvelopeId>) -> Result<Adopted, Error> {
        self.actor.write(move |replica| replica.adopt(&ids)).await
    }

    /// Adopts every open item that can be adopted.
    pub async fn adopt_all(&self) -> Result<Adopted, Error> {
        self.actor.write(Replica::adopt_all).await
    }

    /// Writes an item again that another run of this device wrote with a number that was taken; only where that run is
    /// gone, for it does so itself.
    pub async fn reissue(&self, id: EnvelopeId) -> Result<(), Error> {
        self.actor
            .write(move |replica| replica.reissue_item(id))
            .await
    }

    /// Writes all such items again; says which there were.
    pub async fn reissue_all(&self) -> Result<Vec<EnvelopeId>, Error> {
        self.actor.write(Replica::reissue_all).await
    }

    /// Everything there is of an item, as JSON: to be kept before it is discarded.
    pub async fn export(&self, id: EnvelopeId) -> Result<Json, Error> {
        self.actor.read(move |replica| replica.export(id)).await
    }

    /// Takes back an item of this device, for everybody, or leaves one of another device out of the list here.
    ///
    /// There is no undo; what it wrote comes back as a [`Draft`](crate::Draft).
    pub async fn discard(&self, id: EnvelopeId) -> Result<Discarded, Error> {
        self.actor.write(move |replica| replica.discard(id)).await
    }

    /// What does not count and is no item, as JSON.
    pub fn void_to_json(item: &VoidItem) -> Json {
        json!({
            "id": item.id.to_string(),
            "device": item.device.map(|device| device.to_string()),
            "device_name": item.device_name,
            "own": item.own,
            "time": item.time_ms.map(rfc3339),
            "records": records_json(&item.records),
            "changes": item.changes,
            "state": "void",
            "why": item.why.as_str(),
            "message": item.why.sentence(),
        })
    }

    /// An item as JSON.
    pub fn to_json(item: &QuarantineItem) -> Json {
        let waits_for = match &item.waits_for {
            WaitsFor::NewerVersion => json!("newer_version"),
            WaitsFor::Admission => json!("admission"),
            WaitsFor::Adoption => json!("adoption"),
            WaitsFor::Reissue => json!("reissue"),
            WaitsFor::ReissueHere => json!("reissue_here"),
            WaitsFor::Refused(id) => json!({ "refused": id.to_string() }),
            _ => Json::Null,
        };
        json!({
            "id": item.id.to_string(),
            "device": item.device.map(|device| device.to_string()),
            "device_name": item.device_name,
            "own": item.own,
            "time": item.time_ms.map(rfc3339),
            "code": item.code.as_str(),
            "message": item.code.sentence(),
            "detail": item.detail,
            "remedy": item.code.remedy(),
            "records": records_json(&item.records),
            "changes": item.changes,
            "waits_for": waits_for,
            "retry": item.waits_for.retry_helps(),
            "state": item.state.as_str(),
        })
    }
}

pub(crate) fn records_json(records: &[RecordKey]) -> Vec<Json> {
    let records = records.iter();
    records
        .map(|key| json!({ "collection": key.collection, "record": key.record.to_string() }))
        .collect()
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantine").finish_non_exhaustive()
    }
}
