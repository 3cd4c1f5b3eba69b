//! Who did what to a record, and the record as it was.

use driftless_document::{
    ChangeHash, Deletion, HistoryError, HistoryOptions, HistoryStep, How, RecordId, Value,
};
use driftless_engine::{ConflictFilter, Decision, EngineError, RecordHistory, RecordKey, Replica};

use crate::support::{Device, insert, set, sync, two};

fn history(replica: &Replica, id: RecordId) -> RecordHistory {
    let whole = HistoryOptions::default();
    replica.history("notes", id, &whole).unwrap()
}

fn string(value: &str) -> Value {
    Value::String(value.into())
}

/// The name of a step's device, the field it wrote last, what it read there and what it wrote.
fn told(
    history: &RecordHistory,
    step: &HistoryStep,
) -> (String, String, Vec<Value>, Option<Value>) {
    let write = step.writes.last().unwrap().clone();
    let name = history.devices[&step.actor].name.clone();
    (name, write.path, write.before, write.after)
}

/// Both set the title apart, the phone decides for its own, then deletes the record and restores it.
fn story() -> (Replica, Replica, RecordId) {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"body":"b","title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "laptop's");
    set(&mut phone, id, "title", "phone's");
    sync(&mut phone, &mut laptop).unwrap();
    let open = phone.conflicts(&ConflictFilter::default()).unwrap();
    let entry = &open[0].entry;
    let own = entry
        .candidates
        .iter()
        .position(|c| open[0].devices[&c.actor()].name == "phone");
    phone
        .resolve(entry.id, None, &Decision::Keep(own.unwrap()))
        .unwrap();
    phone.commit_group().unwrap();
    phone.delete("notes", id).unwrap();
    phone.commit_group().unwrap();
    phone.restore("notes", id).unwrap();
    phone.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    (laptop, phone, id)
}

#[test]
fn both_devices_tell_one_history_with_its_decisions_deletions_and_what_each_author_saw() {
    let (laptop, phone, id) = story();
    let history = history(&laptop, id);
    assert_eq!(history, self::history(&phone, id));
    assert_eq!(history.earlier, 0);
    let [made, first, second, decided, deleted, restored] = &history.steps[..] else {
        panic!("six changes: {history:#?}");
    };
    let row = |who: &str, before: &[&str], after: &str| {
        let before = before.iter().map(|value| string(value)).collect::<Vec<_>>();
        (
            who.to_owned(),
            "title".to_owned(),
            before,
            Some(string(after)),
        )
    };
    assert_eq!(told(&history, made), row("laptop", &[], "a"));
    assert!(made.is_first() && made.writes.len() == 2);
    // Of two made apart either stands first; both saw `a`.
    let mut apart = [told(&history, first), told(&history, second)];
    apart.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        apart,
        [
            row("laptop", &["a"], "laptop's"),
            row("phone", &["a"], "phone's")
        ]
    );
    assert_eq!((first.apart, second.apart), (false, true));

    let entry = laptop.conflicts(&ConflictFilter::default()).unwrap()[0]
        .entry
        .id;
    assert_eq!(
        (decided.decisions[0].entry, &decided.decisions[0].how),
        (entry, &How::Keep)
    );
    let (who, _, before, after) = told(&history, decided);
    assert_eq!(
        (who.as_str(), before.len(), after),
        ("phone", 2, Some(string("phone's")))
    );
    assert_eq!(decided.deps, 2);
    let flip = |before, after| Some(Deletion { before, after });
    assert_eq!(deleted.deletion, flip(false, true));
    assert_eq!(restored.deletion, flip(true, false));
    assert!(
        history
            .steps
            .iter()
            .all(|step| step.time_ms() >= 1_790_000_000_000)
    );
    let now = laptop.get("notes", id).unwrap().unwrap();
    assert_eq!(restored.version, now.version());
}

#[test]
fn the_history_of_a_field_in_pages() {
    let (laptop, _, id) = story();
    let mut options = HistoryOptions {
        field: Some("title".into()),
        limit: Some(3),
        before: None,
    };
    let newest = laptop.history("notes", id, &options).unwrap();
    assert_eq!((newest.steps.len(), newest.earlier), (3, 1));
    assert!(newest.steps.iter().all(|step| step.writes.len() == 1));
    options.before = Some(newest.steps[0].change);
    let oldest = laptop.history("notes", id, &options).unwrap();
    assert_eq!((oldest.steps.len(), oldest.earlier), (1, 0));
    assert!(oldest.steps[0].is_first());
    options.before = Some(ChangeHash([3; 32]));
    let unknown = laptop.history("notes", id, &options);
    assert!(matches!(
        unknown,
        Err(EngineError::History(HistoryError::NoSuchChange { .. }))
    ));
}

