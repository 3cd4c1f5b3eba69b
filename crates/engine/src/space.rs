//! Where things lie in the store: one byte names the space, tuples follow.
//!
//! Every key begins with the workspace's id. Values are tuples in the same order-preserving encoding, behind
//! a format byte; rows and conflict entries have encodings of their own in `driftless-document`.

use driftless_document::{ChangeHash, EntryId, RecordId};
use driftless_protocol::{FeedId, Hash, WorkspaceId};
use driftless_store::{KeyBuilder, KeyError, KeyReader};

use crate::core::TakenBack;
use crate::quarantine::EnvelopeId;
use crate::types::RecordKey;

/// The parts of the store.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Space {
    /// How far the journal is applied, and the counters.
    State = 1,
    /// Membership record by hash.
    Member = 2,
    /// Feed by id.
    Feed = 3,
    /// Where an envelope lies, by feed and number.
    Envelope = 4,
    /// Row by collection and record.
    Row = 5,
    /// Saved document (0) and loose changes (1..), by collection and record.
    Document = 6,
    /// Conflict entries by collection and record.
    Conflict = 7,
    /// Record by the id or alias of an entry.
    Alias = 8,
    /// Committed change by sequence number.
    Commit = 9,
    /// Refused envelope by feed and number.
    Quarantine = 10,
    /// Refused envelope, and what was taken back below it, by the hash of a change in it.
    RefusedChange = 11,
    /// Local setting by name.
    Note = 12,
    /// Stretch of a feed in a packed segment, by feed and its first number.
    PackedEnvelopes = 13,
    /// Stretch of committed changes in a packed segment, by its first sequence number.
    PackedCommits = 14,
    /// Whether a take-back counts, by the envelope that is taken back: feed, number, hash.
    TakeBack = 15,
    /// Envelope that is applied and void, by feed and number: why.
    Void = 16,
    /// The hashes of a record's void changes, each with why, by collection and record.
    VoidChanges = 17,
    /// The membership heads that an envelope names, where they know of a removal: by feed and number, and by the hash of
    /// each of its changes.
    Known = 18,
    /// Envelope that this folder wrote and an accusation takes away: to be issued again; by feed or branch and number.
    Lost = 19,
    /// Where an envelope lies that rests on what is gone from the journal: by feed, number and hash.
    Waiting = 20,
    /// The same of a membership record, by hash.
    WaitingRecord = 21,
    /// Envelope that its device has issued again, and what counts in its place: feed, number, hash.
    Reissued = 22,
}

/// The keys of one workspace.
#[derive(Clone, Copy)]
pub(crate) struct Keys(pub(crate) WorkspaceId);

impl Keys {
    fn begin(self, space: Space) -> KeyBuilder {
        KeyBuilder::new().push_fixed(&self.0.0).push_u8(space as u8)
    }

    pub(crate) fn space(self, space: Space) -> Vec<u8> {
        self.begin(space).finish()
    }

    pub(crate) fn member(self, hash: &Hash) -> Vec<u8> {
        self.begin(Space::Member).push_fixed(&hash.0).finish()
    }

    pub(crate) fn feed(self, feed: &FeedId) -> Vec<u8> {
        self.begin(Space::Feed).push_fixed(&feed.0).finish()
    }

    pub(crate) fn numbered(self, space: Space, feed: &FeedId, n: u64) -> Vec<u8> {
        self.begin(space).push_fixed(&feed.0).push_u64(n).finish()
    }

    pub(crate) fn take_back(self, named: &TakenBack) -> Vec<u8> {
        self.named(Space::TakeBack, named)
    }

    pub(crate) fn reissued(self, named: &TakenBack) -> Vec<u8> {
        self.named(Space::Reissued, named)
    }

    fn named(self, space: Space, named: &TakenBack) -> Vec<u8> {
        self.begin(space)
            .push_fixed(&named.id.feed.0)
            .push_u64(named.id.n)
            .push_fixed(&named.hash.0)
            .finish()
    }

