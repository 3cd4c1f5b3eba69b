//! A packed segment: the same segment in fewer bytes.
//!
//! A closed segment `00000001.seg` may be replaced by `00000001.pack`, from which its bytes can be made again, every
//! one of them: so nothing above can tell one from the other, and positions stay what they were.
//!
//! ```text
//! packed segment: a header of 64 bytes, then the content
//!   0  8  "DRIFTPAK"
//!   8  1  format version, 1
//!   9  3  zero
//!  12  4  number of the segment; the file name has the same
//!  16  8  salt of the segment
//!  24  8  number of the last group before the segment
//!  32  4  check of that group
//!  36  8  number of the last group in the segment
//!  44  4  check of that group
//!  48  4  length of the segment
//!  52  4  length of the content
//!  56  4  checksum over the content
//!  60  4  checksum over 0..60
//! ```
//!
//! The content is the [`SegmentCodec`]'s: groups of frames. Headers, numbers and checks of the groups are not in it;
//! they follow from the frames, and the check of the last group, which covers all, must come out as the header says.
//!
//! Packing is a function of the bytes of one closed segment, which never change: [`ClosedSegment::pack`] needs no journal
//! and may run on any thread. It makes the segment again from what it packed, and compares.

use std::sync::Arc;

use super::format::{
    FORM_HEADER_BYTES, FRAME_HEADER_BYTES, GROUP_HEADER_BYTES, GroupHeader, Groups, Link, Place,
    SEGMENT_HEADER_BYTES, SegmentHeader, Unreadable, decode_frame, encode_frame, form_header,
    length_of, long_at, number_at,
};
use super::{Damage, Frame, FrameKind, JournalError, Position};
use crate::limits::SEGMENT_READ_BYTES_MAX;

pub(super) const PACK_HEADER_BYTES: usize = FORM_HEADER_BYTES as usize;
const PACK_MAGIC: [u8; 8] = *b"DRIFTPAK";
const VERSION: u8 = 1;

/// The frames of one segment, group by group; a group has at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentFrames {
    /// Kind and bytes of each frame of each group, in the order in which they were written.
    pub groups: Vec<Vec<(FrameKind, Vec<u8>)>>,
}

/// Puts the frames of a segment into fewer bytes and makes them again; the engine above knows what they mean.
///
/// What was packed once must unpack for ever: the journal is the truth.
pub trait SegmentCodec: Send + Sync {
    /// Returns bytes from which `unpack` makes the same frames, or `None` once `go_on` says no.
    ///
    /// `as_they_are` asks for a form in which every frame stands as it is: the way out where the other does not come back.
    fn pack(
        &self,
        frames: &SegmentFrames,
        as_they_are: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<u8>>;
    /// Returns the frames, or `None` where the bytes are not what `pack` returned.
    ///
    /// No more than `limit` bytes of frames are made.
    fn unpack(&self, content: &[u8], limit: usize) -> Option<SegmentFrames>;
    /// Returns what can still be read of bytes that were damaged after `pack` returned them, up to the first frame that
    /// cannot; frames may be other than they were.
    fn salvage(&self, content: &[u8], limit: usize) -> SegmentFrames {
        self.unpack(content, limit).unwrap_or_default()
    }
}

/// A segment that is complete and not packed, with its bytes.
pub struct ClosedSegment {
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) codec: Arc<dyn SegmentCodec>,
}

/// A segment that was packed and proved to unpack to the same bytes.
#[derive(Clone, Debug)]
pub struct PackedSegment {
    pub(super) header: PackHeader,
    pub(super) file: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackHeader {
    pub(super) segment: SegmentHeader,
    pub(super) last: Link,
    pub(super) length: u32,
    content_length: u32,
    content_checksum: u32,
}

impl ClosedSegment {
    /// Returns the number of the segment.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Packs the segment; `None` once `go_on` says no. Nothing on disk is touched.
    pub fn pack(&self, go_on: &dyn Fn() -> bool) -> Result<Option<PackedSegment>, JournalError> {
        let (segment, frames, last) = self.take_apart()?;
        for as_they_are in [false, true] {
            let Some(content) = self.codec.pack(&frames, as_they_are, go_on) else {
                return Ok(None);
            };
            let header = PackHeader {
                segment,
                last,
                length: length_of(&self.bytes),
                content_length: length_of(&content),
                content_checksum: crc32c::crc32c(&content),
            };
            let mut file = header.encode();
            file.extend_from_slice(&content);
            let again = unpack(&file, self.number, &*self.codec);
            if again.is_ok_and(|again| again == self.bytes) {
                return Ok(Some(PackedSegment { header, file }));
            }
            tracing::error!(
                segment = self.number,
                as_they_are,
                "a packed segment does not come back"
            );
        }
        Err(JournalError::NotPackable {
            segment: self.number,
        })
    }

