//! What opening and reading say of a journal that the disk has changed.

use driftless_store::{Damage, Files, Journal, JournalError, MemoryFiles, Position, Visit};
use proptest::prelude::*;

use crate::journal::{
    GROUP_HEADER, KIND, SEGMENT_HEADER, contents, create, frames, open, segment, small_segments,
    write,
};

/// Writes a journal of several segments and returns it with the place of its last group.
fn long_journal() -> (MemoryFiles, u32, usize) {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    for number in 0..9_u8 {
        journal.append(KIND, &[number; 60]).unwrap();
        journal.append(KIND, &[number; 5]).unwrap();
        journal.commit().unwrap();
    }
    let last = frames(&journal, Position::START)[16].position;
    let offset = last.offset as usize - GROUP_HEADER;
    assert!(
        last.segment > 2 && offset > SEGMENT_HEADER,
        "not alone in its segment"
    );
    (files, last.segment, offset)
}

#[test]
fn a_torn_last_group_is_cut_wherever_it_is_torn() {
    let (files, last, offset) = long_journal();
    let whole = files.content(&segment(last)).unwrap();
    let (journal, opening) =
        Journal::open_with(Box::new(files.duplicate()), small_segments()).unwrap();
    let groups = opening.groups;
    let expected = contents(&journal);
    for length in offset..whole.len() {
        let torn = files.duplicate();
        torn.set_content(&segment(last), &whole[..length]);
        let (mut journal, opening) =
            Journal::open_with(Box::new(torn.clone()), small_segments()).unwrap();
        assert_eq!(opening.torn_bytes, (length - offset) as u64);
        assert_eq!(opening.groups, groups - 1);
        assert_eq!(contents(&journal), expected[..16]);
        write(&mut journal, &[&[b"after"]]);
        torn.crash();
        let journal = open(&torn).unwrap();
        assert_eq!(contents(&journal).len(), 17);
    }
}

#[test]
fn a_flipped_bit_in_the_last_group_loses_that_group_only() {
    let (files, last, offset) = long_journal();
    let whole = files.content(&segment(last)).unwrap();
    let expected = contents(&open(&files.duplicate()).unwrap());
    for at in offset..whole.len() {
        let torn = files.duplicate();
        let mut content = whole.clone();
        content[at] ^= 1 << (at % 8);
        torn.set_content(&segment(last), &content);
        let journal = open(&torn).unwrap();
        assert_eq!(contents(&journal), expected[..16], "byte {at}");
    }
}

#[test]
fn a_flipped_bit_before_the_last_group_is_damage() {
    let (files, last, offset) = long_journal();
    for number in 1..=last {
        let whole = files.content(&segment(number)).unwrap();
        let end = if number == last { offset } else { whole.len() };
        for at in 0..end {
            let damaged = files.duplicate();
            let mut content = whole.clone();
            content[at] ^= 1 << (at % 8);
            damaged.set_content(&segment(number), &content);
            let before = damaged.content(&segment(number));
            let Err(JournalError::Damaged {
                segment: named,
                offset,
                damage,
            }) = open(&damaged)
            else {
                panic!("segment {number}, byte {at}");
            };
            assert_eq!(named, number);
            if at < SEGMENT_HEADER {
                assert_eq!((offset, damage), (0, Damage::SegmentHeader));
            } else {
                assert!(offset as usize <= at);
                assert_eq!(damage, Damage::Group);
            }
            assert_eq!(
                damaged.content(&segment(number)),
                before,
                "nothing is changed"
            );
        }
    }
}

#[test]
fn a_missing_or_cut_segment_is_damage() {
    let (files, last, _) = long_journal();
    for number in 1..last {
        let damaged = files.duplicate();
        damaged.lose_file(&segment(number));
        assert!(matches!(
            open(&damaged),
            Err(JournalError::Damaged { segment, offset: 0, damage: Damage::MissingSegment })
                if segment == number
        ));
        let whole = files.content(&segment(number)).unwrap();
        for length in 0..whole.len() {
            let damaged = files.duplicate();
            damaged.set_content(&segment(number), &whole[..length]);
            assert!(matches!(open(&damaged), Err(JournalError::Damaged { .. })));
        }
        // Cut between two groups, only the next segment can tell.
        let damaged = files.duplicate();
        damaged.set_content(&segment(number), &whole[..SEGMENT_HEADER]);
        assert!(matches!(
            open(&damaged),
            Err(JournalError::Damaged { segment, damage: Damage::Chain, .. })
                if segment == number + 1
        ));
    }
}

