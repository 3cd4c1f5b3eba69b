//! What one change may hold, and how large its parts may be.
//!
//! Those of changes are `Limits 1`, the table a workspace names in its genesis: every replica of a workspace
//! must use the same ones, or they would admit different sets of changes.

/// Bytes of one raw change. An edit is rarely over a kilobyte; half a megabyte holds a large paste.
pub const CHANGE_BYTES: usize = 512 * 1024;
/// Operations of one change: bounds what a parser expands from run-length codes, so that judging it takes far less than a
/// tenth of a second. What somebody does at once and is more becomes several changes, one on top of the other.
pub const CHANGE_OPERATIONS: usize = 32_768;
/// Operations that those of one change may replace, counted once for each: every one may settle a conflict
/// of two. Run-length codes say millions in a few bytes.
pub const CHANGE_REPLACED: usize = 2 * CHANGE_OPERATIONS;
/// Operations of one edit, in all its changes: half a million characters put in or taken out at once.
pub const EDIT_OPERATIONS: usize = 512 * 1024;
/// Operations that may follow one another in a record's history: two novels typed and revised in one field. Every replica
/// that merges holds them all, and dense ones cost whoever sends them next to nothing.
pub const RECORD_OPERATIONS: u64 = 4 * 1024 * 1024;
/// Bytes of the keys of a change's operations, counted once for each: honest keys stand in it once or twice.
pub const CHANGE_KEY_BYTES: usize = 2 * CHANGE_BYTES;
/// Operations of one change that write something, beside [`CHANGE_WRITES_PER_BYTE`] for each of its bytes. What is
/// written has a key or a value, which takes bytes; only equal elements of a list, and steps that undo each other,
/// take none. Deletes are no part of it: what they remove was written once, and is removed once.
pub const CHANGE_WRITES: usize = 4_096;
/// See [`CHANGE_WRITES`]: a character of a text takes one byte or more.
pub const CHANGE_WRITES_PER_BYTE: usize = 2;
/// Hashes a change may depend on: heads of a record that many devices edited apart.
pub const CHANGE_DEPS: usize = 1_024;
/// Heads of a record beyond which some are joined before it is edited: far from [`CHANGE_DEPS`], which no edit could name.
pub const HEADS: usize = 512;
/// Actors a change may name.
pub const CHANGE_ACTORS: usize = 4_096;
/// The most one increment adds or takes: integers up to here are exact in JSON, and millions of the largest
/// do not run over the counter's 64 bits.
pub const INCREMENT: u64 = 1 << 40;
/// Segments of a field's path, and levels of a JSON value: bounds recursion.
pub const DEPTH: usize = 32;
/// Bytes of a register's key in the record.
pub const KEY_BYTES: usize = 1_024;
/// Commit times lie in `0..TIME_END`: milliseconds shifted by 12 bits stay far from overflow.
pub const TIME_END: i64 = 1 << 60;
/// Bytes of one record's saved document that are read back from a store.
pub const DOCUMENT_BYTES: usize = 256 * 1024 * 1024;
/// Operations of a saved document, beside [`DOCUMENT_OPERATIONS_PER_BYTE`] for each of its bytes, and as many changes,
/// dependencies and replaced operations. Run-length codes say billions in a few bytes. What is denser, such as a long list
/// of equal elements, is saved as its changes, one behind the other.
pub const DOCUMENT_OPERATIONS: usize = 4_096;
/// See [`DOCUMENT_OPERATIONS`]: a change takes some bytes, a character a fraction of one; typed prose has 2 to 3 a byte.
pub const DOCUMENT_OPERATIONS_PER_BYTE: usize = 8;
/// Bytes of the keys of a saved document's operations, counted once for each, beside
/// [`DOCUMENT_KEY_BYTES_PER_BYTE`] for each of its bytes: a key stands in it once, in each change again.
pub const DOCUMENT_KEY_BYTES: usize = 4 * 1024 * 1024;
/// See [`DOCUMENT_KEY_BYTES`].
pub const DOCUMENT_KEY_BYTES_PER_BYTE: usize = 256;
/// Bytes of a saved document's columns that were deflated, inflated, beside [`DOCUMENT_INFLATED_PER_BYTE`] for each of
/// its bytes.
pub const DOCUMENT_INFLATED_BYTES: usize = 4 * 1024 * 1024;
/// See [`DOCUMENT_INFLATED_BYTES`]: prose deflates to a third, a repetition to a thousandth.
pub const DOCUMENT_INFLATED_PER_BYTE: usize = 32;
/// Bytes of a stored row or of the conflict entries of one record.
pub const STORED_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a document of rules as people write it: comments have room in it.
pub const RULES_SOURCE_BYTES: usize = 64 * 1024;
/// Bytes of rules in the form in which they travel: one membership record, which fits a frame.
pub const RULES_BYTES: usize = 32 * 1024;
/// Rules of one document: each is tried on every entry until one matches.
pub const RULES: usize = 256;
/// Members of one list of a rule.
pub const RULE_LIST: usize = 64;
/// Bytes of one pattern, name or value of a rule.
pub const RULE_TEXT_BYTES: usize = 256;
/// The greatest number a rule can compare with.
pub const RULE_NUMBER: u64 = 1_000_000;
/// Characters of a note on a conflict, as entries show it; what is beyond is cut off.
pub const REVIEW_CHARACTERS: usize = 1_000;
/// Characters that an entry shows of what one change removed from a text, and of what it put in.
pub const SHOWN_EDIT_CHARACTERS: usize = 4_096;
/// Bytes that an entry shows of a text, for its base and for each candidate.
pub const SHOWN_TEXT_BYTES: usize = 64 * 1024;
