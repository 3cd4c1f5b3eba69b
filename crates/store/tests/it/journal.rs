//! What the journal promises while nothing fails, and what it says of damage.

use driftless_store::{
    Counters, DiskFiles, FRAME_BYTES_MAX, Files, Frame, FrameKind, Journal, JournalError,
    MemoryFiles, Position, SegmentLimits, Visit,
};
use proptest::prelude::*;

pub(crate) const KIND: FrameKind = FrameKind(7);
pub(crate) const SEGMENT_HEADER: usize = 40;
pub(crate) const GROUP_HEADER: usize = 32;
pub(crate) const FRAME_HEADER: usize = 14;

pub(crate) fn segment(number: u32) -> String {
    format!("{number:08}.seg")
}

pub(crate) fn small_segments() -> SegmentLimits {
    SegmentLimits {
        segment_bytes: 400,
        frame_bytes: 1_000,
    }
}

pub(crate) fn create(files: &MemoryFiles) -> Journal {
    Journal::create_with(Box::new(files.clone()), small_segments()).unwrap()
}

pub(crate) fn open(files: &MemoryFiles) -> Result<Journal, JournalError> {
    Journal::open_with(Box::new(files.clone()), small_segments()).map(|(journal, _)| journal)
}

pub(crate) fn frames(journal: &Journal, from: Position) -> Vec<Frame> {
    let mut frames = Vec::new();
    journal
        .replay::<JournalError>(from, &mut |frame| {
            frames.push(frame);
            Ok(Visit::Continue)
        })
        .unwrap();
    frames
}

pub(crate) fn contents(journal: &Journal) -> Vec<Vec<u8>> {
    frames(journal, Position::START)
        .into_iter()
        .map(|frame| frame.bytes)
        .collect()
}

pub(crate) fn write(journal: &mut Journal, groups: &[&[&[u8]]]) {
    for group in groups {
        for bytes in *group {
            journal.append(KIND, bytes).unwrap();
        }
        journal.commit().unwrap();
    }
}

#[test]
fn what_was_committed_is_there_again_in_order() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"a", b""], &[&[9; 300]], &[b"c"]]);
    let written = frames(&journal, Position::START);
    assert_eq!(contents(&journal), [&b"a"[..], b"", &[9; 300], b"c"]);
    assert!(written.iter().all(|frame| frame.kind == KIND));
    drop(journal);
    files.crash();
    let (journal, opening) = Journal::open_with(Box::new(files.clone()), small_segments()).unwrap();
    assert_eq!(frames(&journal, Position::START), written);
    assert_eq!((opening.groups, opening.torn_bytes), (3, 0));
    assert_eq!(opening.end, journal.end());
    assert_eq!(opening.segments, 3);
}

#[test]
fn ten_appends_and_one_commit_are_one_group_and_one_fdatasync() {
    let mut journal = Journal::create(Box::new(MemoryFiles::new())).unwrap();
    let before = journal.counters();
    for number in 0..10_u8 {
        journal.append(KIND, &[number; 100]).unwrap();
    }
    journal.commit().unwrap();
    let after = journal.counters();
    let bytes = (GROUP_HEADER + 10 * (FRAME_HEADER + 100)) as u64;
    assert_eq!(
        after,
        Counters {
            fdatasyncs: before.fdatasyncs + 1,
            groups: 1,
            frames: 10,
            bytes: before.bytes + bytes,
        }
    );
    assert_eq!(journal.bytes(), SEGMENT_HEADER as u64 + bytes);
    journal.commit().unwrap();
    assert_eq!(journal.counters(), after, "nothing was staged");
}

#[test]
fn nothing_staged_is_durable_and_staged_frames_can_be_read() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    let first = journal.append(KIND, b"first").unwrap();
    let end = journal.commit().unwrap();
    let second = journal.append(FrameKind(9), b"second").unwrap();
    let third = journal.append(KIND, b"third").unwrap();
    assert!(first < end && end <= second && second < third);
    assert_eq!(journal.end(), end);
    assert_eq!(journal.read(first).unwrap().bytes, b"first");
    let staged = journal.read(second).unwrap();
    assert_eq!((staged.kind, staged.position), (FrameKind(9), second));
    assert_eq!(journal.read(third).unwrap().bytes, b"third");
    assert_eq!(contents(&journal), [b"first"]);
    let reopened = open(&files.duplicate()).unwrap();
    assert_eq!(contents(&reopened), [b"first"]);
    let later = journal.commit().unwrap();
    assert!(third < later);
    assert_eq!(journal.read(second).unwrap(), staged);
}

#[test]
fn discarded_frames_leave_no_trace() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"kept"]]);
    let discarded = journal.append(KIND, &[1; 390]).unwrap();
    journal.discard_staged();
    let position = journal.append(KIND, b"next").unwrap();
    assert!(position < discarded);
    journal.commit().unwrap();
    assert_eq!(contents(&open(&files).unwrap()), [&b"kept"[..], b"next"]);
}

