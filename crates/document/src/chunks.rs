//! A change and the genesis changes it brings along, as one piece of bytes.
//!
//! What is signed for, stored and sent of one change is its raw chunk, behind those of the genesis changes it
//! directly depends on, sorted by key: chunks say their own length, and Automerge loads them one after another.

use crate::admission::Refusal;
use crate::genesis::Genesis;
use crate::limits;
use crate::prescan;

/// Takes the bytes apart: the genesis changes, each rebuilt and compared, and the change's own chunk.
pub(crate) fn split(raw: &[u8]) -> Result<(Vec<Genesis>, &[u8]), Refusal> {
    if raw.len() > limits::CHANGE_BYTES {
        return Err(Refusal::TooLarge {
            bytes: raw.len(),
            limit: limits::CHANGE_BYTES,
        });
    }
    let mut carried = Vec::<Genesis>::new();
    let mut rest = raw;
    loop {
        let length = prescan::chunk_length(rest).ok_or(Refusal::NotAChange)?;
        if length == rest.len() {
            return Ok((carried, rest));
        }
        let (chunk, after) = rest.split_at_checked(length).ok_or(Refusal::NotAChange)?;
        let genesis = Genesis::read(chunk).ok_or(Refusal::NotAChange)?;
        if carried.last().is_some_and(|last| last.key >= genesis.key) {
            return Err(Refusal::NotCanonical);
        }
        if carried.len() == limits::CHANGE_DEPS {
            return Err(Refusal::OverLimit {
                what: "genesis changes",
                count: carried.len() + 1,
                limit: limits::CHANGE_DEPS,
            });
        }
        carried.push(genesis);
        rest = after;
    }
}

/// The bytes of a change that brings along the genesis changes of these keys, sorted.
pub(crate) fn join<'a>(creates: impl IntoIterator<Item = &'a String>, change: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(change.len());
    for genesis in creates.into_iter().filter_map(|key| Genesis::of(key)) {
        raw.extend_from_slice(genesis.change.raw_bytes());
    }
    raw.extend_from_slice(change);
    raw
}
