//! What is admitted of some envelopes and membership records, computed from the text of docs/members.md by brute force.
//!
//! No code is shared with the engine: sets of hashes, every ancestor spelled out, every question asked again.

mod log;
mod places;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Change, ChangeHash, RecordId, read_change};
use driftless_protocol::{DeviceId, Envelope, FeedId, Record, RecordBody};

use log::{Counted, Log};
pub(crate) use places::Places;
use places::{duplicates, resting_on_branches};
use rows::rows;

/// An envelope: its feed, or the branch of it that it lies on, and its number.
pub type Name = (FeedId, u64);

/// What becomes of the envelopes, and what the records read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Applied, and counting.
    pub admitted: BTreeSet<Name>,
    /// Applied for the sake of others, and void.
    pub void: BTreeSet<Name>,
    /// Applied, and void: they issue again what another one that counts issues again as well.
    pub duplicates: BTreeSet<Name>,
    /// The records these write to: what they put into texts and lists stays there.
    pub issued_twice: BTreeSet<RecordId>,
    /// Held and not applied.
    pub quarantined: BTreeSet<Name>,
    /// Of those held and not applied, what lies on a branch of its feed or rests on what does.
    pub split: BTreeSet<Name>,
    /// The devices that are members, and those that were removed.
    pub active: BTreeSet<DeviceId>,
    /// See `active`.
    pub removed: BTreeSet<DeviceId>,
    /// Of each record, whether it reads deleted, and its registers as text.
    pub rows: BTreeMap<RecordId, (bool, BTreeMap<String, String>)>,
}

/// A rule that is left out on purpose: histories must tell the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// What comes after a removal's cut counts.
    NoCut,
    /// Who was removed is a member still.
    NoEnd,
    /// A removal counts whatever became of its author.
    EveryRemoval,
    /// What was made after coming back lies past the cut as well.
    NoReturn,
    /// What was adopted is not.
    NoAdoption,
    /// What only others' work rests on is not applied.
    NoVoid,
    /// What only others' work rests on counts.
    VoidCounts,
    /// What lies on a branch of its feed counts, if it can.
    BranchCounts,
    /// What rests on a branch counts, if it can.
    RestingCounts,
    /// What is issued again twice counts twice.
    CountedTwice,
    /// The other one counts of what is issued again twice.
    OtherCounts,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoCut,
        Self::NoEnd,
        Self::EveryRemoval,
        Self::NoReturn,
        Self::NoAdoption,
        Self::NoVoid,
        Self::VoidCounts,
        Self::BranchCounts,
        Self::RestingCounts,
        Self::CountedTwice,
        Self::OtherCounts,
    ];
}

/// Computes what is expected.
pub fn expected(records: &[Record], envelopes: &[Envelope]) -> Expected {
    expected_without(records, envelopes, None)
}

