//! JSON files: an array of objects, or an object a line. Every value keeps its own type.

use driftless::{
    FieldPath, Fields, JsonError, Value, number_text, parse_node, parse_record, value_to_json,
};
use serde_json::value::RawValue;

use super::{Format, ImportFault, ImportOptions, ImportRow, Located, Survey, count_lines};

/// The records of a file that was read to its end.
#[derive(Debug)]
pub(super) struct Records {
    spans: Vec<Span>,
    /// The fields that make up the key: the names as given, and the keys of their registers.
    key: Vec<(String, String)>,
}

/// Where a record stands in the text.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    line: u64,
}

impl Records {
    /// Reads the whole file.
    pub(super) fn survey(
        text: &str,
        format: Format,
        options: &ImportOptions,
        survey: &mut Survey<'_>,
    ) -> Result<Self, Located> {
        if !options.types.is_empty() {
            return Err((None, ImportFault::TypesForJson));
        }
        let key = options
            .key
            .iter()
            .map(|name| match FieldPath::parse(name) {
                Ok(path) => Ok((name.clone(), path.to_key())),
                Err(reason) => Err((None, ImportFault::BadKeyPath { reason })),
            })
            .collect::<Result<_, _>>()?;
        let spans = if format == Format::JsonArray {
            elements(text)?
        } else {
            lines(text)
        };
        let records = Self { spans, key };
        for span in &records.spans {
            survey.add(records.row(text, *span)?, span.end)?;
        }
        Ok(records)
    }

    /// The records of the file, read again.
    pub(super) fn rows<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = Result<ImportRow, Located>> + 'a {
        self.spans.iter().map(|span| self.row(text, *span))
    }

    fn row(&self, text: &str, span: Span) -> Result<ImportRow, Located> {
        let fields =
            parse_record(&text[span.start..span.end]).map_err(|error| placed(error, span.line))?;
        let key = self
            .key
            .iter()
            .map(|(name, register)| {
                key_text(&fields, register).ok_or_else(|| {
                    let key = name.clone();
                    (Some(span.line), ImportFault::MissingKey { key })
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(ImportRow {
            line: span.line,
            key: (!key.is_empty()).then_some(key),
            fields,
        })
    }
}

/// The error of a record that begins on `line`; its place in the record becomes the line in the file.
fn placed(mut error: JsonError, line: u64) -> Located {
    let line = error.position.take().map_or(line, |position| {
        line + (position.line as u64).saturating_sub(1)
    });
    (
        Some(line),
        ImportFault::Json {
            reason: Box::new(error),
        },
    )
}

/// The text of a value that can name a record.
fn key_text(fields: &Fields, register: &str) -> Option<String> {
    let value = fields.get(register)?;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => number_text(value)?,
        // Bytes and times by the text they are written as; there is none for the rest.
        Value::Bytes(_) | Value::Timestamp(_) => value_to_json(value)
            .as_object()?
            .values()
            .next()?
            .as_str()?
            .to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn lines(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for (n, line) in text.split('\n').enumerate() {
        if !line.trim().is_empty() {
            spans.push(Span {
                start,
                end: start + line.len(),
                line: n as u64 + 1,
            });
        }
        start += line.len() + 1;
    }
    spans
}

fn elements(text: &str) -> Result<Vec<Span>, Located> {
    let start = text.trim_start();
    if !start.starts_with('[') {
        let blank = &text.as_bytes()[..text.len() - start.len()];
        return Err((Some(1 + count_lines(blank)), ImportFault::NotAnArray));
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        // This reading fails too, and says where.
        return Err(parse_node(text).map_or_else(
            |error| placed(error, 1),
            |_| (Some(1), ImportFault::NotAnArray),
        ));
    };
    let mut spans = Vec::with_capacity(elements.len());
    let (mut line, mut counted) = (1, 0);
    for element in elements {
        // The elements are parts of the text.
        let start = element.get().as_ptr().addr() - text.as_ptr().addr();
        line += count_lines(&text.as_bytes()[counted..start]);
        counted = start;
        spans.push(Span {
            start,
            end: start + element.get().len(),
            line,
        });
    }
    Ok(spans)
}
