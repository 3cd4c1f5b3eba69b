//! Files that something has gone wrong with: whatever is in them, they are taken whole, as they say, or refused with a
//! sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use driftless::{FieldPath, Value, canonical_number};
use driftless_testkit::histories::Dice;

use super::{Checked, ColumnType, Format, ImportError, ImportOptions, body, check};

/// Files that are tried on each run; `DRIFTLESS_CASES=2000000` asks for more.
const CASES: u64 = 100_000;
/// Characters of what is said of a file, at most: it is shown on a screen.
const SENTENCE: usize = 4_000;

const FILES: [(&str, &str); 3] = [
    (
        "a.csv",
        "id,name,speed,when\n1,\"Heron, grey\",1.5,2024-01-01T00:00:00Z\n2,\"a \"\"quoted\"\" one\",-7,\n\n3,Möwe,007,now\r\n",
    ),
    (
        "a.json",
        r#"[{"id": 1, "name": "Heron", "at": {"lat": 52.5, "tags": ["a", null]}}, {"id": "2", "big": 9007199254740993}]"#,
    ),
    (
        "a.jsonl",
        "{\"id\": 1, \"name\": \"Heron\"}\n{\"id\": 2, \"when\": {\"$timestamp\": \"2024-01-01T00:00:00Z\"}}\n",
    ),
];

/// What is put in somewhere.
const PIECES: [&[u8]; 30] = [
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\\",
    b"\\ud800",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"0x1",
    b"9223372036854775808",
    b"0.1000",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    b"id",
    b"$timestamp",
    b" ",
    b"\t",
    b"a.b",
    b"{\"id\":",
    b"\xc3\xa9",
];

fn altered(dice: &mut Dice, file: &str) -> Vec<u8> {
    let mut bytes = file.as_bytes().to_vec();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(24)).min(bytes.len());
        match dice.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copied = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, copied);
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 => bytes.truncate(at),
            4 => {
                let many = PIECES[dice.below(PIECES.len())].repeat(1 + dice.below(300));
                bytes.splice(at..at, many);
            }
            _ => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
        }
    }
    bytes
}

fn options(dice: &mut Dice) -> ImportOptions {
    let mut options = ImportOptions::default();
    let types = [
        "string",
        "number",
        "integer",
        "float",
        "bool",
        "timestamp",
        "json",
    ];
    match dice.below(5) {
        0 => options.key = vec!["id".to_owned()],
        1 => {
            let column_type = types[dice.below(types.len())].parse().unwrap();
            options.types = vec![("speed".to_owned(), column_type)];
        }
        2 => {
            let remembered = ("name".to_owned(), ColumnType::Number);
            options.remembered = BTreeMap::from([remembered]);
        }
        _ => {}
    }
    options
}

/// The cells of a CSV text as RFC 4180 has them, without those of blank lines.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() && !was_quoted => (is_quoted, was_quoted) = (true, true),
            ',' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\n' | '\r' if !is_quoted => {
                if !(row.is_empty() && cell.is_empty() && !was_quoted) {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                was_quoted = false;
            }
            c => cell.push(c),
        }
    }
    if !(row.is_empty() && cell.is_empty() && !was_quoted) {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// A file that is taken has what it says.
fn is_taken_as_it_is(checked: &Checked, format: Format, options: &ImportOptions) {
    let rows: Vec<_> = checked.rows().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, checked.row_count());
    assert!(rows.is_sorted_by_key(|row| row.line));
    let keys: BTreeSet<_> = rows.iter().map(|row| row.key.clone()).collect();
    if !options.key.is_empty() {
        assert_eq!(keys.len(), rows.len(), "keys differ");
    }
    if format != Format::Csv {
        return;
    }
    let mut cells = cells(body(&checked.text)).into_iter();
    let header = cells.next().unwrap();
    assert_eq!(cells.len(), rows.len());
    for (cells, row) in cells.zip(&rows) {
        for (name, cell) in header.iter().zip(&cells) {
            let Some(value) = row.fields.get(&FieldPath::new([name]).unwrap().to_key()) else {
                continue; // JSON that was asked for lies below
            };
            match value {
                Value::String(text) => assert_eq!(text, cell),
                Value::Null => assert!(cell.is_empty() || cell == "null", "{cell}"),
                value if options.types.is_empty() && options.remembered.is_empty() => {
                    assert_eq!(canonical_number(cell).as_ref(), Some(value));
                }
                _ => {}
            }
        }
    }
}

fn is_told_well(error: &ImportError, name: &str, bytes: &[u8]) {
    let told = error.to_string();
    assert!(told.starts_with(name), "{told}");
    assert!(told.chars().count() <= SENTENCE, "{told}");
    assert!(error.remedy().ends_with('.'), "{}", error.remedy());
    let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
    let last = ends.count() as u64 + 1;
    assert!(
        error.line.is_none_or(|line| (1..=last).contains(&line)),
        "{told}"
    );
}

#[test]
fn whatever_a_file_holds_it_is_taken_as_it_is_or_refused_with_a_sentence() {
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    let cases = wanted.and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let (mut taken, mut refused) = (BTreeMap::new(), BTreeSet::new());
    for case in 0..cases {
        let mut dice = Dice(case);
        let (name, file) = FILES[dice.below(FILES.len())];
        let bytes = altered(&mut dice, file);
        let options = options(&mut dice);
        let format = Format::of(Path::new(name), &bytes);
        let told = format!("case {case}: {:?}", String::from_utf8_lossy(&bytes));
        let read = std::panic::catch_unwind(|| {
            match check(
                Path::new(name),
                bytes.clone(),
                format,
                &options,
                &mut |_, _| {},
            ) {
                Ok(checked) => {
                    is_taken_as_it_is(&checked, format, &options);
                    None
                }
                Err(error) => {
                    is_told_well(&error, name, &bytes);
                    Some(std::mem::discriminant(&error.fault))
                }
            }
        });
        match read {
            Ok(None) => *taken.entry(name).or_insert(0) += 1,
            Ok(Some(fault)) => drop(refused.insert(format!("{fault:?}"))),
            Err(panic) => {
                eprintln!("{told}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(
        taken.len() == FILES.len() && refused.len() > 10,
        "{taken:?} {refused:?}"
    );
}
