//! Changes: what of an altered one is let in applies, saves, loads, and stands in nobody's way.
//!
//! An input of this kind is a history: the first 8 bytes of the device that signs, then pieces behind their length (4
//! bytes, little-endian): changes that the record has, and last the one that is judged. So a kept input stays what it
//! is when the code that made it changes.

use std::collections::BTreeSet;

use driftless_document::{
    ActorId, Admission, Change, Intent, Record, Refusal, Value, WriteError, change_hash, evidence,
};

use super::bytes;
use super::chunk::{self, Parts};
use super::{Fate, semantic};
use crate::histories::{COLLECTION, Dice, Manner, Plan, RECORD};
use crate::replicas::{Replicas, receive};

/// Random histories that samples are taken from at one time.
const PLANS: usize = 8;
/// Samples of one history.
const SAMPLES: usize = 6;
/// Steps of one history, at most.
const STEPS: usize = 40;
/// So many inputs are made of the same samples.
const INPUTS: u64 = 4_000;
/// One of so many that are let in is built on.
const BUILT_ON: usize = 8;
/// Changes of a record that is built on, at most.
const BUILT: usize = 80;
/// Who writes on top of whatever was let in.
const HONEST: ActorId = ActorId([0xee; 16]);

/// A change with a record that it may come to.
#[derive(Clone)]
struct Sample {
    raw: Vec<u8>,
    change: Change,
    /// The record with what the change knew of.
    past: Record,
    /// The record with all that does not rest on the change.
    others: Record,
    /// The changes of the latter.
    history: Vec<Vec<u8>>,
}

/// A source of altered changes.
pub(super) struct Changes {
    samples: Vec<Sample>,
    inputs: u64,
}

/// An altered change, and where it comes to.
pub(super) struct Case {
    sample: usize,
    raw: Vec<u8>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            samples: Vec::new(),
            inputs: 0,
        }
    }

    /// The next input.
    pub(super) fn draw(&mut self, dice: &mut Dice) -> Case {
        if self.inputs.is_multiple_of(INPUTS) {
            self.samples = (0..PLANS).flat_map(|_| samples(dice)).collect();
            self.samples.extend(rich_samples());
        }
        self.inputs += 1;
        let sample = dice.below(self.samples.len());
        let other = dice.below(self.samples.len());
        let raw = altered(dice, &self.samples[sample], &self.samples[other]);
        Case { sample, raw }
    }

    /// Judges an input, as a replica would that has the record.
    pub(super) fn run(&self, case: &Case) -> Result<Fate, String> {
        let sample = &self.samples[case.sample];
        let prefix = sample.change.actor.device_prefix();
        let fate = judge(&sample.others, prefix, &case.raw)?;
        same_at_its_past(sample, prefix, &case.raw, fate)?;
        Ok(fate)
    }

    /// Goes on from what was let in, now and then.
    pub(super) fn learn(&mut self, dice: &mut Dice, case: Case) {
        let sample = &self.samples[case.sample];
        if dice.below(BUILT_ON) > 0 || sample.history.len() > BUILT {
            return;
        }
        let record = sample.others.clone();
        let prefix = sample.change.actor.device_prefix();
        let Ok(Admission::Admitted(admitted)) = record.admit(&case.raw, prefix) else {
            return;
        };
        let Ok((record, _)) = record.apply(admitted) else {
            return;
        };
        let mut history = sample.history.clone();
        history.push(case.raw);
        let Ok(Some(raw)) = record.write(sample.change.actor, 1 << 40, &on_top()) else {
            return;
        };
        let Some(change) = Change::from_raw(&raw) else {
            return;
        };
        let grown = Sample {
            raw,
            change,
            past: record.clone(),
            others: record,
            history,
        };
        let at = dice.below(self.samples.len());
        self.samples[at] = grown;
    }

    /// The input as bytes that need nothing else.
    pub(super) fn keep(&self, case: &Case) -> Vec<u8> {
        let sample = &self.samples[case.sample];
        let mut kept = sample.change.actor.device_prefix().to_vec();
        for piece in sample.history.iter().chain([&case.raw]) {
            let length = u32::try_from(piece.len()).expect("an input is small");
            kept.extend(length.to_le_bytes());
            kept.extend(piece);
        }
        kept
    }
}

