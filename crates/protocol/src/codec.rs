//! The one place that turns values into bytes and back.
//!
//! bincode 2 with one fixed configuration: little endian, variable-length integers, no type tags. What the bytes
//! are is held by golden files, so that another codec can take its place byte for byte. Nothing outside this module
//! names bincode; types describe their layout with [`wire!`].
//!
//! Invariants: decoding reads all bytes and gives back the very bytes it read when encoded again; a length is
//! compared with its limit, with the bytes that are left and with the element [`Budget`] before anything is
//! allocated for it.

use bincode::config::{Configuration, standard};
use bincode::de::read::Reader as _;
use thiserror::Error;

pub(crate) use bincode::de::{Decode, Decoder};
pub(crate) use bincode::enc::{Encode, Encoder};
pub(crate) use bincode::error::{DecodeError as FromBytesError, EncodeError as ToBytesError};

use crate::limits;

/// Why bytes are not a value of the type that was expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are more bytes than such a value may have.
    #[error("{length} bytes, where at most {limit} are allowed")]
    TooLong {
        /// How many bytes there are.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A part is longer, or has more elements, than it may.
    #[error("{part} is over its limit")]
    OverLimit {
        /// Which part.
        part: &'static str,
    },
    /// The bytes end before the value does.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes are left over.
    #[error("{left} bytes are left over")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// The bytes are not the one way to write this value.
    #[error("the bytes are not in canonical form")]
    NotCanonical,
    /// The version byte is not one this release knows.
    #[error("version {found} is not known to this release")]
    UnknownVersion {
        /// The version byte.
        found: u8,
    },
    /// A tag, flag or text holds a value that means nothing.
    #[error("a value that means nothing")]
    Malformed,
}

/// How many list elements one decoding may still make, over all lists together.
///
/// Without it a list of lists could multiply two limits that are each fine.
pub(crate) struct Budget {
    elements: usize,
}

/// The bytes of a value.
pub(crate) fn encode<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, CONFIG)
        .expect("writing to memory does not fail, and no type has a length that is unknown")
}

/// The value that these bytes, all of them and in canonical form, stand for.
pub(crate) fn decode<T: Encode + Decode<Budget>>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    let (value, rest) = decode_prefix(bytes, limit)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { left: rest.len() });
    }
    if encode(&value) == bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// The value at the start of the bytes, and what follows it; the caller checks the canonical form.
pub(crate) fn decode_prefix<T: Decode<Budget>>(
    bytes: &[u8],
    limit: usize,
) -> Result<(T, &[u8]), DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    let budget = Budget {
        elements: limits::ELEMENTS,
    };
    let (value, read) =
        bincode::decode_from_slice_with_context(bytes, CONFIG, budget).map_err(|e| explain(&e))?;
    Ok((value, &bytes[read..]))
}

/// Like [`decode`], for a type whose first byte is a version: an unknown one is told apart from damage.
pub(crate) fn decode_version<T: Encode + Decode<Budget>>(
    bytes: &[u8],
    limit: usize,
    version: u8,
) -> Result<T, DecodeError> {
    match bytes.first() {
        Some(&found) if found != version => Err(DecodeError::UnknownVersion { found }),
        _ => decode(bytes, limit),
    }
}

/// bincode's own limit is the second fence; the first are the limits of each part.
type Config = Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<{ limits::DECODE }>,
>;
const CONFIG: Config = standard().with_limit::<{ limits::DECODE }>();

fn explain(error: &FromBytesError) -> DecodeError {
    match error {
        FromBytesError::UnexpectedEnd { .. } => DecodeError::Truncated,
        FromBytesError::LimitExceeded => DecodeError::OverLimit { part: "the whole" },
        // Only `over_limit` below makes this one.
        FromBytesError::Other(part) => DecodeError::OverLimit { part },
        _ => DecodeError::Malformed,
    }
}

fn over_limit(part: &'static str) -> FromBytesError {
    FromBytesError::Other(part)
}

/// Reads a length, compares it with its limit and with the bytes that are left.
fn take_length<D: Decoder>(
    decoder: &mut D,
    part: &'static str,
    limit: usize,
) -> Result<usize, FromBytesError>
where
    u64: Decode<D::Context>,
{
    let length = u64::decode(decoder)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or(over_limit(part))?;
    match decoder.reader().peek_read(length) {
        Some(_) => Ok(length),
        None => Err(FromBytesError::UnexpectedEnd { additional: length }),
    }
}

pub(crate) mod bytes {
    //! A byte string: its length, then its bytes.
    use super::{
        Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError, take_length,
    };
    use bincode::de::read::Reader as _;
    use bincode::enc::write::Writer as _;

    pub(crate) fn put<E: Encoder>(value: &[u8], encoder: &mut E) -> Result<(), ToBytesError> {
        (value.len() as u64).encode(encoder)?;
        encoder.writer().write(value)
    }

