//! What is counted before parsing is what Automerge's own parser reads; and it parses whatever passes without a panic.

use automerge::legacy::{Key, OpType};

use super::*;
use crate::ids::ActorId;
use crate::record::Record;
use crate::value::Value;
use crate::write::Intent;

/// Deterministic choices (`SplitMix64`).
pub(super) struct Choices(pub(super) u64);

impl Choices {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() >> 33).expect("31 bits") % end
    }
}

/// The bodies of honest changes of every type, and one of many actors.
fn bodies() -> Vec<Vec<u8>> {
    let mut record = Record::new();
    let put = |key: &str, value| Intent::Put {
        key: key.into(),
        value,
    };
    let text = |at, delete, insert: &str| Intent::Splice {
        path: "notes".into(),
        at,
        delete,
        insert: insert.into(),
    };
    let list = |values| Intent::InsertElements {
        path: "items".into(),
        at: Some(0),
        values,
    };
    let steps = [
        vec![put("a", Value::Int(1)), put("b", Value::String("x".into()))],
        vec![text(0, 0, "Some characters")],
        vec![text(3, 5, "others"), put("a", Value::Null)],
        vec![list(vec![Value::Null; 40]), list(vec![Value::Int(7)])],
        vec![text(0, 10, ""), put("c.d", Value::Float(1.5))],
        vec![
            Intent::Remove { key: "a".into() },
            put("e", Value::Bytes(vec![1; 30])),
        ],
    ];
    let mut bodies = Vec::new();
    for (n, intents) in (1..).zip(steps) {
        let raw = record.write(ActorId([n; 16]), 1 << 40, &intents);
        let raw = raw.expect("fields").expect("it changes something");
        let (_, chunk) = crate::chunks::split(&raw).expect("its own bytes");
        bodies.push(body(chunk).expect("a change").to_vec());
        let admitted = record.admit(&raw, [n; 8]).expect("honest");
        let crate::admission::Admission::Admitted(admitted) = admitted else {
            panic!("an honest change is admitted");
        };
        (record, _) = record.apply(admitted).expect("it applies");
    }
    bodies
}

pub(super) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut rest = vec![kind];
    let mut length = body.len();
    while length > 0x7f {
        rest.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    rest.push(length.to_le_bytes()[0]);
    rest.extend_from_slice(body);
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&rest);
    [&MAGIC[..], &hash[..4], &rest].concat()
}

pub(super) fn altered(choices: &mut Choices, body: &[u8]) -> Vec<u8> {
    const EDGES: [u8; 10] = [0, 1, 2, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xfe, 0xff];
    let mut body = body.to_vec();
    for _ in 0..=choices.below(3) {
        // Columns stand behind the head: most alterations are to reach these.
        let from = if choices.below(4) == 0 {
            0
        } else {
            body.len() / 3
        };
        let at = from + choices.below(body.len() - from);
        match choices.below(6) {
            0 => body[at] = EDGES[choices.below(EDGES.len())],
            1 => body[at] = body[at].wrapping_add(1),
            2 => body[at] = body[at].wrapping_sub(1),
            3 => {
                let to = from + choices.below(body.len() - from);
                body.swap(at, to);
            }
            4 => body[at] ^= 1 << choices.below(8),
            _ => body[at] = choices.roll().to_le_bytes()[0],
        }
    }
    body
}

#[test]
fn what_is_counted_is_what_automerge_reads_and_what_passes_never_makes_it_panic() {
    let bodies = bodies();
    let mut choices = Choices(2_026);
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    let cases = wanted.and_then(|n| n.parse().ok()).unwrap_or(60_000_u32);
    let (mut parsed, mut passed, mut refused) = (0, 0, 0);
    for case in 0..cases {
        let body = altered(&mut choices, &bodies[choices_index(case, bodies.len())]);
        let raw = chunk(RAW_CHANGE, &body);
        let passes = check(&raw);
        if passes.is_err() {
            refused += 1;
            continue;
        }
        passed += 1;
        // Not caught: it must not panic.
        let Ok(change) = automerge::Change::from_bytes(raw.clone()) else {
            continue;
        };
        let expanded = change.decode();
        parsed += 1;
        let layout = Layout::of(&body).expect("it passed");
        let keys = expanded
            .operations
            .iter()
            .map(|operation| match &operation.key {
                Key::Map(key) => key.len() as u64,
                Key::Seq(_) => 0,
            });
        let is_writing = |action: &OpType| !matches!(action, OpType::Delete);
        let writing = expanded.operations.iter().filter(|o| is_writing(&o.action));
        let read = Counts {
            operations: change.len() as u64,
            writing: writing.count() as u64,
            replaced: expanded
                .operations
                .iter()
                .map(|o| o.pred.len() as u64)
                .sum(),
            key_bytes: keys.sum(),
            actors: 0,
        };
        let counted = Counts::of(&layout).expect("it passed");
        // A column may go on behind the last operation: nothing is read of that, and it is not canonical.
        let is_exact = change.raw_bytes() == raw && reencoded(expanded) == Some(raw);
        let at_least = counted.operations == read.operations
            && counted.writing == read.writing
            && counted.replaced >= read.replaced
            && counted.key_bytes >= read.key_bytes;
        assert!(at_least, "case {case}: {counted:?} counted, {read:?} read");
        if is_exact {
            let counted = Counts {
                actors: 0,
                ..counted
            };
            assert_eq!(counted, read, "case {case}");
        }
        assert_eq!(layout.actors, change.other_actor_ids().len() as u64 + 1);
        assert_eq!(layout.deps, change.deps().len() as u64);
    }
    assert!(
        parsed > cases / 20,
        "{parsed} parsed, {passed} passed, {refused} refused of {cases}"
    );
    assert!(
        refused > cases / 20,
        "{parsed} parsed, {passed} passed, {refused} refused of {cases}"
    );
}

fn choices_index(case: u32, end: usize) -> usize {
    usize::try_from(case).expect("32 bits") % end
}

/// The same content encoded again, where that is possible at all.
fn reencoded(expanded: automerge::ExpandedChange) -> Option<Vec<u8>> {
    quiet(|| automerge::Change::from(expanded).raw_bytes().to_vec())
}

fn quiet<T>(f: impl FnOnce() -> T) -> Option<T> {
    crate::quiet::catch(f).ok()
}
