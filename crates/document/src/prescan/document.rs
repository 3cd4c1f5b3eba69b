//! What is looked at in a stored record before Automerge reads it: a saved document, and loose changes behind it.
//!
//! A document of a few hundred bytes can claim billions of changes, dependencies, operations or bytes behind its
//! deflated columns, and Automerge makes room for what is claimed. So all that is counted in run-length codes is counted
//! here first, against what the bytes can honestly hold, and each count against those it must agree with. What is
//! honest and holds more is saved otherwise ([`crate::Record::save`]).
//!
//! What stands in the columns is not judged: Automerge compares the changes that it builds with the heads.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::DeflateDecoder;

use super::{ACTIONS, ACTOR_BYTES, HEADER_BYTES, KEYS, Reader, chunk_length, columns, each_run};
use crate::limits;
use crate::record::LoadError;

/// The chunk type of a saved document.
const DOCUMENT: u8 = 0;
/// The bit of a column's specification that says it is deflated.
const DEFLATED: u64 = 8;
/// The types of columns that are not numbers in runs: lengths of runs that take turns, texts in runs, plain bytes.
const BOOLEANS: u64 = 4;
const TEXTS: u64 = 5;
const PLAIN: u64 = 7;

/// The columns of changes: actors, sequence numbers, last operations, times, dependencies, extra bytes.
const CHANGE_COLUMNS: [u64; 7] = [
    CHANGE_ACTORS,
    3,
    LAST_OPERATIONS,
    35,
    DEPENDENCY_COUNTS,
    DEPENDENCIES,
    EXTRA_LENGTHS,
];
const CHANGE_ACTORS: u64 = 1;
const LAST_OPERATIONS: u64 = 1 << 4 | 3;
const DEPENDENCY_COUNTS: u64 = 4 << 4;
const DEPENDENCIES: u64 = 4 << 4 | 3;
const EXTRA_LENGTHS: u64 = 5 << 4 | 6;

/// The columns of operations: objects, keys, ids, insertions, actions, values, and by what each was replaced.
const OPERATION_COLUMNS: [u64; 14] = [
    1,
    2,
    17,
    19,
    KEYS,
    OPERATION_ACTORS,
    35,
    52,
    ACTIONS,
    VALUE_LENGTHS,
    VALUES,
    REPLACED_COUNTS,
    REPLACED_BY_ACTORS,
    REPLACED_BY,
];
const OPERATION_ACTORS: u64 = 2 << 4 | 1;
const VALUE_LENGTHS: u64 = 5 << 4 | 6;
const VALUES: u64 = 5 << 4 | 7;
const REPLACED_COUNTS: u64 = 8 << 4;
const REPLACED_BY_ACTORS: u64 = 8 << 4 | 1;
const REPLACED_BY: u64 = 8 << 4 | 3;
/// Those that name actors by their number.
const ACTORS: [u64; 4] = [1, 17, OPERATION_ACTORS, REPLACED_BY_ACTORS];

/// Checks that `bytes` are a saved document or none, and loose changes, none claiming more than it can hold.
pub(crate) fn check_stored(bytes: &[u8]) -> Result<(), LoadError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = chunk_length(rest);
        let parts = length.and_then(|length| rest.split_at_checked(length));
        let (chunk, after) = parts.ok_or_else(|| malformed("it ends in the midst of a chunk"))?;
        if rest.len() == bytes.len() && chunk[HEADER_BYTES - 1] == DOCUMENT {
            Counts::of(chunk)?.check(chunk.len())?;
        } else {
            super::check(chunk).map_err(|refusal| malformed(refusal.to_string()))?;
        }
        rest = after;
    }
    Ok(())
}

fn malformed(reason: impl Into<String>) -> LoadError {
    LoadError::Malformed {
        reason: reason.into(),
    }
}

/// What a saved document claims to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    changes: u64,
    dependencies: u64,
    /// All but deletes, which stand only as what replaced something.
    operations: u64,
    replaced: u64,
    key_bytes: u64,
}

impl Counts {
    /// Counts what a document's columns say, as far as they agree with each other.
    fn of(chunk: &[u8]) -> Result<Self, LoadError> {
        let layout = Layout::of(chunk).ok_or_else(|| malformed("its parts are not as it says"))?;
        let mut room = allowed(
            limits::DOCUMENT_INFLATED_BYTES,
            limits::DOCUMENT_INFLATED_PER_BYTE,
            chunk.len(),
        );
        let changes = Columns::of(layout.changes, &CHANGE_COLUMNS, &mut room)?;
        let operations = Columns::of(layout.operations, &OPERATION_COLUMNS, &mut room)?;
        let counts = Self::of_columns(&changes, &operations, layout.actors);
        let counts = counts.ok_or_else(|| malformed("its columns do not fit each other"))?;
        counts.check(chunk.len())?;
        match counts.is_of_its_changes(&changes) {
            Some(true) => Ok(counts),
            _ => Err(malformed("its changes do not fit its operations")),
        }
    }

