//! What was named before in a segment, and is referred to by number from then on.
//!
//! Writer and reader build the same dictionaries in the same order, so they are not stored.

use std::collections::BTreeMap;

use driftless_document::{ActorId, Change, ChangeHash, OpId};
use driftless_protocol::{FeedId, Hash, Meta, WorkspaceId};

/// Things in the order in which they were first named.
pub(super) struct Names<T> {
    numbers: BTreeMap<T, usize>,
    names: Vec<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::new(),
            names: Vec::new(),
        }
    }
}

impl<T: Clone + Ord> Names<T> {
    /// The number of a thing, and whether it is new.
    pub(super) fn number(&mut self, name: &T) -> (usize, bool) {
        if let Some(number) = self.numbers.get(name) {
            return (*number, false);
        }
        let number = self.names.len();
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        (number, true)
    }

    pub(super) fn name(&self, number: usize) -> Option<&T> {
        self.names.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// All that later envelopes of a segment may refer to.
#[derive(Default)]
pub(super) struct Dictionaries {
    /// Of the first envelope; another's stands as it is.
    pub(super) workspace: Option<WorkspaceId>,
    /// The membership heads of the last envelope.
    pub(super) membership: Vec<Hash>,
    /// The time of the last envelope.
    pub(super) time: i64,
    /// Meta parts seen, without their times.
    pub(super) metas: Vec<Meta>,
    pub(super) feeds: Names<FeedId>,
    /// Number and hash of the last header of each feed.
    pub(super) heads: Vec<(u64, Hash)>,
    pub(super) collections: Names<String>,
    pub(super) keys: Names<String>,
    pub(super) actors: Names<ActorId>,
    /// By the number of its collection, and its id.
    pub(super) records: Names<(usize, [u8; 16])>,
    pub(super) histories: Vec<History>,
    /// The record of the last item.
    pub(super) last_record: usize,
}

/// What is known of one record.
#[derive(Default)]
pub(super) struct History {
    /// Its changes, each with the counter of its last operation.
    pub(super) changes: Vec<(ChangeHash, u64)>,
    places: BTreeMap<ChangeHash, usize>,
    /// Per actor the last sequence number and salt.
    pub(super) actors: BTreeMap<[u8; 16], (u64, [u8; 16])>,
    /// Per register what the last operation left live.
    live: BTreeMap<usize, Option<OpId>>,
}

impl History {
    /// How many changes ago a change was, from 1; 0 where it is not known.
    pub(super) fn distance(&self, hash: &ChangeHash) -> usize {
        let place = self.places.get(hash);
        place.map_or(0, |place| self.changes.len() - place)
    }

    /// The first counter that a change on top of these has, as far as they are known.
    pub(super) fn next_counter(&self, deps: &[ChangeHash]) -> u64 {
        let known = deps.iter().filter_map(|hash| self.places.get(hash));
        let last = known.map(|place| self.changes[*place].1).max();
        last.unwrap_or(0).saturating_add(1)
    }

    pub(super) fn push(&mut self, change: &Change, hash: ChangeHash) {
        self.places.insert(hash, self.changes.len());
        self.changes.push((hash, change.max_op()));
    }

    /// What an operation on a register replaces, if nothing else was written meanwhile.
    pub(super) fn live(&self, key: usize) -> &[OpId] {
        self.live.get(&key).map_or(&[], |live| live.as_slice())
    }

    pub(super) fn set_live(&mut self, key: usize, live: Option<OpId>) {
        self.live.insert(key, live);
    }
}
