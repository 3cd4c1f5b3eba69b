//! Opening a journal: what is believed, what is cut, and what is reported.
//!
//! | found | meaning | answer |
//! |---|---|---|
//! | last segment no longer than its header, header unreadable | crash while it was created | the header is written anew |
//! | last group unreadable, no later one | crash or failed sync while it was written; never acknowledged | cut |
//! | either, and somebody knows that more was acknowledged | it had been durable | `Damaged` |
//! | a group unreadable, a later one (or a later segment) there | it had been durable | `Damaged` |
//! | a segment missing or not continuing the one before | it had been durable | `Damaged` |
//! | a segment and its packed form | crash while it was packed | a pack that is whole counts and the segment goes; else the pack goes |
//! | a packed form alone, unreadable or not continuing | it had been durable | `Damaged` |
//! | a packed form that is unfinished | crash while it was written | it goes |
//! | what is left of a segment that was damaged | it was mended | it counts; the damaged file, should it still be there, does not |
//! | that alone, unreadable or not continuing | it had been durable | `Damaged` |
//! | `repair.unfinished` | crash while it was repaired | `RepairUnfinished`, unless to go on with the repair |
//! | a read fails | nothing is known | `Files`, nothing is changed |
//!
//! Then the last group is written again, byte for byte, and synced: it alone can be in doubt, because a sync may have
//! failed and the operating system may show what the disk does not have. A crash in between leaves equal bytes.

use super::{
    Damage, Form, Journal, JournalError, KnownEnd, Position, Segment,
    mend::UNFINISHED_REPAIR,
    mended::{MendedFile, mended_name},
    pack::PackHeader,
    pack_name,
    packing::UNFINISHED,
    packs::read_pack,
    segment_name,
};
use crate::{
    files::Files,
    journal::format::{
        Groups, Place, SEGMENT_HEADER_BYTES, SegmentHeader, Unreadable, holds_later_group,
        length_of,
    },
    limits::SEGMENT_READ_BYTES_MAX,
};

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Segments there are.
    pub segments: u32,
    /// Groups there are; also the number of the last one.
    pub groups: u64,
    /// Bytes of a group that was never acknowledged and was cut.
    pub torn_bytes: u64,
    /// The end of the journal.
    pub end: Position,
}

/// Bytes of the last segment that are written again and made durable before they count.
struct Tail {
    offset: u32,
    bytes: Vec<u8>,
    torn_bytes: u64,
}

/// Fills in a journal that knows no segments yet.
pub(super) fn open(
    mut journal: Journal,
    in_repair: bool,
    known_end: &mut dyn FnMut() -> KnownEnd,
) -> Result<(Journal, Opening), JournalError> {
    let names = journal.files.list()?;
    if !in_repair && names.iter().any(|name| name == UNFINISHED_REPAIR) {
        return Err(JournalError::RepairUnfinished);
    }
    let (segments, packs) = (numbers(&names, segment_name), numbers(&names, pack_name));
    let mended = numbers(&names, mended_name);
    let all = segments.iter().chain(&packs).chain(&mended);
    let Some(last) = all.copied().max() else {
        return Err(JournalError::Absent);
    };
    let missing = |number| Unreadable::Bad(Damage::MissingSegment).at(number, 0);
    let mut leftovers: Vec<String> = names
        .into_iter()
        .filter(|name| name == UNFINISHED)
        .collect();
    for number in 1..last {
        let is_loose = segments.binary_search(&number).is_ok();
        if mended.binary_search(&number).is_ok() {
            load_mended(&mut journal, number)?;
            continue;
        }
        if packs.binary_search(&number).is_ok() {
            match load_pack(&mut journal, number) {
                Ok(()) if is_loose => leftovers.push(segment_name(number)),
                Ok(()) => {}
                Err(JournalError::Damaged { .. }) if is_loose => {
                    tracing::warn!(
                        number,
                        "a packed segment is broken; the segment is still there"
                    );
                    leftovers.push(pack_name(number));
                }
                Err(error) => return Err(error),
            }
        }
        if !journal.packs.contains(number) {
            if !is_loose {
                return Err(missing(number));
            }
            let bytes = read_segment(&*journal.files, number)?;
            load_segment(&mut journal, number, &bytes, None)?;
        }
    }
    if mended.last() == Some(&last) {
        load_mended(&mut journal, last)?;
        return begin_behind(journal, last, &leftovers);
    }
    if packs.last() == Some(&last) {
        // Only a segment with another behind it is packed.
        return Err(missing(last.saturating_add(1)));
    }
    let bytes = read_segment(&*journal.files, last)?;
    let tail = load_segment(&mut journal, last, &bytes, Some(known_end))?;
    settle(&mut journal, last, &tail, &leftovers)?;
    let opening = Opening {
        segments: last,
        groups: journal.last.number,
        torn_bytes: tail.torn_bytes,
        end: journal.end(),
    };
    if opening.torn_bytes > 0 {
        tracing::warn!(bytes = opening.torn_bytes, end = %opening.end, "cut a torn journal tail");
    }
    Ok((journal, opening))
}

