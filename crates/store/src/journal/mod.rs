//! The journal: append-only segments that hold the truth of a replica.
//!
//! Frames are staged in memory by [`Journal::append`] and become durable together by [`Journal::commit`]: one *group*,
//! one write, one fdatasync. The layout is in `format.rs`, what happens on opening in `open.rs`.
//!
//! Invariants
//! * A group is written only after the fdatasync of the one before succeeded, and a segment is created, synced and its
//!   folder synced before a group is written to it. So on opening only the last group of the last segment can be in
//!   doubt: everything before it was durable, and if it is not readable, the disk lost it (`Damaged`).
//! * A group never spans segments. A commit that crosses into a new segment is one group in each, in order, and a crash
//!   between them leaves the first. All others are all or nothing.
//! * After a commit that failed nothing is appended until the journal is reopened, which writes the last group again:
//!   after a failed fsync the operating system may show bytes that the disk does not have.
//!
//! * A closed segment may be replaced by a packed one, from which its bytes are made again (`pack.rs`, `packing.rs`):
//!   what is read from either is the same.
//!
//! * What is left of a damaged segment may stand in its place, every frame where it was (`mended.rs`, `mend.rs`). Then
//!   something is gone, and a frame need not follow from those before it.
//!
//! It is not an index, does not look into frames, and drops nothing. One replica owns it, on one thread.

mod error;
mod format;
mod mend;
mod mended;
mod open;
mod pack;
mod packing;
mod packs;
mod position;
mod salvage;

use std::{collections::BTreeMap, sync::Arc};

pub use error::{Damage, JournalError};
pub use mend::{DamagedSegment, JournalFault, Mending, Survey};
pub use open::Opening;
pub use pack::{ClosedSegment, PackedSegment, SegmentCodec, SegmentFrames};
pub use packs::Packs;
pub use position::{KnownEnd, Position};
pub use salvage::Found;

use crate::{
    files::Files,
    limits::{FRAME_BYTES_MAX, SEGMENT_BYTES},
    visit::Visit,
};
use format::{
    FRAME_HEADER_BYTES, GROUP_HEADER_BYTES, GroupHeader, Groups, Link, Place, SEGMENT_HEADER_BYTES,
    SegmentHeader, Unreadable, decode_frame, encode_frame, frame_length, length_of,
};
use mended::{MEND_HEADER_BYTES, MendedFile, mended_name};

/// What a frame holds; the engine defines the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKind(pub u8);

/// One frame as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it holds.
    pub kind: FrameKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it begins.
    pub position: Position,
}

/// How much this journal has written since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Successful fdatasyncs of segments: one a group, one a new segment.
    pub fdatasyncs: u64,
    /// Groups made durable.
    pub groups: u64,
    /// Frames made durable.
    pub frames: u64,
    /// Bytes made durable, headers included.
    pub bytes: u64,
}

/// Sizes that tests make small; the default is what is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Bytes a segment may reach before the next is begun; one longer frame has a segment of its own.
    pub segment_bytes: u32,
    /// Bytes of one frame, at most [`FRAME_BYTES_MAX`].
    pub frame_bytes: u32,
}

impl Default for SegmentLimits {
    fn default() -> SegmentLimits {
        SegmentLimits {
            segment_bytes: SEGMENT_BYTES,
            frame_bytes: FRAME_BYTES_MAX,
        }
    }
}

/// An append-only journal; see the module for what it promises.
///
/// Order of calls: `create` or `open`, then `append` any number of times, then `commit` (or `discard_staged`). `read`
/// and `replay` may come at any time. After an error of `commit` everything but `read`, `replay` and the accessors
/// answers `Poisoned` until `reopen`.
pub struct Journal {
    files: Box<dyn Files>,
    limits: SegmentLimits,
    segments: BTreeMap<u32, Segment>,
    last: Link,
    staged: Vec<StagedGroup>,
    poisoned: bool,
    counters: Counters,
    packs: Packs,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    salt: u64,
    /// Bytes that are durable, before any packing.
    length: u32,
    /// Bytes of its file.
    stored: u64,
    form: Form,
}

/// In which form a segment is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it was written.
    Loose,
    /// In fewer bytes.
    Packed,
    /// What is left of it.
    Mended,
}

impl Segment {
    fn loose(salt: u64, length: u32) -> Segment {
        Segment {
            salt,
            length,
            stored: u64::from(length),
            form: Form::Loose,
        }
    }
}

/// A group in memory; its header is filled in when it is written.
struct StagedGroup {
    segment: u32,
    offset: u32,
    frames: u64,
    bytes: Vec<u8>,
}

