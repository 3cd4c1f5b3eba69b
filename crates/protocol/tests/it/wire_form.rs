//! The short form in which envelopes travel.

use driftless_protocol::{
    Agreed, DecodeError, Envelope, EnvelopeError, Hash, Keep, Message, Predecessor, encode_batch,
};

use crate::common::{agreed, content, context, draft, envelope, key, mutations, small_envelope};

const HEADS: &[Hash] = &[Hash([0xC3; 32])];

#[test]
fn one_field_costs_less_than_330_bytes_on_the_wire() {
    let sealed = small_envelope(&key(1), 1_000, 130);
    let bytes = sealed.encode_wire(&agreed(HEADS));
    assert_eq!(
        bytes.len(),
        258,
        "130 bytes of change, 64 of signature, 64 of everything else"
    );
    assert_eq!(sealed.encode().len(), 444, "the full form, for comparison");

    let message = Message::Envelope {
        feed: sealed.header().feed,
        n: 1_000,
        bytes,
    };
    let frame = encode_batch(&[message]).unwrap();
    let noise_tag = 16;
    assert_eq!(frame.len() + noise_tag, 298);
}

#[test]
fn the_receiver_puts_back_what_was_left_out() {
    for n in [1, 2, 70_000] {
        for heads in [HEADS, &[Hash([1; 32]), Hash([2; 32])], &[]] {
            for change_hash in [agreed(heads).change_hash, None] {
                let sealed = envelope(&key(1), n);
                let agreed = Agreed {
                    membership: heads,
                    change_hash,
                };
                let bytes = sealed.encode_wire(&agreed);
                let read = Envelope::decode_wire(&bytes, &context(&sealed, agreed)).unwrap();
                assert_eq!(read, sealed);
                assert_eq!(read.verify(&key(1).device_id()), Ok(()));
            }
        }
    }
}

#[test]
fn a_first_envelope_carries_its_predecessor() {
    let mut header = draft(&key(1), 1);
    let feed = driftless_protocol::FeedId::new(&key(1).device_id(), [1; 8]);
    header.predecessor = Some(Predecessor {
        feed,
        n: 44,
        hash: Hash([8; 32]),
    });
    let (body, payload) = content(&key(1));
    let sealed = Envelope::seal(&key(1), header, body, payload).unwrap();
    let bytes = sealed.encode_wire(&agreed(HEADS));
    assert_eq!(
        Envelope::decode_wire(&bytes, &context(&sealed, agreed(HEADS))),
        Ok(sealed)
    );
}

#[test]
fn a_wrong_guess_does_not_verify() {
    let sealed = envelope(&key(1), 5);
    let bytes = sealed.encode_wire(&agreed(HEADS));
    let device = key(1).device_id();
    let right = context(&sealed, agreed(HEADS));
    let other_heads = [Hash([0xEE; 32])];
    let other_hash = |_: &[u8]| Some([0_u8; 32]);
    let mut wrong = [right; 5];
    wrong[0].workspace = driftless_protocol::WorkspaceId([1; 16]);
    wrong[1].prev = Hash([1; 32]);
    wrong[2].n = 6;
    wrong[3].agreed.membership = &other_heads;
    wrong[4].agreed.change_hash = Some(&other_hash);
    for context in wrong {
        let read = Envelope::decode_wire(&bytes, &context).unwrap();
        assert_eq!(read.verify(&device), Err(EnvelopeError::Signature));
    }
    let mut without = right;
    without.agreed.change_hash = None;
    assert_eq!(
        Envelope::decode_wire(&bytes, &without),
        Err(EnvelopeError::NoChangeHash)
    );
}

#[test]
fn a_commitment_that_does_not_follow_is_sent() {
    let (mut body, payload) = content(&key(1));
    body.groups[0].items[0].commitment = Hash([1; 32]);
    let sealed = Envelope::seal(&key(1), draft(&key(1), 2), body, payload).unwrap();
    let bytes = sealed.encode_wire(&agreed(HEADS));
    let read = Envelope::decode_wire(&bytes, &context(&sealed, agreed(HEADS))).unwrap();
    assert_eq!(read, sealed);
}

#[test]
fn another_actor_than_the_feed_is_sent() {
    let (mut body, payload) = content(&key(1));
    body.groups[0].items[0].actor = [3; 16];
    let sealed = Envelope::seal(&key(1), draft(&key(1), 2), body, payload).unwrap();
    let bytes = sealed.encode_wire(&agreed(HEADS));
    assert_eq!(
        Envelope::decode_wire(&bytes, &context(&sealed, agreed(HEADS))),
        Ok(sealed)
    );
}

#[test]
fn a_reduced_envelope_travels_too() {
    let sealed = envelope(&key(1), 5);
    let reduced = sealed.reduced(&|_, item| {
        if item.record == [2; 16] {
            Keep::Description
        } else {
            Keep::All
        }
    });
    let bytes = reduced.encode_wire(&agreed(HEADS));
    let read = Envelope::decode_wire(&bytes, &context(&sealed, agreed(HEADS))).unwrap();
    assert_eq!(read, reduced);
    assert_eq!(read.verify(&key(1).device_id()), Ok(()));
}

#[test]
fn every_changed_byte_is_refused() {
    let sealed = envelope(&key(1), 5);
    let context = context(&sealed, agreed(HEADS));
    for heads in [HEADS, &[]] {
        let bytes = sealed.encode_wire(&agreed(heads));
        for changed in mutations(&bytes) {
            let read = Envelope::decode_wire(&changed, &context);
            assert!(read.is_err_or_unsigned());
        }
        for length in 0..bytes.len() {
            assert!(Envelope::decode_wire(&bytes[..length], &context).is_err());
        }
    }
}

#[test]
fn a_newer_wire_form_is_told_apart_from_damage() {
    let sealed = envelope(&key(1), 5);
    let mut bytes = sealed.encode_wire(&agreed(HEADS));
    bytes[0] = 0x22;
    let read = Envelope::decode_wire(&bytes, &context(&sealed, agreed(HEADS)));
    assert_eq!(read, Err(DecodeError::UnknownVersion { found: 2 }.into()));
}

trait Refused {
    fn is_err_or_unsigned(&self) -> bool;
}

impl Refused for Result<Envelope, EnvelopeError> {
    fn is_err_or_unsigned(&self) -> bool {
        self.as_ref()
            .map_or(true, |read| read.verify(&key(1).device_id()).is_err())
    }
}