#[test]
fn segments_roll_over_and_positions_ascend() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    let mut positions = Vec::new();
    for number in 0..30_u8 {
        positions.push(journal.append(KIND, &[number; 70]).unwrap());
        if number % 2 == 1 {
            assert!(positions.last().unwrap() < &journal.commit().unwrap());
        }
    }
    assert!(positions.is_sorted());
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
    let names = files.list().unwrap();
    assert!(names.len() > 5);
    for name in &names {
        assert!(files.length(name).unwrap() <= 400);
    }
    let journal = open(&files).unwrap();
    for (number, position) in (0..).zip(&positions) {
        assert_eq!(journal.read(*position).unwrap().bytes, [number; 70]);
        let after = frames(&journal, *position);
        assert_eq!(after.len(), 30 - usize::from(number));
        assert_eq!(after[0].position, *position);
    }
    assert_eq!(frames(&journal, journal.end()), []);
    let total: u64 = names.iter().map(|name| files.length(name).unwrap()).sum();
    assert_eq!(journal.bytes(), total);
}

#[test]
fn a_commit_that_crosses_segments_is_one_group_in_each() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    for number in 0..5_u8 {
        journal.append(KIND, &[number; 150]).unwrap();
    }
    journal.commit().unwrap();
    // Two frames fit into a segment; each later segment has a sync of its own before its group.
    assert_eq!(journal.counters().groups, 3);
    assert_eq!(journal.counters().fdatasyncs, 6);
    assert_eq!(contents(&open(&files).unwrap()).len(), 5);
}

#[test]
fn a_frame_over_the_segment_size_has_a_segment_of_its_own() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"a"], &[&[1; 900]], &[b"b"]]);
    let segments: Vec<u32> = frames(&journal, Position::START)
        .iter()
        .map(|frame| frame.position.segment)
        .collect();
    assert_eq!(segments, [1, 2, 3]);
    assert_eq!(contents(&open(&files).unwrap())[1], [1; 900]);
    let refused = journal.append(KIND, &[0; 1_001]).unwrap_err();
    assert!(matches!(
        refused,
        JournalError::FrameTooLong {
            length: 1_001,
            limit: 1_000,
            kind: KIND
        }
    ));
}

#[test]
fn the_greatest_frame_fits_and_one_byte_more_does_not() {
    let files = MemoryFiles::new();
    let mut journal = Journal::create(Box::new(files.clone())).unwrap();
    let longest = vec![3; FRAME_BYTES_MAX as usize];
    let position = journal.append(KIND, &longest).unwrap();
    journal.commit().unwrap();
    assert!(journal.read(position).unwrap().bytes == longest);
    assert!(matches!(
        journal.append(KIND, &vec![3; FRAME_BYTES_MAX as usize + 1]),
        Err(JournalError::FrameTooLong { .. })
    ));
    let (journal, opening) = journal.reopen().unwrap();
    assert_eq!(opening.groups, 1);
    assert_eq!(contents(&journal).len(), 1);
}

#[test]
fn replay_stops_when_told_and_passes_errors_on() {
    let mut journal = create(&MemoryFiles::new());
    write(&mut journal, &[&[b"a", b"b"], &[b"c"]]);
    let mut seen = 0;
    journal
        .replay::<JournalError>(Position::START, &mut |_| {
            seen += 1;
            Ok(if seen == 2 {
                Visit::Stop
            } else {
                Visit::Continue
            })
        })
        .unwrap();
    assert_eq!(seen, 2);
    let refused = journal.replay(Position::START, &mut |_| Err(JournalError::Full));
    assert!(matches!(refused, Err(JournalError::Full)));
}

#[test]
fn positions_where_no_frame_begins_are_refused() {
    let mut journal = create(&MemoryFiles::new());
    write(&mut journal, &[&[b"abcdefghijklmnopqrstuvwxyz"]]);
    let end = journal.end();
    for position in [
        Position::START,
        end,
        Position {
            segment: 1,
            offset: 0,
        },
        Position {
            segment: 1,
            offset: u32::MAX,
        },
        Position {
            segment: 2,
            offset: 72,
        },
    ] {
        let refused = journal.read(position).unwrap_err();
        assert!(matches!(refused, JournalError::NoFrame { position: named } if named == position));
    }
    // Inside a frame the bytes cannot be told from damage.
    for offset in 73..end.offset {
        assert!(journal.read(Position { segment: 1, offset }).is_err());
    }
    let staged = journal.append(KIND, b"staged").unwrap();
    let inside = Position {
        offset: staged.offset + 1,
        ..staged
    };
    assert!(matches!(
        journal.read(inside),
        Err(JournalError::NoFrame { .. })
    ));
}

