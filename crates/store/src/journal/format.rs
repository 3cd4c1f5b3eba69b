//! The bytes of a segment. All numbers are big-endian, all checksums CRC-32C.
//!
//! A segment file `00000001.seg` is a segment header and then groups without gaps.
//!
//! ```text
//! segment header, 40 bytes
//!   0  8  "DRIFTSEG"
//!   8  1  format version, 1
//!   9  3  zero
//!  12  4  number of the segment; the file name has the same
//!  16  8  salt, drawn at random for each segment
//!  24  8  number of the last group before this segment; 0 in the first
//!  32  4  check of that group; 0 in the first
//!  36  4  checksum over 0..36
//!
//! group: a header of 32 bytes, then frames; written whole and then made durable by one fdatasync
//!   0  4  "DGRP"
//!   4  1  format version, 1
//!   5  3  zero
//!   8  8  number of the group: 1, 2, 3, ... through all segments
//!  16  4  length of its frames
//!  20  4  check of the group before it; 0 for group 1
//!  24  4  checksum over its frames
//!  28  4  check: checksum over salt, segment number, offset of the group in the segment, and 0..28
//!
//! frame: a header of 14 bytes, then its bytes
//!   0  4  length of its bytes
//!   4  1  format version, 1
//!   5  1  kind
//!   6  4  key version, 0 = plain
//!  10  4  checksum over 0..10 and its bytes
//! ```
//!
//! The check of a group covers the salt, so that neither the bytes of a frame chosen by a stranger nor blocks of a
//! file removed earlier can pass for a group.

use super::{Damage, Frame, FrameKind, JournalError, Position};

pub(super) const SEGMENT_HEADER_BYTES: u32 = 40;
pub(super) const GROUP_HEADER_BYTES: u32 = 32;
pub(super) const FRAME_HEADER_BYTES: u32 = 14;

const SEGMENT_MAGIC: &[u8; 8] = b"DRIFTSEG";
const GROUP_MAGIC: &[u8; 4] = b"DGRP";
const VERSION: u8 = 1;
const PLAIN: u32 = 0;

/// A group as the next one refers to it; the default is "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) check: u32,
}

impl Link {
    /// The one that is written from `at` on: number (8 bytes), check (4).
    pub(super) fn at(bytes: &[u8], at: usize) -> Self {
        Self {
            number: long_at(bytes, at),
            check: number_at(bytes, at + 8),
        }
    }
}

/// Bytes of the header of a packed and of a mended segment.
pub(super) const FORM_HEADER_BYTES: u32 = 64;

/// The header of a segment in another form, by its magic number, its checksum and its version.
pub(super) fn form_header(
    file: &[u8],
    magic: [u8; 8],
    version: u8,
    damage: Damage,
) -> Result<&[u8], Unreadable> {
    let bad = Unreadable::Bad(damage);
    let bytes = file.get(..FORM_HEADER_BYTES as usize).ok_or(bad)?;
    if bytes[..8] != magic || crc32c::crc32c(&bytes[..60]) != number_at(bytes, 60) {
        return Err(bad);
    }
    if bytes[8] != version {
        return Err(Unreadable::Format(bytes[8]));
    }
    Ok(bytes)
}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Bad(Damage),
    Format(u8),
    Key(u32),
}