    pub(crate) fn take<D: Decoder<Context = Budget>>(
        decoder: &mut D,
        part: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, FromBytesError> {
        let length = take_length(decoder, part, limit)?;
        decoder.claim_bytes_read(length)?;
        let reader = decoder.reader();
        let value = reader
            .peek_read(length)
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        reader.consume(length);
        Ok(value)
    }

    /// A byte string that is an element of a list.
    pub(crate) struct Blob(pub(crate) Vec<u8>);

    impl Decode<Budget> for Blob {
        fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
            take(decoder, "bytes", crate::limits::ENVELOPE).map(Self)
        }
    }
}

pub(crate) mod text {
    //! A text: its length in bytes, then UTF-8.
    use super::{Budget, Decoder, Encoder, FromBytesError, ToBytesError, bytes};

    pub(crate) fn put<E: Encoder>(value: &str, encoder: &mut E) -> Result<(), ToBytesError> {
        bytes::put(value.as_bytes(), encoder)
    }

    pub(crate) fn take<D: Decoder<Context = Budget>>(
        decoder: &mut D,
        part: &'static str,
        limit: usize,
    ) -> Result<String, FromBytesError> {
        let value = bytes::take(decoder, part, limit)?;
        String::from_utf8(value).map_err(|e| FromBytesError::Utf8 {
            inner: e.utf8_error(),
        })
    }
}

pub(crate) mod list {
    //! A list: the number of elements, then each.
    use super::{
        Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError, over_limit,
        take_length,
    };

    pub(crate) fn put_length<E: Encoder>(
        length: usize,
        encoder: &mut E,
    ) -> Result<(), ToBytesError> {
        (length as u64).encode(encoder)
    }

    pub(crate) fn put<T: Encode, E: Encoder>(
        value: &[T],
        encoder: &mut E,
    ) -> Result<(), ToBytesError> {
        (value.len() as u64).encode(encoder)?;
        value.iter().try_for_each(|element| element.encode(encoder))
    }

    pub(crate) fn take<T: Decode<Budget>, D: Decoder<Context = Budget>>(
        decoder: &mut D,
        part: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, FromBytesError> {
        // An element has at least one byte, so a length over what is left is a lie, found before allocating.
        let length = take_length(decoder, part, limit)?;
        let budget = decoder.context();
        budget.elements = budget
            .elements
            .checked_sub(length)
            .ok_or(over_limit(part))?;
        let mut elements = Vec::with_capacity(length.min(64));
        for _ in 0..length {
            elements.push(T::decode(decoder)?);
        }
        Ok(elements)
    }
}

pub(crate) mod blobs {
    //! A list of byte strings.
    use super::bytes::Blob;
    use super::{Budget, Decoder, Encode, Encoder, FromBytesError, ToBytesError, bytes, list};

    pub(crate) fn put<E: Encoder>(value: &[Vec<u8>], encoder: &mut E) -> Result<(), ToBytesError> {
        (value.len() as u64).encode(encoder)?;
        value
            .iter()
            .try_for_each(|element| bytes::put(element, encoder))
    }

    pub(crate) fn take<D: Decoder<Context = Budget>>(
        decoder: &mut D,
        part: &'static str,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, FromBytesError> {
        let elements = list::take::<Blob, D>(decoder, part, limit)?;
        Ok(elements.into_iter().map(|blob| blob.0).collect())
    }
}

/// Says how a struct is laid out: its fields in order, and for texts and lists the kind and the limit.
macro_rules! wire {
    ($type:ident { $($field:ident $(: $kind:ident($limit:expr))?),* $(,)? }) => {
        impl $crate::codec::Encode for $type {
            fn encode<E: $crate::codec::Encoder>(&self, encoder: &mut E) -> Result<(), $crate::codec::ToBytesError> {
                $($crate::codec::wire!(@put self, $field, encoder $(, $kind)?);)*
                Ok(())
            }
        }

        impl $crate::codec::Decode<$crate::codec::Budget> for $type {
            fn decode<D: $crate::codec::Decoder<Context = $crate::codec::Budget>>(
                decoder: &mut D,
            ) -> Result<Self, $crate::codec::FromBytesError> {
                Ok(Self { $($field: $crate::codec::wire!(@take $field, decoder $(, $kind($limit))?),)* })
            }
        }
    };
    (@put $self:ident, $field:ident, $encoder:ident) => {
        $crate::codec::Encode::encode(&$self.$field, $encoder)?
    };
    (@put $self:ident, $field:ident, $encoder:ident, $kind:ident) => {
        $crate::codec::$kind::put(&$self.$field, $encoder)?
    };
    (@take $field:ident, $decoder:ident) => {
        $crate::codec::Decode::decode($decoder)?
    };
    (@take $field:ident, $decoder:ident, $kind:ident($limit:expr)) => {
        $crate::codec::$kind::take($decoder, stringify!($field), $limit)?
    };
}
pub(crate) use wire;
