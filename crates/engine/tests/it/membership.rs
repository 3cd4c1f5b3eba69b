//! Who is let in, and what the others are told.

use driftless_document::{Rules, parse_record};
use driftless_engine::{EngineError, Replica};
use driftless_protocol::{Code, Role};

use crate::support::{Device, assert_equal, insert, sync, text, two};

#[test]
fn a_stranger_gets_a_code_and_nothing_else() {
    let (_, mut laptop, ..) = two();
    let mut stranger = Device::new(9).create("stranger");
    let failure = sync(&mut stranger, &mut laptop).unwrap_err();
    assert_eq!(
        (failure.code, failure.by_peer),
        (Code::OtherWorkspace, true)
    );
}

#[test]
fn an_invite_is_used_up_after_its_uses_and_ends_at_its_time() {
    let (a, mut laptop, ..) = two();
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    Device::new(3).join(&mut laptop, &link, "third").unwrap();
    let refused = Device::new(4)
        .join(&mut laptop, &link, "fourth")
        .err()
        .unwrap();
    assert_eq!(refused.code, Code::InviteUsedUp);
    let late = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let fifth = Device::new(5);
    a.clock
        .0
        .fetch_add(60_001, std::sync::atomic::Ordering::Relaxed);
    fifth
        .clock
        .0
        .fetch_add(60_001, std::sync::atomic::Ordering::Relaxed);
    let refused = fifth.join(&mut laptop, &late, "fifth").err().unwrap();
    assert_eq!(refused.code, Code::InviteExpired);
}

/// A device that joins the laptop's workspace with a role.
fn joined(laptop: &mut Replica, n: u8, role: Role) -> (Device, Replica) {
    let link = laptop
        .invite_as(role, "ws://127.0.0.1:1", 1, 60_000)
        .unwrap();
    laptop.commit_group().unwrap();
    let device = Device::new(n);
    let replica = device.join(laptop, &link, role.as_str()).unwrap();
    (device, replica)
}

fn refused(result: Result<impl std::fmt::Debug, EngineError>) -> (&'static str, &'static str) {
    match result.unwrap_err() {
        EngineError::NotAllowed { action, reason } => (action, reason),
        other => panic!("{other}"),
    }
}

#[test]
fn a_device_is_let_in_with_a_role_up_to_that_of_whoever_invites() {
    let (_, mut laptop, _, mut phone) = two();
    let invite = |replica: &mut Replica, role| {
        let link = replica.invite_as(role, "ws://127.0.0.1:1", 1, 60_000);
        replica.commit_group().unwrap();
        link
    };
    let beyond = "nobody lets a device in with more rights than their own";
    assert_eq!(
        refused(invite(&mut phone, Role::Admin)),
        ("inviting a device as admin", beyond)
    );
    let (_admins, mut admin) = joined(&mut laptop, 3, Role::Admin);
    let owner = ("inviting a device as owner", "a workspace has one owner");
    assert_eq!(refused(invite(&mut laptop, Role::Owner)), owner);
    assert_eq!(refused(invite(&mut admin, Role::Owner)), owner);
    let relay = ("inviting a device as relay", "this version has no relays");
    assert_eq!(refused(invite(&mut laptop, Role::Relay)), relay);
    let (_viewers, mut viewer) = joined(&mut admin, 4, Role::Viewer);
    let other = "only the owner, admins and editors invite devices";
    assert_eq!(
        refused(invite(&mut viewer, Role::Viewer)),
        ("inviting a device as viewer", other)
    );
    let (_seconds, second) = joined(&mut admin, 5, Role::Admin);
    sync(&mut admin, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone, &admin, &second] {
        let members = replica.status().unwrap().members.into_iter();
        let mut roles: Vec<_> = members.map(|member| (member.role, member.name)).collect();
        roles.sort();
        let named = |role: Role, name: &str| (role, name.to_owned());
        let mut expected = vec![
            named(Role::Viewer, "viewer"),
            named(Role::Editor, "phone"),
            named(Role::Admin, "admin"),
            named(Role::Admin, "admin"),
            named(Role::Owner, "laptop"),
        ];
        expected.sort();
        assert_eq!(roles, expected);
    }
}

