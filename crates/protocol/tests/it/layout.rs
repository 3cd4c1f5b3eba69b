//! The layouts and hashes as the documentation has them, put together by hand without the codec.

use driftless_protocol::{
    BodyForm, DecodeError, Domain, Envelope, EnvelopeError, Hash, Keep, Kind, Record, RecordBody,
    verify,
};

use crate::common::{
    TIME, agreed, change_hash, context, envelope, feed, genesis, invite, key, workspace,
};
use crate::messages;

fn h(tag: u8, parts: &[&[u8]]) -> [u8; 32] {
    *blake3::hash(&[&[tag], parts.concat().as_slice()].concat()).as_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A byte string under 251 bytes.
fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// The header of envelope `n` (5 to 250) of device 1 with this body hash.
fn header(n: u8, body: &[u8; 32]) -> Vec<u8> {
    let feed = feed(&key(1)).to_bytes();
    let parts: [&[u8]; 9] = [
        &[1],
        &workspace().to_bytes(),
        &feed,
        &[n],
        &[0xB2; 32],
        &[0],
        &[1],
        &[0xC3; 32],
        body,
    ];
    parts.concat()
}

/// A whole envelope of device 1, signed, around a body and payloads that are given as bytes.
fn foreign(body_hash: &[u8; 32], body: &[u8], payloads: &[u8]) -> Vec<u8> {
    let header = header(5, body_hash);
    let signature = key(1).sign(Domain::Envelope, &header);
    [
        header.as_slice(),
        signature.as_bytes(),
        &[0],
        body,
        payloads,
    ]
    .concat()
}

/// The meta part of version 1: kind, atomic, time (zigzag), no schema, no app version, no epoch, no extensions.
fn meta(kind: u8) -> Vec<u8> {
    let zigzag = u64::try_from(TIME).unwrap() << 1;
    [
        &[kind, 0, 253],
        zigzag.to_le_bytes().as_slice(),
        &[0, 0, 0, 0],
    ]
    .concat()
}

#[test]
fn an_envelope_by_hand() {
    let actor = feed(&key(1)).to_bytes();
    let item = |record: u8, change: &[u8]| {
        let salt = [record ^ 0x55; 16];
        let commitment_key = blake3::derive_key("driftless/1 2026 item commitment", &salt);
        let commitment = blake3::keyed_hash(&commitment_key, &change_hash(change).unwrap());
        let parts: [&[u8]; 4] = [&[record; 16], &actor, &[3, 3], commitment.as_bytes()];
        (
            parts.concat(),
            [salt.as_slice(), &[1], &bytes(change)].concat(),
        )
    };
    let (a, pa) = item(1, b"change of the first note");
    let (b, pb) = item(2, b"change of the second note");
    let (c, pc) = item(3, b"change of a task");
    let meta = meta(1);

    let notes = h(1, &[&text("notes"), &h(0, &[&a]), &h(0, &[&b])]);
    let tasks = h(1, &[&text("tasks"), &h(0, &[&c])]);
    let root = h(3, &[&h(2, &[&meta]), &notes, &tasks]);
    let body_hash = h(4, &[&[1], &root]);
    let body = [
        &[1][..],
        &bytes(&meta),
        &[2],
        &text("notes"),
        &[2],
        &bytes(&a),
        &bytes(&b),
        &text("tasks"),
        &[1],
        &bytes(&c),
    ]
    .concat();
    let payloads = [&[3][..], &bytes(&pa), &bytes(&pb), &bytes(&pc)].concat();

    let sealed = envelope(&key(1), 5);
    assert_eq!(sealed.header().body, Hash(body_hash));
    assert_eq!(sealed.encode(), foreign(&body_hash, &body, &payloads));
    assert_eq!(sealed.hash(), Hash::of(&header(5, &body_hash)));
}

/// A body of version 2 with parts this release cannot read, and its payloads.
fn version_two() -> ([u8; 32], Vec<u8>, Vec<u8>) {
    let root = h(
        3,
        &[
            &h(2, &[b"meta of 2"]),
            &h(1, &[&text("notes"), &h(0, &[b"item of 2"])]),
        ],
    );
    let body = [
        &[2][..],
        &bytes(b"meta of 2"),
        &[1],
        &text("notes"),
        &[1],
        &bytes(b"item of 2"),
    ]
    .concat();
    (
        h(4, &[&[2], &root]),
        body,
        [&[1][..], &bytes(b"payload of 2")].concat(),
    )
}

#[test]
fn a_newer_body_version_is_verified_held_and_relayed() {
    let (body_hash, body, payloads) = version_two();
    let stored = foreign(&body_hash, &body, &payloads);
    let read = Envelope::decode(&stored).unwrap();
    let BodyForm::Unknown(unknown) = read.body() else {
        panic!("version 2 is not known")
    };
    assert_eq!((unknown.version(), unknown.kind()), (2, None));
    assert_eq!(read.verify(&key(1).device_id()), Ok(()));
    assert_eq!(read.encode(), stored);
    assert!(read.items().is_empty() && read.known().is_none());
    assert_eq!(read.reduced(&|_, _| Keep::Hash), read);

    let relayed = read.encode_wire(&agreed(&[]));
    assert_eq!(
        Envelope::decode_wire(&relayed, &context(&read, agreed(&[]))),
        Ok(read)
    );
}

#[test]
fn a_newer_body_that_was_changed_on_the_way_is_refused() {
    let (body_hash, body, payloads) = version_two();
    let changed = foreign(
        &body_hash,
        &[&body[..body.len() - 1], b"3"].concat(),
        &payloads,
    );
    let read = Envelope::decode(&changed).unwrap();
    assert_eq!(
        read.verify(&key(1).device_id()),
        Err(EnvelopeError::BodyHash)
    );
}

#[test]
fn another_kind_of_a_known_version_is_verified_held_and_relayed() {
    let meta = meta(9);
    let root = h(
        3,
        &[
            &h(2, &[&meta]),
            &h(1, &[&text("blobs"), &h(0, &[b"a blob"])]),
        ],
    );
    let body = [
        &[1][..],
        &bytes(&meta),
        &[1],
        &text("blobs"),
        &[1],
        &bytes(b"a blob"),
    ]
    .concat();
    let stored = foreign(&h(4, &[&[1], &root]), &body, &[1, 0]);
    let read = Envelope::decode(&stored).unwrap();
    let BodyForm::Unknown(unknown) = read.body() else {
        panic!("kind 9 is not known")
    };
    assert_eq!((unknown.version(), unknown.kind()), (1, Some(Kind(9))));
    assert_eq!(read.verify(&key(1).device_id()), Ok(()));
    assert_eq!(read.encode(), stored);
}

#[test]
fn a_newer_header_is_told_apart_from_damage() {
    let mut stored = envelope(&key(1), 5).encode();
    stored[0] = 2;
    assert_eq!(
        Envelope::decode(&stored),
        Err(DecodeError::UnknownVersion { found: 2 }.into())
    );
}

#[test]
fn a_whole_body_in_the_form_for_partial_ones_is_not_canonical() {
    let stored = envelope(&key(1), 5).encode();
    let (body_hash, ..) = version_two();
    let form_byte = header(5, &body_hash).len() + 64;
    let mut partial = stored[..form_byte].to_vec();
    let item = [&[1; 16][..], &[2; 16], &[1, 1], &[3; 32]].concat();
    let parts: [&[u8]; 7] = [
        &[1, 1],
        &bytes(&meta(1)),
        &[1, 0],
        &text("notes"),
        &[1, 0],
        &bytes(&item),
        &[1],
    ];
    partial.extend(parts.concat());
    partial.extend(bytes(&[&[9; 16][..], &[1, 1, 7]].concat()));
    assert_eq!(
        Envelope::decode(&partial),
        Err(DecodeError::NotCanonical.into())
    );
}

#[test]
fn a_record_by_hand() {
    let parent = genesis();
    let record = invite();
    let expires = (1_790_000_000_000_u64 << 1).to_le_bytes();
    let body = [
        key(99).device_id().as_bytes().as_slice(),
        &[30, 253],
        &expires,
        &[5],
    ]
    .concat();
    let parts: [&[u8]; 7] = [
        &[1, 1],
        &parent.workspace().to_bytes(),
        &key(1).device_id().to_bytes(),
        &[1],
        &parent.hash().to_bytes(),
        &[2],
        &bytes(&body),
    ];
    let content = parts.concat();
    let signature = key(1).sign(Domain::Membership, &content);
    assert_eq!(
        record.encode(),
        [content.as_slice(), signature.as_bytes()].concat()
    );
    assert_eq!(record.hash(), Hash::of(&content));
}

#[test]
fn a_join_is_signed_twice_over_the_same_content() {
    let record = crate::common::join();
    let RecordBody::Join(join) = record.body() else {
        panic!("it is a join")
    };
    let stored = record.encode();
    let (content, _) = stored.split_at(stored.len() - 64);
    let unsigned = [&content[..content.len() - 64], &[0; 64]].concat();
    assert!(verify(
        &key(99).device_id(),
        Domain::JoinInvite,
        &unsigned,
        &join.invite_signature
    ));
    assert_eq!(Record::decode(&stored).unwrap().hash(), Hash::of(content));
}

#[test]
fn an_acknowledgement_by_hand() {
    let parts: [&[u8]; 6] = [
        &[1],
        &workspace().to_bytes(),
        &[1],
        &[&[1; 16][..], &[4, 9]].concat(),
        &[1],
        &[&[2; 16][..], &[7, 15]].concat(),
    ];
    assert_eq!(messages::ack().signed_bytes(&workspace()), parts.concat());
}

#[test]
fn a_signature_is_over_the_use_and_the_bytes() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let signing = SigningKey::from_bytes(&[1; 32]);
    let by_hand = signing.sign(b"driftless/1 ack\0bytes").to_bytes();
    assert_eq!(key(1).sign(Domain::Ack, b"bytes").as_bytes(), &by_hand);
    let signature = key(1).sign(Domain::Ack, b"bytes");
    for domain in [
        Domain::Envelope,
        Domain::Membership,
        Domain::Handshake,
        Domain::JoinInvite,
    ] {
        assert!(!verify(&key(1).device_id(), domain, b"bytes", &signature));
    }
    assert!(verify(
        &key(1).device_id(),
        Domain::Ack,
        b"bytes",
        &signature
    ));
}
