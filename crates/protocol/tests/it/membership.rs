//! Membership records: signed, linked, and open for kinds to come.

use driftless_protocol::{
    Accuse, Admit, Adopt, DecodeError, Envelope, EnvelopeError, EnvelopeName, FeedId, Genesis,
    Hash, Invite, Record, RecordBody, RecordError, Remove, Role, SetRules, limits,
    membership_digest, workspace_id_of,
};

use crate::common::{accusation, content, draft, envelope, genesis, invite, join, key, mutations};

#[test]
fn a_workspace_is_named_after_its_genesis() {
    let genesis = genesis();
    assert_eq!(
        genesis.workspace().as_bytes()[..],
        genesis.hash().as_bytes()[..16]
    );
    assert_eq!(workspace_id_of(&genesis), Some(genesis.workspace()));
    assert_eq!(workspace_id_of(&invite()), None);
}

#[test]
fn from_invitation_to_admission() {
    let (invite, join) = (invite(), join());
    let admit = RecordBody::Admit(Admit { join: join.hash() });
    let admit = Record::sign(&key(1), Some(invite.workspace()), vec![join.hash()], admit).unwrap();
    let merge = vec![admit.hash(), invite.hash()];
    let merge = Record::sign(&key(1), Some(invite.workspace()), merge, RecordBody::Merge).unwrap();
    for record in [genesis(), invite.clone(), join.clone(), admit, merge] {
        let read = Record::decode(&record.encode()).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.verify(), Ok(()));
    }
    assert_eq!(join.parents(), [invite.hash()]);
    assert_eq!(join.verify_join(&invite), Ok(()));
}

#[test]
fn a_join_needs_the_secret_of_its_own_invite() {
    let (invite, join) = (invite(), join());
    let forged = Record::join(
        &key(2),
        invite.workspace(),
        invite.hash(),
        &key(98),
        "Mallory",
    )
    .unwrap();
    assert_eq!(forged.verify(), Ok(()), "the author did sign it");
    assert_eq!(
        forged.verify_join(&invite),
        Err(RecordError::InviteSignature)
    );
    assert_eq!(join.verify_join(&genesis()), Err(RecordError::OtherInvite));
    let other = RecordBody::Invite(Invite {
        key: key(99).device_id(),
        role: Role::Owner,
        expires_ms: 0,
        uses: 1,
    });
    let other = Record::sign(
        &key(1),
        Some(invite.workspace()),
        vec![invite.hash()],
        other,
    )
    .unwrap();
    assert_eq!(join.verify_join(&other), Err(RecordError::OtherInvite));
}

#[test]
fn the_invite_key_vouches_for_one_device_and_one_name() {
    let (invite, join) = (invite(), join());
    let RecordBody::Join(said) = join.body() else {
        panic!("it is a join")
    };
    // Another device takes over the invite key's signature.
    let stolen = Record::sign(
        &key(3),
        Some(invite.workspace()),
        vec![invite.hash()],
        RecordBody::Join(said.clone()),
    );
    assert_eq!(
        stolen.unwrap().verify_join(&invite),
        Err(RecordError::InviteSignature)
    );
}

#[test]
fn every_changed_byte_is_refused() {
    for record in [genesis(), invite(), join()] {
        for changed in mutations(&record.encode()) {
            assert!(
                Record::decode(&changed)
                    .and_then(|read| read.verify())
                    .is_err()
            );
        }
    }
}

#[test]
fn a_kind_that_is_not_known_is_kept_and_passed_on() {
    let invite = invite();
    let body = RecordBody::Unknown {
        kind: 77,
        bytes: b"from the future".to_vec(),
    };
    let record =
        Record::sign(&key(1), Some(invite.workspace()), vec![invite.hash()], body).unwrap();
    let read = Record::decode(&record.encode()).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.verify(), Ok(()));
}

#[test]
fn an_invite_with_a_role_of_the_future_is_kept_as_unknown() {
    let bytes = invite().encode();
    let RecordBody::Invite(offer) = invite().body().clone() else {
        panic!("it is an invite")
    };
    let mut body = offer.key.as_bytes().to_vec();
    body.extend([45, 2, 10]);
    assert!(
        bytes
            .windows(32)
            .any(|window| window == offer.key.as_bytes())
    );
    let unknown = RecordBody::Unknown {
        kind: 2,
        bytes: body,
    };
    let record = Record::sign(
        &key(1),
        Some(invite().workspace()),
        vec![invite().hash()],
        unknown.clone(),
    )
    .unwrap();
    assert_eq!(Record::decode(&record.encode()).unwrap().body(), &unknown);
}

