//! How far this replica has every feed, and what a peer lacks.
//!
//! A feed is one process start of one device. Its first envelope names the feed before it, so holding the
//! newest feed of a device means holding the chain behind it: the cursor has one entry a device, however often
//! the device was restarted. A copied folder shows as two feeds that name one predecessor: both stay listed.
//!
//! Where a feed went on in two ways and an accusation proves it, each **branch** is listed like a feed of its own that
//! goes on from the part in common (see `membership/forks.rs`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use driftless_protocol::{
    Cursor, CursorEntry, CursorMark, DeviceId, EnvelopeName, FeedId, Hash, Header, Predecessor,
    RunSet,
};
use driftless_store::{KeyBuilder, KeyError, KeyReader};

/// What is kept of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    /// The feed its envelopes are signed for: another one's where this is a branch of that.
    pub(crate) of: FeedId,
    /// The number of its first envelope: 1, but in a branch.
    pub(crate) first: u64,
    /// The number of its last envelope here.
    pub(crate) last: u64,
    /// The hash of that envelope's header.
    pub(crate) head: Hash,
    /// The feed or branch before it, as its first envelope says; of a branch the one it branched from.
    pub(crate) predecessor: Option<Predecessor>,
}

const FORMAT: u8 = 2;

impl Feed {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_fixed(&self.of.0)
            .push_u64(self.first)
            .push_u64(self.last)
            .push_fixed(&self.head.0);
        match &self.predecessor {
            None => value.push_u8(0),
            Some(before) => value
                .push_u8(1)
                .push_fixed(&before.feed.0)
                .push_u64(before.n)
                .push_fixed(&before.hash.0),
        }
        .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = KeyReader::new(bytes);
        reader.take_u8()?;
        let of = FeedId(reader.take_fixed()?);
        let first = reader.take_u64()?;
        let last = reader.take_u64()?;
        let head = Hash(reader.take_fixed()?);
        let predecessor = match reader.take_u8()? {
            0 => None,
            _ => Some(Predecessor {
                feed: FeedId(reader.take_fixed()?),
                n: reader.take_u64()?,
                hash: Hash(reader.take_fixed()?),
            }),
        };
        reader.finish()?;
        Ok(Self {
            of,
            first,
            last,
            head,
            predecessor,
        })
    }
}

/// A stretch of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) feed: FeedId,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Run {
    pub(crate) fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    pub(crate) fn contains(&self, feed: &FeedId, n: u64) -> bool {
        self.feed == *feed && (self.first..=self.last).contains(&n)
    }

    pub(crate) fn numbers(self) -> impl Iterator<Item = (FeedId, u64)> {
        (self.first..=self.last).map(move |n| (self.feed, n))
    }
}

/// All feeds of a workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feeds {
    known: BTreeMap<FeedId, Feed>,
    /// The feeds no successor covers, which is to say the cursor's entries.
    leaves: BTreeSet<FeedId>,
    /// Up to which number some other feed names a feed as its predecessor.
    covered: BTreeMap<FeedId, u64>,
}

impl Feeds {
    pub(crate) fn get(&self, feed: &FeedId) -> Option<&Feed> {
        self.known.get(feed)
    }

    /// How many feeds there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The feeds of one device.
    pub(crate) fn of_device(&self, prefix: [u8; 8]) -> impl Iterator<Item = (&FeedId, &Feed)> {
        let mut from = [0; 16];
        from[..8].copy_from_slice(&prefix);
        self.known
            .range(FeedId(from)..)
            .take_while(move |(feed, _)| feed.device_prefix() == prefix)
    }

    /// How many feeds and branches of a device no later one goes on from.
    pub(crate) fn lines_of(&self, prefix: [u8; 8]) -> u64 {
        let of_device = self.of_device(prefix);
        of_device.filter(|(id, _)| self.leaves.contains(id)).count() as u64
    }

    /// Whether branches of a feed of the device are held: it has signed different changes with one number.
    pub(crate) fn has_branches(&self, prefix: [u8; 8]) -> bool {
        self.of_device(prefix).any(|(id, _)| id.is_branch())
    }

    /// The branches of a feed that are held.
    pub(crate) fn branches_of(&self, feed: &FeedId) -> impl Iterator<Item = &FeedId> {
        let of_device = self.of_device(feed.device_prefix());
        of_device
            .filter(move |(id, branch)| branch.of == *feed && id.is_branch())
            .map(|(id, _)| id)
    }

