//! Tuple keys whose byte order is the order of the tuples.
//!
//! ```text
//! u8, u32, u64     big-endian
//! i64              big-endian, sign bit flipped
//! f64              big-endian bits; all flipped if negative, else the sign bit: IEEE total order, -0 before 0
//! bytes, str       each 0x00 as 0x00 0xFF, then 0x00 0x00
//! fixed            as it is
//! ```
//!
//! Tuples of the same types in the same places compare as their elements do, first difference first, strings bytewise.
//! No such key is a prefix of another, so a key of some elements followed by [`prefix_end`](crate::prefix_end) bounds
//! exactly the keys that begin with these elements. Types are not stored: reader and builder must agree.

use thiserror::Error;

/// Most keys and small values have no more bytes behind their prefix.
const ROOM: usize = 64;
const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xff;
const TERMINATOR: u8 = 0x00;

/// Builds a key element by element.
///
/// ```
/// use driftless_store::{KeyBuilder, KeyReader};
///
/// let key = KeyBuilder::new().push_u32(7).push_str("name").finish();
/// let mut reader = KeyReader::new(&key);
/// assert_eq!(reader.take_u32(), Ok(7));
/// assert_eq!(reader.take_string(), Ok("name".to_owned()));
/// assert_eq!(reader.finish(), Ok(()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct KeyBuilder {
    bytes: Vec<u8>,
}

impl KeyBuilder {
    /// Returns the empty tuple.
    pub fn new() -> KeyBuilder {
        KeyBuilder::after(&[])
    }

    /// Continues a key, such as a common prefix.
    pub fn after(prefix: &[u8]) -> KeyBuilder {
        let mut bytes = Vec::with_capacity(prefix.len() + ROOM);
        bytes.extend_from_slice(prefix);
        KeyBuilder { bytes }
    }

    /// Appends one byte.
    pub fn push_u8(self, number: u8) -> KeyBuilder {
        self.push_fixed(&[number])
    }

    /// Appends a number of four bytes.
    pub fn push_u32(self, number: u32) -> KeyBuilder {
        self.push_fixed(&number.to_be_bytes())
    }

    /// Appends a number of eight bytes.
    pub fn push_u64(self, number: u64) -> KeyBuilder {
        self.push_fixed(&number.to_be_bytes())
    }

    /// Appends a signed number of eight bytes.
    pub fn push_i64(self, number: i64) -> KeyBuilder {
        self.push_u64(number.cast_unsigned() ^ SIGN)
    }

    /// Appends a floating-point number of eight bytes; every bit pattern has its place.
    pub fn push_f64(self, number: f64) -> KeyBuilder {
        let bits = number.to_bits();
        self.push_u64(if bits & SIGN == 0 { bits ^ SIGN } else { !bits })
    }

    /// Appends bytes of any length.
    pub fn push_bytes(mut self, bytes: &[u8]) -> KeyBuilder {
        self.bytes.reserve(bytes.len() + 2);
        for byte in bytes {
            self.bytes.push(*byte);
            if *byte == ESCAPE {
                self.bytes.push(ESCAPED_ZERO);
            }
        }
        self.bytes.extend_from_slice(&[ESCAPE, TERMINATOR]);
        self
    }

    /// Appends a string; it compares by its UTF-8 bytes.
    pub fn push_str(self, text: &str) -> KeyBuilder {
        self.push_bytes(text.as_bytes())
    }

    /// Appends bytes whose number is the same in every key, such as an id.
    pub fn push_fixed(mut self, bytes: &[u8]) -> KeyBuilder {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Returns the key so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the key.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

const SIGN: u64 = 1 << 63;

/// Reads a key back element by element, in the order in which it was built.
#[derive(Clone, Debug)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

/// A key that was not built of the elements it is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It ends inside an element.
    #[error("the key ends inside an element")]
    Short,
    /// A zero byte is followed by neither of its two meanings.
    #[error("the key has an escape that means nothing")]
    Escape,
    /// A string is not UTF-8.
    #[error("the key has a string that is not UTF-8")]
    Text,
    /// Bytes are left after the last element.
    #[error("the key goes on for {bytes} bytes")]
    Long {
        /// How many.
        bytes: usize,
    },
}

impl<'a> KeyReader<'a> {
    /// Reads `key` from its beginning.
    pub fn new(key: &'a [u8]) -> KeyReader<'a> {
        KeyReader { rest: key }
    }

    /// Reads one byte.
    pub fn take_u8(&mut self) -> Result<u8, KeyError> {
        self.take_fixed::<1>().map(|[byte]| byte)
    }

    /// Reads a number of four bytes.
    pub fn take_u32(&mut self) -> Result<u32, KeyError> {
        self.take_fixed().map(u32::from_be_bytes)
    }

    /// Reads a number of eight bytes.
    pub fn take_u64(&mut self) -> Result<u64, KeyError> {
        self.take_fixed().map(u64::from_be_bytes)
    }

    /// Reads a signed number of eight bytes.
    pub fn take_i64(&mut self) -> Result<i64, KeyError> {
        self.take_u64().map(|bits| (bits ^ SIGN).cast_signed())
    }

    /// Reads a floating-point number of eight bytes.
    pub fn take_f64(&mut self) -> Result<f64, KeyError> {
        let bits = self.take_u64()?;
        Ok(f64::from_bits(if bits & SIGN == 0 {
            !bits
        } else {
            bits ^ SIGN
        }))
    }

    /// Reads bytes of any length.
    pub fn take_bytes(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        loop {
            let zero = self
                .rest
                .iter()
                .position(|byte| *byte == ESCAPE)
                .ok_or(KeyError::Short)?;
            bytes.extend_from_slice(&self.rest[..zero]);
            let meaning = *self.rest.get(zero + 1).ok_or(KeyError::Short)?;
            self.rest = &self.rest[zero + 2..];
            match meaning {
                TERMINATOR => return Ok(bytes),
                ESCAPED_ZERO => bytes.push(ESCAPE),
                _ => return Err(KeyError::Escape),
            }
        }
    }

    /// Reads a string.
    pub fn take_string(&mut self) -> Result<String, KeyError> {
        String::from_utf8(self.take_bytes()?).map_err(|_| KeyError::Text)
    }

    /// Reads `N` bytes as they are.
    pub fn take_fixed<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(KeyError::Short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Returns what has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Makes sure that nothing is left.
    pub fn finish(self) -> Result<(), KeyError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(KeyError::Long { bytes }),
        }
    }
}
