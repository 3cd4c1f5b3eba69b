//! What policies pick, and the laws all of them keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_document::{
    ActorId, Authors, Candidate, Customs, Entry, Kind, Member, MemberAction, NoAuthors, OpId,
    Policy, Record, RecordId, Shown, Status, Value, evidence,
};
use proptest::prelude::*;

use crate::support::{actor, edit, put, receive, text};

/// A real entry, whose sides tests replace.
pub(crate) fn template() -> Entry {
    let mut one = Record::new();
    let first = edit(&mut one, actor(1), &[put("f", text("base"))]);
    let mut other = Record::new();
    receive(&mut other, &first);
    edit(&mut one, actor(1), &[put("f", text("here"))]);
    let there = edit(&mut other, actor(2), &[put("f", text("there"))]);
    receive(&mut one, &there);
    let found = evidence("c", RecordId([1; 16]), &one.changes().unwrap());
    found.entries[0].clone()
}

/// One side: who wrote what, as which operation, and when it says so.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) device: u8,
    pub(crate) counter: u64,
    pub(crate) time: i64,
    pub(crate) shown: Shown,
    /// How often its device wrote before.
    pub(crate) earlier: usize,
}

pub(crate) fn device(n: u8) -> ActorId {
    ActorId([n; 16])
}

/// An entry with these sides, each with its own operation.
pub(crate) fn entry_of(kind: Kind, sides: &[Side]) -> Entry {
    let template = template();
    let mut entry = template.clone();
    entry.kind = kind;
    entry.outcomes.clear();
    entry.register = match kind {
        Kind::RecordDeleted => "$deleted".into(),
        Kind::ListElement => "steps#list/3@00".into(),
        _ => "f".into(),
    };
    entry.candidates.clear();
    entry.members.clear();
    for side in sides {
        let operation = OpId {
            counter: side.counter,
            actor: device(side.device),
        };
        entry.candidates.push(Candidate {
            shown: side.shown.clone(),
            operation,
            time: side.time,
            ..template.candidates[0].clone()
        });
        for n in 0..=side.earlier {
            entry.members.push(Member {
                operation: OpId {
                    counter: side.counter - n as u64,
                    ..operation
                },
                action: match (&side.shown, kind) {
                    (Shown::Absent, Kind::RecordDeleted) => MemberAction::Put(Value::Bool(true)),
                    (Shown::Value(value), _) => MemberAction::Put(value.clone()),
                    (Shown::Keep, _) => MemberAction::Touch,
                    _ => MemberAction::Delete,
                },
                candidate: n == 0,
                time: side.time,
                ..template.members[0].clone()
            });
        }
    }
    entry
        .candidates
        .sort_by_key(|candidate| candidate.operation);
    entry.members.sort_by_key(|member| member.operation);
    entry
}

pub(crate) fn side(device: u8, shown: Shown) -> Side {
    Side {
        device,
        counter: 100 + u64::from(device),
        time: i64::from(device) << 12,
        shown,
        earlier: 0,
    }
}

pub(crate) fn values(values: impl IntoIterator<Item = Value>) -> Entry {
    let sides: Vec<_> = values
        .into_iter()
        .zip(1..)
        .map(|(value, n)| side(n, Shown::Value(value)))
        .collect();
    entry_of(Kind::PutPut, &sides)
}

/// What the membership log of these tests says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(pub(crate) BTreeMap<[u8; 8], &'static str>);

