//! Deciding what overlapped, saying that it may stay, and taking that back.

use driftless_document::{How, Node, ReviewAction, Shown, Status, Value};
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
        Self::after(|_, _| ())
    }

    /// `before` is done when both have the record and nobody has written its title.
    fn after(before: impl FnOnce(&mut Replica, &mut Replica)) -> Self {
        let (a, mut laptop, b, mut phone) = two();
        let record = insert(&mut laptop, r#"{"title":"a"}"#);
        sync(&mut phone, &mut laptop).unwrap();
        before(&mut laptop, &mut phone);
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

#[test]
fn what_is_acknowledged_is_closed_everywhere_until_a_write_comes_that_did_not_know() {
    let third = Device::new(3);
    let mut tablet = None;
    let mut two = Contested::after(|_, phone| {
        let link = phone.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
        phone.commit_group().unwrap();
        let mut joined = third.join(phone, &link, "tablet").unwrap();
        sync(&mut joined, phone).unwrap();
        tablet = Some(joined);
    });
    let mut tablet = tablet.unwrap();
    let open = only(&two.phone);
    let id = open.entry.id;
    two.phone
        .acknowledge(id, Some(open.entry.members.len()), "fine")
        .unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    let closed = only(&two.laptop);
    assert_eq!(
        (closed.status, closed.resolved),
        (Status::Acknowledged, None)
    );
    assert_eq!(two.laptop.status().unwrap().conflicts_open, 0);
    let [review] = &closed.entry.reviews[..] else {
        panic!("{:?}", closed.entry.reviews)
    };
    let said = ReviewAction::Acknowledge {
        note: "fine".into(),
    };
    assert_eq!((&review.what, review.stands), (&said, true));
    assert_eq!(closed.devices[&review.operation.actor].name, "phone");
    let again = two.laptop.resolve(id, None, &Decision::Keep(0));
    assert!(matches!(again, Err(EngineError::ConflictClosed { .. })));

    // The tablet has not heard of it, and writes the title too.
    set(&mut tablet, two.record, "title", "from tablet");
    sync(&mut tablet, &mut two.laptop).unwrap();
    two.meet();
    let reopened = only(&two.laptop);
    assert_eq!(reopened.status, Status::Open);
    assert_eq!(reopened.entry.members.len(), open.entry.members.len() + 1);
    // Whatever its id became, the old one works; what was read before is too little to decide on.
    let by_old_name = two.phone.conflict(&id.to_string()).unwrap();
    assert_eq!(by_old_name.entry, reopened.entry);
    let grown = two
        .phone
        .acknowledge(id, Some(open.entry.members.len()), "still fine");
    assert!(
        matches!(grown, Err(EngineError::ConflictGrown { current }) if current == Box::new(by_old_name))
    );
    let all = Some(reopened.entry.members.len());
    two.phone.acknowledge(id, all, "now too").unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    assert_eq!(only(&two.laptop).status, Status::Acknowledged);
}

#[test]
fn a_decision_is_undone_everywhere_and_can_be_made_anew() {
    let mut two = Contested::new();
    let id = only(&two.phone).entry.id;
    two.phone.resolve(id, None, &Decision::Keep(0)).unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    let decided = only(&two.laptop);
    let shown = text(&two.laptop, two.record, "title");
    two.laptop.undo(id, Some(&decided.entry)).unwrap();
    two.laptop.commit_group().unwrap();
    two.meet();
    let open = only(&two.phone);
    assert_eq!((open.status, open.resolved), (Status::Open, None));
    assert_eq!(
        text(&two.phone, two.record, "title"),
        shown,
        "it writes no field"
    );
    assert_eq!(two.last_how(), Some(How::Reopen));
    // What was read before it was undone is another entry now.
    let late = two.phone.undo(id, Some(&decided.entry));
    assert!(matches!(late, Err(EngineError::ConflictOpen { .. })));

    let seen = Some(open.entry.members.len());
    two.phone.resolve(id, seen, &Decision::Keep(1)).unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    let anew = only(&two.laptop);
    assert_eq!(anew.status, Status::Resolved);
    assert_eq!(anew.resolved, Some(open.entry.candidates[1].shown.clone()));
    let words: Vec<_> = anew
        .entry
        .reviews
        .iter()
        .map(|review| (review.what.clone(), review.stands))
        .collect();
    assert_eq!(
        words,
        [
            (ReviewAction::Keep, false),
            (ReviewAction::Reopen, true),
            (ReviewAction::Keep, true)
        ]
    );
    let changed = two.laptop.undo(id, Some(&decided.entry));
    assert!(matches!(changed, Err(EngineError::ConflictGrown { .. })));
}

#[test]
fn an_acknowledgement_and_an_ordinary_edit_can_be_undone_too() {
    let mut two = Contested::new();
    let id = only(&two.phone).entry.id;
    two.phone.acknowledge(id, None, "").unwrap();
    two.phone.undo(id, None).unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    assert_eq!(only(&two.laptop).status, Status::Open);
    set(
        &mut two.laptop,
        two.record,
        "title",
        "an edit that knew of both",
    );
    two.meet();
    assert_eq!(only(&two.phone).status, Status::Resolved);
    two.phone.undo(id, None).unwrap();
    two.phone.commit_group().unwrap();
    two.meet();
    assert_eq!(only(&two.laptop).status, Status::Open);
    // By the rule of what is shown the edit stands, though it is none of the candidates.
    let all = ConflictFilter::default();
    let step = two
        .laptop
        .decide_some(&all, &driftless_engine::BulkRule::Shown, None, false)
        .unwrap();
    assert_eq!((step.decided.len(), step.skipped.len()), (1, 0));
    two.laptop.commit_group().unwrap();
    two.meet();
    let shown = Shown::Value(string("an edit that knew of both"));
    assert_eq!(only(&two.phone).resolved, Some(shown));
    assert_eq!(two.last_how(), Some(How::Merge));
}

#[test]
fn a_value_against_the_fields_below_it_is_decided_for_either() {
    for keeps_value in [true, false] {
        let (_a, mut laptop, _b, mut phone) = two();
        let id = insert(&mut laptop, r#"{"title":"a"}"#);
        sync(&mut phone, &mut laptop).unwrap();
        set(&mut laptop, id, "m", "a value");
        set(&mut phone, id, "m.p", "below");
        sync(&mut phone, &mut laptop).unwrap();
        let entry = only(&laptop).entry;
        assert_eq!(entry.kind, driftless_document::Kind::Integrity);
        let both = laptop.resolve(entry.id, None, &Decision::Both);
        assert!(matches!(both, Err(EngineError::BothCannotStand { .. })));
        let is_kept = |shown: &Shown| (*shown != Shown::Fields) == keeps_value;
        let n = entry.candidates.iter().position(|c| is_kept(&c.shown));
        laptop
            .resolve(entry.id, Some(0), &Decision::Keep(n.unwrap()))
            .unwrap();
        laptop.commit_group().unwrap();
        sync(&mut phone, &mut laptop).unwrap();
        assert_equal(&laptop, &phone);
        let kept = if keeps_value { "m" } else { "m.p" };
        let gone = if keeps_value { "m.p" } else { "m" };
        assert!(text(&phone, id, kept).is_some());
        assert_eq!(text(&phone, id, gone), None);
        assert_eq!(phone.conflicts(&ConflictFilter::open()).unwrap(), []);
    }
}
