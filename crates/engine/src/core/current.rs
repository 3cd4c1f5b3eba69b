//! Whether an envelope counts by what the whole membership log says: its author's grant, cuts, what was adopted.
//!
//! An envelope that does not is held in the quarantine, and is applied all the same where one that counts rests on it:
//! for the sake of that work, and void. Which ones are wanted so only grows while everything is derived, and is found
//! anew whenever the log changes what counts; so it is a function of the envelopes and the membership records.
//!
//! Who asks: `judge`; who tells: `stage`, of each envelope that is not applied, and of each record of the log.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::read_change;
use driftless_protocol::{Code, DeviceId, Envelope, EnvelopeName, FeedId, Hash, check_commitment};
use driftless_store::KeyReader;

use super::Core;
use crate::error::EngineError;
use crate::membership::{Removal, Standing};
use crate::quarantine::EnvelopeId;
use crate::space::Space;
use crate::types::RecordKey;

/// What of the log concerns envelopes, and how far the feeds that are held answer to it.
#[derive(Debug, Default)]
pub(crate) struct Currency {
    /// The devices with a grant that counts.
    entitled: BTreeSet<DeviceId>,
    /// For each removal that counts, up to where each feed of its device lies before the cut.
    covered: BTreeMap<Hash, BTreeMap<FeedId, u64>>,
    /// The envelopes that were adopted.
    adopted: BTreeSet<EnvelopeName>,
    /// The envelopes that are applied for the sake of what rests on them.
    pub(super) wanted: BTreeSet<EnvelopeId>,
    /// The places where feeds went on in two ways.
    forks: BTreeSet<(FeedId, u64, Hash)>,
}

/// Names an envelope in a membership record.
fn name_of(envelope: &Envelope) -> EnvelopeName {
    let header = envelope.header();
    EnvelopeName {
        feed: header.feed,
        n: header.n,
        hash: envelope.hash(),
    }
}

impl Core {
    /// Whether an envelope counts by the whole log; else why not. `at` is the log at the envelope's own heads.
    pub(super) fn check_current(
        &self,
        envelope: &Envelope,
        author: &DeviceId,
        at: &Standing,
    ) -> Result<(), (Code, &'static str)> {
        let adopted = &self.currency.adopted;
        if !adopted.is_empty() && adopted.contains(&name_of(envelope)) {
            return Ok(());
        }
        if !self.currency.entitled.contains(author) {
            return Err((Code::NotAllowed, "its author's admission does not stand"));
        }
        for removal in self.log.standing().removals_of(author) {
            let came_back = !removal.later_grants.is_disjoint(&at.grants);
            if !came_back && !self.is_before_cut(removal, envelope) {
                return Err((
                    Code::PastRemoval,
                    "it lies past the cut of its device's removal",
                ));
            }
        }
        Ok(())
    }

    fn is_before_cut(&self, removal: &Removal, envelope: &Envelope) -> bool {
        let header = envelope.header();
        let covered = self.currency.covered.get(&removal.record);
        let last = covered.and_then(|covered| covered.get(&header.feed));
        let pinned = removal.cut.get(&header.feed);
        let branches = pinned.is_some_and(|(n, hash)| *n == header.n && *hash != envelope.hash());
        last.is_some_and(|last| header.n <= *last) && !branches
    }

    /// Whether an envelope is applied for the sake of what rests on it.
    pub(crate) fn is_wanted(&self, envelope: &Envelope) -> bool {
        let id = EnvelopeId::signed(envelope); // what lies on a branch never is
        self.currency.wanted.contains(&id)
    }