    /// All branches that are held.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (&FeedId, &Feed)> {
        self.known.iter().filter(|(id, _)| id.is_branch())
    }

    /// Takes note that a header is held: it continues the feed or branch `id`, or begins it after `predecessor`.
    pub(crate) fn push(
        &mut self,
        id: FeedId,
        header: &Header,
        hash: Hash,
        predecessor: Option<Predecessor>,
    ) -> &Feed {
        let feed = self.known.entry(id).or_insert(Feed {
            of: header.feed,
            first: header.n,
            last: 0,
            head: Hash::ZERO,
            predecessor,
        });
        feed.last = header.n;
        feed.head = hash;
        self.cover(predecessor);
        self.place(id);
        &self.known[&id]
    }

    /// Puts back a feed that was stored.
    pub(crate) fn restore(&mut self, id: FeedId, feed: Feed) {
        let predecessor = feed.predecessor;
        self.known.insert(id, feed);
        self.cover(predecessor);
        self.place(id);
    }

    fn cover(&mut self, predecessor: Option<Predecessor>) {
        if let Some(before) = predecessor {
            let covered = self.covered.entry(before.feed).or_insert(0);
            *covered = (*covered).max(before.n);
            self.place(before.feed);
        }
    }

    /// Decides whether a feed is covered: some feed here names it as its predecessor, up to its end.
    fn place(&mut self, id: FeedId) {
        let Some(feed) = self.known.get(&id) else {
            return;
        };
        let covered = self.covered.get(&id).is_some_and(|n| *n >= feed.last);
        if covered {
            self.leaves.remove(&id);
        } else {
            self.leaves.insert(id);
        }
    }

    /// The cursor: one entry for every feed that no successor covers.
    pub(crate) fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::new();
        for id in &self.leaves {
            let feed = &self.known[id];
            cursor.set(CursorEntry {
                feed: *id,
                headers: feed.last,
                head: feed.head,
                held: RunSet::up_to(feed.last),
            });
        }
        cursor
    }

    /// What lies behind those of our leaves that a peer does not list, as far as it lists none of it either: so
    /// two copies of one folder do not send each other what they had in common.
    pub(crate) fn behind(&self, theirs: &BTreeSet<FeedId>, most: usize) -> Vec<CursorMark> {
        let mut marks = Vec::new();
        for leaf in self.leaves.difference(theirs) {
            let mut at = self.known[leaf].predecessor;
            while let Some(before) = at.take().filter(|b| !theirs.contains(&b.feed)) {
                if marks.len() == most {
                    return marks;
                }
                marks.push(CursorMark {
                    feed: before.feed,
                    headers: before.n,
                    head: before.hash.prefix(),
                    held: RunSet::up_to(before.n),
                });
                at = self
                    .known
                    .get(&before.feed)
                    .and_then(|feed| feed.predecessor);
            }
        }
        marks
    }

    /// The last envelope of each feed of a device, at most so many feeds: first those that no later one goes on from,
    /// then the feeds before them.
    pub(crate) fn cut_of(&self, device: &DeviceId, most: usize) -> Vec<EnvelopeName> {
        let mut named = BTreeMap::new();
        let leaves = self.of_device(device.prefix()).map(|(id, _)| *id);
        let leaves = leaves.filter(|id| self.leaves.contains(id));
        let mut open: VecDeque<FeedId> = leaves.collect();
        while let Some(id) = open.pop_front().filter(|_| named.len() < most) {
            if let Some(feed) = self.known.get(&id)
                && !named.contains_key(&id)
            {
                let (n, hash) = (feed.last, feed.head);
                // A branch does not count whatever a cut says.
                if !id.is_branch() {
                    named.insert(id, EnvelopeName { feed: id, n, hash });
                }
                open.extend(feed.predecessor.map(|before| before.feed));
            }
        }
        named.into_values().collect()
    }

    /// What is known of a peer, without the feeds that a later one in it covers.
    pub(crate) fn without_covered(&self, held: &BTreeMap<FeedId, u64>) -> BTreeMap<FeedId, u64> {
        let covered = |id: &FeedId, last: u64| {
            held.keys()
                .filter_map(|other| self.known.get(other))
                .any(|other| {
                    other
                        .predecessor
                        .is_some_and(|before| before.feed == *id && before.n >= last)
                })
        };
        held.iter()
            .filter(|(id, last)| !covered(id, **last))
            .map(|(id, last)| (*id, *last))
            .collect()
    }

    /// What a peer that holds `known` (feed to last number, with all that lies behind) lacks of what is here.
    pub(crate) fn missing_at(&self, known: &BTreeMap<FeedId, u64>) -> Vec<Run> {
        let mut runs = BTreeSet::new();
        for leaf in &self.leaves {
            let mut at = Some((*leaf, self.known[leaf].last));
            while let Some((id, last)) = at.take() {
                let held = known.get(&id).copied();
                let begins = self.known.get(&id).map_or(1, |feed| feed.first);
                let first = held.unwrap_or(0).saturating_add(1).max(begins); // a peer may claim anything
                if first <= last {
                    runs.insert(Run {
                        feed: id,
                        first,
                        last,
                    });
                }
                if held.is_none() {
                    let before = self.known.get(&id).and_then(|feed| feed.predecessor);
                    at = before.map(|before| (before.feed, before.n));
                }
            }
        }
        joined(runs)
    }
}

/// Two chains can share a predecessor, up to different numbers: each envelope is listed once.
fn joined(runs: BTreeSet<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.feed == run.feed && run.first <= last.last + 1 => {
                last.last = last.last.max(run.last);
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// Whether two cursors differ in feeds of one device, so that one side may know more of the other's feeds than
/// its own cursor says: then both send what they have of them.
pub(crate) fn positions_needed(ours: &BTreeSet<FeedId>, theirs: &BTreeSet<FeedId>) -> bool {
    let only_theirs: BTreeSet<[u8; 8]> =
        theirs.difference(ours).map(FeedId::device_prefix).collect();
    ours.difference(theirs)
        .any(|feed| only_theirs.contains(&feed.device_prefix()))
}

/// The feed ids of some marks.
pub(crate) fn feeds_of(marks: &[CursorMark]) -> BTreeSet<FeedId> {
    marks.iter().map(|mark| mark.feed).collect()
}
