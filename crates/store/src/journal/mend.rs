//! Mending a damaged journal: what is whole in each damaged segment is kept, and the damaged file is set aside.
//!
//! [`survey`](Mending::survey) reads everything and changes nothing. [`Mending::mend`] then writes a mended form
//! (`mended.rs`) of each damaged segment and renames the damaged file to `00000001.seg.damaged`. Between
//! [`Mending::begin`] and [`Mending::finish`] a file `repair.unfinished` stands in the folder: as long as it does, the
//! journal does not open but for whoever goes on with the repair. A crash at any point leaves the damaged file, or the
//! mended form, or both, in which case the mended form counts; nothing is ever removed.

use std::sync::Arc;

use super::format::{Link, SEGMENT_HEADER_BYTES, length_of};
use super::mended::{MendedFile, encode, mended_name};
use super::pack::{PackHeader, unpack};
use super::salvage::{Found, walk};
use super::{
    Damage, Journal, JournalError, KnownEnd, Position, SegmentCodec, open, pack_name, segment_name,
};
use crate::files::{FileOperation, Files, FilesError};

/// The name of the file that says that a repair has begun and is not finished.
pub(super) const UNFINISHED_REPAIR: &str = "repair.unfinished";
/// The name of a mended segment while it is written; after all segments, so that its handle stays open for its sync.
const UNFINISHED: &str = "unfinished.mend";
/// What a damaged file is called from then on, behind its own name.
const DAMAGED: &str = "damaged";

/// A place of the journal where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFault {
    /// The file, without its folder; of a segment that is missing, the name it had.
    pub file: String,
    /// Number of the segment.
    pub segment: u32,
    /// Byte in the segment, as if it were not packed.
    pub offset: u32,
    /// What is wrong.
    pub damage: Damage,
}

/// A segment that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedSegment {
    /// Number of the segment.
    pub number: u32,
    /// Its file, if there is one.
    pub file: Option<String>,
    /// Frames of it that are whole.
    pub frames: u64,
    before: Link,
    last: Link,
    length: u32,
}

/// What was found in a journal, and what there is to mend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What is wrong, in the order of the journal.
    pub faults: Vec<JournalFault>,
    /// The segments to mend.
    pub damaged: Vec<DamagedSegment>,
    /// How many segments there are.
    pub segments: u32,
    /// Bytes at the end that were never acknowledged, and are cut when the journal is opened.
    pub torn_bytes: u64,
    /// Whether a repair was begun and not finished.
    pub is_unfinished: bool,
}

impl Survey {
    /// Says whether all is as it was written.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && !self.is_unfinished
    }
}

/// Reads a journal that may be damaged, and mends it.
pub struct Mending {
    files: Box<dyn Files>,
    codec: Arc<dyn SegmentCodec>,
    known_end: KnownEnd,
}

/// One segment as it was found.
struct Seen {
    file: Option<String>,
    before: Option<Link>,
    last: Option<Link>,
    length: u32,
    frames: u64,
    faults: Vec<(u32, Damage)>,
    torn_bytes: u64,
}

impl Mending {
    /// Of the journal in `files`; `known_end` is what somebody else knows of its end.
    pub fn of(files: Box<dyn Files>, codec: Arc<dyn SegmentCodec>, known_end: KnownEnd) -> Mending {
        Mending {
            files,
            codec,
            known_end,
        }
    }

    /// Reads all of it and says what is wrong; nothing is changed.
    ///
    /// `go_on` is asked before each segment, with the bytes done and in all; once it says no, the answer is `None`.
    pub fn survey(
        &self,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Survey>, JournalError> {
        let names = self.files.list()?;
        let mut survey = Survey {
            is_unfinished: names.iter().any(|name| name == UNFINISHED_REPAIR),
            ..Survey::default()
        };
        let last = self.last_segment(&names);
        survey.segments = last;
        let total: u64 = (1..=last)
            .map(|number| self.file_bytes(&names, number))
            .sum();
        let mut done = 0;
        let mut out = Link::default();
        let mut next = None;
        for number in 1..=last {
            if !go_on(done, total) {
                return Ok(None);
            }
            done += self.file_bytes(&names, number);
            let seen = match next.take() {
                Some(seen) => seen,
                None => self.look(&names, number, number == last, &mut |_| ())?,
            };
            let following = if number < last {
                Some(self.look(&names, number + 1, number + 1 == last, &mut |_| ())?)
            } else {
                None
            };
            out = survey.take(number, out, seen, following.as_ref());
            next = following;
        }
        Ok(Some(survey))
    }

    /// Notes that a repair begins: until [`Mending::finish`] the journal opens for nobody else.
    pub fn begin(&mut self) -> Result<(), JournalError> {
        if !self
            .files
            .list()?
            .iter()
            .any(|name| name == UNFINISHED_REPAIR)
        {
            self.files.create_new(UNFINISHED_REPAIR)?;
        }
        self.files.sync_data(UNFINISHED_REPAIR)?;
        Ok(self.files.sync_folder()?)
    }

    /// The repair is over.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        if self
            .files
            .list()?
            .iter()
            .any(|name| name == UNFINISHED_REPAIR)
        {
            self.files.remove(UNFINISHED_REPAIR)?;
        }
        Ok(self.files.sync_folder()?)
    }

