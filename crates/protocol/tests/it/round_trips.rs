//! What is written is read back, for all values there can be.

use std::collections::BTreeMap;

use driftless_protocol::{
    Ack, Adopt, Agreed, Body, Code, CursorMark, DeviceId, Envelope, EnvelopeName, FeedId, Genesis,
    Group, Hash, HeaderDraft, HeldRun, Hello, Invite, InviteLink, Item, ItemPayload, Kind, Message,
    Meta, Payload, Record, RecordBody, Refusal, Remove, Role, RunSet, SetRules, WireContext,
    WorkspaceId, decode_batch, encode_batch,
};
use proptest::prelude::*;

use crate::common::{accusation, change_hash, feed, key};

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn heads() -> impl Strategy<Value = Vec<Hash>> {
    prop::collection::btree_set(hash(), 1..=16).prop_map(|set| set.into_iter().collect())
}

fn meta() -> impl Strategy<Value = Meta> {
    let ext =
        prop::collection::btree_map(any::<u16>(), prop::collection::vec(any::<u8>(), 0..9), 0..4);
    (
        any::<bool>(),
        any::<i64>(),
        prop::option::of(hash()),
        "[ -~]{0,32}",
        any::<Option<[u8; 8]>>(),
        ext,
    )
        .prop_map(|(atomic, time, schema, app_version, epoch, ext)| Meta {
            kind: Kind::CHANGES,
            atomic,
            time,
            schema,
            app_version,
            epoch,
            ext: ext.into_iter().collect(),
        })
}

fn item() -> impl Strategy<Value = (Item, ItemPayload)> {
    let changes = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..4);
    let actor = prop_oneof![Just(feed(&key(1)).to_bytes()), any::<[u8; 16]>()];
    let seqs = (1..u64::MAX, any::<u32>());
    (
        any::<[u8; 16]>(),
        actor,
        seqs,
        hash(),
        any::<[u8; 16]>(),
        changes,
    )
        .prop_map(
            |(record, actor, (first_seq, more), commitment, salt, changes)| {
                let last_seq = first_seq.saturating_add(u64::from(more));
                (
                    Item {
                        record,
                        actor,
                        first_seq,
                        last_seq,
                        commitment,
                    },
                    ItemPayload { salt, changes },
                )
            },
        )
}

prop_compose! {
    fn sealed()(
        workspace in any::<[u8; 16]>(),
        n in prop_oneof![Just(1_u64), 2..u64::MAX],
        prev in hash(),
        membership in heads(),
        meta in meta(),
        groups in prop::collection::btree_map(".{1,20}", prop::collection::vec(item(), 1..4), 0..4),
    ) -> Envelope {
        let prev = if n == 1 { Hash::ZERO } else { prev };
        let mut payload = Payload::default();
        let mut described = Vec::new();
        for (collection, items) in groups {
            let (items, payloads): (Vec<Item>, Vec<ItemPayload>) = items.into_iter().unzip();
            payload.items.extend(payloads);
            described.push(Group { collection, items });
        }
        let draft = HeaderDraft {
            workspace: WorkspaceId(workspace), feed: feed(&key(1)), n, prev, predecessor: None, membership,
        };
        Envelope::seal(&key(1), draft, Body { meta, groups: described }, payload).expect("a valid envelope")
    }
}

fn runs() -> impl Strategy<Value = RunSet> {
    prop::collection::vec((1..u64::MAX, 0_u64..99), 0..9).prop_map(|runs| {
        let mut set = RunSet::new();
        for (first, more) in runs {
            set.insert_run(first, first.saturating_add(more));
        }
        set
    })
}

