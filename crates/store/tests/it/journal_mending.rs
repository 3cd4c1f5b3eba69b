//! A damaged journal is mended: every whole frame stays where it was, and a crash or a failure on the way harms nothing.

use std::sync::Arc;

use driftless_golden::Goldens;
use driftless_store::{
    Damage, Frame, Journal, JournalError, KnownEnd, MemoryFiles, Mending, OverlayFiles, Position,
    Survey,
};
use proptest::prelude::*;

use crate::journal::{KIND, create, frames, segment, write};
use crate::journal_packing::{Plain, pack_all, written};

fn mending(files: &MemoryFiles, durable_to: Option<Position>) -> Mending {
    Mending::of(Box::new(files.clone()), Arc::new(Plain), durable_to.into())
}

/// Whether it opens; nothing is changed.
fn opens(files: &MemoryFiles) -> bool {
    let overlay = OverlayFiles::over(Box::new(files.clone()));
    Journal::open(Box::new(overlay)).is_ok()
}

fn survey(files: &MemoryFiles, durable_to: Option<Position>) -> Survey {
    let survey = mending(files, durable_to).survey(&mut |_, _| true);
    survey.unwrap().expect("nobody stopped it")
}

/// Mends all there is to mend, and finishes.
fn mend(files: &MemoryFiles, durable_to: Option<Position>) -> Result<Survey, JournalError> {
    let mut mending = mending(files, durable_to);
    let survey = mending
        .survey(&mut |_, _| true)?
        .expect("nobody stopped it");
    mending.begin()?;
    for damaged in &survey.damaged {
        mending.mend(damaged, &mut |_| true)?;
    }
    mending.set_aside_replaced()?;
    drop(Journal::open_in_repair(Box::new(files.clone()))?);
    mending.finish()?;
    Ok(survey)
}

fn open(files: &MemoryFiles) -> Journal {
    let (journal, _) = Journal::open(Box::new(files.clone())).expect("it is mended");
    journal.unpack_with(Arc::new(Plain));
    journal
}

fn all(journal: &Journal) -> Vec<Frame> {
    frames(journal, Position::START)
}

/// A journal with some segments packed and some not.
fn some_packed() -> (MemoryFiles, Vec<Frame>, Position) {
    let (files, mut journal) = written();
    for _ in 0..2 {
        let source = journal.closed_segment().unwrap().expect("one is left");
        let pack = source.pack(&|| true).unwrap().expect("nobody stopped it");
        journal.adopt(&pack).unwrap();
    }
    let (frames, end) = (all(&journal), journal.end());
    (files, frames, end)
}

fn names(files: &MemoryFiles) -> Vec<String> {
    use driftless_store::Files;
    files.list().unwrap()
}

#[test]
fn a_broken_frame_is_left_out_and_all_others_stay_where_they_were() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(
        &mut journal,
        &[&[b"first"], &[b"one", b"two", b"three"], &[b"last"]],
    );
    let before = all(&journal);
    drop(journal);
    let mut bytes = files.content(&segment(1)).unwrap();
    let at = bytes
        .windows(3)
        .position(|window| window == b"two")
        .unwrap();
    bytes[at] ^= 1;
    files.set_content(&segment(1), &bytes);
    let refused = Journal::open(Box::new(files.clone()));
    assert!(matches!(
        refused,
        Err(JournalError::Damaged { segment: 1, .. })
    ));

    let found = mend(&files, None).unwrap();
    assert_eq!(found.faults.len(), 1);
    assert_eq!(found.faults[0].damage, Damage::Group);
    assert_eq!(found.faults[0].file, segment(1));
    assert_eq!(found.damaged[0].frames, 4);
    let mut journal = open(&files);
    let left: Vec<_> = before
        .iter()
        .filter(|frame| frame.bytes != b"two")
        .cloned()
        .collect();
    assert_eq!(all(&journal), left);
    for frame in &left {
        assert_eq!(journal.read(frame.position).unwrap(), *frame);
    }
    let gone = before.iter().find(|frame| frame.bytes == b"two").unwrap();
    assert!(journal.read(gone.position).is_err(), "nothing is made up");
    assert!(journal.has_gaps());
    assert_eq!(
        files.content(&format!("{}.damaged", segment(1))),
        Some(bytes)
    );

    write(&mut journal, &[&[b"after"]]);
    assert_eq!(all(&open(&files)).last().unwrap().bytes, b"after");
    assert!(survey(&files, None).is_clean());
}