impl Unreadable {
    pub(super) fn at(self, segment: u32, offset: u32) -> JournalError {
        match self {
            Unreadable::Bad(damage) => JournalError::Damaged {
                segment,
                offset,
                damage,
            },
            Unreadable::Format(version) => JournalError::UnknownFormat {
                segment,
                offset,
                version,
            },
            Unreadable::Key(key_version) => JournalError::UnknownKey {
                segment,
                offset,
                key_version,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) segment: u32,
    pub(super) salt: u64,
    pub(super) before: Link,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
        bytes.extend_from_slice(SEGMENT_MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.segment.to_be_bytes());
        bytes.extend_from_slice(&self.salt.to_be_bytes());
        bytes.extend_from_slice(&self.before.number.to_be_bytes());
        bytes.extend_from_slice(&self.before.check.to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// Reads the header of the segment with the given number from the beginning of `bytes`.
    pub(super) fn decode(bytes: &[u8], segment: u32) -> Result<SegmentHeader, Unreadable> {
        let bad = Unreadable::Bad(Damage::SegmentHeader);
        let header = bytes.get(..SEGMENT_HEADER_BYTES as usize).ok_or(bad)?;
        if &header[..8] != SEGMENT_MAGIC || crc32c::crc32c(&header[..36]) != number_at(header, 36) {
            return Err(bad);
        }
        if header[8] != VERSION {
            return Err(Unreadable::Format(header[8]));
        }
        if number_at(header, 12) != segment {
            return Err(bad);
        }
        Ok(SegmentHeader {
            segment,
            salt: long_at(header, 16),
            before: Link::at(header, 24),
        })
    }
}

/// Where a group lies: what its check covers besides its own bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) salt: u64,
    pub(super) offset: u32,
}

impl Place {
    fn check(self, header: &[u8]) -> u32 {
        let check = crc32c::crc32c(&self.salt.to_be_bytes());
        let check = crc32c::crc32c_append(check, &self.segment.to_be_bytes());
        let check = crc32c::crc32c_append(check, &self.offset.to_be_bytes());
        crc32c::crc32c_append(check, header)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    pub(super) before: u32,
    pub(super) length: u32,
    pub(super) frames_checksum: u32,
    pub(super) link: Link,
}

impl GroupHeader {
    /// Fills in the first bytes of `group`, which holds room for a header and then its frames; returns how the next group refers to it.
    pub(super) fn seal(group: &mut [u8], place: Place, before: Link) -> Link {
        let (header, frames) = group.split_at_mut(GROUP_HEADER_BYTES as usize);
        let number = before.number + 1;
        header[..4].copy_from_slice(GROUP_MAGIC);
        header[4..8].copy_from_slice(&[VERSION, 0, 0, 0]);
        header[8..16].copy_from_slice(&number.to_be_bytes());
        header[16..20].copy_from_slice(&length_of(frames).to_be_bytes());
        header[20..24].copy_from_slice(&before.check.to_be_bytes());
        header[24..28].copy_from_slice(&crc32c::crc32c(frames).to_be_bytes());
        let check = place.check(&header[..28]);
        header[28..].copy_from_slice(&check.to_be_bytes());
        Link { number, check }
    }

    /// Reads a header that lies at `place`; its frames are not looked at.
    pub(super) fn decode(bytes: &[u8], place: Place) -> Result<GroupHeader, Unreadable> {
        let bad = Unreadable::Bad(Damage::Group);
        let header = bytes.get(..GROUP_HEADER_BYTES as usize).ok_or(bad)?;
        if &header[..4] != GROUP_MAGIC || place.check(&header[..28]) != number_at(header, 28) {
            return Err(bad);
        }
        if header[4] != VERSION {
            return Err(Unreadable::Format(header[4]));
        }
        Ok(GroupHeader {
            before: number_at(header, 20),
            length: number_at(header, 16),
            frames_checksum: number_at(header, 24),
            link: Link {
                number: long_at(header, 8),
                check: number_at(header, 28),
            },
        })
    }
}

/// The groups of one segment, in order, each checked as it is reached; ends after the first that is bad.
pub(super) struct Groups<'a> {
    bytes: &'a [u8],
    place: Place,
    before: Link,
}

/// One good group.
pub(super) struct Group<'a> {
    pub(super) offset: u32,
    pub(super) frames: &'a [u8],
    pub(super) link: Link,
}

impl Group<'_> {
    /// Returns the offset of the byte after it.
    pub(super) fn end(&self) -> u32 {
        self.offset + GROUP_HEADER_BYTES + length_of(self.frames)
    }
}