/// Judges a kept input; the checksum of the change that is judged is made right where `fix` says so.
pub(super) fn replay(kept: &[u8], fix: bool) -> Result<Fate, String> {
    let Some((prefix, mut rest)) = kept.split_first_chunk::<8>() else {
        return Ok(Fate::NotEven);
    };
    let mut pieces = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (piece, after) = after.split_at(length.min(after.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    let Some(mut last) = pieces.pop() else {
        return Ok(Fate::NotEven);
    };
    if fix {
        let mut chunks = chunk::split(&last);
        if let Some(raw) = chunks.last_mut() {
            chunk::fix_checksum(raw);
        }
        last = chunks.concat();
    }
    let mut record = Record::new();
    for piece in pieces {
        // In a kept input each is of some device; a device may sign for its own only.
        let Some(actor) = Change::from_raw(&piece).map(|change| change.actor) else {
            continue;
        };
        if let Ok(Admission::Admitted(admitted)) = record.admit(&piece, actor.device_prefix()) {
            let applied = record.apply(admitted);
            let failed = |error| format!("an admitted change of the history: {error}");
            (record, _) = applied.map_err(failed)?;
        }
    }
    judge(&record, *prefix, &last)
}

fn judge(record: &Record, prefix: [u8; 8], raw: &[u8]) -> Result<Fate, String> {
    let hash = change_hash(raw);
    let admitted = match record.admit(raw, prefix) {
        Err(refusal) => return Ok(Fate::Refused(kind_of(&refusal))),
        Ok(Admission::Known) => return Ok(Fate::Known),
        Ok(Admission::MissingPast(_)) => return Ok(Fate::Waits),
        Ok(Admission::Admitted(admitted)) => admitted,
    };
    if hash != Some(admitted.change().hash) {
        return Err("it is admitted under another hash than its bytes have".into());
    }
    let again = admitted.change().to_raw();
    if again.is_none_or(|(again, _)| again != raw) {
        return Err("it is admitted and not encoded back to its bytes".into());
    }
    let is_checked_whole = admitted.change().hash.0[0] % 4 == 0;
    let applied = record.clone().apply(admitted);
    let (applied, _) = applied.map_err(|error| format!("it is admitted: {error}"))?;
    check_loads(&applied)?;
    if is_checked_whole {
        check_goes_on(applied)?;
    }
    Ok(Fate::Taken)
}

fn check_loads(record: &Record) -> Result<(), String> {
    let loaded = Record::load(&record.save(), &record.heads());
    let loaded = loaded.map_err(|error| format!("what was saved: {error}"))?;
    if loaded.row() != record.row() {
        return Err("what was saved loads as another row".into());
    }
    Ok(())
}

/// Honest work goes on on top, and the conflict log is there.
fn check_goes_on(mut record: Record) -> Result<(), String> {
    let written = record.write(HONEST, 1 << 41, &on_top());
    if let Err(WriteError::OtherType { .. } | WriteError::DoesNotFit { .. }) = written {
        return Ok(()); // what was let in made one of these fields another type, and whoever edits it is told so
    }
    let written = written.map_err(|error| format!("an honest edit on top: {error}"))?;
    let raw = written.ok_or("an honest edit on top changes nothing")?;
    match record.admit(&raw, HONEST.device_prefix()) {
        Ok(Admission::Admitted(admitted)) => {
            let applied = record.apply(admitted);
            (record, _) = applied.map_err(|error| format!("an honest edit on top: {error}"))?;
        }
        other => return Err(format!("an honest edit on top: {other:?}")),
    }
    check_loads(&record)?;
    let changes = record.changes();
    let changes = changes.map_err(|error| format!("its changes do not read: {error}"))?;
    if changes.len() != record.change_count() {
        return Err("it gives more or fewer changes than it has".into());
    }
    let log = evidence(COLLECTION, RECORD, &changes).encode();
    let read = driftless_document::Evidence::decode(&log);
    read.map_err(|error| format!("its conflict entries do not read back: {error}"))?;
    Ok(())
}

/// What a change is judged by is its past alone; what else a record has is nothing to it.
fn same_at_its_past(
    sample: &Sample,
    prefix: [u8; 8],
    raw: &[u8],
    fate: Fate,
) -> Result<(), String> {
    if !matches!(fate, Fate::Taken | Fate::Refused(_)) {
        return Ok(());
    }
    let there = match sample.past.admit(raw, prefix) {
        Err(refusal) => Fate::Refused(kind_of(&refusal)),
        Ok(Admission::Admitted(_)) => Fate::Taken,
        // It knew of something else.
        Ok(_) => return Ok(()),
    };
    // Two changes of one number: whichever comes first is taken, and the feed that signed both is frozen.
    let second = Fate::Refused("a second change of one number");
    if there == fate || fate == second || there == second {
        return Ok(());
    }
    Err(format!("{fate:?} beside others, {there:?} at its own past"))
}

fn on_top() -> [Intent; 3] {
    [
        Intent::Put {
            key: "a".into(),
            value: Value::String("honest".into()),
        },
        Intent::AppendText {
            path: "notes".into(),
            text: "on top".into(),
        },
        Intent::InsertElements {
            path: "items".into(),
            at: None,
            values: vec![Value::Int(1)],
        },
    ]
}

/// The kind of a refusal, for counts.
pub(super) fn kind_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::TooLarge { .. } => "too large",
        Refusal::NotAChange => "not a change",
        Refusal::NotCanonical => "not canonical",
        Refusal::OverLimit { .. } => "over a limit",
        Refusal::Foreign { .. } => "foreign",
        Refusal::OtherDevice { .. } => "another device's",
        Refusal::SecondOfSeq { .. } => "a second change of one number",
        Refusal::DoesNotContinue { .. } => "does not continue its past",
        Refusal::WrongPred { .. } => "wrong replaced operations",
        Refusal::WrongRegister { .. } => "wrong register",
        _ => "of a kind that is new",
    }
}

