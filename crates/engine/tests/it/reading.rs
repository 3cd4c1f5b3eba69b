//! Reading the conflict log: filters, pages, members.

use driftless_document::{FieldPath, Kind, Status, Value};
use driftless_engine::{
    ConflictFilter, ConflictPosition, ConflictView, ConflictWatch, Decision, Edit, Millis, Replica,
    came_about_ms,
};

use crate::support::{Device, log, set, sync};

fn pages(
    replica: &Replica,
    filter: &ConflictFilter,
    limit: usize,
    mut between: impl FnMut(usize),
) -> Vec<ConflictView> {
    let mut all = Vec::new();
    let mut after: Option<ConflictPosition> = None;
    loop {
        let page = replica
            .conflicts_page(filter, after.as_ref(), limit)
            .unwrap();
        assert!(page.entries.len() <= limit);
        all.extend(page.entries);
        between(all.len());
        let Some(next) = page.next else {
            return all;
        };
        // What was sent as text is the same place.
        assert_eq!(next.to_string().parse(), Ok(next.clone()));
        after = Some(next);
    }
}

#[test]
fn pages_of_any_size_are_the_whole_log_in_its_order() {
    let log = log(5);
    let all = log.laptop.conflicts(&ConflictFilter::default()).unwrap();
    assert_eq!(all.len(), 10);
    let positions: Vec<_> = all.iter().map(ConflictPosition::of).collect();
    assert!(positions.is_sorted());
    for limit in [1, 2, 3, 7, 10, 11] {
        let paged = pages(&log.laptop, &ConflictFilter::default(), limit, |_| ());
        assert_eq!(paged, all, "pages of {limit}");
    }
    assert_eq!(
        pages(&log.laptop, &ConflictFilter::default(), 10, |_| ()),
        all
    );
    let filter = ConflictFilter {
        path: Some("body".into()),
        ..ConflictFilter::open()
    };
    let bodies = pages(&log.laptop, &filter, 2, |_| ());
    assert_eq!(bodies.len(), 5);
    assert!(bodies.iter().all(|view| view.entry.register == "body"));
    assert!("no place".parse::<ConflictPosition>().is_err());
}

#[test]
fn entries_that_are_decided_between_two_pages_make_none_be_missed() {
    let mut log = log(4);
    let first = log
        .laptop
        .conflicts_page(&ConflictFilter::open(), None, 3)
        .unwrap();
    let next = first.next.clone().unwrap();
    let all = log.laptop.conflicts(&ConflictFilter::open()).unwrap();
    for view in &first.entries {
        let id = view.entry.id;
        log.laptop.resolve(id, None, &Decision::Keep(0)).unwrap();
        log.laptop.commit_group().unwrap();
    }
    let rest = log
        .laptop
        .conflicts_page(&ConflictFilter::open(), Some(&next), 100)
        .unwrap();
    assert_eq!(rest.entries, all[3..]);
    assert_eq!(rest.next, None);
    assert_eq!(log.laptop.status().unwrap().conflicts_open, 5);
}

#[test]
fn every_condition_of_a_filter_must_hold() {
    let mut log = log(3);
    let record = log.records[1];
    log.laptop.delete("notes", record).unwrap();
    log.laptop.commit_group().unwrap();
    set(&mut log.phone, record, "note", "still wanted");
    sync(&mut log.phone, &mut log.laptop).unwrap();
    let some = log
        .laptop
        .conflicts(&ConflictFilter {
            kind: Some(Kind::RecordDeleted),
            ..ConflictFilter::default()
        })
        .unwrap();
    assert_eq!(some.len(), 1);
    assert_eq!(
        (some[0].key.record, some[0].entry.kind),
        (record, Kind::RecordDeleted)
    );
    let count = |filter: ConflictFilter| log.laptop.count_conflicts(&filter).unwrap();
    let all = ConflictFilter::default;
    assert_eq!(count(all()), 7);
    let record = Some(log.records[0]);
    assert_eq!(count(ConflictFilter { record, ..all() }), 2);
    let status = Some(Status::Resolved);
    assert_eq!(count(ConflictFilter { status, ..all() }), 0);
    for device in [log.laptop.device(), log.phone.device()] {
        let author = Some(device);
        assert_eq!(count(ConflictFilter { author, ..all() }), 7);
    }
    let stranger = Device::new(9).create("stranger").device();
    let author = Some(stranger);
    assert_eq!(count(ConflictFilter { author, ..all() }), 0);
    let collection = Some("other".to_owned());
    assert_eq!(
        count(ConflictFilter {
            collection,
            ..all()
        }),
        0
    );
    let path = Some("tit".to_owned());
    assert_eq!(count(ConflictFilter { path, ..all() }), 0);
}

