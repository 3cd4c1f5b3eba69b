//! Rules: set once, the same everywhere; what they make of rows; who may set them.

use std::sync::Arc;

use driftless_document::{
    Customs, FieldPath, Node, Policy, RecordId, Rules, RulesFault, Shown, Status, Value,
};
use driftless_engine::{ConflictFilter, ConflictView, Decision, Edit, EngineError, Replica};
use driftless_protocol::{
    Admit, Code, DeviceKey, Genesis, Invite, Message, Record, RecordBody, Role, SetRules,
    encode_batch,
};

use crate::hostile::first_failure;
use crate::support::{Device, assert_equal, hello, insert, set, sync, text, two};

const STATES: &str = r#"
version = 1
[[rule]]
collection = "notes"
path = "state"
policy = { rank = ["done", "doing", "open"] }
[[rule]]
kind = "record_deleted"
policy = "edit_wins"
[[rule]]
path = "by"
policy = "prefer_owner"
[[rule]]
path = "odd"
policy = { custom = "odd" }
"#;

fn rules(text: &str) -> Rules {
    Rules::read(text).unwrap()
}

fn set_rules(replica: &mut Replica, text: &str) -> bool {
    let changed = replica.set_rules(&rules(text)).unwrap();
    replica.commit_group().unwrap();
    changed
}

fn conflicts(replica: &Replica) -> Vec<ConflictView> {
    replica.conflicts(&ConflictFilter::default()).unwrap()
}

fn string(value: &str) -> Value {
    Value::String(value.into())
}

