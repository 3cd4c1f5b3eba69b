//! What a device has on its own disk, as it is read back: rows, conflict entries, saved documents, journal segments,
//! packed segments, whole stores. Damage that no checksum sees must still be an error and nothing worse.
//!
//! An input of this kind is a byte that says what it is, and the bytes.

use std::sync::Arc;

use driftless_document::{ChangeHash, Evidence, Record, Row, evidence};
use driftless_engine::history_codec;
use driftless_store::{Batch, Frame, FrameKind, Kv as _, SegmentCodec, SegmentFrames};

use super::Fate;
use super::bytes;
use super::chunk;
use super::document::Document;
use super::office::{self, Office};
use super::segment::Segment;
use crate::device::Device;
use crate::histories::{COLLECTION, Dice, Manner, Plan, RECORD};
use crate::plain::Plain;
use crate::replicas::Replicas;

const ROW: u8 = 0;
const EVIDENCE: u8 = 1;
const DOCUMENT: u8 = 2;
const SEGMENT: u8 = 3;
const PACK: u8 = 4;
const STORE: u8 = 5;
/// Bytes that an unpacked segment may have here.
const UNPACKED: usize = 4 * 1024 * 1024;
/// Histories that rows, entries and documents are taken from.
const PLANS: u64 = 12;
/// A whole store, or a whole folder, takes as long as hundreds of the rest: one of so many.
const SELDOM: usize = 100;

/// What an honest device has stored.
pub(super) struct Stored {
    rows: Vec<Vec<u8>>,
    entries: Vec<Vec<u8>>,
    documents: Vec<(Vec<ChangeHash>, Vec<u8>)>,
    segment: Segment,
    frames: SegmentFrames,
    codec: Arc<dyn SegmentCodec>,
    owner: Device,
    keys: Vec<Vec<u8>>,
}

impl Stored {
    pub(super) fn of(office: &Office) -> Self {
        let manner = Manner {
            steps: 30,
            ..Manner::default()
        };
        let plans: Vec<Plan> = (0..PLANS).map(|seed| Plan::random(seed, &manner)).collect();
        let records: Vec<Record> = plans
            .iter()
            .map(|plan| Replicas::of(plan).records.swap_remove(0))
            .collect();
        let logs = plans.iter().map(|plan| Plain::of(plan).changes);
        let owner = office::copy(&office.owner);
        let groups = owner.frames().expect("its journal reads");
        let frame = |frame: &Frame| (frame.kind, frame.bytes.clone());
        let file = owner.files.content("00000001.seg");
        Self {
            rows: records.iter().map(|record| record.row().encode()).collect(),
            entries: logs
                .map(|changes| evidence(COLLECTION, RECORD, &changes).encode())
                .collect(),
            documents: records
                .iter()
                .map(|record| (record.heads(), record.save()))
                .collect(),
            segment: Segment::of(&file.expect("a device has a journal")),
            frames: SegmentFrames {
                groups: groups.iter().map(|f| vec![frame(f)]).collect(),
            },
            codec: history_codec(),
            keys: owner.keys(),
            owner,
        }
    }

