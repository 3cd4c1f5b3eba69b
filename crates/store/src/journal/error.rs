//! What can go wrong with a journal.

use thiserror::Error;

use super::{FrameKind, Position};
use crate::files::FilesError;

/// A journal that could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk failed; after a failed commit the journal is poisoned as well.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is no segment at all.
    #[error("there is no journal here")]
    Absent,
    /// A journal with frames is here already.
    #[error("a journal is here already")]
    AlreadyExists,
    /// Bytes that were once acknowledged are not what was written.
    #[error("journal segment {segment} is damaged at byte {offset}: {damage}")]
    Damaged {
        /// Number of the segment.
        segment: u32,
        /// Byte in the segment at which reading stopped.
        offset: u32,
        /// What is wrong there.
        damage: Damage,
    },
    /// Written by a newer version of this program, in a format this one does not know.
    #[error("journal segment {segment} has format {version} at byte {offset}, which is unknown")]
    UnknownFormat {
        /// Number of the segment.
        segment: u32,
        /// Byte in the segment.
        offset: u32,
        /// The format version found.
        version: u8,
    },
    /// A frame is encrypted with a key this journal was not given.
    #[error("the frame at byte {offset} of journal segment {segment} needs key {key_version}")]
    UnknownKey {
        /// Number of the segment.
        segment: u32,
        /// Byte in the segment.
        offset: u32,
        /// The key version found; 0 would be plain.
        key_version: u32,
    },
    /// The caller's frame is too long; nothing was staged.
    #[error("a frame of {length} bytes and kind {} exceeds the limit of {limit}", kind.0)]
    FrameTooLong {
        /// Kind of the frame.
        kind: FrameKind,
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: u32,
    },
    /// No frame begins at a position the caller gave.
    #[error("no journal frame begins at {position}")]
    NoFrame {
        /// The position.
        position: Position,
    },
    /// A packed segment was to be read, and nobody has said how ([`Journal::unpack_with`](super::Journal::unpack_with)).
    #[error("journal segment {segment} is packed, and nothing here unpacks it")]
    NoCodec {
        /// Number of the segment.
        segment: u32,
    },
    /// A segment did not come back from its packed form: a bug. Nothing was replaced.
    #[error("journal segment {segment} does not come back from its packed form; it stays as it is")]
    NotPackable {
        /// Number of the segment.
        segment: u32,
    },
    /// A packed segment that is not one of this journal's closed ones, or is packed already; nothing was replaced.
    #[error("journal segment {segment} is not one that waits to be packed")]
    NotClosed {
        /// Number of the segment.
        segment: u32,
    },
    /// A repair was begun and not finished: it has to be run again.
    #[error("a repair of the journal was begun and not finished")]
    RepairUnfinished,
    /// All segment numbers are used up.
    #[error("the journal has no segment numbers left")]
    Full,
    /// A commit failed before; only [`Journal::reopen`](super::Journal::reopen) helps.
    #[error("a commit to the journal failed; it must be reopened")]
    Poisoned,
}

/// What is wrong with a damaged place of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// The segment's file is not there.
    #[error("the segment is missing")]
    MissingSegment,
    /// The file is longer than a segment can be.
    #[error("the segment is too long")]
    TooLong,
    /// The segment's first bytes are not what was written.
    #[error("its header is broken")]
    SegmentHeader,
    /// The segment does not continue the group before it.
    #[error("what came before it is missing")]
    Chain,
    /// A group is not what was written, and later ones are there.
    #[error("a group is broken")]
    Group,
    /// A packed segment is not what was written.
    #[error("the packed segment is broken")]
    Pack,
    /// What is left of a segment that was mended is not what was written.
    #[error("what is left of the segment is broken")]
    Mended,
    /// The segment ends before what followed in it.
    #[error("its end is missing")]
    CutShort,
    /// A frame is not what was written.
    #[error("a frame is broken")]
    Frame,
}
