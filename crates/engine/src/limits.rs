//! Limits of a replica, each with its unit and its reason.

use crate::error::EngineError;

/// The table of change limits that this build's workspaces name in their genesis.
pub const LIMITS_VERSION: u32 = 1;
/// Records of one import block: one envelope, one batch, the unit that a cut sync resumes at.
pub const IMPORT_BLOCK_RECORDS: usize = 256;
/// Bytes of one import block's values, for the same reason.
pub const IMPORT_BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of a record's row with the changes that a device writes to it.
pub const RECORD_BYTES: usize = 16 * 1024 * 1024;
/// The same where changes of other devices come: what several wrote apart is more than one may write, and to refuse it
/// would depend on whose came first. The row is one value of the store, which has 64 MiB at most.
pub const MERGED_RECORD_BYTES: usize = 60 * 1024 * 1024;
/// Bytes of a setting's name: it is part of a key.
pub const SETTING_NAME_BYTES: usize = 200;
/// Feeds of this device that are told one by one where another folder wrote them: a person reads them.
pub const ELSEWHERE_FEEDS_TOLD: usize = 16;
/// Bytes of a setting's value: settings are small.
pub const SETTING_VALUE_BYTES: usize = 1024 * 1024;
/// Envelope bytes a peer may send beyond what is durable here, once it has shown that it has much to send.
pub const CREDIT_WINDOW: u64 = 2 * 1024 * 1024;
/// What may wait for one open session, in envelopes and membership records: beyond, it is ended, and catches up.
pub const LIVE_QUEUE: usize = 65_536;
/// Bytes of one group of commits that are made into frames for all open sessions: more is read when it is sent.
pub const SHARED_BYTES: usize = 256 * 1024;
/// Envelopes remembered as refused by one peer: so many fit into a setting.
pub const REFUSED_BY_PEER: usize = 10_000;
/// Keys of records that are remembered as touched by envelopes that somebody lacks: about 4 MiB.
pub const TOUCHED_KEYS: usize = 32_768;
/// Membership records that a device which is not known as a member may send to prove that it is one.
pub const PROOF_RECORDS: usize = 4_000;
/// Membership records a peer may send in one session.
pub const SESSION_RECORDS: usize = 100_000;

/// Headers that a peer is given in one session to find where a feed went on in two ways: halving the longest feed takes
/// 64.
pub const SESSION_HEADERS: usize = 256;
/// Cursor entries a peer may send in one session.
pub const SESSION_CURSOR_ENTRIES: usize = 100_000;
/// Feeds one answer about positions lists: what fits into one message.
pub const POSITION_ENTRIES: usize = 1_000;
/// Bytes from which the journal's newest segment is closed to be packed: in a smaller one what it names anew costs more
/// than packing saves.
pub const CLOSE_SEGMENT_BYTES: u32 = 64 * 1024;
/// Characters of the note on an entry that is acknowledged: a few sentences, kept in the record for good.
pub const NOTE_CHARS: usize = 1_000;
/// Milliseconds an invite is good for, at most: ten years.
pub const INVITE_VALID_MS: i64 = 10 * 366 * 24 * 60 * 60 * 1_000;

pub(crate) fn check_device_name(name: &str) -> Result<(), EngineError> {
    let limit = driftless_protocol::limits::DEVICE_NAME_CHARS;
    let length = name.chars().count();
    if length == 0 || length > limit || name.chars().any(char::is_control) {
        return Err(EngineError::DeviceName { limit });
    }
    Ok(())
}

pub(crate) fn check_note(note: &str) -> Result<(), EngineError> {
    let chars = note.chars().count();
    if chars > NOTE_CHARS {
        return Err(EngineError::NoteTooLong {
            chars,
            limit: NOTE_CHARS,
        });
    }
    Ok(())
}

pub(crate) fn check_collection(name: &str) -> Result<(), EngineError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > driftless_protocol::limits::COLLECTION_NAME {
        "it has more than 128 bytes"
    } else if name.starts_with('$') {
        "names that begin with $ are reserved"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else {
        return Ok(());
    };
    Err(EngineError::CollectionName {
        name: name.to_owned(),
        reason,
    })
}

pub(crate) fn check_setting(name: &str, value: &[u8]) -> Result<(), EngineError> {
    let parts = [
        ("bytes in a setting's name", name.len(), SETTING_NAME_BYTES),
        ("bytes in a setting", value.len(), SETTING_VALUE_BYTES),
    ];
    for (what, count, limit) in parts {
        if count > limit {
            return Err(EngineError::TooMuch { what, count, limit });
        }
    }
    Ok(())
}
