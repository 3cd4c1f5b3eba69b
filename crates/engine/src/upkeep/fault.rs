//! [`Fault`]: one thing that is wrong, where it is, and what mends it.

use std::fmt;

use driftless_document::RecordId;
use driftless_protocol::FeedId;
use driftless_store::JournalFault;

use crate::types::RecordKey;

/// Which part of what is stored is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultPart {
    /// The files of the journal.
    Journal,
    /// An envelope in it.
    Envelope,
    /// A membership record in it.
    Membership,
    /// The store as a whole, or a value of it that names no part below.
    Store,
    /// A record's row.
    Row,
    /// A record's document.
    Document,
    /// The conflict log.
    Conflict,
    /// A list that says where something is.
    Index,
    /// The device key.
    Key,
}

/// What mends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultRemedy {
    /// Bringing the device's own key back: without it the folder does not open.
    BringKey,
    /// Bringing the folder back from a copy, or joining again: a repair cannot succeed.
    Rejoin,
    /// `driftless repair`: what is whole is kept, what is damaged comes back from another device.
    Repair,
    /// `driftless rebuild`: nothing is lost.
    Rebuild,
    /// Syncing with a device that has what is missing here.
    Sync,
}

/// One thing that is wrong with what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Which part it is.
    pub part: FaultPart,
    /// What is wrong, as the end of a sentence that begins with the place.
    pub what: String,
    /// What mends it.
    pub remedy: FaultRemedy,
    /// The file, below the device's folder.
    pub file: Option<String>,
    /// Byte in the file; in a packed segment, in what it unpacks to.
    pub offset: Option<u64>,
    /// The feed of the envelope it is about.
    pub feed: Option<FeedId>,
    /// The number of that envelope.
    pub n: Option<u64>,
    /// The collection of the record it is about.
    pub collection: Option<String>,
    /// That record.
    pub record: Option<RecordId>,
}

impl FaultPart {
    /// A stable name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Envelope => "envelope",
            Self::Membership => "membership",
            Self::Store => "store",
            Self::Row => "row",
            Self::Document => "document",
            Self::Conflict => "conflict",
            Self::Index => "index",
            Self::Key => "key",
        }
    }
}

impl FaultRemedy {
    /// A stable name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BringKey => "bring_key",
            Self::Rejoin => "rejoin",
            Self::Repair => "repair",
            Self::Rebuild => "rebuild",
            Self::Sync => "sync",
        }
    }

    /// What a person does.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::BringKey => {
                "Bring the folder's own key back from a copy, or join the workspace again in a new folder: what is stored is untouched."
            }
            Self::Rejoin => {
                "Bring the folder back from a copy, or join the workspace again in a new folder, and keep this one: what was never synced is nowhere else."
            }
            Self::Repair => {
                "Run `driftless repair`: it keeps all that is whole, and what is damaged comes back with the next sync."
            }
            Self::Rebuild => {
                "Run `driftless rebuild`: the store is derived from the journal again, and nothing is lost."
            }
            Self::Sync => "Sync with a device that has what is missing.",
        }
    }
}

impl Fault {
    pub(crate) fn new(part: FaultPart, remedy: FaultRemedy, what: impl Into<String>) -> Self {
        Self {
            part,
            what: what.into(),
            remedy,
            file: None,
            offset: None,
            feed: None,
            n: None,
            collection: None,
            record: None,
        }
    }

    /// Something wrong with the store's files, below the device's folder.
    pub fn of_store(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            file: Some(file.into()),
            ..Self::new(FaultPart::Store, FaultRemedy::Rebuild, what)
        }
    }

    /// Something wrong with the device key.
    pub fn of_key(what: impl Into<String>) -> Self {
        Self::new(FaultPart::Key, FaultRemedy::BringKey, what)
    }

    pub(crate) fn of_journal(fault: &JournalFault) -> Self {
        Self {
            file: Some(format!("journal/{}", fault.file)),
            offset: Some(fault.offset.into()),
            ..Self::new(
                FaultPart::Journal,
                FaultRemedy::Repair,
                fault.damage.to_string(),
            )
        }
    }

    pub(crate) fn about(mut self, record: Option<RecordKey>) -> Self {
        if let Some(key) = record {
            self.collection = Some(key.collection);
            self.record = Some(key.record);
        }
        self
    }

    pub(crate) fn of_envelope(mut self, feed: FeedId, n: u64) -> Self {
        self.feed = Some(feed);
        self.n = Some(n);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some(offset) = self.offset {
                write!(f, ", byte {offset}")?;
            }
            f.write_str(": ")?;
        }
        if let (Some(feed), Some(n)) = (&self.feed, self.n) {
            write!(f, "envelope {n} of feed {feed}: ")?;
        }
        if let (Some(collection), Some(record)) = (&self.collection, &self.record) {
            write!(f, "record {record} of `{collection}`: ")?;
        }
        f.write_str(&self.what)
    }
}