    fn of_columns(changes: &Columns<'_>, operations: &Columns<'_>, actors: u64) -> Option<Self> {
        let counts = Self {
            changes: changes.rows(CHANGE_ACTORS)?,
            dependencies: changes.sum(DEPENDENCY_COUNTS, |count| count)?,
            operations: operations.rows(OPERATION_ACTORS)?,
            replaced: operations.sum(REPLACED_COUNTS, |count| count)?,
            key_bytes: operations.key_bytes()?,
        };
        for (column, _) in &changes.0 {
            let rows = match *column {
                DEPENDENCIES => counts.dependencies,
                _ => counts.changes,
            };
            fits(changes.rows(*column)? == rows)?;
        }
        for (column, bytes) in &operations.0 {
            let rows = match *column {
                VALUES => bytes.len() as u64,
                REPLACED_BY | REPLACED_BY_ACTORS => counts.replaced,
                _ => counts.operations,
            };
            fits(operations.rows(*column)? == rows)?;
        }
        fits(counts.dependencies == changes.rows(DEPENDENCIES)?)?;
        fits(counts.replaced == operations.rows(REPLACED_BY)?)?;
        let length = |value: u64| value >> 4;
        fits(operations.sum(VALUE_LENGTHS, length)? == operations.rows(VALUES)?)?;
        fits(changes.sum(EXTRA_LENGTHS, length)? == 0)?;
        fits(changes.actors(&[CHANGE_ACTORS])? <= actors)?;
        fits(operations.actors(&ACTORS)? <= actors)?;
        Some(counts)
    }

    /// Compares with what so many bytes may hold.
    fn check(&self, bytes: usize) -> Result<(), LoadError> {
        let operations = allowed(
            limits::DOCUMENT_OPERATIONS,
            limits::DOCUMENT_OPERATIONS_PER_BYTE,
            bytes,
        );
        let key_bytes = allowed(
            limits::DOCUMENT_KEY_BYTES,
            limits::DOCUMENT_KEY_BYTES_PER_BYTE,
            bytes,
        );
        let counts = [
            ("changes", self.changes, operations),
            ("dependencies", self.dependencies, operations),
            ("operations", self.operations, operations),
            ("replaced operations", self.replaced, operations),
            ("bytes of keys", self.key_bytes, key_bytes),
        ];
        for (what, count, limit) in counts {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > limit {
                return Err(LoadError::OverLimit { what, count, limit });
            }
        }
        Ok(())
    }

    /// Whether each change depends on earlier ones only, and all together have the operations there are: Automerge
    /// takes from the numbers of their last operations how many each has.
    fn is_of_its_changes(&self, changes: &Columns<'_>) -> Option<bool> {
        let last_operations = changes.added_up(LAST_OPERATIONS)?;
        let mut dependencies = changes.added_up(DEPENDENCIES)?.into_iter();
        let mut claimed = 0;
        for (place, count) in changes.items(DEPENDENCY_COUNTS)?.into_iter().enumerate() {
            let mut before = 0;
            for _ in 0..count {
                let place_before = usize::try_from(dependencies.next()?).ok()?;
                fits(place_before < place)?;
                before = before.max(*last_operations.get(place_before)?);
            }
            let last = *last_operations.get(place)?;
            fits(last > before && last <= i64::from(u32::MAX))?;
            claimed += last.abs_diff(before);
        }
        // A delete replaces one operation or more.
        let most = self.operations.saturating_add(self.replaced);
        Some((self.operations..=most).contains(&claimed))
    }
}

fn fits(it_does: bool) -> Option<()> {
    it_does.then_some(())
}

fn allowed(base: usize, per_byte: usize, bytes: usize) -> usize {
    base.saturating_add(per_byte.saturating_mul(bytes))
}

/// The parts of a saved document.
struct Layout<'a> {
    actors: u64,
    changes: Vec<(u64, &'a [u8])>,
    operations: Vec<(u64, &'a [u8])>,
}

impl<'a> Layout<'a> {
    fn of(chunk: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(chunk.get(HEADER_BYTES..)?);
        reader.unsigned()?; // the length, by which it was cut out
        let actors = reader.unsigned()?;
        for _ in 0..actors {
            fits(reader.prefixed()?.len() == ACTOR_BYTES)?;
        }
        let heads = reader.unsigned()?;
        reader.take(heads.checked_mul(32)?)?;
        let changes = columns(&mut reader)?;
        let operations = columns(&mut reader)?;
        let mut take = |lengths: Vec<(u64, u64)>| {
            let columns = lengths.into_iter();
            let columns = columns.map(|(column, length)| Some((column, reader.take(length)?)));
            columns.collect::<Option<Vec<_>>>()
        };
        Some(Self {
            actors,
            changes: take(changes)?,
            operations: take(operations)?,
        })
    }
}

/// Columns by their specification, inflated.
struct Columns<'a>(Vec<(u64, Cow<'a, [u8]>)>);

