//! Bytes from nowhere: no decoder panics, and none takes more memory than it was given bytes for.

use driftless_protocol::{
    Envelope, InviteLink, Message, Record, decode_batch, encode_batch, limits,
};
use proptest::prelude::*;

use crate::common::{agreed, context, envelope, invite, join, key};
use crate::messages;

/// Runs every decoder on the bytes and checks what it takes.
fn decode_all(bytes: &[u8]) {
    let sealed = envelope(&key(1), 5);
    let context = context(&sealed, agreed(&[]));
    let measured = allocation_counter::measure(|| {
        let _ = Envelope::decode(bytes);
    });
    bounded("envelope", bytes, measured.bytes_max);
    let measured = allocation_counter::measure(|| {
        let _ = Envelope::decode_wire(bytes, &context);
    });
    bounded("wire form", bytes, measured.bytes_max);
    let measured = allocation_counter::measure(|| {
        let _ = Record::decode(bytes);
    });
    bounded("record", bytes, measured.bytes_max);
    let measured = allocation_counter::measure(|| {
        let _ = decode_batch(bytes);
    });
    // A compressed frame has one buffer of the size of a message.
    bounded(
        "batch",
        bytes,
        measured
            .bytes_max
            .saturating_sub(2 * limits::MESSAGE as u64),
    );
    let _ = std::str::from_utf8(bytes).map(InviteLink::parse);
}

fn bounded(what: &str, bytes: &[u8], taken: u64) {
    let most = 64 * bytes.len() as u64 + 16 * 1024;
    assert!(taken <= most, "{what}: {taken} bytes for {}", bytes.len());
}

#[test]
fn ten_bytes_that_claim_two_to_the_sixtieth_allocate_nothing() {
    let claim = [253, 0, 0, 0, 0, 0, 0, 0, 0x10];
    let prefixes = [&[0x10, 5], claim.as_slice()].concat();
    let records = [&[0x10, 2], claim.as_slice()].concat();
    let entries = [&[0x10, 8], claim.as_slice()].concat();
    let join = [&[0x10, 3], claim.as_slice()].concat();
    for frame in [prefixes, records, entries, join] {
        let measured = allocation_counter::measure(|| assert!(decode_batch(&frame).is_err()));
        assert_eq!(measured.bytes_total, 0);
    }
}

#[test]
fn a_claim_within_its_limit_but_beyond_the_bytes_allocates_nothing() {
    // 2,000 cursor entries, 8,000 prefixes; five bytes follow.
    for frame in [
        &[0x10, 8, 251, 0xd0, 7, 1, 1, 1, 1, 1][..],
        &[0x10, 5, 251, 0x40, 0x1f, 1, 1, 1, 1, 1],
    ] {
        let measured = allocation_counter::measure(|| assert!(decode_batch(frame).is_err()));
        assert_eq!(measured.bytes_total, 0);
    }
}

#[test]
fn the_worst_bytes_for_a_wire_form_stay_within_reason() {
    // A short body with one item of as many one-byte changes as 8 MiB hold.
    let mut bytes = vec![0x12];
    bytes.extend([0; 64]);
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 1, 1, b'c', 1, 0]);
    bytes.extend([0; 16]);
    bytes.extend([1, 0]);
    bytes.extend([0; 16]);
    let left = (limits::ENVELOPE - bytes.len() - 5) / 2;
    bytes.push(252);
    bytes.extend(u32::try_from(left).unwrap().to_le_bytes());
    bytes.extend([1, 7].repeat(left));
    let sealed = envelope(&key(1), 5);
    let context = context(&sealed, agreed(&[]));
    let measured =
        allocation_counter::measure(|| assert!(Envelope::decode_wire(&bytes, &context).is_err()));
    assert!(measured.bytes_max < 1024, "{} bytes", measured.bytes_max);
}

#[test]
fn a_compressed_bomb_stays_packed() {
    let mut frame = vec![0x11];
    frame.extend(zstd::bulk::compress(&vec![11; 100_000_000], 1).unwrap());
    assert!(frame.len() < limits::MESSAGE);
    let measured = allocation_counter::measure(|| assert!(decode_batch(&frame).is_err()));
    assert!(
        measured.bytes_max <= 2 * limits::MESSAGE as u64,
        "{} bytes",
        measured.bytes_max
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_right_start(
        start in prop::sample::select(vec![&[1_u8][..], &[0x10], &[0x12], &[0x13], &[1, 0]]),
        tag in 0_u8..20,
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(251), Just(253), any::<u8>()], 0..300),
    ) {
        decode_all(&[start, &[tag], &bytes].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn real_bytes_with_damage(
        which in 0_usize..5,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let sealed = envelope(&key(1), 5);
        let plain: Vec<Message> = messages::all().into_iter().skip(which * 2).take(3).collect();
        let mut bytes = match which {
            0 => sealed.encode(),
            1 => sealed.encode_wire(&agreed(&[])),
            2 => invite().encode(),
            3 => join().encode(),
            _ => encode_batch(&plain).unwrap(),
        };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode_all(&bytes);
        decode_all(&bytes[..cut.index(bytes.len())]);
    }
}
