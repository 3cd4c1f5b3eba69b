//! Honest changes with a few bytes altered: whatever is let in applies, saves and loads.

use driftless_document::{Admission, Record, Value};

use crate::support::{DEVICE, actor, edit, fix_checksum, put, receive, remove, settle, text};

/// Deterministic choices: xorshift.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// The changes that three actors made, apart and together.
fn history() -> Vec<Vec<u8>> {
    let mut sides = vec![Record::new(); 3];
    let mut changes = Vec::new();
    for round in 0..4u8 {
        for n in 0..3u8 {
            let side = &mut sides[usize::from(n)];
            let number = i64::from(round) * 1_000 + i64::from(n);
            let mut edits = vec![
                put("name", text(&format!("name {number}"))),
                put("address.city", Value::Int(number)),
                put(&format!("field{n}"), Value::Bytes(vec![n; 5])),
            ];
            match (round, n) {
                (1, 0) => edits.push(put("$deleted", Value::Bool(true))),
                (1, 1) => edits.push(remove("name")),
                (2, 2) => edits.push(settle("name", None)),
                (3, 0) => edits.push(put("$deleted", Value::Bool(false))),
                _ => edits.push(put("score", Value::Float(f64::from(round) + 0.5))),
            }
            changes.push(edit(side, actor(n), &edits));
        }
        if round % 2 == 1 {
            for side in &mut sides {
                for raw in &changes {
                    if !matches!(side.admit(raw, DEVICE), Ok(Admission::Known)) {
                        receive(side, raw);
                    }
                }
            }
        }
    }
    changes
}

/// The record as it is without the n-th change and all that knew of it.
fn without(changes: &[Vec<u8>], n: usize) -> Record {
    let mut record = Record::new();
    for (_, raw) in changes.iter().enumerate().filter(|(other, _)| *other != n) {
        match record.admit(raw, DEVICE).unwrap() {
            Admission::Admitted(admitted) => record = record.apply(admitted).unwrap().0,
            Admission::MissingPast(_) => {}
            Admission::Known => panic!("no change is there twice"),
        }
    }
    record
}

/// The panics of the parser are expected here, and caught; their traces would be most of the test's time.
fn quiet_parser_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let file = info.location().map_or("", |location| location.file());
        if !file.contains("automerge") && !file.contains("hexane") {
            loud(info);
        }
    }));
}

#[test]
fn whatever_altered_change_is_let_in_applies_saves_and_loads() {
    quiet_parser_panics();
    let cases = std::env::var("DRIFTLESS_CASES").ok();
    let cases = cases
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000u32);
    let changes = history();
    let records: Vec<_> = (0..changes.len()).map(|n| without(&changes, n)).collect();
    let mut choices = Choices(0x2545_f491_4f6c_dd1d);
    let mut let_in = 0;
    for case in 0..cases {
        let n = choices.below(changes.len());
        let mut altered = changes[n].clone();
        for _ in 0..=choices.below(3) {
            let at = 8 + choices.below(altered.len() - 8);
            match choices.below(8) {
                0 if altered.len() > 20 => drop(altered.remove(at)),
                1 => altered.insert(at, altered[at]),
                2 | 3 => altered[at] = altered[at].wrapping_add(1),
                4 => altered[at] ^= 0x80,
                _ => altered[at] = u8::try_from(choices.below(256)).unwrap(),
            }
        }
        fix_checksum(&mut altered);
        if let Ok(Admission::Admitted(admitted)) = records[n].admit(&altered, DEVICE) {
            let_in += 1;
            let (record, change) = records[n].clone().apply(admitted).unwrap();
            assert!(record.has_change(&change.hash), "case {case}");
            let loaded = Record::load(&record.save(), &record.heads());
            let loaded = loaded.unwrap_or_else(|error| panic!("case {case}: {error}"));
            assert_eq!(loaded.row(), record.row(), "case {case}");
            assert_eq!(loaded.changes().unwrap().len(), record.change_count());
        }
    }
    assert!(let_in > cases / 50, "only {let_in} of {cases} were let in");
}

#[test]
fn what_is_cut_short_is_refused() {
    quiet_parser_panics();
    let changes = history();
    for (n, raw) in changes.iter().enumerate() {
        let record = without(&changes, n);
        for end in 0..raw.len() {
            let mut cut = raw[..end].to_vec();
            if end > 8 {
                fix_checksum(&mut cut);
            }
            assert!(record.admit(&cut, DEVICE).is_err());
        }
    }
}