fn mark() -> impl Strategy<Value = CursorMark> {
    let held = prop_oneof![Just(None), runs().prop_map(Some)];
    (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 8]>(), held).prop_map(
        |(feed, headers, head, held)| {
            let headers = held
                .as_ref()
                .and_then(RunSet::last)
                .unwrap_or(0)
                .max(headers);
            CursorMark {
                feed: FeedId(feed),
                headers,
                head,
                held: held.unwrap_or_else(|| RunSet::up_to(headers)),
            }
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let genesis = (
        "[^\\p{Cc}]{1,64}",
        any::<u32>(),
        any::<[u8; 16]>(),
        prop::option::of(hash()),
        "[a-z]{0,32}",
    )
        .prop_map(|(owner_name, limits_version, nonce, rules, region)| {
            let orderer = rules.map(|hash: Hash| DeviceId(hash.0));
            let genesis = Genesis {
                owner_name,
                limits_version,
                nonce,
                orderer,
                recovery: rules,
                region,
                rules,
            };
            Record::genesis(&key(1), genesis).expect("a valid genesis")
        });
    let body = prop_oneof![
        (any::<i64>(), 1_u32..=10_000).prop_map(|(expires_ms, uses)| RecordBody::Invite(Invite {
            key: key(5).device_id(),
            role: Role::Viewer,
            expires_ms,
            uses
        })),
        prop::collection::vec(any::<u8>(), 1..50)
            .prop_map(|rules| RecordBody::SetRules(SetRules { rules })),
        (prop::collection::btree_map(any::<[u8; 8]>(), 1_u64.., 0..4)).prop_map(|feeds| {
            let device = key(7).device_id();
            RecordBody::Remove(Remove {
                device,
                cut: names(&device, feeds),
            })
        }),
        (prop::collection::btree_map(any::<[u8; 8]>(), 1_u64.., 1..4)).prop_map(|feeds| {
            let envelopes = names(&key(8).device_id(), feeds);
            RecordBody::Adopt(Adopt { envelopes })
        }),
        Just(RecordBody::Accuse(Box::new(accusation(&key(6))))),
        (10_u8.., prop::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(kind, bytes)| RecordBody::Unknown { kind, bytes }),
    ];
    let others = (any::<[u8; 16]>(), heads(), body).prop_map(|(workspace, parents, body)| {
        Record::sign(&key(2), Some(WorkspaceId(workspace)), parents, body).expect("a valid record")
    });
    prop_oneof![genesis, others]
}

fn names(device: &DeviceId, feeds: BTreeMap<[u8; 8], u64>) -> Vec<EnvelopeName> {
    let feeds = feeds.into_iter();
    let mut names: Vec<_> = feeds
        .map(|(random, n)| EnvelopeName {
            feed: FeedId::new(device, random),
            n,
            hash: Hash([random[0]; 32]),
        })
        .collect();
    names.sort_unstable();
    names.dedup_by_key(|name| name.feed);
    names
}

fn message() -> impl Strategy<Value = Message> {
    let id = || any::<[u8; 16]>().prop_map(FeedId);
    let hello = (
        any::<[u8; 16]>(),
        any::<u32>(),
        any::<Option<[u8; 8]>>(),
        any::<u32>(),
        any::<u8>(),
    )
        .prop_map(|(bytes, features, common, max_envelope, role)| {
            Message::Hello(Hello {
                protocol_min: role / 2,
                protocol_max: role,
                workspace: bytes,
                features,
                cursor_digest: bytes,
                membership_digest: bytes,
                common,
                max_envelope,
                role,
            })
        });
    let held = (id(), 1..u64::MAX).prop_map(|(feed, first)| HeldRun {
        feed,
        first,
        last: first + 1,
    });
    let refused = (id(), 1..u64::MAX, any::<u16>()).prop_map(|(feed, n, code)| Refusal {
        feed,
        n,
        code: Code::from_number(code),
    });
    let ack = (
        prop::collection::vec(held, 0..5),
        prop::collection::vec(refused, 0..5),
    )
        .prop_map(|(held, refused)| {
            Message::Ack(Ack::sign(&key(1), &WorkspaceId([1; 16]), held, refused))
        });
    prop_oneof![
        hello,
        ack,
        prop::collection::vec(record(), 0..4).prop_map(|records| Message::Membership {
            records,
            last: true
        }),
        prop::collection::vec(mark(), 0..9).prop_map(|entries| Message::Cursor {
            since_common: false,
            entries,
            last: true
        }),
        (id(), 1..u64::MAX, prop::collection::vec(any::<u8>(), 0..99))
            .prop_map(|(feed, n, bytes)| Message::Envelope { feed, n, bytes }),
        (any::<u16>(), ".{0,60}")
            .prop_map(|(code, detail)| Message::error(Code::from_number(code), &detail)),
    ]
}

proptest! {
    #[test]
    fn envelopes_in_full(sealed in sealed()) {
        let read = Envelope::decode(&sealed.encode()).unwrap();
        prop_assert_eq!(read.verify(&key(1).device_id()), Ok(()));
        prop_assert_eq!(read, sealed);
    }

    #[test]
    fn envelopes_on_the_wire(sealed in sealed(), same_heads in any::<bool>(), hashes in any::<bool>()) {
        let header = sealed.header();
        let agreed = Agreed {
            membership: if same_heads { &header.membership } else { &[] },
            change_hash: if hashes { Some(&change_hash) } else { None },
        };
        let context = WireContext {
            workspace: header.workspace, feed: header.feed, n: header.n, prev: header.prev, agreed,
        };
        let read = Envelope::decode_wire(&sealed.encode_wire(&agreed), &context).unwrap();
        prop_assert_eq!(read.verify(&key(1).device_id()), Ok(()));
        prop_assert_eq!(read, sealed);
    }

    #[test]
    fn records(record in record()) {
        let read = Record::decode(&record.encode()).unwrap();
        prop_assert_eq!(read.verify(), Ok(()));
        prop_assert_eq!(read, record);
    }

    #[test]
    fn batches(messages in prop::collection::vec(message(), 1..9)) {
        let frame = encode_batch(&messages).unwrap();
        prop_assert_eq!(decode_batch(&frame).unwrap(), messages);
    }

    #[test]
    fn links(workspace in any::<[u8; 16]>(), seed in any::<u8>(), address in "[!-~]{1,260}") {
        let link =
            InviteLink::new(WorkspaceId(workspace), Hash([seed; 32]), &key(seed), key(1).device_id(), &address).unwrap();
        prop_assert_eq!(InviteLink::parse(&link.to_text()), Ok(link));
    }

    #[test]
    fn ids(bytes in any::<[u8; 32]>()) {
        prop_assert_eq!(Hash(bytes).to_string().parse(), Ok(Hash(bytes)));
        prop_assert_eq!(DeviceId(bytes).to_string().to_uppercase().parse(), Ok(DeviceId(bytes)));
        prop_assert!("xyz".parse::<Hash>().is_err());
        prop_assert!(FeedId::new(&DeviceId(bytes), [1; 8]).belongs_to(&DeviceId(bytes)));
    }
}