#[test]
fn a_group_without_its_header_and_a_segment_without_its_header_lose_no_frame() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"first"], &[b"one", b"two"], &[b"last"]]);
    let before = all(&journal);
    drop(journal);
    let whole = files.content(&segment(1)).unwrap();
    let second = before[1].position.offset as usize - 32;
    for at in [0, 20, 36, second, second + 20, second + 30] {
        let files = files.duplicate();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        files.set_content(&segment(1), &bytes);
        mend(&files, None).unwrap();
        assert_eq!(all(&open(&files)), before, "byte {at}");
    }
}

#[test]
fn a_missing_a_cut_and_a_stale_segment_leave_the_others() {
    let (files, before, end) = some_packed();
    let middle = end.segment - 1;
    let whole = files.content(&segment(middle)).unwrap();
    let of_others: Vec<_> = before
        .iter()
        .filter(|frame| frame.position.segment != middle)
        .cloned()
        .collect();

    let missing = files.duplicate();
    missing.lose_file(&segment(middle));
    let found = mend(&missing, None).unwrap();
    assert_eq!(found.faults[0].damage, Damage::MissingSegment);
    assert_eq!(all(&open(&missing)), of_others);

    let cut = files.duplicate();
    cut.set_content(&segment(middle), &whole[..40]);
    let found = mend(&cut, None).unwrap();
    assert_eq!(found.faults[0].damage, Damage::CutShort);
    assert_eq!(all(&open(&cut)), of_others);

    // A file of another time, or of another journal, is a break in the chain.
    let (other, mut journal) = written();
    write(&mut journal, &[&[b"x"]]);
    let stale = files.duplicate();
    stale.set_content(
        &segment(middle),
        &other.content(&segment(middle)).unwrap()[..40],
    );
    mend(&stale, None).unwrap();
    assert_eq!(all(&open(&stale)), of_others);
}

#[test]
fn what_was_acknowledged_at_the_end_is_damage_and_what_was_not_is_torn() {
    let (files, before, end) = some_packed();
    let last = end.segment;
    let whole = files.content(&segment(last)).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    files.set_content(&segment(last), &bytes);
    let torn = survey(&files, None);
    assert!(torn.is_clean() && torn.torn_bytes > 0, "{torn:?}");
    for known in [KnownEnd::To(end), KnownEnd::Closed] {
        let mending = Mending::of(Box::new(files.clone()), Arc::new(Plain), known);
        let damaged = mending.survey(&mut |_, _| true).unwrap().unwrap();
        assert_eq!(damaged.torn_bytes, 0);
        assert_eq!(damaged.faults[0].damage, Damage::Group);
        let overlay = Box::new(OverlayFiles::over(Box::new(files.clone())));
        let refused = Journal::open_asking(overlay, &mut || known).unwrap_err();
        assert!(matches!(refused, JournalError::Damaged { .. }), "{refused}");
    }
    mend(&files, Some(end)).unwrap();
    assert_eq!(all(&open(&files)), before[..before.len() - 1]);

    // The whole last segment, and one that was only begun.
    for left in [None, Some(40), Some(17)] {
        let (files, before, end) = some_packed();
        match left {
            None => files.lose_file(&segment(last)),
            Some(length) => files.set_content(&segment(last), &whole[..length]),
        }
        mend(&files, Some(end)).unwrap();
        let of_others = before.iter().filter(|frame| frame.position.segment != last);
        let of_others: Vec<_> = of_others.cloned().collect();
        let journal = open(&files);
        assert_eq!(all(&journal), of_others);
        assert!(journal.end() > end, "no place is used twice");
    }
}

