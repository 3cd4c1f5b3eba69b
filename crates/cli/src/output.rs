//! Standard output: JSON lines for programs, sentences and tables for people.
//!
//! What comes from a record may have been written by another device, so control characters are never passed
//! on to a terminal.

use std::io::{BufWriter, Write};

use serde_json::Value as Json;

use crate::caller::Caller;
use crate::failure::Failure;
use crate::standard_error::StandardError;
use crate::table::Table;

/// What a command prints its answer to.
pub(crate) struct Output {
    json: bool,
    out: BufWriter<Box<dyn Write + Send>>,
    beside: StandardError,
    /// Whether something was printed.
    begun: bool,
    /// Columns of the terminal; none where the output is no terminal, and nothing is cut off.
    width: Option<usize>,
    colors: bool,
}

impl Output {
    /// The caller's standard output, as JSON or for people.
    pub(crate) fn new(json: bool, caller: &dyn Caller) -> Self {
        Self {
            json,
            out: BufWriter::new(caller.standard_output()),
            beside: caller.standard_error().clone(),
            begun: false,
            width: caller.width(),
            colors: caller.colors(),
        }
    }

    /// Whether JSON is asked for.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Columns of the terminal; none where the output is no terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether colours are wanted.
    pub(crate) fn colors(&self) -> bool {
        self.colors
    }

    /// One answer: the object, or the text for people.
    pub(crate) fn answer(&mut self, object: &Json, text: &str) -> Result<(), Failure> {
        if self.json {
            self.object(object)
        } else {
            self.line(text)
        }
    }

    /// One line of JSON.
    pub(crate) fn object(&mut self, object: &Json) -> Result<(), Failure> {
        self.line(&object.to_string())
    }

    /// A whole JSON document for a file: over several lines for people.
    ///
    /// What a terminal would obey is written as JSON escapes it, so that the document stays what it is.
    pub(crate) fn document(&mut self, document: &Json) -> Result<(), Failure> {
        if self.json {
            return self.object(document);
        }
        let text = format!("{document:#}");
        text.lines().try_for_each(|line| self.line(&escaped(line)))
    }

    /// One line of text, with all that comes from a record made [`clean`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if !self.begun {
            self.begun = true;
            self.beside.clear_bars();
        }
        writeln!(self.out, "{text}").map_err(Failure::output)
    }

    /// Text that a person answers on the same line, passed on at once.
    pub(crate) fn prompt(&mut self, text: &str) -> Result<(), Failure> {
        write!(self.out, "{text}").map_err(Failure::output)?;
        self.flush()
    }

    /// A table, fitted to the terminal.
    pub(crate) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        table
            .lines(self.width)
            .iter()
            .try_for_each(|line| self.line(line))
    }

    /// One line on standard error.
    pub(crate) fn say(&self, text: &str) {
        self.beside.say(text);
    }

    /// Passes on what was printed so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::output)
    }
}

/// The text with everything that a terminal would obey written out, as in `\n` and `\u{1b}`.
pub(crate) fn clean(text: &str) -> String {
    if !text.chars().any(is_obeyed) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_obeyed(letter) {
            clean.extend(letter.escape_default());
        } else {
            clean.push(letter);
        }
    }
    clean
}

/// JSON with everything that a terminal would obey as an escape of JSON.
fn escaped(json: &str) -> String {
    use std::fmt::Write as _;

    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_obeyed(letter) {
            // All of them have four hex digits at most.
            // Writing to a text does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Control characters, and the marks that turn the direction of writing.
fn is_obeyed(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON value as a person reads it: text without its quotes, all else as it is.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// A number with its thousands apart: `3,376`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun: `1 record`, `3,376 records`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// A number of bytes a person can read: `412 bytes`, `36 kB`, `3.4 MB`.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1_000 => count(number, "byte"),
        1_000..1_000_000 => format!("{} kB", number / 1_000),
        _ => {
            let tenths = number / 100_000;
            format!("{}.{} MB", thousands(tenths / 10), tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_is_passed_on() {
        assert_eq!(
            clean("Bay St. Louis — Ärger 漢字"),
            "Bay St. Louis — Ärger 漢字"
        );
        assert_eq!(
            clean("a\u{1b}[31mb\r\n\u{9b}\u{202e}"),
            "a\\u{1b}[31mb\\r\\n\\u{9b}\\u{202e}"
        );
    }

    #[test]
    fn bytes_are_said_in_the_unit_that_fits() {
        let said = [
            0,
            1,
            999,
            1_000,
            999_999,
            1_000_000,
            3_456_789,
            12_345_678_901,
        ]
        .map(bytes);
        assert_eq!(
            said,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1 kB",
                "999 kB",
                "1.0 MB",
                "3.4 MB",
                "12,345.6 MB"
            ]
        );
    }

    #[test]
    fn a_document_stays_what_it_is_where_a_terminal_obeys_nothing_of_it() {
        let document = serde_json::json!({ "a": "b\u{9b}31m\u{202e}\n" });
        let escaped = escaped(&document.to_string());
        assert_eq!(escaped, r#"{"a":"b\u009b31m\u202e\n"}"#);
        assert_eq!(serde_json::from_str::<Json>(&escaped).ok(), Some(document));
    }

    #[test]
    fn thousands_stand_apart() {
        let grouped = [0, 999, 1_000, 3_376, 1_234_567, u64::MAX].map(thousands);
        assert_eq!(
            grouped,
            [
                "0",
                "999",
                "1,000",
                "3,376",
                "1,234,567",
                "18,446,744,073,709,551,615"
            ]
        );
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(0, "record"), "0 records");
    }
}