fn altered(dice: &mut Dice, sample: &Sample, other: &Sample) -> Vec<u8> {
    match dice.below(16) {
        // What every byte of the wire may suffer.
        0 => {
            let mut raw = sample.raw.clone();
            bytes::alter_some(dice, &mut raw, &other.raw);
            raw
        }
        // The body, behind a right checksum and length.
        1..=3 => with_last_chunk(&sample.raw, |raw| {
            let mut body = chunk::body_of(raw).unwrap_or_default();
            bytes::alter_some(dice, &mut body, &other.raw);
            chunk::chunk(1, &body)
        }),
        4..=7 => with_last_chunk(&sample.raw, |raw| {
            let foreign = chunk::split(&other.raw).pop().unwrap_or_default();
            let foreign = Parts::of(&foreign).unwrap_or_default();
            let mut parts = Parts::of(raw).unwrap_or_default();
            for _ in 0..=dice.below(3) {
                parts.alter(dice, &foreign);
            }
            parts.to_chunk()
        }),
        8 => altered_chunks(dice, sample, other),
        _ => {
            let mut change = sample.change.clone();
            for _ in 0..=dice.below(3) {
                semantic::alter(dice, &mut change, &other.change);
            }
            match change.to_raw() {
                Some((raw, _)) => raw,
                None => sample.raw.clone(),
            }
        }
    }
}

fn with_last_chunk(raw: &[u8], alter: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut chunks = chunk::split(raw);
    if let Some(last) = chunks.last_mut() {
        *last = alter(last);
    }
    chunks.concat()
}

/// The chunks a change travels as: left out, doubled, of other changes, deflated, of other types.
fn altered_chunks(dice: &mut Dice, sample: &Sample, other: &Sample) -> Vec<u8> {
    let mut chunks = chunk::split(&sample.raw);
    let at = dice.below(chunks.len());
    match dice.below(7) {
        0 => drop(chunks.remove(at)),
        1 => chunks.insert(at, chunks[at].clone()),
        2 => chunks.reverse(),
        3 => {
            let foreign = chunk::split(&other.raw);
            chunks.insert(at, foreign[dice.below(foreign.len())].clone());
        }
        4 => chunks[at] = chunk::deflate(&chunks[at]).unwrap_or_default(),
        5 => {
            let kind = u8::try_from(dice.below(5)).unwrap_or(0);
            chunks[at] = chunk::chunk(kind, &chunk::body_of(&chunks[at]).unwrap_or_default());
        }
        _ => return sample.others.save(),
    }
    chunks.concat()
}