    /// Shows every frame that is whole, of all segments, in order.
    pub fn frames(&self, show: &mut dyn FnMut(Found)) -> Result<(), JournalError> {
        let names = self.files.list()?;
        let last = self.last_segment(&names);
        for number in 1..=last {
            self.look(&names, number, number == last, show)?;
        }
        Ok(())
    }

    /// Mends one damaged segment: `keep` says which whole frames are kept. Returns how many were.
    pub fn mend(
        &mut self,
        damaged: &DamagedSegment,
        keep: &mut dyn FnMut(&Found) -> bool,
    ) -> Result<u64, JournalError> {
        let names = self.files.list()?;
        let number = damaged.number;
        let mut frames = Vec::new();
        let mut end = SEGMENT_HEADER_BYTES;
        let is_last = false; // nothing of it is torn: it is mended
        self.look(&names, number, is_last, &mut |found| {
            let offset = found.frame.position.offset;
            if offset >= end && keep(&found) {
                let mut bytes = Vec::new();
                super::encode_frame(&mut bytes, found.frame.kind, &found.frame.bytes);
                end = offset + length_of(&bytes);
                frames.push((offset, bytes));
            }
        })?;
        let length = damaged.length.max(end);
        let file = encode(number, damaged.before, damaged.last, length, &frames);
        let name = mended_name(number);
        if names.contains(&name) {
            // It is about to be replaced by name, so its bytes go aside as a copy.
            let damaged = open::read_whole(&*self.files, &name, number)?;
            self.write_durably(&names, &aside(&names, &name), &damaged)?;
        }
        self.write_durably(&names, UNFINISHED, &file)?;
        self.files.rename(UNFINISHED, &name)?;
        self.files.sync_folder()?;
        self.set_aside(&names, number)?;
        self.files.sync_folder()?;
        Ok(frames.len() as u64)
    }

    /// Sets aside what a repair that was cut off had mended, and had not come to set aside. To be called once all that is
    /// damaged is mended: until then what is there twice may be needed.
    pub fn set_aside_replaced(&mut self) -> Result<(), JournalError> {
        let names = self.files.list()?;
        let mut is_changed = false;
        for number in open::numbers(&names, mended_name) {
            is_changed |= self.set_aside(&names, number)?;
        }
        if is_changed {
            self.files.sync_folder()?;
        }
        Ok(())
    }

    /// Renames the forms of a segment in the place of which there is a mended one; says whether there were any.
    fn set_aside(&mut self, names: &[String], number: u32) -> Result<bool, JournalError> {
        let mut is_changed = false;
        for damaged in [segment_name(number), pack_name(number)] {
            if names.contains(&damaged) {
                self.files.rename(&damaged, &aside(names, &damaged))?;
                is_changed = true;
            }
        }
        Ok(is_changed)
    }

    /// Writes a file durably, in the place of what an earlier attempt left under its name, and reads it back.
    fn write_durably(
        &mut self,
        names: &[String],
        name: &str,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        if names.iter().any(|there| there == name) {
            self.files.remove(name)?;
        }
        self.files.create_new(name)?;
        self.files.write_at(name, 0, bytes)?;
        self.files.sync_data(name)?;
        self.files.sync_folder()?;
        let mut written = vec![0; bytes.len()];
        self.files.read_at(name, 0, &mut written)?;
        if written == bytes {
            return Ok(());
        }
        let source = std::io::Error::other("it does not read back as it was written");
        Err(FilesError::new(FileOperation::Read, name, source).into())
    }

