//! Rows and the conflict log against what brute force makes of the changes in a journal.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use driftless_document::{
    Change, ChangeHash, HistoryOptions, Record, RecordId, Refusal, Status, change_hash, read_change,
};
use driftless_engine::{ConflictFilter, EnvelopeId, ItemPage, RecordKey, Replica};
use driftless_protocol::{Code, Envelope};
use driftless_store::Frame;

use super::place::Place;
use super::{While, Wrong, checks};
use crate::device::holds_envelope;
use crate::oracle;
use crate::past::Past;
use crate::replicas::receive;

/// Records of longer histories are left to the other checks: brute force takes the cube of their length.
const CHANGES: usize = 60;

/// Holds what a place says of its records against its journal; `unseen` leaves out the last change there.
pub(super) fn check(place: &Place, unseen: bool) -> Result<(), Wrong> {
    let replica = place.seen()?;
    let all = replica.conflicts(&ConflictFilter::default())?;
    let mut judged = 0;
    for (key, (record, mut changes)) in records_in(&applied_of(place, unseen)?) {
        checks::loads(&record.save(), &record.heads())?;
        // What is there and has no effect is held against an oracle elsewhere (`crate::members`).
        let has_void = place.shrinks && has_void(replica, &key)?;
        if changes.len() > CHANGES || has_void {
            judged += all.iter().filter(|view| view.key == key).count();
            continue;
        }
        let name = || format!("record {} of `{}`", key.record, key.collection);
        let row = replica.get(&key.collection, key.record)?;
        let row = row
            .ok_or_else(|| Wrong::new("a record of the journal is gone"))
            .during(name)?;
        let past = Past::of(&changes);
        let known: BTreeSet<_> = changes.iter().map(|change| change.hash).collect();
        let follows = row.heads.iter().all(|head| known.contains(head))
            && past.at(&row.heads) == known
            && past.fields(&known) == row.fields;
        if !follows {
            return Err(Wrong::new(format!(
                "the row does not follow from the {} changes in the journal: {row:?}",
                changes.len()
            )))
            .during(name);
        }
        changes.sort_by_key(|change| change.hash);
        let expected = oracle::episodes(&key.collection, key.record, &changes);
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|episode| episode.status != Status::Agreed)
            .map(|episode| (episode.entry, episode.status))
            .collect();
        let mut found: Vec<_> = all
            .iter()
            .filter(|view| view.key == key)
            .map(|view| (view.entry.clone(), view.status))
            .collect();
        found.sort_by_key(|(entry, _)| {
            let first = entry.members.first().map(|member| member.operation);
            (entry.register.clone(), first)
        });
        judged += found.len();
        if found != expected {
            return Err(Wrong::new(format!(
                "the conflict log says {found:#?}, brute force {expected:#?}"
            )))
            .during(name);
        }
    }
    if judged != all.len() {
        return Err(Wrong::new("the conflict log has entries of no record"));
    }
    Ok(())
}

fn has_void(replica: &Replica, key: &RecordKey) -> Result<bool, Wrong> {
    let history = replica.history(&key.collection, key.record, &HistoryOptions::default())?;
    Ok(!history.void.is_empty())
}

/// The envelopes in a journal; `unseen` leaves out the last.
pub(super) fn envelopes_of(place: &Place, unseen: bool) -> Result<Vec<Envelope>, Wrong> {
    let mut frames = envelope_frames(place)?;
    if unseen {
        frames.pop();
    }
    frames.iter().map(|frame| decode(&frame.bytes)).collect()
}

fn envelope_frames(place: &Place) -> Result<Vec<Frame>, Wrong> {
    let mut frames = place.device.frames()?;
    frames.retain(|frame| holds_envelope(frame.kind));
    Ok(frames)
}

fn decode(bytes: &[u8]) -> Result<Envelope, Wrong> {
    Envelope::decode(bytes).map_err(|error| Wrong(format!("an envelope in the journal: {error}")))
}

fn id_of(envelope: &Envelope) -> EnvelopeId {
    let header = envelope.header();
    EnvelopeId {
        feed: header.feed,
        n: header.n,
    }
}

fn quarantined_at(place: &Place) -> Result<BTreeSet<EnvelopeId>, Wrong> {
    let all = ItemPage {
        settled: true,
        ..ItemPage::default()
    };
    let quarantined = place.seen()?.quarantine(&all)?;
    Ok(quarantined.into_iter().map(|item| item.id).collect())
}

