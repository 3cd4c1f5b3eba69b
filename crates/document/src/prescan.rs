//! What is looked at in a raw change, and in a saved document, before any parser sees it.
//!
//! The chunk's frame, its length against the limit, its actors, which columns there are, and the counts of their
//! run-length codes: a hundred bytes can claim a million operations, or one long key a million times. Everything else
//! is left to the parser. What it counts must be what the parser reads (`prescan_tests.rs`).

mod document;

use crate::admission::Refusal;
use crate::limits;

pub(crate) use document::check_stored;

/// The first bytes of every Automerge chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of a raw (not deflated) change.
const RAW_CHANGE: u8 = 1;
/// Magic, checksum, chunk type.
const HEADER_BYTES: usize = 9;

/// The columns that are counted, by their specification: column id shifted by 4 bits, plus the type.
const KEYS: u64 = 1 << 4 | 5;
const ACTIONS: u64 = 4 << 4 | 2;
const REPLACED: u64 = 7 << 4;
/// Those that name actors by their number: of objects, of elements, of replaced operations.
const ACTORS: [u64; 3] = [1, 17, 113];
/// The action of an operation that deletes.
const DELETE: u64 = 3;

/// All columns that the operations of Driftless need: objects, keys, insertions, actions, values, replaced operations.
const COLUMNS: [u64; 12] = [1, 2, 17, 19, KEYS, 52, ACTIONS, 86, 87, REPLACED, 113, 115];
/// Those of marks: how they grow, and their names.
const MARKS: [u64; 2] = [9 << 4 | 4, 10 << 4 | 5];
/// Bytes of an actor's id. Every operation that names one has a copy, so a long one would be copied without end.
const ACTOR_BYTES: usize = 16;

/// Checks that `raw` is exactly one raw change chunk within the limits.
pub(crate) fn check(raw: &[u8]) -> Result<(), Refusal> {
    let layout = Layout::of(body(raw)?).ok_or(Refusal::NotAChange)?;
    let foreign = |what| Err(Refusal::Foreign { what });
    if !layout.actors_have_16_bytes {
        return foreign("an actor id that has not 16 bytes");
    }
    for (column, _) in &layout.columns {
        if MARKS.contains(column) {
            return foreign("a mark");
        }
        if !COLUMNS.contains(column) {
            return foreign("a column that no Driftless writes");
        }
    }
    let counts = Counts::of(&layout).ok_or(Refusal::NotAChange)?;
    if counts.actors > layout.actors {
        return Err(Refusal::NotAChange);
    }
    let counts = [
        ("dependencies", layout.deps, limits::CHANGE_DEPS),
        ("actors", layout.actors, limits::CHANGE_ACTORS),
        ("operations", counts.operations, limits::CHANGE_OPERATIONS),
        (
            "replaced operations",
            counts.replaced,
            limits::CHANGE_REPLACED,
        ),
        ("bytes of keys", counts.key_bytes, limits::CHANGE_KEY_BYTES),
        (
            "writing operations in its few bytes",
            counts.writing,
            limits::CHANGE_WRITES + limits::CHANGE_WRITES_PER_BYTE * raw.len(),
        ),
    ];
    for (what, count, limit) in counts {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > limit {
            return Err(Refusal::OverLimit { what, count, limit });
        }
    }
    Ok(())
}

/// The chunk without its frame, where it is one raw change chunk of its full length.
pub(crate) fn body(raw: &[u8]) -> Result<&[u8], Refusal> {
    if raw.len() > limits::CHANGE_BYTES {
        return Err(Refusal::TooLarge {
            bytes: raw.len(),
            limit: limits::CHANGE_BYTES,
        });
    }
    if raw.len() <= HEADER_BYTES || raw[..4] != MAGIC || raw[8] != RAW_CHANGE {
        return Err(Refusal::NotAChange);
    }
    let mut reader = Reader(&raw[HEADER_BYTES..]);
    match reader.unsigned() {
        Some(length) if usize::try_from(length) == Ok(reader.0.len()) => Ok(reader.0),
        _ => Err(Refusal::NotAChange),
    }
}

/// How many bytes the chunk at the front takes, as it says itself: magic, checksum, type, length, content.
pub(crate) fn chunk_length(bytes: &[u8]) -> Option<usize> {
    if bytes.len() <= HEADER_BYTES || bytes[..4] != MAGIC {
        return None;
    }
    let mut reader = Reader(&bytes[HEADER_BYTES..]);
    let content = usize::try_from(reader.unsigned()?).ok()?;
    (bytes.len() - reader.0.len()).checked_add(content)
}

/// The key of a change that has one operation at the root, without reading anything else of it.
pub(crate) fn only_key(raw: &[u8]) -> Option<String> {
    let layout = Layout::of(body(raw).ok()?)?;
    let (_, keys) = layout
        .columns
        .into_iter()
        .find(|(column, _)| *column == KEYS)?;
    let mut runs = Reader(keys);
    let (1 | -1) = runs.signed()? else {
        return None;
    };
    let key = std::str::from_utf8(runs.prefixed()?).ok()?;
    runs.0.is_empty().then(|| key.to_owned())
}

