//! The conflict log of the workspace: reading it, and deciding.

use std::collections::BTreeMap;

use driftless_document::{
    ActorId, Candidate, DELETED, Entry, EntryId, Evidence, FieldPath, Intent, Kind, Node, REVIEW,
    RecordId, Row, Shown, Status, Value,
};
use driftless_store::{KeyReader, Visit};

use crate::error::EngineError;
use crate::membership::Member;
use crate::replica::Replica;
use crate::rules::InForce;
use crate::space::{self, Space};
use crate::types::{Commit, ConflictFilter, ConflictView, Decision, DeviceName, RecordKey};

/// Bytes of an id as text.
const ID_TEXT_BYTES: usize = 36;

impl Replica {
    /// The entries that fit a filter, ordered by (collection, record, path, id).
    pub fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<ConflictView>, EngineError> {
        let prefix = match (&filter.collection, filter.record) {
            (Some(collection), Some(record)) => self.core.keys.record(
                Space::Conflict,
                &RecordKey {
                    collection: collection.clone(),
                    record,
                },
            ),
            (Some(collection), None) => self.core.keys.collection(Space::Conflict, collection),
            (None, _) => self.core.keys.space(Space::Conflict),
        };
        let mut stored = Vec::new();
        let mut result = Ok(());
        self.core.base.scan(&prefix, &[], &mut |key, value| {
            match (space::record_of(key), Evidence::decode(value)) {
                (Ok(key), Ok(evidence)) => stored.push((key, evidence)),
                (Err(error), _) => result = Err(EngineError::from(error)),
                (_, Err(error)) => result = Err(EngineError::from(error)),
            }
            if result.is_ok() {
                Visit::Continue
            } else {
                Visit::Stop
            }
        })?;
        result?;
        let members = self.members();
        let mut views: Vec<_> = stored
            .into_iter()
            .filter(|(key, _)| filter.record.is_none_or(|record| record == key.record))
            .flat_map(|(key, evidence)| evidence.entries.into_iter().map(move |e| (key.clone(), e)))
            .filter(|(_, entry)| {
                filter
                    .path
                    .as_ref()
                    .is_none_or(|path| *path == entry.register)
            })
            .map(|(key, entry)| view(&self.core.rules, key, entry, &members))
            .filter(|view| filter.status.is_none_or(|status| status == view.status))
            .collect();
        views.sort_by(|a, b| {
            (&a.key, &a.entry.register, a.entry.id).cmp(&(&b.key, &b.entry.register, b.entry.id))
        });
        Ok(views)
    }

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
        Ok(view(&self.core.rules, key, entry, &self.members()))
    }

    /// Decides an open entry: one change that knows every member and so settles the register, everywhere.
    ///
    /// `seen` is the number of members when the person read it; an entry that has grown since is not decided.
    pub fn resolve(
        &mut self,
        id: EntryId,
        seen: Option<usize>,
        decision: &Decision,
    ) -> Result<Commit, EngineError> {
        self.core.stage_evidence()?; // earlier writes of this group count
        let current = self.entry(id)?;
        if current.status != Status::Open {
            return Err(EngineError::ConflictClosed {
                current: Box::new(current),
            });
        }
        if seen.is_some_and(|seen| seen != current.entry.members.len()) {
            return Err(EngineError::ConflictGrown {
                current: Box::new(current),
            });
        }
        let row = self.core.stored_row(&current.key)?.map(|stored| stored.row);
        let mut intents = intents_of(&current, decision)?;
        intents.splice(0..0, hidden_by(&current.entry, decision, row.as_ref()));
        intents.push(Intent::Settle {
            key: format!("{REVIEW}{}", current.entry.id),
            value: Some(Value::String(
                match decision {
                    Decision::Keep(_) => "keep",
                    Decision::Value(_) => "merge",
                }
                .into(),
            )),
        });
        self.write_one(&current.key, &intents)
    }

    pub(crate) fn members(&self) -> BTreeMap<[u8; 8], Member> {
        let resolved = self.core.log.resolved().into_iter();
        resolved.map(|(m, _)| (m.device.prefix(), m)).collect()
    }
}

/// What a decision writes.
fn intents_of(current: &ConflictView, decision: &Decision) -> Result<Vec<Intent>, EngineError> {
    let entry = &current.entry;
    let settle = |value: Option<Value>| {
        vec![Intent::Settle {
            key: entry.register.clone(),
            value,
        }]
    };
    match decision {
        Decision::Keep(n) => {
            let candidate =
                entry
                    .candidates
                    .get(*n)
                    .ok_or_else(|| EngineError::NoSuchCandidate {
                        wanted: *n,
                        count: entry.candidates.len(),
                        current: Box::new(current.clone()),
                    })?;
            Ok(match (&candidate.shown, entry.kind) {
                (shown, Kind::RecordDeleted) => settle(Some(Value::Bool(*shown != Shown::Keep))),
                (Shown::Value(value), _) => settle(Some(value.clone())),
                _ => settle(None),
            })
        }
        Decision::Value(_) if entry.register == DELETED => Err(EngineError::DecisionDoesNotFit {
            entry: entry.id.to_string(),
        }),
        Decision::Value(Node::Leaf(value)) => Ok(settle(Some(value.clone()))),
        Decision::Value(Node::Object(fields)) => {
            // An object in the place of a contested value: its fields are set, the value itself goes.
            let path = FieldPath::parse(&entry.register)?.to_key();
            let mut intents = settle(None);
            intents.extend(fields.iter().map(|(below, value)| Intent::Put {
                key: format!("{path}.{below}"),
                value: value.clone(),
            }));
            Ok(intents)
        }
    }
}

/// What would hide a value that is decided for: the fields below it, which a row shows in its place, and those
/// of an object that takes its place.
fn hidden_by(entry: &Entry, decision: &Decision, row: Option<&Row>) -> Vec<Intent> {
    let chosen = match decision {
        Decision::Keep(n) => matches!(
            entry.candidates.get(*n).map(|c| &c.shown),
            Some(Shown::Value(_))
        ),
        Decision::Value(_) => true,
    };
    let below = format!("{}.", entry.register);
    let keys = row.into_iter().flat_map(|row| row.fields.keys());
    keys.filter(|key| chosen && key.starts_with(&below))
        .map(|key| Intent::Clear { key: key.clone() })
        .collect()
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
    let devices = device_names(candidates.chain(outcomes).chain(all), members);
    ConflictView {
        status: verdict.status,
        resolved: verdict.resolved,
        picked: verdict.picked,
        provisional: verdict.provisional,
        policy: policy.clone(),
        rule,
        key,
        entry,
        devices,
    }
}
