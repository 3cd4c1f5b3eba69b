//! Deciding many entries at once, and hearing what became of those that wait.

use std::collections::BTreeSet;

use driftless_document::{DELETED, EntryId, FieldPath, Node, Rules, Status, Value};
use driftless_engine::{
    BulkRule, BulkSkipped, ConflictChange, ConflictFilter, ConflictWatch, Decision, Edit,
    EngineError, Replica,
};

use crate::support::{Device, assert_equal, insert, log, set, sync, sync_until, text, two};

/// Decides all that fit, step by step, each step durable.
fn decide_all(
    replica: &mut Replica,
    filter: &ConflictFilter,
    rule: &BulkRule,
) -> (Vec<EntryId>, Vec<BulkSkipped>) {
    let (mut decided, mut skipped) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let step = replica
            .decide_some(filter, rule, after.as_ref(), false)
            .unwrap();
        replica.commit_group().unwrap();
        decided.extend(step.decided);
        skipped.extend(step.skipped);
        match step.next {
            Some(next) => after = Some(next),
            None => return (decided, skipped),
        }
    }
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

#[test]
fn what_one_device_wrote_stands_everywhere_with_one_change_a_record() {
    let mut log = log(70);
    let before = log.laptop.last_change();
    let rule = BulkRule::Device(log.phone.device());
    let preview = log
        .laptop
        .decide_some(&ConflictFilter::default(), &rule, None, true)
        .unwrap();
    assert_eq!((preview.decided.len(), preview.next.is_some()), (128, true));
    assert!(!log.laptop.has_staged(), "a preview writes nothing");

    let (decided, skipped) = decide_all(&mut log.laptop, &ConflictFilter::default(), &rule);
    assert_eq!((decided.len(), skipped.len()), (140, 0));
    assert_eq!(decided.iter().collect::<BTreeSet<_>>().len(), 140);
    assert_eq!(log.laptop.last_change() - before, 70);
    sync(&mut log.phone, &mut log.laptop).unwrap();
    assert_equal(&log.laptop, &log.phone);
    assert_eq!(log.phone.status().unwrap().conflicts_open, 0);
    for &record in &log.records {
        assert_eq!(text(&log.phone, record, "title"), Some(string("of phone")));
    }
}

#[test]
fn only_what_fits_the_filter_is_decided() {
    let mut log = log(3);
    let filter = ConflictFilter {
        path: Some("title".into()),
        ..ConflictFilter::default()
    };
    let shown: Vec<_> = (log.records.iter())
        .map(|&record| text(&log.laptop, record, "title"))
        .collect();
    let (decided, skipped) = decide_all(&mut log.laptop, &filter, &BulkRule::Shown);
    assert_eq!((decided.len(), skipped.len()), (3, 0));
    for (&record, shown) in log.records.iter().zip(shown) {
        assert_eq!(text(&log.laptop, record, "title"), shown);
    }
    let open = log.laptop.conflicts(&ConflictFilter::open()).unwrap();
    assert!(open.iter().all(|view| view.entry.register == "body"));
    assert_eq!(open.len(), 3);
}

#[test]
fn what_the_rule_does_not_fit_is_left_and_said_why() {
    let mut log = log(2);
    let record = log.records[0];
    log.laptop.delete("notes", record).unwrap();
    log.laptop.commit_group().unwrap();
    set(&mut log.phone, record, "note", "still wanted");
    sync(&mut log.phone, &mut log.laptop).unwrap();
    let (decided, skipped) =
        decide_all(&mut log.laptop, &ConflictFilter::default(), &BulkRule::Both);
    assert_eq!((decided.len(), skipped.len()), (0, 5));
    assert!(
        (skipped.iter()).all(|one| matches!(one.reason, EngineError::BothCannotStand { .. })),
        "{skipped:?}"
    );
    // Candidate 2 is nowhere.
    let (decided, skipped) = decide_all(
        &mut log.laptop,
        &ConflictFilter::default(),
        &BulkRule::Keep(2),
    );
    assert_eq!((decided.len(), skipped.len()), (0, 5));
    // A stranger took part in nothing.
    let stranger = Device::new(9).create("stranger").device();
    let rule = BulkRule::Device(stranger);
    let (_, skipped) = decide_all(&mut log.laptop, &ConflictFilter::default(), &rule);
    assert_eq!(skipped.len(), 5);
    assert!((skipped.iter()).all(|one| matches!(one.reason, EngineError::NoCandidateFits { .. })));
    // The deletion stands as it is shown, and the fields below it as they are.
    let (decided, skipped) = decide_all(
        &mut log.laptop,
        &ConflictFilter::default(),
        &BulkRule::Shown,
    );
    assert_eq!((decided.len(), skipped.len()), (5, 0));
    assert!(log.laptop.get("notes", record).unwrap().unwrap().deleted);
    // Now all are closed.
    let filter = ConflictFilter {
        status: Some(Status::Resolved),
        path: Some(DELETED.into()),
        ..ConflictFilter::default()
    };
    let (decided, skipped) = decide_all(&mut log.laptop, &filter, &BulkRule::Keep(0));
    assert_eq!((decided.len(), skipped.len()), (0, 1));
    assert!(matches!(
        skipped[0].reason,
        EngineError::ConflictClosed { .. }
    ));
}