impl StagedGroup {
    fn end(&self) -> u32 {
        self.offset + length_of(&self.bytes)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Journal")
            .field("end", &self.end())
            .field("groups", &self.last.number)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Begins a journal in an empty folder; one that was begun but never written to is begun anew.
    ///
    /// It is durable when this returns.
    pub fn create(files: Box<dyn Files>) -> Result<Journal, JournalError> {
        Journal::create_with(files, SegmentLimits::default())
    }

    /// Like [`Journal::create`], with other limits.
    pub fn create_with(
        mut files: Box<dyn Files>,
        limits: SegmentLimits,
    ) -> Result<Journal, JournalError> {
        if !Journal::is_unused(&*files)? {
            return Err(JournalError::AlreadyExists);
        }
        if open::segment_numbers(&*files)? == [1] {
            files.remove(&segment_name(1))?;
        }
        let mut journal = Journal::empty(files, limits);
        journal.begin_segment(1)?;
        Ok(journal)
    }

    /// Says whether nothing was ever made durable here: there is no segment, or only a first one without groups.
    pub fn is_unused(files: &dyn Files) -> Result<bool, JournalError> {
        if !open::has_only_loose(files)? {
            return Ok(false);
        }
        match open::segment_numbers(files)?.as_slice() {
            [] => Ok(true),
            // Longer than its header means that a group was, or may have been, durable.
            [1] => Ok(files.length(&segment_name(1))? <= u64::from(SEGMENT_HEADER_BYTES)),
            _ => Ok(false),
        }
    }

    /// Opens a journal: checks every group, cuts a torn tail, and makes what it found durable.
    pub fn open(files: Box<dyn Files>) -> Result<(Journal, Opening), JournalError> {
        Journal::open_with(files, SegmentLimits::default())
    }

    /// Like [`Journal::open`], with other limits.
    pub fn open_with(
        files: Box<dyn Files>,
        limits: SegmentLimits,
    ) -> Result<(Journal, Opening), JournalError> {
        open::open(Journal::empty(files, limits), false, &mut || {
            KnownEnd::Unknown
        })
    }

    /// Like [`Journal::open`], but a torn end is cut only after somebody was asked what else is known of it: what is broken
    /// and had been acknowledged is [`JournalError::Damaged`].
    pub fn open_asking(
        files: Box<dyn Files>,
        known_end: &mut dyn FnMut() -> KnownEnd,
    ) -> Result<(Journal, Opening), JournalError> {
        let journal = Journal::empty(files, SegmentLimits::default());
        open::open(journal, false, known_end)
    }

    /// Like [`Journal::open`], for whoever is repairing it and has not finished.
    pub fn open_in_repair(files: Box<dyn Files>) -> Result<(Journal, Opening), JournalError> {
        let journal = Journal::empty(files, SegmentLimits::default());
        open::open(journal, true, &mut || KnownEnd::Unknown)
    }

    /// Forgets what is staged and opens the journal again: the way out after a failed commit.
    pub fn reopen(self) -> Result<(Journal, Opening), JournalError> {
        let codec = self.packs.codec();
        let (journal, opening) = Journal::open_with(self.files, self.limits)?;
        if let Some(codec) = codec {
            journal.unpack_with(codec);
        }
        Ok((journal, opening))
    }

    /// Says how packed segments are read; without it they are [`JournalError::NoCodec`].
    pub fn unpack_with(&self, codec: Arc<dyn SegmentCodec>) {
        self.packs.unpack_with(codec);
    }

    fn empty(files: Box<dyn Files>, limits: SegmentLimits) -> Journal {
        Journal {
            packs: Packs::new(files.another()),
            files,
            limits,
            segments: BTreeMap::new(),
            last: Link::default(),
            staged: Vec::new(),
            poisoned: false,
            counters: Counters::default(),
        }
    }

    /// Stages a frame and returns its position, which is final unless the staged frames are discarded or the commit fails.
    pub fn append(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<Position, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let limit = self.limits.frame_bytes.min(FRAME_BYTES_MAX);
        let needed = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length <= limit)
            .map(|length| length + FRAME_HEADER_BYTES)
            .ok_or(JournalError::FrameTooLong {
                kind,
                length: bytes.len(),
                limit,
            })?;
        let group = self.group_with_room(needed)?;
        let position = Position {
            segment: group.segment,
            offset: group.end(),
        };
        encode_frame(&mut group.bytes, kind, bytes);
        group.frames += 1;
        Ok(position)
    }

