//! Where feeds went on in two ways, what rests on that, and what was issued again.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Change, ChangeHash, RecordId};
use driftless_protocol::{Envelope, FeedId, Hash, Record, RecordBody};

use super::{Canary, Name, deps_of};

/// Where feeds went on in two ways, and so where each envelope lies.
pub(crate) struct Places<'a> {
    accused: BTreeSet<(FeedId, u64, Hash)>,
    pub(super) by_hash: BTreeMap<Hash, &'a Envelope>,
}

impl<'a> Places<'a> {
    pub(crate) fn of(
        records: impl IntoIterator<Item = &'a Record>,
        envelopes: impl IntoIterator<Item = &'a Envelope>,
    ) -> Self {
        let mut accused = BTreeSet::new();
        for record in records {
            if let RecordBody::Accuse(accuse) = record.body() {
                for header in [&accuse.first.header, &accuse.second.header] {
                    accused.insert((header.feed, header.n, header.prev));
                }
            }
        }
        Self {
            accused,
            by_hash: envelopes.into_iter().map(|e| (e.hash(), e)).collect(),
        }
    }

    /// The first of each way that a feed is known to have gone on in.
    pub(crate) fn is_root(&self, envelope: &Envelope) -> bool {
        let header = envelope.header();
        self.accused.contains(&(header.feed, header.n, header.prev))
    }

    /// An envelope's feed or branch, and its number.
    pub(crate) fn name(&self, envelope: &Envelope) -> Name {
        let header = envelope.header();
        let root = self.back(envelope).into_iter().find(|e| self.is_root(e));
        let feed = root.map_or(header.feed, |root| header.feed.branch(&root.hash()));
        (feed, header.n)
    }

    /// An envelope and all before it in its feed, as each names the hash of the one before.
    pub(super) fn back<'b>(&self, envelope: &'b Envelope) -> Vec<&'b Envelope>
    where
        'a: 'b,
    {
        let mut back = vec![envelope];
        while let Some(before) = self.by_hash.get(&back[back.len() - 1].header().prev) {
            back.push(before);
        }
        back
    }
}

/// Those that issue again what another of these does that has more items or, with as many, a smaller hash.
pub(super) fn duplicates<'a>(
    admitted: impl Iterator<Item = (Name, &'a Envelope)>,
    broken: Option<Canary>,
) -> BTreeSet<Name> {
    let issued = admitted.filter_map(|(name, envelope)| Some((name, envelope, lost_by(envelope)?)));
    let issued: Vec<(Name, &Envelope, &[u8])> = issued.collect();
    let is_better = |one: &Envelope, other: &Envelope| {
        let [one, other] = match broken {
            Some(Canary::CountedTwice) => return false,
            Some(Canary::OtherCounts) => [other, one],
            _ => [one, other],
        };
        let (ours, theirs) = (one.items().len(), other.items().len());
        ours > theirs || (ours == theirs && one.hash().0 < other.hash().0)
    };
    let beaten = issued.iter().filter(|(_, envelope, lost)| {
        let mut others = issued.iter().filter(|(_, _, of)| of == lost);
        others.any(|(_, other, _)| is_better(other, envelope))
    });
    beaten.map(|(name, ..)| *name).collect()
}

/// What an envelope issues again, as it was first lost: the last 56 bytes of its extension 2.
fn lost_by(envelope: &Envelope) -> Option<&[u8]> {
    let (body, _) = envelope.known()?;
    let mut extensions = body.meta.ext.iter();
    let (_, bytes) = extensions.find(|(tag, _)| *tag == 2)?;
    bytes.get(bytes.len().checked_sub(56)?..)
}

/// What lies on a branch, and what rests on changes that came in nothing else.
pub(super) fn resting_on_branches(
    changes: &BTreeMap<Name, Vec<(RecordId, Change)>>,
    broken: Option<Canary>,
) -> BTreeSet<Name> {
    let on_branch = changes.keys().filter(|(feed, _)| feed.is_branch());
    let mut split: BTreeSet<Name> = on_branch.copied().collect();
    match broken {
        Some(Canary::BranchCounts) => return BTreeSet::new(),
        Some(Canary::RestingCounts) => return split,
        _ => {}
    }
    loop {
        let before = split.len();
        let made = |split: &BTreeSet<Name>, is: bool| -> BTreeSet<(RecordId, ChangeHash)> {
            let envelopes = changes
                .iter()
                .filter(|(name, _)| split.contains(name) == is);
            envelopes
                .flat_map(|(_, changes)| changes)
                .map(|(record, change)| (*record, change.hash))
                .collect()
        };
        let (lost, whole) = (made(&split, true), made(&split, false));
        for (name, changes) in changes {
            let mut deps = changes.iter().flat_map(deps_of);
            if deps.any(|dep| lost.contains(&dep) && !whole.contains(&dep)) {
                split.insert(*name);
            }
        }
        if split.len() == before {
            return split;
        }
    }
}
