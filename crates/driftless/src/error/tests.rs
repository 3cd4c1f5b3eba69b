//! The taxonomy: every error of the crates below has a class, says whether to try again, and what to do; and the page of
//! the documentation says the same.
//!
//! `DRIFTLESS_WRITE_DOCS=1 cargo test -p driftless error` writes the page anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use driftless_protocol::Code;

use super::{ErrorKind, cases};

/// The enums whose variants become different [`Error`](super::Error)s, and where they are.
const ENUMS: [(&str, &str); 8] = [
    ("EngineError", "engine/src/error.rs"),
    ("HistoryError", "document/src/history/mod.rs"),
    ("WriteError", "document/src/write/intent.rs"),
    ("FolderError", "store/src/folder.rs"),
    ("JournalError", "store/src/journal/error.rs"),
    ("KvError", "store/src/kv.rs"),
    ("CopyError", "store/src/rewrite.rs"),
    ("SealError", "store/src/seal.rs"),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The variants of an enum, as its source names them.
fn variants(source: &str, name: &str) -> Vec<String> {
    let start = format!("pub enum {name} {{");
    let (_, body) = source.split_once(&start).expect("the enum is there");
    let lines = body.lines().take_while(|line| *line != "}");
    // Rustfmt puts each variant on a line of its own, four blanks in.
    let variants = lines.filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let names = variants.map(|line| {
        let end = line.find(|c: char| !c.is_ascii_alphanumeric());
        line[..end.unwrap_or(line.len())].to_owned()
    });
    names.collect()
}

/// Whether a text has this path, and not only one that begins so.
fn mentions(text: &str, path: &str) -> bool {
    let mut after = text.split(path).skip(1);
    after.any(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[test]
fn every_variant_of_the_crates_below_is_named_where_it_becomes_ours() {
    let from = read(&crates().join("driftless/src/error/from.rs"));
    let mut wrong = Vec::new();
    for (name, file) in ENUMS {
        let variants = variants(&read(&crates().join(file)), name);
        assert!(!variants.is_empty(), "{name} has variants");
        for variant in variants {
            let spellings = [
                format!("{name}::{variant}"),
                format!(" {}::{variant}", &name[..1]),
            ];
            let is_named = spellings.iter().any(|spelling| mentions(&from, spelling));
            if !is_named {
                wrong.push(format!("{name}::{variant}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "give each a code, a class, a remedy and whether to try again, in error/from.rs: {wrong:?}"
    );
}

#[test]
fn every_code_says_what_to_do_and_equal_codes_say_the_same() {
    let mut known = BTreeMap::new();
    for case in cases::ALL {
        assert!(is_sentence(case.remedy), "{}: {}", case.code, case.remedy);
        assert!(is_code(case.code), "{}", case.code);
        let first = known.entry(case.code).or_insert(case);
        assert_eq!(first.class, case.class, "{}", case.code);
        assert_eq!(first.retry, case.retry, "{}", case.code);
    }
    for &code in Code::ALL {
        assert!(is_sentence(code.sentence()), "{code}");
        assert!(is_sentence(code.remedy()), "{code}");
        assert!(is_code(code.as_str()), "{code}");
    }
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && text.starts_with(char::is_uppercase) && text.len() > 10
}

fn is_code(code: &str) -> bool {
    !code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The exit code of the command line.
fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Other => 1,
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Refused => 4,
        ErrorKind::Network => 5,
        ErrorKind::Busy => 6,
        ErrorKind::Conflict => 7,
        ErrorKind::Storage => 8,
    }
}

fn yes(retry: bool) -> &'static str {
    if retry { "yes" } else { "no" }
}

fn page() -> String {
    let mut rows = BTreeMap::new();
    for case in cases::ALL {
        rows.entry(case.code).or_insert_with(|| {
            let (class, exit, retry) = (case.class, exit_code(case.kind), yes(case.retry));
            format!(
                "| `{}` | {class} | {exit} | {retry} | {} |",
                case.code, case.remedy
            )
        });
    }
    let mut page = String::from(PAGE);
    for row in rows.values() {
        let _ = writeln!(page, "{row}");
    }
    page.push_str(WIRE);
    for &code in Code::ALL {
        let exit = exit_code(cases::kind_of(code));
        let _ = writeln!(
            page,
            "| {} | `{code}` | {} | {exit} | {} | {} | {} |",
            code.number(),
            code.class(),
            yes(code.retry()),
            code.sentence(),
            code.remedy()
        );
    }
    page
}

const PAGE: &str = "\
# Errors

Every error has a *code*, a stable text that is never given another meaning; a *class*, of which there are eleven; whether the
same attempt can succeed later without anybody doing something; a sentence that names the place; and what to do. The library
gives them as `Error::code`, `class`, `retry`, `message` and `remedy`. The command line prints the sentence and what to do, with
`--json` all of it, and ends with the exit code. Logs name the code. Devices send each other its number. A test holds this page
against the code, and fails where an error has none of its own.

## Of this device

| code | class | exit code | try again | what to do |
|---|---|---|---|---|
";

const WIRE: &str = "
## Of two devices

A number that a release does not know stays a number: `other`, not to be tried again, and what to do is to update.

| number | code | class | exit code | try again | what it says | what to do |
|---|---|---|---|---|---|---|
";

#[test]
fn the_page_of_the_documentation_says_the_same() {
    let path = crates().join("../docs/errors.md");
    let page = page();
    if std::env::var_os("DRIFTLESS_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    assert_eq!(
        read(&path),
        page,
        "DRIFTLESS_WRITE_DOCS=1 writes docs/errors.md anew"
    );
}
