//! Every file operation of a journal fails, halts, or loses power once: nothing acknowledged is lost.

use driftless_store::{
    FileOperation, FrameKind, Journal, JournalError, MemoryFiles, Position, SegmentLimits,
};

use crate::journal::{KIND, contents, create, frames, open, small_segments};

/// Frames that were acknowledged, and those that were handed to a commit that failed.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Vec<u8>>,
    in_doubt: Vec<Vec<u8>>,
}

impl Told {
    /// What is found must be all that was acknowledged and then, in order, some of what is in doubt.
    fn allows(&self, found: &[Vec<u8>]) -> bool {
        let all: Vec<&Vec<u8>> = self.acknowledged.iter().chain(&self.in_doubt).collect();
        found.len() >= self.acknowledged.len()
            && found.len() <= all.len()
            && found.iter().zip(all).all(|(found, told)| found == told)
    }
}

/// Writes groups of several sizes over several segments until something fails.
fn work(files: &MemoryFiles) -> (Told, Option<Journal>, Option<JournalError>) {
    let mut told = Told::default();
    let created = Journal::create_with(Box::new(files.clone()), small_segments());
    let mut journal = match created {
        Ok(journal) => journal,
        Err(error) => return (told, None, Some(error)),
    };
    for group in 0..8_u8 {
        for frame in 0..=group % 4 {
            let bytes = vec![group * 16 + frame; 20 + 40 * usize::from(group % 3)];
            journal.append(KIND, &bytes).unwrap();
            told.in_doubt.push(bytes);
        }
        match journal.commit() {
            Ok(_) => told.acknowledged.append(&mut told.in_doubt),
            Err(error) => return (told, Some(journal), Some(error)),
        }
    }
    (told, Some(journal), None)
}

fn operations_of_work() -> u64 {
    let files = MemoryFiles::new();
    let (told, journal, failure) = work(&files);
    assert!(failure.is_none());
    assert!(journal.unwrap().end().segment > 3);
    assert_eq!(told.acknowledged.len(), 20);
    files.operations()
}

/// Opens, checks, writes more, loses power, and checks again.
fn go_on(files: &MemoryFiles, told: &Told, context: &str) {
    let mut journal = match open(files) {
        Ok(journal) => journal,
        Err(JournalError::Absent) if told.acknowledged.is_empty() => create(files),
        Err(error) => panic!("{context}: {error:?}"),
    };
    let found = contents(&journal);
    assert!(told.allows(&found), "{context}: {found:?}");
    for (frame, bytes) in frames(&journal, Position::START).iter().zip(&found) {
        assert_eq!(&journal.read(frame.position).unwrap().bytes, bytes);
    }
    // What was shown on opening counts from then on, whatever comes.
    files.crash();
    drop(journal);
    journal = open(files).unwrap();
    assert_eq!(contents(&journal), found, "{context}");
    // On into the next segments, so that what was left in this one is looked at again.
    let mut expected = found;
    for number in 0..4 {
        journal.append(FrameKind(8), &[200 + number; 150]).unwrap();
        journal.commit().unwrap();
        expected.push(vec![200 + number; 150]);
    }
    files.crash();
    let (journal, opening) = Journal::open_with(Box::new(files.clone()), small_segments()).unwrap();
    assert_eq!(contents(&journal), expected, "{context}");
    assert_eq!(opening.torn_bytes, 0, "{context}");
}

#[test]
fn every_operation_failing_once_poisons_and_loses_nothing() {
    for operation in 1..=operations_of_work() {
        let files = MemoryFiles::new();
        files.fail_operation(operation);
        let (told, journal, failure) = work(&files);
        let context = format!("operation {operation}");
        assert!(
            matches!(failure, Some(JournalError::Files(_))),
            "{context}: {failure:?}"
        );
        if let Some(mut journal) = journal {
            assert!(journal.is_poisoned());
            let refused = journal.append(KIND, b"more").unwrap_err();
            assert!(matches!(refused, JournalError::Poisoned));
            assert!(matches!(journal.commit(), Err(JournalError::Poisoned)));
            // The part of the commit that lies in an earlier segment may be durable by now.
            assert!(told.allows(&contents(&journal)), "{context}");
            let (journal, _) = journal.reopen().unwrap();
            assert!(told.allows(&contents(&journal)), "{context}");
        }
        go_on(&files, &told, &context);
    }
}