#[test]
fn a_journal_is_made_once_and_an_unused_one_may_be_made_again() {
    let files = MemoryFiles::new();
    assert!(matches!(open(&files), Err(JournalError::Absent)));
    assert!(Journal::is_unused(&files).unwrap());
    drop(create(&files));
    assert!(Journal::is_unused(&files).unwrap());
    assert_eq!(contents(&open(&files).unwrap()), [] as [&[u8]; 0]);
    let mut journal = create(&files);
    write(&mut journal, &[&[b"a"]]);
    assert!(!Journal::is_unused(&files).unwrap());
    let refused = Journal::create(Box::new(files.clone())).unwrap_err();
    assert!(matches!(refused, JournalError::AlreadyExists));
    assert_eq!(contents(&open(&files).unwrap()), [b"a"]);
}

#[test]
fn files_of_others_in_the_folder_do_not_matter() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"a"]]);
    for name in [
        "1.seg",
        "00000007.seg.bak",
        "+0000009.seg",
        ".DS_Store",
        "x",
    ] {
        files.set_content(name, b"none of ours");
    }
    assert_eq!(contents(&open(&files).unwrap()), [b"a"]);
}

#[test]
fn a_journal_can_be_owned_by_another_thread() {
    fn can_move<T: Send>(_: &T) {}
    let folder = tempfile::tempdir().unwrap();
    can_move(&DiskFiles::open(folder.path()).unwrap());
    can_move(&create(&MemoryFiles::new()));
}

#[test]
fn a_real_folder_holds_it_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let disk = || Box::new(DiskFiles::open(folder.path()).unwrap());
    let mut journal = Journal::create_with(disk(), small_segments()).unwrap();
    // More segments than handles are kept open.
    for number in 0..200_u8 {
        journal.append(KIND, &[number; 100]).unwrap();
        journal.commit().unwrap();
    }
    let expected: Vec<Vec<u8>> = (0..200).map(|number| vec![number; 100]).collect();
    assert_eq!(contents(&journal), expected);
    drop(journal);
    let (mut journal, opening) = Journal::open_with(disk(), small_segments()).unwrap();
    assert!(opening.segments > 50);
    assert_eq!(contents(&journal), expected);
    write(&mut journal, &[&[b"more"]]);
    let (journal, _) = journal.reopen().unwrap();
    assert_eq!(contents(&journal).len(), 201);
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"abc", b""]]);
    let content = files.content(&segment(1)).unwrap();
    let (head, rest) = content.split_at(SEGMENT_HEADER);
    let (group, frames) = rest.split_at(GROUP_HEADER);
    let salt = &head[16..24];
    assert_eq!(&head[..16], b"DRIFTSEG\x01\0\0\0\0\0\0\x01");
    assert_eq!(&head[24..36], [0; 12]);
    assert_eq!(head[36..], crc32c::crc32c(&head[..36]).to_be_bytes());
    assert_eq!(&group[..16], b"DGRP\x01\0\0\0\0\0\0\0\0\0\0\x01");
    assert_eq!(group[16..20], 31_u32.to_be_bytes());
    assert_eq!(group[20..24], [0; 4]);
    assert_eq!(group[24..28], crc32c::crc32c(frames).to_be_bytes());
    let covered = [
        salt,
        &1_u32.to_be_bytes(),
        &40_u32.to_be_bytes(),
        &group[..28],
    ]
    .concat();
    assert_eq!(group[28..], crc32c::crc32c(&covered).to_be_bytes());
    assert_eq!(&frames[..10], b"\0\0\0\x03\x01\x07\0\0\0\0");
    let covered = [&frames[..10], b"abc"].concat();
    assert_eq!(frames[10..14], crc32c::crc32c(&covered).to_be_bytes());
    assert_eq!(&frames[14..17], b"abc");
    assert_eq!(&frames[17..27], b"\0\0\0\0\x01\x07\0\0\0\0");
}

proptest! {
    #[test]
    fn positions_order_as_their_bytes(a: (u32, u32), b: (u32, u32)) {
        let position = |(segment, offset)| Position { segment, offset };
        let (first, second) = (position(a), position(b));
        prop_assert_eq!(first.cmp(&second), first.to_bytes().cmp(&second.to_bytes()));
        prop_assert_eq!(Position::from_bytes(first.to_bytes()), first);
        prop_assert!(Position::START <= first);
    }

    #[test]
    fn any_frames_in_any_groups_come_back(
        groups in proptest::collection::vec(
            proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..500)), 0..6),
            0..12,
        )
    ) {
        let files = MemoryFiles::new();
        let mut journal = create(&files);
        let mut expected = Vec::new();
        for group in groups {
            for (kind, bytes) in group {
                let position = journal.append(FrameKind(kind), &bytes).unwrap();
                expected.push(Frame { kind: FrameKind(kind), bytes, position });
            }
            journal.commit().unwrap();
        }
        prop_assert_eq!(&frames(&journal, Position::START), &expected);
        files.crash();
        let journal = open(&files).unwrap();
        prop_assert_eq!(&frames(&journal, Position::START), &expected);
        for frame in &expected {
            prop_assert_eq!(&journal.read(frame.position).unwrap(), frame);
        }
    }
}
