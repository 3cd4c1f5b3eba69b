//! What the same changes made of the same record before, for simulations: many devices in one process admit, apply and
//! load the same.
//!
//! Compiled with the feature `remember-records` only, and asleep until a thread asks for it. A record is a function of
//! the changes that were applied, in that order, to what was loaded; a hash of these is its [`Lineage`]. So what is
//! remembered is what would be made again. Errors are made anew each time. [`Record`] is the only caller.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::admission::{Admission, Admitted, Refusal};
use crate::ids::ChangeHash;
use crate::record::{LoadError, Record};

/// So many records are remembered at once (some 25 KB each); then all are forgotten.
const MOST: usize = 4_096;

/// What made a record, as a hash; `None` where nobody remembers anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lineage(Option<[u8; 32]>);

/// What is remembered.
#[derive(Default)]
struct Memory {
    records: BTreeMap<Lineage, Record>,
    admitted: BTreeMap<Lineage, Admitted>,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// A thread that remembers, for as long as this lives.
#[derive(Debug)]
pub struct Remembering {
    /// It is of one thread.
    _here: PhantomData<*const ()>,
}

/// From now on this thread makes the same record of the same changes no second time, until what is given back is
/// dropped.
///
/// For simulations: nothing else brings the same changes to many copies of a record.
#[must_use = "all is forgotten once this is dropped"]
pub fn remember_records() -> Remembering {
    MEMORY.with_borrow_mut(|memory| *memory = Some(Memory::default()));
    Remembering { _here: PhantomData }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        MEMORY.take();
    }
}

impl Lineage {
    /// That of a record without changes.
    pub(crate) const EMPTY: Self = Self(Some([0; 32]));

    /// That of this record with one more change.
    pub(crate) fn with(self, change: &ChangeHash) -> Self {
        self.hashed(b"change", &[&change.0])
    }

    fn hashed(self, what: &[u8], parts: &[&[u8]]) -> Self {
        let (Some(before), true) = (self.0, MEMORY.with_borrow(Option::is_some)) else {
            return Self(None);
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&before).update(what);
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(Some(*hash.finalize().as_bytes()))
    }
}

/// The record with this lineage, if it was made before.
pub(crate) fn record(lineage: Lineage) -> Option<Record> {
    lineage.0?;
    MEMORY.with_borrow(|memory| memory.as_ref()?.records.get(&lineage).cloned())
}

/// Takes note of a record that was just made.
pub(crate) fn made(lineage: Lineage, record: &Record) {
    remember(lineage, |memory, lineage| {
        memory.records.insert(lineage, record.clone());
    });
}

/// What `load` makes of stored bytes, or made of them before.
pub(crate) fn loaded(
    bytes: &[u8],
    heads: &[ChangeHash],
    load: impl FnOnce(Lineage) -> Result<Record, LoadError>,
) -> Result<Record, LoadError> {
    let heads = heads.iter().map(|head| head.0.as_slice());
    let parts: Vec<&[u8]> = std::iter::once(bytes).chain(heads).collect();
    let lineage = Lineage::EMPTY.hashed(b"stored", &parts);
    if let Some(record) = record(lineage) {
        return Ok(record);
    }
    let record = load(lineage)?;
    made(lineage, &record);
    Ok(record)
}

/// What `admit` says of raw bytes, or said of them before.
pub(crate) fn admission(
    lineage: Lineage,
    raw: &[u8],
    device_prefix: [u8; 8],
    admit: impl FnOnce() -> Result<Admission, Refusal>,
) -> Result<Admission, Refusal> {
    let lineage = lineage.hashed(b"admit", &[&device_prefix, raw]);
    let before = MEMORY.with_borrow(|memory| memory.as_ref()?.admitted.get(&lineage).cloned());
    if let Some(admitted) = before {
        return Ok(Admission::Admitted(admitted));
    }
    let admission = admit()?;
    if let Admission::Admitted(admitted) = &admission {
        remember(lineage, |memory, lineage| {
            memory.admitted.insert(lineage, admitted.clone());
        });
    }
    Ok(admission)
}

fn remember(lineage: Lineage, keep: impl FnOnce(&mut Memory, Lineage)) {
    if lineage.0.is_none() {
        return;
    }
    MEMORY.with_borrow_mut(|memory| {
        if let Some(memory) = memory {
            if memory.records.len().max(memory.admitted.len()) >= MOST {
                *memory = Memory::default();
            }
            keep(memory, lineage);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ActorId;
    use crate::value::Value;
    use crate::write::Intent;

    const ACTOR: ActorId = ActorId([7; 16]);

    /// A record with a change more, that change's bytes, and what admission said of it.
    fn written(record: &Record, value: i64) -> (Record, Vec<u8>) {
        let put = Intent::Put {
            key: "a".into(),
            value: Value::Int(value),
        };
        let raw = record.write(ACTOR, value, &[put]).expect("it is a value");
        let raw = raw.expect("it is another value");
        (received(record, &raw), raw)
    }

    fn received(record: &Record, raw: &[u8]) -> Record {
        let admitted = match record.admit(raw, ACTOR.device_prefix()) {
            Ok(Admission::Admitted(admitted)) => admitted,
            other => panic!("{other:?}"),
        };
        record.clone().apply(admitted).expect("it applies").0
    }

    #[test]
    fn what_is_remembered_reads_and_goes_on_as_what_is_made_anew() {
        let (one, first) = written(&Record::new(), 1);
        let (two, second) = written(&one, 2);
        let remembering = remember_records();
        for _ in 0..2 {
            let mut record = Record::new();
            for raw in [&first, &second] {
                record = received(&record, raw);
                assert_eq!(
                    record.save(),
                    Record::load(&record.save(), &record.heads())
                        .expect("it loads")
                        .save()
                );
            }
            assert_eq!(record.row(), two.row());
            assert_eq!(record.save(), two.save());
            // Who goes on from what is shared changes nothing for the others.
            let (three, _) = written(&record, 3);
            assert_ne!(three.row(), record.row());
            assert_eq!(record.save(), two.save());
        }
        let count = MEMORY.with_borrow(|memory| memory.as_ref().map(|m| m.records.len()));
        assert!(count.is_some_and(|count| count > 2), "{count:?}");
        drop(remembering);
        assert!(MEMORY.with_borrow(Option::is_none));
    }

    #[test]
    fn a_refusal_and_stored_bytes_of_other_heads_are_found_each_time() {
        let (one, first) = written(&Record::new(), 1);
        let _remembering = remember_records();
        for _ in 0..2 {
            assert!(matches!(
                Record::new().admit(&first, [9; 8]),
                Err(Refusal::OtherDevice { .. })
            ));
            assert!(Record::load(&one.save(), &one.heads()).is_ok());
            assert_eq!(
                Record::load(&one.save(), &[]).err(),
                Some(LoadError::OtherHeads)
            );
        }
    }
}
