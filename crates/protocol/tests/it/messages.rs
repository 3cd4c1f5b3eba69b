//! Messages and batches.

use driftless_protocol::{
    Ack, Batcher, Chunker, Code, CursorMark, DecodeError, FeedId, HeldRun, Hello, Message,
    MessageError, Record, RecordBody, Refusal, RunSet, WorkspaceId, decode_batch, encode_batch,
    limits, workspace_tag,
};

use crate::common::{envelope, genesis, invite, join, key, workspace};

pub(crate) fn hello() -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        workspace: workspace_tag(&workspace(), &[6; 32]),
        features: 0xffff,
        cursor_digest: [1; 16],
        membership_digest: [2; 16],
        common: Some([3; 8]),
        max_envelope: 8 * 1024 * 1024,
        role: 30,
    }
}

pub(crate) fn ack() -> Ack {
    let held = vec![HeldRun {
        feed: FeedId([1; 16]),
        first: 4,
        last: 9,
    }];
    let refused = vec![Refusal {
        feed: FeedId([2; 16]),
        n: 7,
        code: Code::ChangeRefused,
    }];
    Ack::sign(&key(1), &workspace(), held, refused)
}

/// One of each.
pub(crate) fn all() -> Vec<Message> {
    let feed = FeedId([1; 16]);
    let mark = CursorMark {
        feed,
        headers: 9,
        head: [4; 8],
        held: RunSet::up_to(9),
    };
    let holes = CursorMark {
        held: [1, 2, 5].into_iter().collect(),
        ..mark.clone()
    };
    vec![
        Message::Hello(hello()),
        Message::Proof {
            records: vec![genesis(), invite()],
        },
        Message::Join {
            record: Box::new(join()),
        },
        Message::Welcome {
            records: vec![genesis()],
            last: false,
        },
        Message::MembershipHave {
            prefixes: vec![[1; 8], [2; 8]],
        },
        Message::Membership {
            records: vec![join()],
            last: true,
        },
        Message::Cursor {
            since_common: true,
            entries: vec![mark.clone(), holes],
            last: true,
        },
        Message::Position {
            entries: vec![mark],
        },
        Message::Envelope {
            feed,
            n: 300,
            bytes: vec![5; 40],
        },
        Message::Chunk(
            Chunker::new(feed, 1, b"a long envelope")
                .unwrap()
                .next()
                .unwrap(),
        ),
        Message::Done,
        Message::Ack(ack()),
        Message::error(Code::Busy, "later"),
        Message::Bye,
        Message::Credit { bytes: 65_536 },
        Message::Ahead {
            envelopes: 12,
            records: 3_000,
        },
        Message::AskHeader { feed, n: 300 },
        Message::Header {
            header: Box::new(envelope(&key(1), 5).signed_header().clone()),
        },
    ]
}

#[test]
fn every_message_survives_alone_and_in_a_batch() {
    for message in all() {
        let frame = encode_batch(std::slice::from_ref(&message)).unwrap();
        assert_eq!(decode_batch(&frame).unwrap(), [message]);
    }
    let frame = encode_batch(&all()).unwrap();
    assert_eq!(frame[0], 0x11, "a batch of this size is compressed");
    assert_eq!(decode_batch(&frame).unwrap(), all());
}

#[test]
fn hello_takes_at_most_70_bytes() {
    let frame = encode_batch(&[Message::Hello(hello())]).unwrap();
    assert_eq!(frame.len(), 70);
    let fewer = Hello {
        features: 7,
        common: None,
        ..hello()
    };
    assert_eq!(encode_batch(&[Message::Hello(fewer)]).unwrap().len(), 60);
}

#[test]
fn a_workspace_is_named_differently_in_each_session() {
    assert_ne!(
        workspace_tag(&workspace(), &[1; 32]),
        workspace_tag(&workspace(), &[2; 32])
    );
    assert_ne!(
        workspace_tag(&workspace(), &[1; 32]),
        workspace_tag(&WorkspaceId([0; 16]), &[1; 32])
    );
}

#[test]
fn an_unknown_message_is_named() {
    assert_eq!(
        decode_batch(&[0x10, 11, 200]),
        Err(MessageError::UnknownMessage { tag: 200 })
    );
    assert_eq!(
        decode_batch(&[0x10, 0]),
        Err(MessageError::UnknownMessage { tag: 0 })
    );
}

#[test]
fn frames_that_are_no_batches_are_refused() {
    assert_eq!(decode_batch(&[]), Err(DecodeError::Truncated.into()));
    assert_eq!(decode_batch(&[0x10]), Err(MessageError::EmptyBatch));
    assert_eq!(
        decode_batch(&[0x20, 11]),
        Err(DecodeError::UnknownVersion { found: 2 }.into())
    );
    assert_eq!(
        decode_batch(&[0x12, 11]),
        Err(DecodeError::Malformed.into())
    );
    assert_eq!(decode_batch(&[0x11, 11]), Err(MessageError::Unpack));
    let long = vec![0x10; limits::MESSAGE + 1];
    assert!(matches!(
        decode_batch(&long),
        Err(MessageError::Bytes(DecodeError::TooLong { .. }))
    ));
    let many = [vec![0x10], vec![11; 65]].concat();
    assert_eq!(
        decode_batch(&many),
        Err(MessageError::TooMany { count: 65 })
    );
    // A one-byte number written in three.
    let wide = [&[0x10, 9][..], &[1; 16], &[251, 5, 0], &[1, 0]].concat();
    assert_eq!(decode_batch(&wide), Err(DecodeError::NotCanonical.into()));
}