    /// The last segment there is or was.
    fn last_segment(&self, names: &[String]) -> u32 {
        let loose = open::numbers(names, segment_name).last().copied();
        let packed = open::numbers(names, pack_name).last().copied();
        let mended = open::numbers(names, mended_name).last().copied();
        let durable = self.known_end.position().map(|end| end.segment);
        // Only a segment with another behind it is packed.
        let behind = packed.and_then(|number| number.checked_add(1));
        let found = [loose, behind, mended, durable];
        found.into_iter().flatten().max().unwrap_or(1).max(1)
    }

    fn file_bytes(&self, names: &[String], number: u32) -> u64 {
        let of = |name: String| {
            let there = names.contains(&name);
            there.then(|| self.files.length(&name).unwrap_or(0))
        };
        let forms = [mended_name(number), pack_name(number), segment_name(number)];
        forms.into_iter().find_map(of).unwrap_or(0)
    }

    /// Reads one segment in the best form there is of it.
    fn look(
        &self,
        names: &[String],
        number: u32,
        is_last: bool,
        show: &mut dyn FnMut(Found),
    ) -> Result<Seen, JournalError> {
        let has = |name: String| names.contains(&name).then_some(name);
        let (mended, packed) = (has(mended_name(number)), has(pack_name(number)));
        let loose = has(segment_name(number));
        let mut seen = None;
        if let Some(name) = &mended {
            let whole =
                self.look_at_mended(number, name, loose.is_none() && packed.is_none(), show);
            seen = whole?;
        }
        if let (None, Some(name)) = (&seen, &packed) {
            seen = self.look_at_packed(number, name, loose.is_none(), show)?;
        }
        if let (None, Some(name)) = (&seen, &loose) {
            seen = Some(self.look_at_loose(number, name, is_last, show)?);
        }
        Ok(seen.unwrap_or_else(|| Seen {
            file: None,
            before: None,
            last: None,
            length: SEGMENT_HEADER_BYTES,
            frames: 0,
            faults: vec![(0, Damage::MissingSegment)],
            torn_bytes: 0,
        }))
    }

    fn look_at_loose(
        &self,
        number: u32,
        name: &str,
        is_last: bool,
        show: &mut dyn FnMut(Found),
    ) -> Result<Seen, JournalError> {
        let bytes = open::read_segment(&*self.files, number)?;
        let walked = walk(&bytes, number, show);
        let mut seen = Seen {
            file: Some(name.to_owned()),
            before: walked.header.map(|header| header.before),
            last: walked.last,
            length: length_of(&bytes).max(SEGMENT_HEADER_BYTES),
            frames: walked.frames,
            faults: walked.faults,
            torn_bytes: 0,
        };
        if is_last {
            self.judge_end(number, walked.whole_to, walked.goes_on, &mut seen);
        }
        Ok(seen)
    }

    /// The end of the last segment: what is broken there was torn before it counted, unless somebody knows better.
    fn judge_end(&self, number: u32, whole_to: u32, goes_on: bool, seen: &mut Seen) {
        let whole_to = Position {
            segment: number,
            offset: whole_to,
        };
        let was_durable = self.known_end.is_behind(whole_to);
        let is_short = self.known_end.position() > Some(whole_to);
        let first = seen.faults.first().copied();
        let is_unmade = matches!(first, Some((0, _))) && seen.length <= SEGMENT_HEADER_BYTES;
        match first {
            Some((offset, damage)) if !was_durable && !goes_on => {
                let is_torn = is_unmade || damage == Damage::Group;
                if is_torn {
                    seen.torn_bytes = u64::from(seen.length - offset);
                    seen.faults.clear();
                }
            }
            None if is_short => seen.faults.push((whole_to.offset, Damage::CutShort)),
            _ => {}
        }
    }

