//! What overlapped, kind by kind, and what people say about it.

use driftless_document::{
    Candidate, ChangeHash, Entry, Evidence, Intent, Kind, MemberAction, Record, RecordId, Review,
    ReviewAction, Shown, Span, Value, evidence,
};

use crate::support::{actor, edit, put, receive, remove, settle, text};

const RECORD: RecordId = RecordId([1; 16]);

fn log(record: &Record) -> Evidence {
    evidence("people", RECORD, &record.changes().unwrap())
}

fn only_entry(record: &Record) -> Entry {
    let mut entries = log(record).entries;
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

/// Two devices, which know the same at first.
struct Two {
    ana: Record,
    ben: Record,
}

impl Two {
    fn after(intents: &[Intent]) -> Self {
        let mut ana = Record::new();
        edit(&mut ana, actor(1), intents);
        let ben = ana.clone();
        Self { ana, ben }
    }

    /// Each does something the other does not know of, and then they meet.
    fn apart(&mut self, ana: &[Intent], ben: &[Intent]) {
        let from_ana = edit(&mut self.ana, actor(1), ana);
        let from_ben = edit(&mut self.ben, actor(2), ben);
        receive(&mut self.ana, &from_ben);
        receive(&mut self.ben, &from_ana);
        assert_eq!(log(&self.ana), log(&self.ben));
    }

    /// Ana does something, and Ben gets it.
    fn ana(&mut self, intents: &[Intent]) {
        let raw = edit(&mut self.ana, actor(1), intents);
        receive(&mut self.ben, &raw);
    }
}

fn splice(at: usize, delete: usize, insert: &str) -> Intent {
    Intent::Splice {
        path: "notes".into(),
        at,
        delete,
        insert: insert.into(),
    }
}

fn push(value: i64) -> Intent {
    Intent::InsertElements {
        path: "steps".into(),
        at: None,
        values: vec![Value::Int(value)],
    }
}

fn put_element(at: usize, value: i64) -> Intent {
    Intent::PutElement {
        path: "steps".into(),
        at,
        value: Value::Int(value),
    }
}

fn remove_element(at: usize) -> Intent {
    Intent::RemoveElements {
        path: "steps".into(),
        at,
        count: 1,
    }
}

fn add(member: &str) -> Intent {
    Intent::AddMember {
        path: "tags".into(),
        member: text(member),
    }
}

fn drop_member(member: &str) -> Intent {
    Intent::RemoveMember {
        path: "tags".into(),
        member: text(member),
    }
}

fn note(entry: &Entry, value: Value) -> Intent {
    settle(&format!("$review/{}", entry.id), Some(value))
}

fn acknowledge(entry: &Entry) -> Intent {
    note(entry, Value::Json(r#"{"acknowledge":"fine"}"#.into()))
}

fn shown(entry: &Entry) -> Vec<Shown> {
    let candidates = entry.candidates.iter();
    candidates
        .map(|candidate| candidate.shown.clone())
        .collect()
}

fn shown_text(value: &str) -> Shown {
    Shown::Value(Value::Text(value.into()))
}

#[test]
fn an_add_beside_a_removal_is_an_entry_and_two_adds_are_none() {
    let mut two = Two::after(&[add("urgent")]);
    two.apart(&[add("urgent")], &[add("urgent"), add("late")]);
    assert_eq!(log(&two.ana), Evidence::default());
    two.apart(&[add("urgent")], &[drop_member("urgent")]);
    let entry = only_entry(&two.ana);
    assert_eq!(entry.kind, Kind::PutDelete);
    assert_eq!(entry.register, "tags/s:urgent");
    assert_eq!(
        shown(&entry),
        [Shown::Value(Value::Bool(true)), Shown::Absent]
    );
    let tags = two.ana.row().fields["tags/"].clone();
    assert_eq!(tags, Value::Set(vec![text("late"), text("urgent")]));
    assert!(!entry.is_settled());
    two.ana(&[drop_member("urgent")]);
    assert!(only_entry(&two.ben).is_settled());
}

#[test]
fn removals_of_one_member_do_not_contest() {
    let mut two = Two::after(&[add("urgent")]);
    two.apart(&[drop_member("urgent")], &[drop_member("urgent")]);
    assert_eq!(log(&two.ana), Evidence::default());
}

#[test]
fn one_element_of_a_list_given_two_values_is_an_entry_about_that_element() {
    let mut two = Two::after(&[push(1), push(2)]);
    two.apart(
        &[put_element(1, 5)],
        &[put_element(1, 7), put_element(0, 9)],
    );
    let entry = only_entry(&two.ana);
    assert_eq!(entry.kind, Kind::ListElement);
    let made = format!("steps#list/3@{}", actor(1));
    assert_eq!(entry.register, made);
    assert_eq!(entry.base, [Shown::Value(Value::Int(2))]);
    let values = [5, 7].map(|n| Shown::Value(Value::Int(n)));
    assert_eq!(shown(&entry), values);
    two.ana(&[put_element(1, 6)]);
    let settled = only_entry(&two.ben);
    assert_eq!(settled.outcomes.len(), 1);
    assert_eq!(settled.outcomes[0].shown, Shown::Value(Value::Int(6)));
}

#[test]
fn an_element_removed_on_one_side_and_written_on_the_other_is_an_entry() {
    let mut two = Two::after(&[push(1)]);
    two.apart(&[remove_element(0)], &[put_element(0, 7)]);
    let entry = only_entry(&two.ana);
    assert_eq!(entry.kind, Kind::ListElement);
    assert_eq!(shown(&entry), [Shown::Absent, Shown::Value(Value::Int(7))]);
}

#[test]
fn elements_put_in_apart_do_not_contest() {
    let mut two = Two::after(&[push(1)]);
    two.apart(&[push(2)], &[push(3)]);
    two.apart(&[remove_element(0)], &[remove_element(0), push(4)]);
    assert_eq!(log(&two.ana), Evidence::default());
}

#[test]
fn increments_do_not_contest() {
    let increment = |by| Intent::Increment {
        path: "views".into(),
        by,
    };
    let mut two = Two::after(&[increment(1)]);
    two.apart(&[increment(2)], &[increment(3)]);
    assert_eq!(log(&two.ana), Evidence::default());
}

#[test]
fn every_edit_of_a_field_wants_the_record_kept() {
    let increment = Intent::Increment {
        path: "views".into(),
        by: 1,
    };
    for edit in [push(2), splice(0, 0, "x"), add("late"), increment] {
        let mut two = Two::after(&[push(1)]);
        two.apart(
            &[put("$deleted", Value::Bool(true))],
            std::slice::from_ref(&edit),
        );
        let entry = only_entry(&two.ana);
        assert_eq!(entry.kind, Kind::RecordDeleted, "{edit:?}");
        assert_eq!(shown(&entry), [Shown::Absent, Shown::Keep]);
    }
}

#[test]
fn edits_of_one_place_of_a_text_are_an_entry_that_shows_both_sides() {
    let mut two = Two::after(&[splice(0, 0, "the cat sat")]);
    two.apart(
        &[splice(4, 3, "dog")],
        &[splice(4, 3, "big cow"), splice(0, 0, "So ")],
    );
    let entry = only_entry(&two.ana);
    assert_eq!(entry.kind, Kind::Text);
    assert_eq!(entry.register, "notes#text");
    assert_eq!(entry.base, [shown_text("the cat sat")]);
    let sides = ["the dog sat", "So the big cow sat"].map(shown_text);
    assert_eq!(shown(&entry), sides);
    let actions: Vec<_> = entry.members.iter().map(|m| m.action.clone()).collect();
    let action = |deleted: &str, inserted: &str| MemberAction::Text {
        deleted: deleted.into(),
        inserted: inserted.into(),
    };
    assert_eq!(actions, [action("cat", "dog"), action("cat", "So big cow")]);
    let span = |of: usize, at, deleted, inserted| Span {
        change: entry.candidates[of].change,
        at,
        deleted,
        inserted,
    };
    let spans = [span(0, 4, 3, 3), span(1, 0, 0, 3), span(1, 7, 3, 7)];
    assert_eq!(entry.spans, spans);
    assert!(log(&two.ana).unsettled);
}

#[test]
fn edits_of_a_text_that_do_not_meet_are_no_entry() {
    let start = splice(0, 0, "one two three");
    let mut two = Two::after(std::slice::from_ref(&start));
    two.apart(&[splice(0, 3, "1")], &[splice(8, 5, "3")]);
    assert_eq!(log(&two.ana), Evidence::default());
    let mut two = Two::after(&[start]);
    two.apart(&[splice(0, 4, "")], &[splice(0, 4, "")]);
    assert_eq!(log(&two.ana), Evidence::default(), "both removed the same");
}

#[test]
fn what_is_put_in_where_the_other_side_removes_meets_it() {
    let mut two = Two::after(&[splice(0, 0, "one two three")]);
    two.apart(&[splice(4, 4, "")], &[splice(6, 0, "X")]);
    assert_eq!(only_entry(&two.ana).kind, Kind::Text);
    let mut two = Two::after(&[splice(0, 0, "one two three")]);
    two.apart(&[splice(4, 4, "")], &[splice(3, 2, "!")]);
    assert_eq!(
        only_entry(&two.ana).kind,
        Kind::Text,
        "both removed, one put in"
    );
}

#[test]
fn the_same_word_put_in_on_both_sides_stands_twice_and_is_not_agreed() {
    let mut two = Two::after(&[splice(0, 0, "ab")]);
    two.apart(&[splice(1, 0, "x")], &[splice(1, 0, "x")]);
    let entry = only_entry(&two.ana);
    assert_eq!(shown(&entry), [shown_text("axb"), shown_text("axb")]);
    assert!(!entry.is_agreed());
    assert_eq!(
        two.ana.row().fields["notes#text"],
        Value::Text("axxb".into())
    );
}

#[test]
fn a_text_is_settled_by_who_names_the_entry_and_not_by_who_writes_on() {
    let mut two = Two::after(&[splice(0, 0, "ab")]);
    two.apart(&[splice(1, 0, "x")], &[splice(1, 0, "y")]);
    two.ana(&[splice(0, 0, "more ")]);
    let entry = only_entry(&two.ana);
    assert!(!entry.is_settled());
    let whole = match two.ana.row().fields["notes#text"].clone() {
        Value::Text(text) => text.chars().count(),
        other => panic!("{other:?}"),
    };
    two.ana(&[splice(0, whole, "axyb"), note(&entry, text("merge"))]);
    let settled = only_entry(&two.ben);
    assert_eq!(settled.outcomes.len(), 1);
    assert_eq!(settled.outcomes[0].shown, shown_text("axyb"));
    assert!(!log(&two.ben).unsettled);
}

#[test]
fn two_edits_in_a_row_of_one_side_are_shown_as_that_side_has_the_text() {
    let mut two = Two::after(&[splice(0, 0, "ab")]);
    let first = edit(&mut two.ana, actor(1), &[splice(1, 0, "x")]);
    let second = edit(&mut two.ana, actor(1), &[splice(3, 0, "!")]);
    let other = edit(&mut two.ben, actor(2), &[splice(1, 0, "y")]);
    receive(&mut two.ana, &other);
    receive(&mut two.ben, &first);
    receive(&mut two.ben, &second);
    let entry = only_entry(&two.ana);
    assert_eq!(entry, only_entry(&two.ben));
    let mut sides = shown(&entry);
    sides.sort_by_key(|side| format!("{side:?}"));
    assert_eq!(sides, [shown_text("axb!"), shown_text("ayb")]);
    assert_eq!(entry.members.len(), 2, "the second edit is nowhere near");
    assert!(
        entry
            .spans
            .iter()
            .all(|span| (span.at, span.inserted) == (1, 1))
    );
}

fn open_entry() -> (Two, Entry) {
    let mut two = Two::after(&[put("a", Value::Int(0))]);
    two.apart(&[put("a", Value::Int(1))], &[put("a", Value::Int(2))]);
    let entry = only_entry(&two.ana);
    (two, entry)
}

fn what(entry: &Entry) -> Vec<(ReviewAction, bool)> {
    let of = |review: &Review| (review.what.clone(), review.stands);
    entry.reviews.iter().map(of).collect()
}

fn fine() -> ReviewAction {
    ReviewAction::Acknowledge {
        note: "fine".into(),
    }
}

#[test]
fn an_acknowledgement_holds_until_something_comes_that_it_did_not_know_of() {
    let (mut two, entry) = open_entry();
    let mut cid = Record::load(&two.ana.save(), &two.ana.heads()).unwrap();
    two.ana(&[acknowledge(&entry)]);
    let now = only_entry(&two.ben);
    assert!(now.is_acknowledged());
    assert!(!now.is_settled());
    assert_eq!(what(&now), [(fine(), true)]);
    let late = edit(&mut cid, actor(3), &[put("b", Value::Int(1))]);
    receive(&mut two.ana, &late);
    assert!(
        only_entry(&two.ana).is_acknowledged(),
        "that was of another field"
    );

    let (mut two, entry) = open_entry();
    let mut late = Record::new();
    let raw = edit(&mut late, actor(3), &[put("a", Value::Int(9))]);
    two.ana(&[acknowledge(&entry)]);
    receive(&mut two.ana, &raw);
    let grown = only_entry(&two.ana);
    assert!(grown.names().any(|name| name == entry.id));
    assert!(!grown.is_acknowledged());
    assert_eq!(what(&grown), [(fine(), false)]);
}

#[test]
fn what_was_acknowledged_can_be_opened_again() {
    let (mut two, entry) = open_entry();
    two.ana(&[acknowledge(&entry)]);
    two.ana(&[note(&entry, text("reopen"))]);
    let now = only_entry(&two.ben);
    assert!(!now.is_acknowledged());
    assert_eq!(what(&now), [(fine(), false), (ReviewAction::Reopen, false)]);
    two.ana(&[acknowledge(&entry)]);
    assert!(only_entry(&two.ben).is_acknowledged());
}

#[test]
fn a_decision_that_is_undone_leaves_the_entry_open_and_the_next_one_counts() {
    let (mut two, entry) = open_entry();
    let seven = settle("a", Some(Value::Int(7)));
    two.ana(&[seven, note(&entry, text("merge"))]);
    assert_eq!(what(&only_entry(&two.ben)), [(ReviewAction::Merge, true)]);
    two.ana(&[note(&entry, text("reopen"))]);
    let opened = only_entry(&two.ben);
    assert!(!opened.is_settled());
    assert!(log(&two.ben).unsettled);
    let undone = [(ReviewAction::Merge, false), (ReviewAction::Reopen, true)];
    assert_eq!(what(&opened), undone);
    two.ana(&[settle("a", Some(Value::Int(8)))]);
    let again = only_entry(&two.ben);
    let outcomes: Vec<_> = again.outcomes.iter().map(|o| o.shown.clone()).collect();
    assert_eq!(outcomes, [Shown::Value(Value::Int(8))]);
}

#[test]
fn undoing_withdraws_a_decision_only_if_it_knew_of_all_that_decided() {
    let (mut two, entry) = open_entry();
    let decide = |value| [settle("a", Some(Value::Int(value)))];
    two.apart(&decide(7), &decide(8));
    let by_register: Vec<_> = log(&two.ana).entries;
    assert_eq!(
        by_register.len(),
        2,
        "two decisions made apart contest each other"
    );
    assert_eq!(by_register[0].outcomes.len(), 2);
    let mut alone = two.ana.at(&[by_register[0].outcomes[0].change]).unwrap();
    let raw = edit(&mut alone, actor(3), &[note(&entry, text("reopen"))]);
    receive(&mut two.ana, &raw);
    let entries = log(&two.ana).entries;
    assert_eq!(entries[0].outcomes.len(), 2);
    assert_eq!(what(&entries[0]), [(ReviewAction::Reopen, false)]);
}

#[test]
fn a_review_that_this_build_does_not_know_is_kept_as_it_is() {
    let (mut two, entry) = open_entry();
    two.ana(&[note(&entry, text("postpone"))]);
    two.ana(&[note(&entry, Value::Json(r#"{"later":1}"#.into()))]);
    two.ana(&[note(&entry, Value::Int(3))]);
    let other = |text: &str| (ReviewAction::Other(text.into()), false);
    let expected = [other("postpone"), other(r#"{"later":1}"#), other("")];
    assert_eq!(what(&only_entry(&two.ben)), expected);
}

#[test]
fn a_value_above_fields_is_an_entry_as_long_as_both_stand() {
    let mut two = Two::after(&[put("name", text("Ana"))]);
    let city = put("address.city", text("Oslo"));
    let mut cid = two.ana.clone();
    two.apart(&[put("address", text("Oslo 1"))], &[city]);
    let entry = only_entry(&two.ana);
    assert_eq!(entry.kind, Kind::Integrity);
    assert_eq!(entry.register, "address");
    assert_eq!(entry.members, []);
    let sides = [Shown::Value(text("Oslo 1")), Shown::Fields];
    assert_eq!(shown(&entry), sides);
    let actors: Vec<_> = entry.candidates.iter().map(Candidate::actor).collect();
    assert_eq!(actors, [actor(1), actor(2)]);
    two.ana(&[acknowledge(&entry)]);
    assert!(only_entry(&two.ben).is_acknowledged());
    let late = edit(&mut cid, actor(3), &[put("address.zip", text("0150"))]);
    receive(&mut two.ana, &late);
    receive(&mut two.ben, &late);
    let more = "that is one field more";
    assert!(!only_entry(&two.ben).is_acknowledged(), "{more}");
    assert_eq!(only_entry(&two.ben).id, entry.id);
    let clear = |key: &str| Intent::Clear { key: key.into() };
    two.ana(&[clear("address")]);
    assert_eq!(log(&two.ben), Evidence::default());
}

#[test]
fn a_text_below_a_value_stands_even_when_it_is_empty() {
    let notes = |insert: &str, delete: usize| Intent::Splice {
        path: "address.notes".into(),
        at: 0,
        delete,
        insert: insert.into(),
    };
    let mut two = Two::after(&[put("name", text("Ana"))]);
    two.apart(
        &[put("address", text("Oslo 1"))],
        &[notes("x", 0), notes("", 1)],
    );
    let entry = only_entry(&two.ana);
    assert_eq!(shown(&entry), [Shown::Value(text("Oslo 1")), Shown::Fields]);
}

#[test]
fn equal_values_are_noted_as_agreed_until_somebody_settles_them() {
    let mut two = Two::after(&[put("a", Value::Int(0))]);
    two.apart(&[put("a", Value::Int(5))], &[put("a", Value::Int(5))]);
    let found = log(&two.ana);
    assert_eq!(found.entries, []);
    assert!(found.unsettled);
    let registers: Vec<_> = found.agreed.iter().map(|a| a.register.as_str()).collect();
    assert_eq!(registers, ["a"]);
    two.ana(&[remove("a")]);
    let found = log(&two.ana);
    assert_eq!((found.agreed, found.unsettled), (Vec::new(), false));
    assert_eq!(found.entries.len(), 1);
}

#[test]
fn a_note_made_before_any_of_it_happened_is_no_review() {
    let mut two = Two::after(&[put("a", Value::Int(0))]);
    let mut ahead = two.ana.clone();
    edit(&mut ahead, actor(1), &[put("b", Value::Int(0))]);
    let (mut one, mut other) = (ahead.clone(), ahead.clone());
    let raw = edit(&mut other, actor(2), &[put("a", Value::Int(2))]);
    edit(&mut one, actor(1), &[put("a", Value::Int(1))]);
    receive(&mut one, &raw);
    let entry = only_entry(&one);
    two.ana(&[note(&entry, text("reopen"))]); // takes the place of the write to b
    let (mut one, mut other) = (two.ana.clone(), two.ana.clone());
    let raw = edit(&mut other, actor(2), &[put("a", Value::Int(2))]);
    edit(&mut one, actor(1), &[put("a", Value::Int(1))]);
    receive(&mut one, &raw);
    let found = only_entry(&one);
    assert_eq!(found.id, entry.id);
    assert_eq!(found.reviews, []);
    assert_ne!(found.members[0].change, ChangeHash([0; 32]));
}
