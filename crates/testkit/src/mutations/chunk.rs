//! A change chunk in its parts, as Automerge writes it: taken apart, altered, and put together with right lengths
//! and a right checksum, so that it gets past them.
//!
//! It knows the frame and the columns as runs of bytes, and shares no code with the crate it tries.

use sha2::{Digest as _, Sha256};

use super::bytes;
use crate::histories::Dice;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Magic, checksum, chunk type.
pub(super) const HEADER: usize = 9;
const RAW_CHANGE: u8 = 1;
const DEFLATED_CHANGE: u8 = 2;
/// The bit of a column's specification that says it is deflated.
pub(super) const DEFLATED: u64 = 8;

/// The columns there are, and some that there are not.
const SPECIFICATIONS: [u64; 19] = [
    1, 2, 17, 19, 21, 52, 66, 86, 87, 112, 113, 115, 148, 165, 0, 24, 33, 151, 4_000,
];

/// The parts of a change chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    deps: Vec<[u8; 32]>,
    actor: Vec<u8>,
    /// Sequence number, first operation, time: LEB128, as they stand.
    numbers: [Vec<u8>; 3],
    message: Vec<u8>,
    others: Vec<Vec<u8>>,
    columns: Vec<(u64, Vec<u8>)>,
    extra: Vec<u8>,
}

impl Parts {
    /// Takes a raw change chunk apart, if it is one.
    pub(super) fn of(chunk: &[u8]) -> Option<Self> {
        let rest = chunk.get(HEADER..)?;
        let mut reader = Reader(rest);
        let length = reader.number()?;
        if length != reader.0.len() as u64 {
            return None;
        }
        let mut parts = Self::default();
        for _ in 0..reader.number()? {
            parts.deps.push(reader.take(32)?.try_into().ok()?);
        }
        parts.actor = reader.prefixed()?;
        for number in &mut parts.numbers {
            *number = reader.as_it_stands()?;
        }
        parts.message = reader.prefixed()?;
        for _ in 0..reader.number()? {
            let other = reader.prefixed()?;
            parts.others.push(other);
        }
        for (column, length) in columns(&mut reader)? {
            parts.columns.push((column, reader.take(length)?.to_vec()));
        }
        parts.extra = reader.0.to_vec();
        Some(parts)
    }

    /// The chunk of these parts.
    pub(super) fn to_chunk(&self) -> Vec<u8> {
        chunk(RAW_CHANGE, &self.body())
    }

    fn body(&self) -> Vec<u8> {
        let mut body = leb(self.deps.len() as u64);
        body.extend(self.deps.iter().flatten());
        prefixed(&mut body, &self.actor);
        body.extend(self.numbers.iter().flatten());
        prefixed(&mut body, &self.message);
        body.extend(leb(self.others.len() as u64));
        for other in &self.others {
            prefixed(&mut body, other);
        }
        body.extend(leb(self.columns.len() as u64));
        for (column, data) in &self.columns {
            body.extend(leb(*column));
            body.extend(leb(data.len() as u64));
        }
        body.extend(self.columns.iter().flat_map(|(_, data)| data));
        body.extend(&self.extra);
        body
    }

    /// Alters one part; `other` is where foreign ones come from.
    pub(super) fn alter(&mut self, dice: &mut Dice, other: &Self) {
        match dice.below(20) {
            0 => self.alter_deps(dice, other),
            1 => bytes::alter(dice, &mut self.actor, &other.actor),
            2 => self.actor.clone_from(&other.actor),
            3 | 4 => {
                let number = &mut self.numbers[dice.below(3)];
                match dice.below(3) {
                    0 => *number = bytes::number(dice).to_vec(),
                    1 if !number.is_empty() => number[0] ^= 1,
                    _ => bytes::alter(dice, number, &other.numbers[0]),
                }
            }
            5 => bytes::alter(dice, &mut self.message, b"a message"),
            6 => self.alter_others(dice, other),
            7 => bytes::alter(dice, &mut self.extra, &other.actor),
            _ => self.alter_columns(dice, other),
        }
    }

    fn alter_deps(&mut self, dice: &mut Dice, other: &Self) {
        let at = dice.below(self.deps.len().max(1));
        match dice.below(5) {
            0 if !self.deps.is_empty() => drop(self.deps.remove(at)),
            1 if !self.deps.is_empty() => self.deps.push(self.deps[at]),
            2 if !self.deps.is_empty() => self.deps[at][dice.below(32)] ^= 1,
            3 => self.deps.reverse(),
            _ => self.deps.clone_from(&other.deps),
        }
    }

    fn alter_others(&mut self, dice: &mut Dice, other: &Self) {
        let at = dice.below(self.others.len().max(1));
        match dice.below(6) {
            0 if !self.others.is_empty() => drop(self.others.remove(at)),
            1 if !self.others.is_empty() => bytes::alter(dice, &mut self.others[at], &other.actor),
            2 => self.others.push(self.actor.clone()),
            3 => self.others.reverse(),
            4 => self.others.push(vec![7; dice.below(40)]),
            _ => self.others.clone_from(&other.others),
        }
    }

