//! Cursors: runs, digests, and what two devices tell each other.

use std::collections::BTreeSet;

use driftless_protocol::{
    Cursor, CursorEntry, CursorMark, FeedId, Hash, Message, RunSet, decode_batch, encode_batch,
};
use proptest::prelude::*;

fn entry(feed: u8, headers: u64, held: RunSet) -> CursorEntry {
    CursorEntry {
        feed: FeedId([feed; 16]),
        headers,
        head: Hash([feed; 32]),
        held,
    }
}

#[test]
fn runs_grow_and_meet() {
    let mut set = RunSet::new();
    assert_eq!(set.first_gap(), Some(1));
    assert!(set.insert(2) && set.insert(4) && !set.insert(4) && !set.insert(0));
    assert_eq!(set.iter().collect::<Vec<_>>(), [(2, 2), (4, 4)]);
    set.insert(3);
    assert_eq!(set.iter().collect::<Vec<_>>(), [(2, 4)]);
    set.insert_run(1, 1);
    assert_eq!(set.first_gap(), Some(5));
    assert!(set.is_up_to(4));
    set.insert_run(u64::MAX, u64::MAX);
    assert_eq!(set.last(), Some(u64::MAX));
    set.insert_run(0, u64::MAX);
    assert_eq!(
        (set.first_gap(), set.runs(), set.count()),
        (None, 1, u64::MAX)
    );
}

#[test]
fn a_digest_does_not_depend_on_the_order_of_learning() {
    let entries = [
        entry(1, 5, RunSet::up_to(5)),
        entry(2, 9, RunSet::up_to(9)),
        entry(3, 0, RunSet::new()),
    ];
    let forward: Cursor = entries.iter().cloned().collect();
    let backward: Cursor = entries.iter().rev().cloned().collect();
    assert_eq!(forward.digest(), backward.digest());
    let mut other = forward.clone();
    other.entry_mut(FeedId([2; 16])).held = RunSet::up_to(8);
    assert_ne!(forward.digest(), other.digest());
    other.remove(&FeedId([2; 16]));
    assert_ne!(forward.digest(), other.digest());
}

#[test]
fn a_feed_that_is_all_there_costs_26_bytes() {
    let size = |mark: CursorMark| {
        let with = encode_batch(&[Message::Position {
            entries: vec![mark],
        }])
        .unwrap()
        .len();
        with - encode_batch(&[Message::Position { entries: vec![] }])
            .unwrap()
            .len()
    };
    assert_eq!(size(entry(1, 200, RunSet::up_to(200)).mark()), 26);
    assert_eq!(
        size(entry(1, 200, [1, 2, 3, 7].into_iter().collect()).mark()),
        31
    );
}

#[test]
fn what_is_held_without_its_header_is_refused() {
    let mark = CursorMark {
        feed: FeedId([1; 16]),
        headers: 4,
        head: [1; 8],
        held: RunSet::up_to(5),
    };
    assert!(
        encode_batch(&[Message::Position {
            entries: vec![mark]
        }])
        .is_err()
    );
}

proptest! {
    #[test]
    fn runs_are_the_set_of_their_numbers(
        inserts in prop::collection::vec((1_u64..60, 0_u64..9), 0..20),
        others in prop::collection::vec((1_u64..60, 0_u64..9), 0..20),
    ) {
        let build = |runs: &[(u64, u64)]| {
            let mut set = RunSet::new();
            let mut model = BTreeSet::new();
            for &(first, more) in runs {
                set.insert_run(first, first + more);
                model.extend(first..=first + more);
            }
            (set, model)
        };
        let (set, model) = build(&inserts);
        let (other, other_model) = build(&others);
        let numbers = |set: &RunSet| set.iter().flat_map(|(first, last)| first..=last).collect::<BTreeSet<_>>();
        prop_assert_eq!(numbers(&set), model.clone());
        prop_assert_eq!(set.count(), model.len() as u64);
        prop_assert_eq!(set.first_gap(), (1..100).find(|n| !model.contains(n)));
        prop_assert!((0..80).all(|n| set.contains(n) == model.contains(&n)));
        prop_assert_eq!(&model.iter().copied().collect::<RunSet>(), &set);
        let left: BTreeSet<u64> = model.difference(&other_model).copied().collect();
        prop_assert_eq!(numbers(&set.without(&other)), left.clone());
        prop_assert_eq!(set.without(&other), left.into_iter().collect::<RunSet>());

        let headers = set.last().unwrap_or(0);
        let message = Message::Position { entries: vec![entry(1, headers, set).mark()] };
        let frame = encode_batch(std::slice::from_ref(&message)).unwrap();
        prop_assert_eq!(decode_batch(&frame).unwrap(), vec![message]);
    }
}
