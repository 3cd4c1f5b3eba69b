//! The names of entries.

use driftless_document::{EntryId, OpId, RecordId};

/// The id of the entry whose smallest member operation is this one.
pub(crate) fn entry_id(
    collection: &str,
    record: RecordId,
    register: &str,
    operation: OpId,
) -> EntryId {
    let mut input = Vec::new();
    for text in [collection, register] {
        push_text(&mut input, text);
    }
    input.extend_from_slice(&record.0);
    input.extend_from_slice(&operation.counter.to_le_bytes());
    input.extend_from_slice(&operation.actor.0);
    uuid(blake3::derive_key("driftless conflict entry 1", &input))
}

/// The id of the entry that says a field has both a value and fields below it.
pub(crate) fn shape_id(collection: &str, record: RecordId, field: &str) -> EntryId {
    let mut input = Vec::new();
    for text in ["shape", collection, field] {
        push_text(&mut input, text);
    }
    input.extend_from_slice(&record.0);
    uuid(blake3::derive_key("driftless integrity entry 1", &input))
}

fn push_text(input: &mut Vec<u8>, text: &str) {
    input.extend_from_slice(&u64::to_le_bytes(text.len() as u64));
    input.extend_from_slice(text.as_bytes());
}

fn uuid(hash: [u8; 32]) -> EntryId {
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id[6] = id[6] & 0x0f | 0x80; // version 8
    id[8] = id[8] & 0x3f | 0x80; // RFC 9562 variant
    EntryId(id)
}