#[test]
fn the_latest_candidate_is_the_one_that_claims_so() {
    let mut log = log(2);
    let open = log.laptop.conflicts(&ConflictFilter::open()).unwrap();
    decide_all(
        &mut log.laptop,
        &ConflictFilter::default(),
        &BulkRule::Latest,
    );
    for view in open {
        let times = view.entry.candidates.iter().map(|c| c.time >> 12);
        let newest = times.max().unwrap();
        let decided = log.laptop.conflict(&view.entry.id.to_string()).unwrap();
        let stands = decided.resolved.unwrap();
        let chosen = view.entry.candidates.iter().find(|c| c.shown == stands);
        assert_eq!(chosen.unwrap().time >> 12, newest);
    }
}

#[test]
fn whoever_watches_hears_what_opens_changes_and_closes_and_nothing_twice() {
    let (_a, mut laptop, _b, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    let mut watch = ConflictWatch::new(ConflictFilter::default());
    let mut hear = |replica: &Replica| -> Vec<_> {
        let news = replica.conflict_news(&mut watch).unwrap();
        news.into_iter()
            .map(|one| (one.what, one.id, one.view.map(|v| v.status)))
            .collect()
    };
    assert_eq!(hear(&laptop), []);
    set(&mut laptop, id, "title", "of laptop");
    set(&mut phone, id, "title", "of phone");
    assert_eq!(hear(&laptop), []);
    sync(&mut phone, &mut laptop).unwrap();
    let entry = laptop.conflicts(&ConflictFilter::open()).unwrap()[0]
        .entry
        .id;
    let open = Some(Status::Open);
    assert_eq!(hear(&laptop), [(ConflictChange::Opened, entry, open)]);
    assert_eq!(hear(&laptop), []);
    set(&mut laptop, id, "other", "nothing to do with it");
    assert_eq!(hear(&laptop), []);
    phone.resolve(entry, None, &Decision::Keep(0)).unwrap();
    phone.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    let resolved = Some(Status::Resolved);
    assert_eq!(hear(&laptop), [(ConflictChange::Closed, entry, resolved)]);
    assert_eq!(hear(&laptop), []);
}

#[test]
fn what_closes_within_a_group_is_told_once_the_group_is_committed() {
    let mut log = log(1);
    let mut watch = ConflictWatch::new(ConflictFilter {
        path: Some("title".into()),
        ..ConflictFilter::default()
    });
    let opened = log.laptop.conflict_news(&mut watch).unwrap();
    let edit = Edit::Set {
        path: FieldPath::parse("title").unwrap(),
        node: Node::Leaf(Value::String("seen both".into())),
    };
    log.laptop.edit("notes", log.records[0], &[edit]).unwrap();
    assert_eq!(log.laptop.conflict_news(&mut watch).unwrap(), []);
    log.laptop.commit_group().unwrap();
    let closed = log.laptop.conflict_news(&mut watch).unwrap();
    assert_eq!(closed.len(), 1);
    assert_eq!(
        (closed[0].what, closed[0].id),
        (ConflictChange::Closed, opened[0].id)
    );
}

#[test]
fn an_entry_whose_sides_come_to_agree_is_told_as_closed_and_gone() {
    let (_a, mut laptop, _b, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "same");
    set(&mut phone, id, "title", "other");
    // The phone's edit arrives, ours does not go back: the link is cut.
    sync_until(&mut phone, &mut laptop, 3).unwrap();
    let mut watch = ConflictWatch::new(ConflictFilter::default());
    let opened = laptop.conflict_news(&mut watch).unwrap();
    assert_eq!(opened.len(), 1);
    set(&mut phone, id, "title", "same");
    sync(&mut phone, &mut laptop).unwrap();
    let gone = laptop.conflict_news(&mut watch).unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(
        (gone[0].what, gone[0].id, &gone[0].view),
        (ConflictChange::Closed, opened[0].id, &None)
    );
}

#[test]
fn a_third_side_changes_an_entry_whatever_its_id_becomes() {
    let (_a, mut laptop, _b, mut phone) = two();
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let third = Device::new(3);
    let mut tablet = third.join(&mut laptop, &link, "tablet").unwrap();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    sync(&mut tablet, &mut laptop).unwrap();
    for (replica, value) in [(&mut laptop, "l"), (&mut phone, "p"), (&mut tablet, "t")] {
        set(replica, id, "title", value);
    }
    sync(&mut phone, &mut laptop).unwrap();
    let mut watch = ConflictWatch::new(ConflictFilter::default());
    assert_eq!(laptop.conflict_news(&mut watch).unwrap().len(), 1);
    sync(&mut tablet, &mut laptop).unwrap();
    let news = laptop.conflict_news(&mut watch).unwrap();
    assert_eq!(news.len(), 1, "{news:?}");
    assert_eq!(news[0].what, ConflictChange::Changed);
    let view = news[0].view.as_ref().unwrap();
    assert_eq!(
        (view.entry.candidates.len(), view.entry.id),
        (3, news[0].id)
    );
}

#[test]
fn what_a_policy_shows_is_what_is_confirmed_as_shown() {
    // One of the two is not what Automerge picks.
    for (policy, value) in [
        ("\"prefer_owner\"", "of laptop"),
        ("{ prefer_role = [\"editor\"] }", "of phone"),
    ] {
        let mut log = log(2);
        let rules = format!("version = 1\n[[rule]]\npath = \"title\"\npolicy = {policy}\n");
        log.laptop.set_rules(&Rules::read(&rules).unwrap()).unwrap();
        log.laptop.commit_group().unwrap();
        let filter = ConflictFilter {
            status: Some(Status::AutoMerged),
            ..ConflictFilter::default()
        };
        let (decided, skipped) = decide_all(&mut log.laptop, &filter, &BulkRule::Shown);
        assert_eq!((decided.len(), skipped.len()), (2, 0));
        log.laptop.set_rules(&Rules::default()).unwrap();
        log.laptop.commit_group().unwrap();
        for &record in &log.records {
            let title = text(&log.laptop, record, "title");
            assert_eq!(title, Some(string(value)), "without the rule as well");
        }
    }
}

#[test]
fn other_rules_for_an_entry_that_stays_open_change_it() {
    let mut log = log(1);
    let mut watch = ConflictWatch::new(ConflictFilter {
        path: Some("title".into()),
        ..ConflictFilter::default()
    });
    assert_eq!(log.laptop.conflict_news(&mut watch).unwrap().len(), 1);
    let mut hear = |replica: &mut Replica, rules: &str| {
        replica.set_rules(&Rules::read(rules).unwrap()).unwrap();
        replica.commit_group().unwrap();
        let news = replica.conflict_news(&mut watch).unwrap();
        news.into_iter().map(|one| one.what).collect::<Vec<_>>()
    };
    let rank = "[[rule]]\npolicy = { rank = [\"nowhere\"] }\n";
    let changed = [ConflictChange::Changed];
    // The values are not in the list, so the entry stays open; by which rule is news.
    let first = format!("version = 1\n{rank}");
    assert_eq!(hear(&mut log.laptop, &first), changed);
    let second =
        format!("version = 1\n[[rule]]\nkind = \"record_deleted\"\npolicy = \"latest\"\n{rank}");
    assert_eq!(hear(&mut log.laptop, &second), changed);
    let other = second.replace("nowhere", "elsewhere");
    assert_eq!(hear(&mut log.laptop, &other), changed);
    // Rules that say the same of it are none.
    let named = other.replace("kind =", "name = \"another\"\nkind =");
    assert_eq!(hear(&mut log.laptop, &named), []);
    // What is picked closes it.
    let max = "version = 1\n[[rule]]\npolicy = \"max\"\n";
    assert_eq!(hear(&mut log.laptop, max), [ConflictChange::Closed]);
}
