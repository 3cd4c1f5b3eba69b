//! A packed segment is the segment: read, crashed on, damaged and opened like it.

use std::sync::Arc;

use driftless_golden::Goldens;
use driftless_store::{
    ClosedSegment, Damage, FrameKind, Journal, JournalError, MemoryFiles, PackedSegment, Position,
    SegmentCodec, SegmentFrames,
};

use crate::journal::{KIND, contents, create, frames, open, segment, small_segments, write};

fn pack_file(number: u32) -> String {
    format!("{number:08}.pack")
}

/// Kinds, lengths and bytes one after the other; every byte turned over, so that it is not the segment's own.
pub(crate) struct Plain;

impl SegmentCodec for Plain {
    fn pack(
        &self,
        frames: &SegmentFrames,
        _as_they_are: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for group in &frames.groups {
            bytes.push(u8::try_from(group.len()).unwrap());
            for (kind, content) in group {
                bytes.push(kind.0);
                bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
                bytes.extend(content.iter().map(|byte| !byte));
            }
        }
        go_on().then_some(bytes)
    }

    fn unpack(&self, content: &[u8], _limit: usize) -> Option<SegmentFrames> {
        let mut frames = SegmentFrames::default();
        let mut rest = content;
        while let Some((count, after)) = rest.split_first() {
            rest = after;
            let mut group = Vec::new();
            for _ in 0..*count {
                let (header, after) = rest.split_at_checked(3)?;
                let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
                let (bytes, after) = after.split_at_checked(length)?;
                rest = after;
                let bytes = bytes.iter().map(|byte| !byte).collect();
                group.push((FrameKind(header[0]), bytes));
            }
            frames.groups.push(group);
        }
        Some(frames)
    }
}

/// Packs so that it does not come back, unless frames are to stand as they are and `honest` says so.
struct Liar {
    honest: bool,
}

