//! What waits because something it rests on is gone from the journal: when it is taken in, and what is missing.

use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{DeviceId, Envelope, FeedId, Record as MemberRecord};
use driftless_store::{Journal, KeyBuilder, KeyReader};

use crate::core::{Core, Judgement, envelope_and_kind_at};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::upkeep::Remains;

/// The setting that says up to which number a feed was held before something was lost.
const MISSING: &str = "missing/";
const FORMAT: u8 = 1;

/// Envelopes of one feed that were held here, or that something here rests on, and are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRun {
    /// The feed they are of.
    pub feed: FeedId,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// The device that made them, if it is known, and its name.
    pub device: Option<(DeviceId, String)>,
}

impl Replica {
    /// Stages what waited, as far as all that it rests on is here now.
    pub(crate) fn admit_waiting(&mut self) -> Result<(), EngineError> {
        if !self.core.waiting.is_due {
            return Ok(());
        }
        self.core.waiting.is_due = false;
        self.admit_waiting_records()?;
        self.forget_what_is_nobodys()?;
        loop {
            let mut is_done = true;
            for position in self.core.waiting_next() {
                let (envelope, kind) = envelope_and_kind_at(&self.journal, position)?;
                let judgement = self.core.judge(&envelope)?;
                if !matches!(judgement, Judgement::Missing(..)) {
                    self.stage(&envelope, kind, judgement)?;
                    is_done = false;
                }
            }
            self.core.waiting.is_due = false;
            if is_done {
                return Ok(());
            }
        }
    }

    /// What was read out of a damaged file and waits may be other than it was: once its author is known, the signature tells.
    fn forget_what_is_nobodys(&mut self) -> Result<(), EngineError> {
        if !std::mem::take(&mut self.core.waiting.is_in_doubt) {
            return Ok(());
        }
        let waiting: Vec<_> = self.core.waiting.envelopes.clone().into_iter().collect();
        for (name, position) in waiting {
            let frame = self.journal.read(position)?;
            let envelope = Envelope::decode(&frame.bytes);
            if envelope.is_ok_and(|envelope| self.core.is_of_another(&envelope)) {
                self.core.forget_waiting(&name);
            }
        }
        Ok(())
    }

    fn admit_waiting_records(&mut self) -> Result<(), EngineError> {
        let waiting: Vec<_> = self.core.waiting.records.values().copied().collect();
        let mut records = Vec::new();
        for position in waiting {
            let frame = self.journal.read(position)?;
            records.extend(MemberRecord::decode(&frame.bytes).ok());
        }
        loop {
            let before = records.len();
            let mut left = Vec::new();
            for record in records {
                let fits = record
                    .parents()
                    .iter()
                    .all(|parent| self.core.log.contains(parent));
                if fits {
                    self.stage_record(record)?;
                } else {
                    left.push(record);
                }
            }
            if left.len() == before {
                return Ok(());
            }
            records = left;
        }
    }

    /// What was held here, or something here rests on, and is gone; nothing where nothing was ever lost.
    pub fn missing(&self) -> Result<Vec<MissingRun>, EngineError> {
        self.core.missing(&self.journal, &BTreeMap::new())
    }

    /// How many envelopes and membership records are here and wait for what is missing.
    ///
    /// What no known device made is not counted: it may be nothing but what a damaged file happens to read as.
    pub fn waiting(&self) -> (u64, u64) {
        let records = self.core.waiting.records.len() as u64;
        (self.core.waiting_envelopes(), records)
    }

    /// Up to which number a feed was held before something of it was lost.
    pub(crate) fn lost_upto(&self, feed: &FeedId) -> Result<Option<u64>, EngineError> {
        let value = self.setting(&format!("{MISSING}{feed}"))?;
        value.map(|value| last_of(&value)).transpose()
    }

    /// Notes up to which number feeds were held before something was lost, by what the store said.
    pub fn note_lost(&mut self, remains: &Remains) -> Result<(), EngineError> {
        let known = self.core.lost()?;
        for (feed, last) in &remains.feeds {
            let held = self.core.feeds.get(feed).map_or(0, |feed| feed.last);
            if held < *last && known.get(feed).is_none_or(|known| known < last) {
                let value = KeyBuilder::new().push_u8(FORMAT).push_u64(*last).finish();
                self.set_setting(&format!("{MISSING}{feed}"), &value)?;
            }
        }
        Ok(())
    }
}

/// The runs of numbers from `first` to `last` without those that are there, which are in order. Their cost is that of what
/// is there: how far a feed was held is only what a store said.
fn gaps(first: u64, last: u64, there: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut next = Some(first);
    for n in there.take_while(|n| *n <= last) {
        if let Some(first) = next.filter(|first| *first < n) {
            gaps.push((first, n - 1));
        }
        next = n.checked_add(1);
    }
    gaps.extend(
        next.filter(|first| *first <= last)
            .map(|first| (first, last)),
    );
    gaps
}

/// Where an envelope lies that waits.
struct Place {
    /// Its feed, or the branch of it; the feed where what it follows is gone, so that nobody can tell.
    feed: FeedId,
    n: u64,
    /// What it follows, where that is gone.
    before: Option<(FeedId, u64)>,
}