#[test]
fn messages_over_a_limit_are_not_sent() {
    let feed = FeedId([1; 16]);
    let refused = |message| encode_batch(&[message]).unwrap_err();
    let detail = Message::Error {
        code: Code::Bug,
        detail: "x".repeat(257),
        retry_after_s: 0,
    };
    assert_eq!(
        refused(detail),
        DecodeError::OverLimit { part: "detail" }.into()
    );
    let Message::Error { detail, .. } = Message::error(Code::Bug, &"ä".repeat(200)) else {
        panic!()
    };
    assert_eq!(detail.len(), 256);
    let run = HeldRun {
        feed,
        first: 3,
        last: 2,
    };
    assert_eq!(
        refused(Message::Ack(Ack::sign(
            &key(1),
            &workspace(),
            vec![run],
            vec![]
        ))),
        MessageError::Numbers
    );
    assert_eq!(
        refused(Message::Envelope {
            feed,
            n: 0,
            bytes: vec![]
        }),
        MessageError::Numbers
    );
    let large = Message::Envelope {
        feed,
        n: 1,
        bytes: vec![0; limits::MESSAGE],
    };
    assert!(matches!(refused(large), MessageError::TooLarge { .. }));
    assert_eq!(
        encode_batch(&vec![Message::Done; 65]),
        Err(MessageError::TooMany { count: 65 })
    );
    assert_eq!(encode_batch(&[]), Err(MessageError::EmptyBatch));
}

#[test]
fn an_acknowledgement_is_believed_for_one_device_and_one_workspace() {
    let ack = ack();
    assert!(ack.verify(&key(1).device_id(), &workspace()));
    assert!(!ack.verify(&key(2).device_id(), &workspace()));
    assert!(!ack.verify(&key(1).device_id(), &WorkspaceId([0; 16])));
    let mut more = ack.clone();
    more.held[0].last = 10;
    assert!(!more.verify(&key(1).device_id(), &workspace()));
    let mut fewer = ack;
    fewer.refused.clear();
    assert!(!fewer.verify(&key(1).device_id(), &workspace()));
}

#[test]
fn the_batcher_fills_frames_and_keeps_the_order() {
    let messages: Vec<Message> = (1..=200)
        .map(|n| Message::Envelope {
            feed: FeedId([1; 16]),
            n,
            bytes: vec![9; 10 * usize::try_from(n).unwrap()],
        })
        .collect();
    let mut batcher = Batcher::new();
    let mut frames: Vec<Vec<u8>> = messages
        .iter()
        .filter_map(|message| batcher.push(message).unwrap())
        .collect();
    frames.extend(batcher.finish());
    assert_eq!(batcher.finish(), None);
    let read: Vec<Message> = frames
        .iter()
        .flat_map(|frame| decode_batch(frame).unwrap())
        .collect();
    assert_eq!(read, messages);
    assert_eq!(frames.len(), 4, "some are full by count, some by bytes");
}

#[test]
fn long_lists_are_cut_into_frames() {
    let parent = genesis();
    let record = |i: u32| {
        let body = RecordBody::Unknown {
            kind: 99,
            bytes: [i.to_be_bytes().to_vec(), vec![0; 1000]].concat(),
        };
        Record::sign(&key(1), Some(parent.workspace()), vec![parent.hash()], body).unwrap()
    };
    let records: Vec<Record> = (0..200).map(record).collect();
    let messages = Message::welcome(records.clone());
    assert_eq!(messages.len(), 4);
    let mut read = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let frame = encode_batch(std::slice::from_ref(message)).unwrap();
        let Message::Welcome { records, last } = decode_batch(&frame).unwrap().remove(0) else {
            panic!()
        };
        assert_eq!(last, index == 3);
        read.extend(records);
    }
    assert_eq!(read, records);
    assert_eq!(
        Message::membership(vec![]),
        [Message::Membership {
            records: vec![],
            last: true
        }]
    );

    let mark = |i: u16| {
        let feed = FeedId([
            i.to_be_bytes()[0],
            i.to_be_bytes()[1],
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        CursorMark {
            feed,
            headers: u64::MAX,
            head: [1; 8],
            held: (1..=u64::from(i % 50)).map(|n| n * 1000).collect(),
        }
    };
    let marks: Vec<CursorMark> = (0..5000).map(mark).collect();
    let messages = Message::cursor(false, marks.clone());
    let mut read = Vec::new();
    for message in &messages {
        let frame = encode_batch(std::slice::from_ref(message)).unwrap();
        let Message::Cursor { entries, .. } = decode_batch(&frame).unwrap().remove(0) else {
            panic!()
        };
        read.extend(entries);
    }
    assert_eq!(read, marks);
    assert_eq!(Message::position(vec![]), []);
}
