//! How packed history is listed: one entry for each stretch of a feed, and of commits, in a segment.
//!
//! A frame's position is the same packed or not, so an entry for each envelope would stay right; the short list only
//! takes less room. What lies before [`State::listed_packed`](super::State) is listed so, the rest one by one: the
//! lists are a function of the frames and that position. Hashes, positions and changes are looked up in the
//! segment itself, which is unpacked for that; a few are kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use driftless_document::{Change, ChangeHash};
use driftless_protocol::{Envelope, FeedId, Hash};
use driftless_store::{Frame, KeyBuilder, KeyReader, Packs, Position, Visit};

use super::stage::EnvelopePlace;
use super::{Core, holds_envelope};
use crate::error::EngineError;
use crate::space::{self, Space};
use crate::types::RecordKey;

const FORMAT: u8 = 1;
/// Segments whose contents are kept: each about a megabyte.
const CONTENTS_KEPT: usize = 4;
/// Envelopes that one step lists anew: what one batch of the store takes without a pause that is felt.
const ENVELOPES_PER_STEP: usize = 1_024;

/// The list of packed history.
pub(crate) struct PackedIndex {
    packs: Packs,
    /// By feed and first number.
    envelopes: BTreeMap<(FeedId, u64), Stretch>,
    /// By first sequence number; one a segment.
    commits: BTreeMap<u64, Stretch>,
    /// What was looked up last, the newest at the end.
    contents: RefCell<VecDeque<(u32, Arc<Contents>)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    last: u64,
    segment: u32,
}

/// What a packed segment holds.
#[derive(Default)]
struct Contents {
    /// In the order in which they were written, each with the number of its first commit in `commits`.
    envelopes: Vec<(FeedId, u64, EnvelopePlace, usize)>,
    numbers: BTreeMap<(FeedId, u64), usize>,
    commits: Vec<PackedCommit>,
}

/// A committed change of packed history.
#[derive(Clone, Debug)]
pub(crate) struct PackedCommit {
    pub(crate) key: RecordKey,
    pub(crate) change: ChangeHash,
    pub(crate) feed: FeedId,
    pub(crate) time: i64,
}

impl Stretch {
    fn encode(self) -> Vec<u8> {
        KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u64(self.last)
            .push_u32(self.segment)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        reader.take_u8()?;
        let last = reader.take_u64()?;
        let segment = reader.take_u32()?;
        reader.finish()?;
        Ok(Self { last, segment })
    }
}

impl PackedIndex {
    pub(crate) fn new(packs: Packs) -> Self {
        Self {
            packs,
            envelopes: BTreeMap::new(),
            commits: BTreeMap::new(),
            contents: RefCell::default(),
        }
    }

    /// Forgets the list, and what depends on how envelopes were judged.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.packs.clone());
    }

    /// Forgets what was looked up while it was not judged yet which envelopes are refused.
    pub(crate) fn look_again(&mut self) {
        self.contents = RefCell::default();
    }

    /// What is kept of a segment's contents; it is the newest then.
    fn kept(&self, segment: u32) -> Option<Arc<Contents>> {
        let mut kept = self.contents.borrow_mut();
        let at = kept.iter().position(|(held, _)| *held == segment);
        let (_, contents) = at.and_then(|at| kept.remove(at))?;
        kept.push_back((segment, Arc::clone(&contents)));
        Some(contents)
    }

    /// How many envelopes are listed.
    pub(crate) fn envelopes(&self) -> u64 {
        self.stretches()
            .map(|(_, first, last)| last - first + 1)
            .sum()
    }

    /// Feed, first and last number of each stretch of envelopes.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (FeedId, u64, u64)> {
        let stretches = self.envelopes.iter();
        stretches.map(|((feed, first), stretch)| (*feed, *first, stretch.last))
    }

    /// First and last sequence number of each stretch of commits.
    pub(crate) fn commit_stretches(&self) -> impl Iterator<Item = (u64, u64)> {
        let stretches = self.commits.iter();
        stretches.map(|(first, stretch)| (*first, stretch.last))
    }
}

impl Core {
    /// Reads the list from the store.
    pub(crate) fn load_packed(&mut self) -> Result<(), EngineError> {
        let mut found = Vec::new();
        for space in [Space::PackedEnvelopes, Space::PackedCommits] {
            let prefix = self.keys.space(space);
            self.base.scan(&prefix, &[], &mut |key, value| {
                found.push((space, key.to_vec(), value.to_vec()));
                Visit::Continue
            })?;
        }
        for (space, key, value) in found {
            let stretch = Stretch::decode(&value)?;
            if let Space::PackedEnvelopes = space {
                self.packed
                    .envelopes
                    .insert(space::numbered_of(&key)?, stretch);
            } else {
                self.packed.commits.insert(space::seq_of(&key)?, stretch);
            }
        }
        Ok(())
    }

