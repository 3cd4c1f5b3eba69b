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
    ("mark.csv", b"\xef\xbb\xbf", &[], None, "empty"),
    (
        "marked.csv",
        b"\xef\xbb\xbfa,b\n1,\"2\n",
        &[],
        Some(2),
        "never closed",
    ),
    ("zero.csv", b"a,b\n1,x\0y\n", &[], Some(2), "zero byte"),
    ("utf16.csv", b"\xff\xfea\0,\0b\0\n\0", &[], Some(1), "UTF-8"),
    ("picture.csv", b"\x89PNG\r\n\x1a\n", &[], Some(1), "UTF-8"),
    ("array.csv", b" [{\"a\":1}]", &[], None, "a JSON array"),
    (
        "lines.csv",
        b"{\"a\":1}\n{\"a\":2}\n",
        &[],
        None,
        "JSON lines",
    ),
    ("table.json", b"a,b\n1,2\n", &[], Some(1), "array"),
    ("lines.json", b"{\"a\":1}\n", &[], Some(1), "array"),
    ("array.jsonl", b"[{\"a\":1}]\n", &[], Some(1), "object"),
    ("three.json", b"3", &[], Some(1), "array"),
    ("behind.json", b"[{\"a\":1}]\nx", &[], Some(2), "not JSON"),
    (
        "two.jsonl",
        b"{\"a\":1}\n\n{\"a\":2} {\"a\":3}\n",
        &[],
        Some(3),
        "not JSON",
    ),
    ("half.json", b"[{\"a\":\"x", &[], Some(1), "not JSON"),
    (
        "surrogate.json",
        b"[{\"a\":1},\n{\"a\":\"\\ud800\"}]",
        &[],
        Some(2),
        "not JSON",
    ),
    (
        "surrogate.jsonl",
        b"{\"a\":\"\\udc00x\"}\n",
        &[],
        Some(1),
        "surrogate",
    ),
    ("range.json", b"[{\"a\":1e999}]", &[], Some(1), "too large"),
    ("nan.json", b"[{\"a\":NaN}]", &[], Some(1), "not JSON"),
    (
        "inner.json",
        b"[{\"a\":{\"b\":1,\"b\":2}}]",
        &[],
        Some(1),
        "twice",
    ),
    (
        "controls.jsonl",
        b"{\"a\":\"x\ty\"}\n",
        &[],
        Some(1),
        "control character",
    ),
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
fn what_is_too_large_or_too_deep_says_where_and_imports_nothing() {
    let world = World::new();
    let laptop = world.init("laptop");
    let long = "x".repeat(600_000);
    let header: Vec<String> = (0..5_000).map(|n| format!("c{n}")).collect();
    let deep =
        |open: &str, close: &str, levels: usize| open.repeat(levels) + "1" + &close.repeat(levels);
    let lists = deep("[", "]", 100_000);
    let cases = [
        (
            "cell.csv",
            format!("a,b\n1,2\n3,{long}\n"),
            3,
            "at most 524288",
        ),
        (
            "text.jsonl",
            format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n"),
            2,
            "at most 524288",
        ),
        (
            "wide.csv",
            format!("{0}\n{0}\n", header.join(",")),
            1,
            "at most 4096",
        ),
        (
            "lists.json",
            format!("[\n{{\"a\":{lists}}}]"),
            2,
            "nested deeper than 32",
        ),
        (
            "objects.jsonl",
            deep("{\"a\":", "}", 40),
            1,
            "nested deeper than 32",
        ),
    ];
    for (name, content, line, reason) in cases {
        let file = world.file(name, content);
        let error = laptop.fails(4, ["import", &file, "--collection", "rows"]);
        let message = text(&error["message"]);
        assert!(message.contains(&format!("{name}:{line}: ")), "{message}");
        assert!(message.contains(reason), "{message}");
        assert!(message.len() < 500, "{name}: a sentence, not the file");
    }
    assert_eq!(laptop.json(["status"])["records"], 0);
}

#[test]
fn a_name_that_says_the_wrong_format_is_overruled_by_the_option() {
    let world = World::new();
    let laptop = world.init("laptop");
    let array = world.file("array.csv", "[{\"a\":1}]");
    let error = laptop.fails(4, ["import", &array, "--collection", "rows"]);
    assert!(text(&error["remedy"]).contains("--format json"), "{error}");
    let import = |file: &str, format: &str| {
        laptop.json(["import", file, "--collection", "rows", "--format", format])["imported"].take()
    };
    assert_eq!(import(&array, "json"), 1);
    let lines = world.file("lines.csv", "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(import(&lines, "jsonl"), 2);
    // A header that is JSON is a header to whoever says so.
    assert_eq!(import(&lines, "csv"), 1);
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
    // A file that cannot be read, whoever runs the test: a link that leads to itself.
    let link = world.path("loop.csv");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let error = laptop.fails(
        8,
        ["import", link.to_str().unwrap(), "--collection", "rows"],
    );
    assert_eq!(error["code"], "file");
    assert!(text(&error["message"]).contains("loop.csv"), "{error}");
    assert_eq!(laptop.json(["status"])["records"], 0);
}
