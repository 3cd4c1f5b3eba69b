//! CSV files: a header, then rows of as many cells; the whole file decides the types of its columns.

use std::collections::{BTreeMap, BTreeSet};

use ::csv::{Reader, ReaderBuilder, StringRecord};
use driftless::{FieldPath, Fields, Node, Value, canonical_number};

use super::types::ColumnType;
use super::{ImportFault, ImportOptions, ImportRow, Located, RECORD_FIELDS, Survey, count_lines};

/// The columns of a file that was read to its end.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// Which columns make up the key, in the order of the options.
    key: Vec<usize>,
}

#[derive(Debug)]
struct Column {
    /// As the header writes it; also the one segment of `path`.
    name: String,
    path: FieldPath,
    kind: Kind,
}

/// How the cells of a column are read.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As the type, or the file is refused.
    Required(ColumnType),
    /// As the type where they fit, else as strings: other rows of the collection have it.
    Remembered(ColumnType),
    /// As the cells of the whole file decide; strings until then.
    Open {
        /// Whether any cell is not empty.
        any: bool,
        /// Whether all that are not empty are plain numbers.
        numbers: bool,
    },
}

impl Columns {
    /// Reads the whole file.
    pub(super) fn survey(
        text: &str,
        options: &ImportOptions,
        survey: &mut Survey<'_>,
    ) -> Result<Self, Located> {
        let mut table = Table::new(text);
        let line = table.advance()?.ok_or((None, ImportFault::Empty))?;
        let mut columns =
            Self::from_header(&table.record, options).map_err(|fault| (Some(line), fault))?;
        while let Some(line) = table.advance()? {
            let row = columns
                .row(line, &table.record)
                .map_err(|fault| (Some(line), fault))?;
            for (column, cell) in columns.columns.iter_mut().zip(&table.record) {
                column.kind.learn(cell);
            }
            survey.add(row, table.end())?;
        }
        Ok(columns)
    }

    /// The types to remember.
    pub(super) fn types(&self) -> BTreeMap<String, ColumnType> {
        self.columns
            .iter()
            .filter_map(|column| Some((column.name.clone(), column.kind.decided()?)))
            .collect()
    }

