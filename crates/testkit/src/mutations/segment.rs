//! A journal segment written by hand, so that altered frames stand behind right checksums. See docs/format.md.

use driftless_store::FrameKind;

const HEADER: usize = 40;
const VERSION: u8 = 1;

/// The header of a segment, and what follows it refers to.
pub(super) struct Segment {
    header: Vec<u8>,
}

impl Segment {
    /// That of a segment's file.
    pub(super) fn of(file: &[u8]) -> Self {
        Self {
            header: file[..HEADER].to_vec(),
        }
    }

    /// The file of this segment with these groups of frames.
    pub(super) fn with(&self, groups: &[Vec<(FrameKind, Vec<u8>)>]) -> Vec<u8> {
        let mut file = self.header.clone();
        let mut number = u64::from_be_bytes(fixed(&file[24..32]));
        let mut before: [u8; 4] = fixed(&file[32..36]);
        for group in groups {
            let mut frames = Vec::new();
            for (kind, bytes) in group {
                frame(&mut frames, *kind, bytes);
            }
            number += 1;
            let mut header = b"DGRP\x01\0\0\0".to_vec();
            header.extend(number.to_be_bytes());
            header.extend(length(&frames));
            header.extend(before);
            header.extend(crc32c::crc32c(&frames).to_be_bytes());
            // Salt, number of the segment, place in it.
            let place = [&self.header[16..24], &self.header[12..16], &length(&file)].concat();
            before = crc32c::crc32c(&[&place[..], &header].concat()).to_be_bytes();
            file.extend(header);
            file.extend(before);
            file.extend(frames);
        }
        file
    }
}

fn frame(frames: &mut Vec<u8>, kind: FrameKind, bytes: &[u8]) {
    let mut header = length(bytes).to_vec();
    header.extend([VERSION, kind.0, 0, 0, 0, 0]);
    let checksum = crc32c::crc32c(&[&header[..], bytes].concat());
    frames.extend(header);
    frames.extend(checksum.to_be_bytes());
    frames.extend(bytes);
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the slice has this length")
}
