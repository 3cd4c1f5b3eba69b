//! Whatever admission lets in can be applied, saved and loaded again.
//!
//! The input is turned into a change chunk with a right checksum, or nothing would get past it: either as the body of
//! one, or as patches (two bytes for the place, one for the value) on the body of an honest change.

#![no_main]

use driftless_document::{ActorId, Admission, Intent, Record, Value};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

/// Magic, checksum, chunk type.
const HEADER_BYTES: usize = 9;
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const RAW_CHANGE: u8 = 1;
/// The device whose changes are judged.
const DEVICE: [u8; 8] = [1; 8];

fuzz_target!(|bytes: &[u8]| {
    let record = base();
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let raw = if mode % 2 == 0 {
        chunk(rest)
    } else {
        chunk(&patched(&record, rest))
    };
    let Ok(Admission::Admitted(admitted)) = record.admit(&raw, DEVICE) else {
        return;
    };
    let applied = record.clone().apply(admitted);
    let (applied, _) = applied.expect("what is admitted applies");
    let heads = applied.heads();
    let loaded = Record::load(&applied.save(), &heads).expect("what was applied loads again");
    assert_eq!(loaded.row(), applied.row());
    loaded.changes().expect("its changes can be read");
});

/// A record with a conflict: two devices set one field apart.
fn base() -> Record {
    let mut record = Record::new();
    write(&mut record, actor(1), "title", "first");
    let theirs = change(&record, actor(3), "title", "third");
    write(&mut record, actor(2), "title", "second");
    admit(&mut record, &theirs, actor(3));
    record
}

fn actor(n: u8) -> ActorId {
    ActorId([n; 16])
}

fn change(record: &Record, actor: ActorId, key: &str, text: &str) -> Vec<u8> {
    let intent = Intent::Put {
        key: key.to_owned(),
        value: Value::String(text.to_owned()),
    };
    record
        .write(actor, 1 << 12, &[intent])
        .expect("it is a small change")
        .expect("it changes something")
}

fn admit(record: &mut Record, raw: &[u8], actor: ActorId) {
    match record.admit(raw, actor.device_prefix()) {
        Ok(Admission::Admitted(admitted)) => {
            let applied = std::mem::take(record).apply(admitted);
            *record = applied.expect("what is admitted applies").0;
        }
        _ => panic!("an honest change is admitted"),
    }
}

fn write(record: &mut Record, actor: ActorId, key: &str, text: &str) {
    let raw = change(record, actor, key, text);
    admit(record, &raw, actor);
}

/// The body of an honest change of device 1, with some bytes replaced.
fn patched(record: &Record, patches: &[u8]) -> Vec<u8> {
    let raw = change(record, actor(1), "title", "fourth");
    let length_bytes = raw[HEADER_BYTES..]
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .map_or(0, |last| last + 1);
    let mut body = raw[HEADER_BYTES + length_bytes..].to_vec();
    for patch in patches.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([patch[0], patch[1]])) % body.len();
        body[at] = patch[2];
    }
    body
}

/// A change chunk with this body.
fn chunk(body: &[u8]) -> Vec<u8> {
    let mut rest = vec![RAW_CHANGE];
    let mut length = body.len();
    while length > 0x7f {
        rest.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    rest.push(length as u8);
    rest.extend_from_slice(body);
    let hash = Sha256::digest(&rest);
    [&MAGIC[..], &hash[..4], &rest].concat()
}
