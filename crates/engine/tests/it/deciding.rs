//! Deciding what overlapped, saying that it may stay, and taking that back.

use driftless_document::{How, Node, Shown, Status, Value};
use driftless_engine::{ConflictFilter, ConflictView, Decision, EngineError, Replica};

use crate::support::{Device, assert_equal, insert, set, sync, text, two};

/// Two devices that gave one title another value each, and have met.
struct Contested {
    _devices: (Device, Device),
    laptop: Replica,
    phone: Replica,
    record: driftless_document::RecordId,
}

impl Contested {
    fn new() -> Self {
        let (a, mut laptop, b, mut phone) = two();
        let record = insert(&mut laptop, r#"{"title":"a"}"#);
        sync(&mut phone, &mut laptop).unwrap();
        set(&mut laptop, record, "title", "from laptop");
        set(&mut phone, record, "title", "from phone");
        sync(&mut phone, &mut laptop).unwrap();
        Self {
            _devices: (a, b),
            laptop,
            phone,
            record,
        }
    }

    fn meet(&mut self) {
        sync(&mut self.phone, &mut self.laptop).unwrap();
        assert_equal(&self.laptop, &self.phone);
    }

    /// What a history says of the last decision on the record.
    fn last_how(&self) -> Option<How> {
        let options = driftless_document::HistoryOptions::default();
        let history = self.laptop.history("notes", self.record, &options).unwrap();
        let mut decisions = history.steps.into_iter().flat_map(|step| step.decisions);
        decisions.next_back().map(|decided| decided.how)
    }
}

fn only(replica: &Replica) -> ConflictView {
    let mut entries = replica.conflicts(&ConflictFilter::default()).unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

#[test]
fn a_merged_value_is_shown_everywhere_and_history_says_who_gave_it() {
    let mut two = Contested::new();
    let entry = only(&two.phone).entry;
    let merged = Decision::Merge(Node::Leaf(string("from both")));
    two.phone
        .resolve(entry.id, Some(entry.members.len()), &merged)
        .unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    assert_eq!(
        text(&two.laptop, two.record, "title"),
        Some(string("from both"))
    );
    let decided = only(&two.laptop);
    assert_eq!(decided.status, Status::Resolved);
    assert_eq!(decided.resolved, Some(Shown::Value(string("from both"))));
    let by = decided.entry.outcomes[0].actor();
    assert_eq!(decided.devices[&by].name, "phone");
    assert_eq!(two.last_how(), Some(How::Merge));
}

#[test]
fn both_values_of_a_field_that_holds_one_cannot_stand_and_nothing_is_written() {
    let mut two = Contested::new();
    let before = two.phone.digest().unwrap();
    let entry = only(&two.phone).entry;
    let refused = two.phone.resolve(entry.id, None, &Decision::Both);
    let Err(EngineError::BothCannotStand {
        current, remedy, ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(current.entry, entry);
    assert!(remedy.contains("a value that says both"), "{remedy}");
    assert!(!two.phone.has_staged());
    assert_eq!(two.phone.digest().unwrap(), before);
}

#[test]
fn a_decision_on_what_is_closed_unknown_or_grown_has_the_entry_as_it_is_and_writes_nothing() {
    let mut two = Contested::new();
    let entry = only(&two.phone).entry;
    let unknown = driftless_document::EntryId([7; 16]);
    let seen = Some(entry.members.len());
    for refused in [
        two.phone.resolve(unknown, seen, &Decision::Keep(0)),
        two.phone.acknowledge(unknown, seen, ""),
        two.phone.undo(unknown, None),
    ] {
        assert!(
            matches!(refused, Err(EngineError::NotFound { .. })),
            "{refused:?}"
        );
    }
    for refused in [
        two.phone.resolve(entry.id, Some(1), &Decision::Keep(0)),
        two.phone.acknowledge(entry.id, Some(1), ""),
    ] {
        let Err(EngineError::ConflictGrown { current }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(current.entry, entry);
    }
    let open = two.phone.undo(entry.id, Some(&entry));
    assert!(matches!(open, Err(EngineError::ConflictOpen { current }) if current.entry == entry));
    assert!(!two.phone.has_staged());

    two.phone
        .resolve(entry.id, seen, &Decision::Keep(1))
        .unwrap();
    // Not durable yet, and it counts: the second decision of one group fails.
    let late = two.phone.resolve(entry.id, seen, &Decision::Keep(0));
    let Err(EngineError::ConflictClosed { current }) = late else {
        panic!("{late:?}")
    };
    assert_eq!(
        (current.status, current.entry.outcomes.len()),
        (Status::Resolved, 1)
    );
    let late = two.phone.acknowledge(entry.id, seen, "");
    assert!(matches!(late, Err(EngineError::ConflictClosed { .. })));
}

#[test]
fn a_note_over_its_limit_is_refused() {
    let mut two = Contested::new();
    let id = only(&two.phone).entry.id;
    let note = "ä".repeat(1_000);
    let long = two.phone.acknowledge(id, None, &format!("{note}!"));
    assert!(matches!(
        long,
        Err(EngineError::NoteTooLong {
            chars: 1_001,
            limit: 1_000
        })
    ));
    two.phone.acknowledge(id, None, &note).unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    assert_eq!(two.last_how(), Some(How::Acknowledge { note }));
}

#[test]
fn history_tells_an_acknowledgement_and_what_took_it_back() {
    let mut two = Contested::new();
    let id = only(&two.phone).entry.id;
    let shown = text(&two.phone, two.record, "title");
    two.phone
        .acknowledge(id, None, "both are \"fine\"\n")
        .unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    let note = "both are \"fine\"\n".to_owned();
    assert_eq!(two.last_how(), Some(How::Acknowledge { note }));
    assert_eq!(
        text(&two.laptop, two.record, "title"),
        shown,
        "it writes no field"
    );
}