fn named(name: &str) -> Genesis {
    Genesis {
        owner_name: name.into(),
        limits_version: 1,
        nonce: [0; 16],
        orderer: None,
        recovery: None,
        region: String::new(),
        rules: None,
    }
}

#[test]
fn names_are_what_a_screen_can_show() {
    assert!(Record::genesis(&key(1), named(&"ä".repeat(64))).is_ok());
    for name in ["", &"x".repeat(65), "a\nb"] {
        assert_eq!(
            Record::genesis(&key(1), named(name)),
            Err(RecordError::Name)
        );
        let joined = Record::join(
            &key(2),
            invite().workspace(),
            invite().hash(),
            &key(99),
            name,
        );
        assert_eq!(joined, Err(RecordError::Name));
    }
    let region = Genesis {
        region: "x".repeat(33),
        ..named("n")
    };
    assert_eq!(Record::genesis(&key(1), region), Err(RecordError::Region));
}

#[test]
fn records_that_cannot_be_are_refused_where_they_are_made() {
    let workspace = Some(genesis().workspace());
    let parent = vec![genesis().hash()];
    let seventeen: Vec<Hash> = (0..17).map(|i| Hash([i; 32])).collect();
    let offer = |uses| {
        RecordBody::Invite(Invite {
            key: key(9).device_id(),
            role: Role::Editor,
            expires_ms: 0,
            uses,
        })
    };
    let genesis = || RecordBody::Genesis(named("n"));
    let cases = [
        (
            None,
            parent.clone(),
            RecordBody::Merge,
            RecordError::Workspace,
        ),
        (workspace, vec![], genesis(), RecordError::Workspace),
        (None, parent.clone(), genesis(), RecordError::Parents),
        (
            workspace,
            parent.clone(),
            RecordBody::Merge,
            RecordError::Parents,
        ),
        (workspace, vec![], offer(1), RecordError::Parents),
        (workspace, seventeen, offer(1), RecordError::Parents),
        (workspace, parent.clone(), offer(0), RecordError::Uses),
        (workspace, parent.clone(), offer(10_001), RecordError::Uses),
    ];
    for (workspace, parents, body, expected) in cases {
        assert_eq!(
            Record::sign(&key(1), workspace, parents, body),
            Err(expected)
        );
    }
    let large = RecordBody::Unknown {
        kind: 77,
        bytes: vec![0; limits::RECORD],
    };
    let refused = Record::sign(&key(1), workspace, parent.clone(), large);
    assert!(matches!(refused, Err(RecordError::TooLarge { .. })));
    for length in [0, limits::RULES + 1] {
        let rules = vec![b' '; length];
        let body = RecordBody::SetRules(SetRules { rules });
        let refused = Record::sign(&key(1), workspace, parent.clone(), body);
        assert_eq!(refused, Err(RecordError::Rules));
    }
    let rules = vec![b' '; limits::RULES];
    let most = RecordBody::SetRules(SetRules { rules });
    let most = Record::sign(&key(1), workspace, parent, most).unwrap();
    assert_eq!(Record::decode(&most.encode()), Ok(most));
}

