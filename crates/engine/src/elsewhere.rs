//! What was written under this device's key and not by this folder: by a copy of it, or by itself before a backup took
//! its place.
//!
//! Every process start writes a feed of its own, so nothing is lost by that. But two folders with one key count as one
//! device, and a person should know. An envelope of this device that a peer brings, and that was never here, is noted:
//! as a setting, in the group in which the envelope becomes durable, so that the note outlives the process and the store.
//! What a repair found missing is excepted.
//!
//! A copy and a restored backup look alike from inside; what is told says so. Who calls it: sessions, status, verify.

use std::collections::BTreeMap;
use std::fmt;

use driftless_protocol::{Envelope, FeedId};
use driftless_store::{KeyBuilder, KeyReader, Visit};

use crate::clock::Millis;
use crate::core::Core;
use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;
use crate::space::{self, Space};

/// What the settings begin with that say what came of a feed of this device; the feed follows.
const ELSEWHERE_NOTE: &str = "elsewhere/";
/// The setting that says where a folder was copied from.
const COPIED_NOTE: &str = "copied-from";
const FORMAT: u8 = 1;

/// What was written under this device's key, and not by this folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenElsewhere {
    /// The feeds, the one that was seen last first; at most 16 of them.
    pub feeds: Vec<ElsewhereFeed>,
    /// How many feeds there are.
    pub feed_count: u64,
    /// How many changes came.
    pub changes: u64,
    /// How many of these go on beside what this folder wrote; it has gone on from the others.
    pub changes_beside: u64,
    /// When the first of them came, by this device's clock.
    pub first_seen_ms: Millis,
    /// When the last of them came.
    pub last_seen_ms: Millis,
    /// Whether some have numbers that this folder had used itself: an image of the machine's memory ran twice.
    pub numbers_used_twice: bool,
    /// Whether the journal was damaged and repaired, so that some may have been lost then.
    pub was_repaired: bool,
}

/// What came of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElsewhereFeed {
    /// The feed.
    pub feed: FeedId,
    /// The number of the first envelope that came.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// Their changes.
    pub changes: u64,
    /// When the first one came, by this device's clock.
    pub first_seen_ms: Millis,
    /// When the last one came.
    pub last_seen_ms: Millis,
    /// Whether it goes on beside what this folder wrote.
    pub is_beside: bool,
}

/// That a folder is not the one that was last open with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedFolder {
    /// The path of the folder that was; none where it is not known.
    pub from: Option<String>,
    /// Whether that folder was still there: then this one is a copy.
    pub was_there: bool,
    /// When that was noticed, by this device's clock; none where nobody has opened the folder since.
    pub seen_ms: Option<Millis>,
}

/// What is kept of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// 0 where a person has read of them.
    pub(crate) changes: u64,
    pub(crate) first_seen_ms: Millis,
    pub(crate) last_seen_ms: Millis,
}

impl Arrived {
    pub(crate) fn encode(&self) -> Vec<u8> {
        KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u64(self.first)
            .push_u64(self.last)
            .push_u64(self.changes)
            .push_i64(self.first_seen_ms)
            .push_i64(self.last_seen_ms)
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        check_format(reader.take_u8()?)?;
        let arrived = Self {
            first: reader.take_u64()?,
            last: reader.take_u64()?,
            changes: reader.take_u64()?,
            first_seen_ms: reader.take_i64()?,
            last_seen_ms: reader.take_i64()?,
        };
        reader.finish()?;
        Ok(arrived)
    }

    /// Both, of which `later` came later.
    fn and(self, later: Self) -> Self {
        if self.changes == 0 {
            return later;
        }
        Self {
            last: later.last,
            changes: self.changes.saturating_add(later.changes),
            last_seen_ms: later.last_seen_ms,
            ..self
        }
    }
}

fn check_format(format: u8) -> Result<(), EngineError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(EngineError::store_damaged(
        "a note of what was written elsewhere has another format",
    ))
}