    /// Lists an envelope of a packed segment.
    pub(super) fn list_packed_envelope(&mut self, feed: FeedId, n: u64, segment: u32) {
        let last = self.packed.envelopes.range((feed, 0)..=(feed, u64::MAX));
        let continued = last.last().filter(|(_, stretch)| {
            stretch.segment == segment && stretch.last.checked_add(1) == Some(n)
        });
        let first = continued.map_or(n, |((_, first), _)| *first);
        let stretch = Stretch { last: n, segment };
        self.packed.envelopes.insert((feed, first), stretch);
        let key = self.keys.numbered(Space::PackedEnvelopes, &feed, first);
        self.base.put(key, stretch.encode());
    }

    /// Lists a commit of a packed segment.
    pub(super) fn list_packed_commit(&mut self, seq: u64, segment: u32) {
        let last = self.packed.commits.last_key_value();
        let continued = last.filter(|(_, stretch)| stretch.segment == segment);
        let first = continued.map_or(seq, |(first, _)| *first);
        let stretch = Stretch { last: seq, segment };
        self.packed.commits.insert(first, stretch);
        let key = self.keys.packed_commits(first);
        self.base.put(key, stretch.encode());
        self.state.seq_packed = seq;
    }

    /// Whether some packed history is still listed one by one.
    pub(crate) fn has_unlisted_packed(&self) -> bool {
        self.state.listed_packed < self.packed.packs.end()
    }

    /// Lists some more packed history as packed, in one batch; says whether there is more to do.
    ///
    /// Nothing may be staged.
    pub(crate) fn list_packed(&mut self) -> Result<bool, EngineError> {
        if !self.has_unlisted_packed() {
            return Ok(false);
        }
        let from = self.state.listed_packed.max(Position {
            segment: 1,
            offset: 0,
        });
        let contents = self.contents(from.segment)?;
        let begin = contents
            .envelopes
            .partition_point(|(_, _, place, _)| place.position < from);
        let end = contents.envelopes.len().min(begin + ENVELOPES_PER_STEP);
        for at in begin..end {
            let (feed, n, _, first) = contents.envelopes[at];
            let key = self.keys.numbered(Space::Envelope, &feed, n);
            self.base.delete(key);
            self.list_packed_envelope(feed, n, from.segment);
            let next = contents.envelopes.get(at + 1);
            let past = next.map_or(contents.commits.len(), |(_, _, _, first)| *first);
            for _ in first..past {
                let seq = self.state.seq_packed + 1;
                self.base.delete(self.keys.commit(seq));
                self.list_packed_commit(seq, from.segment);
            }
        }
        let next = contents.envelopes.get(end);
        self.packed_before = next.map_or(
            Position {
                segment: from.segment + 1,
                offset: 0,
            },
            |(_, _, place, _)| place.position,
        );
        self.state.listed_packed = self.packed_before;
        self.apply(self.state.applied)?;
        Ok(self.has_unlisted_packed())
    }

    /// Where an envelope that is listed as packed lies.
    pub(super) fn packed_place(
        &self,
        feed: &FeedId,
        n: u64,
    ) -> Result<Option<EnvelopePlace>, EngineError> {
        let stretches = self.packed.envelopes.range((*feed, 0)..=(*feed, n));
        let stretch = stretches.last().filter(|(_, stretch)| n <= stretch.last);
        let Some((_, stretch)) = stretch else {
            return Ok(None);
        };
        let contents = self.contents(stretch.segment)?;
        match contents.numbers.get(&(*feed, n)) {
            Some(at) => Ok(Some(contents.envelopes[*at].2)),
            None => Err(not_there()),
        }
    }

    /// The commits from number `seq` to the end of the stretch it is listed in, if it is listed as packed.
    pub(crate) fn packed_commits(
        &self,
        seq: u64,
    ) -> Result<Option<Vec<PackedCommit>>, EngineError> {
        let stretch = self.packed.commits.range(..=seq).last();
        let Some((first, stretch)) = stretch.filter(|(_, stretch)| seq <= stretch.last) else {
            return Ok(None);
        };
        let contents = self.contents(stretch.segment)?;
        let range = usize::try_from(seq - first)
            .ok()
            .zip(usize::try_from(stretch.last - first + 1).ok());
        let commits = range.and_then(|(from, to)| contents.commits.get(from..to));
        commits
            .map(|commits| Some(commits.to_vec()))
            .ok_or_else(not_there)
    }