impl<'a> Columns<'a> {
    /// Inflates those that are deflated, all together to no more than `room`, which becomes less.
    fn of(
        stored: Vec<(u64, &'a [u8])>,
        known: &[u64],
        room: &mut usize,
    ) -> Result<Self, LoadError> {
        let mut columns = Vec::<(u64, Cow<'_, [u8]>)>::with_capacity(stored.len());
        for (specification, bytes) in stored {
            let column = specification & !DEFLATED;
            if !known.contains(&column) {
                return Err(malformed("it has a column that no Driftless writes"));
            }
            if columns.last().is_some_and(|(last, _)| *last >= column) {
                return Err(malformed("its columns are not in order"));
            }
            let bytes = if specification == column {
                Cow::Borrowed(bytes)
            } else {
                Cow::Owned(inflated(bytes, room)?)
            };
            columns.push((column, bytes));
        }
        Ok(Self(columns))
    }

    /// The bytes of a column; none of one that is not there.
    fn bytes(&self, column: u64) -> &[u8] {
        let found = self.0.binary_search_by_key(&column, |(found, _)| *found);
        found.map_or(&[], |at| &self.0[at].1)
    }

    fn rows(&self, column: u64) -> Option<u64> {
        let mut reader = Reader(self.bytes(column));
        let mut rows = 0_u64;
        let mut add = |count, _: Option<u64>| rows = rows.saturating_add(count);
        match column & 7 {
            PLAIN => add(reader.0.len() as u64, None),
            BOOLEANS => {
                while !reader.0.is_empty() {
                    add(reader.unsigned()?, None);
                }
            }
            TEXTS => each_run(reader, length_of_bytes, add)?,
            _ => each_run(reader, Reader::unsigned, add)?,
        }
        Some(rows)
    }

    /// The sum over all rows of what a row's number says.
    fn sum(&self, column: u64, of: fn(u64) -> u64) -> Option<u64> {
        let mut sum = 0_u64;
        each_run(
            Reader(self.bytes(column)),
            Reader::unsigned,
            |count, item| {
                let more = count.saturating_mul(item.map_or(0, of));
                sum = sum.saturating_add(more);
            },
        )?;
        Some(sum)
    }

    fn key_bytes(&self) -> Option<u64> {
        let mut sum = 0_u64;
        each_run(
            Reader(self.bytes(KEYS)),
            length_of_bytes,
            |count, length| {
                sum = sum.saturating_add(count.saturating_mul(length.unwrap_or(0)));
            },
        )?;
        Some(sum)
    }

    /// One more than the greatest number by which these columns name an actor.
    fn actors(&self, columns: &[u64]) -> Option<u64> {
        let mut actors = 0;
        for column in columns {
            each_run(Reader(self.bytes(*column)), Reader::unsigned, |_, actor| {
                actors = actors.max(actor.map_or(0, |actor| actor.saturating_add(1)));
            })?;
        }
        Some(actors)
    }

    /// All rows of a column of numbers. There are few enough: they were counted.
    fn items(&self, column: u64) -> Option<Vec<u64>> {
        let mut items = Vec::new();
        each_run(
            Reader(self.bytes(column)),
            Reader::unsigned,
            |count, item| {
                items.extend((0..count).map(|_| item.unwrap_or(0)));
            },
        )?;
        Some(items)
    }

    /// The same of a column that has of each number what it is more than the one before.
    fn added_up(&self, column: u64) -> Option<Vec<i64>> {
        let signed = |runs: &mut Reader<'_>| Some(runs.signed()?.cast_unsigned());
        let mut rows = Vec::new();
        let mut last = Some(0_i64);
        each_run(Reader(self.bytes(column)), signed, |count, delta| {
            for _ in 0..count {
                let delta = delta.unwrap_or(0).cast_signed();
                last = last.and_then(|last| last.checked_add(delta));
                rows.extend(last);
            }
        })?;
        last.map(|_| rows)
    }
}

fn length_of_bytes(runs: &mut Reader<'_>) -> Option<u64> {
    Some(runs.prefixed()?.len() as u64)
}

fn inflated(deflated: &[u8], room: &mut usize) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    let one_more = (*room as u64).saturating_add(1);
    let read = DeflateDecoder::new(deflated)
        .take(one_more)
        .read_to_end(&mut bytes);
    read.map_err(|_| malformed("a column does not inflate"))?;
    *room = room.checked_sub(bytes.len()).ok_or(LoadError::OverLimit {
        what: "inflated bytes",
        count: bytes.len(),
        limit: *room,
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
