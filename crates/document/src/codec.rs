//! The only place that names bincode: fixed configuration, a byte limit on every decode.
//!
//! Decoding consumes all bytes and encodes back to the same, so one value has one encoding.

pub(crate) use bincode::{Decode, Encode};

use crate::limits;

/// Why stored bytes are not a value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not parse.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The type that was expected.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The bytes are of a format this build does not know.
    #[error("{what} has format {found}, this build knows {known}")]
    UnknownFormat {
        /// The type that was expected.
        what: &'static str,
        /// The format found.
        found: u8,
        /// The format this build writes.
        known: u8,
    },
}

/// Encodes a value behind its format byte.
pub(crate) fn encode<T: Encode>(format: u8, value: &T) -> Vec<u8> {
    let mut bytes = vec![format];
    bincode::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .expect("encoding owned plain data into memory has no way to fail");
    bytes
}

/// Decodes a value that [`encode`] wrote.
pub(crate) fn decode<T: Decode<()> + Encode>(
    what: &'static str,
    format: u8,
    bytes: &[u8],
) -> Result<T, DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { what, reason };
    let (&found, body) = bytes
        .split_first()
        .ok_or_else(|| malformed("no bytes".into()))?;
    if found != format {
        return Err(DecodeError::UnknownFormat {
            what,
            found,
            known: format,
        });
    }
    let config = bincode::config::standard().with_limit::<{ limits::STORED_BYTES }>();
    let (value, read): (T, usize) =
        bincode::decode_from_slice(body, config).map_err(|error| malformed(error.to_string()))?;
    if read != body.len() {
        return Err(malformed(format!("{} bytes left over", body.len() - read)));
    }
    if encode(format, &value) != bytes {
        return Err(malformed("not the canonical encoding".into()));
    }
    Ok(value)
}