impl SegmentCodec for Liar {
    fn pack(
        &self,
        frames: &SegmentFrames,
        as_they_are: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<u8>> {
        let mut bytes = Plain.pack(frames, as_they_are, go_on)?;
        if !(as_they_are && self.honest) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Some(bytes)
    }

    fn unpack(&self, content: &[u8], limit: usize) -> Option<SegmentFrames> {
        Plain.unpack(content, limit)
    }
}

fn open_plain(files: &MemoryFiles) -> Result<Journal, JournalError> {
    let journal = open(files)?;
    journal.unpack_with(Arc::new(Plain));
    Ok(journal)
}

/// Groups of several frames over five segments or more.
pub(crate) fn written() -> (MemoryFiles, Journal) {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    journal.unpack_with(Arc::new(Plain));
    for group in 0..9_u8 {
        for frame in 0..=group % 3 {
            let bytes = vec![group * 16 + frame; 10 + 35 * usize::from(group % 4)];
            journal.append(FrameKind(frame), &bytes).unwrap();
        }
        journal.commit().unwrap();
    }
    assert!(journal.end().segment > 4);
    (files, journal)
}

fn next_pack(journal: &Journal) -> Option<PackedSegment> {
    let source: ClosedSegment = journal.closed_segment().unwrap()?;
    source.pack(&|| true).unwrap()
}

pub(crate) fn pack_all(journal: &mut Journal) -> Result<(), JournalError> {
    while let Some(pack) = next_pack(journal) {
        journal.adopt(&pack)?;
    }
    Ok(())
}

#[test]
fn a_packed_journal_reads_the_same_from_every_position() {
    let (files, mut journal) = written();
    let whole = frames(&journal, Position::START);
    let (end, length) = (journal.end(), journal.replay_bytes(Position::START));
    assert_eq!(journal.replay_bytes(end), 0);
    let last = Position {
        offset: end.offset - 3,
        ..end
    };
    assert_eq!(journal.replay_bytes(last), 3);
    let starts: Vec<Position> = whole.iter().map(|frame| frame.position).collect();
    assert_eq!(journal.packs().end().segment, 1);
    pack_all(&mut journal).unwrap();
    for journal in [journal, open_plain(&files).unwrap()] {
        assert_eq!(journal.closed_segments(), 0);
        assert_eq!(journal.packs().end().segment, end.segment);
        let replayed = journal.replay_bytes(Position::START);
        assert_eq!((journal.end(), replayed), (end, length));
        let before = Position {
            segment: end.segment,
            offset: 0,
        };
        assert_eq!(journal.replay_bytes(before), u64::from(end.offset));
        assert!(journal.bytes() < length);
        for (at, start) in starts.iter().enumerate() {
            assert_eq!(journal.read(*start).unwrap(), whole[at]);
            assert_eq!(frames(&journal, *start), whole[at..]);
        }
    }
    for number in 1..end.segment {
        assert_eq!(files.content(&segment(number)), None);
        assert!(files.content(&pack_file(number)).is_some());
    }
    assert!(files.content(&segment(end.segment)).is_some());
}

#[test]
fn a_golden_packed_segment_is_written_and_read() {
    let (files, mut journal) = written();
    pack_all(&mut journal).unwrap();
    let all = contents(&journal);
    drop(journal);
    let golden = Goldens::of("store");
    golden.holds("journal_pack_1", &files.content(&pack_file(1)).unwrap());
    files.set_content(&pack_file(1), &golden.bytes("journal_pack_1"));
    assert_eq!(contents(&open_plain(&files).unwrap()), all);
}

#[test]
fn a_journal_goes_on_behind_packed_segments() {
    let (files, mut journal) = written();
    pack_all(&mut journal).unwrap();
    write(&mut journal, &[&[&[1; 300]], &[&[2; 300]]]);
    pack_all(&mut journal).unwrap();
    let all = contents(&journal);
    drop(journal);
    files.crash();
    // The way out after a failed commit keeps what unpacks.
    let (journal, _) = open_plain(&files).unwrap().reopen().unwrap();
    assert_eq!(contents(&journal), all);
}

#[test]
fn the_last_segment_can_be_closed_to_be_packed() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    journal.unpack_with(Arc::new(Plain));
    assert!(!journal.close_segment(0).unwrap(), "it is empty");
    write(&mut journal, &[&[b"a"]]);
    assert!(next_pack(&journal).is_none());
    assert!(!journal.close_segment(1_000).unwrap(), "it is small");
    journal.append(KIND, b"staged").unwrap();
    assert!(!journal.close_segment(0).unwrap(), "something is staged");
    journal.commit().unwrap();
    assert!(journal.close_segment(0).unwrap());
    pack_all(&mut journal).unwrap();
    write(&mut journal, &[&[b"b"]]);
    assert_eq!(contents(&journal), [&b"a"[..], b"staged", b"b"]);
    files.crash();
    let journal = open_plain(&files).unwrap();
    assert_eq!(contents(&journal), [&b"a"[..], b"staged", b"b"]);
}

/// What is there must be all that was written, packed or not, and go on.
fn go_on(files: &MemoryFiles, expected: &[Vec<u8>], context: &str) {
    let mut journal = open_plain(files).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(contents(&journal), expected, "{context}");
    let leftover = "unfinished.pack";
    assert_eq!(files.content(leftover), None, "{context}");
    for number in 1..journal.end().segment {
        let both = files.content(&segment(number)).is_some()
            && files.content(&pack_file(number)).is_some();
        assert!(!both, "{context}: segment {number} is there twice");
    }
    pack_all(&mut journal).unwrap();
    write(&mut journal, &[&[b"more"]]);
    files.crash();
    let journal = open_plain(files).unwrap();
    assert_eq!(journal.closed_segments(), 0, "{context}");
    let found = contents(&journal);
    assert_eq!(found[..expected.len()], *expected, "{context}");
    assert_eq!(found[expected.len()..], [b"more"], "{context}");
}