impl Log {
    pub(crate) fn of(roles: &[(u8, &'static str)]) -> Self {
        Self(roles.iter().map(|(n, role)| ([*n; 8], *role)).collect())
    }
}

impl Authors for Log {
    fn role(&self, actor: ActorId) -> Option<&str> {
        self.0.get(&actor.device_prefix()).copied()
    }

    fn is_owner(&self, actor: ActorId) -> bool {
        self.role(actor) == Some("owner")
    }
}

fn picked(policy: &Policy, entry: &Entry) -> Option<Shown> {
    entry.verdict(policy, &NoAuthors).picked
}

#[expect(clippy::unnecessary_wraps, reason = "what a pick is compared with")]
fn shown(value: Value) -> Option<Shown> {
    Some(Shown::Value(value))
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

#[test]
fn the_greatest_and_the_smallest_are_compared_exactly_across_number_types() {
    let entry = values([int(3), Value::Float(3.5), Value::Uint(u64::MAX), int(-9)]);
    assert_eq!(picked(&Policy::Max, &entry), shown(Value::Uint(u64::MAX)));
    assert_eq!(picked(&Policy::Min, &entry), shown(int(-9)));
    // 2^53 + 1 is no float: rounded, the two would be equal.
    let close = values([
        int(9_007_199_254_740_993),
        Value::Float(9_007_199_254_740_992.0),
    ]);
    assert_eq!(
        picked(&Policy::Max, &close),
        shown(int(9_007_199_254_740_993))
    );
    let huge = values([Value::Float(1e300), Value::Float(-1e300), int(0)]);
    assert_eq!(picked(&Policy::Max, &huge), shown(Value::Float(1e300)));
    assert_eq!(picked(&Policy::Min, &huge), shown(Value::Float(-1e300)));
    let below = values([int(-3), Value::Float(-3.5)]);
    assert_eq!(picked(&Policy::Max, &below), shown(int(-3)));
}

#[test]
fn texts_times_and_truth_values_have_an_order_too() {
    let texts = values([text("Zebra"), text("apple"), text("äpfel")]);
    assert_eq!(picked(&Policy::Max, &texts), shown(text("äpfel")));
    let times = values([Value::Timestamp(7), Value::Timestamp(-7)]);
    assert_eq!(picked(&Policy::Min, &times), shown(Value::Timestamp(-7)));
    let truths = values([Value::Bool(true), Value::Bool(false)]);
    assert_eq!(picked(&Policy::Max, &truths), shown(Value::Bool(true)));
    assert_eq!(picked(&Policy::AnyTrue, &truths), shown(Value::Bool(true)));
    assert_eq!(picked(&Policy::AllTrue, &truths), shown(Value::Bool(false)));
}

#[test]
fn what_cannot_be_compared_is_left_to_a_person() {
    let mixed = values([int(3), text("3")]);
    let emptied = entry_of(
        Kind::PutDelete,
        &[side(1, Shown::Value(int(3))), side(2, Shown::Absent)],
    );
    let policies = [
        Policy::Max,
        Policy::Min,
        Policy::AnyTrue,
        Policy::AllTrue,
        Policy::Longest,
        Policy::Rank(vec![int(3)]),
    ];
    for policy in &policies {
        for entry in [&mixed, &emptied] {
            let verdict = entry.verdict(policy, &NoAuthors);
            assert_eq!(
                (verdict.status, verdict.picked),
                (Status::Open, None),
                "{policy:?}"
            );
        }
    }
    let json = values([Value::Json("[1]".into()), Value::Json("[2]".into())]);
    assert_eq!(picked(&Policy::Max, &json), None);
}

#[test]
fn the_longest_counts_characters_and_a_rank_is_read_from_the_front() {
    let texts = values([text("ééé"), text("abcd"), text("zz")]);
    assert_eq!(picked(&Policy::Longest, &texts), shown(text("abcd")));
    let bytes = values([Value::Bytes(vec![1]), Value::Bytes(vec![0, 0])]);
    assert_eq!(
        picked(&Policy::Longest, &bytes),
        shown(Value::Bytes(vec![0, 0]))
    );
    let states = values([text("open"), text("done"), text("doing")]);
    let rank = |words: &[&str]| Policy::Rank(words.iter().map(|word| text(word)).collect());
    let order = rank(&["done", "doing", "open"]);
    assert_eq!(picked(&order, &states), shown(text("done")));
    assert_eq!(picked(&rank(&["done", "open"]), &states), None);
}

#[test]
fn the_first_edit_and_the_latest_go_by_what_the_clocks_said() {
    let mut sides = [side(1, Shown::Value(int(1))), side(2, Shown::Value(int(2)))];
    sides[0].time = 50 << 12;
    let entry = entry_of(Kind::PutPut, &sides);
    assert_eq!(picked(&Policy::FirstEdit, &entry), shown(int(2)));
    assert_eq!(picked(&Policy::Latest, &entry), shown(int(1)));
    sides[0].time = sides[1].time;
    let tied = entry_of(Kind::PutPut, &sides);
    assert_eq!(picked(&Policy::FirstEdit, &tied), shown(int(1)));
    assert_eq!(picked(&Policy::Latest, &tied), shown(int(2)));
}

#[test]
fn the_most_edits_are_counted_per_device_and_of_a_record_per_side() {
    let mut sides = [side(1, Shown::Value(int(1))), side(2, Shown::Value(int(2)))];
    sides[0].earlier = 2;
    let entry = entry_of(Kind::PutPut, &sides);
    assert_eq!(picked(&Policy::MostEdits, &entry), shown(int(1)));
    let mut sides = [side(1, Shown::Keep), side(2, Shown::Absent)];
    sides[0].earlier = 1;
    let record = entry_of(Kind::RecordDeleted, &sides);
    assert_eq!(picked(&Policy::MostEdits, &record), Some(Shown::Keep));
}

#[test]
fn a_role_decides_only_where_it_tells_the_sides_apart() {
    let entry = values([text("a"), text("b"), text("c")]);
    let policy = Policy::PreferRole(vec!["admin".into(), "editor".into()]);
    let pick = |log: &Log| entry.verdict(&policy, log).picked;
    assert_eq!(
        pick(&Log::of(&[(1, "editor"), (2, "admin"), (3, "editor")])),
        shown(text("b"))
    );
    assert_eq!(
        pick(&Log::of(&[(1, "viewer"), (3, "editor")])),
        shown(text("c"))
    );
    assert_eq!(pick(&Log::of(&[(1, "editor"), (3, "editor")])), None);
    assert_eq!(pick(&Log::default()), None);
    let owner = entry.verdict(
        &Policy::PreferOwner,
        &Log::of(&[(1, "owner"), (2, "admin")]),
    );
    assert_eq!(owner.picked, shown(text("a")));
    let agreeing = values([text("x"), text("y"), text("x")]);
    let log = Log::of(&[(1, "admin"), (2, "editor"), (3, "admin")]);
    assert_eq!(agreeing.verdict(&policy, &log).picked, shown(text("x")));
}

#[test]
fn a_deletion_against_an_edit_is_kept_or_deleted_as_asked() {
    let sides = [side(1, Shown::Keep), side(2, Shown::Absent)];
    let record = entry_of(Kind::RecordDeleted, &sides);
    assert_eq!(picked(&Policy::EditWins, &record), Some(Shown::Keep));
    assert_eq!(picked(&Policy::DeleteWins, &record), Some(Shown::Absent));
    assert_eq!(picked(&Policy::Review, &record), None);
    // These say nothing of fields, and those of values nothing of records.
    let fields = values([int(1), int(2)]);
    assert_eq!(picked(&Policy::EditWins, &fields), None);
    assert_eq!(picked(&Policy::Max, &record), None);
}

#[test]
fn a_program_brings_its_own_policy_or_a_person_is_asked() {
    let entry = values([int(4), int(7), int(5)]);
    let policy = Policy::Custom("odd".into());
    let mut customs = Customs::default();
    let without = entry.verdict_with(&policy, "c", &NoAuthors, &customs);
    assert_eq!((without.status, without.picked), (Status::Open, None));
    assert!(without.provisional);
    customs.install(
        "odd",
        Arc::new(|input| {
            assert_eq!((input.collection, input.register), ("c", "f"));
            input.candidates.iter().position(
                |candidate| matches!(candidate.shown, Shown::Value(Value::Int(n)) if n % 2 == 1),
            )
        }),
    );
    let with = entry.verdict_with(&policy, "c", &NoAuthors, &customs);
    assert_eq!(
        (with.status, with.picked),
        (Status::AutoMerged, shown(int(7)))
    );
    assert!(!with.provisional);
    customs.install("odd", Arc::new(|_| Some(99)));
    assert_eq!(
        entry
            .verdict_with(&policy, "c", &NoAuthors, &customs)
            .picked,
        None
    );
    customs.install("odd", Arc::new(|_| panic!("a mistake of the program")));
    let panicked = entry.verdict_with(&policy, "c", &NoAuthors, &customs);
    assert_eq!(panicked.status, Status::Open);
}

#[test]
fn what_a_person_decided_stands_against_every_policy() {
    let mut entry = values([int(1), int(2)]);
    entry.outcomes = vec![entry.candidates[0].clone()];
    let verdict = entry.verdict(&Policy::Max, &NoAuthors);
    assert_eq!(verdict.status, Status::Resolved);
    assert_eq!((verdict.resolved, verdict.picked), (shown(int(1)), None));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2..3_i64).prop_map(Value::Int),
        (-2..3_i8).prop_map(|n| Value::Float(f64::from(n) / 2.0)),
        any::<bool>().prop_map(Value::Bool),
        "[ab]{0,3}".prop_map(Value::String),
        (0..3_i64).prop_map(Value::Timestamp),
        Just(Value::Null),
    ]
}

/// Sides of one type more often than not: mixed ones are all left to people.
fn any_sides() -> impl Strategy<Value = (Kind, Vec<Side>)> {
    let one_type = prop_oneof![
        prop::collection::vec((-3..4_i64).prop_map(|n| Shown::Value(Value::Int(n))), 2..6),
        prop::collection::vec(
            any::<bool>().prop_map(|b| Shown::Value(Value::Bool(b))),
            2..6
        ),
        prop::collection::vec(
            "[ab]{0,3}".prop_map(|t| Shown::Value(Value::String(t))),
            2..6
        ),
        prop::collection::vec(any_value().prop_map(Shown::Value), 2..6),
    ];
    let emptied = prop::collection::vec(
        prop_oneof![Just(Shown::Absent), any_value().prop_map(Shown::Value)],
        2..6,
    );
    let record = Just(vec![Shown::Absent, Shown::Keep]);
    let shown = prop_oneof![
        one_type.prop_map(|shown| (Kind::PutPut, shown)),
        emptied.prop_map(|shown| (Kind::PutDelete, shown)),
        record.prop_map(|shown| (Kind::RecordDeleted, shown)),
    ];
    (
        shown,
        prop::collection::vec((0..3_u8, 0..4_i64, 0..3_usize), 6),
    )
        .prop_map(|((kind, shown), details)| {
            let sides = shown.into_iter().zip(details).zip(0_u64..);
            let sides = sides.map(|((shown, (device, time, earlier)), n)| Side {
                device,
                counter: 100 + 10 * (n % 3) + n,
                time,
                shown,
                earlier,
            });
            (kind, sides.collect())
        })
}

fn all_policies() -> Vec<Policy> {
    let mut policies: Vec<_> = vec![
        Policy::Review,
        Policy::Max,
        Policy::Min,
        Policy::AnyTrue,
        Policy::AllTrue,
        Policy::Longest,
        Policy::FirstEdit,
        Policy::MostEdits,
        Policy::PreferOwner,
        Policy::Latest,
        Policy::EditWins,
        Policy::DeleteWins,
    ];
    policies.push(Policy::Rank((-3..4).map(Value::Int).collect()));
    policies.push(Policy::PreferRole(vec!["owner".into(), "editor".into()]));
    policies
}

proptest! {
    /// Which operation is picked depends on nothing but the entry: not on the order in which its parts are held.
    #[test]
    fn a_pick_is_one_of_the_sides_whatever_order_they_are_in(
        (kind, sides) in any_sides(),
        turn in 0..6_usize,
    ) {
        let entry = entry_of(kind, &sides);
        let log = Log::of(&[(0, "owner"), (1, "editor"), (2, "editor")]);
        let mut turned = entry.clone();
        let middle = turn % entry.candidates.len();
        turned.candidates.rotate_left(middle);
        turned.members.reverse();
        for policy in all_policies() {
            let pick = policy.pick(&entry, &log);
            let again = policy.pick(&turned, &log);
            prop_assert_eq!(policy.pick(&entry, &log), pick, "{:?} twice", &policy);
            if let Some(n) = pick {
                prop_assert!(n < entry.candidates.len());
                prop_assert!(policy.decides(kind));
            }
            prop_assert_eq!(
                pick.map(|n| entry.candidates[n].clone()),
                again.map(|n| turned.candidates[n].clone()),
                "{:?} in another order", &policy
            );
            let verdict = entry.verdict(&policy, &log);
            prop_assert_eq!(verdict.picked, pick.map(|n| entry.candidates[n].shown.clone()));
        }
    }

    /// Idempotent: what was picked, beside any one of the sides it was picked from, is picked again.
    #[test]
    fn what_is_picked_is_picked_again_from_less((kind, sides) in any_sides()) {
        let entry = entry_of(kind, &sides);
        let log = Log::of(&[(0, "owner"), (1, "editor"), (2, "editor")]);
        for policy in all_policies().into_iter().filter(|policy| *policy != Policy::MostEdits) {
            let Some(n) = policy.pick(&entry, &log) else { continue };
            for other in (0..entry.candidates.len()).filter(|&other| other != n) {
                let mut two = entry.clone();
                two.candidates = vec![entry.candidates[n].clone(), entry.candidates[other].clone()];
                let again = policy.pick(&two, &log).map(|n| two.candidates[n].clone());
                prop_assert_eq!(again, Some(entry.candidates[n].clone()), "{:?}", &policy);
            }
        }
    }

    /// `max`, `min`, `any_true` and `all_true` mean what they say.
    #[test]
    fn picks_mean_what_they_say(ints in prop::collection::vec(-5..5_i64, 2..6),
                                truths in prop::collection::vec(any::<bool>(), 2..6)) {
        let entry = values(ints.iter().map(|n| Value::Int(*n)));
        prop_assert_eq!(picked(&Policy::Max, &entry), shown(Value::Int(*ints.iter().max().unwrap())));
        prop_assert_eq!(picked(&Policy::Min, &entry), shown(Value::Int(*ints.iter().min().unwrap())));
        let entry = values(truths.iter().map(|truth| Value::Bool(*truth)));
        let any = truths.contains(&true);
        let all = !truths.contains(&false);
        prop_assert_eq!(picked(&Policy::AnyTrue, &entry), shown(Value::Bool(any)));
        prop_assert_eq!(picked(&Policy::AllTrue, &entry), shown(Value::Bool(all)));
    }
}