#[test]
fn a_cut_names_feeds_of_its_device_and_adopted_envelopes_are_in_order() {
    let device = key(2).device_id();
    let name = |feed: u8, n| EnvelopeName {
        feed: FeedId::new(&device, [0, 0, 0, 0, 0, 0, 0, feed]),
        n,
        hash: Hash([feed; 32]),
    };
    let sign = |body| {
        let workspace = Some(genesis().workspace());
        Record::sign(&key(1), workspace, vec![genesis().hash()], body)
    };
    let remove = |cut| sign(RecordBody::Remove(Remove { device, cut }));
    let adopt = |envelopes| sign(RecordBody::Adopt(Adopt { envelopes }));
    let stranger = EnvelopeName {
        feed: FeedId::new(&key(3).device_id(), [1; 8]),
        ..name(1, 1)
    };
    let most = u8::try_from(limits::CUT_FEEDS - 1).unwrap();
    for cut in [
        vec![name(2, 1), name(1, 1)],
        vec![name(1, 1), name(1, 2)],
        vec![name(1, 0)],
        vec![stranger],
    ] {
        assert_eq!(remove(cut), Err(RecordError::Cut));
    }
    for envelopes in [
        vec![],
        vec![name(1, 2), name(1, 1)],
        vec![name(1, 1), name(1, 1)],
        vec![name(1, 0)],
    ] {
        assert_eq!(adopt(envelopes), Err(RecordError::Adopted));
    }
    let all: Vec<_> = (0..=most).map(|feed| name(feed, u64::MAX)).collect();
    for record in [remove(vec![]), remove(all.clone()), adopt(all)] {
        let record = record.unwrap();
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn an_accusation_has_two_different_headers_of_one_place_that_their_device_signed() {
    let good = accusation(&key(2));
    good.verify().unwrap();
    let swapped = Accuse::of(good.device, good.second.clone(), good.first.clone());
    assert_eq!(swapped, good);
    let sign = |accuse: &Accuse| {
        let body = RecordBody::Accuse(Box::new(accuse.clone()));
        let workspace = Some(genesis().workspace());
        Record::sign(&key(1), workspace, vec![genesis().hash()], body)
    };
    let record = sign(&good).unwrap();
    assert_eq!(Record::decode(&record.encode()), Ok(record));

    let other_place = envelope(&key(2), 6).signed_header().clone();
    let of_another = envelope(&key(3), 5).signed_header().clone();
    let spoil: [&dyn Fn(&mut Accuse); 7] = [
        &|a| a.second = a.first.clone(),
        &|a| std::mem::swap(&mut a.first, &mut a.second),
        &|a| a.device = key(3).device_id(),
        &|a| *a = Accuse::of(a.device, a.first.clone(), other_place.clone()),
        &|a| *a = Accuse::of(a.device, a.first.clone(), of_another.clone()),
        &|a| a.second.header.prev = Hash([1; 32]),
        &|a| a.second.header.workspace.0 = [1; 16],
    ];
    for spoil in spoil {
        let mut spoilt = good.clone();
        spoil(&mut spoilt);
        assert_eq!(sign(&spoilt), Err(RecordError::Accusation));
    }
    // That the device signed both is looked at where the device is known.
    let mut forged = good.clone();
    forged.second.signature = good.first.signature;
    sign(&forged).unwrap();
    assert_eq!(forged.verify(), Err(EnvelopeError::Signature));
}

#[test]
fn nothing_is_signed_for_a_branch_of_a_feed() {
    let mut draft = draft(&key(1), 5);
    let feed = draft.feed;
    assert!(!feed.is_branch());
    assert!(!FeedId::new(&key(1).device_id(), [0xff; 8]).is_branch());
    draft.feed = feed.branch(&Hash([9; 32]));
    assert!(draft.feed.is_branch() && draft.feed.belongs_to(&key(1).device_id()));
    assert_ne!(draft.feed, feed.branch(&Hash([8; 32])));
    let (body, payload) = content(&key(1));
    let sealed = Envelope::seal(&key(1), draft, body, payload);
    assert_eq!(sealed, Err(EnvelopeError::Branch));
}

#[test]
fn a_newer_version_and_too_many_bytes_are_told_apart_from_damage() {
    let mut bytes = genesis().encode();
    bytes[0] = 2;
    assert_eq!(
        Record::decode(&bytes),
        Err(DecodeError::UnknownVersion { found: 2 }.into())
    );
    let long = vec![1; limits::RECORD + 1];
    assert_eq!(
        Record::decode(&long),
        Err(DecodeError::TooLong {
            length: limits::RECORD + 1,
            limit: limits::RECORD
        }
        .into())
    );
}

#[test]
fn roles_rank_and_the_digest_of_heads_has_no_order() {
    assert!(Role::Owner > Role::Admin && Role::Admin > Role::Editor && Role::Editor > Role::Viewer);
    for role in [
        Role::Relay,
        Role::Viewer,
        Role::Editor,
        Role::Admin,
        Role::Owner,
    ] {
        assert_eq!(Role::from_number(role.number()), Some(role));
    }
    let (a, b) = (Hash([1; 32]), Hash([2; 32]));
    assert_eq!(membership_digest(&[a, b]), membership_digest(&[b, a, b]));
    assert_ne!(membership_digest(&[a, b]), membership_digest(&[a]));
}
