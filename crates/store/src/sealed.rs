//! The header that every stored value carries, in every engine.
//!
//! All numbers are big-endian; the checksum is CRC-32C.
//!
//! ```text
//! stored value
//!   0  1  format version, 1
//!   1  1  shape: 0 = the value itself, 1 = head of a value in chunks, 2 = a chunk
//!   2  4  key version, 0 = plain
//!   6  4  checksum over the length of the engine's key (4 bytes), the engine's key, 0..6 and the content
//!  10     content
//!
//! content of a head
//!   0  4  length of the whole value
//!   4  4  checksum over the whole value
//! ```
//!
//! The checksum covers the key, so a value that an engine shows under another key is damage as well.

use crate::kv::KvError;

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 10;

const VERSION: u8 = 1;
const PLAIN: u32 = 0;

/// What the content of a stored value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    Head,
    Chunk,
}

impl Shape {
    fn to_byte(self) -> u8 {
        match self {
            Shape::Whole => 0,
            Shape::Head => 1,
            Shape::Chunk => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Shape> {
        match byte {
            0 => Some(Shape::Whole),
            1 => Some(Shape::Head),
            2 => Some(Shape::Chunk),
            _ => None,
        }
    }
}

/// Puts the header before `content`, which is stored under the engine's key `key`.
pub(crate) fn seal(key: &[u8], shape: Shape, content: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER_BYTES + content.len());
    stored.extend_from_slice(&[VERSION, shape.to_byte()]);
    stored.extend_from_slice(&PLAIN.to_be_bytes());
    let checksum = checksum(key, &stored, content);
    stored.extend_from_slice(&checksum.to_be_bytes());
    stored.extend_from_slice(content);
    stored
}

/// Checks what is stored under the engine's key `key` and returns its shape and content.
pub(crate) fn unseal<'a>(key: &[u8], stored: &'a [u8]) -> Result<(Shape, &'a [u8]), KvError> {
    let damaged = || KvError::Damaged { key: key.to_vec() };
    let (header, content) = stored
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or_else(damaged)?;
    let [version, shape, k0, k1, k2, k3, c0, c1, c2, c3] = *header;
    if checksum(key, &header[..6], content) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Err(damaged());
    }
    if version != VERSION {
        let key = key.to_vec();
        return Err(KvError::UnknownFormat { key, version });
    }
    let key_version = u32::from_be_bytes([k0, k1, k2, k3]);
    if key_version != PLAIN {
        let key = key.to_vec();
        return Err(KvError::UnknownKey { key, key_version });
    }
    Ok((Shape::from_byte(shape).ok_or_else(damaged)?, content))
}

/// The content of a head: what the chunks must add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) checksum: u32,
}

impl Head {
    pub(crate) fn of(length: u32, value: &[u8]) -> Head {
        Head {
            length,
            checksum: crc32c::crc32c(value),
        }
    }

    pub(crate) fn encode(self) -> [u8; 8] {
        (u64::from(self.length) << 32 | u64::from(self.checksum)).to_be_bytes()
    }

    pub(crate) fn decode(content: &[u8]) -> Option<Head> {
        let [l0, l1, l2, l3, c0, c1, c2, c3]: [u8; 8] = content.try_into().ok()?;
        Some(Head {
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    pub(crate) fn matches(self, value: &[u8]) -> bool {
        value.len() == self.length as usize && crc32c::crc32c(value) == self.checksum
    }
}

fn checksum(key: &[u8], header: &[u8], content: &[u8]) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let checksum = crc32c::crc32c(&length.to_be_bytes());
    let checksum = crc32c::crc32c_append(checksum, key);
    let checksum = crc32c::crc32c_append(checksum, header);
    crc32c::crc32c_append(checksum, content)
}

#[cfg(test)]
mod golden_tests {
    use driftless_golden::Goldens;

    use super::*;

    const GOLDEN: Goldens = Goldens::of("store");

    #[test]
    fn stored_values_stay_as_they_are_written() {
        let head = Head::of(7, b"a value");
        let stored = [
            ("stored_value", Shape::Whole, b"a value".to_vec()),
            ("stored_head", Shape::Head, head.encode().to_vec()),
            ("stored_chunk", Shape::Chunk, b"a part".to_vec()),
        ];
        for (name, shape, content) in stored {
            GOLDEN.round_trip(
                name,
                &(shape, content),
                |(shape, content)| seal(b"key", *shape, content),
                |bytes| unseal(b"key", bytes).map(|(shape, content)| (shape, content.to_vec())),
            );
        }
        let bytes = GOLDEN.bytes("stored_head");
        assert_eq!(Head::decode(&bytes[HEADER_BYTES..]), Some(head));
    }
}
