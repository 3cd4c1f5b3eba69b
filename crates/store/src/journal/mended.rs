//! A mended segment: what is left of a segment that was damaged, every frame at its old place.
//!
//! ```text
//! mended segment: a header of 64 bytes, the segment, an index
//!   0  8  "DRIFTMND"
//!   8  1  format version, 1
//!   9  3  zero
//!  12  4  number of the segment; the file name has the same
//!  16  8  number of the last group before the segment
//!  24  4  check of that group
//!  28  8  number of the last group in the segment
//!  36  4  check of that group
//!  40  4  length of the segment
//!  44  4  number of frames
//!  48  4  checksum over the index
//!  52  8  zero
//!  60  4  checksum over 0..60
//!  64     the segment: the frames where they lay, all else zero
//!         index: 4 bytes for each frame, where it begins in the segment, in ascending order
//! ```
//!
//! So positions stay what they were, and the segments before and after it need not change. What is not in it is gone
//! from the journal until it is appended again. It is never packed and never written to.

use super::format::{
    FORM_HEADER_BYTES, FRAME_HEADER_BYTES, Link, SEGMENT_HEADER_BYTES, Unreadable, decode_frame,
    form_header, length_of, number_at,
};
use super::salvage::{Found, search};
use super::{Damage, Frame, JournalError, Position};
use crate::files::Files;
use crate::limits::MENDED_READ_BYTES_MAX;
use crate::visit::Visit;

pub(super) const MEND_HEADER_BYTES: u32 = FORM_HEADER_BYTES;
const MAGIC: [u8; 8] = *b"DRIFTMND";
const VERSION: u8 = 1;
/// Bytes of one entry of the index.
const ENTRY_BYTES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MendHeader {
    pub(super) segment: u32,
    pub(super) before: Link,
    pub(super) last: Link,
    pub(super) length: u32,
    frames: u32,
    index_checksum: u32,
}

/// The file of a mended segment, whole and checked.
pub(super) struct MendedFile {
    pub(super) header: MendHeader,
    bytes: Vec<u8>,
}

impl MendHeader {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MEND_HEADER_BYTES as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.segment.to_be_bytes());
        for link in [self.before, self.last] {
            bytes.extend_from_slice(&link.number.to_be_bytes());
            bytes.extend_from_slice(&link.check.to_be_bytes());
        }
        for number in [self.length, self.frames, self.index_checksum] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn decode(file: &[u8], segment: u32) -> Result<MendHeader, Unreadable> {
        let bytes = form_header(file, MAGIC, VERSION, Damage::Mended)?;
        let header = MendHeader {
            segment: number_at(bytes, 12),
            before: Link::at(bytes, 16),
            last: Link::at(bytes, 28),
            length: number_at(bytes, 40),
            frames: number_at(bytes, 44),
            index_checksum: number_at(bytes, 48),
        };
        if header.segment == segment {
            Ok(header)
        } else {
            Err(Unreadable::Bad(Damage::Mended))
        }
    }
}

/// Puts a mended segment together: `frames` are offset and whole bytes of each, in ascending order, apart from each other.
pub(super) fn encode(
    segment: u32,
    before: Link,
    last: Link,
    length: u32,
    frames: &[(u32, Vec<u8>)],
) -> Vec<u8> {
    let index: Vec<u8> = frames
        .iter()
        .flat_map(|(offset, _)| offset.to_be_bytes())
        .collect();
    let header = MendHeader {
        segment,
        before,
        last,
        length,
        frames: u32::try_from(frames.len()).expect("a segment has fewer frames than bytes"),
        index_checksum: crc32c::crc32c(&index),
    };
    let mut file = header.encode();
    let start = file.len();
    file.resize(start + length as usize, 0);
    for (offset, bytes) in frames {
        let at = start + *offset as usize;
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
    file.extend_from_slice(&index);
    file
}

impl MendedFile {
    /// Reads the file and checks every frame of it.
    pub(super) fn read(files: &dyn Files, number: u32) -> Result<MendedFile, JournalError> {
        let name = mended_name(number);
        let length = files.length(&name)?;
        if length > MENDED_READ_BYTES_MAX {
            return Err(Unreadable::Bad(Damage::TooLong).at(number, 0));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("the limit fits")];
        files.read_at(&name, 0, &mut bytes)?;
        MendedFile::of(bytes, number)
    }

    pub(super) fn of(bytes: Vec<u8>, number: u32) -> Result<MendedFile, JournalError> {
        let header = MendHeader::decode(&bytes, number).map_err(|fault| fault.at(number, 0))?;
        let file = MendedFile { header, bytes };
        let bad = |offset| Unreadable::Bad(Damage::Mended).at(number, offset);
        let body = MEND_HEADER_BYTES as usize + header.length as usize;
        let index = file.bytes.get(body..).ok_or_else(|| bad(0))?;
        let whole = index.len() == header.frames as usize * ENTRY_BYTES
            && crc32c::crc32c(index) == header.index_checksum;
        if !whole {
            return Err(bad(0));
        }
        let mut end = SEGMENT_HEADER_BYTES;
        for offset in file.offsets() {
            if offset < end {
                return Err(bad(offset));
            }
            let frame = file.frame(offset)?;
            end = offset + FRAME_HEADER_BYTES + length_of(&frame.bytes);
        }
        Ok(file)
    }

    fn offsets(&self) -> impl Iterator<Item = u32> {
        let body = MEND_HEADER_BYTES as usize + self.header.length as usize;
        let index = self.bytes.get(body..).unwrap_or_default();
        index
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| number_at(entry, 0))
    }

    fn frame(&self, offset: u32) -> Result<Frame, JournalError> {
        let segment = self.header.segment;
        let bad = Unreadable::Bad(Damage::Frame).at(segment, offset);
        let body = self.bytes.get(MEND_HEADER_BYTES as usize..);
        let body = body.and_then(|body| body.get(..self.header.length as usize));
        let Some(rest) = body.and_then(|body| body.get(offset as usize..)) else {
            return Err(bad);
        };
        decode_frame(rest, Position { segment, offset }).map_err(|fault| fault.at(segment, offset))
    }

    /// Returns the bytes of its file.
    pub(super) fn stored(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Shows the frames at or after `from`.
    pub(super) fn replay<E: From<JournalError>>(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Frame) -> Result<Visit, E>,
    ) -> Result<Visit, E> {
        for offset in self.offsets() {
            let segment = self.header.segment;
            if (Position { segment, offset }) >= from && visit(self.frame(offset)?)? == Visit::Stop
            {
                return Ok(Visit::Stop);
            }
        }
        Ok(Visit::Continue)
    }
}

/// What is whole in a mended segment that was damaged in its turn.
pub(super) fn salvage(file: &[u8], number: u32) -> Vec<Found> {
    let body = file.get(MEND_HEADER_BYTES as usize..).unwrap_or_default();
    let mut found = Vec::new();
    search(body, number, &mut |frame| found.push(frame));
    found
}

/// Returns the file name of a mended segment.
pub(super) fn mended_name(number: u32) -> String {
    format!("{number:08}.mend")
}