impl CopiedFolder {
    /// Of a folder that nobody has opened yet since it was copied.
    pub fn unopened(from: Option<String>, is_there: bool) -> Self {
        Self {
            from,
            was_there: is_there,
            seen_ms: None,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u8(u8::from(self.was_there))
            .push_i64(self.seen_ms.unwrap_or_default())
            .push_str(self.from.as_deref().unwrap_or_default())
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        check_format(reader.take_u8()?)?;
        let was_there = reader.take_u8()? != 0;
        let seen_ms = Some(reader.take_i64()?);
        let from = Some(reader.take_string()?).filter(|from| !from.is_empty());
        reader.finish()?;
        Ok(Self {
            from,
            was_there,
            seen_ms,
        })
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        if self.was_there {
            ONE_OF_TWO
        } else {
            "If there is another folder with this device's key, use one of them only. If this one was moved or restored, there is nothing to do."
        }
    }
}

const ONE_OF_TWO: &str = "Use one of the two folders only, and let the other join as a device of its own: `driftless invite`, and `driftless join` in a new folder. Nothing is lost: sync both before.";

impl WrittenElsewhere {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        if self.numbers_used_twice {
            "Let one of the two runs of this machine join as a device of its own: `driftless invite`, and `driftless join` in a new folder. What does not count is in the quarantine."
        } else {
            "If another folder with this device's key is in use, use one of them only, and let the other join as a device of its own: `driftless invite`, and `driftless join` in a new folder. If this folder was restored, there is nothing to do. Nothing is lost either way."
        }
    }
}

impl fmt::Display for WrittenElsewhere {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = match self.changes {
            1 => "1 change".to_owned(),
            changes => format!("{changes} changes"),
        };
        let repaired = if self.was_repaired {
            ", or they were lost here when the journal was damaged"
        } else {
            ""
        };
        if self.numbers_used_twice {
            write!(
                f,
                "{changes} came back that were written with this device's key, some under numbers that it had used itself: \
                 an image of this machine's memory ran twice"
            )
        } else if self.changes_beside == 0 {
            write!(
                f,
                "{changes} came back that were written with this device's key and that this folder did not have: \
                 it was restored from an older state, or a copy of it wrote them{repaired}"
            )
        } else {
            write!(
                f,
                "{changes} came that were written with this device's key and not by this folder, {} of them beside its own: \
                 by a copy of it, or by itself before it was restored from an older state{repaired}",
                self.changes_beside
            )
        }
    }
}

impl fmt::Display for CopiedFolder {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match &self.from {
            Some(from) => format!("was last open as {from}"),
            None => "was last open elsewhere".to_owned(),
        };
        if self.was_there {
            write!(
                f,
                "this folder is a copy: what it holds {from}, and that folder was still there"
            )
        } else {
            write!(
                f,
                "this folder was copied, restored from a backup or moved to another disk: what it holds {from}"
            )
        }
    }
}

impl Replica {
    /// What was written under this device's key and not by this folder, as far as nobody has read of it.
    pub fn written_elsewhere(&self) -> Result<Option<WrittenElsewhere>, EngineError> {
        self.core.written_elsewhere(self.journal.has_gaps())
    }

    /// Where this folder was copied from, if it was and nobody has read of it.
    pub fn copied_folder(&self) -> Result<Option<CopiedFolder>, EngineError> {
        self.core.copied_folder()
    }

    /// Keeps that what is here was last open in another folder. Durable when this returns.
    pub fn note_copied(&mut self, from: Option<String>, is_there: bool) -> Result<(), EngineError> {
        let copied = CopiedFolder {
            from,
            was_there: is_there,
            seen_ms: Some(self.now()),
        };
        self.set_setting(COPIED_NOTE, &copied.encode())?;
        self.commit_group()
    }

    /// A person has read what there was to tell: it is not told again, and what comes later is.
    pub fn dismiss_elsewhere(&mut self) -> Result<(), EngineError> {
        for (feed, arrived) in self.core.arrived()? {
            let read = Arrived {
                changes: 0,
                ..arrived
            };
            self.set_setting(&note_of(&feed), &read.encode())?;
        }
        if self.core.copied_folder()?.is_some() {
            self.set_setting(COPIED_NOTE, &[])?;
        }
        Ok(())
    }

    /// Whether an envelope that a peer brings was written with this device's key, and was never here. To be asked before
    /// it is staged.
    pub(crate) fn is_from_elsewhere(
        &self,
        feed: &FeedId,
        envelope: &Envelope,
    ) -> Result<bool, EngineError> {
        let n = envelope.header().n;
        Ok(envelope.header().feed.belongs_to(&self.core.device)
            && !self.core.waiting.waits_from(feed, n)
            && self.lost_upto(feed)?.is_none_or(|last| n > last))
    }