impl<'a> Groups<'a> {
    pub(super) fn of(bytes: &'a [u8], header: &SegmentHeader) -> Groups<'a> {
        let place = Place {
            segment: header.segment,
            salt: header.salt,
            offset: SEGMENT_HEADER_BYTES,
        };
        Groups {
            bytes,
            place,
            before: header.before,
        }
    }

    fn read(&self) -> Result<Group<'a>, Unreadable> {
        let bad = Unreadable::Bad(Damage::Group);
        let rest = &self.bytes[self.place.offset as usize..];
        let header = GroupHeader::decode(rest, self.place)?;
        if header.link.number != self.before.number + 1 || header.before != self.before.check {
            return Err(bad);
        }
        let frames = rest[GROUP_HEADER_BYTES as usize..]
            .get(..header.length as usize)
            .ok_or(bad)?;
        if crc32c::crc32c(frames) != header.frames_checksum {
            return Err(bad);
        }
        Ok(Group {
            offset: self.place.offset,
            frames,
            link: header.link,
        })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<Group<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.place.offset as usize >= self.bytes.len() {
            return None;
        }
        let group = self.read();
        match &group {
            Ok(group) => {
                self.place.offset = group.end();
                self.before = group.link;
            }
            Err(_) => self.bytes = &[],
        }
        Some(group)
    }
}

/// Says whether the header of a group after `last` lies anywhere behind `place`: then what lies at `place` had been durable.
pub(super) fn holds_later_group(bytes: &[u8], place: Place, last: Link) -> bool {
    let start = place.offset as usize + 1;
    let tail = bytes.get(start..).unwrap_or_default();
    tail.windows(GROUP_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| window == GROUP_MAGIC)
        .any(|(at, _)| {
            let later = Place {
                offset: place.offset + 1 + length_of(&tail[..at]),
                ..place
            };
            match GroupHeader::decode(&tail[at..], later) {
                Ok(header) => header.link.number > last.number + 1,
                Err(Unreadable::Format(_)) => true,
                Err(_) => false,
            }
        })
}

/// Appends a frame to `into`.
pub(super) fn encode_frame(into: &mut Vec<u8>, kind: FrameKind, bytes: &[u8]) {
    let start = into.len();
    into.extend_from_slice(&length_of(bytes).to_be_bytes());
    into.extend_from_slice(&[VERSION, kind.0]);
    into.extend_from_slice(&PLAIN.to_be_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&into[start..]), bytes);
    into.extend_from_slice(&checksum.to_be_bytes());
    into.extend_from_slice(bytes);
}

/// Returns the length of the bytes that follow a frame header.
pub(super) fn frame_length(header: &[u8; FRAME_HEADER_BYTES as usize]) -> u32 {
    number_at(header, 0)
}

/// Reads the frame at the beginning of `bytes`, which may go on after it.
pub(super) fn decode_frame(bytes: &[u8], position: Position) -> Result<Frame, Unreadable> {
    let bad = Unreadable::Bad(Damage::Frame);
    let (header, rest) = bytes.split_first_chunk().ok_or(bad)?;
    let content = rest.get(..frame_length(header) as usize).ok_or(bad)?;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..10]), content);
    if checksum != number_at(header, 10) {
        return Err(bad);
    }
    if header[4] != VERSION {
        return Err(Unreadable::Format(header[4]));
    }
    match number_at(header, 6) {
        PLAIN => Ok(Frame {
            kind: FrameKind(header[5]),
            bytes: content.to_vec(),
            position,
        }),
        key_version => Err(Unreadable::Key(key_version)),
    }
}

/// Returns a length as it is stored.
pub(super) fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("no segment and no frame is longer than limits.rs allows")
}

pub(super) fn number_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(number)
}

pub(super) fn long_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}
