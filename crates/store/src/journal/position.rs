//! [`Position`]: where a frame begins.

use std::fmt;

/// The place in the journal at which a frame begins or the journal ends; ordered as frames were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Byte in the segment.
    pub offset: u32,
}

/// What somebody else, who is never ahead of what was made durable, knows of where a journal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KnownEnd {
    /// Nothing: what is broken at the end may have been torn before anybody was told of it.
    #[default]
    Unknown,
    /// All before this was acknowledged.
    To(Position),
    /// All was: nothing was written any more when the store was closed, and nothing has been since.
    Closed,
}

impl KnownEnd {
    /// Whether what is broken from `position` on had been acknowledged.
    pub(crate) fn is_behind(self, position: Position) -> bool {
        match self {
            KnownEnd::Unknown => false,
            KnownEnd::To(end) => end > position,
            KnownEnd::Closed => true,
        }
    }

    /// Up to where something has to be.
    pub(crate) fn position(self) -> Option<Position> {
        match self {
            KnownEnd::To(end) => Some(end),
            KnownEnd::Unknown | KnownEnd::Closed => None,
        }
    }
}

impl From<Option<Position>> for KnownEnd {
    fn from(acknowledged_to: Option<Position>) -> Self {
        acknowledged_to.map_or(KnownEnd::Unknown, KnownEnd::To)
    }
}

impl Position {
    /// Before everything.
    pub const START: Position = Position {
        segment: 0,
        offset: 0,
    };

    /// Returns eight bytes whose order is the order of positions: segment, then offset, both big-endian.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.segment) << 32 | u64::from(self.offset)).to_be_bytes()
    }

    /// Reads what [`Position::to_bytes`] wrote; every eight bytes are a position.
    pub fn from_bytes(bytes: [u8; 8]) -> Position {
        let [s0, s1, s2, s3, o0, o1, o2, o3] = bytes;
        Position {
            segment: u32::from_be_bytes([s0, s1, s2, s3]),
            offset: u32::from_be_bytes([o0, o1, o2, o3]),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.segment, self.offset)
    }
}