/// A record whose field both devices give a value apart, and that both then have: the second value is Automerge's pick.
fn contested(laptop: &mut Replica, phone: &mut Replica, path: &str, sides: [&str; 2]) -> RecordId {
    let id = insert(laptop, r#"{"title":"a note"}"#);
    sync(phone, laptop).unwrap();
    set(laptop, id, path, sides[0]);
    set(phone, id, path, "first of two");
    set(phone, id, path, sides[1]); // a greater counter, so that Automerge picks it
    sync(phone, laptop).unwrap();
    assert_eq!(text(laptop, id, path), Some(string(sides[1])));
    id
}

fn edit(replica: &mut Replica, id: RecordId, path: &str, value: Option<&str>) -> bool {
    let path = FieldPath::parse(path).unwrap();
    let edit = match value {
        Some(value) => Edit::Set {
            path,
            node: Node::Leaf(string(value)),
        },
        None => Edit::Unset { path },
    };
    let commit = replica.edit("notes", id, &[edit]).unwrap();
    replica.commit_group().unwrap();
    commit.changed
}

#[test]
fn rules_set_on_one_device_show_one_pick_on_both_and_without_a_restart() {
    let (a, mut laptop, b, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    assert_eq!(conflicts(&laptop)[0].status, Status::Open);
    assert!(set_rules(&mut laptop, STATES));
    assert_eq!(text(&laptop, id, "state"), Some(string("done")));
    assert_ne!(laptop.digest().unwrap(), phone.digest().unwrap());
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        assert_eq!(text(replica, id, "state"), Some(string("done")));
        let view = &conflicts(replica)[0];
        assert_eq!(view.status, Status::AutoMerged);
        assert_eq!((view.rule, view.policy.as_str()), (Some(0), "rank"));
        assert_eq!(view.picked, Some(Shown::Value(string("done"))));
        let status = replica.status().unwrap();
        assert_eq!(status.conflicts_open, 0);
        assert_eq!(status.rules.version, Some(rules(STATES).version()));
        assert_eq!(replica.rules().set_by.unwrap().name, "laptop");
    }
    assert_equal(&laptop, &phone);
    // And it is the same after a restart, and from the journal alone.
    let before = laptop.digest().unwrap();
    drop((laptop, phone));
    assert_eq!(a.open().digest().unwrap(), before);
    let rebuilt = b.copy().open();
    assert_eq!(rebuilt.digest().unwrap(), before);
    assert_eq!(text(&rebuilt, id, "state"), Some(string("done")));
}

#[test]
fn the_same_rules_again_are_no_news_and_other_ones_take_their_place() {
    let (_, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    assert!(set_rules(&mut laptop, STATES));
    assert!(!set_rules(&mut laptop, STATES));
    assert!(set_rules(
        &mut laptop,
        "version = 1\n[[rule]]\npolicy = \"min\""
    ));
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(text(&phone, id, "state"), Some(string("done")));
    assert_eq!(conflicts(&phone)[0].policy, Policy::Min);
    assert!(set_rules(&mut laptop, "version = 1"));
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(text(&phone, id, "state"), Some(string("open")));
    assert_eq!(conflicts(&phone)[0].status, Status::Open);
    assert_equal(&laptop, &phone);
}

#[test]
fn what_a_person_decides_stands_against_the_rules() {
    let (_, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    set_rules(&mut laptop, STATES);
    sync(&mut phone, &mut laptop).unwrap();
    // Whoever writes what is shown, or what is not, has decided: both are written.
    assert!(edit(&mut phone, id, "state", Some("open")));
    assert_eq!(text(&phone, id, "state"), Some(string("open")));
    assert_eq!(conflicts(&phone)[0].status, Status::Resolved);
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
}

#[test]
fn a_field_that_a_rule_shows_as_empty_can_be_given_the_value_it_had() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a note","by":"both"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    assert!(edit(&mut laptop, id, "by", None)); // the owner's
    assert!(edit(&mut phone, id, "by", Some("phone")));
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(text(&laptop, id, "by"), Some(string("phone")));
    set_rules(&mut laptop, STATES);
    assert_eq!(text(&laptop, id, "by"), None);
    assert_eq!(conflicts(&laptop)[0].status, Status::AutoMerged);
    // The document has that value already, so only an explicit write can say it.
    assert!(edit(&mut laptop, id, "by", Some("phone")));
    assert_eq!(text(&laptop, id, "by"), Some(string("phone")));
    assert_eq!(conflicts(&laptop)[0].status, Status::Resolved);
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
}

#[test]
fn a_record_that_was_edited_apart_from_its_deletion_is_kept_where_rules_say_so() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a note"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    laptop.delete("notes", id).unwrap();
    laptop.commit_group().unwrap();
    edit(&mut phone, id, "title", Some("still needed"));
    sync(&mut phone, &mut laptop).unwrap();
    assert!(laptop.get("notes", id).unwrap().unwrap().deleted);
    set_rules(&mut laptop, STATES);
    assert!(!laptop.get("notes", id).unwrap().unwrap().deleted);
    assert_eq!(laptop.list("notes", &[], None).unwrap().len(), 1);
    assert_eq!(laptop.collections().unwrap(), [("notes".to_owned(), 1)]);
    assert_eq!(laptop.digest().unwrap().records, 1);
    // It can be edited, and deleted after all: the document says so already, and must say it again.
    assert!(edit(&mut laptop, id, "title", Some("edited")));
    let deleted = laptop.delete("notes", id).unwrap();
    laptop.commit_group().unwrap();
    assert!(deleted.changed);
    assert!(laptop.get("notes", id).unwrap().unwrap().deleted);
    sync(&mut phone, &mut laptop).unwrap();
    assert!(phone.get("notes", id).unwrap().unwrap().deleted);
    assert_equal(&laptop, &phone);
}

#[test]
fn within_one_group_a_row_shows_what_the_writes_before_made_of_it() {
    let (_, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    set_rules(&mut laptop, STATES);
    let title = FieldPath::parse("title").unwrap();
    let node = Node::Leaf(string("other"));
    laptop
        .edit("notes", id, &[Edit::Set { path: title, node }])
        .unwrap();
    assert_eq!(text(&laptop, id, "state"), Some(string("done")));
    let state = FieldPath::parse("state").unwrap();
    let node = Node::Leaf(string("open"));
    laptop
        .edit("notes", id, &[Edit::Set { path: state, node }])
        .unwrap();
    assert_eq!(text(&laptop, id, "state"), Some(string("open")));
    laptop.commit_group().unwrap();
    assert_eq!(text(&laptop, id, "state"), Some(string("open")));
}

#[test]
fn a_program_brings_its_own_policy_and_the_digest_leaves_it_out() {
    let (a, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "odd", ["odd one", "even"]);
    set_rules(&mut laptop, STATES);
    sync(&mut phone, &mut laptop).unwrap();
    let view = &conflicts(&laptop)[0];
    assert_eq!((view.status, view.provisional), (Status::Open, true));
    assert_eq!(laptop.rules().not_installed, ["odd"]);
    let mut customs = Customs::default();
    customs.install(
        "odd",
        Arc::new(|input| {
            assert_eq!((input.collection, input.register), ("notes", "odd"));
            let odd = Shown::Value(Value::String("odd one".into()));
            input.candidates.iter().position(|c| c.shown == odd)
        }),
    );
    laptop.install_policies(customs);
    assert_eq!(text(&laptop, id, "odd"), Some(string("odd one")));
    assert_eq!(text(&phone, id, "odd"), Some(string("even")));
    let view = &conflicts(&laptop)[0];
    assert_eq!((view.status, view.provisional), (Status::AutoMerged, false));
    assert_eq!(laptop.digest().unwrap(), phone.digest().unwrap());
    assert!(laptop.rules().not_installed.is_empty());
    drop(laptop);
    assert_eq!(text(&a.open(), id, "odd"), Some(string("even")));
}

#[test]
fn an_editor_may_not_set_rules_and_nobody_takes_them_from_one() {
    let (a, mut laptop, b, mut phone) = two();
    let refused = phone.set_rules(&rules(STATES)).unwrap_err();
    assert!(
        matches!(refused, EngineError::NotAllowed { .. }),
        "{refused}"
    );
    assert!(!phone.has_staged());
    let body = RecordBody::SetRules(SetRules {
        rules: one_rule("max"),
    });
    let parents = vec![membership(&a).last().unwrap().hash()];
    let forged = Record::sign(&b.key(), Some(laptop.workspace()), parents, body).unwrap();
    let records = vec![forged];
    let last = true;
    let messages = [hello(&laptop), Message::Membership { records, last }];
    let frame = encode_batch(&messages).unwrap();
    assert_eq!(
        first_failure(&mut laptop, &[frame], &b),
        Some(Code::UnknownDevice)
    );
    assert_eq!(laptop.rules().version, None);
}

/// A role that a change claims of its author is a field like any other.
#[test]
fn a_role_claimed_inside_a_change_is_ignored() {
    let (_, mut laptop, _, mut phone) = two();
    set_rules(&mut laptop, STATES);
    let id = insert(&mut laptop, r#"{"title":"a note"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "by", "the owner");
    for claim in ["role", "owner", "author.role", r"\$owner"] {
        assert!(edit(&mut phone, id, claim, Some("owner")));
    }
    edit(&mut phone, id, "by", Some("the phone, as owner"));
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        assert_eq!(text(replica, id, "by"), Some(string("the owner")));
    }
    assert_equal(&laptop, &phone);
}

/// Adding wins over removing, whatever rules say of all there is.
#[test]
fn rules_say_nothing_of_the_members_of_a_set() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a note"}"#);
    let tags = || FieldPath::parse("tags").unwrap();
    let member = || string("urgent");
    let add = || Edit::AddMember {
        path: tags(),
        member: member(),
    };
    let remove = || Edit::RemoveMember {
        path: tags(),
        member: member(),
    };
    laptop.edit("notes", id, &[add()]).unwrap();
    laptop.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    // The owner's is the removal; the last that is written, the adding.
    for (replica, edits) in [(&mut laptop, [remove()]), (&mut phone, [add()])] {
        replica.edit("notes", id, &edits).unwrap();
        replica.commit_group().unwrap();
    }
    sync(&mut phone, &mut laptop).unwrap();
    let row = laptop.get("notes", id).unwrap().unwrap();
    assert_eq!(row.at(&tags()), Some(&Value::Set(vec![member()])));
    let first = "version = 1\n[[rule]]\npolicy =";
    for policy in ["\"latest\"", "\"prefer_owner\"", "{ custom = \"first\" }"] {
        set_rules(&mut laptop, &format!("{first} {policy}"));
        let mut customs = Customs::default();
        customs.install("first", Arc::new(|_| Some(0)));
        laptop.install_policies(customs);
        let view = conflicts(&laptop).remove(0);
        assert_eq!((view.status, view.rule), (Status::AutoMerged, None));
        assert_eq!((view.picked, view.policy), (None, Policy::Review));
        assert_eq!(laptop.get("notes", id).unwrap().as_ref(), Some(&row));
    }
}

#[test]
fn a_decision_takes_the_place_of_a_pick() {
    let (_, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    let entry = conflicts(&laptop)[0].entry.clone();
    laptop.resolve(entry.id, None, &Decision::Keep(1)).unwrap();
    laptop.commit_group().unwrap();
    set_rules(&mut laptop, STATES);
    let kept = entry.candidates[1].shown.clone();
    assert_eq!(Some(kept), text(&laptop, id, "state").map(Shown::Value));
}

/// The membership records of a device's journal, in the order they came.
fn membership(device: &Device) -> Vec<Record> {
    const MEMBER: driftless_store::FrameKind = driftless_store::FrameKind(2);
    let frames = device.frames().unwrap().into_iter();
    frames
        .filter(|frame| frame.kind == MEMBER)
        .map(|frame| Record::decode(&frame.bytes).unwrap())
        .collect()
}

/// A workspace whose log is written by hand: its owner, an admin, and rules that each of them sets.
struct Written {
    owner: Device,
    admin: Device,
    records: Vec<Record>,
}

impl Written {
    fn new() -> Self {
        let (owner, admin) = (Device::new(1), Device::new(2));
        let genesis = Genesis {
            owner_name: "owner".into(),
            limits_version: 1,
            nonce: [1; 16],
            orderer: None,
            recovery: None,
            region: String::new(),
            rules: None,
        };
        let genesis = Record::genesis(&owner.key(), genesis).unwrap();
        let workspace = genesis.workspace();
        let once = DeviceKey::from_seed(&[9; 32]);
        let invite = RecordBody::Invite(Invite {
            key: once.device_id(),
            role: Role::Admin,
            expires_ms: i64::MAX,
            uses: 1,
        });
        let invite =
            Record::sign(&owner.key(), Some(workspace), vec![genesis.hash()], invite).unwrap();
        let join = Record::join(&admin.key(), workspace, invite.hash(), &once, "admin").unwrap();
        let admit = RecordBody::Admit(Admit { join: join.hash() });
        let admit = Record::sign(&owner.key(), Some(workspace), vec![join.hash()], admit).unwrap();
        Self {
            owner,
            admin,
            records: vec![genesis, invite, join, admit],
        }
    }

    fn sets(&mut self, by_owner: bool, parents: &[usize], rules: &[u8]) {
        let device = if by_owner { &self.owner } else { &self.admin };
        let parents = parents.iter().map(|n| self.records[*n].hash()).collect();
        let body = RecordBody::SetRules(SetRules {
            rules: rules.to_vec(),
        });
        let workspace = self.records[0].workspace();
        let record = Record::sign(&device.key(), Some(workspace), parents, body).unwrap();
        self.records.push(record);
    }

    fn open(&self) -> Replica {
        let journal = driftless_store::Journal::create(Box::new(self.owner.files.clone())).unwrap();
        Replica::create_joined(self.owner.parts(journal), self.records.clone()).unwrap()
    }
}

fn one_rule(policy: &str) -> Vec<u8> {
    let text = format!("version = 1\n[[rule]]\npolicy = \"{policy}\"");
    rules(&text).canonical().as_bytes().to_vec()
}

#[test]
fn rules_set_apart_resolve_alike_the_owners_count_and_a_later_one_counts_more() {
    let mut log = Written::new();
    log.sets(true, &[3], &one_rule("max"));
    log.sets(false, &[3], &one_rule("min"));
    let policy = |log: &Written| log.open().rules().rules.policy(0).cloned();
    assert_eq!(policy(&log), Some(Policy::Max));
    // An admin who has seen both changes them.
    let mut later = Written::new();
    later.sets(true, &[3], &one_rule("max"));
    later.sets(false, &[3], &one_rule("min"));
    later.sets(false, &[4, 5], &one_rule("longest"));
    assert_eq!(policy(&later), Some(Policy::Longest));
    assert_eq!(later.open_is_the_same_backwards(), Some(Policy::Longest));
}

impl Written {
    /// The policy where the records come in the opposite order.
    fn open_is_the_same_backwards(&self) -> Option<Policy> {
        let device = Device::new(1);
        let journal = driftless_store::Journal::create(Box::new(device.files.clone())).unwrap();
        let records = self.records.iter().rev().cloned().collect();
        let replica = Replica::create_joined(device.parts(journal), records).unwrap();
        replica.rules().rules.policy(0).cloned()
    }
}

#[test]
fn rules_of_a_newer_driftless_are_kept_passed_on_and_leave_everything_to_people() {
    let mut log = Written::new();
    log.sets(true, &[3], &one_rule("max"));
    log.sets(
        true,
        &[4],
        br#"{"shiny":{"policy":"telepathy"},"version":7}"#,
    );
    let mut laptop = log.open();
    let b = Device::new(5);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut phone = b.join(&mut laptop, &link, "phone").unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    contested(&mut laptop, &mut phone, "state", ["z", "a"]);
    for replica in [&laptop, &phone] {
        let report = replica.rules();
        let fault = report.not_understood.unwrap().fault;
        assert_eq!(
            fault,
            RulesFault::Newer {
                version: 7,
                known: 1
            }
        );
        assert!(report.version.is_some() && report.rules.is_empty());
        let status = replica.status().unwrap();
        assert!(status.needs_newer_version);
        assert!(status.rules.not_understood.is_some());
        assert_eq!(conflicts(replica)[0].status, Status::Open);
    }
    assert_equal(&laptop, &phone);
    let log_of = |device: &Device| {
        let records = membership(device).into_iter();
        records
            .map(|r| r.hash())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(log_of(&log.owner), log_of(&b));
}

#[test]
fn rules_that_no_driftless_wrote_are_kept_and_leave_everything_to_people() {
    let mut log = Written::new();
    log.sets(true, &[3], b"{\"version\": 1}");
    let laptop = log.open();
    let fault = laptop.rules().not_understood.unwrap().fault;
    assert_eq!(fault, RulesFault::NotCanonical);
    assert!(!laptop.status().unwrap().needs_newer_version);
}

#[test]
fn the_largest_rules_travel() {
    let (_, mut laptop, _, mut phone) = two();
    let name = "n".repeat(100);
    let rule = format!("[[rule]]\nname = \"{name}\"\npolicy = \"max\"\n");
    let large = format!("version = 1\n{}", rule.repeat(240));
    assert!(rules(&large).canonical().len() > 30_000);
    set_rules(&mut laptop, &large);
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(phone.rules().rules.len(), 240);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let third = Device::new(3).join(&mut laptop, &link, "third").unwrap();
    assert_eq!(third.rules().version, laptop.rules().version);
}

#[test]
fn an_explanation_is_of_the_entry_there_is_or_of_what_would_be() {
    let (_, mut laptop, _, mut phone) = two();
    let id = contested(&mut laptop, &mut phone, "state", ["done", "open"]);
    set_rules(&mut laptop, STATES);
    let open = conflicts(&laptop)[0].entry.id;
    let told = laptop.explain_rules("notes", id, "state").unwrap();
    assert_eq!((told.entry, told.walk.rule), (Some(open), Some(0)));
    assert_eq!(told.picked, Some(Shown::Value(string("done"))));
    let told = laptop.explain_rules("notes", id, "title").unwrap();
    assert_eq!((told.entry, told.walk.rule), (None, None));
    assert_eq!(told.walk.policy, Some(Policy::Review));
    assert_eq!(told.walk.steps.len(), 4);
    let told = laptop.explain_rules("notes", id, "by").unwrap();
    assert_eq!(told.walk.policy, Some(Policy::PreferOwner));
    let told = laptop.explain_rules("notes", id, "$deleted").unwrap();
    assert_eq!(told.walk.policy, Some(Policy::EditWins));
    let unknown = laptop.explain_rules("notes", RecordId([0; 16]), "title");
    assert!(matches!(unknown, Err(EngineError::NotFound { .. })));
    let bad = laptop.explain_rules("notes", id, "a..b");
    assert!(matches!(bad, Err(EngineError::Path(_))));
}
