//! [`Remains`]: what a store, which may be damaged, can still say of the journal it was derived from.

use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{FeedId, Hash, Record as MemberRecord, RecordBody, WorkspaceId};
use driftless_store::{KnownEnd, Kv, KvError, Position, Visit, prefix_end};

use crate::core::State;
use crate::feeds::Feed;
use crate::space::{self, Keys, Space};

/// What is taken from a store to mend the journal with: what proves itself, or has its own checksum.
#[derive(Debug, Default)]
pub struct Remains {
    /// Whether there is anything at all.
    pub(crate) is_begun: bool,
    /// Whether all of the journal had been applied and nothing was written since.
    was_closed: bool,
    /// Up to where the journal was applied.
    pub(crate) applied: Option<Position>,
    /// Up to where it is listed as packed.
    pub(crate) listed_packed: Option<Position>,
    /// The feed that the folder's device last wrote to.
    pub(crate) own_feed: Option<FeedId>,
    /// Membership records, by hash.
    pub(crate) records: BTreeMap<Hash, MemberRecord>,
    /// Local settings, by name.
    pub(crate) settings: BTreeMap<String, Vec<u8>>,
    /// Up to which number each feed was held.
    pub(crate) feeds: BTreeMap<FeedId, u64>,
    /// The keys of values that are not what was written.
    pub(crate) damaged: Vec<Vec<u8>>,
}

impl Remains {
    /// Reads all that can be read; an error is that of an engine that reads nothing any more.
    pub fn of(kv: &dyn Kv) -> Result<Self, KvError> {
        let mut remains = Self::default();
        let mut workspace = None;
        let mut damaged = Vec::new();
        let mut waiting = Vec::new();
        scan_past_damage(kv, &[], &mut damaged, &mut |key, value| {
            let id = key
                .get(..WorkspaceId::LENGTH)
                .and_then(|id| id.try_into().ok());
            let Some(id) = id.map(WorkspaceId) else {
                return;
            };
            let workspace = *workspace.get_or_insert(id);
            remains.take(workspace, key, value);
            if key.starts_with(&Keys(workspace).space(Space::Waiting)) {
                waiting.extend(space::waiting_of(key).map(|(feed, n, _)| (feed, n)));
            }
        })?;
        remains.take_waiting(&waiting);
        remains.is_begun = workspace.is_some() || !damaged.is_empty();
        remains.damaged = damaged;
        Ok(remains)
    }

    /// Of a store that was closed, whatever of it can still be read: there was a workspace.
    #[must_use]
    pub fn of_closed(self) -> Self {
        Self {
            is_begun: true,
            was_closed: true,
            ..self
        }
    }

    fn take(&mut self, workspace: WorkspaceId, key: &[u8], value: &[u8]) {
        let keys = Keys(workspace);
        let is_in = |space| key.starts_with(&keys.space(space));
        if is_in(Space::State) {
            if let Ok(state) = State::decode(value) {
                self.applied = Some(state.applied);
                self.listed_packed = Some(state.listed_packed);
                self.own_feed = state.own_feed;
            }
        } else if is_in(Space::Member) {
            if let Ok(record) = MemberRecord::decode(value)
                && record.verify().is_ok()
            {
                self.records.insert(record.hash(), record);
            }
        } else if is_in(Space::Note) {
            if let Ok(name) = space::note_of(key) {
                self.settings.insert(name, value.to_vec());
            }
        } else if is_in(Space::Feed)
            && let (Ok(id), Ok(feed)) = (space::feed_of(key), Feed::decode(value))
        {
            self.feeds.insert(id, feed.last);
        }
    }

    /// What waited was held too: where it is gone with what it waited for, both are missing.
    ///
    /// Of those that no device wrote which a record names, nobody knows whether there ever was such a feed.
    fn take_waiting(&mut self, waiting: &[(FeedId, u64)]) {
        let begins = |record: &&MemberRecord| {
            matches!(record.body(), RecordBody::Genesis(_) | RecordBody::Join(_))
        };
        let authors = self.records.values().filter(begins);
        let authors: BTreeSet<_> = authors.map(|record| record.author().prefix()).collect();
        for (feed, n) in waiting {
            if authors.contains(&feed.device_prefix()) {
                let last = self.feeds.entry(*feed).or_default();
                *last = (*last).max(*n);
            }
        }
    }

    /// Whether there is anything at all.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// What it says of the journal's end.
    pub fn known_end(&self) -> KnownEnd {
        match self.applied {
            Some(applied) => KnownEnd::To(applied),
            None if self.was_closed => KnownEnd::Closed,
            None => KnownEnd::Unknown,
        }
    }

    /// Up to where the journal had been acknowledged, as far as the store knows.
    pub fn applied(&self) -> Option<Position> {
        self.applied
    }

    /// How many values are not what was written.
    pub fn damaged_values(&self) -> usize {
        self.damaged.len()
    }
}

/// Shows all entries that have the prefix and are what was written; `damaged` are the keys of the others.
pub(super) fn scan_past_damage(
    kv: &dyn Kv,
    prefix: &[u8],
    damaged: &mut Vec<Vec<u8>>,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), KvError> {
    let mut from = prefix.to_vec();
    let to = prefix_end(prefix);
    loop {
        let scanned = kv.read(&mut |snapshot| {
            snapshot.scan(&from, to.as_deref(), &mut |key, value| {
                visit(key, value);
                Visit::Continue
            })
        });
        let key = match scanned {
            Ok(()) => return Ok(()),
            Err(KvError::Damaged { key } | KvError::UnknownFormat { key, .. }) => key,
            Err(error) => return Err(error),
        };
        damaged.push(key.clone());
        let next = [key.as_slice(), &[0]].concat();
        if next <= from {
            return Ok(()); // an engine that names a key it was not at
        }
        from = next;
    }
}
