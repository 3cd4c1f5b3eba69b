//! A feed that went on in two ways, and sessions that stay open meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_document::RecordId;
use driftless_engine::{Replica, Wishes};
use driftless_protocol::Code;
use driftless_testkit::device::{Device, Hand};
use driftless_testkit::wire::{DIALER, LISTENER, Link, sync};

use crate::support::{assert_equal, insert, set, three};

const NOW: i64 = 1_790_000_000_000;

/// Carries frames of one session until nobody has any.
fn run(link: &mut Link, dialer: &mut Replica, listener: &mut Replica) {
    while {
        dialer.take_awakened();
        listener.take_awakened();
        let drained = [link.drain(DIALER, dialer), link.drain(LISTENER, listener)];
        drained != [false, false] || link.is_busy()
    } {
        link.deliver(LISTENER, listener, NOW).unwrap();
        link.deliver(DIALER, dialer, NOW).unwrap();
    }
}

#[test]
fn a_branch_reaches_those_who_listen_under_its_own_name() {
    let ([_a, b, _c], [mut laptop, phone, mut tablet]) = three();
    phone.close().unwrap();
    let mut copy = b.copy();
    copy.processes = Arc::new(AtomicU64::new(b.processes.load(Ordering::Relaxed)));
    copy.clock = Hand::at(NOW + 1_000);
    let (mut phone, mut other) = (b.open(), copy.open());
    insert(&mut phone, r#"{"title":"one"}"#);
    insert(&mut other, r#"{"title":"two"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    insert(&mut phone, r#"{"title":"three"}"#);

    // That they parted is written down; there is more to come of one of them.
    let found = sync(&mut other, &mut laptop).unwrap_err();
    assert_eq!(found.code, Code::Equivocation);
    sync(&mut other, &mut laptop).unwrap();
    let live = Wishes {
        live: true,
        ..Wishes::default()
    };
    let mut link = Link::open(&mut tablet, &mut laptop, [7; 32], [live; 2]);
    run(&mut link, &mut tablet, &mut laptop);
    assert_eq!(link.caught_up, [true, true]);

    sync(&mut phone, &mut laptop).unwrap();
    run(&mut link, &mut tablet, &mut laptop);
    assert_eq!(link.ended, [None, None], "the session goes on");
    assert_equal(&laptop, &tablet);
}

/// A folder and its copy, both run from the same process number: each begins the same feed otherwise. The record is the copy's.
fn run_twice(folder: &Device) -> (Replica, Replica, RecordId) {
    let mut copy = folder.copy();
    copy.processes = Arc::new(AtomicU64::new(folder.processes.load(Ordering::Relaxed)));
    copy.clock = Hand::at(NOW + 1_000);
    let (mut phone, mut other) = (folder.open(), copy.open());
    for title in ["one", "two"] {
        insert(&mut phone, &format!(r#"{{"title":"{title}"}}"#));
    }
    let theirs = insert(&mut other, r#"{"title":"three"}"#);
    (phone, other, theirs)
}

/// The laptop has said what it holds when the beginning of a feed of the phone's comes otherwise, and is built upon.
fn differ_by_what_came_since(
    phone: &mut Replica,
    laptop: &mut Replica,
    other: &mut Replica,
    theirs: RecordId,
) {
    let mut link = Link::open(phone, laptop, [7; 32], [Wishes::default(); 2]);
    link.drain(DIALER, phone);
    link.deliver(LISTENER, laptop, NOW).unwrap();
    link.drain(LISTENER, laptop);
    sync(other, laptop).unwrap();
    set(laptop, theirs, "title", "on top of three");
    run(&mut link, phone, laptop);
    let failure = link.failure().expect("they find that they differ");
    assert_eq!(failure.code, Code::Equivocation, "{}", failure.detail);
}

#[test]
fn what_came_since_the_cursor_was_sent_is_compared_before_what_rests_on_it_comes() {
    let ([_a, b, _c], [mut laptop, mut phone, _]) = three();
    // More than fits into a few frames lies before what differs.
    for n in 0..40 {
        let body = format!("{n} ").repeat(4_000);
        insert(&mut phone, &format!(r#"{{"body":"{body}"}}"#));
    }
    phone.close().unwrap();
    let (mut phone, mut other, theirs) = run_twice(&b);
    differ_by_what_came_since(&mut phone, &mut laptop, &mut other, theirs);
}

#[test]
fn what_came_since_is_compared_with_what_the_peer_says_it_holds_besides_its_cursor() {
    let ([_a, b, _c], [mut laptop, mut phone, _]) = three();
    insert(&mut phone, r#"{"title":"before"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    phone.close().unwrap();
    let (phone, mut other, theirs) = run_twice(&b);
    // Its cursor names the feed that it writes to now; of the one before it tells when it is asked.
    phone.close().unwrap();
    let mut phone = b.open();
    insert(&mut phone, r#"{"title":"of another process"}"#);
    insert(&mut laptop, r#"{"title":"of the laptop"}"#);

    differ_by_what_came_since(&mut phone, &mut laptop, &mut other, theirs);
}
