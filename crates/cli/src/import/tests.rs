#![allow(clippy::unwrap_used)]

use driftless::Value;

use super::*;

fn check_named(name: &str, bytes: &[u8], options: &ImportOptions) -> Result<Checked, ImportError> {
    let path = Path::new(name);
    let format = Format::of(path, bytes);
    check(path, bytes.to_vec(), format, options, &mut |_, _| {})
}

fn rows(checked: &Checked) -> Vec<ImportRow> {
    checked.rows().map(Result::unwrap).collect()
}

/// What is said of a file that is refused.
fn refusal(name: &str, bytes: impl AsRef<[u8]>, options: &ImportOptions) -> String {
    let error = check_named(name, bytes.as_ref(), options).expect_err("the file is malformed");
    assert!(error.remedy().ends_with('.'), "{}", error.remedy());
    error.to_string()
}

fn csv_refusal(text: impl AsRef<[u8]>) -> String {
    refusal("birds.csv", text, &ImportOptions::default())
}

fn key(parts: &[&str]) -> ImportOptions {
    ImportOptions {
        key: parts.iter().map(|part| (*part).to_owned()).collect(),
        ..ImportOptions::default()
    }
}

fn typed(column: &str, column_type: &str) -> ImportOptions {
    ImportOptions {
        types: vec![(column.to_owned(), column_type.parse().unwrap())],
        ..ImportOptions::default()
    }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The values of one field in all rows.
fn column(checked: &Checked, key: &str) -> Vec<Value> {
    rows(checked)
        .into_iter()
        .map(|mut row| row.fields.remove(key).unwrap())
        .collect()
}

fn csv(text: &str, options: &ImportOptions) -> Checked {
    check_named("birds.csv", text.as_bytes(), options).unwrap()
}

#[test]
fn the_name_or_the_first_byte_says_the_format() {
    let of = |name: &str, text: &str| Format::of(Path::new(name), text.as_bytes());
    assert_eq!(of("a.csv", "[1]"), Format::Csv);
    assert_eq!(of("a.JSON", "x"), Format::JsonArray);
    assert_eq!(of("a.jsonl", ""), Format::JsonLines);
    assert_eq!(of("a.ndjson", ""), Format::JsonLines);
    assert_eq!(of("a", "\u{feff}\n [{}]"), Format::JsonArray);
    assert_eq!(of("a.txt", "{}"), Format::JsonLines);
    assert_eq!(of("a.txt", "a,b"), Format::Csv);
    assert_eq!(of("a", ""), Format::Csv);
}

#[test]
fn a_csv_row_has_its_line_its_key_and_its_fields() {
    let text = "\u{feff}id,no.1,$x\r\na,\"1,\"\"2\"\"\r\n\",\r\n\r\nb c,5\" pipe,ü";
    let checked = csv(text, &key(&["id"]));
    let row = |line, key: &str, one: &str, x| ImportRow {
        line,
        key: Some(vec![key.to_owned()]),
        fields: Fields::from([
            ("id".to_owned(), string(key)),
            ("no\\.1".to_owned(), string(one)),
            ("\\$x".to_owned(), x),
        ]),
    };
    assert_eq!(
        rows(&checked),
        [
            row(2, "a", "1,\"2\"\r\n", Value::Null),
            row(5, "b c", "5\" pipe", string("ü")),
        ]
    );
    assert_eq!(checked.row_count(), 2);
}

#[test]
fn every_kind_of_line_end_counts_one_line() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,b", "1,2", "", "", "1,\"x", "y\"", "7"].join(end);
        assert_eq!(
            csv_refusal(text),
            "birds.csv:7: row has 1 cell, the header has 2",
            "{end:?}"
        );
    }
}

#[test]
fn a_malformed_csv_file_is_refused_with_its_line() {
    assert_eq!(csv_refusal(""), "birds.csv: the file is empty");
    assert_eq!(csv_refusal("\u{feff}\n\n"), "birds.csv: the file is empty");
    assert_eq!(
        csv_refusal("a,b\n1,2\n1,2,3\n"),
        "birds.csv:3: row has 3 cells, the header has 2"
    );
    assert_eq!(
        csv_refusal("a,b\n1\n1,2,3\n"),
        "birds.csv:2: row has 1 cell, the header has 2"
    );
    assert_eq!(
        csv_refusal("a,,c\n1,2,3\n"),
        "birds.csv:1: column 2 of the header has no name"
    );
    assert_eq!(
        csv_refusal("\n\na,b,a\n1,2,3\n"),
        "birds.csv:3: the header names `a` twice"
    );
    assert_eq!(
        csv_refusal("a,b\n1,2\n3,\"4\n5,6\n7,8\n"),
        "birds.csv:3: a quoted cell of this row is never closed"
    );
    assert_eq!(
        csv_refusal("a,b\n1,\"2\"x\n"),
        "birds.csv:2: there is text after the closing quote of a cell"
    );
    assert_eq!(
        csv_refusal(b"a,b\n1,2\n3,\xe9t\xe9\n"),
        "birds.csv:3: the line is not UTF-8"
    );
    let long = "x".repeat(2_000);
    assert!(csv_refusal(format!("a,{long}\n")).starts_with("birds.csv:1: a column's name"));
}

