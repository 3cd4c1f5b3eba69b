//! [`Commit`]: a write that is durable here, and how far it has come since.

use driftless_document::Version;
use driftless_engine::{RecordKey, Replica, SyncState};
use driftless_protocol::FeedId;

use crate::actor::{Actor, Condition, WeakActor};
use crate::error::Error;

/// A write that is durable on this device; keeping it keeps no database open.
#[derive(Clone)]
#[non_exhaustive]
pub struct Commit {
    /// The number of the last change of this device, this one included.
    pub seq: u64,
    /// The record's version after it.
    pub version: Version,
    /// False where the write would have changed nothing, and so made no change.
    pub changed: bool,
    envelope: Option<(FeedId, u64)>,
    key: RecordKey,
    actor: WeakActor,
}

/// How far a write can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// It is durable on this device.
    Local,
    /// Some other device has acknowledged that it holds it durably, and has not refused it.
    Peer,
}

impl Commit {
    pub(crate) fn new(actor: &Actor, commit: driftless_engine::Commit, key: RecordKey) -> Self {
        Self {
            seq: commit.seq,
            version: commit.version,
            changed: commit.changed,
            envelope: commit.envelope,
            key,
            actor: actor.downgrade(),
        }
    }

    /// Waits until the write has come so far; an error says that the database was closed before.
    ///
    /// A write that changed nothing has come as far as all that was written to its record before. Waiting sends
    /// nothing: that is up to connections. Dropping the future gives the waiting up and nothing else.
    pub async fn reached(&self, reach: Reach) -> Result<(), Error> {
        match reach {
            Reach::Local => Ok(()),
            Reach::Peer => {
                let answered = {
                    let actor = self.actor.upgrade()?;
                    actor.when(self.is_at_a_peer()).await?
                };
                answered.await.map_err(|_| Error::closed())
            }
        }
    }

    fn is_at_a_peer(&self) -> Condition {
        if let Some((feed, n)) = self.envelope {
            return Box::new(move |replica: &Replica| replica.is_held_by_peer(&feed, n));
        }
        let key = self.key.clone();
        Box::new(move |replica: &Replica| {
            let sync = replica.record_sync(&key.collection, key.record);
            // What cannot be read now is asked again with the next news.
            sync.is_ok_and(|sync| sync.state == SyncState::Synced)
        })
    }
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commit")
            .field("seq", &self.seq)
            .field("version", &self.version)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}