#[test]
fn every_version_of_the_history_reads_as_the_record_was() {
    let (laptop, phone, id) = story();
    for step in history(&laptop, id).steps {
        let name = step.version.to_string();
        let there = laptop.get_at("notes", id, &name).unwrap();
        assert_eq!(there.version(), step.version);
        assert_eq!(there, phone.get_at("notes", id, &name[..12]).unwrap());
        assert_eq!(there.deleted, step.deletion.is_some_and(|flip| flip.after));
        let mine = laptop
            .get_at("notes", id, &step.change.to_string())
            .unwrap();
        for write in &step.writes {
            assert_eq!(mine.fields.get(&write.path), write.after.as_ref());
        }
    }
}

#[test]
fn a_version_that_only_one_device_showed_is_found_there_after_a_rebuild_too() {
    let (first, mut laptop, _, mut phone) = two();
    let link = phone.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    phone.commit_group().unwrap();
    let mut tablet = Device::new(3).join(&mut phone, &link, "tablet").unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    let id = insert(&mut laptop, r#"{"body":"b","title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    // The laptop makes three edits, and then hears of the first of the phone's two: the order of the history has
    // the second one between them.
    for title in ["1", "2", "3"] {
        set(&mut laptop, id, "title", title);
    }
    set(&mut phone, id, "body", "B");
    sync(&mut tablet, &mut phone).unwrap();
    set(&mut phone, id, "body", "C");
    let phones = phone.get("notes", id).unwrap().unwrap();
    sync(&mut tablet, &mut laptop).unwrap();
    let shown = laptop.get("notes", id).unwrap().unwrap();
    sync(&mut phone, &mut laptop).unwrap();

    laptop.close().unwrap();
    let kv = driftless_store::MemoryKv::new();
    let laptop = Device { kv, ..first }.open();
    for row in [&shown, &phones] {
        let name = row.version().to_string();
        assert_eq!(laptop.get_at("notes", id, &name).unwrap(), *row);
    }
    assert_eq!(shown.fields["title"], string("3"));
    assert_eq!(shown.fields["body"], string("B"));
    let refused = phone.get_at("notes", id, &shown.version().to_string());
    assert!(matches!(
        refused,
        Err(EngineError::History(HistoryError::NoSuchVersion { .. }))
    ));
    assert_eq!(history(&laptop, id), history(&phone, id));
}

#[test]
fn the_past_of_what_is_not_there_is_a_sentence() {
    let (laptop, _, id) = story();
    let whole = HistoryOptions::default();
    let nobody = RecordId([9; 16]);
    for refused in [
        laptop.history("notes", nobody, &whole).map(drop),
        laptop.get_at("notes", nobody, "ab").map(drop),
    ] {
        assert!(matches!(refused, Err(EngineError::NotFound { .. })));
    }
    for name in ["", "no version", "00000000000000000000000000000000"] {
        let refused = laptop.get_at("notes", id, name);
        assert!(
            matches!(
                &refused,
                Err(EngineError::History(HistoryError::NoSuchVersion { name: said })) if said == name
            ),
            "{name}: {refused:?}"
        );
    }
    let key = RecordKey {
        collection: "notes".into(),
        record: id,
    };
    assert_eq!(history(&laptop, id).key, key);
}

#[test]
fn the_beginning_of_several_versions_is_refused() {
    let (_, mut laptop, _, _) = two();
    let id = insert(&mut laptop, r#"{"title":"0"}"#);
    for n in 1..20 {
        set(&mut laptop, id, "title", &n.to_string());
    }
    let several = "0123456789abcdef".chars().any(|digit| {
        let found = laptop.get_at("notes", id, &digit.to_string());
        matches!(found, Err(EngineError::History(HistoryError::AmbiguousVersion { count, .. })) if count > 1)
    });
    assert!(several, "20 versions begin with 16 digits");
}