#[test]
fn keys_are_present_and_differ() {
    let refused = |text: &str, parts: &[&str]| refusal("birds.csv", text, &key(parts));
    assert_eq!(
        refused("a,b\n1,2\n3,4\n", &["c"]),
        "birds.csv:1: --key names the column `c`, which the header does not have"
    );
    assert_eq!(
        refused("a,b\n1,2\n3,\n", &["a", "b"]),
        "birds.csv:3: the record has no value for its key `b`"
    );
    assert_eq!(
        refused("a,b\n1,2\n1,3\n1,2\n", &["a", "b"]),
        "birds.csv:4: the key `1, 2` is that of line 2 too"
    );
    // As texts these differ, and so do the parts of these keys though their joined texts do not.
    let checked = csv(
        "a,b\n1,2\n1.0,2\n\"1, 2\",3\n1,\"2, 3\"\n",
        &key(&["a", "b"]),
    );
    assert_eq!(checked.row_count(), 4);
    assert_eq!(
        rows(&checked)[1].key,
        Some(vec!["1.0".to_owned(), "2".to_owned()])
    );
}

#[test]
fn a_header_alone_has_no_rows() {
    let checked = csv("a,b\n", &key(&["a"]));
    assert_eq!(checked.row_count(), 0);
    assert_eq!(rows(&checked), []);
    assert!(checked.column_types().is_empty());
}

#[test]
fn a_column_is_numbers_only_if_every_text_comes_back() {
    let text = "n,zip,money,exp,mixed,bool,empty\n\
        1,10001,1.50,1e5,5,true,\n\
        -2.5,00501,2.25,2,,false,\n\
        18446744073709551615,1,3,3,x,true,\n";
    let checked = csv(text, &ImportOptions::default());
    assert_eq!(
        column(&checked, "n"),
        [Value::Int(1), Value::Float(-2.5), Value::Uint(u64::MAX)]
    );
    assert_eq!(
        column(&checked, "zip"),
        [string("10001"), string("00501"), string("1")]
    );
    assert_eq!(column(&checked, "money")[0], string("1.50"));
    assert_eq!(column(&checked, "exp")[0], string("1e5"));
    assert_eq!(column(&checked, "bool")[0], string("true"));
    assert_eq!(
        column(&checked, "mixed"),
        [string("5"), Value::Null, string("x")]
    );
    let types: Vec<_> = checked
        .column_types()
        .iter()
        .map(|(name, column_type)| format!("{name}={column_type}"))
        .collect();
    assert_eq!(
        types,
        [
            "bool=string",
            "exp=string",
            "mixed=string",
            "money=string",
            "n=plain-number",
            "zip=string"
        ]
    );
    for cell in [
        "-0",
        "+5",
        "NaN",
        " 5",
        "1_000",
        "18446744073709551616",
        "0x10",
    ] {
        let checked = csv(&format!("a,b\n1,1\n{cell},1\n"), &ImportOptions::default());
        assert_eq!(column(&checked, "a"), [string("1"), string(cell)], "{cell}");
    }
}

#[test]
fn remembered_types_hold_and_what_does_not_fit_stays_a_string() {
    let first = csv("zip,n\n00501,1\n", &ImportOptions::default());
    let options = ImportOptions {
        remembered: first.column_types().clone(),
        ..ImportOptions::default()
    };
    let second = csv("zip,n,new\n10001,2,3\n10002,2.50,4\n", &options);
    assert_eq!(column(&second, "zip"), [string("10001"), string("10002")]);
    assert_eq!(column(&second, "n"), [Value::Int(2), string("2.50")]);
    assert_eq!(column(&second, "new"), [Value::Int(3), Value::Int(4)]);
    assert_eq!(second.column_types()["n"], ColumnType::PlainNumber);

    // A type that was asked for once reads the same file the same way again.
    let first = csv("n\n1.50\n", &typed("n", "number"));
    let options = ImportOptions {
        remembered: first.column_types().clone(),
        ..ImportOptions::default()
    };
    let second = csv("n\n1.50\nnone\n", &options);
    assert_eq!(column(&second, "n"), [Value::Float(1.5), string("none")]);
}

