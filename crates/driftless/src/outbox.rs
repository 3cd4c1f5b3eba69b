//! [`Outbox`]: what was made here and is not yet everywhere it should be.

use driftless_engine::{
    Discarded, Draft, DraftApplied, EnvelopeId, ItemPage, OutboxItem, PeerState, Replica,
};
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::error::Error;
use crate::quarantine::records_json;
use crate::time::rfc3339;

/// What was made on this device and no other one holds yet, or another one has refused.
#[derive(Clone)]
pub struct Outbox {
    actor: Actor,
}

impl Outbox {
    pub(crate) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// The items in the order they were made, a page of them.
    pub async fn list(&self, page: ItemPage) -> Result<Vec<OutboxItem>, Error> {
        self.actor.read(move |replica| replica.outbox(&page)).await
    }

    /// One item, by its id, or by the beginning of its feed with the number.
    pub async fn get(&self, name: &str) -> Result<OutboxItem, Error> {
        let name = name.to_owned();
        let get = move |replica: &Replica| {
            let id = replica.find_outgoing(&name)?;
            replica.outbox_item(id)
        };
        self.actor.read(get).await
    }

    /// The change of this device that a person names: one of the outbox, or one that is refused here.
    pub async fn find(&self, name: &str) -> Result<EnvelopeId, Error> {
        let name = name.to_owned();
        self.actor
            .read(move |replica| replica.find_own(&name))
            .await
    }

    /// Everything there is of an item, as JSON: to be kept before it is discarded.
    pub async fn export(&self, id: EnvelopeId) -> Result<Json, Error> {
        self.actor.read(move |replica| replica.export(id)).await
    }

    /// Takes back what another device has refused, for everybody: no device applies it, nor what rests on it.
    ///
    /// Not allowed for what another device has applied, or has built on, nor for what nobody has refused. There
    /// is no undo; what it wrote comes back as a [`Draft`].
    pub async fn discard(&self, id: EnvelopeId) -> Result<Discarded, Error> {
        self.actor.write(move |replica| replica.discard(id)).await
    }

    /// Writes a draft, edit by edit; what no longer fits is skipped, with its reason.
    pub async fn apply(&self, draft: Draft) -> Result<DraftApplied, Error> {
        self.actor
            .write(move |replica| replica.apply_draft(&draft))
            .await
    }

    /// An item as JSON.
    pub fn to_json(item: &OutboxItem) -> Json {
        let peers = item.peers.iter().map(|peer| {
            let code = match peer.state {
                PeerState::Refused(code) => Some(code),
                _ => None,
            };
            json!({
                "device": peer.device.to_string(),
                "name": peer.name,
                "state": peer.state.as_str(),
                "code": code.map(driftless_protocol::Code::as_str),
            })
        });
        json!({
            "id": item.id.to_string(),
            "time": item.time_ms.map(rfc3339),
            "records": records_json(&item.records),
            "changes": item.changes,
            "state": if item.refused().is_some() { "refused" } else { "pending" },
            "peers": peers.collect::<Vec<_>>(),
            "prospect": item.prospect(),
        })
    }

    /// What became of a draft, as JSON.
    pub fn applied_to_json(applied: &DraftApplied) -> Json {
        let skipped = applied.skipped.iter().map(|skipped| {
            json!({
                "collection": skipped.key.collection,
                "record": skipped.key.record.to_string(),
                "path": skipped.path,
                "reason": skipped.reason,
            })
        });
        json!({
            "written": applied.written,
            "unchanged": applied.unchanged,
            "skipped": skipped.collect::<Vec<_>>(),
        })
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
