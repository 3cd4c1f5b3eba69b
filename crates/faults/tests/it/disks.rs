//! What a disk may hold: the model itself, on a few operations.

use driftless_faults::{Bytes, Disk, Hole, Loss, Names, Operation, Tree};

fn made(handle: u64, path: &str) -> Operation {
    Operation::Open {
        handle,
        path: path.to_owned(),
        created: true,
        emptied: false,
    }
}

fn opened(handle: u64, path: &str) -> Operation {
    Operation::Open {
        handle,
        path: path.to_owned(),
        created: false,
        emptied: false,
    }
}

fn write(handle: u64, offset: u64, bytes: &[u8]) -> Operation {
    Operation::Write {
        handle,
        offset,
        bytes: bytes.to_vec(),
    }
}

fn disk(operations: &[Operation]) -> Disk {
    let mut disk = Disk::of(&Tree::default());
    for operation in operations {
        disk.carry_out(operation).unwrap();
    }
    disk
}

fn content<'a>(tree: &'a Tree, path: &str) -> Option<&'a [u8]> {
    tree.entries.get(path)?.as_deref()
}

fn keeping(names: Names, bytes: Bytes) -> Loss {
    Loss {
        names,
        bytes,
        hole: Hole::Zeros,
        lengths_are_kept: false,
    }
}