    /// Looks at the log again after a record came; says whether something that is held is judged otherwise now.
    pub(super) fn follow_log(&mut self) -> bool {
        let standing = self.log.standing();
        let now = Currency {
            entitled: standing.entitled.clone(),
            covered: (standing.removals.iter())
                .map(|removal| (removal.record, self.cover(removal)))
                .collect(),
            adopted: standing.adopted.clone(),
            wanted: BTreeSet::new(),
            forks: self.log.forks().places().clone(),
        };
        let before = &self.currency;
        let is_held = |device: &DeviceId| self.feeds.of_device(device.prefix()).next().is_some();
        let mut concerns = now
            .entitled
            .symmetric_difference(&before.entitled)
            .any(is_held);
        let held =
            |name: &EnvelopeName| self.feeds.get(&name.feed).is_some_and(|f| f.last >= name.n);
        concerns |= now.adopted.symmetric_difference(&before.adopted).any(held);
        for (of, others) in [(&now, before), (before, &now)] {
            for (record, covered) in &of.covered {
                if !others.covered.contains_key(record) {
                    concerns |= self.has_past(record, covered);
                }
            }
        }
        let splits = |(feed, n, _): &(FeedId, u64, Hash)| {
            let ids = std::iter::once(feed).chain(self.feeds.branches_of(feed));
            let mut held = ids.filter_map(|id| self.feeds.get(id));
            held.any(|held| held.last >= *n)
        };
        let split = now.forks.difference(&before.forks).any(splits);
        self.split |= split;
        concerns |= split;
        let wanted = std::mem::take(&mut self.currency.wanted);
        self.currency = Currency { wanted, ..now };
        concerns
    }

    /// Whether something is held that lies past a removal's cut.
    fn has_past(&self, record: &Hash, covered: &BTreeMap<FeedId, u64>) -> bool {
        let Some(remove) = self.log.removal(record) else {
            return false;
        };
        let mut feeds = self.feeds.of_device(remove.device.prefix());
        let past = feeds.any(|(id, feed)| feed.last > covered.get(id).copied().unwrap_or(0));
        past || remove.cut.iter().any(|name| {
            let place = self.envelope_place(&name.feed, name.n);
            !matches!(place, Ok(None)) && !matches!(place, Ok(Some(p)) if p.hash == name.hash)
        })
    }

    /// Up to where each feed lies before a cut: what it names, and the feeds that these go on from.
    fn cover(&self, removal: &Removal) -> BTreeMap<FeedId, u64> {
        let mut covered = BTreeMap::<FeedId, u64>::new();
        for (feed, (n, _)) in &removal.cut {
            let mut at = Some((*feed, *n));
            while let Some((id, last)) = at.take() {
                let up_to = covered.entry(id).or_insert(0);
                *up_to = (*up_to).max(last);
                let before = self.feeds.get(&id).and_then(|feed| feed.predecessor);
                let goes_on = before.filter(|b| covered.get(&b.feed).is_none_or(|n| *n < b.n));
                at = goes_on.map(|before| (before.feed, before.n));
            }
        }
        covered
    }

    /// A feed began: what it goes on from may lie before a cut that names it. Says whether that is so for something
    /// that is held.
    pub(super) fn follow_feed(&mut self, feed: &FeedId) -> bool {
        let mut grew = false;
        let standing = self.log.standing();
        let of_device = standing.removals.iter();
        let removals: Vec<_> = of_device.filter(|r| feed.belongs_to(&r.device)).collect();
        let covers: Vec<_> = removals
            .iter()
            .map(|removal| (removal.record, self.cover(removal)))
            .collect();
        for (record, found) in covers {
            let covered = self.currency.covered.entry(record).or_default();
            for (id, n) in found {
                let up_to = covered.entry(id).or_insert(0);
                grew |= *up_to < n;
                *up_to = (*up_to).max(n);
            }
        }
        grew
    }

    /// Before everything is derived again: what is held tells how far the cuts reach, and nothing is wanted yet.
    pub(super) fn begin_currency(&mut self) {
        self.follow_log();
        self.currency.wanted.clear();
    }

    /// The envelopes with refused changes that an envelope's own rest on, others than itself.
    pub(super) fn refused_below(
        &self,
        envelope: &Envelope,
    ) -> Result<BTreeSet<EnvelopeId>, EngineError> {
        let id = self.id_of(envelope)?;
        let mut below = BTreeSet::new();
        for (collection, item, payload) in envelope.items() {
            let key = RecordKey::of(collection, item);
            let changes = payload.changes.iter().map(|raw| read_change(raw));
            for hash in changes.flatten().flat_map(|change| change.deps) {
                let refused = self.refused_change(&key, &hash)?;
                below.extend(
                    refused
                        .map(|refused| refused.id)
                        .filter(|other| *other != id),
                );
            }
        }
        Ok(below)
    }

