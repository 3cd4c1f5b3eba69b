//! What is wrong with a file, where, and what to do.

use driftless::{JsonError, JsonFault, PathError};

use super::types::ColumnType;
use super::{RECORD_BYTES, RECORD_FIELDS};

/// A file that cannot be imported; nothing of it was.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{}{fault}", line.map_or_else(|| " ".to_owned(), |line| format!("{line}: ")))]
pub(crate) struct ImportError {
    /// The file, as the caller named it.
    pub(crate) file: String,
    /// The line at fault, from 1, where one line is.
    pub(crate) line: Option<u64>,
    /// What is wrong.
    pub(crate) fault: ImportFault,
}

impl ImportError {
    pub(super) fn new(file: &str, line: Option<u64>, fault: ImportFault) -> Self {
        Self {
            file: file.to_owned(),
            line,
            fault,
        }
    }

    /// What to do about it, in a sentence.
    pub(crate) fn remedy(&self) -> String {
        self.fault.remedy()
    }
}

/// What is wrong with a file or with what was asked of it.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ImportFault {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// A byte is no UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// A CSV file has a zero byte, as text in UTF-16 and what is no text at all have.
    #[error("the line has a zero byte, which no text in UTF-8 has")]
    ZeroByte,
    /// The name of the file says CSV, its content JSON.
    #[error("the name of the file says CSV, and its content is {found}")]
    NamedOtherwise {
        /// What it is.
        found: &'static str,
        /// The format to ask for.
        format: &'static str,
    },
    /// A column has no name.
    #[error("column {number} of the header has no name")]
    UnnamedColumn {
        /// Which, from 1.
        number: usize,
    },
    /// Two columns have one name.
    #[error("the header names `{name}` twice")]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// A column's name cannot be the name of a field.
    #[error("a column's name is no field: {reason}")]
    BadColumnName {
        /// Why.
        reason: PathError,
    },
    /// A row is shorter or longer than the header.
    #[error("row has {found} {}, the header has {expected}", cells(*found))]
    RowLength {
        /// The cells of the row.
        found: usize,
        /// The cells of the header.
        expected: usize,
    },
    /// A quoted cell does not end before the file does.
    #[error("a quoted cell of this row is never closed")]
    UnterminatedQuote,
    /// Something stands between the end of a quoted cell and the comma.
    #[error("there is text after the closing quote of a cell")]
    TextAfterQuote,
    /// The row cannot be read.
    #[error("the row cannot be read: {reason}")]
    UnreadableRow {
        /// What the CSV reader says.
        reason: String,
    },
    /// An option names a column the header does not.
    #[error("{option} names the column `{name}`, which the header does not have")]
    UnknownColumn {
        /// `--key` or `--types`.
        option: &'static str,
        /// The column.
        name: String,
    },
    /// `--types` was given for JSON.
    #[error("--types is for CSV; JSON values have their own types")]
    TypesForJson,
    /// A cell is not of the type asked for.
    #[error("`{text}` in column `{column}` is not of type {wanted}{}", because(reason.as_deref()))]
    DoesNotFit {
        /// The column.
        column: String,
        /// The cell, or the beginning of a long one.
        text: String,
        /// The type.
        wanted: ColumnType,
        /// What exactly does not fit.
        reason: Option<Box<JsonError>>,
    },
    /// A record has no value for a part of the key.
    #[error("the record has no value for its key `{key}`")]
    MissingKey {
        /// The part.
        key: String,
    },
    /// Two records have the same key.
    #[error("the key `{key}` is that of line {first_line} too")]
    DuplicateKey {
        /// The key, its parts joined.
        key: String,
        /// The line of the first record that has it.
        first_line: u64,
    },
    /// `--key` is no path of a field.
    #[error("--key: {reason}")]
    BadKeyPath {
        /// Why.
        reason: PathError,
    },
    /// A file read as a JSON array is none.
    #[error("expected a JSON array of objects")]
    NotAnArray,
    /// A record cannot be kept as it is.
    #[error("{reason}")]
    Json {
        /// Why.
        reason: Box<JsonError>,
    },
    /// A record is too large.
    #[error("the record has {bytes} bytes, at most {RECORD_BYTES} are taken")]
    RecordTooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// A record has too many fields.
    #[error("the record has {found} fields, at most {RECORD_FIELDS} are taken")]
    TooManyFields {
        /// Its fields.
        found: usize,
    },
}

impl ImportFault {
    fn remedy(&self) -> String {
        match self {
            Self::Empty => "A CSV file needs a header, JSON lines at least one object.".into(),
            Self::NotUtf8 | Self::ZeroByte => "Save the file as UTF-8, then import it again.".into(),
            Self::NamedOtherwise { format, .. } => {
                format!("Use --format {format}; if it is CSV all the same, --format csv.")
            }
            Self::UnnamedColumn { .. } => "Give every column of the header a name.".into(),
            Self::DuplicateColumn { .. } => "Rename or remove one of the two columns.".into(),
            Self::BadColumnName { .. } => "Give the column a shorter name.".into(),
            Self::RowLength { .. } => {
                "Give the row as many cells as the header; a cell with a comma in it needs quotes."
                    .into()
            }
            Self::UnterminatedQuote => {
                "Close the quote; a quote inside a quoted cell is written twice.".into()
            }
            Self::TextAfterQuote => {
                "Put the comma right after the closing quote; a quote inside a quoted cell is written twice."
                    .into()
            }
            Self::UnreadableRow { .. } => "Mend the row, then import the file again.".into(),
            Self::UnknownColumn { option, .. } => {
                format!("Give {option} a column exactly as the header writes it.")
            }
            Self::TypesForJson => "Leave --types out.".into(),
            Self::DoesNotFit { column, .. } => {
                format!("Mend the cell, or use --types {column}=string.")
            }
            Self::MissingKey { key } => {
                format!("Give every record a text, a number or true or false as `{key}`, or choose another --key.")
            }
            Self::DuplicateKey { .. } => {
                "Remove one of the two records, or add a --key that tells them apart.".into()
            }
            Self::BadKeyPath { .. } => "Write the key as a field, such as `address.city`.".into(),
            Self::NotAnArray => {
                "Put the objects into one array; for one object a line use --format jsonl, for CSV --format csv.".into()
            }
            Self::Json { reason } => json_remedy(&reason.fault).into(),
            Self::RecordTooLarge { .. } => "Split the record, or keep large content outside.".into(),
            Self::TooManyFields { .. } => "Split the record.".into(),
        }
    }
}

fn cells(count: usize) -> &'static str {
    if count == 1 { "cell" } else { "cells" }
}

fn because(reason: Option<&JsonError>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

fn json_remedy(fault: &JsonFault) -> &'static str {
    match fault {
        JsonFault::Syntax { .. } | JsonFault::NotAnObject { .. } => {
            "Mend the JSON there: every record is one object; for one array of objects use --format json."
        }
        JsonFault::DuplicateKey { .. } => "Remove or rename one of the two.",
        JsonFault::NumberLosesDigits { .. } | JsonFault::NumberOutOfRange { .. } => {
            "Write the number as a string, so that no digit is lost."
        }
        JsonFault::TooDeep { .. } => "Nest it less, or keep the inner part as a string.",
        _ => "Mend the value there.",
    }
}
