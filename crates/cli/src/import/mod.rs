//! Reads the files `import` takes: CSV, a JSON array of objects, JSON lines.
//!
//! A file is checked to its end before anything of it is used: [`check`] reads every row once and fails
//! with the file, the line and the reason. [`Checked::rows`] then reads the rows again, one at a time,
//! with the types the whole file decided. Nothing here writes or knows a database.

mod csv;
mod error;
mod json;
mod types;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod altered_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;

use driftless::{Fields, Value};

pub(crate) use self::error::{ImportError, ImportFault};
pub(crate) use self::types::ColumnType;

/// Bytes one record may hold: a record is imported as one change, and a change has this limit.
pub(crate) const RECORD_BYTES: usize = 512 * 1024;
/// Fields one record may have; a file with more columns is most likely laid out the other way round.
pub(crate) const RECORD_FIELDS: usize = 4_096;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// One JSON array of objects.
    JsonArray,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// The format the name of a file says, or else its first byte that is not blank.
    pub(crate) fn of(path: &Path, bytes: &[u8]) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if let Some(format) = extension.and_then(|extension| extension.parse().ok()) {
            return format;
        }
        let content = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        match content.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Self::JsonArray,
            Some(b'{') => Self::JsonLines,
            _ => Self::Csv,
        }
    }
}

/// The format of a file that nobody gave one: what [`Format::of`] says, unless the content says otherwise.
///
/// Almost any text is CSV, so a JSON file with the wrong name would be a header without rows, and no error.
pub(crate) fn format_of(path: &Path, bytes: &[u8]) -> Result<Format, ImportError> {
    let format = Format::of(path, bytes);
    let content = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let content = content.trim_ascii_start();
    let found = match content.first() {
        Some(b'[') if is_json(content) => ("a JSON array", "json"),
        Some(b'{') if is_json(first_line(content)) => ("JSON lines", "jsonl"),
        _ => return Ok(format),
    };
    match format {
        Format::Csv => {
            let (found, format) = found;
            let fault = ImportFault::NamedOtherwise { found, format };
            Err(ImportError::new(&path.display().to_string(), None, fault))
        }
        format => Ok(format),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes)
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::JsonArray),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            _ => Err(format!("`{text}` is no format; write csv, json or jsonl")),
        }
    }
}

/// What the caller says of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImportOptions {
    /// What names a record: columns of a CSV file by their literal names, paths of fields of JSON.
    pub(crate) key: Vec<String>,
    /// Types of CSV columns; a cell that does not fit is an error.
    pub(crate) types: Vec<(String, ColumnType)>,
    /// Types an earlier import of the collection gave; a cell that does not fit stays a string.
    pub(crate) remembered: BTreeMap<String, ColumnType>,
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImportRow {
    /// The line it begins on, from 1.
    pub(crate) line: u64,
    /// The texts of its key as read, in the order of the options; none where no key is asked for.
    pub(crate) key: Option<Vec<String>>,
    /// Its fields.
    pub(crate) fields: Fields,
}

/// A file that was read to its end and is sound.
#[derive(Debug)]
pub(crate) struct Checked {
    file: String,
    text: String,
    content: Content,
    row_count: u64,
    column_types: BTreeMap<String, ColumnType>,
}

#[derive(Debug)]
enum Content {
    Csv(csv::Columns),
    Json(json::Records),
}

impl Checked {
    /// The number of rows.
    pub(crate) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// The types of the columns to remember with the collection; empty for JSON, whose values have their
    /// own. A column without any value has none yet.
    pub(crate) fn column_types(&self) -> &BTreeMap<String, ColumnType> {
        &self.column_types
    }

    /// The rows in the order of the file.
    ///
    /// All were read once, so an error here is ours.
    pub(crate) fn rows(&self) -> Box<dyn Iterator<Item = Result<ImportRow, ImportError>> + '_> {
        let text = body(&self.text);
        let named = |(line, fault)| ImportError::new(&self.file, line, fault);
        match &self.content {
            Content::Csv(columns) => {
                Box::new(columns.rows(text).map(move |row| row.map_err(named)))
            }
            Content::Json(records) => {
                Box::new(records.rows(text).map(move |row| row.map_err(named)))
            }
        }
    }
}

