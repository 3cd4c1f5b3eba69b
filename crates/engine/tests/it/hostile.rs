//! What a peer may send and what it costs: its own session, nothing else.

use driftless_document::{ActorId, Record};
use driftless_engine::{ItemPage, Replica, SessionOutput, SessionStart, Side, Wishes};
use driftless_protocol::{Code, Hash, Message, encode_batch};
use proptest::prelude::*;

use crate::forger::{introduce, put};
use crate::support::{Device, assert_equal, hello, insert, set, sync, two};

pub(crate) fn first_failure(
    replica: &mut Replica,
    frames: &[Vec<u8>],
    peer: &Device,
) -> Option<Code> {
    let session = replica.start_session(SessionStart {
        side: Side::Listener,
        peer: peer.key().device_id(),
        handshake_hash: [5; 32],
        wishes: Wishes::default(),
    });
    let mut failure = None;
    for frame in frames {
        replica.handle_frame(session, frame, 0);
        replica.commit_group().unwrap();
        while let Some(output) = replica.poll_session(session) {
            if let SessionOutput::Failed(why) = output {
                failure = Some(why.code);
            }
        }
    }
    replica.end_session(session).unwrap();
    replica.commit_group().unwrap();
    failure
}

#[test]
fn messages_out_of_place_end_the_session_with_a_code() {
    let (_, mut laptop, phone, _) = two();
    let frame = |messages: &[Message]| encode_batch(messages).unwrap();
    let greeting = hello(&laptop);
    let membership = Message::MembershipHave { prefixes: vec![] };
    let none = Message::Membership {
        records: vec![],
        last: true,
    };
    let position = || Message::Position { entries: vec![] };
    let stories = [
        (vec![frame(&[Message::Done])], Code::UnexpectedMessage),
        (
            vec![frame(&[greeting.clone(), greeting.clone()])],
            Code::UnexpectedMessage,
        ),
        (
            vec![frame(&[
                greeting.clone(),
                Message::MembershipHave { prefixes: vec![] },
                Message::MembershipHave { prefixes: vec![] },
            ])],
            Code::UnexpectedMessage,
        ),
        (
            vec![
                frame(&[greeting.clone(), membership, none]),
                frame(&[position(), position()]),
                frame(&[position()]),
            ],
            Code::UnexpectedMessage,
        ),
        (vec![vec![0xff; 100]], Code::BadFrame),
        (vec![Vec::new()], Code::BadFrame),
    ];
    for (frames, code) in stories {
        assert_eq!(first_failure(&mut laptop, &frames, &phone), Some(code));
    }
    let stranger = Device::new(77);
    let refused = first_failure(&mut laptop, &[frame(&[greeting])], &stranger);
    assert_eq!(refused, Some(Code::UnknownDevice));
}

