//! The conflict log of the workspace: one entry by its id here; reading many in `read`, deciding in `decide` and
//! `bulk`.
//!
//! What is stored of it is evidence, which the batch builder keeps up to date; the verdict is added when an entry is
//! read, in [`view`].

mod bulk;
mod decide;
mod explain;
mod filter;
mod insight;
mod outlook;
mod read;
mod suggest;
mod watch;

use std::collections::BTreeMap;

use driftless_document::{ActorId, Candidate, Entry, EntryId, Kind, RecordId};
use driftless_store::{KeyReader, Visit};

use crate::error::EngineError;
use crate::membership::Member;
use crate::replica::Replica;
use crate::rules::InForce;
use crate::space::Space;
use crate::types::{ConflictView, DeviceName, RecordKey};

pub use bulk::{BulkRule, BulkSkipped, BulkStep};
pub use decide::Decision;
pub use explain::Explanation;
pub use filter::{
    ConflictFilter, ConflictPage, ConflictPosition, ConflictPositionError, came_about_ms,
};
pub use insight::{HotField, Insight, InsightCount};
pub use outlook::{Deed, Fate, Outlook};
pub use read::MemberPage;
pub use suggest::Suggestion;
pub use watch::{ConflictChange, ConflictNews, ConflictWatch};

/// Bytes of an id as text.
const ID_TEXT_BYTES: usize = 36;

impl Replica {
    /// One entry by its id, one of its aliases, or the beginning of either.
    pub fn conflict(&self, id: &str) -> Result<ConflictView, EngineError> {
        let id = self.entry_id(id)?;
        self.entry(id)
    }

    fn entry_id(&self, text: &str) -> Result<EntryId, EngineError> {
        let not_found = || EngineError::NotFound {
            what: "conflict",
            name: text.to_owned(),
        };
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let wanted = text.to_ascii_lowercase();
        if wanted.is_empty() || wanted.len() >= ID_TEXT_BYTES {
            return Err(not_found());
        }
        let mut found = Vec::new();
        let space = self.core.keys.space(Space::Alias);
        self.core.base.scan(&space, &[], &mut |key, _| {
            let id = key.get(space.len()..).and_then(|id| id.try_into().ok());
            found.extend(
                id.map(EntryId)
                    .filter(|id| id.to_string().starts_with(&wanted)),
            );
            Visit::Continue
        })?;
        let mut entries = Vec::new();
        for id in found {
            let entry = self.entry(id)?.entry.id;
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        match entries[..] {
            [] => Err(not_found()),
            [id] => Ok(id),
            ref several => Err(EngineError::Ambiguous {
                what: "conflict",
                name: text.to_owned(),
                count: several.len(),
            }),
        }
    }

    fn entry(&self, id: EntryId) -> Result<ConflictView, EngineError> {
        let not_found = || EngineError::NotFound {
            what: "conflict",
            name: id.to_string(),
        };
        let place = self
            .core
            .base
            .get(&self.core.keys.alias(&id))?
            .ok_or_else(not_found)?;
        let key = record_of_alias(&place)?;
        let evidence = self.core.evidence(&key)?;
        let named = |entry: &Entry| entry.id == id || entry.also.contains(&id);
        let entry = evidence
            .entries
            .into_iter()
            .find(named)
            .ok_or_else(not_found)?;
        self.placed(view(&self.core.rules, key, entry, &self.members()))
    }

    /// A view with the place of the element that it is about, if it is about one.
    fn placed(&self, view: ConflictView) -> Result<ConflictView, EngineError> {
        if view.entry.kind != Kind::ListElement {
            return Ok(view);
        }
        let place = self
            .core
            .record(&view.key)?
            .place_of_element(&view.entry.register);
        let place = place.map(|(_, place)| place);
        Ok(ConflictView { place, ..view })
    }

    pub(crate) fn members(&self) -> BTreeMap<[u8; 8], Member> {
        let resolved = self.core.log.resolved().into_iter();
        resolved.map(|(m, _)| (m.device.prefix(), m)).collect()
    }
}

fn record_of_alias(bytes: &[u8]) -> Result<RecordKey, EngineError> {
    let mut reader = KeyReader::new(bytes);
    reader.take_u8()?;
    let key = RecordKey {
        collection: reader.take_string()?,
        record: RecordId(reader.take_fixed()?),
    };
    reader.finish()?;
    Ok(key)
}

/// Who some actors are, those that the members' list knows.
pub(crate) fn device_names(
    actors: impl IntoIterator<Item = ActorId>,
    members: &BTreeMap<[u8; 8], Member>,
) -> BTreeMap<ActorId, DeviceName> {
    let named = actors.into_iter().filter_map(|actor| {
        let member = members.get(&actor.device_prefix())?;
        let name = DeviceName {
            device: member.device,
            name: member.name.clone(),
        };
        Some((actor, name))
    });
    named.collect()
}

/// What an entry says and where it stands; the place of an element is for [`Replica::placed`] to say.
fn view(
    rules: &InForce,
    key: RecordKey,
    entry: Entry,
    members: &BTreeMap<[u8; 8], Member>,
) -> ConflictView {
    let (rule, policy, verdict) = rules.verdict(&key.collection, &entry);
    let candidates = entry.candidates.iter().map(Candidate::actor);
    let outcomes = entry.outcomes.iter().map(Candidate::actor);
    let all = entry.members.iter().map(|member| member.operation.actor);
    let reviews = entry.reviews.iter().map(|review| review.operation.actor);
    let actors = candidates.chain(outcomes).chain(all).chain(reviews);
    let devices = device_names(actors, members);
    ConflictView {
        status: verdict.status,
        resolved: verdict.resolved,
        picked: verdict.picked,
        provisional: verdict.provisional,
        policy: policy.clone(),
        rule,
        rule_name: rule
            .and_then(|rule| rules.rules().name(rule))
            .map(str::to_owned),
        place: None,
        key,
        entry,
        devices,
    }
}
