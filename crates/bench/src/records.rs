//! Devices and what they write.

use driftless_document::{ActorId, Admission, Change, Intent, Record, Value};

/// The n-th process start of a device.
pub fn actor(device: u8, start: u32) -> ActorId {
    let mut bytes = [device; 16];
    bytes[12..].copy_from_slice(&start.to_be_bytes());
    ActorId(bytes)
}

/// The intent that a field holds a number.
pub fn put(field: u32, value: i64) -> Intent {
    Intent::Put {
        key: format!("field_{field}"),
        value: Value::Int(value),
    }
}

/// Writes a change at the record's heads.
///
/// # Panics
///
/// Where the intents change nothing.
pub fn write(record: &Record, actor: ActorId, intents: &[Intent]) -> Vec<u8> {
    let raw = record.write(actor, 1 << 12, intents);
    raw.expect("it is written").expect("it changes something")
}

/// Admits and applies a change.
///
/// # Panics
///
/// Where it is not admitted.
pub fn receive(record: &mut Record, device: u8, raw: &[u8]) -> Change {
    let admitted = match record.admit(raw, [device; 8]) {
        Ok(Admission::Admitted(admitted)) => admitted,
        other => panic!("an honest change is not admitted: {other:?}"),
    };
    let applied = std::mem::take(record).apply(admitted);
    let (applied, change) = applied.expect("it applies");
    *record = applied;
    change
}

/// Writes and applies.
pub fn edit(record: &mut Record, device: u8, start: u32, intents: &[Intent]) -> Vec<u8> {
    let raw = write(record, actor(device, start), intents);
    receive(record, device, &raw);
    raw
}