    fn take_apart(&self) -> Result<(SegmentHeader, SegmentFrames, Link), JournalError> {
        let header = SegmentHeader::decode(&self.bytes, self.number)
            .map_err(|fault| fault.at(self.number, 0))?;
        let mut groups = Vec::new();
        let mut last = header.before;
        for group in Groups::of(&self.bytes, &header) {
            let group = group.map_err(|fault| fault.at(self.number, 0))?;
            let mut rest = group.frames;
            let mut frames = Vec::new();
            while !rest.is_empty() {
                // Where it lies does not matter here.
                let frame = decode_frame(rest, Position::START)
                    .map_err(|fault| fault.at(self.number, group.offset))?;
                rest = &rest[FRAME_HEADER_BYTES as usize + frame.bytes.len()..];
                frames.push((frame.kind, frame.bytes));
            }
            groups.push(frames);
            last = group.link;
        }
        Ok((header, SegmentFrames { groups }, last))
    }
}

impl PackedSegment {
    /// Returns the number of the segment.
    pub fn number(&self) -> u32 {
        self.header.segment.segment
    }

    /// Returns how many bytes it takes packed.
    pub fn packed_bytes(&self) -> u64 {
        self.file.len() as u64
    }
}

impl PackHeader {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PACK_HEADER_BYTES);
        bytes.extend_from_slice(&PACK_MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.segment.segment.to_be_bytes());
        bytes.extend_from_slice(&self.segment.salt.to_be_bytes());
        for link in [self.segment.before, self.last] {
            bytes.extend_from_slice(&link.number.to_be_bytes());
            bytes.extend_from_slice(&link.check.to_be_bytes());
        }
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&self.content_length.to_be_bytes());
        bytes.extend_from_slice(&self.content_checksum.to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// Reads the header of a file; the content is not looked at.
    fn decode(file: &[u8]) -> Result<PackHeader, Unreadable> {
        let bytes = form_header(file, PACK_MAGIC, VERSION, Damage::Pack)?;
        Ok(PackHeader {
            segment: SegmentHeader {
                segment: number_at(bytes, 12),
                salt: long_at(bytes, 16),
                before: Link::at(bytes, 24),
            },
            last: Link::at(bytes, 36),
            length: number_at(bytes, 48),
            content_length: number_at(bytes, 52),
            content_checksum: number_at(bytes, 56),
        })
    }

    /// Reads the header of a whole file and checks the content behind it, without unpacking it.
    pub(super) fn check(file: &[u8], segment: u32) -> Result<(PackHeader, &[u8]), Unreadable> {
        let bad = Unreadable::Bad(Damage::Pack);
        let header = PackHeader::decode(file)?;
        let content = file.get(PACK_HEADER_BYTES..).ok_or(bad)?;
        let whole = header.segment.segment == segment
            && header.content_length as usize == content.len()
            && header.content_checksum == crc32c::crc32c(content);
        if whole {
            Ok((header, content))
        } else {
            Err(bad)
        }
    }
}

/// What is left of a packed segment that is damaged.
pub(super) struct SalvagedPack {
    /// Its header, where that is whole.
    pub(super) header: Option<PackHeader>,
    /// Frames that may be other than they were, each where it would lie.
    pub(super) frames: Vec<Frame>,
    /// The length of the segment, as far as it is known.
    pub(super) length: u32,
}

/// Reads what can be read of a packed file that is damaged.
pub(super) fn salvage(file: &[u8], number: u32, codec: &dyn SegmentCodec) -> SalvagedPack {
    let header = PackHeader::decode(file).ok();
    let header = header.filter(|header| header.segment.segment == number);
    let content = file.get(PACK_HEADER_BYTES..).unwrap_or_default();
    let limit = header.map_or(SEGMENT_READ_BYTES_MAX, |header| u64::from(header.length));
    let limit = limit.min(SEGMENT_READ_BYTES_MAX);
    let salvaged = codec.salvage(content, usize::try_from(limit).expect("the limit fits"));
    let mut frames = Vec::new();
    let mut offset = SEGMENT_HEADER_BYTES;
    for group in salvaged.groups {
        offset += GROUP_HEADER_BYTES;
        for (kind, bytes) in group {
            let position = Position {
                segment: number,
                offset,
            };
            offset += FRAME_HEADER_BYTES + length_of(&bytes);
            frames.push(Frame {
                kind,
                bytes,
                position,
            });
        }
    }
    let length = header.map_or(offset, |header| header.length.max(offset));
    SalvagedPack {
        header,
        frames,
        length,
    }
}

/// Makes the bytes of a segment again from its packed file.
pub(super) fn unpack(
    file: &[u8],
    number: u32,
    codec: &dyn SegmentCodec,
) -> Result<Vec<u8>, Unreadable> {
    let bad = Unreadable::Bad(Damage::Pack);
    let (header, content) = PackHeader::check(file, number)?;
    let limit = header.length as usize;
    let frames = codec.unpack(content, limit).ok_or(bad)?;
    let mut bytes = header.segment.encode();
    bytes.reserve(limit);
    let mut last = header.segment.before;
    for group in &frames.groups {
        let offset = u32::try_from(bytes.len()).map_err(|_| bad)?;
        let mut sealed = vec![0; GROUP_HEADER_BYTES as usize];
        for (kind, content) in group {
            encode_frame(&mut sealed, *kind, content);
        }
        let place = Place {
            segment: number,
            salt: header.segment.salt,
            offset,
        };
        last = GroupHeader::seal(&mut sealed, place, last);
        bytes.extend_from_slice(&sealed);
        if bytes.len() > limit {
            return Err(bad);
        }
    }
    if bytes.len() == limit && last == header.last {
        Ok(bytes)
    } else {
        Err(bad)
    }
}