#[test]
fn segments_of_another_journal_or_in_another_place_are_damage() {
    let (files, last, _) = long_journal();
    let damaged = files.duplicate();
    damaged.set_content(&segment(2), &files.content(&segment(1)).unwrap());
    assert!(matches!(
        open(&damaged),
        Err(JournalError::Damaged {
            segment: 2,
            damage: Damage::SegmentHeader,
            ..
        })
    ));
    let other = MemoryFiles::new();
    let mut journal = create(&other);
    for _ in 0..9 {
        write(&mut journal, &[&[&[77; 60], &[77; 5]]]);
    }
    let damaged = files.duplicate();
    damaged.set_content(&segment(last), &other.content(&segment(last)).unwrap());
    assert!(matches!(
        open(&damaged),
        Err(JournalError::Damaged {
            damage: Damage::Chain,
            ..
        })
    ));
}

#[test]
fn bytes_chosen_by_a_stranger_do_not_pass_for_a_later_group() {
    let stranger = MemoryFiles::new();
    let mut theirs = create(&stranger);
    let ours = MemoryFiles::new();
    ours.clone().fresh_salt().unwrap();
    let mut journal = create(&ours);
    for _ in 0..3 {
        write(&mut theirs, &[&[b"x"]]);
    }
    let bait = stranger.content(&segment(1)).unwrap();
    write(&mut journal, &[&[b"first"], &[&bait]]);
    let mut content = ours.content(&segment(1)).unwrap();
    let at = content.len() - 1;
    content[at] ^= 1;
    ours.set_content(&segment(1), &content);
    assert_eq!(contents(&open(&ours).unwrap()), [b"first"]);
}

#[test]
fn formats_and_keys_of_the_future_are_typed() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"abc"]]);
    let whole = files.content(&segment(1)).unwrap();
    let reopen = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut content = whole.clone();
        change(&mut content);
        mend(&mut content);
        files.set_content(&segment(1), &content);
        let journal = open(&files)?;
        journal.replay(Position::START, &mut |_| Ok(Visit::Continue))
    };
    assert!(reopen(&|_| {}).is_ok());
    let found = reopen(&|content| content[8] = 2);
    assert!(matches!(
        found,
        Err(JournalError::UnknownFormat {
            segment: 1,
            offset: 0,
            version: 2
        })
    ));
    let found = reopen(&|content| content[44] = 3);
    assert!(matches!(
        found,
        Err(JournalError::UnknownFormat {
            offset: 40,
            version: 3,
            ..
        })
    ));
    let found = reopen(&|content| content[76] = 4);
    assert!(matches!(
        found,
        Err(JournalError::UnknownFormat {
            offset: 72,
            version: 4,
            ..
        })
    ));
    let found = reopen(&|content| content[81] = 5);
    assert!(matches!(
        found,
        Err(JournalError::UnknownKey {
            offset: 72,
            key_version: 5,
            ..
        })
    ));
}

/// Makes all checksums of a segment with one group of one frame right again.
fn mend(content: &mut [u8]) {
    let set = |content: &mut [u8], at: usize, checksum: u32| {
        content[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
    };
    let head = crc32c::crc32c(&content[..36]);
    set(content, 36, head);
    let frame = crc32c::crc32c(&[&content[72..82], &content[86..]].concat());
    set(content, 82, frame);
    let frames = crc32c::crc32c(&content[72..]);
    set(content, 64, frames);
    let covered = [
        &content[16..24],
        &1_u32.to_be_bytes(),
        &40_u32.to_be_bytes(),
        &content[40..68],
    ];
    let check = crc32c::crc32c(&covered.concat());
    set(content, 68, check);
}

#[test]
fn a_frame_that_rots_while_open_is_damage_when_it_is_read() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    let position = journal.append(KIND, b"abc").unwrap();
    journal.commit().unwrap();
    let whole = files.content(&segment(1)).unwrap();
    for at in position.offset as usize..whole.len() {
        let mut content = whole.clone();
        content[at] ^= 0x80;
        files.set_content(&segment(1), &content);
        assert!(matches!(
            journal.read(position),
            Err(JournalError::Damaged {
                segment: 1,
                damage: Damage::Frame,
                ..
            })
        ));
        let replayed = journal.replay(Position::START, &mut |_| Ok(Visit::Continue));
        assert!(matches!(replayed, Err(JournalError::Damaged { .. })));
    }
}

#[test]
fn a_segment_longer_than_any_is_not_read() {
    let files = MemoryFiles::new();
    drop(create(&files));
    files.set_content(&segment(1), &vec![0; 33 * 1024 * 1024]);
    assert!(matches!(
        open(&files),
        Err(JournalError::Damaged {
            damage: Damage::TooLong,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(content: Vec<u8>, keep in 0_usize..200) {
        let files = MemoryFiles::new();
        let mut journal = create(&files);
        write(&mut journal, &[&[b"abc"], &[b"defg"]]);
        let mut bytes = files.content(&segment(1)).unwrap();
        bytes.truncate(keep);
        bytes.extend(content);
        files.set_content(&segment(1), &bytes);
        if let Ok(journal) = open(&files) {
            prop_assert!(contents(&journal).len() <= 2);
        }
    }
}