#[test]
fn power_lost_at_every_operation_loses_nothing_acknowledged() {
    for operation in 1..=operations_of_work() {
        let files = MemoryFiles::new();
        files.halt_at_operation(operation);
        let (told, _, failure) = work(&files);
        assert!(failure.is_some());
        files.crash();
        go_on(&files, &told, &format!("operation {operation}"));
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    for operation in 1..=operations_of_work() {
        let files = MemoryFiles::new();
        files.halt_at_operation(operation);
        let (told, _, _) = work(&files);
        files.heal();
        go_on(&files, &told, &format!("operation {operation}"));
    }
}

#[test]
fn power_lost_with_any_part_written_loses_nothing_acknowledged() {
    for operation in 1..=operations_of_work() {
        for seed in 0..40 {
            let files = MemoryFiles::new();
            files.halt_at_operation(operation);
            let (told, _, _) = work(&files);
            files.crash_torn(seed * 1_000 + operation);
            go_on(
                &files,
                &told,
                &format!("operation {operation}, seed {seed}"),
            );
        }
    }
}

#[test]
fn groups_of_many_sectors_are_torn_and_cut() {
    let limits = SegmentLimits {
        segment_bytes: 100_000,
        frame_bytes: 50_000,
    };
    let mut torn = 0;
    for seed in 0..200 {
        let files = MemoryFiles::new();
        let mut journal = Journal::create_with(Box::new(files.clone()), limits).unwrap();
        journal.append(KIND, &[1; 3_000]).unwrap();
        journal.commit().unwrap();
        journal.append(KIND, &[2; 3_000]).unwrap();
        // The write is done and its sync is not.
        files.halt_at_operation(2);
        journal.commit().unwrap_err();
        files.crash_torn(seed);
        let (journal, opening) = Journal::open_with(Box::new(files.clone()), limits).unwrap();
        let found = contents(&journal);
        assert_eq!(found[0], [1; 3_000]);
        match found.len() {
            1 => torn += u32::from(opening.torn_bytes > 0),
            length => assert_eq!((length, &found[1][..]), (2, &[2; 3_000][..])),
        }
    }
    assert!(torn > 100, "{torn} of 200 were torn");
}

#[test]
fn opening_may_fail_at_every_operation_and_be_tried_again() {
    let work_operations = operations_of_work();
    // A whole journal, one whose last commit was torn, one whose last segment was just begun.
    for operation in [work_operations + 1, work_operations, work_operations / 2] {
        for torn in 0..8 {
            let image = MemoryFiles::new();
            image.halt_at_operation(operation);
            let (told, _, _) = work(&image);
            image.crash_torn(torn);
            let counted = image.duplicate();
            drop(open(&counted).unwrap());
            for failing in 1..=counted.operations() {
                let files = image.duplicate();
                files.halt_at_operation(failing);
                let failed = open(&files).unwrap_err();
                assert!(matches!(failed, JournalError::Files(_)), "{failed:?}");
                files.crash_torn(failing);
                go_on(&files, &told, &format!("opening failed at {failing}"));
                let files = image.duplicate();
                files.fail_operation(failing);
                open(&files).unwrap_err();
                go_on(&files, &told, &format!("opening failed once at {failing}"));
            }
        }
    }
}

#[test]
fn what_a_failed_sync_left_visible_is_written_again_before_it_counts() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    journal.append(KIND, b"acknowledged").unwrap();
    journal.commit().unwrap();
    journal.append(KIND, b"in doubt").unwrap();
    files.fail_syncs(true);
    let failure = journal.commit().unwrap_err();
    assert!(matches!(
        failure,
        JournalError::Files(failure) if failure.operation == FileOperation::SyncData
    ));
    // As long as syncs fail it does not open; the operating system shows the group all the same.
    let refused = open(&files).unwrap_err();
    assert!(matches!(refused, JournalError::Files(_)));
    files.fail_syncs(false);
    let (journal, opening) = journal.reopen().unwrap();
    assert_eq!(opening.groups, 2);
    assert_eq!(contents(&journal), [&b"acknowledged"[..], b"in doubt"]);
    files.crash();
    let journal = open(&files).unwrap();
    assert_eq!(contents(&journal), [&b"acknowledged"[..], b"in doubt"]);
}

#[test]
fn a_failed_sync_and_a_crash_lose_only_what_was_not_acknowledged() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    journal.append(KIND, b"acknowledged").unwrap();
    journal.commit().unwrap();
    journal.append(KIND, b"in doubt").unwrap();
    files.fail_syncs(true);
    journal.commit().unwrap_err();
    files.crash();
    assert_eq!(contents(&open(&files).unwrap()), [b"acknowledged"]);
}

/// A long torn group, cut on opening, and then a short one and the next segment.
fn write_past_a_cut(files: &MemoryFiles) {
    let mut journal = open(files).unwrap();
    journal.append(KIND, b"b").unwrap();
    journal.commit().unwrap();
    journal.append(KIND, &[3; 340]).unwrap();
    let end = journal.commit().unwrap();
    assert_eq!(end.segment, 2);
    files.crash();
    let found = contents(&open(files).unwrap());
    assert_eq!(found, [&b"a"[..], b"b", &[3; 340]]);
}

fn with_a_long_torn_group() -> MemoryFiles {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    journal.append(KIND, b"a").unwrap();
    journal.commit().unwrap();
    let mut content = files.content("00000001.seg").unwrap();
    content.extend_from_slice(&[9; 250]);
    files.set_content("00000001.seg", &content);
    files
}

#[test]
fn what_was_cut_does_not_come_back_behind_a_shorter_group() {
    write_past_a_cut(&with_a_long_torn_group());
}

#[test]
fn a_cut_whose_sync_failed_is_made_again() {
    let image = with_a_long_torn_group();
    let counted = image.duplicate();
    drop(open(&counted).unwrap());
    for failing in 1..=counted.operations() {
        let files = image.duplicate();
        files.fail_operation(failing);
        open(&files).unwrap_err();
        write_past_a_cut(&files);
    }
}