/// Samples of a random history.
fn samples(dice: &mut Dice) -> Vec<Sample> {
    let manner = Manner {
        replicas: 2..=4,
        steps: STEPS,
        scalars: false,
    };
    let replicas = Replicas::of(&Plan::random(dice.roll(), &manner));
    let changes = &replicas.changes;
    if changes.is_empty() {
        return Vec::new();
    }
    let raw = |change: &Change| replicas.raw[&change.hash].clone();
    let sample = |change: &Change| {
        let after = closure(changes, change, false);
        let before = closure(changes, change, true);
        let others = changes.iter().filter(|c| !after.contains(&c.hash.0));
        let past = changes.iter().filter(|c| before.contains(&c.hash.0));
        let past = past.filter(|c| c.hash != change.hash).cloned();
        let others: Vec<Change> = others.cloned().collect();
        let build = |list: &[Change]| {
            let mut record = Record::new();
            for change in list {
                receive(&mut record, &raw(change), change.actor.device_prefix());
            }
            record
        };
        Sample {
            raw: raw(change),
            change: change.clone(),
            past: build(&past.collect::<Vec<_>>()),
            others: build(&others),
            history: others.iter().map(raw).collect(),
        }
    };
    let picked = (0..SAMPLES).map(|_| &changes[dice.below(changes.len())]);
    picked.map(sample).collect()
}

/// A change with all it rests on, or with all that rests on it.
fn closure(changes: &[Change], of: &Change, before: bool) -> BTreeSet<[u8; 32]> {
    let mut found = BTreeSet::from([of.hash.0]);
    if before {
        for change in changes.iter().rev() {
            if found.contains(&change.hash.0) {
                found.extend(change.deps.iter().map(|dep| dep.0));
            }
        }
    } else {
        for change in changes {
            if change.deps.iter().any(|dep| found.contains(&dep.0)) {
                found.insert(change.hash.0);
            }
        }
    }
    found
}

/// Samples that random histories have not: a paste, many heads, long values, every type in one change.
fn rich_samples() -> Vec<Sample> {
    let actor = ActorId([7; 16]);
    let mut record = Record::new();
    let mut history = Vec::new();
    let mut samples = Vec::new();
    for intents in rich_intents() {
        let written = record.write(actor, 1 << 39, &intents);
        let Some(raw) = written.expect("rich intents name fields") else {
            continue;
        };
        let before = record.clone();
        let change = receive(&mut record, &raw, actor.device_prefix());
        samples.push(Sample {
            raw: raw.clone(),
            change,
            past: before.clone(),
            others: before,
            history: history.clone(),
        });
        history.push(raw);
    }
    samples
}

fn rich_intents() -> Vec<Vec<Intent>> {
    let put = |key: &str, value| Intent::Put {
        key: key.into(),
        value,
    };
    let paste = "Mutations are drawn from honest seeds. ".repeat(12);
    let everything = [
        put("s", Value::String("a string".into())),
        put("i", Value::Int(-7)),
        put("u", Value::Uint(u64::MAX)),
        put("f", Value::Float(2.5)),
        put("b", Value::Bytes(vec![1, 2, 3])),
        put("t", Value::Timestamp(1_790_000_000_000)),
        put("j", Value::Json("[1,{\"a\":[]}]".into())),
        put("n", Value::Null),
    ];
    let splice = |at, delete, insert: &str| Intent::Splice {
        path: "notes".into(),
        at,
        delete,
        insert: insert.into(),
    };
    let members = (0..20).map(|n| Intent::AddMember {
        path: "tags".into(),
        member: Value::Int(n),
    });
    let elements = Intent::InsertElements {
        path: "items".into(),
        at: Some(0),
        values: (0..30).map(Value::Int).collect(),
    };
    vec![
        vec![splice(0, 0, &paste)],
        everything.to_vec(),
        members.collect(),
        vec![elements, splice(3, 200, "cut")],
        vec![
            Intent::Increment {
                path: "views".into(),
                by: 1 << 40,
            },
            put("long", Value::String("x".repeat(3_000))),
        ],
        vec![splice(0, 40, "")],
        vec![put("$deleted", Value::Bool(true))],
    ]
}