#[test]
fn an_envelope_that_is_changed_on_the_way_is_refused_and_nothing_of_it_stays() {
    let (_, mut laptop, _, mut phone) = two();
    insert(&mut laptop, r#"{"title":"a"}"#);
    let before = phone.digest().unwrap();
    // Every frame of the laptop is damaged in its last byte.
    let start = |side, peer| SessionStart {
        side,
        peer,
        handshake_hash: [9; 32],
        wishes: Wishes::default(),
    };
    let dialing = laptop.start_session(start(Side::Dialer, phone.device()));
    let listening = phone.start_session(start(Side::Listener, laptop.device()));
    let mut codes = Vec::new();
    for _ in 0..10 {
        while let Some(output) = laptop.poll_session(dialing) {
            if let SessionOutput::Send(mut frame) = output {
                if frame.len() > 200 {
                    let last = frame.len() - 10;
                    frame[last] ^= 1;
                }
                phone.handle_frame(listening, &frame, 0);
                phone.commit_group().unwrap();
            }
        }
        while let Some(output) = phone.poll_session(listening) {
            match output {
                SessionOutput::Send(frame) => laptop.handle_frame(dialing, &frame, 0),
                SessionOutput::Failed(why) => codes.push(why.code),
                _ => {}
            }
            laptop.commit_group().unwrap();
        }
    }
    phone.end_session(listening).unwrap();
    laptop.end_session(dialing).unwrap();
    phone.commit_group().unwrap();
    laptop.commit_group().unwrap();
    assert_eq!(codes.len(), 1, "{codes:?}");
    assert_eq!(phone.digest().unwrap(), before);
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(phone.digest().unwrap(), laptop.digest().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_bytes_of_a_member_panic_or_change_anything(junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
        let (_, mut laptop, phone, _) = two();
        let before = laptop.digest().unwrap();
        let mut frames = vec![encode_batch(&[hello(&laptop)]).unwrap()];
        frames.extend(junk);
        let failure = first_failure(&mut laptop, &frames, &phone);
        prop_assert!(failure.is_some());
        prop_assert_eq!(laptop.digest().unwrap(), before);
    }
}

/// One byte of one frame of a real session becomes another.
#[derive(Clone, Debug)]
struct Spoilt {
    frame: usize,
    at: prop::sample::Index,
    to: u8,
}

fn session_with(spoilt: &[Spoilt], dialer: &mut Replica, listener: &mut Replica) {
    let start = |side, peer| SessionStart {
        side,
        peer,
        handshake_hash: [9; 32],
        wishes: Wishes::default(),
    };
    let dialing = dialer.start_session(start(Side::Dialer, listener.device()));
    let listening = listener.start_session(start(Side::Listener, dialer.device()));
    let mut sent = 0;
    for _ in 0..20 {
        while let Some(output) = dialer.poll_session(dialing) {
            if let SessionOutput::Send(mut frame) = output {
                for spoil in spoilt.iter().filter(|spoil| spoil.frame == sent) {
                    let at = spoil.at.index(frame.len());
                    frame[at] = spoil.to;
                }
                sent += 1;
                listener.handle_frame(listening, &frame, 0);
                listener.commit_group().unwrap();
            }
        }
        while let Some(output) = listener.poll_session(listening) {
            if let SessionOutput::Send(frame) = output {
                dialer.handle_frame(dialing, &frame, 0);
                dialer.commit_group().unwrap();
            }
        }
    }
    dialer.end_session(dialing).unwrap();
    listener.end_session(listening).unwrap();
    dialer.commit_group().unwrap();
    listener.commit_group().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_session_with_spoilt_frames_panics_nobody_and_the_next_one_converges(
        spoilt in prop::collection::vec(
            (0..6usize, any::<prop::sample::Index>(), any::<u8>())
                .prop_map(|(frame, at, to)| Spoilt { frame, at, to }),
            1..4,
        )
    ) {
        let (_, mut laptop, _, mut phone) = two();
        let id = insert(&mut laptop, r#"{"title":"a"}"#);
        sync(&mut phone, &mut laptop).unwrap();
        set(&mut laptop, id, "title", "laptop");
        set(&mut phone, id, "title", "phone");
        laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
        laptop.commit_group().unwrap();
        session_with(&spoilt, &mut phone, &mut laptop);
        sync(&mut phone, &mut laptop).unwrap();
        assert_equal(&laptop, &phone);
    }
}

fn cases() -> u32 {
    let wanted = std::env::var("DRIFTLESS_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    wanted.unwrap_or(200)
}

#[test]
fn what_names_membership_records_that_are_not_here_does_not_wait_here() {
    let (_, mut laptop, phone, _) = two();
    let before = laptop.digest().unwrap();
    for times in 0..3 {
        let (session, mut forger) = introduce(&mut laptop, phone.key());
        forger.membership = vec![Hash([0xC3; 32])];
        let mut record = Record::new();
        let actor = ActorId(forger.feed.0);
        let envelopes = (1..=40_u64).map(|n| {
            let raw = put(&mut record, actor, "a", n.cast_signed());
            forger.sign([7; 16], (n, n), raw)
        });
        let envelopes: Vec<_> = envelopes.collect();
        let frame = encode_batch(&forger.send(envelopes)).unwrap();
        laptop.handle_frame(session, &frame, 0);
        laptop.commit_group().unwrap();
        let mut failures = Vec::new();
        while let Some(output) = laptop.poll_session(session) {
            if let SessionOutput::Failed(why) = output {
                failures.push(why.code);
            }
        }
        // The first of them ends the session; its sender has them all, and offers them again once the records are here.
        assert_eq!(failures, [Code::MissingPast], "time {times}");
        laptop.end_session(session).unwrap();
        laptop.commit_group().unwrap();
        assert_eq!(laptop.digest().unwrap(), before);
        let page = ItemPage::default();
        assert!(laptop.quarantine(&page).unwrap().is_empty());
    }
}