/// Reads a whole file, or says what is wrong with it.
///
/// `progress` gets the bytes done and their total, every few hundred rows.
pub(crate) fn check(
    path: &Path,
    bytes: Vec<u8>,
    format: Format,
    options: &ImportOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Checked, ImportError> {
    let file = path.display().to_string();
    let named = |(line, fault)| ImportError::new(&file, line, fault);
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        named((
            Some(1 + count_lines(&error.as_bytes()[..at])),
            ImportFault::NotUtf8,
        ))
    })?;
    if body(&text).trim().is_empty() {
        return Err(named((None, ImportFault::Empty)));
    }
    let mut survey = Survey {
        keys: HashMap::new(),
        row_count: 0,
        total_bytes: body(&text).len(),
        progress,
    };
    let (content, column_types) = match format {
        Format::Csv => {
            if let Some(at) = text.bytes().position(|byte| byte == 0) {
                let line = 1 + count_lines(&text.as_bytes()[..at]);
                return Err(named((Some(line), ImportFault::ZeroByte)));
            }
            let columns = csv::Columns::survey(body(&text), options, &mut survey).map_err(named)?;
            let types = columns.types();
            (Content::Csv(columns), types)
        }
        Format::JsonArray | Format::JsonLines => {
            let records =
                json::Records::survey(body(&text), format, options, &mut survey).map_err(named)?;
            (Content::Json(records), BTreeMap::new())
        }
    };
    let row_count = survey.row_count;
    (survey.progress)(survey.total_bytes as u64, survey.total_bytes as u64);
    Ok(Checked {
        file,
        text,
        content,
        row_count,
        column_types,
    })
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text behind a byte order mark.
fn body(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A fault and its line, before the file is named.
type Located = (Option<u64>, ImportFault);

/// What the first reading of a file finds out about all its rows together.
struct Survey<'a> {
    /// The line of every key.
    keys: HashMap<Vec<String>, u64>,
    row_count: u64,
    total_bytes: usize,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Survey<'_> {
    /// Takes note of a row that ends at byte `end`.
    fn add(&mut self, row: ImportRow, end: usize) -> Result<(), Located> {
        const ROWS_A_REPORT: u64 = 256;
        let line = row.line;
        check_size(&row.fields).map_err(|fault| (Some(line), fault))?;
        if let Some(key) = row.key {
            if let Some(&first_line) = self.keys.get(&key) {
                let key = key.join(", ");
                return Err((Some(line), ImportFault::DuplicateKey { key, first_line }));
            }
            self.keys.insert(key, line);
        }
        self.row_count += 1;
        if self.row_count.is_multiple_of(ROWS_A_REPORT) {
            (self.progress)(end as u64, self.total_bytes as u64);
        }
        Ok(())
    }
}

fn check_size(fields: &Fields) -> Result<(), ImportFault> {
    // What a change adds: a header of a few hundred bytes, and under 16 bytes an operation.
    const CHANGE_OVERHEAD_BYTES: usize = 1_024;
    const FIELD_OVERHEAD_BYTES: usize = 16;
    if fields.len() > RECORD_FIELDS {
        return Err(ImportFault::TooManyFields {
            found: fields.len(),
        });
    }
    let bytes = CHANGE_OVERHEAD_BYTES
        + fields
            .iter()
            .map(|(key, value)| key.len() + value_bytes(value) + FIELD_OVERHEAD_BYTES)
            .sum::<usize>();
    if bytes > RECORD_BYTES {
        return Err(ImportFault::RecordTooLarge { bytes });
    }
    Ok(())
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) | Value::Opaque(bytes) => bytes.len(),
        _ => 8,
    }
}

/// The ends of lines in a text: `\n`, `\r\n`, or `\r` alone.
fn count_lines(text: &[u8]) -> u64 {
    let mut ends = 0;
    for (n, byte) in text.iter().enumerate() {
        let ends_line = match byte {
            b'\n' => true,
            b'\r' => text.get(n + 1) != Some(&b'\n'),
            _ => false,
        };
        ends += u64::from(ends_line);
    }
    ends
}