/// Returns the numbers of all segments that are not packed, in ascending order; other files are none of ours.
pub(super) fn segment_numbers(files: &dyn Files) -> Result<Vec<u32>, JournalError> {
    Ok(numbers(&files.list()?, segment_name))
}

/// Says whether every segment there is, is as it was written.
pub(super) fn has_only_loose(files: &dyn Files) -> Result<bool, JournalError> {
    let names = files.list()?;
    Ok(numbers(&names, pack_name).is_empty() && numbers(&names, mended_name).is_empty())
}

/// Returns the numbers that `name_of` makes names of.
pub(super) fn numbers(names: &[String], name_of: fn(u32) -> String) -> Vec<u32> {
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| {
            let number = name.split_once('.')?.0.parse().ok()?;
            (number > 0 && *name == name_of(number)).then_some(number)
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Takes in a packed segment without unpacking it.
fn load_pack(journal: &mut Journal, number: u32) -> Result<(), JournalError> {
    let file = read_pack(&*journal.files, number)?;
    let (header, _) = PackHeader::check(&file, number).map_err(|fault| fault.at(number, 0))?;
    if header.segment.before != journal.last {
        return Err(Unreadable::Bad(Damage::Chain).at(number, 0));
    }
    journal.last = header.last;
    let segment = Segment {
        salt: header.segment.salt,
        length: header.length,
        stored: file.len() as u64,
        form: Form::Packed,
    };
    journal.segments.insert(number, segment);
    journal.packs.insert(header);
    Ok(())
}

/// Takes in what is left of a segment.
fn load_mended(journal: &mut Journal, number: u32) -> Result<(), JournalError> {
    let file = MendedFile::read(&*journal.files, number)?;
    if file.header.before != journal.last {
        return Err(Unreadable::Bad(Damage::Chain).at(number, 0));
    }
    journal.last = file.header.last;
    let segment = Segment {
        salt: 0,
        length: file.header.length,
        stored: file.stored(),
        form: Form::Mended,
    };
    journal.segments.insert(number, segment);
    Ok(())
}

/// Begins a segment behind a mended one, which is never written to.
fn begin_behind(
    mut journal: Journal,
    last: u32,
    leftovers: &[String],
) -> Result<(Journal, Opening), JournalError> {
    let next = last.checked_add(1).ok_or(JournalError::Full)?;
    journal.begin_segment(next)?;
    for name in leftovers {
        journal.files.remove(name)?;
    }
    let opening = Opening {
        segments: next,
        groups: journal.last.number,
        torn_bytes: 0,
        end: journal.end(),
    };
    Ok((journal, opening))
}

/// Reads the file of a segment whole.
pub(super) fn read_segment(files: &dyn Files, number: u32) -> Result<Vec<u8>, JournalError> {
    read_whole(files, &segment_name(number), number)
}

/// Reads a file of segment `number` whole.
pub(super) fn read_whole(
    files: &dyn Files,
    name: &str,
    number: u32,
) -> Result<Vec<u8>, JournalError> {
    let length = files.length(name)?;
    if length > SEGMENT_READ_BYTES_MAX {
        return Err(Unreadable::Bad(Damage::TooLong).at(number, 0));
    }
    let length = usize::try_from(length).expect("the limit fits");
    let mut bytes = vec![0; length];
    files.read_at(name, 0, &mut bytes)?;
    Ok(bytes)
}

/// Takes in a loose segment. Only of the last one may the end be torn: `last` says where it was not.
fn load_segment(
    journal: &mut Journal,
    number: u32,
    bytes: &[u8],
    last: Option<&mut dyn FnMut() -> KnownEnd>,
) -> Result<Tail, JournalError> {
    let is_last = last.is_some();
    let was_acknowledged = |offset| {
        let end = Position {
            segment: number,
            offset,
        };
        last.is_some_and(|known_end| known_end().is_behind(end))
    };
    let header = match SegmentHeader::decode(bytes, number) {
        Ok(header) => header,
        Err(Unreadable::Bad(_)) if is_last && bytes.len() <= SEGMENT_HEADER_BYTES as usize => {
            if was_acknowledged(SEGMENT_HEADER_BYTES) {
                return Err(Unreadable::Bad(Damage::SegmentHeader).at(number, 0));
            }
            return renew_header(journal, number, bytes);
        }
        Err(fault) => return Err(fault.at(number, 0)),
    };
    if header.before != journal.last {
        return Err(Unreadable::Bad(Damage::Chain).at(number, 0));
    }
    let mut end = SEGMENT_HEADER_BYTES;
    let mut doubtful = 0..end;
    let mut torn = false;
    for group in Groups::of(bytes, &header) {
        match group {
            Ok(group) => {
                end = group.end();
                doubtful = group.offset..end;
                journal.last = group.link;
            }
            Err(Unreadable::Bad(_)) if is_last => torn = true,
            Err(fault) => return Err(fault.at(number, end)),
        }
    }
    let place = Place {
        segment: number,
        salt: header.salt,
        offset: end,
    };
    if torn && (holds_later_group(bytes, place, journal.last) || was_acknowledged(end)) {
        return Err(Unreadable::Bad(Damage::Group).at(number, end));
    }
    let segment = Segment::loose(header.salt, end);
    journal.segments.insert(number, segment);
    Ok(Tail {
        offset: doubtful.start,
        bytes: bytes[doubtful.start as usize..doubtful.end as usize].to_vec(),
        torn_bytes: u64::from(length_of(bytes) - end),
    })
}

/// Plans the header of a segment whose creation was interrupted.
fn renew_header(journal: &mut Journal, number: u32, bytes: &[u8]) -> Result<Tail, JournalError> {
    let salt = journal.files.fresh_salt()?;
    let header = SegmentHeader {
        segment: number,
        salt,
        before: journal.last,
    };
    let length = SEGMENT_HEADER_BYTES;
    journal
        .segments
        .insert(number, Segment::loose(salt, length));
    Ok(Tail {
        offset: 0,
        bytes: header.encode(),
        torn_bytes: u64::from(length_of(bytes)),
    })
}

/// Makes what was found durable, and what was cut durably gone; removes what packing left behind.
fn settle(
    journal: &mut Journal,
    last: u32,
    tail: &Tail,
    leftovers: &[String],
) -> Result<(), JournalError> {
    let name = segment_name(last);
    let end = journal.end();
    journal
        .files
        .write_at(&name, u64::from(tail.offset), &tail.bytes)?;
    // Even where nothing was torn: an earlier cut may have been shown and then lost with a sync that failed.
    journal.files.set_length(&name, u64::from(end.offset))?;
    journal.files.sync_data(&name)?;
    journal.files.sync_folder()?;
    // Only now: the name of a pack may not have been durable before.
    for name in leftovers {
        journal.files.remove(name)?;
    }
    Ok(())
}