    /// What a packed segment holds, looked up or kept.
    fn contents(&self, segment: u32) -> Result<Arc<Contents>, EngineError> {
        if let Some(contents) = self.packed.kept(segment) {
            return Ok(contents);
        }
        let contents = Arc::new(self.read_contents(segment)?);
        let mut kept = self.packed.contents.borrow_mut();
        kept.push_back((segment, Arc::clone(&contents)));
        if kept.len() > CONTENTS_KEPT {
            kept.pop_front();
        }
        Ok(contents)
    }

    /// The feed or branch that an envelope of a segment lies in. `slots` are those of the envelopes before it there; the
    /// one it follows lies there, or in a segment before.
    fn slot_in(
        &self,
        segment: u32,
        slots: &BTreeMap<Hash, FeedId>,
        envelope: &Envelope,
    ) -> Result<FeedId, EngineError> {
        let header = envelope.header();
        if !self.forks.concern(&header.feed) {
            return Ok(header.feed);
        }
        if self.forks.begins_at(header) {
            return Ok(header.feed.branch(&envelope.hash()));
        }
        if let Some(slot) = slots.get(&header.prev) {
            return Ok(*slot);
        }
        for branch in self.feeds.branches_of(&header.feed) {
            let key = (*branch, header.n.saturating_sub(1));
            let stretches = self.packed.envelopes.range((key.0, 0)..=key);
            let listed = stretches.last().filter(|(_, s)| key.1 <= s.last);
            let place = match listed {
                Some((_, stretch)) if stretch.segment < segment => {
                    let contents = self.contents(stretch.segment)?;
                    let at = contents.numbers.get(&key);
                    at.map(|at| contents.envelopes[*at].2)
                }
                Some(_) => None,
                None => {
                    let key = self.keys.numbered(Space::Envelope, &key.0, key.1);
                    let bytes = self.base.get(&key)?;
                    bytes.map(|b| EnvelopePlace::decode(&b)).transpose()?
                }
            };
            if place.is_some_and(|place| place.hash == header.prev) {
                return Ok(*branch);
            }
        }
        Ok(header.feed)
    }

    fn read_contents(&self, segment: u32) -> Result<Contents, EngineError> {
        let refused = self.base.keys(&self.keys.space(Space::Quarantine))?;
        let refused: BTreeSet<_> = refused
            .iter()
            .map(|key| space::numbered_of(key))
            .collect::<Result<_, _>>()?;
        let mut contents = Contents::default();
        let mut slots = BTreeMap::new();
        let packs = &self.packed.packs;
        packs.replay(segment, Position::START, &mut |frame: Frame| {
            if holds_envelope(frame.kind) {
                let envelope = Envelope::decode(&frame.bytes).map_err(|error| damaged(&error))?;
                let n = envelope.header().n;
                let feed = self.slot_in(segment, &slots, &envelope)?;
                if self.forks.concern(&envelope.header().feed) {
                    slots.insert(envelope.hash(), feed);
                }
                let place = EnvelopePlace::of(&envelope, frame.position);
                let first = contents.commits.len();
                if !refused.contains(&(feed, n)) {
                    commits_of(&envelope, &mut contents.commits)?;
                }
                contents.numbers.insert((feed, n), contents.envelopes.len());
                contents.envelopes.push((feed, n, place, first));
            }
            Ok::<_, EngineError>(Visit::Continue)
        })?;
        Ok(contents)
    }
}

/// The changes of an envelope that was admitted, in the order in which they were committed: by record.
fn commits_of(envelope: &Envelope, commits: &mut Vec<PackedCommit>) -> Result<(), EngineError> {
    let mut items = envelope.items();
    items.sort_by_key(|(collection, item, _)| (*collection, item.record));
    for (collection, item, payload) in items {
        for raw in &payload.changes {
            let change = Change::from_raw(raw).ok_or_else(|| damaged(&"a change does not read"))?;
            commits.push(PackedCommit {
                key: RecordKey::of(collection, item),
                change: change.hash,
                feed: envelope.header().feed,
                time: change.time,
            });
        }
    }
    Ok(())
}

fn damaged(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::JournalDamaged {
        reason: format!("an envelope of a packed segment: {error}"),
    }
}

fn not_there() -> EngineError {
    EngineError::store_damaged("it lists something as packed that the segment does not hold")
}