    pub(crate) fn collection(self, space: Space, collection: &str) -> Vec<u8> {
        self.begin(space).push_str(collection).finish()
    }

    pub(crate) fn record(self, space: Space, key: &RecordKey) -> Vec<u8> {
        self.begin(space)
            .push_str(&key.collection)
            .push_fixed(&key.record.0)
            .finish()
    }

    pub(crate) fn document(self, key: &RecordKey, part: u8) -> Vec<u8> {
        KeyBuilder::after(&self.record(Space::Document, key))
            .push_u8(part)
            .finish()
    }

    pub(crate) fn alias(self, entry: &EntryId) -> Vec<u8> {
        self.begin(Space::Alias).push_fixed(&entry.0).finish()
    }

    pub(crate) fn commit(self, seq: u64) -> Vec<u8> {
        self.begin(Space::Commit).push_u64(seq).finish()
    }

    pub(crate) fn packed_commits(self, first: u64) -> Vec<u8> {
        self.begin(Space::PackedCommits).push_u64(first).finish()
    }

    /// Changes of two records may be equal, byte for byte.
    pub(crate) fn refused_change(self, key: &RecordKey, change: &ChangeHash) -> Vec<u8> {
        KeyBuilder::after(&self.record(Space::RefusedChange, key))
            .push_fixed(&change.0)
            .finish()
    }

    pub(crate) fn known_by(self, change: &ChangeHash) -> Vec<u8> {
        self.begin(Space::Known).push_fixed(&change.0).finish()
    }

    pub(crate) fn note(self, name: &str) -> Vec<u8> {
        self.begin(Space::Note).push_str(name).finish()
    }
}

/// Reads what follows workspace and space in a key.
fn after_space(key: &[u8]) -> Result<KeyReader<'_>, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.take_fixed::<16>()?;
    reader.take_u8()?;
    Ok(reader)
}

/// The collection and record a key of a record's space names.
pub(crate) fn record_of(key: &[u8]) -> Result<RecordKey, KeyError> {
    let mut reader = after_space(key)?;
    let collection = reader.take_string()?;
    let record = RecordId(reader.take_fixed()?);
    Ok(RecordKey { collection, record })
}

/// The feed and number a key names.
pub(crate) fn numbered_of(key: &[u8]) -> Result<(FeedId, u64), KeyError> {
    let mut reader = after_space(key)?;
    let feed = FeedId(reader.take_fixed()?);
    Ok((feed, reader.take_u64()?))
}

/// The envelope that a key names with its hash.
pub(crate) fn envelope_of(key: &[u8]) -> Result<TakenBack, KeyError> {
    let mut reader = after_space(key)?;
    let id = EnvelopeId {
        feed: FeedId(reader.take_fixed()?),
        n: reader.take_u64()?,
    };
    let hash = Hash(reader.take_fixed()?);
    Ok(TakenBack { id, hash })
}

/// The feed, number and hash a key of the waiting space names.
pub(crate) fn waiting_of(key: &[u8]) -> Result<(FeedId, u64, Hash), KeyError> {
    let mut reader = after_space(key)?;
    let feed = FeedId(reader.take_fixed()?);
    let n = reader.take_u64()?;
    Ok((feed, n, Hash(reader.take_fixed()?)))
}

/// The hash a key of the waiting records names.
pub(crate) fn waiting_record_of(key: &[u8]) -> Result<Hash, KeyError> {
    Ok(Hash(after_space(key)?.take_fixed()?))
}

/// The feed a key names.
pub(crate) fn feed_of(key: &[u8]) -> Result<FeedId, KeyError> {
    Ok(FeedId(after_space(key)?.take_fixed()?))
}

/// The number a key of the commit space names.
pub(crate) fn seq_of(key: &[u8]) -> Result<u64, KeyError> {
    after_space(key)?.take_u64()
}

/// The name a key of the note space names.
pub(crate) fn note_of(key: &[u8]) -> Result<String, KeyError> {
    after_space(key)?.take_string()
}