#[test]
fn a_broken_group_with_the_beginning_of_a_later_one_behind_it_had_been_durable() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"first"], &[b"second"]]);
    drop(journal);
    let mut bytes = files.content(&segment(1)).unwrap();
    let at = bytes.windows(5).position(|window| window == b"first");
    bytes[at.unwrap()] ^= 1;
    bytes.truncate(bytes.len() - 3);
    files.set_content(&segment(1), &bytes);
    assert!(!opens(&files));
    let found = survey(&files, None);
    assert!(!found.is_clean(), "{found:?}");
    mend(&files, None).unwrap();
    assert!(opens(&files));
}

#[test]
fn a_packed_segment_gives_what_can_be_read_of_it() {
    let (files, mut journal) = written();
    pack_all(&mut journal).unwrap();
    let before = all(&journal);
    let name = "00000001.pack";
    let mut bytes = files.content(name).unwrap();
    let frame = &before[1];
    let turned: Vec<u8> = frame.bytes.iter().map(|byte| !byte).collect();
    let at = bytes
        .windows(turned.len())
        .position(|window| window == turned)
        .unwrap();
    bytes[at] ^= 1;
    files.set_content(name, &bytes);
    let mut mending = mending(&files, None);
    let found = mending.survey(&mut |_, _| true).unwrap().unwrap();
    assert_eq!(found.faults[0].damage, Damage::Pack);
    // Whoever knows what frames say takes only what proves itself.
    mending.begin().unwrap();
    mending
        .mend(&found.damaged[0], &mut |found| {
            assert!(!found.is_sure);
            before.contains(&found.frame)
        })
        .unwrap();
    mending.finish().unwrap();
    let left: Vec<_> = before
        .iter()
        .filter(|other| *other != frame)
        .cloned()
        .collect();
    assert_eq!(all(&open(&files)), left);
}

#[test]
fn a_frame_inside_another_is_not_sure() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(&mut journal, &[&[b"inner"], &[b"x"]]);
    let bytes = files.content(&segment(1)).unwrap();
    let inner = bytes[40 + 32..40 + 32 + 14 + 5].to_vec();
    let outer = [b"chosen by a stranger ".to_vec(), inner].concat();
    write(&mut journal, &[&[b"before", &outer, b"after"]]);
    drop(journal);
    let mut bytes = files.content(&segment(1)).unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"chosen")
        .unwrap();
    bytes[at] ^= 1;
    files.set_content(&segment(1), &bytes);
    let mut found = Vec::new();
    mending(&files, None)
        .frames(&mut |one| found.push((one.frame.bytes, one.is_sure)))
        .unwrap();
    let expected: [(&[u8], bool); 5] = [
        (b"inner", true),
        (b"x", true),
        (b"before", true),
        (b"inner", false),
        (b"after", false),
    ];
    let expected = expected.map(|(bytes, is_sure)| (bytes.to_vec(), is_sure));
    assert_eq!(found, expected);
}

