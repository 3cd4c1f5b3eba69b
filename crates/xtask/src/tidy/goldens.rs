//! Every type that is stored or sent has a golden file, and every golden file is one of the list.
//!
//! What an encoded type is, is read off the source of the crates that write bytes: it derives or implements `Encode`,
//! is written by `wire!`, or has an `encode` of its own. That each file was compared by a test is not seen here but by
//! `cargo xtask golden --check`.

use driftless_golden::{Entry, LIST};

use super::scan::{code_of, is_word};
use super::{File, Tree, Violation};

const FOLDER: &str = "crates/golden/files/";
const LIST_FILE: &str = "crates/golden/src/list.rs";
/// The crates whose types are stored or sent.
const WRITERS: [&str; 4] = ["document", "engine", "protocol", "store"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    check_list(tree, LIST)
}

fn check_list(tree: &Tree, list: &[Entry]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let path_of = |entry: &Entry| format!("{FOLDER}{}/{}", entry.crate_name, entry.name);
    for entry in list {
        let path = path_of(entry);
        let is_there = |ending| tree.file(&format!("{path}.{ending}")).is_some();
        if !is_there("hex") && !is_there("txt") {
            let what = format!("{path} is missing: cargo xtask golden --write");
            violations.push(Violation::new(LIST_FILE, 0, what));
        }
    }
    for file in tree
        .files()
        .iter()
        .filter(|file| file.path.starts_with(FOLDER))
    {
        let stem = file.path.rsplit_once('.').map_or("", |(stem, _)| stem);
        if !list.iter().any(|entry| path_of(entry) == stem) {
            let what = format!("{LIST_FILE} does not list this golden file");
            violations.push(Violation::new(&file.path, 0, what));
        }
    }
    for crate_name in WRITERS {
        violations.extend(check_types(tree, list, crate_name));
    }
    violations
}

fn check_types(tree: &Tree, list: &[Entry], crate_name: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let folder = format!("crates/{crate_name}/src/");
    let listed: Vec<&str> = list
        .iter()
        .filter(|entry| entry.crate_name == crate_name)
        .flat_map(|entry| entry.types)
        .copied()
        .collect();
    let mut all = Vec::new();
    for file in tree
        .ending(".rs")
        .filter(|file| file.path.starts_with(&folder))
    {
        for (line, name) in encoded_types(file) {
            if !listed.contains(&name.as_str()) {
                let what = format!(
                    "`{name}` is stored or sent, and {LIST_FILE} names no golden file for it"
                );
                violations.push(Violation::new(&file.path, line, what));
            }
            all.push(name);
        }
    }
    for name in listed {
        if !all.iter().any(|found| found == name) {
            let what = format!("`{name}` of {crate_name} is no encoded type any more");
            violations.push(Violation::new(LIST_FILE, 0, what));
        }
    }
    violations
}

/// The types that a file encodes, with their lines from 1.
fn encoded_types(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut implemented: Option<String> = None;
    let mut derived = false;
    for (n, line) in code_of(&file.text).lines().enumerate() {
        let mut add = |name: Option<String>| found.extend(name.map(|name| (n + 1, name)));
        if line.starts_with("impl") {
            implemented = implemented_type(line);
            if line.contains("Encode for ") {
                add(implemented.take());
            }
        } else if let Some(arguments) = line.strip_prefix("wire!(") {
            add(name_at(arguments));
        } else if line.starts_with("#[derive(") {
            derived = has_word(line, "Encode");
        } else if let Some(name) = declared_type(line) {
            if std::mem::take(&mut derived) {
                add(Some(name));
            }
        } else if line.contains("fn encode(&self)") || line.contains("fn encode(self)") {
            add(implemented.take());
        }
    }
    found
}

/// `Name` of `impl Name`, `impl<T> Trait for Name<T>`; none where a macro fills it in.
fn implemented_type(line: &str) -> Option<String> {
    let after = match line.rsplit_once(" for ") {
        Some((_, after)) => after,
        None => line.split_once(' ')?.1,
    };
    name_at(after)
}

fn declared_type(line: &str) -> Option<String> {
    ["struct ", "enum "].iter().find_map(|keyword| {
        let (before, after) = line.split_once(keyword)?;
        let is_declaration = before.is_empty() || before.trim_end().starts_with("pub");
        is_declaration.then(|| name_at(after)).flatten()
    })
}

fn name_at(text: &str) -> Option<String> {
    let name: String = text
        .bytes()
        .take_while(|byte| is_word(*byte))
        .map(char::from)
        .collect();
    (!name.is_empty()).then_some(name)
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric())
        .any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Entry = Entry {
        crate_name: "document",
        name: "row",
        what: "a row",
        types: &["Row"],
    };

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let violations = check_list(&Tree::of(files), &[ROW]);
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_golden_file_that_is_missing_or_not_listed_is_found() {
        let source = (
            "crates/document/src/row.rs",
            "#[derive(Clone, Encode)]\npub struct Row {\n",
        );
        assert!(found(&[source, ("crates/golden/files/document/row.hex", "")]).is_empty());
        assert_eq!(
            found(&[source, ("crates/golden/files/document/old.hex", "")]),
            [
                "crates/golden/src/list.rs: crates/golden/files/document/row is missing: cargo xtask golden --write",
                "crates/golden/files/document/old.hex: crates/golden/src/list.rs does not list this golden file",
            ]
        );
    }

    #[test]
    fn a_type_without_a_golden_file_is_found_however_it_is_encoded() {
        let source = "\
#[derive(Clone, Encode, Decode)]
#[non_exhaustive]
pub enum Derived {}
#[derive(Clone)]
pub struct Encoder;
wire!(Sent { a, b });
impl Encode for Written {
    fn encode<E: Encoder>(&self, encoder: &mut E) {}
}
impl Stored<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {}
}
impl Fallible for Nothing {
    fn other(&self) {}
}
        impl Encode for $name {
// impl Encode for Comment {
";
        let golden = ("crates/golden/files/document/row.hex", "");
        let row = ("crates/document/src/row.rs", "wire!(Row {\n");
        let found = found(&[golden, row, ("crates/store/src/a.rs", source)]);
        let names: Vec<&str> = found
            .iter()
            .filter_map(|line| line.split('`').nth(1))
            .collect();
        assert_eq!(names, ["Derived", "Sent", "Written", "Stored"]);
    }

    #[test]
    fn a_type_that_is_gone_from_the_source_is_found() {
        let golden = ("crates/golden/files/document/row.hex", "");
        let gone = "crates/golden/src/list.rs: `Row` of document is no encoded type any more";
        assert_eq!(found(&[golden]), [gone]);
    }
}
