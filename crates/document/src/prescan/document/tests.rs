//! What is counted in a saved document is what Automerge reads of it; and what is saved is never refused.

use std::collections::BTreeSet;

use automerge::legacy::{Key, OpType};
use automerge::{Automerge, LoadOptions, TextEncoding, VerificationMode};

use super::*;
use crate::admission::Admission;
use crate::ids::ActorId;
use crate::prescan::tests::{Choices, altered, chunk};
use crate::record::Record;
use crate::value::Value;
use crate::write::Intent;

/// Replicas of one record that edit apart and meet now and then.
struct Replicas {
    records: Vec<Record>,
    /// All changes there are, each with who made it.
    log: Vec<(Vec<u8>, u8)>,
}

impl Replicas {
    fn random(choices: &mut Choices, steps: i64) -> Self {
        let mut replicas = Self {
            records: vec![Record::new(); 3],
            log: Vec::new(),
        };
        for time in 0..steps {
            let at = choices.below(3);
            if choices.below(5) == 0 {
                replicas.meet(at);
            }
            let intents: Vec<_> = (0..=choices.below(3)).map(|_| intent(choices)).collect();
            replicas.write(at, time << 14, &intents);
        }
        (0..3).for_each(|at| replicas.meet(at));
        replicas
    }

    fn write(&mut self, at: usize, time: i64, intents: &[Intent]) {
        let by = u8::try_from(at).expect("three replicas") + 1;
        // An intent that fits nothing, such as an element past the end, is no edit.
        let Ok(Some(raw)) = self.records[at].write(ActorId([by; 16]), time, intents) else {
            return;
        };
        self.log.push((raw.clone(), by));
        receive(&mut self.records[at], &raw, by);
    }

    fn meet(&mut self, at: usize) {
        for (raw, by) in &self.log {
            receive(&mut self.records[at], raw, *by);
        }
    }
}

fn receive(record: &mut Record, raw: &[u8], by: u8) {
    if let Admission::Admitted(admitted) = record.admit(raw, [by; 8]).expect("it is honest") {
        let (applied, _) = std::mem::take(record).apply(admitted).expect("it applies");
        *record = applied;
    }
}

fn intent(choices: &mut Choices) -> Intent {
    let number = choices.below(6);
    let key = format!("field{}", choices.below(4));
    match choices.below(8) {
        0 => Intent::Put {
            key,
            value: Value::String("x".repeat(number * 100)),
        },
        1 => Intent::Put {
            key,
            value: Value::Uint(number as u64),
        },
        2 => Intent::Remove { key },
        3 => Intent::Increment {
            path: "count".into(),
            by: -1,
        },
        4 => Intent::Splice {
            path: "notes".into(),
            at: 0,
            delete: 0,
            insert: "characters ".repeat(number * 10),
        },
        5 => Intent::Splice {
            path: "notes".into(),
            at: number,
            delete: number * 3,
            insert: "é🦀".into(),
        },
        6 => Intent::InsertElements {
            path: "items".into(),
            at: Some(0),
            values: vec![Value::Bool(true); number * 20],
        },
        _ => Intent::RemoveElements {
            path: "items".into(),
            at: 0,
            count: number,
        },
    }
}

/// The counts as the changes have them that Automerge makes of a document, whatever its heads are.
fn read(saved: &[u8]) -> Option<(Counts, u64)> {
    let options = LoadOptions::new()
        .text_encoding(TextEncoding::UnicodeCodePoint)
        .verification_mode(VerificationMode::DontCheck);
    crate::quiet::catch(|| {
        let document = Automerge::load_with_options(saved, options).ok()?;
        let mut counts = Counts::default();
        let mut actors = BTreeSet::new();
        for change in document.get_changes(&[]) {
            counts.changes += 1;
            counts.dependencies += change.deps().len() as u64;
            actors.insert(change.actor_id().clone());
            for operation in change.decode().operations {
                counts.replaced += operation.pred.len() as u64;
                if !matches!(operation.action, OpType::Delete) {
                    counts.operations += 1;
                    if let Key::Map(key) = &operation.key {
                        counts.key_bytes += key.len() as u64;
                    }
                }
            }
        }
        Some((counts, actors.len() as u64))
    })
    .ok()?
}