#[test]
fn what_is_left_is_mended_when_it_is_damaged_in_its_turn() {
    let (files, before, end) = some_packed();
    let mut bytes = files.content(&segment(end.segment - 1)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    files.set_content(&segment(end.segment - 1), &bytes);
    mend(&files, None).unwrap();
    let left = all(&open(&files));
    assert_eq!(left.len(), before.len() - 1);
    let name = format!("{:08}.mend", end.segment - 1);
    let whole = files.content(&name).unwrap();
    for at in 0..whole.len() {
        let files = files.duplicate();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        files.set_content(&name, &bytes);
        let again = survey(&files, None);
        if again.is_clean() {
            assert_eq!(all(&open(&files)), left, "byte {at} of a hole");
            continue;
        }
        mend(&files, None).unwrap();
        let now = all(&open(&files));
        assert!(now.iter().all(|frame| left.contains(frame)), "byte {at}");
        assert!(
            now.len() + 1 >= left.len(),
            "byte {at} costs one frame at most"
        );
        assert_eq!(files.content(&format!("{name}.damaged")), Some(bytes));
    }
}

#[test]
fn until_a_repair_is_finished_the_journal_opens_for_nobody_else() {
    let (files, before, _) = some_packed();
    let mut mending = mending(&files, None);
    mending.begin().unwrap();
    let refused = Journal::open(Box::new(files.clone()));
    assert!(matches!(refused, Err(JournalError::RepairUnfinished)));
    assert!(survey(&files, None).is_unfinished);
    mending.finish().unwrap();
    assert_eq!(all(&open(&files)), before);
}

#[test]
fn mending_in_memory_leaves_the_disk_as_it_is() {
    let (files, before, end) = some_packed();
    let mut bytes = files.content(&segment(end.segment - 1)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    files.set_content(&segment(end.segment - 1), &bytes);
    let disk: Vec<_> = names(&files)
        .iter()
        .map(|name| files.content(name))
        .collect();
    let over = OverlayFiles::over(Box::new(files.clone()));
    let another = driftless_store::Files::another(&over);
    let mut mending = Mending::of(Box::new(over), Arc::new(Plain), KnownEnd::Unknown);
    let found = mending.survey(&mut |_, _| true).unwrap().unwrap();
    mending.begin().unwrap();
    for damaged in &found.damaged {
        mending.mend(damaged, &mut |_| true).unwrap();
    }
    mending.finish().unwrap();
    let (mut journal, _) = Journal::open(another).unwrap();
    journal.unpack_with(Arc::new(Plain));
    assert_eq!(all(&journal).len(), before.len() - 1);
    write(&mut journal, &[&[b"in memory"]]);
    assert_eq!(all(&journal).last().unwrap().bytes, b"in memory");
    let after: Vec<_> = names(&files)
        .iter()
        .map(|name| files.content(name))
        .collect();
    assert_eq!(after, disk);
}

/// A journal that is damaged in several ways at once, and the frames that are whole in it.
fn damaged() -> (MemoryFiles, Vec<Frame>, Position) {
    let (files, before, end) = some_packed();
    let broken = segment(end.segment - 1);
    let mut bytes = files.content(&broken).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    files.set_content(&broken, &bytes);
    files.lose_file("00000001.pack");
    let mut last = files.content(&segment(end.segment)).unwrap();
    let length = last.len();
    last[length - 1] ^= 1;
    files.set_content(&segment(end.segment), &last);
    let mut left = Vec::new();
    mending(&files, Some(end))
        .frames(&mut |found| left.push(found.frame))
        .unwrap();
    assert!(left.len() < before.len() && left.len() > 5);
    (files, left, end)
}

fn operations_of_a_repair(files: &MemoryFiles, end: Position) -> u64 {
    let counted = files.duplicate();
    let before = counted.operations();
    mend(&counted, Some(end)).unwrap();
    let operations = counted.operations() - before;
    assert!(operations > 40);
    operations
}

#[test]
fn power_lost_at_every_operation_of_a_repair_leaves_it_to_be_finished() {
    let (files, left, end) = damaged();
    for count in 1..=operations_of_a_repair(&files, end) {
        for seed in 0..4 {
            let files = files.duplicate();
            files.halt_at_operation(count);
            assert!(mend(&files, Some(end)).is_err(), "operation {count}");
            files.crash_torn(seed);
            // Either nobody else opens it, or it is whole.
            if let Ok((journal, _)) = Journal::open(Box::new(files.duplicate())) {
                journal.unpack_with(Arc::new(Plain));
                assert_eq!(all(&journal), left, "operation {count}");
            }
            mend(&files, Some(end)).unwrap();
            assert_eq!(all(&open(&files)), left, "operation {count}, seed {seed}");
            let names = names(&files);
            for number in names.iter().filter_map(|name| name.strip_suffix(".mend")) {
                for replaced in ["seg", "pack"].map(|form| format!("{number}.{form}")) {
                    assert!(!names.contains(&replaced), "operation {count}: {names:?}");
                }
            }
        }
    }
}

#[test]
fn every_operation_of_a_repair_may_fail_once() {
    let (files, left, end) = damaged();
    for count in 1..=operations_of_a_repair(&files, end) {
        let files = files.duplicate();
        files.fail_operation(count);
        // What only says how far it is may fail without harm.
        drop(mend(&files, Some(end)));
        files.heal();
        mend(&files, Some(end)).unwrap();
        assert_eq!(all(&open(&files)), left, "operation {count}");
    }
}

#[test]
fn a_golden_mended_segment_stays_as_it_is_written() {
    let files = MemoryFiles::new();
    let mut journal = create(&files);
    write(
        &mut journal,
        &[&[b"abc", b"", b"broken"], &[b"a second group"]],
    );
    drop(journal);
    let mut bytes = files.content(&segment(1)).unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"broken")
        .unwrap();
    bytes[at] ^= 1;
    files.set_content(&segment(1), &bytes);
    mend(&files, None).unwrap();
    let golden = Goldens::of("store");
    let name = "00000001.mend";
    golden.holds("journal_mended_1", &files.content(name).unwrap());
    files.set_content(name, &golden.bytes("journal_mended_1"));
    let left: Vec<_> = all(&open(&files))
        .into_iter()
        .map(|frame| frame.bytes)
        .collect();
    assert_eq!(left, [&b"abc"[..], b"", b"a second group"]);
}

/// One way in which a file of the journal is not what it was.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize),
    Zero(usize, usize),
    Cut(usize),
    Lose,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => any::<usize>().prop_map(Harm::Flip),
        2 => (any::<usize>(), 1..600_usize).prop_map(|(at, length)| Harm::Zero(at, length)),
        2 => any::<usize>().prop_map(Harm::Cut),
        1 => Just(Harm::Lose),
    ]
}

