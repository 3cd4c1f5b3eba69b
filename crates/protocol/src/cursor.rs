//! How far a device has each feed, and the short forms in which two devices compare that.
//!
//! A cursor's digest is over its entries in the order of their feeds, so it does not depend on the order in which
//! they were learnt. Equal digests: nothing to do, at any number of records.

use std::collections::BTreeMap;

use crate::codec::{
    self, Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError, list, wire,
};
use crate::ids::{FeedId, Hash, first_bytes};
use crate::limits;

/// A set of numbers from 1 on, kept as sorted, disjoint, inclusive runs that do not touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RunSet {
    runs: Vec<(u64, u64)>,
}

impl RunSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of all numbers from 1 to `last`; empty when `last` is 0.
    pub fn up_to(last: u64) -> Self {
        let mut set = Self::new();
        set.insert_run(1, last);
        set
    }

    /// Adds one number; false when it was there, or is 0.
    pub fn insert(&mut self, n: u64) -> bool {
        if n == 0 || self.contains(n) {
            return false;
        }
        self.insert_run(n, n);
        true
    }

    /// Adds the numbers from `first` to `last`; 0 is left out, and a run that ends before it starts is empty.
    pub fn insert_run(&mut self, first: u64, last: u64) {
        let first = first.max(1);
        if first > last {
            return;
        }
        // The runs that touch or overlap the new one become one with it.
        let start = self.runs.partition_point(|run| run.1 < first - 1);
        let end = self
            .runs
            .partition_point(|run| run.0 <= last.saturating_add(1));
        let merged = self.runs[start..end]
            .iter()
            .fold((first, last), |whole, run| {
                (whole.0.min(run.0), whole.1.max(run.1))
            });
        self.runs.splice(start..end, [merged]);
    }

    /// Whether the number is in the set.
    pub fn contains(&self, n: u64) -> bool {
        let after = self.runs.partition_point(|run| run.1 < n);
        self.runs.get(after).is_some_and(|run| run.0 <= n)
    }

    /// The first number from 1 on that is not in the set; none when the set has all of them.
    pub fn first_gap(&self) -> Option<u64> {
        match self.runs.first() {
            Some(&(1, last)) => last.checked_add(1),
            _ => Some(1),
        }
    }

    /// The largest number.
    pub fn last(&self) -> Option<u64> {
        self.runs.last().map(|run| run.1)
    }

    /// The runs (first, last), in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.runs.iter().copied()
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many numbers there are, at most `u64::MAX`.
    pub fn count(&self) -> u64 {
        self.runs.iter().fold(0, |sum: u64, run| {
            sum.saturating_add(run.1 - run.0).saturating_add(1)
        })
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the set is exactly the numbers from 1 to `last`.
    pub fn is_up_to(&self, last: u64) -> bool {
        if last == 0 {
            self.runs.is_empty()
        } else {
            self.runs == [(1, last)]
        }
    }

    /// The runs of this set that the other lacks, in order.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::new();
        for &(first, last) in &self.runs {
            let mut next = Some(first);
            let from = other.runs.partition_point(|run| run.1 < first);
            for &(other_first, other_last) in
                other.runs[from..].iter().take_while(|run| run.0 <= last)
            {
                if let Some(start) = next.filter(|start| *start < other_first) {
                    left.runs.push((start, other_first - 1));
                }
                next = other_last.checked_add(1);
            }
            if let Some(start) = next.filter(|start| *start <= last) {
                left.runs.push((start, last));
            }
        }
        left
    }
}

impl FromIterator<u64> for RunSet {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut set = Self::new();
        for n in numbers {
            set.insert(n);
        }
        set
    }
}

/// On the wire a run is the numbers left out before it and the numbers after its first: small for dense sets, and
/// there is no way to write runs that overlap or touch.
struct Step {
    skip: u64,
    more: u64,
}

wire!(Step { skip, more });

impl Encode for RunSet {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        let mut next = 1;
        let mut steps = Vec::with_capacity(self.runs.len());
        for &(first, last) in &self.runs {
            steps.push(Step {
                skip: first - next,
                more: last - first,
            });
            // At least one number lies between two runs, so counting starts after it.
            next = last.saturating_add(2);
        }
        list::put(&steps, encoder)
    }
}