    /// The rows of the file, read again with the types it decided.
    pub(super) fn rows<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = Result<ImportRow, Located>> + 'a {
        let mut table = Table::new(text);
        let mut header = Some(());
        std::iter::from_fn(move || {
            if header.take().is_some()
                && let Err(error) = table.advance()
            {
                return Some(Err(error));
            }
            let line = match table.advance() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            let row = self.row(line, &table.record);
            Some(row.map_err(|fault| (Some(line), fault)))
        })
    }

    fn from_header(header: &StringRecord, options: &ImportOptions) -> Result<Self, ImportFault> {
        if header.len() > RECORD_FIELDS {
            return Err(ImportFault::TooManyFields {
                found: header.len(),
            });
        }
        let mut names = BTreeSet::new();
        let mut columns = Vec::with_capacity(header.len());
        for (n, name) in header.iter().enumerate() {
            if name.is_empty() {
                return Err(ImportFault::UnnamedColumn { number: n + 1 });
            }
            if !names.insert(name) {
                let name = name.to_owned();
                return Err(ImportFault::DuplicateColumn { name });
            }
            columns.push(Column {
                name: name.to_owned(),
                path: FieldPath::new([name])
                    .map_err(|reason| ImportFault::BadColumnName { reason })?,
                kind: Kind::of(name, options),
            });
        }
        let find = |option, name: &String| {
            header
                .iter()
                .position(|column| column == name)
                .ok_or_else(|| ImportFault::UnknownColumn {
                    option,
                    name: name.clone(),
                })
        };
        for (name, _) in &options.types {
            find("--types", name)?;
        }
        let key = options
            .key
            .iter()
            .map(|name| find("--key", name))
            .collect::<Result<_, _>>()?;
        Ok(Self { columns, key })
    }

    fn row(&self, line: u64, cells: &StringRecord) -> Result<ImportRow, ImportFault> {
        if cells.len() != self.columns.len() {
            return Err(ImportFault::RowLength {
                found: cells.len(),
                expected: self.columns.len(),
            });
        }
        let mut fields = Fields::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            match column.read(cell)? {
                Node::Leaf(value) => {
                    fields.insert(column.path.to_key(), value);
                }
                object @ Node::Object(_) => {
                    let below = object.into_fields_at(&column.path);
                    fields.extend(below.map_err(|reason| ImportFault::Json {
                        reason: Box::new(reason),
                    })?);
                }
            }
        }
        let key = self
            .key
            .iter()
            .map(|&n| match &cells[n] {
                "" => Err(ImportFault::MissingKey {
                    key: self.columns[n].name.clone(),
                }),
                cell => Ok(cell.to_owned()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(ImportRow {
            line,
            key: (!key.is_empty()).then_some(key),
            fields,
        })
    }
}

impl Column {
    fn read(&self, cell: &str) -> Result<Node, ImportFault> {
        if cell.is_empty() {
            return Ok(Node::Leaf(Value::Null));
        }
        let string = || Node::Leaf(Value::String(cell.to_owned()));
        match self.kind {
            Kind::Required(wanted) => wanted.read(cell).map_err(|reason| ImportFault::DoesNotFit {
                column: self.name.clone(),
                text: shorten(cell),
                wanted,
                reason,
            }),
            Kind::Remembered(column_type) => {
                Ok(column_type.read(cell).unwrap_or_else(|_| string()))
            }
            Kind::Open { .. } => match self.kind.decided() {
                Some(ColumnType::PlainNumber) => {
                    Ok(canonical_number(cell).map_or_else(string, Node::Leaf))
                }
                _ => Ok(string()),
            },
        }
    }
}

impl Kind {
    fn of(name: &str, options: &ImportOptions) -> Self {
        let required = options
            .types
            .iter()
            .rev()
            .find(|(column, _)| column == name);
        match (required, options.remembered.get(name)) {
            (Some((_, column_type)), _) => Self::Required(*column_type),
            (None, Some(column_type)) => Self::Remembered(*column_type),
            (None, None) => Self::Open {
                any: false,
                numbers: true,
            },
        }
    }

    fn learn(&mut self, cell: &str) {
        if let Self::Open { any, numbers } = self
            && !cell.is_empty()
        {
            *any = true;
            *numbers = *numbers && canonical_number(cell).is_some();
        }
    }

    fn decided(self) -> Option<ColumnType> {
        match self {
            Self::Required(column_type) | Self::Remembered(column_type) => Some(column_type),
            Self::Open { any: false, .. } => None,
            Self::Open { numbers: true, .. } => Some(ColumnType::PlainNumber),
            Self::Open { .. } => Some(ColumnType::String),
        }
    }
}

/// A reader that knows lines and checks quotes: the `csv` crate reads any text without complaint.
struct Table<'a> {
    text: &'a [u8],
    reader: Reader<&'a [u8]>,
    record: StringRecord,
    /// Where the record begins, in bytes and in lines from 1.
    start: usize,
    line: u64,
}

impl<'a> Table<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            // Lengths are checked by the caller, with a message of its own.
            reader: ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes()),
            record: StringRecord::new(),
            start: 0,
            line: 1,
        }
    }

    /// Reads the next record and gives its line, or `None` at the end. Blank lines are skipped.
    fn advance(&mut self) -> Result<Option<u64>, Located> {
        let before = self.end();
        let more = self.reader.read_record(&mut self.record).map_err(|error| {
            let reason = error.to_string();
            (Some(self.line), ImportFault::UnreadableRow { reason })
        })?;
        if !more {
            return Ok(None);
        }
        // The reader leaves the end of a line, and blank lines, to the record that follows.
        let blank = self.text[before..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let start = before + blank;
        self.line += count_lines(&self.text[self.start..start]);
        self.start = start;
        check_quotes(&self.text[start..self.end()]).map_err(|fault| (Some(self.line), fault))?;
        Ok(Some(self.line))
    }

    /// The byte the reader got to.
    fn end(&self) -> usize {
        usize::try_from(self.reader.position().byte())
            .map_or(self.text.len(), |end| end.min(self.text.len()))
    }
}

/// Whether every quoted cell of a record ends with a quote, before a comma or the end of the record.
fn check_quotes(record: &[u8]) -> Result<(), ImportFault> {
    #[derive(Clone, Copy)]
    enum At {
        Start,
        Plain,
        Quoted,
        /// Behind a quote in a quoted cell: its end, or the first of two.
        Quote,
    }
    let mut at = At::Start;
    for byte in record {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Quote,
            (At::Start | At::Quote, b'"') | (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Quote, b',' | b'\r' | b'\n') => At::Start,
            (At::Start | At::Plain, _) => At::Plain,
            (At::Quote, _) => return Err(ImportFault::TextAfterQuote),
        };
    }
    match at {
        At::Quoted => Err(ImportFault::UnterminatedQuote),
        _ => Ok(()),
    }
}

fn shorten(cell: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    match cell.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