fn apply(files: &MemoryFiles, name: &str, harm: &Harm) {
    let mut bytes = files.content(name).unwrap();
    if bytes.is_empty() {
        return; // an earlier harm has cut off all of it
    }
    match *harm {
        Harm::Flip(at) => {
            let at = at % (bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
        }
        Harm::Zero(at, length) => {
            let at = at % bytes.len();
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(0);
        }
        Harm::Cut(at) => bytes.truncate(at % bytes.len()),
        Harm::Lose => return files.lose_file(name),
    }
    files.set_content(name, &bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_damaged_a_repair_keeps_what_is_whole_and_it_opens(
        packed in 0..3_usize,
        harms in prop::collection::vec((any::<prop::sample::Index>(), harm()), 1..4),
    ) {
        let (files, mut journal) = written();
        for _ in 0..packed {
            let source = journal.closed_segment().unwrap().expect("one is left");
            let pack = source.pack(&|| true).unwrap().expect("nobody stopped it");
            journal.adopt(&pack).unwrap();
        }
        let (before, end) = (all(&journal), journal.end());
        drop(journal);
        for (which, harm) in &harms {
            let names = names(&files);
            if !names.is_empty() {
                apply(&files, &names[which.index(names.len())], harm);
            }
        }
        prop_assert_eq!(survey(&files, None).is_clean(), opens(&files));
        let mut left = Vec::new();
        mending(&files, Some(end)).frames(&mut |found| left.push(found)).unwrap();
        left.retain(|found| before.contains(&found.frame));
        let mut mending = mending(&files, Some(end));
        let found = mending.survey(&mut |_, _| true).unwrap().unwrap();
        mending.begin().unwrap();
        for damaged in &found.damaged {
            mending.mend(damaged, &mut |found| before.contains(&found.frame)).unwrap();
        }
        mending.finish().unwrap();
        let mut journal = open(&files);
        let now = all(&journal);
        let left: Vec<_> = left.into_iter().map(|found| found.frame).collect();
        prop_assert_eq!(&now, &left);
        prop_assert!(journal.end() >= end || found.damaged.is_empty());
        journal.append(KIND, b"after").unwrap();
        journal.commit().unwrap();
        prop_assert_eq!(all(&open(&files)).len(), left.len() + 1);
        prop_assert!(survey(&files, None).is_clean());
    }
}
