//! A store and a journal against a model that is a list: what was flushed or committed is there after any crash, and
//! beyond it a prefix.

use std::collections::BTreeMap;

use driftless_store::{
    Batch, FrameKind, Journal, JournalError, Kv as _, MemoryFiles, MemoryKv, Position, Visit,
};

/// Steps of one input, at most.
const STEPS: usize = 200;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Each four bytes are one step: what, a key, a length, a number.
pub(super) fn run(input: &[u8]) -> Result<(), String> {
    let steps: Vec<[u8; 4]> = input
        .chunks_exact(4)
        .take(STEPS)
        .map(|step| step.try_into().expect("four bytes"))
        .collect();
    store(&steps)?;
    journal(&steps)
}

fn store(steps: &[[u8; 4]]) -> Result<(), String> {
    let told = |error: driftless_store::KvError| error.to_string();
    let kv = MemoryKv::with_history();
    let (mut flushed, mut unflushed) = (Entries::new(), Vec::<Batch>::new());
    let mut batch = Batch::new();
    for &[what, key, length, number] in steps {
        let key = vec![key % 8; usize::from(key / 128) + 1];
        match what % 8 {
            0..=2 => batch.put(key, vec![number; usize::from(length)]),
            3 => batch.delete(key),
            4 | 5 => {
                let batch = std::mem::take(&mut batch);
                kv.apply(&batch).map_err(told)?;
                unflushed.push(batch);
            }
            6 => {
                kv.flush().map_err(told)?;
                for batch in unflushed.drain(..) {
                    put_all(&mut flushed, &batch);
                }
            }
            _ => {
                let kept = usize::from(number) % (unflushed.len() + 1);
                let lost = kv.crash(kept);
                if lost != unflushed.len() - kept {
                    return Err(format!("{lost} batches are said to be lost"));
                }
                unflushed.truncate(kept);
            }
        }
        let mut expected = flushed.clone();
        for batch in &unflushed {
            put_all(&mut expected, batch);
        }
        let mut found = Entries::new();
        kv.read(&mut |snapshot| {
            snapshot.scan(&[], None, &mut |key, value| {
                found.insert(key.to_vec(), value.to_vec());
                Visit::Continue
            })
        })
        .map_err(told)?;
        if found != expected {
            return Err("the store holds something else than its model".into());
        }
    }
    Ok(())
}

fn put_all(entries: &mut Entries, batch: &Batch) {
    for (key, value) in batch.iter() {
        match value {
            Some(value) => drop(entries.insert(key.to_vec(), value.to_vec())),
            None => drop(entries.remove(key)),
        }
    }
}

fn journal(steps: &[[u8; 4]]) -> Result<(), String> {
    let told = |error: JournalError| error.to_string();
    let files = MemoryFiles::new();
    let mut journal = Journal::create(Box::new(files.clone())).map_err(told)?;
    let (mut committed, mut staged) = (Vec::new(), Vec::new());
    for &[what, kind, length, number] in steps {
        match what % 8 {
            0..=3 => {
                let bytes = vec![number; usize::from(length)];
                journal.append(FrameKind(kind), &bytes).map_err(told)?;
                staged.push((FrameKind(kind), bytes));
            }
            4 | 5 => {
                journal.commit().map_err(told)?;
                committed.append(&mut staged);
            }
            6 => drop(journal.close_segment(u32::from(number)).map_err(told)?),
            _ => {
                // The power goes; at times in the middle of a commit that nobody was told of.
                files.halt_at_operation(u64::from(number % 6) + 1);
                let is_told = journal.commit().is_ok();
                files.crash_torn(u64::from(number));
                let (reopened, _) = Journal::open(Box::new(files.clone())).map_err(told)?;
                journal = reopened;
                let found = frames(&journal)?;
                let all: Vec<_> = committed.iter().chain(&staged).cloned().collect();
                let is_whole = found == all;
                let is_before = found == committed && (!is_told || staged.is_empty());
                if !is_whole && !is_before {
                    return Err(
                        "after a crash the journal holds neither all nor what was told".into(),
                    );
                }
                committed = found;
                staged.clear();
            }
        }
    }
    journal.discard_staged();
    if frames(&journal)? != committed {
        return Err("the journal holds something else than its model".into());
    }
    Ok(())
}

fn frames(journal: &Journal) -> Result<Vec<(FrameKind, Vec<u8>)>, String> {
    let mut frames = Vec::new();
    let read = journal.replay::<JournalError>(Position::START, &mut |frame| {
        frames.push((frame.kind, frame.bytes));
        Ok(Visit::Continue)
    });
    read.map_err(|error| error.to_string())?;
    Ok(frames)
}
