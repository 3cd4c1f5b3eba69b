//! Envelopes that do not fit one message: cut into chunks, put together again.
//!
//! A chunk is addressed by (feed, n, offset) and compressed on its own, so that any chunk can be sent again alone
//! and a transfer resumes at the chunk where it stopped. The assembler's memory grows with what was received, never
//! with what is claimed.

use thiserror::Error;

use crate::codec::wire;
use crate::ids::FeedId;
use crate::limits;

/// Speed over size: the changes inside are mostly compressed by their own columns.
const LEVEL: i32 = 3;

/// One piece of an envelope's wire form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The envelope's feed.
    pub feed: FeedId,
    /// The envelope's number.
    pub n: u64,
    /// Bytes of the whole wire form.
    pub total: u32,
    /// Where this piece starts: a multiple of [`limits::CHUNK`].
    pub offset: u32,
    /// The piece, a zstd frame of at most [`limits::CHUNK`] plain bytes.
    pub data: Vec<u8>,
}

wire!(Chunk {
    feed,
    n,
    total,
    offset,
    data: bytes(limits::CHUNK_SENT)
});

/// Cuts one envelope's wire form into chunks, in order.
#[derive(Debug)]
pub struct Chunker<'a> {
    feed: FeedId,
    n: u64,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Chunker<'a> {
    /// Cuts from the start.
    pub fn new(feed: FeedId, n: u64, bytes: &'a [u8]) -> Result<Self, ChunkError> {
        Self::resume(feed, n, bytes, 0)
    }

    /// Cuts from an offset that the receiver already has everything before.
    pub fn resume(feed: FeedId, n: u64, bytes: &'a [u8], offset: u32) -> Result<Self, ChunkError> {
        check_total(bytes.len())?;
        let offset = offset as usize;
        if !offset.is_multiple_of(limits::CHUNK) || offset > bytes.len() {
            return Err(ChunkError::Offset {
                expected: 0,
                found: offset,
            });
        }
        Ok(Self {
            feed,
            n,
            bytes,
            offset,
        })
    }
}

impl Iterator for Chunker<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let rest = &self.bytes[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let piece = &rest[..rest.len().min(limits::CHUNK)];
        let data = zstd::bulk::compress(piece, LEVEL)
            .expect("zstd compresses any bytes that fit in memory");
        let chunk = Chunk {
            feed: self.feed,
            n: self.n,
            total: small(self.bytes.len()),
            offset: small(self.offset),
            data,
        };
        self.offset += piece.len();
        Some(chunk)
    }
}

/// Puts the chunks of one envelope at a time together.
///
/// Feed every chunk to [`accept`](Self::accept), in order. Any error means that the peer does not keep to the
/// protocol: end the session.
#[derive(Debug, Default)]
pub struct Assembler {
    current: Option<Partial>,
}

/// An envelope's wire form, put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The envelope's feed.
    pub feed: FeedId,
    /// The envelope's number.
    pub n: u64,
    /// The wire form.
    pub bytes: Vec<u8>,
}

/// Why a chunk is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The whole is empty or over [`limits::ENVELOPE`].
    #[error("an envelope of {total} bytes is empty or too large")]
    Total {
        /// The claimed size in bytes.
        total: usize,
    },
    /// The chunk belongs to another envelope than the one under way.
    #[error("a chunk of another envelope than the one under way")]
    OtherEnvelope,
    /// The chunk does not start where the one before ended.
    #[error("a chunk at {found}, where {expected} was expected")]
    Offset {
        /// Where it should start.
        expected: usize,
        /// Where it starts.
        found: usize,
    },
    /// The data is not the zstd frame of exactly the bytes that belong there.
    #[error("a chunk whose data is not a compressed piece of the right length")]
    Data,
}

#[derive(Debug)]
struct Partial {
    feed: FeedId,
    n: u64,
    total: usize,
    bytes: Vec<u8>,
}

impl Assembler {
    /// An assembler with nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is under way: feed, n and the offset that comes next.
    pub fn position(&self) -> Option<(FeedId, u64, u32)> {
        self.current
            .as_ref()
            .map(|partial| (partial.feed, partial.n, small(partial.bytes.len())))
    }

    /// Bytes held for the envelope under way.
    pub fn held_bytes(&self) -> usize {
        self.current
            .as_ref()
            .map_or(0, |partial| partial.bytes.capacity())
    }

    /// Takes the next chunk; gives the whole when it was the last. After an error nothing is under way.
    pub fn accept(&mut self, chunk: &Chunk) -> Result<Option<Assembled>, ChunkError> {
        let current = self.current.take();
        let total = chunk.total as usize;
        check_total(total)?;
        let mut partial = match current {
            None => Partial {
                feed: chunk.feed,
                n: chunk.n,
                total,
                bytes: Vec::new(),
            },
            Some(partial) if partial.fits(chunk) => partial,
            Some(_) => return Err(ChunkError::OtherEnvelope),
        };
        let expected = partial.bytes.len();
        if chunk.offset as usize != expected {
            return Err(ChunkError::Offset {
                expected,
                found: chunk.offset as usize,
            });
        }
        let length = (total - expected).min(limits::CHUNK);
        let piece = zstd::bulk::decompress(&chunk.data, length).map_err(|_| ChunkError::Data)?;
        if piece.len() != length {
            return Err(ChunkError::Data);
        }
        partial.bytes.extend_from_slice(&piece);
        if partial.bytes.len() == total {
            return Ok(Some(Assembled {
                feed: partial.feed,
                n: partial.n,
                bytes: partial.bytes,
            }));
        }
        self.current = Some(partial);
        Ok(None)
    }
}

impl Partial {
    fn fits(&self, chunk: &Chunk) -> bool {
        (self.feed, self.n, self.total) == (chunk.feed, chunk.n, chunk.total as usize)
    }
}

fn check_total(total: usize) -> Result<(), ChunkError> {
    if (1..=limits::ENVELOPE).contains(&total) {
        Ok(())
    } else {
        Err(ChunkError::Total { total })
    }
}

/// A size that `check_total` has bounded.
fn small(size: usize) -> u32 {
    u32::try_from(size).expect("sizes are bounded by the limit of an envelope, 8 MiB")
}
