//! Every limit of the wire, each with its unit and its reason.
//!
//! A number read from a peer is compared with one of these before it sizes an allocation or a loop. The limits of
//! the changes themselves ("Limits 1") belong to the document crate: here changes are opaque bytes.

/// Bytes of one Noise message, sealed: the Noise specification's own limit.
pub const NOISE_MESSAGE: usize = 65_535;

/// Bytes of one message before it is sealed: a Noise message less its 16-byte tag. Also what a compressed batch may
/// unpack to, so that compression never makes a frame worth more memory than an uncompressed one.
pub const MESSAGE: usize = NOISE_MESSAGE - 16;

/// Plain bytes of one chunk: 60 KiB, so that a chunk that does not compress still fits a message with its address.
pub const CHUNK: usize = 60 * 1024;

/// Bytes of one chunk as sent: [`CHUNK`] and what zstd may add to bytes that do not compress.
pub const CHUNK_SENT: usize = CHUNK + 1024;

/// Bytes of one envelope in full form: 8 MiB bounds the memory a session needs to put one together.
pub const ENVELOPE: usize = 8 * 1024 * 1024;

/// Items of one envelope: 4,096 bounds the work of one transaction; a larger one is refused where it is made.
pub const ITEMS: usize = 4_096;

/// Groups of one envelope: a group has at least one item.
pub const GROUPS: usize = ITEMS;

/// Changes of one envelope, all items together: sixteen for each of the most items there can be.
pub const CHANGES: usize = 65_536;

/// Bytes of one envelope's meta part: names and extensions, never data.
pub const META: usize = 32 * 1024;

/// Bytes of one item's description (not its payload): enough for kinds of items that do not exist yet.
pub const ITEM: usize = 1_024;

/// Extensions of one envelope or body.
pub const EXTENSIONS: usize = 16;

/// Bytes of one extension: room for a digest or a name, not for data.
pub const EXTENSION: usize = 1_024;

/// Bytes of an application's version text: it is in every envelope, so it is short.
pub const APP_VERSION: usize = 32;

/// Bytes of a collection's name: it is repeated in every envelope that touches it.
pub const COLLECTION_NAME: usize = 128;

/// Heads of the membership log that a header or a record may name; with more, a `Merge` is written first.
pub const MEMBERSHIP_HEADS: usize = 16;

/// Bytes of the rules that a membership record sets: half of what a message holds.
pub const RULES: usize = 32 * 1024;

/// Feeds that one cut names: those that no later one goes on from, which are one for each copy of a folder, and as many of
/// the others as there is room for.
pub const CUT_FEEDS: usize = 256;

/// Envelopes that one record adopts: what fits beside its parents; more take several.
pub const ADOPTED: usize = 256;

/// Bytes of one membership record: the largest sets rules and has sixteen parents.
pub const RECORD: usize = RULES + 4 * 1024;

/// Membership records of one message: a message holds about this many of the smallest.
pub const RECORDS: usize = 256;

/// Characters of a device's name: what a list on a screen can show.
pub const DEVICE_NAME_CHARS: usize = 64;

/// Bytes of a device's name: four for each character.
pub const DEVICE_NAME: usize = 4 * DEVICE_NAME_CHARS;

/// Bytes of a region's name.
pub const REGION: usize = 32;

/// Uses of one invite: more people than this are invited by several.
pub const INVITE_USES: u32 = 10_000;

/// Bytes of an address in an invitation link: a host name has at most 253, a port six.
pub const ADDRESS: usize = 260;

/// Characters of an invitation link: what the largest one needs, and short enough for a QR code.
pub const LINK: usize = 560;

/// Entries of one cursor message: as many as fit when each takes the least.
pub const CURSOR_ENTRIES: usize = 2_048;

/// Runs of one cursor entry: a device that holds more holes than this starts the feed over.
pub const CURSOR_RUNS: usize = 1_024;

/// Prefixes of one `MembershipHave` message: 8 bytes each, so that it fits a message.
pub const MEMBERSHIP_PREFIXES: usize = 8_000;

/// Runs of envelopes one acknowledgement may name.
pub const ACK_HELD: usize = 1_024;

/// Refused envelopes one acknowledgement may name.
pub const ACK_REFUSED: usize = 1_024;

/// Bytes of an error message's detail: a sentence.
pub const ERROR_DETAIL: usize = 256;

/// Messages of one batch: bounds the work that one frame can ask for.
pub const BATCH: usize = 64;

/// Bytes of envelopes a side may send before it has been granted any: most syncs need no more.
pub const CREDIT_AT_FIRST: u32 = 256 * 1024;

/// Plain bytes of a batch from which compression is tried: below, the frame of zstd costs more than it saves.
pub const COMPRESS_FROM: usize = 256;

/// List elements of one decoded value, all lists together: the changes, items and groups of the largest envelope.
pub(crate) const ELEMENTS: usize = CHANGES + 4 * ITEMS + 1_024;

/// Bytes the codec itself may claim for one value: the largest one and room for the widths of its integers.
pub(crate) const DECODE: usize = 2 * ENVELOPE;