    /// What counts rests on these: all of it that does not count is wanted, and what that rests on.
    pub(super) fn want(&mut self, below: BTreeSet<EnvelopeId>) -> Result<(), EngineError> {
        let mut open = Vec::from_iter(below);
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let key = self.keys.numbered(Space::Quarantine, &id.feed, id.n);
            let Some(bytes) = self.base.get(&key)? else {
                continue;
            };
            let verdict = Verdict::decode(&bytes)?;
            if matches!(verdict.code, Code::NotAllowed | Code::PastRemoval) && verdict.may_be_wanted
            {
                if !self.currency.wanted.insert(id) {
                    continue; // with what it rests on
                }
                self.turn();
            }
            open.extend(verdict.rests_on);
        }
        Ok(())
    }

    /// Whether everything an envelope needs to be judged is here, whatever became of it: signed content that is whole,
    /// and a past that is held or refused. What is held must be judged one day as if it had just come.
    pub(super) fn check_held(
        &self,
        envelope: &Envelope,
    ) -> Result<Result<(), (Code, String)>, EngineError> {
        let mut own = BTreeSet::new();
        for (collection, item, payload) in envelope.items() {
            let last = payload.changes.last();
            let last = last.and_then(|raw| driftless_document::change_hash(raw));
            let whole = item.last_seq.checked_sub(item.first_seq)
                == Some(payload.changes.len().saturating_sub(1) as u64);
            let vouched = last.is_some_and(|hash| check_commitment(item, &payload.salt, &hash.0));
            if !vouched || (!whole && payload.changes.len() > 1) {
                let detail = "its changes are not those it commits to".to_owned();
                return Ok(Err((Code::BadFrame, detail)));
            }
            let key = RecordKey::of(collection, item);
            let record = self.record(&key)?;
            for raw in &payload.changes {
                let Ok(change) = read_change(raw) else {
                    continue;
                };
                for hash in change.known() {
                    let known = own.contains(&hash)
                        || record.has_change(&hash)
                        || self.refused_change(&key, &hash)?.is_some();
                    if !known {
                        let detail = format!("it rests on the change {hash}, which is not here");
                        return Ok(Err((Code::MissingPast, detail)));
                    }
                }
                own.insert(change.hash);
            }
        }
        Ok(Ok(()))
    }
}

/// What is kept of an envelope that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) code: Code,
    pub(crate) detail: String,
    /// Whether it may be applied for the sake of others: a viewer's writes may not.
    pub(crate) may_be_wanted: bool,
    /// The envelopes right below it that are not applied either; none where what is wanted of them was found when it came.
    pub(crate) rests_on: BTreeSet<EnvelopeId>,
}

const FORMAT: u8 = 2;

impl Verdict {
    /// One that no more is known of.
    pub(super) fn of(code: Code, detail: &str) -> Self {
        Self {
            code,
            detail: detail.to_owned(),
            may_be_wanted: false,
            rests_on: BTreeSet::new(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = driftless_store::KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u32(u32::from(self.code.number()))
            .push_str(&self.detail)
            .push_u8(u8::from(self.may_be_wanted));
        for id in &self.rests_on {
            value = value.push_fixed(&id.feed.0).push_u64(id.n);
        }
        value.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        if reader.take_u8()? != FORMAT {
            return Err(EngineError::store_damaged("a verdict has another format"));
        }
        let code = u16::try_from(reader.take_u32()?).unwrap_or(u16::MAX);
        let detail = reader.take_string()?;
        let may_be_wanted = reader.take_u8()? != 0;
        let mut rests_on = BTreeSet::new();
        while !reader.rest().is_empty() {
            let feed = FeedId(reader.take_fixed()?);
            let n = reader.take_u64()?;
            rests_on.insert(EnvelopeId { feed, n });
        }
        Ok(Self {
            code: Code::from_number(code),
            detail,
            may_be_wanted,
            rests_on,
        })
    }
}
