//! Files that cannot be imported: each names its file, its line and the reason, and imports nothing.

use crate::support::{World, text};

/// Name of the file, content, more arguments, line, and a part of the reason.
type Case = (
    &'static str,
    &'static [u8],
    &'static [&'static str],
    Option<u32>,
    &'static str,
);

const MALFORMED: &[Case] = &[
    (
        "latin1.csv",
        b"a,b\n1,2\n3,caf\xe9\n",
        &[],
        Some(3),
        "UTF-8",
    ),
    ("header.csv", b"a,b,a\n1,2,3\n", &[], Some(1), "`a` twice"),
    ("unnamed.csv", b"a,,c\n1,2,3\n", &[], Some(1), "no name"),
    ("short.csv", b"a,b\n1,2\n3\n", &[], Some(3), "1 cell"),
    ("long.csv", b"a,b\n1,2,3\n", &[], Some(2), "3 cells"),
    (
        "open.csv",
        b"a,b\n1,2\n3,\"4\n5,6\n",
        &[],
        Some(3),
        "never closed",
    ),
    (
        "after.csv",
        b"a,b\n1,\"2\"x\n",
        &[],
        Some(2),
        "after the closing quote",
    ),
    (
        "twice.csv",
        b"k,v\nx,1\ny,2\nx,3\n",
        &["--key", "k"],
        Some(4),
        "line 2",
    ),
    (
        "composite.csv",
        b"k,l,v\nx,1,1\nx,2,2\nx,1,3\n",
        &["--key", "k", "--key", "l"],
        Some(4),
        "line 2",
    ),
    (
        "missing.csv",
        b"k,v\nx,1\n,2\n",
        &["--key", "k"],
        Some(3),
        "no value for its key",
    ),
    (
        "type.csv",
        b"a\n1\nx\n",
        &["--types", "a=integer"],
        Some(3),
        "not of type integer",
    ),
    ("empty.csv", b"", &[], None, "empty"),
    ("empty.json", b" \n", &[], None, "empty"),
    (
        "open.json",
        b"[\n{\"a\":1},\n{\"a\":2}\n",
        &[],
        Some(4),
        "not JSON",
    ),
    (
        "object.json",
        b"{\"a\":1}\n",
        &["--format", "json"],
        Some(1),
        "array",
    ),
    (
        "number.json",
        b"[\n{\"a\":1},\n3\n]\n",
        &[],
        Some(3),
        "object",
    ),
    (
        "digits.json",
        b"[\n{\"a\":1},\n{\"a\":123456789012345678901234567890}\n]\n",
        &[],
        Some(3),
        "too large",
    ),
    (
        "float.jsonl",
        b"{\"a\":1}\n{\"a\":0.1234567890123456789012345}\n",
        &[],
        Some(2),
        "lose digits",
    ),
    (
        "duplicate.jsonl",
        b"{\"a\":1,\"a\":2}\n",
        &[],
        Some(1),
        "twice",
    ),
    (
        "broken.jsonl",
        b"{\"a\":1}\n{\"a\":\n",
        &[],
        Some(2),
        "not JSON",
    ),
    (
        "bytes.jsonl",
        b"{\"a\":{\"$bytes\":\"?\"}}\n",
        &[],
        Some(1),
        "base64",
    ),
    (
        "time.jsonl",
        b"{\"a\":{\"$timestamp\":\"noon\"}}\n",
        &[],
        Some(1),
        "RFC 3339",
    ),
    (
        "key.jsonl",
        b"{\"k\":1}\n{\"v\":2}\n",
        &["--key", "k"],
        Some(2),
        "no value for its key",
    ),
    (
        "null.jsonl",
        b"{\"k\":1}\n{\"k\":null}\n",
        &["--key", "k"],
        Some(2),
        "no value for its key",
    ),
];

#[test]
fn a_malformed_file_imports_nothing_and_says_where_it_is_wrong() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("rows", &["a=1"]);
    let before = laptop.digest();
    for (name, content, more, line, reason) in MALFORMED {
        let file = world.file(name, content);
        let arguments = ["import", &file, "--collection", "rows"];
        let error = laptop.fails(4, arguments.iter().chain(*more));
        let message = text(&error["message"]);
        let place = match line {
            Some(line) => format!("{name}:{line}: "),
            None => format!("{name}: "),
        };
        assert!(message.contains(&place), "{place} in {message}");
        assert!(message.contains(reason), "{reason} in {message}");
        assert_eq!(error["code"], "malformed_file");
    }
    assert_eq!(laptop.digest(), before);
    assert_eq!(
        laptop.json(["status"])["pending_changes"],
        1,
        "not even a change was made"
    );
}

#[test]
fn options_that_do_not_fit_the_file_are_usage_errors() {
    let world = World::new();
    let laptop = world.init("laptop");
    let csv = world.file("rows.csv", "k,v\nx,1\n");
    let json = world.file("rows.json", "[{\"k\":\"x\"}]");
    let wrong: &[(&str, &[&str])] = &[
        (&csv, &["--key", "K"]),
        (&csv, &["--types", "nowhere=string"]),
        (&csv, &["--types", "v=text"]),
        (&csv, &["--types", "v"]),
        (&csv, &["--format", "xml"]),
        (&json, &["--types", "k=string"]),
        (&json, &["--key", "a..b"]),
    ];
    for (file, more) in wrong {
        let arguments = ["import", *file, "--collection", "rows"];
        let error = laptop.fails(2, arguments.iter().chain(*more));
        assert_eq!(error["code"], "usage", "{more:?}: {error}");
    }
    assert_eq!(laptop.json(["status"])["records"], 0);
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let world = World::new();
    let laptop = world.init("laptop");
    let path = world.path("nowhere.csv");
    let error = laptop.fails(
        3,
        ["import", path.to_str().unwrap(), "--collection", "rows"],
    );
    assert!(text(&error["message"]).contains("nowhere.csv"), "{error}");
    let folder = world.path("").to_str().unwrap().to_owned();
    laptop.fails(8, ["import", &folder, "--collection", "rows"]);
}