    /// Returns the staged group that takes `needed` more bytes, beginning one if need be.
    fn group_with_room(&mut self, needed: u32) -> Result<&mut StagedGroup, JournalError> {
        let cap = self.limits.segment_bytes;
        let staged_end = self.staged.last().map(|group| (group.segment, group.end()));
        let (segment, end) = staged_end.unwrap_or_else(|| {
            let end = self.end();
            (end.segment, end.offset)
        });
        let more = match staged_end {
            Some(_) => needed,
            None => GROUP_HEADER_BYTES + needed,
        };
        let fits = end.saturating_add(more) <= cap || end == SEGMENT_HEADER_BYTES;
        let begin = match (fits, staged_end) {
            (true, Some(_)) => None,
            (true, None) => Some((segment, end)),
            (false, _) => {
                let next = segment.checked_add(1).ok_or(JournalError::Full)?;
                Some((next, SEGMENT_HEADER_BYTES))
            }
        };
        if let Some((segment, offset)) = begin {
            self.staged.push(StagedGroup {
                segment,
                offset,
                frames: 0,
                bytes: vec![0; GROUP_HEADER_BYTES as usize],
            });
        }
        Ok(self
            .staged
            .last_mut()
            .expect("a group was staged before or just now"))
    }

    /// Makes all staged frames durable and returns the end: every frame with a position below it is durable.
    ///
    /// One write and one fdatasync, unless the staged frames cross into a new segment. Without staged frames it does
    /// nothing. After an error the journal is poisoned, and the staged frames may or may not be found on reopening.
    pub fn commit(&mut self) -> Result<Position, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        for group in std::mem::take(&mut self.staged) {
            if let Err(error) = self.write_group(group) {
                self.poisoned = true;
                return Err(error);
            }
        }
        Ok(self.end())
    }

    fn write_group(&mut self, mut group: StagedGroup) -> Result<(), JournalError> {
        if !self.segments.contains_key(&group.segment) {
            self.begin_segment(group.segment)?;
        }
        let segment = self
            .segments
            .get_mut(&group.segment)
            .expect("the segment was there or was begun just now");
        let place = Place {
            segment: group.segment,
            salt: segment.salt,
            offset: group.offset,
        };
        let link = GroupHeader::seal(&mut group.bytes, place, self.last);
        let name = segment_name(group.segment);
        self.files
            .write_at(&name, u64::from(group.offset), &group.bytes)?;
        self.files.sync_data(&name)?;
        segment.length = group.end();
        segment.stored = u64::from(segment.length);
        self.last = link;
        self.counters.fdatasyncs += 1;
        self.counters.groups += 1;
        self.counters.frames += group.frames;
        self.counters.bytes += u64::from(length_of(&group.bytes));
        Ok(())
    }

    fn begin_segment(&mut self, number: u32) -> Result<(), JournalError> {
        let name = segment_name(number);
        let salt = self.files.fresh_salt()?;
        let header = SegmentHeader {
            segment: number,
            salt,
            before: self.last,
        };
        self.files.create_new(&name)?;
        self.files.write_at(&name, 0, &header.encode())?;
        self.files.sync_data(&name)?;
        self.files.sync_folder()?;
        let length = SEGMENT_HEADER_BYTES;
        self.segments.insert(number, Segment::loose(salt, length));
        self.counters.fdatasyncs += 1;
        self.counters.bytes += u64::from(length);
        Ok(())
    }

    /// Forgets all staged frames; their positions are given out again.
    pub fn discard_staged(&mut self) {
        self.staged.clear();
    }

    /// Returns the durable end: every frame with a position below it is durable, and no staged one has such a position.
    pub fn end(&self) -> Position {
        self.segments
            .last_key_value()
            .map_or(Position::START, |(number, segment)| Position {
                segment: *number,
                offset: segment.length,
            })
    }

    /// Says whether a commit failed, so that only [`Journal::reopen`] helps.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Returns the length of all its files in bytes.
    pub fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.stored).sum()
    }

    /// Returns how many bytes, as if no segment were packed, lie at or after `from`: what a replay goes through.
    pub fn replay_bytes(&self, from: Position) -> u64 {
        let behind = self.segments.range(from.segment..);
        behind
            .map(|(number, segment)| {
                let skipped = if *number == from.segment {
                    from.offset
                } else {
                    0
                };
                segment.length.saturating_sub(skipped)
            })
            .map(u64::from)
            .sum()
    }

    /// Returns another handle on its files, to be looked at: what is in them is as durable as what was committed.
    pub fn files(&self) -> Box<dyn Files> {
        self.files.another()
    }

    /// Returns how much was written since opening.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Reads the frame that begins at `position`, durable or staged, and verifies its checksum.
    pub fn read(&self, position: Position) -> Result<Frame, JournalError> {
        let staged = self.staged.iter().find(|group| {
            let frames_start = group.offset + GROUP_HEADER_BYTES;
            group.segment == position.segment
                && (frames_start..group.end()).contains(&position.offset)
        });
        if let Some(group) = staged {
            let at = (position.offset - group.offset) as usize;
            return decode_frame(&group.bytes[at..], position)
                .map_err(|_| JournalError::NoFrame { position });
        }
        let no_frame = JournalError::NoFrame { position };
        let Some(segment) = self.segments.get(&position.segment) else {
            return Err(no_frame);
        };
        let first = SEGMENT_HEADER_BYTES + GROUP_HEADER_BYTES;
        let content_at = position.offset.saturating_add(FRAME_HEADER_BYTES);
        if position.offset < first || content_at > segment.length {
            return Err(no_frame);
        }
        let damaged = |unreadable: Unreadable| unreadable.at(position.segment, position.offset);
        if segment.form == Form::Packed {
            let bytes = self.packs.unpacked(position.segment)?;
            return decode_frame(&bytes[position.offset as usize..], position).map_err(damaged);
        }
        let (name, shift) = if segment.form == Form::Mended {
            (mended_name(position.segment), u64::from(MEND_HEADER_BYTES))
        } else {
            (segment_name(position.segment), 0)
        };
        let mut header = [0; FRAME_HEADER_BYTES as usize];
        self.files
            .read_at(&name, shift + u64::from(position.offset), &mut header)?;
        let length = frame_length(&header);
        if length > segment.length - content_at {
            return Err(damaged(Unreadable::Bad(Damage::Frame)));
        }
        let mut bytes = header.to_vec();
        bytes.resize((FRAME_HEADER_BYTES + length) as usize, 0);
        let content = &mut bytes[FRAME_HEADER_BYTES as usize..];
        self.files
            .read_at(&name, shift + u64::from(content_at), content)?;
        decode_frame(&bytes, position).map_err(damaged)
    }

    /// Shows every durable frame at or after `from` to `visit`, in order, holding one segment in memory at a time.
    ///
    /// `from` need not be the position of a frame: an end that [`Journal::commit`] returned continues after it.
    pub fn replay<E: From<JournalError>>(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Frame) -> Result<Visit, E>,
    ) -> Result<(), E> {
        for (number, segment) in self.segments.range(from.segment..) {
            let next = match segment.form {
                Form::Packed => {
                    let bytes = self.packs.unpacked(*number)?;
                    replay_bytes(*number, &bytes, from, visit)?
                }
                Form::Mended => MendedFile::read(&*self.files, *number)?.replay(from, visit)?,
                Form::Loose => {
                    let mut bytes = vec![0; segment.length as usize];
                    self.files
                        .read_at(&segment_name(*number), 0, &mut bytes)
                        .map_err(JournalError::from)?;
                    replay_bytes(*number, &bytes, from, visit)?
                }
            };
            if next == Visit::Stop {
                break;
            }
        }
        Ok(())
    }
}

