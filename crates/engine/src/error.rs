//! Why a replica did not do what was asked.

use driftless_document::{
    ApplyError, DecodeError, HistoryError, LoadError, PathError, Refusal, WriteError,
};
use driftless_protocol::Code;
use driftless_store::{JournalError, KeyError, KvError};

use crate::quarantine::EnvelopeId;
use crate::types::ConflictView;

/// Why a replica did not do what was asked. Nothing was written, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no such record, entry or collection.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
    },
    /// The name fits several.
    #[error("`{name}` fits {count} {what}s")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
        /// How many it fits.
        count: usize,
    },
    /// The record is deleted.
    #[error("the record {name} is deleted")]
    Deleted {
        /// Its id.
        name: String,
    },
    /// The name of a collection is empty, too long or reserved.
    #[error("`{name}` cannot be the name of a collection: {reason}")]
    CollectionName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The name of a device is empty or too long.
    #[error("a device's name has 1 to {limit} characters, and no control characters")]
    DeviceName {
        /// The most characters.
        limit: usize,
    },
    /// The history of the record has no such version or change, or several.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A field's path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The edit does not fit into a change.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// More than fits into one transaction.
    #[error("the transaction has {count} {what}, the limit is {limit}; write it in smaller parts")]
    TooMuch {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// One block or transaction names a record twice.
    #[error("the record {name} is named twice in one block")]
    NamedTwice {
        /// Its id.
        name: String,
    },
    /// The entry is decided already.
    #[error("the conflict {} is closed already", .current.entry.id)]
    ConflictClosed {
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// The entry is not decided: there is nothing to undo.
    #[error("the conflict {} is open: there is no decision to undo", .current.entry.id)]
    ConflictOpen {
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// The entry has grown, or was decided otherwise, since it was read.
    #[error("the conflict {} has grown since it was read", .current.entry.id)]
    ConflictGrown {
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// The entry has fewer candidates.
    #[error("the conflict {} has {count} candidates, counted from 0: there is no {wanted}", .current.entry.id)]
    NoSuchCandidate {
        /// The candidate that was asked for.
        wanted: usize,
        /// How many there are.
        count: usize,
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// The decision does not fit the kind of entry.
    #[error("the conflict {} is not decided by such a value, but by {takes} of its candidates", .current.entry.id)]
    DecisionDoesNotFit {
        /// What decides it.
        takes: &'static str,
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// The entry's register cannot hold what both sides want.
    #[error("both sides of the conflict {} cannot stand: {reason}", .current.entry.id)]
    BothCannotStand {
        /// Why not.
        reason: &'static str,
        /// What can be done.
        remedy: &'static str,
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// None of an entry's candidates is what a rule asks for.
    #[error("the conflict {} is left open: {reason}", .current.entry.id)]
    NoCandidateFits {
        /// What none is.
        reason: &'static str,
        /// The entry as it stands.
        current: Box<ConflictView>,
    },
    /// A note is too long.
    #[error("the note has {chars} characters, the limit is {limit}")]
    NoteTooLong {
        /// Its characters.
        chars: usize,
        /// The most.
        limit: usize,
    },
    /// This device may not do that.
    #[error("{action} is not allowed: {reason}")]
    NotAllowed {
        /// What.
        action: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// What was to be discarded cannot be.
    #[error("{id} cannot be discarded: {reason}")]
    NotDiscardable {
        /// The envelope.
        id: EnvelopeId,
        /// Why not.
        reason: &'static str,
    },
    /// What was to be adopted cannot be.
    #[error("{id} cannot be adopted: it is refused for what it is ({code})")]
    NotAdoptable {
        /// The envelope.
        id: EnvelopeId,
        /// Why it is refused.
        code: Code,
    },
    /// What was to be written again is none of that.
    #[error(
        "{id} cannot be written again: it is no change of this device that a branch takes away, was written again, or rests on what is not here"
    )]
    NotReissuable {
        /// The envelope.
        id: EnvelopeId,
    },
    /// A local change that we made does not pass our own admission: a bug.
    #[error("a change made here was refused here: {0}")]
    OwnChangeRefused(#[source] Refusal),
    /// An admitted change does not apply: a bug; the record stays at its last good state.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The store is not what the journal says: it must be rebuilt.
    #[error("the store is damaged: {reason}")]
    StoreDamaged {
        /// What is wrong.
        reason: String,
    },
    /// The journal ends before what the store had applied of it: acknowledged writes are gone from it. The store
    /// must be rebuilt, and what is gone can only come back from a device that had synced it.
    #[error(
        "the journal ends at {end}, and the store had applied it up to {applied}: acknowledged writes are gone from the journal"
    )]
    JournalShort {
        /// How far the store had applied it.
        applied: driftless_store::Position,
        /// Where it ends.
        end: driftless_store::Position,
    },
    /// The journal holds something that does not follow from what precedes it.
    #[error("the journal is damaged: {reason}")]
    JournalDamaged {
        /// What is wrong.
        reason: String,
    },
    /// The key is not that of the device whose folder it is.
    #[error(
        "this is not the key that the folder's device{} was let in with{}",
        .owner.as_ref().map_or_else(String::new, |name| format!(" `{name}`")),
        .of.as_ref().map_or_else(
            || ", and no member's".to_owned(),
            |name| format!(", but that of `{name}`"),
        )
    )]
    OtherKey {
        /// The name of the device, where it is known.
        owner: Option<String>,
        /// The name of the member whose key it is.
        of: Option<String>,
    },
    /// A membership record is gone without which nobody can tell what the rest of the journal means.
    #[error("{what} is gone from the journal, and the store does not know it either")]
    MembershipLost {
        /// Which record it is.
        what: &'static str,
    },
    /// The journal holds no workspace.
    #[error("there is no workspace here")]
    NoWorkspace,
    /// A peer's message was refused.
    #[error("{}", .code.sentence())]
    Peer {
        /// Why.
        code: Code,
        /// More about it, for logs.
        detail: String,
    },
    /// A commit failed earlier: the replica must be opened again.
    #[error("an earlier write failed; the folder must be opened again")]
    Broken,
}

impl EngineError {
    pub(crate) fn peer(code: Code, detail: impl Into<String>) -> Self {
        Self::Peer {
            code,
            detail: detail.into(),
        }
    }

    pub(crate) fn store_damaged(reason: impl Into<String>) -> Self {
        Self::StoreDamaged {
            reason: reason.into(),
        }
    }
}

impl From<KeyError> for EngineError {
    fn from(error: KeyError) -> Self {
        Self::store_damaged(format!("a key or value does not read: {error}"))
    }
}

impl From<DecodeError> for EngineError {
    fn from(error: DecodeError) -> Self {
        Self::store_damaged(error.to_string())
    }
}

impl From<LoadError> for EngineError {
    fn from(error: LoadError) -> Self {
        Self::store_damaged(error.to_string())
    }
}