#[test]
fn a_type_that_is_asked_for_is_kept_or_refused() {
    let json = Value::Json("[1,2]".into());
    for (column_type, cell, value) in [
        ("string", "5", string("5")),
        ("number", "1.50", Value::Float(1.5)),
        ("number", "7", Value::Int(7)),
        ("integer", "-7", Value::Int(-7)),
        ("float", "7", Value::Float(7.0)),
        ("float", "1e5", Value::Float(100_000.0)),
        ("bool", "true", Value::Bool(true)),
        ("timestamp", "1970-01-01T00:00:01Z", Value::Timestamp(1_000)),
        ("json", "\"[1, 2]\"", json),
        ("json", "null", Value::Null),
        ("integer", "", Value::Null),
    ] {
        let checked = csv(&format!("a,b\n{cell},1\n"), &typed("a", column_type));
        assert_eq!(column(&checked, "a"), [value], "{cell} as {column_type}");
    }
    let nested = csv(
        "a.b\n\"{\"\"x\"\":{\"\"y\"\":1}}\"\n",
        &typed("a.b", "json"),
    );
    assert_eq!(column(&nested, "a\\.b.x.y"), [Value::Int(1)]);

    let refused = |column_type, cell: &str| {
        let text = format!("a,b\n,1\n{cell},1\n");
        refusal("birds.csv", text, &typed("a", column_type))
    };
    assert_eq!(
        refused("integer", "7.5"),
        "birds.csv:3: `7.5` in column `a` is not of type integer"
    );
    assert_eq!(
        refused("number", "1e400"),
        "birds.csv:3: `1e400` in column `a` is not of type number: \
         the number 1e400 is too large for 64 bits"
    );
    for (column_type, cell) in [
        ("number", "00501"),
        ("float", "9007199254740993"),
        ("bool", "TRUE"),
        ("timestamp", "1970-01-01"),
        ("json", "{"),
        ("plain-number", "1.50"),
    ] {
        let said = refused(column_type, cell);
        let expected = format!("birds.csv:3: `{cell}` in column `a` is not of type {column_type}");
        assert!(said.starts_with(&expected), "{said}");
    }
    assert_eq!(
        refusal("birds.csv", "a\n1\n", &typed("b", "string")),
        "birds.csv:1: --types names the column `b`, which the header does not have"
    );
    assert!("text".parse::<ColumnType>().is_err());
}

#[test]
fn records_have_limits() {
    let large = "x".repeat(RECORD_BYTES);
    let said = csv_refusal(format!("a,b\n1,2\n{large},3\n"));
    assert!(
        said.starts_with("birds.csv:3: the record has 525"),
        "{said}"
    );
    let wide = vec!["x"; RECORD_FIELDS + 1].join(",");
    assert_eq!(
        csv_refusal(wide),
        "birds.csv:1: the record has 4097 fields, at most 4096 are taken"
    );
    let line = format!("{{}}\n{{\"a\":\"{large}\"}}");
    let said = refusal("a.jsonl", line, &ImportOptions::default());
    assert!(said.starts_with("a.jsonl:2: the record has 525"), "{said}");
}

#[test]
fn json_values_keep_their_types_and_nesting() {
    let text = "\u{feff}[\n {\"id\": 7, \"a\": {\"b\": \"00501\"}},\n\n {\"id\": \"x\",\n  \"t\": [1.0]}, {\"id\": true}]\n";
    let checked = check_named("a.json", text.as_bytes(), &key(&["id"])).unwrap();
    let found = rows(&checked);
    let lines: Vec<_> = found.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 4, 5]);
    let keys: Vec<_> = found.iter().map(|row| row.key.clone().unwrap()).collect();
    assert_eq!(keys, [["7"], ["x"], ["true"]]);
    assert_eq!(
        found[0].fields,
        Fields::from([
            ("a.b".to_owned(), string("00501")),
            ("id".to_owned(), Value::Int(7))
        ])
    );
    assert_eq!(found[1].fields["t"], Value::Json("[1.0]".into()));
    assert_eq!(checked.row_count(), 3);
    assert!(checked.column_types().is_empty());
    let none = check_named("a.json", b"[]", &ImportOptions::default()).unwrap();
    assert_eq!(none.row_count(), 0);
}

