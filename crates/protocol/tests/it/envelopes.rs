//! Envelopes: sealed, chained, verified, reduced.

use driftless_protocol::{
    Body, BodyForm, DecodeError, Envelope, EnvelopeError, Group, Hash, Keep, Kind, Meta,
    PartialBody, PartialGroup, PartialItem, Payload, Predecessor, check_commitment, limits,
};

use crate::common::{change_hash, content, draft, envelope, feed, item, key, mutations};

#[test]
fn what_is_sealed_is_read_back_and_verifies() {
    let sealed = envelope(&key(1), 5);
    let read = Envelope::decode(&sealed.encode()).unwrap();
    assert_eq!(read, sealed);
    assert_eq!(read.verify(&key(1).device_id()), Ok(()));
    assert_eq!(
        read.verify(&key(2).device_id()),
        Err(EnvelopeError::OtherDevice)
    );
    assert_eq!(read.items().len(), 3);
}

#[test]
fn a_chain_is_followed_by_number_and_hash() {
    let first = envelope(&key(1), 1);
    let mut next = draft(&key(1), 2);
    next.prev = first.hash();
    let (body, payload) = content(&key(1));
    let second = Envelope::seal(&key(1), next, body, payload).unwrap();
    assert!(second.header().follows(1, &first.hash()));
    assert!(!second.header().follows(1, &Hash([9; 32])));
    assert!(!second.header().follows(2, &first.hash()));
}

#[test]
fn every_changed_byte_is_refused() {
    let sealed = envelope(&key(1), 5);
    let device = key(1).device_id();
    for changed in mutations(&sealed.encode()) {
        // Changes and salts are not signed themselves: the items commit to them.
        let refused = Envelope::decode(&changed).map_or(true, |read| {
            let commitments_hold = read.items().iter().all(|(_, item, payload)| {
                let hash = change_hash(payload.changes.last().unwrap()).unwrap();
                check_commitment(item, &payload.salt, &hash)
            });
            read.verify(&device).is_err() || !commitments_hold
        });
        assert!(refused);
    }
}

#[test]
fn every_truncation_and_any_tail_is_refused() {
    let bytes = envelope(&key(1), 5).encode();
    for length in 0..bytes.len() {
        assert!(Envelope::decode(&bytes[..length]).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        Envelope::decode(&longer),
        Err(DecodeError::Trailing { left: 1 }.into())
    );
}

#[test]
fn only_the_device_that_owns_the_feed_can_seal() {
    let (body, payload) = content(&key(1));
    let refused = Envelope::seal(&key(2), draft(&key(1), 1), body, payload);
    assert_eq!(refused, Err(EnvelopeError::OtherDevice));
}

#[test]
fn headers_that_cannot_be_are_refused_where_they_are_made() {
    let sealed = |change: &dyn Fn(&mut driftless_protocol::HeaderDraft)| {
        let mut header = draft(&key(1), 1);
        change(&mut header);
        let (body, payload) = content(&key(1));
        Envelope::seal(&key(1), header, body, payload).map(|_| ())
    };
    let before = |feed, n| {
        Some(Predecessor {
            feed,
            n,
            hash: Hash([1; 32]),
        })
    };
    let earlier = driftless_protocol::FeedId::new(&key(1).device_id(), [1; 8]);
    assert_eq!(sealed(&|h| h.n = 0), Err(EnvelopeError::Number));
    assert_eq!(sealed(&|h| h.n = 2), Err(EnvelopeError::Previous));
    assert_eq!(
        sealed(&|h| h.prev = Hash([1; 32])),
        Err(EnvelopeError::Previous)
    );
    assert_eq!(
        sealed(&|h| h.membership.clear()),
        Err(EnvelopeError::Membership)
    );
    assert_eq!(
        sealed(&|h| h.membership = vec![Hash([1; 32]); 2]),
        Err(EnvelopeError::Membership)
    );
    assert_eq!(
        sealed(&|h| h.membership = (0..17).map(|i| Hash([i; 32])).collect()),
        Err(EnvelopeError::Membership)
    );
    assert_eq!(
        sealed(&|h| h.predecessor = before(h.feed, 1)),
        Err(EnvelopeError::Predecessor)
    );
    assert_eq!(
        sealed(&|h| h.predecessor = before(feed(&key(2)), 1)),
        Err(EnvelopeError::Predecessor)
    );
    assert_eq!(
        sealed(&|h| h.predecessor = before(earlier, 0)),
        Err(EnvelopeError::Predecessor)
    );
    assert_eq!(sealed(&|h| h.predecessor = before(earlier, 4)), Ok(()));
}

#[test]
fn bodies_that_cannot_be_are_refused_where_they_are_made() {
    let sealed = |change: &dyn Fn(&mut Body, &mut Payload)| {
        let (mut body, mut payload) = content(&key(1));
        change(&mut body, &mut payload);
        Envelope::seal(&key(1), draft(&key(1), 1), body, payload).map(|_| ())
    };
    assert_eq!(
        sealed(&|b, _| b.groups.swap(0, 1)),
        Err(EnvelopeError::Collection)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[1].collection = "notes".into()),
        Err(EnvelopeError::Collection)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[0].collection.clear()),
        Err(EnvelopeError::Collection)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[1].collection = "x".repeat(129)),
        Err(EnvelopeError::Collection)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[0].items.clear()),
        Err(EnvelopeError::EmptyGroup)
    );
    assert_eq!(
        sealed(&|_, p| p.items.truncate(2)),
        Err(EnvelopeError::PayloadCount {
            items: 3,
            payloads: 2
        })
    );
    assert_eq!(
        sealed(&|_, p| p.items[0].changes.clear()),
        Err(EnvelopeError::EmptyChange)
    );
    assert_eq!(
        sealed(&|_, p| p.items[0].changes[0].clear()),
        Err(EnvelopeError::EmptyChange)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[0].items[0].first_seq = 0),
        Err(EnvelopeError::Item)
    );
    assert_eq!(
        sealed(&|b, _| b.groups[0].items[0].first_seq = 9),
        Err(EnvelopeError::Item)
    );
    assert_eq!(
        sealed(&|b, _| b.meta.kind = Kind(2)),
        Err(EnvelopeError::Kind)
    );
    assert_eq!(
        sealed(&|b, _| b.meta.ext = vec![(2, vec![]), (1, vec![])]),
        Err(EnvelopeError::Meta)
    );
    assert_eq!(
        sealed(&|b, _| b.meta.app_version = "x".repeat(33)),
        Err(EnvelopeError::Meta)
    );
}