#[test]
fn power_lost_at_every_operation_of_packing_loses_nothing() {
    let (image, journal) = written();
    let expected = contents(&journal);
    for operation in 1.. {
        for torn in 0..12 {
            let files = image.duplicate();
            let mut journal = open_plain(&files).unwrap();
            let before = files.operations();
            files.halt_at_operation(operation);
            let packed = (|| {
                while let Some(source) = journal.closed_segment()? {
                    let pack = source.pack(&|| true)?.unwrap();
                    journal.adopt(&pack)?;
                }
                Ok::<_, JournalError>(())
            })();
            if packed.is_ok() && files.operations() - before < operation {
                return assert!(operation > 40, "there are several segments");
            }
            // The disk is gone, what is there is read from it or refused; then the power comes back.
            match torn {
                0 => files.crash(),
                1 => files.heal(),
                seed => files.crash_torn(seed * 7_919 + operation),
            }
            go_on(&files, &expected, &format!("operation {operation}, {torn}"));
        }
    }
}

#[test]
fn any_operation_of_packing_may_fail_and_be_tried_again() {
    let (image, journal) = written();
    let expected = contents(&journal);
    for operation in 1.. {
        let files = image.duplicate();
        let mut journal = open_plain(&files).unwrap();
        let pack = next_pack(&journal).unwrap();
        files.fail_operation(operation);
        let failed = journal.adopt(&pack).is_err();
        let spent = files.content(&segment(1)).is_none();
        files.heal();
        assert!(!journal.is_poisoned());
        assert_eq!(contents(&journal), expected, "{operation}");
        if failed {
            journal.adopt(&pack).unwrap();
            assert_eq!(contents(&journal), expected, "{operation}");
        }
        write(&mut journal, &[&[b"after"]]);
        drop(journal);
        let with_after = [&expected[..], &[b"after".to_vec()]].concat();
        go_on(&files, &with_after, &format!("failed {operation}"));
        if !failed && spent {
            return assert!(operation > 7, "adopting has more steps");
        }
    }
}

#[test]
fn opening_may_fail_at_every_operation_while_packing_left_something_behind() {
    let (image, mut journal) = written();
    let expected = contents(&journal);
    let first = image.content(&segment(1)).unwrap();
    pack_all(&mut journal).unwrap();
    image.set_content(&segment(1), &first);
    image.set_content("unfinished.pack", b"half");
    let counted = image.duplicate();
    drop(open(&counted).unwrap());
    for failing in 1..=counted.operations() {
        let files = image.duplicate();
        files.halt_at_operation(failing);
        assert!(matches!(open(&files), Err(JournalError::Files(_))));
        files.crash_torn(failing);
        go_on(&files, &expected, &format!("opening failed at {failing}"));
    }
}

#[test]
fn a_broken_pack_gives_way_to_its_segment_as_long_as_that_is_there() {
    let (files, mut journal) = written();
    let expected = contents(&journal);
    let second = files.content(&segment(2)).unwrap();
    pack_all(&mut journal).unwrap();
    let mut pack = files.content(&pack_file(2)).unwrap();
    *pack.last_mut().unwrap() ^= 1;
    files.set_content(&pack_file(2), &pack);
    let alone = open(&files).unwrap_err();
    assert!(matches!(
        alone,
        JournalError::Damaged {
            segment: 2,
            damage: Damage::Pack,
            ..
        }
    ));
    files.set_content(&segment(2), &second);
    go_on(&files, &expected, "with its segment");
}

#[test]
fn every_byte_of_a_pack_is_checked() {
    let (image, mut journal) = written();
    pack_all(&mut journal).unwrap();
    let whole = image.content(&pack_file(2)).unwrap();
    for at in 0..whole.len() {
        let files = image.duplicate();
        let mut hurt = whole.clone();
        hurt[at] ^= 0x10;
        files.set_content(&pack_file(2), &hurt);
        let error = open(&files).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { segment: 2, .. }),
            "byte {at}: {error:?}"
        );
        files.set_content(&pack_file(2), &whole[..at]);
        assert!(matches!(
            open(&files),
            Err(JournalError::Damaged { segment: 2, .. })
        ));
    }
}

