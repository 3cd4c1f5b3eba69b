//! Storage of a Driftless replica: a journal that is the truth, and ordered key-value engines that can be rebuilt from it.
//!
//! | concept | module | what it promises |
//! |---|---|---|
//! | [`Files`] | `files` | the one seam through which the journal touches a disk; replaced in tests |
//! | [`Journal`] | `journal` | what a commit acknowledged is there after any crash, or the damage is reported |
//! | [`Kv`] | `kv` | ordered keys, snapshot reads, atomic batches; after reopening a prefix of its batches, or it does not open |
//! | [`MemoryKv`], [`SledKv`], [`RedbKv`] | `memory`, `sled_kv`, `redb_kv` | the engines |
//! | [`StoreEngine`] | `engine` | which of them keeps a store on disk |
//! | [`RewritableKv`] | `rewrite` | a store that is copied into a fresh one while it is in use |
//! | [`KeyBuilder`], [`KeyReader`] | `key` | tuple keys whose byte order is their order |
//! | [`StoreFolder`] | `folder` | who holds a folder, and which store in it is live |
//! | [`CopiedFrom`] | `place` | whether a folder is the one that was last open, or a copy |
//! | [`check_seal`] | `seal` | whether a store on disk is what the last process left |
//!
//! Nothing here knows what the bytes mean: records, envelopes and indexes belong to the engine above.
//! No clock is read here; randomness is drawn only for the salt of a segment, through [`Files`].

mod aside;
mod current;
mod engine;
mod files;
mod folder;
mod journal;
mod key;
mod kv;
mod limits;
mod live;
mod lock;
mod memory;
mod patience;
mod place;
mod redb_kv;
mod rewrite;
mod sanity;
mod seal;
mod sealed;
mod sled_kv;
mod visit;

pub use engine::{StoreEngine, UnknownEngine};
pub use files::{DiskFiles, FileOperation, Files, FilesError, MemoryFiles, OverlayFiles};
pub use folder::{FolderError, StoreFolder};
pub use journal::{
    ClosedSegment, Counters, Damage, DamagedSegment, Found, Frame, FrameKind, Journal,
    JournalError, JournalFault, KnownEnd, Mending, Opening, PackedSegment, Packs, Position,
    SegmentCodec, SegmentFrames, SegmentLimits, Survey,
};
pub use key::{KeyBuilder, KeyError, KeyReader};
pub use kv::{Batch, EngineFailure, Kv, KvError, Snapshot, prefix_end};
pub use limits::{
    DEFAULT_CACHE_BYTES, FRAME_BYTES_MAX, KEY_BYTES_MAX, SEGMENT_BYTES, STORED_VALUE_BYTES_MAX,
    VALUE_BYTES_MAX,
};
pub use memory::MemoryKv;
pub use place::CopiedFrom;
pub use redb_kv::RedbKv;
pub use rewrite::{CopyError, CopyProgress, RewritableKv};
pub use seal::{SealError, StoreDamage, Trust, check_seal, has_seal, mark_open, write_seal};
pub use sled_kv::SledKv;
pub use visit::Visit;