/// The changes that are quarantined at a place for some reasons and apply nowhere.
pub(super) fn held_back(
    place: &Place,
    counts: impl Fn(Code) -> bool,
) -> Result<BTreeSet<ChangeHash>, Wrong> {
    let all = ItemPage {
        settled: true,
        ..ItemPage::default()
    };
    let items = place.seen()?.quarantine(&all)?.into_iter();
    let items = items.filter(|item| counts(item.code));
    let numbered: BTreeSet<_> = items
        .map(|item| (item.id.feed.device_prefix(), item.id.n))
        .collect();
    let mut held_back = BTreeSet::new();
    if numbered.is_empty() {
        return Ok(held_back);
    }
    for envelope in envelopes_of(place, false)? {
        let header = envelope.header();
        if numbered.contains(&(header.feed.device_prefix(), header.n)) {
            let named = raw_of(&envelope).into_iter();
            held_back.extend(named.filter_map(|(_, raw)| change_hash(raw)));
        }
    }
    Ok(held_back)
}

/// Those of them that are applied there: all, where nothing can be taken back or stop counting, that is not quarantined.
fn applied_of(place: &Place, unseen: bool) -> Result<Vec<Envelope>, Wrong> {
    let quarantined = quarantined_at(place)?;
    let mut envelopes = envelopes_of(place, unseen)?;
    envelopes.retain(|envelope| {
        if !place.shrinks {
            return !quarantined.contains(&id_of(envelope));
        }
        let named = raw_of(envelope).into_iter();
        let mut named = named.filter_map(|(_, raw)| change_hash(raw));
        named.any(|change| place.there.contains(&change))
    });
    Ok(envelopes)
}

/// Envelopes that were taken apart, by the hash of their bytes: the same stand in many journals.
pub(super) type TakenApart = BTreeMap<[u8; 32], Rc<Parts>>;

/// An envelope's name, and its changes as they read by themselves; one that nobody applies may have others.
pub(super) struct Parts {
    id: EnvelopeId,
    changes: Result<Vec<Change>, Refusal>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Result<Self, Wrong> {
        let envelope = decode(bytes)?;
        let raw = raw_of(&envelope).into_iter();
        Ok(Self {
            id: id_of(&envelope),
            changes: raw.map(|(_, raw)| read_change(raw)).collect(),
        })
    }

    pub(super) fn changes(&self) -> Result<&[Change], Wrong> {
        let changes = self.changes.as_deref();
        changes.map_err(|why| Wrong(format!("a change of {} in a journal: {why}", self.id)))
    }
}

/// What is applied at a place, in the order in which it stands in its journal; nothing is taken apart twice.
pub(super) fn applied_parts(
    place: &Place,
    known: &mut TakenApart,
) -> Result<Vec<Rc<Parts>>, Wrong> {
    let quarantined = quarantined_at(place)?;
    let mut found = Vec::new();
    for frame in envelope_frames(place)? {
        let parts = match known.entry(*blake3::hash(&frame.bytes).as_bytes()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Rc::new(Parts::of(&frame.bytes)?)),
        };
        let counts = if place.shrinks {
            let mut changes = parts.changes.iter().flatten();
            changes.any(|change| place.there.contains(&change.hash))
        } else {
            !quarantined.contains(&parts.id)
        };
        if counts {
            found.push(parts.clone());
        }
    }
    Ok(found)
}

fn raw_of(envelope: &Envelope) -> Vec<(RecordKey, &[u8])> {
    let mut all = Vec::new();
    for (collection, item, payload) in envelope.items() {
        for raw in &payload.changes {
            let key = RecordKey {
                collection: collection.to_owned(),
                record: RecordId(item.record),
            };
            all.push((key, raw.as_slice()));
        }
    }
    all
}

/// The changes of each record in some envelopes, each after its past.
pub(super) fn changes_in(envelopes: &[Envelope]) -> BTreeMap<RecordKey, Vec<Change>> {
    let records = records_in(envelopes).into_iter();
    records.map(|(key, (_, changes))| (key, changes)).collect()
}

/// The same, with the records that they make.
fn records_in(envelopes: &[Envelope]) -> BTreeMap<RecordKey, (Record, Vec<Change>)> {
    let mut records = BTreeMap::<RecordKey, (Record, Vec<Change>)>::new();
    for envelope in envelopes {
        let device = envelope.header().feed.device_prefix();
        for (key, raw) in raw_of(envelope) {
            let (record, changes) = records.entry(key).or_default();
            changes.push(receive(record, raw, device));
        }
    }
    records
}