#[test]
fn the_entry_of_an_element_says_where_it_stands_now() {
    let mut log = log(1);
    let id = log.records[0];
    let steps = || FieldPath::parse("steps").unwrap();
    let edit = |replica: &mut Replica, edit: Edit| {
        replica.edit("notes", id, &[edit]).unwrap();
        replica.commit_group().unwrap();
    };
    let push = |at, values: &[i64]| Edit::InsertElements {
        path: steps(),
        at,
        values: values.iter().map(|value| Value::Int(*value)).collect(),
    };
    edit(&mut log.laptop, push(None, &[0, 1, 2]));
    sync(&mut log.phone, &mut log.laptop).unwrap();
    for (replica, value) in [(&mut log.laptop, 10), (&mut log.phone, 20)] {
        let put = Edit::PutElement {
            path: steps(),
            at: 1,
            value: Value::Int(value),
        };
        edit(replica, put);
    }
    sync(&mut log.phone, &mut log.laptop).unwrap();
    let filter = ConflictFilter {
        kind: Some(Kind::ListElement),
        ..ConflictFilter::default()
    };
    let mut watch = ConflictWatch::new(filter.clone());
    let places = |replica: &Replica| {
        let entry = replica.conflicts(&filter).unwrap().remove(0);
        let page = replica.conflicts_page(&filter, None, 1).unwrap().entries;
        let one = replica.conflict(&entry.entry.id.to_string()).unwrap();
        assert_eq!((&page[0], &one), (&entry, &entry));
        entry.place
    };
    assert_eq!(places(&log.laptop), Some(1));
    let news = log.laptop.conflict_news(&mut watch).unwrap();
    assert_eq!(news[0].view.as_ref().map(|view| view.place), Some(Some(1)));
    edit(&mut log.laptop, push(Some(0), &[7, 8]));
    assert_eq!(places(&log.laptop), Some(3));
    // Where it stands is nothing that somebody wrote of it.
    assert_eq!(log.laptop.conflict_news(&mut watch).unwrap(), []);
    edit(
        &mut log.laptop,
        Edit::RemoveElements {
            path: steps(),
            at: 3,
            count: 1,
        },
    );
    assert_eq!(places(&log.laptop), None);
    sync(&mut log.phone, &mut log.laptop).unwrap();
    assert_eq!(places(&log.phone), None);
}

#[test]
fn the_age_of_an_entry_is_what_its_members_claim() {
    let log = log(3);
    let all = log.laptop.conflicts(&ConflictFilter::default()).unwrap();
    let times: Vec<Millis> = all.iter().map(|view| came_about_ms(&view.entry)).collect();
    for time in times.iter().flat_map(|time| [*time, time + 1]) {
        let before = ConflictFilter {
            before_ms: Some(time),
            ..ConflictFilter::default()
        };
        let since = ConflictFilter {
            since_ms: Some(time),
            ..ConflictFilter::default()
        };
        let older = times.iter().filter(|t| **t < time).count() as u64;
        assert_eq!(log.laptop.count_conflicts(&before).unwrap(), older);
        assert_eq!(log.laptop.count_conflicts(&since).unwrap(), 6 - older);
    }
}

#[test]
fn members_are_paged_and_all_stay_readable_after_the_decision() {
    let mut log = log(1);
    let id = log.laptop.conflicts(&ConflictFilter::default()).unwrap()[0]
        .entry
        .id;
    log.laptop.resolve(id, None, &Decision::Keep(0)).unwrap();
    log.laptop.commit_group().unwrap();
    let name = id.to_string();
    let (first, second) = (
        log.laptop.conflict_members(&name, 0, 1).unwrap(),
        log.laptop.conflict_members(&name, 1, 10).unwrap(),
    );
    assert_eq!((first.total, second.total), (2, 2));
    assert_eq!((first.members.len(), second.members.len()), (1, 1));
    let mut names: Vec<_> = [first, second]
        .into_iter()
        .flat_map(|page| page.members)
        .map(|(_, device)| device.unwrap().name)
        .collect();
    names.sort();
    assert_eq!(names, ["laptop", "phone"]);
    let beyond = log.laptop.conflict_members(&name, 2, 10).unwrap();
    assert_eq!((beyond.members.len(), beyond.total), (0, 2));
}