/// What the run-length codes of a change claim.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    operations: u64,
    /// Those that are not deletes.
    writing: u64,
    replaced: u64,
    key_bytes: u64,
    /// One more than the greatest number by which an actor is named.
    actors: u64,
}

impl Counts {
    /// Reads the runs of the columns.
    fn of(layout: &Layout<'_>) -> Option<Self> {
        let mut counts = Self::default();
        for (column, bytes) in &layout.columns {
            let runs = Reader(bytes);
            match *column {
                ACTIONS => each_run(runs, Reader::unsigned, |count, action| {
                    let writing = count * u64::from(action != Some(DELETE));
                    counts.operations = counts.operations.saturating_add(count);
                    counts.writing = counts.writing.saturating_add(writing);
                }),
                REPLACED => each_run(runs, Reader::unsigned, |count, replaced| {
                    let more = count.saturating_mul(replaced.unwrap_or(0));
                    counts.replaced = counts.replaced.saturating_add(more);
                }),
                KEYS => {
                    let length = |runs: &mut Reader<'_>| Some(runs.prefixed()?.len() as u64);
                    each_run(runs, length, |count, length| {
                        let more = count.saturating_mul(length.unwrap_or(0));
                        counts.key_bytes = counts.key_bytes.saturating_add(more);
                    })
                }
                column if ACTORS.contains(&column) => {
                    each_run(runs, Reader::unsigned, |_, actor| {
                        let end = actor.map_or(0, |actor| actor.saturating_add(1));
                        counts.actors = counts.actors.max(end);
                    })
                }
                _ => Some(()),
            }?;
        }
        Some(counts)
    }
}

/// What stands in a change's body before and behind its operations.
struct Layout<'a> {
    deps: u64,
    /// Its own and those it names.
    actors: u64,
    actors_have_16_bytes: bool,
    /// Each with its specification.
    columns: Vec<(u64, &'a [u8])>,
}

impl<'a> Layout<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let deps = reader.unsigned()?;
        reader.take(deps.checked_mul(32)?)?;
        let mut actors_have_16_bytes = reader.prefixed()?.len() == ACTOR_BYTES;
        for _ in ["sequence number", "first operation", "time"] {
            reader.number()?;
        }
        reader.prefixed()?; // message
        let others = reader.unsigned()?;
        for _ in 0..others {
            actors_have_16_bytes &= reader.prefixed()?.len() == ACTOR_BYTES;
        }
        let columns = columns(&mut reader)?
            .into_iter()
            .map(|(column, length)| Some((column, reader.take(length)?)));
        Some(Self {
            deps,
            actors: others + 1,
            actors_have_16_bytes,
            columns: columns.collect::<Option<_>>()?,
        })
    }
}

/// Which columns follow, by their specification, and how many bytes each has.
fn columns(reader: &mut Reader<'_>) -> Option<Vec<(u64, u64)>> {
    let mut lengths = Vec::new();
    for _ in 0..reader.unsigned()? {
        lengths.push((reader.unsigned()?, reader.unsigned()?));
    }
    Some(lengths)
}

/// Goes through a run-length column: how often each item stands, and which; a run of nulls has none.
fn each_run<'a>(
    mut runs: Reader<'a>,
    item: fn(&mut Reader<'a>) -> Option<u64>,
    mut on: impl FnMut(u64, Option<u64>),
) -> Option<()> {
    while !runs.0.is_empty() {
        match runs.signed()? {
            0 => on(runs.unsigned()?, None),
            items @ 1.. => on(items.unsigned_abs(), Some(item(&mut runs)?)),
            items => {
                for _ in 0..items.unsigned_abs() {
                    on(1, Some(item(&mut runs)?));
                }
            }
        }
    }
    Some(())
}

/// Reads numbers and bytes off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes behind their length.
    fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = self.unsigned()?;
        self.take(length)
    }

    /// The bits of a LEB128 number, and how many there are.
    fn number(&mut self) -> Option<(u64, u32)> {
        let (mut bits, mut width) = (0u64, 0u32);
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let low = u64::from(byte & 0x7f);
            if width == 63 && !matches!(low, 0 | 1 | 0x7f) {
                return None; // over 64 bits
            }
            bits |= low << width;
            width += 7;
            if byte & 0x80 == 0 {
                return Some((bits, width));
            }
            if width > 63 {
                return None;
            }
        }
    }

    fn unsigned(&mut self) -> Option<u64> {
        self.number().map(|(bits, _)| bits)
    }

    fn signed(&mut self) -> Option<i64> {
        let (bits, width) = self.number()?;
        let unused = 64u32.saturating_sub(width);
        // Shifted up and down again, so that the highest bit read is the sign.
        Some((bits << unused).cast_signed() >> unused)
    }
}

#[cfg(test)]
mod tests;
