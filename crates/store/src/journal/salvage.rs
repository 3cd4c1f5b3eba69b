//! What is whole in a damaged segment: every frame whose checksum holds, wherever it lies.
//!
//! A frame is *sure* if it was reached from the header of a group, which has the salt of the segment in its checksum:
//! then it is what was written here. One that was found behind a broken place may be part of another frame, chosen
//! by a stranger: whoever takes it in looks at what it says, and takes only what proves itself.

use super::format::{
    FRAME_HEADER_BYTES, GROUP_HEADER_BYTES, GroupHeader, Link, Place, SEGMENT_HEADER_BYTES,
    SegmentHeader, decode_frame, frame_length, length_of,
};
use super::{Damage, Frame, Position};
use crate::limits::SALVAGE_TRIES_PER_BYTE;

/// A frame that was found, and whether it is what was written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The frame; its position is where it lies, as if nothing were damaged.
    pub frame: Frame,
    /// Whether it was reached from the header of its group.
    pub is_sure: bool,
}

/// What a walk through one segment came upon.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) header: Option<SegmentHeader>,
    /// The last group that is whole, or of which the header is.
    pub(super) last: Option<Link>,
    /// Up to where groups are whole and follow each other.
    pub(super) whole_to: u32,
    /// Where something is wrong, in ascending order.
    pub(super) faults: Vec<(u32, Damage)>,
    /// Whether the header of a group that is later than the first broken one is there: then that one had been durable.
    pub(super) goes_on: bool,
    /// How many frames are whole.
    pub(super) frames: u64,
}

/// Goes through the bytes of a loose segment and shows every whole frame.
pub(super) fn walk(bytes: &[u8], number: u32, show: &mut dyn FnMut(Found)) -> Walk {
    let mut walk = Walk::default();
    let mut counted = |found: Found, walk: &mut Walk| {
        walk.frames += 1;
        show(found);
    };
    let end = length_of(bytes);
    let Ok(header) = SegmentHeader::decode(bytes, number) else {
        // Without the salt no group can be told from bytes that look like one.
        walk.faults.push((0, Damage::SegmentHeader));
        search(bytes, number, &mut |found| counted(found, &mut walk));
        return walk;
    };
    walk.header = Some(header);
    walk.whole_to = SEGMENT_HEADER_BYTES;
    walk.last = Some(header.before);
    let mut before = header.before;
    let mut whole = header.before;
    let mut at = SEGMENT_HEADER_BYTES;
    while at < end {
        let place = |offset| Place {
            segment: number,
            salt: header.salt,
            offset,
        };
        let Some(group) = group_at(bytes, place(at)) else {
            walk.faults.push((at, Damage::Group));
            let next = (at + 1..end).find(|offset| group_at(bytes, place(*offset)).is_some());
            let region = Region {
                from: at,
                to: next.unwrap_or(end),
                is_sure: false,
            };
            region.search(bytes, number, &mut |found| counted(found, &mut walk));
            at = region.to;
            continue;
        };
        walk.goes_on |= !walk.faults.is_empty() && group.link.number > whole.number + 1;
        let frames = at + GROUP_HEADER_BYTES;
        let claimed = u64::from(frames) + u64::from(group.length);
        let to = u32::try_from(claimed).map_or(end, |to| to.min(end));
        let follows = group.link.number == before.number + 1 && group.before == before.check;
        let is_whole = u64::from(to) == claimed
            && crc32c::crc32c(&bytes[frames as usize..to as usize]) == group.frames_checksum;
        if !follows || !is_whole {
            walk.faults.push((at, Damage::Group));
        } else if walk.faults.is_empty() {
            walk.whole_to = to;
            whole = group.link;
        }
        let region = Region {
            from: frames,
            to,
            is_sure: true,
        };
        region.search(bytes, number, &mut |found| counted(found, &mut walk));
        before = group.link;
        walk.last = Some(before);
        at = to;
    }
    walk
}

/// Shows every frame that is whole anywhere in `bytes`; none of them is sure.
pub(super) fn search(bytes: &[u8], number: u32, show: &mut dyn FnMut(Found)) {
    let all = Region {
        from: 0,
        to: length_of(bytes),
        is_sure: false,
    };
    all.search(bytes, number, show);
}

fn group_at(bytes: &[u8], place: Place) -> Option<GroupHeader> {
    let rest = bytes.get(place.offset as usize..)?;
    if !rest.starts_with(b"DGRP") {
        return None;
    }
    GroupHeader::decode(rest, place).ok()
}

/// Bytes in which frames are looked for.
struct Region {
    from: u32,
    to: u32,
    /// Whether a frame begins at its beginning.
    is_sure: bool,
}

impl Region {
    fn search(&self, bytes: &[u8], segment: u32, show: &mut dyn FnMut(Found)) {
        let bytes = &bytes[..self.to as usize];
        let mut offset = self.from;
        let mut is_sure = self.is_sure;
        // Somebody may have filled it with what looks like the beginning of long frames.
        let mut tries = u64::from(self.to - self.from) * SALVAGE_TRIES_PER_BYTE;
        while offset < self.to {
            let position = Position { segment, offset };
            match plausible(&bytes[offset as usize..]) {
                Some(length) if u64::from(length) <= tries => {
                    if let Ok(frame) = decode_frame(&bytes[offset as usize..], position) {
                        offset += FRAME_HEADER_BYTES + length;
                        show(Found { frame, is_sure });
                        continue;
                    }
                    tries -= u64::from(length);
                }
                _ => {}
            }
            is_sure = false;
            offset += 1;
        }
    }
}

/// The length of the frame that may begin here: it fits, its version is known, and it is plain.
fn plausible(rest: &[u8]) -> Option<u32> {
    let header = rest.first_chunk::<{ FRAME_HEADER_BYTES as usize }>()?;
    let length = frame_length(header);
    let fits = (length as usize) <= rest.len() - header.len();
    (fits && header[4] == 1 && header[6..10] == [0; 4]).then_some(length)
}