impl Decode<Budget> for RunSet {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        let steps: Vec<Step> = list::take(decoder, "runs", limits::CURSOR_RUNS)?;
        let beyond = || FromBytesError::LimitExceeded;
        let mut runs = Vec::with_capacity(steps.len());
        let mut next = Some(1_u64);
        for step in steps {
            let first = next
                .and_then(|next| next.checked_add(step.skip))
                .ok_or_else(beyond)?;
            let last = first.checked_add(step.more).ok_or_else(beyond)?;
            runs.push((first, last));
            next = last.checked_add(2);
        }
        Ok(Self { runs })
    }
}

/// How far a device has one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorEntry {
    /// The feed.
    pub feed: FeedId,
    /// The last header held, counted from 1; 0 when there is none.
    pub headers: u64,
    /// The hash of that header; zero when there is none.
    pub head: Hash,
    /// The envelopes whose payloads are durable here.
    pub held: RunSet,
}

wire!(CursorEntry {
    feed,
    headers,
    head,
    held
});

/// A cursor entry as it is sent: the head's first eight bytes are enough to see a difference.
///
/// On the wire `held` is left out when it is exactly 1 to `headers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorMark {
    /// The feed.
    pub feed: FeedId,
    /// The last header held, counted from 1; 0 when there is none.
    pub headers: u64,
    /// The first eight bytes of that header's hash.
    pub head: [u8; 8],
    /// The envelopes held.
    pub held: RunSet,
}

struct MarkForm {
    feed: FeedId,
    headers: u64,
    head: [u8; 8],
    held: Option<RunSet>,
}

wire!(MarkForm {
    feed,
    headers,
    head,
    held
});

impl Encode for CursorMark {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        let held = (!self.held.is_up_to(self.headers)).then(|| self.held.clone());
        MarkForm {
            feed: self.feed,
            headers: self.headers,
            head: self.head,
            held,
        }
        .encode(encoder)
    }
}

impl Decode<Budget> for CursorMark {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        let form = MarkForm::decode(decoder)?;
        let held = form.held.unwrap_or_else(|| RunSet::up_to(form.headers));
        Ok(Self {
            feed: form.feed,
            headers: form.headers,
            head: form.head,
            held,
        })
    }
}

impl CursorEntry {
    /// The entry as it is sent.
    pub fn mark(&self) -> CursorMark {
        CursorMark {
            feed: self.feed,
            headers: self.headers,
            head: self.head.prefix(),
            held: self.held.clone(),
        }
    }
}

impl CursorMark {
    /// Whether the marked device holds only envelopes whose headers it has.
    pub(crate) fn is_consistent(&self) -> bool {
        self.held.last().unwrap_or(0) <= self.headers
    }
}

/// How far a device has every feed that no successor covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    entries: BTreeMap<FeedId, CursorEntry>,
}

impl Cursor {
    /// The cursor of a device that has nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, or puts it in the place of the feed's old one.
    pub fn set(&mut self, entry: CursorEntry) -> Option<CursorEntry> {
        self.entries.insert(entry.feed, entry)
    }

    /// Takes a feed out, as when a successor covers it.
    pub fn remove(&mut self, feed: &FeedId) -> Option<CursorEntry> {
        self.entries.remove(feed)
    }

    /// A feed's entry.
    pub fn entry(&self, feed: &FeedId) -> Option<&CursorEntry> {
        self.entries.get(feed)
    }

    /// A feed's entry, to be changed; made empty when there is none.
    pub fn entry_mut(&mut self, feed: FeedId) -> &mut CursorEntry {
        self.entries.entry(feed).or_insert_with(|| CursorEntry {
            feed,
            headers: 0,
            head: Hash::ZERO,
            held: RunSet::new(),
        })
    }

    /// The entries in the order of their feeds.
    pub fn iter(&self) -> impl Iterator<Item = &CursorEntry> {
        self.entries.values()
    }

    /// How many feeds there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no feed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sixteen bytes that are equal exactly when two cursors are.
    pub fn digest(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("driftless/1 2026 cursor digest");
        for entry in self.entries.values() {
            hasher.update(&codec::encode(entry));
        }
        first_bytes(hasher.finalize().as_bytes())
    }
}

impl FromIterator<CursorEntry> for Cursor {
    fn from_iter<I: IntoIterator<Item = CursorEntry>>(entries: I) -> Self {
        Self {
            entries: entries
                .into_iter()
                .map(|entry| (entry.feed, entry))
                .collect(),
        }
    }
}
