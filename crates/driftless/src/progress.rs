//! [`Progress`]: how far long work is.

/// How far long work is, or an event in it that a person should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The store is not what it should be: it was set aside and is derived again from the journal.
    StoreSetAside {
        /// The whole sentence: which store, and what is wrong with it.
        reason: String,
    },
    /// The journal is read to bring the store up to date, or to make it anew.
    Replaying {
        /// Bytes of the journal that are done.
        done_bytes: u64,
        /// Bytes there are.
        total_bytes: u64,
    },
    /// Everything is derived again and compared.
    Verifying {
        /// Bytes of the journal that are done.
        done_bytes: u64,
        /// Bytes there are.
        total_bytes: u64,
    },
    /// The store is copied into a fresh one because somebody asked for it.
    Rewriting {
        /// Bytes of keys and values that are copied.
        done_bytes: u64,
        /// Bytes there are.
        total_bytes: u64,
    },
    /// A sync is on its way.
    Syncing {
        /// Records received so far.
        records_received: u64,
        /// Records sent so far.
        records_sent: u64,
    },
    /// Many entries of the conflict log are being decided.
    Deciding {
        /// Entries that are decided, durably.
        decided: u64,
        /// Entries that were left as they are.
        skipped: u64,
    },
    /// An import has written a block.
    Importing {
        /// Rows that are durable.
        rows: u64,
    },
}
