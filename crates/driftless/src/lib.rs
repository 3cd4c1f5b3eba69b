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
//! | overlaps | [`Conflicts`], [`Conflict`], [`Resolution`] |
//! | other devices | [`Sync`], [`Server`], [`Database::invite`], [`Database::join`] |
//! | what is given from outside | [`Options`], [`KeyStore`], [`Clock`], [`Randomness`] |
//! | what can go wrong | [`Error`], [`ErrorKind`] |
//! | tests of programs | [`testing`] |
//!
//! Invariants: one thread owns the replica and no call blocks a thread of the runtime; nothing is acknowledged,
//! to a caller or to another device, before it is durable; the journal is the truth, and a store that does not
//! fit it is set aside and derived again.

mod actor;
mod blocking;
mod collection;
mod conflicts;
mod database;
mod error;
mod join;
mod keys;
mod limits;
mod live_store;
mod net;
mod new_folder;
mod opening;
mod options;
mod progress;
mod record;
mod sync;
pub mod testing;
mod time;

pub use collection::{Collection, IntoFields, ListOptions};
pub use conflicts::{Author, Choice, Conflict, Conflicts, Resolution};
pub use database::{CompactReport, Database, InviteOptions};
pub use error::{Error, ErrorKind};
pub use keys::{FileKeys, KeyPlace, KeyStore, MemoryKeys};
pub use live_store::StoreReport;
pub use net::server::Server;
pub use opening::Opening;
pub use options::{Options, ProgressCallback, RandomnessFactory, SystemClock, SystemRandomness};
pub use progress::Progress;
pub use record::RecordView;
pub use sync::{Sync, SyncReport};

pub use driftless_document::{
    ChangeHash, EntryId, FieldPath, Fields, JsonError, JsonFault, Kind, Nested, Node, PathError,
    Policy, RecordId, Row, Shown, Status, Value, Version, canonical_number, matches_text, nest,
    node_from_json, number_text, parse_node, parse_record, value_to_json,
};
pub use driftless_engine::{
    ChangeEvent, Clock, Commit, ConflictFilter, ConflictView, DeviceName, DigestReport, Edit,
    Filter, ImportCounts, MemberView, Millis, PeerView, RecordKey, StatusReport, VerifyReport,
};
pub use driftless_protocol::{
    Class, DeviceId, DeviceKey, InviteLink, LinkError, Randomness, Role, WorkspaceId,
};

pub use driftless_store::{StoreEngine, UnknownEngine};

/// The Rust of the README is compiled with the documentation's examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