    pub(super) fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        if dice.below(SELDOM) == 0 {
            return match dice.below(2) {
                0 => self.draw_store(dice),
                _ => self.draw_segment(dice),
            };
        }
        let (kind, mut content) = match dice.below(5) {
            0 => (ROW, pick(dice, &self.rows).clone()),
            1 => (EVIDENCE, pick(dice, &self.entries).clone()),
            2 => return self.draw_document(dice),
            _ => return self.draw_pack(dice),
        };
        let other = pick(dice, &self.entries);
        bytes::alter_some(dice, &mut content, other);
        [&[kind], &content[..]].concat()
    }

    fn draw_document(&self, dice: &mut Dice) -> Vec<u8> {
        let (heads, document) = pick(dice, &self.documents);
        let (_, other) = pick(dice, &self.documents);
        let mut input = vec![DOCUMENT, u8::try_from(heads.len()).unwrap_or(u8::MAX)];
        input.extend(heads.iter().flat_map(|head| head.0));
        let mut document = document.clone();
        let how = dice.below(8);
        if let (0..4, Some(mut parts), Some(other)) =
            (how, Document::of(&document), Document::of(other))
        {
            for _ in 0..=dice.below(3) {
                parts.alter(dice, &other);
            }
            document = parts.to_chunk();
        } else if how == 4 {
            bytes::alter_some(dice, &mut document, other);
        } else if let Some(mut body) = chunk::body_of(&document) {
            bytes::alter_some(dice, &mut body, other);
            document = chunk::chunk(document[8], &body);
        }
        input.extend(document);
        input
    }

    fn draw_pack(&self, dice: &mut Dice) -> Vec<u8> {
        let frames = match dice.below(3) {
            0 => self.altered_frames(dice),
            _ => self.frames.clone(),
        };
        let packed = self.codec.pack(&frames, dice.below(4) == 0, &|| true);
        let packed = packed.unwrap_or_default();
        let packed = match dice.below(3) {
            0 => {
                let mut packed = packed;
                let other = pick(dice, &self.entries);
                bytes::alter_some(dice, &mut packed, other);
                packed
            }
            _ => altered_columns(dice, &packed).unwrap_or(packed),
        };
        [&[PACK], &packed[..]].concat()
    }

    fn altered_frames(&self, dice: &mut Dice) -> SegmentFrames {
        let mut frames = self.frames.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(frames.groups.len());
            let other = pick(dice, &self.frames.groups)[0].1.clone();
            let (kind, content) = &mut frames.groups[at][0];
            match dice.below(6) {
                0 => *kind = FrameKind(dice.roll().to_le_bytes()[0]),
                1 => *content = other,
                _ => bytes::alter(dice, content, &other),
            }
        }
        frames
    }

    /// A segment of altered frames behind right checksums.
    fn draw_segment(&self, dice: &mut Dice) -> Vec<u8> {
        let frames = self.altered_frames(dice);
        let mut file = self.segment.with(&frames.groups);
        if dice.below(3) == 0 {
            bytes::alter_some(dice, &mut file, &[]);
        }
        [&[SEGMENT], &file[..]].concat()
    }

    fn draw_store(&self, dice: &mut Dice) -> Vec<u8> {
        let at = dice.below(self.keys.len());
        let other = self.value(dice.below(self.keys.len()));
        let mut value = self.value(at);
        bytes::alter_some(dice, &mut value, &other);
        let at = u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes();
        [&[STORE], &at[..], &value].concat()
    }

    fn value(&self, at: usize) -> Vec<u8> {
        let mut value = Vec::new();
        let read = self.owner.kv.read(&mut |snapshot| {
            value = snapshot.get(&self.keys[at])?.unwrap_or_default();
            Ok(())
        });
        read.expect("the store reads");
        value
    }

    /// Reads an input as a device reads what it has stored.
    pub(super) fn run(&self, input: &[u8]) -> Result<Fate, String> {
        let Some((kind, content)) = input.split_first() else {
            return Ok(Fate::NotEven);
        };
        match *kind {
            ROW => same(content, Row::decode(content).map(|row| row.encode())),
            EVIDENCE => same(content, Evidence::decode(content).map(|log| log.encode())),
            DOCUMENT => load(content),
            SEGMENT => self.open_folder(content),
            PACK => Ok(match self.codec.unpack(content, UNPACKED) {
                Some(_) => Fate::Taken,
                None => Fate::Refused("it does not decode"),
            }),
            STORE => self.open_store(content),
            _ => Ok(Fate::NotEven),
        }
    }

    /// A journal of which one segment is this.
    fn open_folder(&self, file: &[u8]) -> Result<Fate, String> {
        let device = self.owner.copy();
        device.files.set_content("00000001.seg", file);
        match device.try_open() {
            Err(_) => Ok(Fate::Refused("it does not open")),
            Ok(replica) => {
                let report = replica.verify(&mut |_| ());
                report.map_err(|error| format!("what opened is not to be verified: {error}"))?;
                Ok(Fate::Taken)
            }
        }
    }

    /// A store of which one value is another.
    fn open_store(&self, content: &[u8]) -> Result<Fate, String> {
        let Some((at, value)) = content.split_first_chunk::<4>() else {
            return Ok(Fate::NotEven);
        };
        let at = usize::try_from(u32::from_le_bytes(*at)).unwrap_or(usize::MAX);
        let Some(key) = self.keys.get(at) else {
            return Ok(Fate::NotEven);
        };
        let device = office::copy(&self.owner);
        let mut batch = Batch::new();
        batch.put(key.clone(), value);
        device.kv.apply(&batch).map_err(|error| error.to_string())?;
        let Ok(replica) = device.try_open() else {
            return Ok(Fate::Refused("it does not open"));
        };
        let looked = [
            replica.check_store().is_ok(),
            replica
                .verify(&mut |_| ())
                .is_ok_and(|report| report.problems.is_empty()),
            replica
                .conflicts(&driftless_engine::ConflictFilter::default())
                .is_ok(),
            replica.digest().is_ok(),
        ];
        Ok(match looked {
            [true, true, true, true] => Fate::Taken,
            _ => Fate::Refused("it is told as damaged"),
        })
    }
}

fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> &'a T {
    &from[dice.below(from.len())]
}

fn same<E>(content: &[u8], again: Result<Vec<u8>, E>) -> Result<Fate, String> {
    match again {
        Err(_) => Ok(Fate::Refused("it does not decode")),
        Ok(again) if again == content => Ok(Fate::Taken),
        Ok(_) => Err("it is not encoded back to its bytes".into()),
    }
}

fn load(content: &[u8]) -> Result<Fate, String> {
    let Some((&count, mut rest)) = content.split_first() else {
        return Ok(Fate::NotEven);
    };
    let mut heads = Vec::new();
    for _ in 0..count {
        let Some((head, after)) = rest.split_first_chunk::<32>() else {
            return Ok(Fate::NotEven);
        };
        heads.push(ChangeHash(*head));
        rest = after;
    }
    let Ok(record) = Record::load(rest, &heads) else {
        return Ok(Fate::Refused("it does not load"));
    };
    let _ = record.row();
    let again = Record::load(&record.save(), &heads);
    again.map_err(|error| format!("what loaded does not load again: {error}"))?;
    Ok(Fate::Taken)
}

/// A pack with altered columns, each behind its right lengths.
fn altered_columns(dice: &mut Dice, packed: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = packed.split_first()?;
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let length = chunk::take_number(&mut rest)?;
        let stored = usize::try_from(chunk::take_number(&mut rest)?).ok()?;
        let (column, after) = rest.split_at_checked(stored)?;
        rest = after;
        columns.push(zstd::bulk::decompress(column, usize::try_from(length).ok()?).ok()?);
    }
    for _ in 0..=dice.below(3) {
        let at = dice.below(columns.len());
        let other = columns[dice.below(columns.len())].clone();
        match dice.below(20) {
            0 => columns[at] = vec![dice.roll().to_le_bytes()[0]; 8 << 20],
            _ => bytes::alter(dice, &mut columns[at], &other),
        }
    }
    let mut altered = vec![*version];
    for column in columns {
        let stored = zstd::bulk::compress(&column, 1).ok()?;
        altered.extend(chunk::leb(column.len() as u64));
        altered.extend(chunk::leb(stored.len() as u64));
        altered.extend(stored);
    }
    Some(altered)
}
