//! Replacing closed segments by packed ones, step by step.
//!
//! In this order: the packed file is written under another name, synced, read back and compared; it is renamed to
//! `00000001.pack`; the folder is synced; `00000001.seg` is removed. Until the folder is synced the segment is what
//! counts, afterwards the pack. A crash leaves the segment, or both, or the pack: with both, opening takes a pack that is
//! whole and removes the segment (`open.rs`). A failure leaves the journal as it was, usable, and can be tried again.

use super::{
    ClosedSegment, Form, Journal, JournalError, PackedSegment, Packs, SEGMENT_HEADER_BYTES, open,
    pack_name, segment_name,
};
use crate::files::{FileOperation, FilesError};

/// The name of a packed segment while it is written; after all segments, so that its handle stays open for its sync.
pub(super) const UNFINISHED: &str = "unfinished.pack";

impl Journal {
    /// Returns the packed segments, to be read beside the journal.
    pub fn packs(&self) -> Packs {
        self.packs.clone()
    }

    /// Returns how many segments are complete and not packed.
    pub fn closed_segments(&self) -> usize {
        let last = self.end().segment;
        let loose = self
            .segments
            .range(..last)
            .filter(|(_, s)| s.form == Form::Loose);
        loose.count()
    }

    /// Returns the number of the first segment that is complete and not packed; nothing is read.
    pub fn first_closed(&self) -> Option<u32> {
        let last = self.end().segment;
        let loose = self
            .segments
            .range(..last)
            .find(|(_, s)| s.form == Form::Loose);
        loose.map(|(number, _)| *number)
    }

    /// Returns the first segment that is complete and not packed, with its bytes; it needs a codec.
    pub fn closed_segment(&self) -> Result<Option<ClosedSegment>, JournalError> {
        let Some(number) = self.first_closed() else {
            return Ok(None);
        };
        let codec = self.packs.codec();
        let codec = codec.ok_or(JournalError::NoCodec { segment: number })?;
        Ok(Some(ClosedSegment {
            number,
            bytes: open::read_segment(&*self.files, number)?,
            codec,
        }))
    }

    /// Replaces a closed segment by its packed form, durably.
    pub fn adopt(&mut self, pack: &PackedSegment) -> Result<(), JournalError> {
        let number = pack.number();
        let is_last = number == self.end().segment;
        let known = self.segments.get(&number).filter(|segment| {
            let header = &pack.header;
            segment.form == Form::Loose
                && !is_last
                && (segment.salt, segment.length) == (header.segment.salt, header.length)
        });
        if known.is_none() {
            return Err(JournalError::NotClosed { segment: number });
        }
        let name = pack_name(number);
        self.write_unfinished(pack)?;
        self.files.rename(UNFINISHED, &name)?;
        self.files.sync_folder()?;
        self.packs.insert(pack.header);
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.form = Form::Packed;
            segment.stored = pack.packed_bytes();
        }
        // It is a leftover now: if it stays, the next opening removes it.
        if let Err(error) = self.files.remove(&segment_name(number)) {
            tracing::warn!(%error, "a segment that was packed stays for now");
        }
        Ok(())
    }

    /// Writes the packed form durably under a name that counts for nothing, and reads it back.
    fn write_unfinished(&mut self, pack: &PackedSegment) -> Result<(), JournalError> {
        if self.files.list()?.iter().any(|name| name == UNFINISHED) {
            self.files.remove(UNFINISHED)?;
        }
        self.files.create_new(UNFINISHED)?;
        self.files.write_at(UNFINISHED, 0, &pack.file)?;
        self.files.sync_data(UNFINISHED)?;
        let mut written = vec![0; pack.file.len()];
        self.files.read_at(UNFINISHED, 0, &mut written)?;
        if written == pack.file {
            return Ok(());
        }
        let source = std::io::Error::other("it does not read back as it was written");
        Err(FilesError::new(FileOperation::Read, UNFINISHED, source).into())
    }

    /// Closes the last segment where it has at least `least_bytes`: the next commit begins another. Returns whether it did.
    ///
    /// Nothing may be staged, or it does nothing.
    pub fn close_segment(&mut self, least_bytes: u32) -> Result<bool, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let end = self.end();
        let is_empty = end.offset <= SEGMENT_HEADER_BYTES;
        if !self.staged.is_empty() || is_empty || end.offset < least_bytes {
            return Ok(false);
        }
        let next = end.segment.checked_add(1).ok_or(JournalError::Full)?;
        let begun = self.begin_segment(next);
        // A segment half made must be looked at by an opening before anything is written to it.
        self.poisoned |= begun.is_err();
        begun.map(|()| true)
    }
}