impl Core {
    /// What was held, or something rests on, and is gone; `before` is up to which number each feed was held, as far as the
    /// settings do not say it yet.
    pub(crate) fn missing(
        &self,
        journal: &Journal,
        before: &BTreeMap<FeedId, u64>,
    ) -> Result<Vec<MissingRun>, EngineError> {
        let mut upto = self.lost()?;
        let authors = self.authors();
        let mut reach = |feed: FeedId, n: u64| {
            let last = upto.entry(feed).or_insert(0);
            *last = (*last).max(n);
        };
        for (feed, n) in before {
            reach(*feed, *n);
        }
        let waiting = self.waiting_places(journal)?;
        for Place { before, .. } in &waiting {
            if let Some((feed, n)) = before
                && authors.contains_key(&feed.device_prefix())
            {
                reach(*feed, *n);
            }
        }
        let here: BTreeSet<_> = waiting.iter().map(|place| (place.feed, place.n)).collect();
        let mut runs: Vec<MissingRun> = Vec::new();
        for (feed, last) in upto {
            let first = self.first_not_held(&feed);
            let device = authors.get(&feed.device_prefix()).cloned();
            let waits = here
                .range((feed, first)..)
                .take_while(|(of, _)| *of == feed);
            for (first, last) in gaps(first, last, waits.map(|(_, n)| *n)) {
                let device = device.clone();
                runs.push(MissingRun {
                    feed,
                    first,
                    last,
                    device,
                });
            }
        }
        Ok(runs)
    }

    /// The first number of a feed that is not here. What was noted of it before it was known to go on in two ways lies on
    /// one of its branches now.
    fn first_not_held(&self, feed: &FeedId) -> u64 {
        let held = |id| self.feeds.get(id).map(|held| held.last.saturating_add(1));
        let root = self.forks.branch(feed).map(|branch| branch.root.header.n);
        let first = held(feed).or(root).unwrap_or(1);
        if feed.is_branch() || !self.forks.concern(feed) {
            return first;
        }
        let branches = self.feeds.branches_of(feed).filter_map(held);
        branches.fold(first, u64::max)
    }

    /// Where the envelopes that wait have their places.
    fn waiting_places(&self, journal: &Journal) -> Result<Vec<Place>, EngineError> {
        let mut slots = BTreeMap::new();
        let mut places = Vec::new();
        for (name, position) in &self.waiting.envelopes {
            let (feed, n, hash) = *name;
            if n > 1 && !self.forks.concern(&feed) {
                let before = Some((feed, n - 1));
                places.push(Place { feed, n, before });
                slots.insert(*name, feed);
                continue;
            }
            let Ok(envelope) = Envelope::decode(&journal.read(*position)?.bytes) else {
                continue;
            };
            let header = envelope.header();
            let before = match header.predecessor {
                _ if n > 1 => Some((feed, n - 1, header.prev)),
                before => before.map(|before| (before.feed, before.n, before.hash)),
            };
            let mut follows = None;
            if let Some((feed, n, hash)) = &before {
                follows = self.slot_holding(feed, *n, hash)?;
                // In their order: what it follows in its feed was looked at before.
                follows = follows.or_else(|| slots.get(&(*feed, *n, *hash)).copied());
            }
            let slot = match follows {
                _ if self.forks.begins_at(header) => feed.branch(&hash),
                Some(slot) if n > 1 => slot,
                _ => feed,
            };
            let waits_too = before.is_some_and(|name| self.waiting.envelopes.contains_key(&name));
            let before = before.filter(|_| follows.is_none() && !waits_too);
            places.push(Place {
                feed: slot,
                n,
                before: before.map(|(feed, n, _)| (feed, n)),
            });
            slots.insert(*name, slot);
        }
        Ok(places)
    }

    /// How many envelopes of known devices wait.
    pub(crate) fn waiting_envelopes(&self) -> u64 {
        let authors = self.authors();
        let names = self.waiting.envelopes.keys();
        let known = names.filter(|(feed, ..)| authors.contains_key(&feed.device_prefix()));
        known.count() as u64
    }

    /// Every device that was ever let in, and its name, by what its feeds begin with.
    fn authors(&self) -> BTreeMap<[u8; 8], (DeviceId, String)> {
        let resolved = self.log.resolved().into_iter();
        resolved
            .map(|(member, _)| (member.device.prefix(), (member.device, member.name.clone())))
            .collect()
    }

    /// Up to which number feeds were held before something was lost.
    fn lost(&self) -> Result<BTreeMap<FeedId, u64>, EngineError> {
        let mut lost = BTreeMap::new();
        for key in self.base.keys(&self.keys.space(Space::Note))? {
            let name = space::note_of(&key)?;
            let feed = name
                .strip_prefix(MISSING)
                .and_then(|feed| feed.parse().ok());
            if let (Some(feed), Some(value)) = (feed, self.base.get(&key)?) {
                lost.insert(feed, last_of(&value)?);
            }
        }
        Ok(lost)
    }
}

/// The number in a note of what was held.
fn last_of(value: &[u8]) -> Result<u64, EngineError> {
    let mut reader = KeyReader::new(value);
    reader.take_u8()?;
    Ok(reader.take_u64()?)
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn what_is_missing_is_what_lies_between_what_is_there() {
        let gaps = |first, last, there: &[u64]| gaps(first, last, there.iter().copied());
        assert_eq!(gaps(1, 0, &[]), []);
        assert_eq!(gaps(1, 3, &[]), [(1, 3)]);
        assert_eq!(gaps(1, 6, &[2, 3, 6, 9]), [(1, 1), (4, 5)]);
        assert_eq!(gaps(2, 2, &[2]), []);
        assert_eq!(gaps(1, u64::MAX, &[5]), [(1, 4), (6, u64::MAX)]);
        assert_eq!(gaps(7, u64::MAX, &[u64::MAX]), [(7, u64::MAX - 1)]);
    }
}