#[test]
fn packs_that_do_not_fit_are_damage() {
    let (image, mut journal) = written();
    let other = {
        let (_, other) = written();
        next_pack(&other).unwrap()
    };
    let last = journal.end().segment;
    pack_all(&mut journal).unwrap();
    let damage_of = |files: &MemoryFiles| match open(files) {
        Err(JournalError::Damaged {
            segment, damage, ..
        }) => (segment, damage),
        other => panic!("{other:?}"),
    };
    let files = image.duplicate();
    files.lose_file(&pack_file(2));
    assert_eq!(damage_of(&files), (2, Damage::MissingSegment));
    let files = image.duplicate();
    files.lose_file(&segment(last));
    assert_eq!(damage_of(&files), (last, Damage::MissingSegment));
    assert!(!Journal::is_unused(&files).unwrap());
    let created = Journal::create_with(Box::new(files), small_segments());
    assert!(matches!(created, Err(JournalError::AlreadyExists)));
    let files = image.duplicate();
    files.set_content(&pack_file(3), &files.content(&pack_file(2)).unwrap());
    assert_eq!(damage_of(&files), (3, Damage::Pack));
    // What is packed already is not packed again.
    let refused = journal.adopt(&other).unwrap_err();
    assert!(matches!(refused, JournalError::NotClosed { segment: 1 }));
}

#[test]
fn a_pack_of_another_journal_is_not_adopted() {
    let (_, journal) = written();
    let pack = next_pack(&journal).unwrap();
    let files = MemoryFiles::new();
    let mut other = create(&files);
    write(&mut other, &[&[&[1; 300]], &[&[2; 300]]]);
    let refused = other.adopt(&pack).unwrap_err();
    assert!(matches!(refused, JournalError::NotClosed { segment: 1 }));
}

#[test]
fn without_a_codec_packed_segments_are_refused_and_the_rest_is_read() {
    let (files, mut journal) = written();
    let last = frames(&journal, Position::START).pop().unwrap();
    let first = frames(&journal, Position::START).remove(0);
    pack_all(&mut journal).unwrap();
    let journal = open(&files).unwrap();
    assert_eq!(journal.read(last.position).unwrap(), last);
    let refused = journal.read(first.position).unwrap_err();
    assert!(matches!(refused, JournalError::NoCodec { segment: 1 }));
}

#[test]
fn a_segment_that_does_not_come_back_is_packed_as_it_is_or_stays() {
    let (files, mut journal) = written();
    let expected = contents(&journal);
    journal.unpack_with(Arc::new(Liar { honest: false }));
    let source = journal.closed_segment().unwrap().unwrap();
    let refused = source.pack(&|| true).unwrap_err();
    assert!(matches!(refused, JournalError::NotPackable { segment: 1 }));
    journal.unpack_with(Arc::new(Liar { honest: true }));
    pack_all(&mut journal).unwrap();
    assert_eq!(contents(&journal), expected);
    go_on(&files, &expected, "as it is");
}

#[test]
fn which_segment_is_next_is_told_without_reading_it() {
    let (_, mut journal) = written();
    let last = journal.end().segment;
    for number in 1..last {
        assert_eq!(journal.first_closed(), Some(number));
        let pack = next_pack(&journal).unwrap();
        assert_eq!(pack.number(), number);
        journal.adopt(&pack).unwrap();
    }
    assert_eq!(journal.first_closed(), None);

    let (files, journal) = written();
    files.lose_file(&segment(1));
    assert!(journal.closed_segment().is_err());
    assert_eq!(journal.first_closed(), Some(1));
}