    fn alter_columns(&mut self, dice: &mut Dice, other: &Self) {
        if self.columns.is_empty() {
            self.columns.clone_from(&other.columns);
            return;
        }
        let count = self.columns.len();
        let at = dice.below(count);
        match dice.below(12) {
            0 => {
                let to = dice.below(count);
                let data = std::mem::take(&mut self.columns[at].1);
                let data = std::mem::replace(&mut self.columns[to].1, data);
                self.columns[at].1 = data;
            }
            1 => self.columns.swap(at, count - 1 - at),
            2 => drop(self.columns.remove(at)),
            3 => self.columns.insert(at, self.columns[at].clone()),
            4 => self.columns[at].0 = SPECIFICATIONS[dice.below(SPECIFICATIONS.len())],
            5 => {
                let (column, data) = &mut self.columns[at];
                *column |= DEFLATED;
                *data = deflated(data);
            }
            6 => {
                let same = other.columns.iter().find(|(c, _)| *c == self.columns[at].0);
                if let Some((_, data)) = same {
                    self.columns[at].1.clone_from(data);
                }
            }
            7 => {
                // The first number of a column is the length of a run.
                let run = bytes::number(dice);
                let data = &mut self.columns[at].1;
                let end = 1.min(data.len());
                data.splice(..end, run.iter().copied());
            }
            8 => {
                let column = SPECIFICATIONS[dice.below(SPECIFICATIONS.len())];
                let data = vec![dice.roll().to_le_bytes()[0]; dice.below(5)];
                self.columns.push((column, data));
            }
            _ => {
                let other = other.columns.get(at).map_or(&[][..], |(_, data)| data);
                bytes::alter(dice, &mut self.columns[at].1, other);
            }
        }
    }
}

/// Which columns follow, by their specification, and how many bytes each has.
pub(super) fn columns(reader: &mut Reader<'_>) -> Option<Vec<(u64, u64)>> {
    let mut lengths = Vec::new();
    for _ in 0..reader.number()? {
        lengths.push((reader.number()?, reader.number()?));
    }
    Some(lengths)
}

/// A chunk of this type and content.
pub(super) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = [&MAGIC[..], &[0; 4], &[kind]].concat();
    chunk.extend(leb(body.len() as u64));
    chunk.extend_from_slice(body);
    fix_checksum(&mut chunk);
    chunk
}

/// What a chunk holds, without its frame.
pub(super) fn body_of(raw: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(raw.get(HEADER..)?);
    reader.number()?;
    Some(reader.0.to_vec())
}

/// The chunk deflated, as Automerge stores a long one; its hash is that of the raw one.
pub(super) fn deflate(raw: &[u8]) -> Option<Vec<u8>> {
    let body = deflated(&body_of(raw)?);
    let mut chunk = raw[..HEADER].to_vec();
    chunk[HEADER - 1] = DEFLATED_CHANGE;
    chunk.extend(leb(body.len() as u64));
    chunk.extend(body);
    Some(chunk)
}

/// Makes the checksum of the first chunk right for what it holds, whatever its length says.
pub(super) fn fix_checksum(raw: &mut [u8]) {
    if raw.len() >= HEADER {
        let hash = Sha256::digest(&raw[8..]);
        raw[4..8].copy_from_slice(&hash[..4]);
    }
}

/// The chunks that stand one behind the other, as far as they can be told apart.
pub(super) fn split(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = raw;
    while rest.len() > HEADER && rest[..4] == MAGIC {
        let mut reader = Reader(&rest[HEADER..]);
        let Some(content) = reader.number().and_then(|n| usize::try_from(n).ok()) else {
            break;
        };
        let Some(length) = (rest.len() - reader.0.len()).checked_add(content) else {
            break;
        };
        let Some((chunk, after)) = rest.split_at_checked(length) else {
            break;
        };
        chunks.push(chunk.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        chunks.push(rest.to_vec());
    }
    chunks
}

pub(super) fn deflated(data: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write as _;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    written.expect("writing to memory has no way to fail")
}

pub(super) fn inflated(data: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut inflated = Vec::new();
    let mut decoder = flate2::bufread::DeflateDecoder::new(data);
    decoder.read_to_end(&mut inflated).ok()?;
    Some(inflated)
}

pub(super) fn prefixed(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(leb(bytes.len() as u64));
    body.extend_from_slice(bytes);
}

/// Takes a LEB128 number off the front.
pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut reader = Reader(rest);
    let number = reader.number();
    *rest = reader.0;
    number
}

/// A number as LEB128.
pub(super) fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// Reads off the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn as_it_stands(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| byte & 0x80 == 0)? + 1;
        self.take(end as u64).map(<[u8]>::to_vec)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.as_it_stands().filter(|bytes| bytes.len() <= 9)?;
        let low = bytes.iter().rev().map(|byte| u64::from(byte & 0x7f));
        Some(low.fold(0, |number, low| number << 7 | low))
    }

    pub(super) fn prefixed(&mut self) -> Option<Vec<u8>> {
        let length = self.number()?;
        self.take(length).map(<[u8]>::to_vec)
    }
}