/// Shows the frames of one segment.
fn replay_bytes<E: From<JournalError>>(
    number: u32,
    bytes: &[u8],
    from: Position,
    visit: &mut dyn FnMut(Frame) -> Result<Visit, E>,
) -> Result<Visit, E> {
    let header = SegmentHeader::decode(bytes, number).map_err(|fault| fault.at(number, 0))?;
    let mut at = SEGMENT_HEADER_BYTES;
    for group in Groups::of(bytes, &header) {
        let group = group.map_err(|fault| fault.at(number, at))?;
        at = group.end();
        let ends = Position {
            segment: number,
            offset: at,
        };
        if ends > from && replay_group(number, &group, from, visit)? == Visit::Stop {
            return Ok(Visit::Stop);
        }
    }
    Ok(Visit::Continue)
}

fn replay_group<E: From<JournalError>>(
    segment: u32,
    group: &format::Group<'_>,
    from: Position,
    visit: &mut dyn FnMut(Frame) -> Result<Visit, E>,
) -> Result<Visit, E> {
    let mut frames = group.frames;
    let mut offset = group.offset + GROUP_HEADER_BYTES;
    while !frames.is_empty() {
        let position = Position { segment, offset };
        let frame = decode_frame(frames, position).map_err(|fault| fault.at(segment, offset))?;
        let length = FRAME_HEADER_BYTES + length_of(&frame.bytes);
        if position >= from && visit(frame)? == Visit::Stop {
            return Ok(Visit::Stop);
        }
        frames = &frames[length as usize..];
        offset += length;
    }
    Ok(Visit::Continue)
}

/// Returns the file name of a segment.
fn segment_name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// Returns the file name of a packed segment.
fn pack_name(number: u32) -> String {
    format!("{number:08}.pack")
}