#[test]
fn what_is_counted_in_honest_documents_is_what_automerge_reads() {
    let mut choices = Choices(7);
    let mut deflated = 0;
    for steps in 0..20 {
        let replicas = Replicas::random(&mut choices, steps * 4);
        let saved = replicas.records[0].save();
        let layout = Layout::of(&saved).expect("it was saved");
        deflated += usize::from(layout.operations.iter().any(|(c, _)| c & DEFLATED != 0));
        let counted = Counts::of(&saved).expect("it was saved");
        assert_eq!(Some((counted, layout.actors)), read(&saved));
        let heads = replicas.records[0].heads();
        Record::load(&saved, &heads).expect("it was saved");

        // Behind loose changes as it is stored before it is saved anew.
        let mut record = Record::load(&saved, &heads).expect("it was saved");
        let put = Intent::Put {
            key: "last".into(),
            value: Value::Null,
        };
        let raw = record.write(ActorId([9; 16]), 1 << 40, &[put]);
        let raw = raw
            .expect("it can be written")
            .expect("it changes something");
        receive(&mut record, &raw, 9);
        let stored = [saved, raw].concat();
        Record::load(&stored, &record.heads()).expect("it was stored");
    }
    assert!(deflated > 7, "{deflated} had a deflated column");
}

#[test]
fn what_is_counted_in_altered_documents_is_no_less_than_what_automerge_reads() {
    let mut choices = Choices(11);
    let documents: Vec<_> = (1..=8)
        .map(|n| Replicas::random(&mut choices, n * 3).records[0].save())
        .collect();
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    let cases = wanted.and_then(|n| n.parse().ok()).unwrap_or(8_000);
    let (mut refused, mut same) = (0, 0);
    for case in 0..cases {
        let saved = &documents[case % documents.len()];
        let mut reader = Reader(&saved[HEADER_BYTES..]);
        reader.unsigned().expect("its length");
        let saved = chunk(DOCUMENT, &altered(&mut choices, reader.0));
        if check_stored(&saved).is_err() {
            refused += 1;
            continue;
        }
        let counted = Counts::of(&saved).expect("it passed");
        let Some((read, _)) = read(&saved) else {
            continue;
        };
        let no_less = counted.changes == read.changes
            && counted.dependencies == read.dependencies
            && counted.operations >= read.operations
            && counted.replaced >= read.replaced
            && counted.key_bytes >= read.key_bytes;
        assert!(no_less, "case {case}: {counted:?} counted, {read:?} read");
        same += usize::from(counted == read);
    }
    assert!(refused > cases / 4, "{refused} refused of {cases}");
    assert!(
        same > cases / 50,
        "{same} read as they were counted of {cases}"
    );
}

#[test]
fn a_record_too_dense_for_a_document_is_saved_as_its_changes_and_loads() {
    let list = |count| Intent::InsertElements {
        path: "items".into(),
        at: None,
        values: vec![Value::Bool(true); count],
    };
    let spaces = Intent::AppendText {
        path: "notes".into(),
        text: " ".repeat(30_000),
    };
    let mut record = Record::new();
    for (time, intent) in (1..).zip([list(4_000), list(4_000), spaces, list(4_000)]) {
        let raw = record.write(ActorId([1; 16]), time << 12, &[intent]);
        let raw = raw
            .expect("it can be written")
            .expect("it changes something");
        receive(&mut record, &raw, 1);
    }
    let saved = record.save();
    assert!(saved[HEADER_BYTES - 1] != DOCUMENT, "it is a document");
    let loaded = Record::load(&saved, &record.heads()).expect("it was saved");
    assert_eq!(loaded.row(), record.row());
    assert_eq!(loaded.heads(), record.heads());
    let again = loaded.save();
    assert!(Record::load(&again, &record.heads()).is_ok());
}

#[test]
fn a_column_that_inflates_to_too_much_is_refused_before_it_is_inflated() {
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write as _;

    let zeros = vec![0; limits::DOCUMENT_INFLATED_BYTES * 4];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&zeros).expect("memory takes it");
    let column = encoder.finish().expect("memory takes it");
    let mut body = vec![0, 0, 0, 1, u8::try_from(VALUES | DEFLATED).expect("a byte")];
    let mut length = column.len();
    while length > 0x7f {
        body.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    body.push(length.to_le_bytes()[0]);
    body.extend(column);
    match check_stored(&chunk(DOCUMENT, &body)) {
        Err(LoadError::OverLimit { what, .. }) => assert_eq!(what, "inflated bytes"),
        other => panic!("{other:?}"),
    }
}