    /// Remembers such an envelope until the group becomes durable.
    pub(crate) fn take_from_elsewhere(&mut self, feed: FeedId, envelope: &Envelope, now: Millis) {
        let items = envelope.items();
        let changes = items
            .iter()
            .map(|(_, item, _)| item.last_seq - item.first_seq + 1);
        let n = envelope.header().n;
        let came = Arrived {
            first: n,
            last: n,
            changes: changes.sum::<u64>().max(1),
            first_seen_ms: now,
            last_seen_ms: now,
        };
        let known = self.arrived.get(&feed);
        let arrived = known.map_or(came, |known| known.and(came));
        self.arrived.insert(feed, arrived);
    }

    /// Stages what came of this device's feeds as settings.
    pub(crate) fn note_arrived(&mut self) -> Result<(), EngineError> {
        for (feed, came) in std::mem::take(&mut self.arrived) {
            let name = note_of(&feed);
            let known = self.setting(&name)?;
            let known = known.map(|known| Arrived::decode(&known)).transpose()?;
            let arrived = known.map_or(came, |known| known.and(came));
            self.set_setting(&name, &arrived.encode())?;
        }
        Ok(())
    }
}

fn note_of(feed: &FeedId) -> String {
    format!("{ELSEWHERE_NOTE}{feed}")
}

impl Core {
    pub(crate) fn copied_folder(&self) -> Result<Option<CopiedFolder>, EngineError> {
        let note = self.base.get(&self.keys.note(COPIED_NOTE))?;
        let note = note.filter(|note| !note.is_empty());
        note.map(|note| CopiedFolder::decode(&note)).transpose()
    }

    pub(crate) fn written_elsewhere(
        &self,
        was_repaired: bool,
    ) -> Result<Option<WrittenElsewhere>, EngineError> {
        let mut arrived = self.arrived()?;
        arrived.retain(|_, arrived| arrived.changes > 0);
        if arrived.is_empty() {
            return Ok(None);
        }
        let own = self.own_chain();
        let mut told = WrittenElsewhere {
            feed_count: arrived.len() as u64,
            first_seen_ms: Millis::MAX,
            last_seen_ms: Millis::MIN,
            was_repaired,
            ..WrittenElsewhere::default()
        };
        for (feed, came) in arrived {
            let is_beside = own.get(&feed).is_none_or(|last| came.last > *last);
            told.changes += came.changes;
            told.changes_beside += if is_beside { came.changes } else { 0 };
            told.first_seen_ms = told.first_seen_ms.min(came.first_seen_ms);
            told.last_seen_ms = told.last_seen_ms.max(came.last_seen_ms);
            told.numbers_used_twice |= feed.is_branch();
            told.feeds.push(ElsewhereFeed {
                feed,
                first: came.first,
                last: came.last,
                changes: came.changes,
                first_seen_ms: came.first_seen_ms,
                last_seen_ms: came.last_seen_ms,
                is_beside,
            });
        }
        told.feeds
            .sort_by_key(|feed| (std::cmp::Reverse(feed.last_seen_ms), feed.feed));
        told.feeds.truncate(limits::ELSEWHERE_FEEDS_TOLD);
        Ok(Some(told))
    }

    /// What came of each feed of this device that this folder did not write.
    fn arrived(&self) -> Result<BTreeMap<FeedId, Arrived>, EngineError> {
        let mut found = BTreeMap::new();
        let mut result = Ok(());
        let space = self.keys.space(Space::Note);
        self.base.scan(&space, &[], &mut |key, value| {
            let note = space::note_of(key).map_err(EngineError::from);
            let read = note.and_then(|name| {
                let feed = name.strip_prefix(ELSEWHERE_NOTE);
                if let Some(feed) = feed.and_then(|feed| feed.parse().ok()) {
                    found.insert(feed, Arrived::decode(value)?);
                }
                Ok(())
            });
            match read {
                Ok(()) => Visit::Continue,
                Err(error) => {
                    result = Err(error);
                    Visit::Stop
                }
            }
        })?;
        result.map(|()| found)
    }

    /// What this folder last wrote to, and all feeds that it goes on from, each with the number up to which it does.
    fn own_chain(&self) -> BTreeMap<FeedId, u64> {
        let mut chain = BTreeMap::new();
        let own = self.state.own_feed;
        let mut at = own.and_then(|own| Some((own, self.feeds.get(&own)?.last)));
        while let Some((feed, n)) = at.filter(|(feed, _)| !chain.contains_key(feed)) {
            chain.insert(feed, n);
            let before = self.feeds.get(&feed).and_then(|feed| feed.predecessor);
            at = before.map(|before| (before.feed, before.n));
        }
        chain
    }
}