#[test]
fn items_changes_and_bytes_are_counted() {
    let many = |items: usize, changes: usize, bytes: usize| {
        let (one, mut payload) = item(&key(1), 1, b"change");
        payload.changes = vec![vec![1; bytes]; changes];
        let body = Body {
            meta: Meta::changes(0),
            groups: vec![Group {
                collection: "c".into(),
                items: vec![one; items],
            }],
        };
        let payload = Payload {
            items: vec![payload; items],
        };
        Envelope::seal(&key(1), draft(&key(1), 1), body, payload)
            .map(|sealed| sealed.encode().len())
    };
    assert!(many(limits::ITEMS, 1, 1).is_ok());
    assert_eq!(
        many(limits::ITEMS + 1, 1, 1),
        Err(EnvelopeError::TooManyItems { items: 4097 })
    );
    assert_eq!(
        many(2, 40_000, 1),
        Err(EnvelopeError::TooManyChanges { changes: 80_000 })
    );
    assert!(matches!(
        many(1, 1, limits::ENVELOPE),
        Err(EnvelopeError::TooLarge { .. })
    ));
    let largest = many(1, 1, limits::ENVELOPE - 400).unwrap();
    assert!(largest <= limits::ENVELOPE);
}

#[test]
fn the_largest_envelope_of_many_items_is_read_back() {
    let (one, payload) = item(&key(1), 1, b"change");
    let body = Body {
        meta: Meta::changes(0),
        groups: vec![Group {
            collection: "c".into(),
            items: vec![one; limits::ITEMS],
        }],
    };
    let payload = Payload {
        items: vec![payload; limits::ITEMS],
    };
    let sealed = Envelope::seal(&key(1), draft(&key(1), 1), body, payload).unwrap();
    assert_eq!(Envelope::decode(&sealed.encode()), Ok(sealed));
}

#[test]
fn erasing_one_item_leaves_the_rest_verifiable() {
    let sealed = envelope(&key(1), 5);
    let reduced = sealed.reduced(&|_, item| {
        if item.record == [2; 16] {
            Keep::Description
        } else {
            Keep::All
        }
    });
    let bytes = reduced.encode();
    assert!(!contains(&bytes, b"change of the second note"));
    assert!(
        !contains(&bytes, &[2 ^ 0x55; 16]),
        "the salt is gone as well"
    );

    let read = Envelope::decode(&bytes).unwrap();
    assert_eq!(read, reduced);
    assert_eq!(read.verify(&key(1).device_id()), Ok(()));
    assert_eq!(read.hash(), sealed.hash());
    assert_eq!(read.known(), None);
    let records: Vec<_> = read
        .items()
        .iter()
        .map(|(name, item, _)| (*name, item.record[0]))
        .collect();
    assert_eq!(records, [("notes", 1), ("tasks", 3)]);
    let BodyForm::Partial(PartialBody { groups, .. }) = read.body() else {
        panic!("it is partial")
    };
    let PartialGroup::Shown { items, .. } = &groups[0] else {
        panic!("the group is shown")
    };
    assert!(matches!(items[1], PartialItem::Erased(item) if item.record == [2; 16]));
}

#[test]
fn an_item_left_out_is_only_a_hash_and_a_group_left_out_loses_its_name() {
    let sealed = envelope(&key(1), 5);
    let hide = |record: u8| {
        move |_: &str, item: &driftless_protocol::Item| {
            if item.record == [record; 16] {
                Keep::Hash
            } else {
                Keep::All
            }
        }
    };
    let without_item = sealed.reduced(&hide(1));
    assert!(!contains(&without_item.encode(), &[1; 16]));
    assert!(contains(&without_item.encode(), b"notes"));
    let without_group = without_item.reduced(&hide(3));
    assert!(!contains(&without_group.encode(), b"tasks"));
    for reduced in [without_item, without_group] {
        let read = Envelope::decode(&reduced.encode()).unwrap();
        assert_eq!(read.verify(&key(1).device_id()), Ok(()));
    }
    assert_eq!(sealed.reduced(&|_, _| Keep::All), sealed);
}

#[test]
fn a_reduced_envelope_with_any_changed_byte_is_refused() {
    let sealed = envelope(&key(1), 5);
    let reduced = sealed.reduced(&|_, item| match item.record[0] {
        1 => Keep::Description,
        2 => Keep::Hash,
        _ => Keep::All,
    });
    for changed in mutations(&reduced.encode()) {
        let refused = Envelope::decode(&changed).map_or(true, |read| {
            let commitments_hold = read.items().iter().all(|(_, item, payload)| {
                let hash = change_hash(payload.changes.last().unwrap()).unwrap();
                check_commitment(item, &payload.salt, &hash)
            });
            read.verify(&key(1).device_id()).is_err() || !commitments_hold
        });
        assert!(refused);
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
