//! A replica of Driftless as a state machine: commits, merges, the conflict log, feeds, membership and sessions.
//!
//! The journal's signed changes are the truth; [`Replica`] keeps everything else as a pure function of them, in
//! one atomic batch a group of writes. No clock, no socket, no thread: time and randomness are passed in, what
//! is to be sent is drained.
//!
//! Who calls it: the `driftless` crate, which owns the thread and the sockets, and the simulator.

mod base;
mod clock;
mod commit;
mod conflicts;
mod core;
mod discard;
mod documents;
mod draft;
mod draft_steps;
mod edits;
mod elsewhere;
mod error;
mod export;
mod feeds;
#[cfg(test)]
mod golden_tests;
mod history;
mod invites;
pub mod limits;
mod members;
mod membership;
mod outbox;
mod owner;
mod pack;
mod packing;
mod peers;
mod quarantine;
mod record_ids;
mod records;
mod reissue;
mod replica;
mod rules;
mod session;
mod space;
mod status;
mod touched;
mod types;
mod upkeep;
mod used_twice;
mod waiting;

pub use clock::{Clock, Millis};
pub use conflicts::{
    BulkRule, BulkSkipped, BulkStep, ConflictChange, ConflictFilter, ConflictNews, ConflictPage,
    ConflictPosition, ConflictPositionError, ConflictWatch, Decision, Deed, Explanation, Fate,
    HotField, Insight, InsightCount, MemberPage, Outlook, Suggestion, came_about_ms,
};
pub use discard::Discarded;
pub use draft::{Draft, DraftApplied, DraftError, DraftRecord, DraftSkipped};
pub use draft_steps::DraftSteps;
pub use elsewhere::{CopiedFolder, ElsewhereFeed, WrittenElsewhere};
pub use error::EngineError;
pub use members::Adopted;
pub use outbox::{OutboxItem, OutboxPeer, PeerState};
pub use owner::check_device;
pub use pack::history_codec;
pub use quarantine::{
    EnvelopeId, EnvelopeIdError, ItemPage, ItemState, QuarantineItem, Retried, VoidItem, WaitsFor,
};
pub use replica::{Parts, Replica};
pub use rules::{RulesExplanation, RulesReport, RulesSummary};
pub use session::{
    DismissedSessions, JoinOutput, Joiner, SessionFailure, SessionId, SessionOutput, SessionStart,
    SessionSummary, Side, SyncProgress, Wishes,
};
pub use types::{
    ChangeEvent, Commit, ConflictView, DeviceName, DigestReport, Edit, Filter, ImportCounts,
    MemberState, MemberView, PeerView, RecordHistory, RecordKey, RecordSync, Replayed,
    StatusReport, SyncState, VerifyReport, Void,
};
pub use upkeep::{
    Fault, FaultPart, FaultRemedy, Inspected, MendedJournal, Remains, inspect, mend_journal,
};
pub use used_twice::UsedTwice;
pub use waiting::MissingRun;
