//! Packed history: the frames of a journal segment in a fifth of the bytes, and back, byte for byte.
//!
//! What of an envelope follows from something else in the same segment is left out: its workspace, number, the hash of
//! the header before, the body's hash, commitments, and of its changes the actor, numbers, times, hashes of changes before
//! and the operations replaced, where they are what they nearly always are. Signatures and salts stay. What cannot be
//! taken apart so that it comes back as it was (notes, membership records, envelopes of strangers' making) stands as it is.
//! A segment reads standalone: what lies before it is never needed, so unpacking costs the same however long the
//! history is, and what is packed is never packed again.
//!
//! The bytes are columns (`columns.rs`), compressed one by one; `docs/format.md` lists them. What is written here must be
//! readable for ever. Nothing is decided here about what is packed when, and no store is known: see `core/packed.rs`.

mod change;
mod columns;
mod dictionary;
mod envelope;

use std::sync::Arc;

use driftless_protocol::Envelope;
use driftless_store::{FrameKind, SegmentCodec, SegmentFrames};

use crate::core::{ENVELOPE_FRAME, OWN_ENVELOPE_FRAME};
use columns::{Column, Reader, Writer};
use dictionary::Dictionaries;

/// The code of a frame that is an envelope taken apart; any other is the frame's kind and one more.
const TAKEN_APART: u64 = 0;
/// The same of one that was written here: a kind and one more is at most 256.
const OWN_TAKEN_APART: u64 = 257;
/// Bytes a frame takes beside its own, at least: so that a count read from disk is bounded by the segment's length.
const FRAME_BYTES: usize = 14;
/// Frames between two looks at whether to go on.
const FRAMES_BETWEEN_LOOKS: usize = 64;

/// What packs and unpacks the segments of a replica's journal; [`Replica`](crate::Replica) gives it to its own.
pub fn history_codec() -> Arc<dyn SegmentCodec> {
    Arc::new(HistoryCodec)
}

struct HistoryCodec;

impl SegmentCodec for HistoryCodec {
    fn pack(
        &self,
        frames: &SegmentFrames,
        as_they_are: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        let mut dictionaries = Dictionaries::default();
        let mut count = 0_usize;
        for group in &frames.groups {
            writer.number(Column::Group, group.len() as u64);
            for (kind, bytes) in group {
                if count.is_multiple_of(FRAMES_BETWEEN_LOOKS) && !go_on() {
                    return None;
                }
                count += 1;
                if as_they_are || !take_apart(&mut writer, &mut dictionaries, *kind, bytes) {
                    writer.number(Column::Frame, u64::from(kind.0) + 1);
                    writer.text(Column::Frame, Column::Raw, bytes);
                }
            }
        }
        go_on().then(|| writer.finish())
    }

    fn unpack(&self, content: &[u8], limit: usize) -> Option<SegmentFrames> {
        let mut reader = Reader::of(content)?;
        let mut dictionaries = Dictionaries::default();
        let mut frames = SegmentFrames::default();
        let mut bytes = 0_usize;
        while !reader.is_at_end(Column::Group) {
            let count = reader.number(Column::Group).filter(|count| *count > 0)?;
            let mut group = Vec::new();
            for _ in 0..count {
                let frame = unpack_frame(&mut reader, &mut dictionaries)?;
                bytes += frame.1.len() + FRAME_BYTES;
                if bytes > limit {
                    return None;
                }
                group.push(frame);
            }
            frames.groups.push(group);
        }
        reader.is_finished().then_some(frames)
    }
}

/// Says whether the frame is an envelope that can be taken apart, and was.
fn take_apart(writer: &mut Writer, all: &mut Dictionaries, kind: FrameKind, bytes: &[u8]) -> bool {
    let code = match kind {
        ENVELOPE_FRAME => TAKEN_APART,
        OWN_ENVELOPE_FRAME => OWN_TAKEN_APART,
        _ => return false,
    };
    let Ok(envelope) = Envelope::decode(bytes) else {
        return false;
    };
    let Some(parts) = envelope::Parts::of(&envelope, all) else {
        return false;
    };
    writer.number(Column::Frame, code);
    envelope::write(writer, all, &parts);
    true
}

fn unpack_frame(reader: &mut Reader, all: &mut Dictionaries) -> Option<(FrameKind, Vec<u8>)> {
    match reader.number(Column::Frame)? {
        TAKEN_APART => Some((ENVELOPE_FRAME, envelope::read(reader, all)?.encode())),
        OWN_TAKEN_APART => Some((OWN_ENVELOPE_FRAME, envelope::read(reader, all)?.encode())),
        code => {
            let kind = FrameKind(u8::try_from(code - 1).ok()?);
            let bytes = reader.text(Column::Frame, Column::Raw)?.to_vec();
            Some((kind, bytes))
        }
    }
}
