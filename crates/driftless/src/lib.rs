//! Driftless: records that work offline, agree afterwards, and keep every overlapping edit in a conflict log.
//!
//! A [`Database`] is one device's replica of a workspace, in a folder. Writes are durable on this device when
//! they return; devices that meet become equal; what was edited on both sides meanwhile is in the
//! [`Conflicts`] log of both until somebody decides it on one.
//!
//! ```
//! use driftless::{ConflictFilter, Database, Error, InviteOptions, Options, Resolution};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! # let folder = tempfile::tempdir().expect("there is a temporary folder");
//! # let home = folder.path();
//! let laptop = Database::create(home.join("laptop"), Options::named("laptop")).await?;
//! let notes = laptop.collection("notes");
//! let (id, _) = notes.insert(json!({"title": "Shopping", "shop": {"city": "Bern"}})).await?;
//!
//! // Another device joins over the network and fetches what there is.
//! let server = laptop.sync().serve("127.0.0.1:0").await?;
//! let link = laptop.invite(InviteOptions::to(server.url())).await?;
//! let phone = Database::join(home.join("phone"), &link, Options::named("phone")).await?;
//! phone.sync().again().await?;
//!
//! // Both edit one field without a network. When they meet they agree, and know what overlapped.
//! notes.update(id, json!({"title": "Groceries"})).await?;
//! phone.collection("notes").update(id, json!({"title": "Errands"})).await?;
//! phone.sync().again().await?;
//! let open = phone.conflicts().list(ConflictFilter::default()).await?;
//! println!("{}: {:?}", open[0].path(), open[0].candidates());
//! phone.conflicts().resolve(&open[0], Resolution::Keep(0)).await?;
//! phone.sync().again().await?;
//! # assert_eq!(laptop.digest().await?, phone.digest().await?);
//!
//! server.stop().await;
//! laptop.close().await?;
//! phone.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | concept | where |
//! |---|---|
//! | records | [`Collection`], [`RecordView`] |
//! | counters, texts, lists, sets | [`Collection::increment`], [`Collection::splice`], [`Collection::push`], [`Collection::add`] |
//! | what was committed since | [`Commits`], [`Database::changes_since`] |
//! | who did what, and the past | [`History`], [`Collection::history`], [`Collection::get_at`] |
//! | what a contested field shows | [`WorkspaceRules`], [`Rules`], [`Options::with_policy`] |
//! | overlaps | [`Conflicts`], [`Conflict`], [`Resolution`], [`ConflictWatch`] |
//! | which devices are in, and removing one | [`Members`] |
//! | what is refused, what is not sent yet | [`Quarantine`], [`Outbox`], [`Draft`] |
//! | other devices | [`Sync`], [`Server`], [`Connection`], [`Database::invite`], [`Database::join`] |
//! | how it stands | [`Database::watch_status`], [`Collection::sync_state`], [`Commit::reached`], [`Database::ended`] |
//! | without async | [`blocking`] |
//! | what is given from outside | [`Options`], [`KeyStore`], [`Clock`], [`Randomness`], [`Transport`] |
//! | what can go wrong | [`Error`], [`ErrorKind`] |
//! | tests of programs | [`testing`] |
//!
//! Invariants: one thread owns the replica and no call blocks a thread of the runtime; nothing is acknowledged,
//! to a caller or to another device, before it is durable; the journal is the truth, and a store that does not
//! fit it is set aside and derived again.

mod actor;
mod background;
pub mod blocking;
mod collection;
mod commit;
mod commits;
mod conflicts;
mod database;
mod error;
mod fields;
mod history;
mod join;
mod keys;
mod limits;
mod live_store;
mod members;
mod net;
mod new_folder;
mod opening;
mod options;
mod outbox;
mod packing;
mod progress;
mod quarantine;
mod record;
mod repair;
mod rules;
mod scratch;
mod status;
mod sync;
mod sync_for;
pub mod testing;
mod time;

pub use collection::{Collection, IntoFields, ListOptions};
pub use commit::{Commit, Reach};
pub use commits::Commits;
pub use conflicts::{
    Author, BulkReport, Choice, Conflict, ConflictEvent, ConflictMember, ConflictMembers,
    ConflictPage, ConflictReview, ConflictWatch, Conflicts, Explained, MemberAct, Resolution,
    Skipped, insight_to_json,
};
pub use database::{CompactReport, Database, InviteOptions};
pub use error::{Error, ErrorKind};
pub use fields::IntoElement;
pub use history::{History, HistoryEntry};
pub use keys::{FileKeys, KeyPlace, KeyStore, MemoryKeys};
pub use live_store::StoreReport;
pub use members::Members;
pub use net::connection::{ConnectOptions, Connection, SyncTrigger};
pub use net::server::Server;
pub use net::state::{ConnectionState, ConnectionStatus, Direction, SyncStage};
pub use net::transport::{
    Bidirectional, ByteStream, Listener, TcpTransport, Transport, TransportFuture,
};
pub use opening::Opening;
pub use options::{Options, ProgressCallback, RandomnessFactory, SystemClock, SystemRandomness};
pub use outbox::Outbox;
pub use progress::Progress;
pub use quarantine::Quarantine;
pub use record::RecordView;
pub use repair::RepairReport;
pub use rules::{
    WorkspaceRules, rules_explanation_in_words, rules_explanation_to_json, rules_report_to_json,
    rules_summary_to_json, rules_to_json,
};
pub use status::{DatabaseStatus, StatusWatch};
pub use sync::{Sync, SyncReport};
pub use sync_for::BudgetReport;

pub use driftless_document::{
    ChangeHash, CustomInput, CustomPolicy, Customs, Decided, Deletion, EntryId, FieldKey,
    FieldPath, FieldType, FieldWrite, Fields, Fit, HistoryOptions, HistoryStep, How, JsonError,
    JsonFault, Kind, Nested, Node, PathError, Policy, RecordId, ReviewAction, Row, RuleStep, Rules,
    RulesError, RulesFault, RulesVersion, RulesWalk, Shown, Span, Status, Value, Version,
    canonical_number, element_from_json, matches_text, nest, node_from_json, number_text,
    parse_node, parse_record, read_json, rules_schema, value_to_json,
};
pub use driftless_engine::{
    Adopted, BulkRule, ChangeEvent, Clock, ConflictChange, ConflictFilter, ConflictPosition,
    ConflictPositionError, ConflictView, CopiedFolder, Deed, DeviceName, DigestReport, Discarded,
    Draft, DraftApplied, DraftError, DraftRecord, DraftSkipped, Edit, ElsewhereFeed, EnvelopeId,
    EnvelopeIdError, Explanation, Fate, Fault, FaultPart, FaultRemedy, Filter, HotField,
    ImportCounts, Insight, ItemPage, ItemState, MemberState, MemberView, Millis, MissingRun,
    OutboxItem, OutboxPeer, Outlook, PeerState, PeerView, QuarantineItem, RecordKey, RecordSync,
    Retried, RulesExplanation, RulesReport, RulesSummary, StatusReport, Suggestion, SyncState,
    UsedTwice, VerifyReport, Void, VoidItem, WaitsFor, WrittenElsewhere,
};
pub use driftless_protocol::{
    Class, Code, DeviceId, DeviceKey, FeedId, InviteLink, LinkError, Randomness, Role, WorkspaceId,
};

pub use driftless_store::{StoreEngine, UnknownEngine};

/// The Rust of the README is compiled with the documentation's examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
