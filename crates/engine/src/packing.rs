//! Packing history: who asks for it, and in which steps.
//!
//! [`Replica::pack_source`] gives a closed segment of the journal, which may be packed on any thread: it is a function of
//! bytes that do not change. [`Replica::adopt_pack`] then replaces the segment, and [`Replica::list_packed`] lists
//! its contents in fewer entries of the store, a batch a call. A crash anywhere in between loses nothing: the
//! segment counts until the pack is durable, and what is not listed anew yet is listed by the next opening.

use driftless_store::{ClosedSegment, PackedSegment};

use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;

impl Replica {
    /// Whether there is history to pack, or packed history to list anew.
    pub fn wants_pack(&self) -> bool {
        !self.broken && (self.segments_to_pack() > 0 || self.core.has_unlisted_packed())
    }

    /// How many segments of the journal wait to be packed.
    pub fn segments_to_pack(&self) -> usize {
        self.journal.closed_segments()
    }

    /// The number of the segment that [`Replica::pack_source`] would give; nothing is read.
    pub fn next_to_pack(&self) -> Option<u32> {
        self.journal.first_closed()
    }

    /// The next segment to pack, if any: [`ClosedSegment::pack`] it, on any thread.
    pub fn pack_source(&self) -> Result<Option<ClosedSegment>, EngineError> {
        Ok(self.journal.closed_segment()?)
    }

    /// Puts a packed segment in the place of the one it was made of, durably. An error leaves all as it was.
    pub fn adopt_pack(&mut self, pack: &PackedSegment) -> Result<(), EngineError> {
        self.check_usable()?;
        Ok(self.journal.adopt(pack)?)
    }

    /// Lists some packed history in fewer entries of the store; says whether more is left to be listed.
    ///
    /// While something is staged it does nothing. After an error the replica is [`EngineError::Broken`].
    pub fn list_packed(&mut self) -> Result<bool, EngineError> {
        self.check_usable()?;
        if self.has_staged() {
            return Ok(self.core.has_unlisted_packed());
        }
        let listed = self.core.list_packed();
        self.broken |= listed.is_err();
        listed
    }

    /// Closes the journal's newest segment where it has at least `least_bytes`, so that it can be packed too; says whether
    /// it did. Commits what is staged.
    pub fn close_segment(&mut self, least_bytes: u32) -> Result<bool, EngineError> {
        self.commit_group()?;
        let closed = self.journal.close_segment(least_bytes);
        self.broken |= self.journal.is_poisoned();
        Ok(closed?)
    }

    /// Packs all history there is, now, the newest segment too where that is worth it.
    ///
    /// `go_on` is asked now and then: once it says no, what is packed so far stays packed.
    pub fn pack_all(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), EngineError> {
        self.close_segment(limits::CLOSE_SEGMENT_BYTES)?;
        while self.pack_next(go_on)? {}
        Ok(())
    }

    /// Packs the next closed segment, on this thread; says whether there was one, and `go_on` did not end it. Commits what
    /// is staged.
    pub fn pack_next(&mut self, go_on: &dyn Fn() -> bool) -> Result<bool, EngineError> {
        self.commit_group()?;
        let Some(source) = self.pack_source()? else {
            return Ok(false);
        };
        let Some(pack) = source.pack(go_on)? else {
            return Ok(false);
        };
        self.adopt_pack(&pack)?;
        while self.list_packed()? {}
        Ok(true)
    }
}