#[test]
fn json_lines_skip_blank_lines() {
    let text = "\u{feff}\n{\"a\":{\"k\":1.10}}\r\n  \r\n{\"a\":{\"k\":1e20}}";
    let checked = check_named("a.jsonl", text.as_bytes(), &key(&["a.k"])).unwrap();
    let found: Vec<_> = rows(&checked)
        .into_iter()
        .map(|row| (row.line, row.key.unwrap().remove(0)))
        .collect();
    assert_eq!(found, [(2, "1.1".to_owned()), (4, "1e+20".to_owned())]);
}

#[test]
fn a_malformed_json_file_is_refused_with_its_line() {
    let lines = |text: &str| refusal("a.jsonl", text, &key(&["k"]));
    assert_eq!(lines(" \n"), "a.jsonl: the file is empty");
    assert_eq!(
        lines("{\"k\":1}\n{\"k\":2} x\n"),
        "a.jsonl:2: not JSON: trailing characters"
    );
    assert_eq!(
        lines("{\"k\":1}\n[1]\n"),
        "a.jsonl:2: expected an object, found an array"
    );
    assert_eq!(
        lines("{\"k\":1}\n{\"k\":\"1\"}\n"),
        "a.jsonl:2: the key `1` is that of line 1 too"
    );
    assert_eq!(
        lines("{\"k\":1,\"b\":{\"x\":1,\"x\":2}}"),
        "a.jsonl:1: the key \"x\" stands twice in one object, at b"
    );
    for without in [
        "{}",
        "{\"k\":null}",
        "{\"k\":[1]}",
        "{\"k\":{\"x\":1}}",
        "{\"k\":\"\"}",
    ] {
        assert_eq!(
            lines(&format!("\n{without}")),
            "a.jsonl:2: the record has no value for its key `k`",
            "{without}"
        );
    }

    let array = |text: &str| refusal("a.json", text, &ImportOptions::default());
    assert_eq!(
        array("\n {\"k\":1}"),
        "a.json:2: expected a JSON array of objects"
    );
    assert_eq!(
        array("[{\"a\":1},\n{\"a\":\n[12345678901234567890123]}]"),
        "a.json:3: the number 12345678901234567890123 is too large for 64 bits, at a[0]"
    );
    assert_eq!(
        array("[{\"a\":1},\n{\"a\":0.10000000000000001}]"),
        "a.json:2: the number 0.10000000000000001 would lose digits and become 0.1, at a"
    );
    assert_eq!(
        array("[{},\n\n3]"),
        "a.json:3: expected an object, found a number"
    );
    assert_eq!(
        array("[{}]\n\n[]"),
        "a.json:3: not JSON: trailing characters"
    );
    assert!(array("[{},\n{\"a\":").starts_with("a.json:2: not JSON: EOF"));
    assert!(array("[{},\n{\"a\":\"\\ud800\"}]").starts_with("a.json:2: not JSON: "));
    assert_eq!(
        refusal("a.json", "[]", &typed("a", "string")),
        "a.json: --types is for CSV; JSON values have their own types"
    );
    assert!(refusal("a.json", "[]", &key(&["a..b"])).starts_with("a.json: --key: the field path"));
}

#[test]
fn real_airports_come_back_as_they_are_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/airports.csv");
    let bytes = std::fs::read(path).unwrap();
    let total = bytes.len() as u64;
    let mut seen = Vec::new();
    let checked = check(
        Path::new(path),
        bytes,
        Format::Csv,
        &key(&["iata"]),
        &mut |done, of| {
            assert_eq!(of, total);
            seen.push(done);
        },
    )
    .unwrap();
    assert_eq!(checked.row_count(), 3_376);
    assert!(seen.is_sorted() && seen.len() > 10 && seen.last() == Some(&total));
    let types = checked.column_types();
    assert_eq!(types.len(), 7);
    assert_eq!(types["iata"], ColumnType::String);
    let found = rows(&checked);
    assert_eq!(found[0].line, 2);
    assert_eq!(found[0].key, Some(vec!["00M".to_owned()]));
    assert_eq!(found[3_375].line, 3_377);

    // Written as CSV again, every cell is the text it was.
    let text = std::fs::read_to_string(path).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let names: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    for (cells, row) in reader.records().zip(&found) {
        for (name, cell) in names.iter().zip(&cells.unwrap()) {
            let shown = match &row.fields[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                number => driftless::number_text(number).unwrap(),
            };
            assert_eq!(shown, cell, "line {}", row.line);
        }
    }
}
