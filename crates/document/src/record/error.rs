//! Why stored bytes are no record, and why an admitted change does not apply.

use crate::ids::ChangeHash;

/// Why stored bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are more than a record may take.
    #[error("a stored record of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// They claim to hold more than so many bytes may.
    #[error("a stored record claims {count} {what}, the limit for its length is {limit}")]
    OverLimit {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Automerge does not read them.
    #[error("a stored record does not load: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// The document is whole, but of other changes than expected.
    #[error("a stored record has other heads than its row says")]
    OtherHeads,
    /// The record was asked for as it was at a change that it does not have.
    #[error("the record has no change {hash}")]
    NoSuchChange {
        /// The change.
        hash: ChangeHash,
    },
}

/// Why an admitted change could not be applied: always our fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Automerge refused or panicked.
    #[error("the admitted change {hash} does not apply: {reason}")]
    Fails {
        /// The change.
        hash: ChangeHash,
        /// What happened.
        reason: String,
    },
    /// It was applied, but reads back otherwise.
    #[error("the admitted change {hash} does not read back as it was")]
    ReadsBackOtherwise {
        /// The change.
        hash: ChangeHash,
    },
}
