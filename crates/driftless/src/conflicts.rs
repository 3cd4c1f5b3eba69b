//! [`Conflicts`]: what overlapped, and how it was decided.

use driftless_document::{Candidate, EntryId, Kind, RecordId, Shown, Status, value_to_json};
use driftless_engine::{ConflictFilter, ConflictView, Decision, DeviceName, Replica};
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::commit::Commit;
use crate::error::Error;
use crate::time::rfc3339;

/// The conflict log: every overlap of edits that were made apart, the same on every device.
#[derive(Clone)]
pub struct Conflicts {
    actor: Actor,
}

impl Conflicts {
    pub(crate) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// The entries that fit a filter, ordered by collection, record, path and id.
    pub async fn list(&self, filter: ConflictFilter) -> Result<Vec<Conflict>, Error> {
        let views = self
            .actor
            .read(move |replica| replica.conflicts(&filter))
            .await?;
        Ok(views.into_iter().map(Conflict::new).collect())
    }

    /// One entry, by its id, an id it had before, or the beginning of either.
    pub async fn get(&self, id: &str) -> Result<Conflict, Error> {
        let id = id.to_owned();
        let view = self
            .actor
            .read(move |replica| replica.conflict(&id))
            .await?;
        Ok(Conflict::new(view))
    }

    /// Decides an open entry, here and, with the next sync, everywhere.
    ///
    /// An entry that was decided, or has grown, since it was read is an error of kind `Conflict`.
    pub async fn resolve(
        &self,
        conflict: &Conflict,
        resolution: Resolution,
    ) -> Result<Commit, Error> {
        let id = conflict.id();
        let seen = conflict.view.entry.members.len();
        let resolve = move |replica: &mut Replica| replica.resolve(id, Some(seen), &resolution);
        let commit = self.actor.write(resolve).await?;
        Ok(Commit::new(&self.actor, commit, conflict.view.key.clone()))
    }

    /// Every entry, whatever its status, as one line of JSON each; equal on equal devices.
    pub async fn export(&self) -> Result<Vec<String>, Error> {
        let entries = self.list(ConflictFilter::default()).await?;
        let stored = entries
            .iter()
            .filter(|entry| entry.status() != Status::Agreed);
        Ok(stored.map(|entry| entry.to_json().to_string()).collect())
    }
}

impl std::fmt::Debug for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conflicts").finish_non_exhaustive()
    }
}

/// How a person decides an entry: one of its candidates, counted from 0, or another value.
pub type Resolution = Decision;

/// One entry of the conflict log, as it stood when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    view: ConflictView,
}

/// Who wrote something, and when they say they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The device; `None` where the list of members does not know it.
    pub device: Option<DeviceId>,
    /// The name it joined with.
    pub device_name: Option<String>,
    /// Milliseconds since 1970: a claim, for people to read.
    pub time_ms: i64,
    /// The change, in hex.
    pub change: String,
}

/// One side of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What it reads there: JSON, `{"$absent": true}` for nothing, `"keep"` for keeping a record.
    pub value: Json,
    /// Who made it.
    pub author: Author,
}

impl Conflict {
    fn new(view: ConflictView) -> Self {
        Self { view }
    }

    /// Its id, the same on every device.
    pub fn id(&self) -> EntryId {
        self.view.entry.id
    }

    /// Other ids it goes by.
    pub fn also(&self) -> &[EntryId] {
        &self.view.entry.also
    }

    /// The collection of the record.
    pub fn collection(&self) -> &str {
        &self.view.key.collection
    }

    /// The record.
    pub fn record(&self) -> RecordId {
        self.view.key.record
    }

    /// The path of the field, or `$deleted`.
    pub fn path(&self) -> &str {
        &self.view.entry.register
    }

    /// What kind of overlap it is.
    pub fn kind(&self) -> Kind {
        self.view.entry.kind
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.view.status
    }

    /// What it read before the edits: one value, or several where the past was contested itself.
    pub fn base(&self) -> Vec<Json> {
        self.view.entry.base.iter().map(shown_to_json).collect()
    }

    /// What can be chosen from, in the same order on every device.
    pub fn candidates(&self) -> Vec<Choice> {
        let candidates = self.view.entry.candidates.iter();
        candidates.map(|candidate| self.choice(candidate)).collect()
    }

    /// The decision that is shown, if there is one.
    pub fn resolved(&self) -> Option<Choice> {
        let outcome = self.view.entry.outcomes.last()?;
        Some(self.choice(outcome))
    }

    /// The whole entry, with every write that took part.
    pub fn view(&self) -> &ConflictView {
        &self.view
    }

    /// The entry as JSON; nothing in it depends on the device that answers, or on now.
    pub fn to_json(&self) -> Json {
        let also: Vec<_> = self.also().iter().map(ToString::to_string).collect();
        let candidates = self.candidates().into_iter().map(|choice| {
            let mut object = author_to_json(&choice.author);
            object["value"] = choice.value;
            object
        });
        let resolved_by = self.resolved().map(|choice| author_to_json(&choice.author));
        json!({
            "id": self.id().to_string(),
            "also": also,
            "collection": self.collection(),
            "record": self.record().to_string(),
            "path": self.path(),
            "kind": self.kind().as_str(),
            "status": self.status().as_str(),
            "policy": self.view.policy.as_str(),
            "base": self.base(),
            "candidates": candidates.collect::<Vec<_>>(),
            "resolved_by": resolved_by,
            "resolved_value": self.view.resolved.as_ref().map(shown_to_json),
        })
    }

    fn choice(&self, candidate: &Candidate) -> Choice {
        let named = self.view.devices.get(&candidate.actor());
        Choice {
            value: shown_to_json(&candidate.shown),
            author: Author {
                device: named.map(|named: &DeviceName| named.device),
                device_name: named.map(|named| named.name.clone()),
                time_ms: wall_ms(candidate.time),
                change: candidate.change.to_string(),
            },
        }
    }
}

/// The wall time of a commit time, which has a counter in its lowest bits.
fn wall_ms(commit_time: i64) -> i64 {
    const COUNTER_BITS: u32 = 12;
    commit_time >> COUNTER_BITS
}

pub(crate) fn author_to_json(author: &Author) -> Json {
    json!({
        "device": author.device.map(|device| device.to_string()),
        "device_name": author.device_name,
        "time": rfc3339(author.time_ms),
        "change": author.change,
    })
}

fn shown_to_json(shown: &Shown) -> Json {
    match shown {
        Shown::Value(value) => value_to_json(value),
        Shown::Absent => json!({ "$absent": true }),
        Shown::Keep => json!("keep"),
        // Of a later Driftless.
        _ => Json::Null,
    }
}
