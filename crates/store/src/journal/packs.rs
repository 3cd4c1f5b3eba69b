//! [`Packs`]: the packed segments of a journal, read and unpacked as they are needed.
//!
//! A packed segment never changes, so it can be read beside the journal: whoever keeps an index of it has a clone of this.
//! It holds a few unpacked segments in memory, the ones used last.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Damage, Frame, JournalError, Position,
    format::Unreadable,
    pack::{PackHeader, SegmentCodec, unpack},
    pack_name, replay_bytes,
};
use crate::{
    files::Files,
    limits::{PACK_READ_BYTES_MAX, UNPACKED_SEGMENTS},
    visit::Visit,
};

/// The packed segments of one journal; clones share them.
#[derive(Clone)]
pub struct Packs {
    shelf: Arc<Mutex<Shelf>>,
}

struct Shelf {
    files: Box<dyn Files>,
    codec: Option<Arc<dyn SegmentCodec>>,
    packs: BTreeMap<u32, PackHeader>,
    /// Segments unpacked last, the newest at the end.
    unpacked: VecDeque<(u32, Arc<Vec<u8>>)>,
}

impl Packs {
    pub(super) fn new(files: Box<dyn Files>) -> Packs {
        let shelf = Shelf {
            files,
            codec: None,
            packs: BTreeMap::new(),
            unpacked: VecDeque::new(),
        };
        Packs {
            shelf: Arc::new(Mutex::new(shelf)),
        }
    }

    /// Returns the position before which all is packed: the first of the first segment that is not.
    pub fn end(&self) -> Position {
        let shelf = self.shelf();
        let packed = shelf.packs.keys().zip(1..);
        let last = packed
            .take_while(|(number, expected)| *number == expected)
            .last();
        Position {
            segment: last.map_or(1, |(number, _)| number + 1),
            offset: 0,
        }
    }

    /// Shows the frames of a packed segment that lie at or after `from`, in order.
    pub fn replay<E: From<JournalError>>(
        &self,
        segment: u32,
        from: Position,
        visit: &mut dyn FnMut(Frame) -> Result<Visit, E>,
    ) -> Result<(), E> {
        let bytes = self.unpacked(segment)?;
        replay_bytes(segment, &bytes, from, visit).map(|_| ())
    }

    /// Returns the bytes of a packed segment as they were.
    pub(super) fn unpacked(&self, number: u32) -> Result<Arc<Vec<u8>>, JournalError> {
        let mut shelf = self.shelf();
        if let Some(at) = shelf.unpacked.iter().position(|(held, _)| *held == number)
            && let Some((_, bytes)) = shelf.unpacked.remove(at)
        {
            shelf.unpacked.push_back((number, Arc::clone(&bytes)));
            return Ok(bytes);
        }
        let codec = shelf.codec.clone();
        let codec = codec.ok_or(JournalError::NoCodec { segment: number })?;
        let file = read_pack(&*shelf.files, number)?;
        let bytes = unpack(&file, number, &*codec).map_err(|fault| fault.at(number, 0))?;
        let bytes = Arc::new(bytes);
        shelf.unpacked.push_back((number, Arc::clone(&bytes)));
        if shelf.unpacked.len() > UNPACKED_SEGMENTS {
            shelf.unpacked.pop_front();
        }
        Ok(bytes)
    }

    pub(super) fn unpack_with(&self, codec: Arc<dyn SegmentCodec>) {
        self.shelf().codec = Some(codec);
    }

    pub(super) fn codec(&self) -> Option<Arc<dyn SegmentCodec>> {
        self.shelf().codec.clone()
    }

    pub(super) fn insert(&self, header: PackHeader) {
        self.shelf().packs.insert(header.segment.segment, header);
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.shelf().packs.contains_key(&number)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Whoever panicked inside left files that do not change and a cache.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file of a packed segment whole.
pub(super) fn read_pack(files: &dyn Files, number: u32) -> Result<Vec<u8>, JournalError> {
    let name = pack_name(number);
    let length = files.length(&name)?;
    if length > PACK_READ_BYTES_MAX {
        return Err(Unreadable::Bad(Damage::TooLong).at(number, 0));
    }
    let mut bytes = vec![0; usize::try_from(length).expect("the limit fits")];
    files.read_at(&name, 0, &mut bytes)?;
    Ok(bytes)
}