    /// `None` where it is not whole and another form of the segment is there.
    fn look_at_packed(
        &self,
        number: u32,
        name: &str,
        is_alone: bool,
        show: &mut dyn FnMut(Found),
    ) -> Result<Option<Seen>, JournalError> {
        let file = super::packs::read_pack(&*self.files, number)?;
        let header = PackHeader::check(&file, number)
            .ok()
            .map(|(header, _)| header);
        if let Some(header) = header
            && let Ok(bytes) = unpack(&file, number, &*self.codec)
        {
            let walked = walk(&bytes, number, show);
            return Ok(Some(Seen {
                file: Some(name.to_owned()),
                before: Some(header.segment.before),
                last: Some(header.last),
                length: header.length,
                frames: walked.frames,
                faults: walked.faults,
                torn_bytes: 0,
            }));
        }
        if !is_alone {
            return Ok(None);
        }
        let salvaged = super::pack::salvage(&file, number, &*self.codec);
        let frames = salvaged.frames.len() as u64;
        for frame in salvaged.frames {
            show(Found {
                frame,
                is_sure: false,
            });
        }
        Ok(Some(Seen {
            file: Some(name.to_owned()),
            before: salvaged.header.map(|header| header.segment.before),
            last: salvaged.header.map(|header| header.last),
            length: salvaged.length,
            frames,
            faults: vec![(0, Damage::Pack)],
            torn_bytes: 0,
        }))
    }

    fn look_at_mended(
        &self,
        number: u32,
        name: &str,
        is_alone: bool,
        show: &mut dyn FnMut(Found),
    ) -> Result<Option<Seen>, JournalError> {
        let mut seen = Seen {
            file: Some(name.to_owned()),
            before: None,
            last: None,
            length: SEGMENT_HEADER_BYTES,
            frames: 0,
            faults: Vec::new(),
            torn_bytes: 0,
        };
        match MendedFile::read(&*self.files, number) {
            Ok(file) => {
                let header = file.header;
                seen.before = Some(header.before);
                seen.last = Some(header.last);
                seen.length = header.length;
                file.replay::<JournalError>(Position::START, &mut |frame| {
                    seen.frames += 1;
                    show(Found {
                        frame,
                        is_sure: true,
                    });
                    Ok(crate::visit::Visit::Continue)
                })?;
            }
            Err(error @ JournalError::Files(_)) => return Err(error),
            Err(_) if !is_alone => return Ok(None),
            Err(_) => {
                let bytes = open::read_whole(&*self.files, name, number)?;
                let found = super::mended::salvage(&bytes, number);
                seen.faults.push((0, Damage::Mended));
                seen.frames = found.len() as u64;
                for found in found {
                    let frame = &found.frame;
                    let end =
                        frame.position.offset + super::FRAME_HEADER_BYTES + length_of(&frame.bytes);
                    seen.length = seen.length.max(end);
                    show(found);
                }
            }
        }
        Ok(Some(seen))
    }
}

impl Survey {
    /// Takes in one segment that follows `out`, with the one behind it; returns what the next one follows.
    fn take(&mut self, number: u32, out: Link, seen: Seen, following: Option<&Seen>) -> Link {
        let file = seen.file.clone().unwrap_or_else(|| segment_name(number));
        let mut faults = seen.faults;
        self.torn_bytes += seen.torn_bytes;
        let is_unmade = following.is_none() && seen.torn_bytes > 0 && seen.before.is_none();
        if faults.is_empty() && !is_unmade && seen.before != Some(out) {
            faults.push((0, Damage::Chain));
        }
        let wanted = following.and_then(|following| following.before);
        if faults.is_empty()
            && let Some(wanted) = wanted
            && seen.last != Some(wanted)
        {
            faults.push((seen.length, Damage::CutShort));
        }
        if faults.is_empty() {
            return seen.last.unwrap_or(out);
        }
        let invented = Link {
            number: seen
                .last
                .map_or(out.number, |last| last.number.max(out.number))
                + 1,
            check: 0,
        };
        let last = wanted.unwrap_or(invented);
        for (offset, damage) in faults {
            let file = file.clone();
            self.faults.push(JournalFault {
                file,
                segment: number,
                offset,
                damage,
            });
        }
        self.damaged.push(DamagedSegment {
            number,
            file: seen.file,
            frames: seen.frames,
            before: out,
            last,
            length: seen.length,
        });
        last
    }
}

/// A name for a damaged file that nothing has.
fn aside(names: &[String], name: &str) -> String {
    let mut aside = format!("{name}.{DAMAGED}");
    let mut count = 2;
    while names.contains(&aside) {
        aside = format!("{name}.{DAMAGED}-{count}");
        count += 1;
    }
    aside
}

impl Journal {
    /// Says whether something is gone from it for good: frames need not follow from those before them.
    pub fn has_gaps(&self) -> bool {
        self.segments
            .values()
            .any(|segment| segment.form == super::Form::Mended)
    }
}
