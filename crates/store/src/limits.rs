//! Every limit of this crate, with its unit and its reason.

use std::time::Duration;

/// Bytes a journal segment may reach before the next one is begun: small enough to read whole into memory.
pub const SEGMENT_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes of one journal frame: no envelope is larger, and a length read from disk is compared with it before it is believed.
pub const FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Bytes of a segment file that are ever read into memory: one frame of the greatest length, its headers, and slack.
pub(crate) const SEGMENT_READ_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes of a packed segment's file that are ever read into memory: the greatest segment, and slack for one that does not compress.
pub(crate) const PACK_READ_BYTES_MAX: u64 = SEGMENT_READ_BYTES_MAX + 1024 * 1024;

/// Bytes of a mended segment's file that are ever read into memory: the greatest segment, and the place of each of its frames.
pub(crate) const MENDED_READ_BYTES_MAX: u64 = 2 * SEGMENT_READ_BYTES_MAX;

/// Bytes whose checksum is taken in vain, for each byte in which frames are looked for: hostile bytes may look like the
/// beginnings of many long frames.
pub(crate) const SALVAGE_TRIES_PER_BYTE: u64 = 64;

/// Unpacked segments kept in memory: what is read in order is unpacked once, and three are about 12 MiB.
pub(crate) const UNPACKED_SEGMENTS: usize = 3;

/// Handles `DiskFiles` keeps open; old segments are read rarely, and a process has about a thousand handles.
pub(crate) const OPEN_HANDLES_MAX: usize = 32;

/// Bytes of a key: an inner node of sled holds up to 257 keys and must stay below the 128 KiB at which sled moves it to a file of its own.
pub const KEY_BYTES_MAX: usize = 480;

/// Bytes of a value as its writer sees it: the largest document that is taken in stays far below.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one value as the disk engine stores it, header included: a leaf of sled holds up to 17 of them and must stay below 128 KiB.
pub const STORED_VALUE_BYTES_MAX: usize = 6 * 1024;

/// Bytes of batches that redb may hold without having made them durable: it cannot reuse the pages they replace before.
pub(crate) const UNSYNCED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Keys copied at once when a store is rewritten: a few milliseconds, so that whoever waits does not notice.
pub(crate) const COPY_STEP_KEYS: usize = 256;

/// Bytes copied at once when a store is rewritten, for the same reason; one value may be larger.
pub(crate) const COPY_STEP_BYTES: usize = 256 * 1024;

/// Bytes of sled's page cache unless a memory budget says otherwise; the process uses a few times as much.
pub const DEFAULT_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Files below one store folder that a seal may name; sled has fewer than ten.
pub(crate) const SEALED_FILES_MAX: u32 = 10_000;

/// Bytes of a seal that are read: the greatest number of files, each with a name of ordinary length.
pub(crate) const SEAL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Folders within folders below a store folder; sled has one.
pub(crate) const STORE_DEPTH_MAX: u32 = 8;

/// Bytes of the small text files `CURRENT` and `driftless.lock` that are read.
pub(crate) const SMALL_FILE_BYTES_MAX: u64 = 256;

/// Bytes of `PLACE` that are read: two numbers and a path, of which 4,096 bytes are the most that systems take.
pub(crate) const PLACE_BYTES_MAX: u64 = 4_096 + 256;

/// Tries to lock sled's file while one of its threads still holds it, 10 ms apart: two seconds.
pub(crate) const SLED_LOCK_TRIES: u32 = 200;

/// Time in which sled must have handed to the disk what it holds: a slow card takes some seconds for a full cache, and a thread
/// that sled forgot waits for ever.
pub(crate) const FLUSH_PATIENCE: Duration = Duration::from_secs(120);
