//! Devices, honest changes, and what makes them dishonest.

use automerge::ExpandedChange;
use driftless_document::{ActorId, Admission, Admitted, Change, Intent, Record, Refusal, Value};
use sha2::{Digest as _, Sha256};

/// The device all actors here are of, unless a test says otherwise.
pub(crate) const DEVICE: [u8; 8] = [3; 8];

/// The n-th actor of [`DEVICE`].
pub(crate) fn actor(n: u8) -> ActorId {
    let mut bytes = [n; 16];
    bytes[..8].copy_from_slice(&DEVICE);
    ActorId(bytes)
}

pub(crate) fn put(key: &str, value: Value) -> Intent {
    Intent::Put {
        key: key.into(),
        value,
    }
}

pub(crate) fn remove(key: &str) -> Intent {
    Intent::Remove { key: key.into() }
}

pub(crate) fn settle(key: &str, value: Option<Value>) -> Intent {
    Intent::Settle {
        key: key.into(),
        value,
    }
}

pub(crate) fn text(value: &str) -> Value {
    Value::String(value.into())
}

/// Admits a change, which must be admissible.
pub(crate) fn admitted(record: &Record, raw: &[u8]) -> Admitted {
    match record.admit(raw, DEVICE).unwrap() {
        Admission::Admitted(admitted) => admitted,
        other => panic!("not admitted: {other:?}"),
    }
}

/// Why a change is refused; it must be.
pub(crate) fn refusal(record: &Record, raw: &[u8]) -> Refusal {
    match record.admit(raw, DEVICE) {
        Err(refusal) => refusal,
        Ok(other) => panic!("not refused: {other:?}"),
    }
}

/// Admits and applies a change.
pub(crate) fn receive(record: &mut Record, raw: &[u8]) -> Change {
    let admitted = admitted(record, raw);
    let (applied, change) = std::mem::take(record).apply(admitted).unwrap();
    *record = applied;
    change
}

/// Writes, admits and applies; the intents must change something.
pub(crate) fn edit(record: &mut Record, by: ActorId, intents: &[Intent]) -> Vec<u8> {
    let raw = record.write(by, 7 << 12, intents).unwrap().unwrap();
    receive(record, &raw);
    raw
}

/// A change as Automerge's own types have it, to be made dishonest.
pub(crate) fn expanded(raw: &[u8]) -> ExpandedChange {
    automerge::Change::from_bytes(raw.to_vec())
        .unwrap()
        .decode()
}

/// The raw chunk of such a change.
pub(crate) fn encoded(change: ExpandedChange) -> Vec<u8> {
    automerge::Change::from(change).raw_bytes().to_vec()
}

/// Makes the checksum right for the rest of the chunk.
pub(crate) fn fix_checksum(raw: &mut [u8]) {
    let hash: [u8; 32] = Sha256::digest(&raw[8..]).into();
    raw[4..8].copy_from_slice(&hash[..4]);
}