#[test]
fn a_file_that_was_synced_is_lost_with_its_name() {
    let mut operations = vec![
        opened(1, ""),
        made(2, "a"),
        write(2, 0, b"one"),
        Operation::Sync { handle: 2 },
    ];
    let lost = disk(&operations).after(&Loss::everything());
    assert_eq!(content(&lost, "a"), None);
    operations.push(Operation::Sync { handle: 1 });
    operations.push(write(2, 3, b"two"));
    let disk = disk(&operations);
    assert_eq!(
        content(&disk.after(&Loss::everything()), "a"),
        Some(&b"one"[..])
    );
    assert_eq!(
        content(&disk.after(&Loss::nothing()), "a"),
        Some(&b"onetwo"[..])
    );
    assert_eq!(content(&disk.visible(), "a"), Some(&b"onetwo"[..]));
    assert_eq!(disk.uncovered().into_iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_write_is_torn_at_sectors_and_a_later_one_does_not_jump_an_earlier_one() {
    let disk = disk(&[
        opened(1, ""),
        made(2, "a"),
        Operation::Sync { handle: 1 },
        write(2, 0, &[1; 1_500]),
        write(2, 1_100, &[2; 100]),
    ]);
    let after = |bytes| disk.after(&keeping(Names::All, bytes));
    assert_eq!(
        content(&after(Bytes::Beginning(3, 2)), "a"),
        Some(&[1; 1_024][..])
    );
    let end = after(Bytes::End(3, 2));
    let end = content(&end, "a").unwrap();
    assert_eq!(
        (&end[..1_024], &end[1_024..]),
        (&[0; 1_024][..], &[1; 476][..])
    );
    // The second write fell into a sector whose first write was lost.
    for bytes in [Bytes::Only(4), Bytes::Without(3)] {
        assert_eq!(content(&after(bytes), "a"), Some(&[][..]));
    }
}

#[test]
fn a_rename_is_whole_or_not_at_all() {
    let disk = disk(&[
        opened(1, ""),
        made(2, "CURRENT"),
        write(2, 0, b"old"),
        Operation::Sync { handle: 2 },
        Operation::Sync { handle: 1 },
        made(3, "CURRENT.new"),
        write(3, 0, b"new"),
        Operation::Sync { handle: 3 },
        Operation::Rename {
            from: "CURRENT.new".to_owned(),
            to: "CURRENT".to_owned(),
        },
    ]);
    let after = |names| disk.after(&keeping(names, Bytes::None));
    assert_eq!(content(&after(Names::None), "CURRENT"), Some(&b"old"[..]));
    let kept = after(Names::Only(8));
    assert_eq!(content(&kept, "CURRENT"), Some(&b"new"[..]));
    assert_eq!(content(&kept, "CURRENT.new"), None);
    let only_made = after(Names::First(128));
    assert_eq!(content(&only_made, "CURRENT"), Some(&b"old"[..]));
    assert_eq!(content(&only_made, "CURRENT.new"), Some(&b"new"[..]));
}

#[test]
fn a_file_that_is_moved_to_another_folder_is_lost_with_the_name_that_was_not_synced() {
    let mut operations = vec![
        opened(1, ""),
        Operation::MakeFolder {
            path: "from".to_owned(),
        },
        Operation::MakeFolder {
            path: "to".to_owned(),
        },
        Operation::Sync { handle: 1 },
        made(2, "from/a"),
        write(2, 0, b"one"),
        Operation::Sync { handle: 2 },
        opened(3, "from"),
        opened(4, "to"),
        Operation::Sync { handle: 3 },
        Operation::Rename {
            from: "from/a".to_owned(),
            to: "to/b".to_owned(),
        },
    ];
    let seen = disk(&operations).visible();
    assert_eq!(content(&seen, "to/b"), Some(&b"one"[..]));
    assert_eq!(content(&seen, "from/a"), None);
    let before = operations.clone();
    operations.push(Operation::Sync { handle: 3 });
    let lost = disk(&operations).after(&Loss::everything());
    assert_eq!(content(&lost, "from/a"), None);
    assert_eq!(content(&lost, "to/b"), None);
    operations = before;
    operations.push(Operation::Sync { handle: 4 });
    let twice = disk(&operations).after(&Loss::everything());
    assert_eq!(content(&twice, "from/a"), Some(&b"one"[..]));
    assert_eq!(content(&twice, "to/b"), Some(&b"one"[..]));
}

#[test]
fn what_a_failed_sync_did_not_cover_no_later_one_covers() {
    let disk = disk(&[
        opened(1, ""),
        made(2, "a"),
        Operation::Sync { handle: 1 },
        write(2, 0, &[1; 512]),
        Operation::SyncFailed { handle: 2 },
        write(2, 512, &[2; 512]),
        Operation::Sync { handle: 2 },
    ]);
    let seen = disk.visible();
    assert_eq!(content(&seen, "a").unwrap()[..512], [1; 512]);
    let after = disk.after(&Loss::everything());
    let after = content(&after, "a").unwrap();
    assert_eq!(
        (&after[..512], &after[512..]),
        (&[0; 512][..], &[2; 512][..])
    );
}

#[test]
fn a_hole_has_zeros_or_what_was_there_before() {
    let disk = disk(&[
        opened(1, ""),
        made(2, "a"),
        Operation::Sync { handle: 1 },
        write(2, 0, &[1; 600]),
    ]);
    let mut loss = keeping(Names::All, Bytes::None);
    assert_eq!(content(&disk.after(&loss), "a"), Some(&[][..]));
    loss.lengths_are_kept = true;
    assert_eq!(content(&disk.after(&loss), "a"), Some(&[0; 600][..]));
    loss.hole = Hole::Junk(1);
    let junk = disk.after(&loss);
    assert_ne!(content(&junk, "a"), Some(&[0; 600][..]));
    assert_eq!(content(&junk, "a").unwrap().len(), 600);
}

#[test]
fn an_operation_that_does_not_fit_is_an_error() {
    let mut disk = Disk::of(&Tree::default());
    let error = disk.carry_out(&opened(1, "nowhere/a")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "operation 0 does not fit: there is no `nowhere/a`"
    );
}

#[test]
fn a_log_reads_back_and_one_that_was_cut_off_is_shorter() {
    let operations = vec![
        Operation::MakeFolder {
            path: "journal".to_owned(),
        },
        made(1, "journal/a"),
        write(1, 7, b"bytes"),
        Operation::SetLength {
            handle: 1,
            length: 3,
        },
        Operation::Sync { handle: 1 },
        Operation::SyncFailed { handle: 1 },
        Operation::Rename {
            from: "a".to_owned(),
            to: "b".to_owned(),
        },
        Operation::Remove {
            path: "b".to_owned(),
        },
        Operation::RemoveFolder {
            path: "c".to_owned(),
        },
        Operation::Mark {
            text: "done 1".to_owned(),
        },
    ];
    let mut log = Vec::new();
    let mut lengths = vec![0];
    for operation in &operations {
        operation.encode(&mut log);
        lengths.push(log.len());
    }
    assert_eq!(Operation::decode_all(&log).unwrap(), operations);
    for cut in 0..log.len() {
        let whole = lengths.iter().rposition(|length| *length <= cut).unwrap();
        assert_eq!(
            Operation::decode_all(&log[..cut]).unwrap(),
            operations[..whole]
        );
    }
    assert_eq!(Operation::decode_all(&[99]), None);
}