/// The same where a rule is left out.
pub fn expected_without(
    records: &[Record],
    envelopes: &[Envelope],
    broken: Option<Canary>,
) -> Expected {
    let log = Log::of(records);
    let whole = Counted::of(&log, log.records.keys().copied().collect(), broken);
    let mut expected = Expected::default();
    for device in whole.devices() {
        if whole.lives(&device) {
            expected.active.insert(device);
        } else if whole.was_ended(&device) {
            expected.removed.insert(device);
        }
    }
    let places = Places::of(records, envelopes);
    let held: BTreeMap<Name, &Envelope> = envelopes.iter().map(|e| (places.name(e), e)).collect();
    let changes: BTreeMap<Name, Vec<(RecordId, Change)>> = held
        .iter()
        .map(|(name, e)| (*name, changes_of(e)))
        .collect();
    let split = resting_on_branches(&changes, broken);
    let mut made_in = BTreeMap::new();
    for (name, changes) in changes.iter().filter(|(name, _)| !split.contains(name)) {
        let made = changes
            .iter()
            .map(|(record, change)| (*record, change.hash));
        made_in.extend(made.map(|made| (made, *name)));
    }
    let current = |name: &Name| !split.contains(name) && is_current(&whole, &places, held[name]);
    let mut open: Vec<Name> = held.keys().copied().filter(current).collect();
    let admitted: BTreeSet<Name> = open.iter().copied().collect();
    let mut applied = BTreeSet::new();
    while let Some(name) = open.pop() {
        if applied.insert(name) && broken != Some(Canary::NoVoid) {
            let deps = changes[&name].iter().flat_map(deps_of);
            open.extend(deps.filter_map(|dep| made_in.get(&dep)));
        }
    }
    expected.void = applied.difference(&admitted).copied().collect();
    expected.quarantined = held
        .keys()
        .copied()
        .filter(|n| !applied.contains(n))
        .collect();
    let counting = admitted.iter().map(|name| (*name, held[name]));
    expected.duplicates = duplicates(counting, broken);
    let records = expected.duplicates.iter().flat_map(|name| &changes[name]);
    expected.issued_twice = records.map(|(record, _)| *record).collect();
    expected.admitted = admitted;
    expected.split = split;
    if broken == Some(Canary::VoidCounts) {
        let void = std::mem::take(&mut expected.void);
        expected.admitted.extend(void);
    }
    expected.rows = rows(&expected, &changes);
    expected
}

/// What a change rests on; changes of two records may be equal.
fn deps_of((record, change): &(RecordId, Change)) -> impl Iterator<Item = (RecordId, ChangeHash)> {
    change.deps.iter().map(|dep| (*record, *dep))
}

fn changes_of(envelope: &Envelope) -> Vec<(RecordId, Change)> {
    let items = envelope.items().into_iter();
    items
        .flat_map(|(_, item, payload)| {
            let changes = payload.changes.iter();
            changes.map(|raw| {
                (
                    RecordId(item.record),
                    read_change(raw).expect("honest work"),
                )
            })
        })
        .collect()
}

fn is_current(whole: &Counted<'_>, places: &Places<'_>, envelope: &Envelope) -> bool {
    let header = envelope.header();
    let log = whole.log;
    let author = whole
        .devices()
        .into_iter()
        .find(|d| header.feed.belongs_to(d));
    let author = author.expect("its author was let in");
    for record in whole.counting() {
        if let RecordBody::Adopt(adopt) = record.body()
            && whole.broken != Some(Canary::NoAdoption)
            && (adopt.envelopes.iter())
                .any(|n| (n.feed, n.n, n.hash) == (header.feed, header.n, envelope.hash()))
        {
            return true;
        }
    }
    let ways = whole.ways(&author);
    if !ways
        .iter()
        .any(|way| whole.counts[&way.record] && whole.is_within_uses(way))
    {
        return false;
    }
    let known = log.past_of(&header.membership);
    let removals = whole.counting().into_iter().filter_map(|r| match r.body() {
        RecordBody::Remove(remove) if remove.device == author => Some((r.hash(), remove)),
        _ => None,
    });
    if whole.broken == Some(Canary::NoCut) {
        return true;
    }
    removals.into_iter().all(|(removal, remove)| {
        let came_back = whole.broken != Some(Canary::NoReturn)
            && ways
                .iter()
                .any(|way| known.contains(&way.record) && log.is_rooted_after(way, &removal));
        let named = remove.cut.iter().any(|cut| {
            if cut.feed == header.feed {
                return header.n < cut.n || (header.n == cut.n && envelope.hash() == cut.hash);
            }
            // The feeds that this one goes on from, back from what the cut names.
            let mut at = places.by_hash.get(&cut.hash).copied();
            while let Some(named) = at {
                let begun = *places.back(named).last().expect("itself");
                let Some(before) = begun.header().predecessor else {
                    return false;
                };
                if before.feed == header.feed {
                    return header.n <= before.n;
                }
                at = places.by_hash.get(&before.hash).copied();
            }
            false
        });
        came_back || named
    })
}