#[test]
fn a_viewer_reads_and_lets_nothing_of_its_own_pass() {
    let (_, mut laptop, ..) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let (_device, mut viewer) = joined(&mut laptop, 3, Role::Viewer);
    sync(&mut viewer, &mut laptop).unwrap();
    assert!(text(&viewer, id, "title").is_some());
    let reason = "this device may read, and not write";
    let fields = parse_record(r#"{"title":"b"}"#).unwrap();
    let inserted = viewer.insert("notes", fields);
    assert_eq!(refused(inserted), ("writing", reason));
    let deleted = viewer.delete("notes", id);
    assert_eq!(refused(deleted), ("writing", reason));
    assert!(!viewer.has_staged());
    assert_equal(&viewer, &laptop);
}

#[test]
fn an_admin_sets_rules_for_all_and_a_viewer_for_nobody() {
    let (_, mut laptop, _, mut phone) = two();
    let (_admins, mut admin) = joined(&mut laptop, 3, Role::Admin);
    let (_viewers, mut viewer) = joined(&mut laptop, 4, Role::Viewer);
    let rules = Rules::read("version = 1\n[[rule]]\npolicy = \"max\"").unwrap();
    assert_eq!(refused(viewer.set_rules(&rules)).0, "setting rules");
    assert!(admin.set_rules(&rules).unwrap());
    admin.commit_group().unwrap();
    sync(&mut admin, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    sync(&mut viewer, &mut laptop).unwrap();
    for replica in [&laptop, &phone, &viewer] {
        let report = replica.rules();
        assert_eq!(report.version, Some(rules.version()));
        assert_eq!(report.set_by.unwrap().name, "admin");
    }
}

#[test]
fn a_newcomer_proves_its_admission_to_a_member_that_never_heard_of_it() {
    let (_, mut laptop, _, mut phone) = two();
    let link = phone.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    phone.commit_group().unwrap();
    let mut tablet = Device::new(3).join(&mut phone, &link, "tablet").unwrap();
    insert(&mut tablet, r#"{"from":"tablet"}"#);
    sync(&mut tablet, &mut laptop).unwrap();
    assert_equal(&laptop, &tablet);
    assert_eq!(laptop.status().unwrap().members.len(), 3);
}

#[test]
fn an_invite_used_twice_apart_leaves_one_member_pending_everywhere_alike() {
    let (_, mut laptop, _, mut phone) = two();
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    let mut third = Device::new(3).join(&mut laptop, &link, "third").unwrap();
    let mut fourth = Device::new(4).join(&mut phone, &link, "fourth").unwrap();
    insert(&mut third, r#"{"by":"third"}"#);
    insert(&mut fourth, r#"{"by":"fourth"}"#);
    sync(&mut third, &mut laptop).unwrap();
    sync(&mut fourth, &mut phone).unwrap();
    assert_eq!(laptop.digest().unwrap().records, 1);
    assert_eq!(phone.digest().unwrap().records, 1);
    sync(&mut phone, &mut laptop).unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(laptop.digest().unwrap().records, 1);
    for newcomer in [&mut third, &mut fourth] {
        sync(newcomer, &mut laptop).unwrap();
        assert_equal(newcomer, &laptop);
    }
    let may_write = |replica: &mut driftless_engine::Replica| {
        let fields = driftless_document::parse_record("{}").unwrap();
        match replica.insert("notes", fields) {
            Ok(_) => true,
            Err(driftless_engine::EngineError::NotAllowed { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert_ne!(may_write(&mut third), may_write(&mut fourth));
    let pending = laptop
        .status()
        .unwrap()
        .members
        .into_iter()
        .filter(|m| !m.granted)
        .map(|m| m.device);
    let pending: Vec<_> = pending.collect();
    assert_eq!(pending.len(), 1);

    // A fresh invite lets in whom the first one could not, and what it wrote counts unchanged.
    let again = [3, 4]
        .map(Device::new)
        .into_iter()
        .find(|d| d.key().device_id() == pending[0]);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut again = again.unwrap().join(&mut laptop, &link, "again").unwrap();
    assert_eq!(laptop.digest().unwrap().records, 2);
    sync(&mut again, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&again, &laptop);
    assert_equal(&phone, &laptop);
}

#[test]
fn a_proof_longer_than_a_frame_is_believed_all_the_same() {
    let (_, mut laptop, _, mut phone) = two();
    for n in 0..400 {
        phone
            .invite(&format!("ws://127.0.0.1:{n}"), 1, 60_000)
            .unwrap();
    }
    let link = phone.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    phone.commit_group().unwrap();
    let mut tablet = Device::new(3).join(&mut phone, &link, "tablet").unwrap();
    insert(&mut tablet, r#"{"from":"tablet"}"#);
    sync(&mut tablet, &mut laptop).unwrap();
    assert_equal(&laptop, &tablet);
}

#[test]
fn more_heads_than_an_envelope_can_name_are_merged_before_the_next_write() {
    let owner = Device::new(1);
    let mut hub = owner.create("hub");
    let link = hub.invite("ws://127.0.0.1:1", 20, 60_000).unwrap();
    hub.commit_group().unwrap();
    let mut members: Vec<_> = (2..22)
        .map(|n| {
            Device::new(n)
                .join(&mut hub, &link, &format!("device {n}"))
                .unwrap()
        })
        .collect();
    for member in &mut members {
        sync(member, &mut hub).unwrap();
    }
    // Each one invites somebody, knowing of none of the others.
    for member in &mut members {
        member.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
        member.commit_group().unwrap();
    }
    for member in &mut members {
        sync(member, &mut hub).unwrap();
    }
    insert(&mut hub, r#"{"after":"the merge"}"#);
    for member in &mut members {
        sync(member, &mut hub).unwrap();
        assert_eq!(member.digest().unwrap(), hub.digest().unwrap());
        assert_eq!(member.digest().unwrap().records, 1);
    }
    assert_equal(&members[0], &hub);
}
