//! Words that belong to one place, or to none.
//!
//! * `bincode` is named in `codec.rs` only: one codec a crate, which another could replace byte for byte.
//! * The pure crates name no clock, no randomness of a thread, and no collection of random order: time and
//!   randomness are passed in, and equal inputs give equal bytes.
//! * No file names a path of somebody's machine.

use super::scan::{code_of, is_word};
use super::{Tree, Violation};

/// The crates that are functions of what they are given.
const PURE: [&str; 3] = [
    "crates/document/src/",
    "crates/protocol/src/",
    "crates/engine/src/",
];

const IMPURE_WORDS: [&str; 5] = [
    "Instant::now",
    "SystemTime::now",
    "thread_rng",
    "HashMap",
    "HashSet",
];

/// Beginnings of paths of a machine, in two parts, so that this file does not name them.
const MACHINE_PATHS: [(&str, &str); 3] = [("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/")];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.ending(".rs") {
        let code = code_of(&file.text);
        let is_codec = file.path.rsplit('/').next() == Some("codec.rs");
        if !is_codec {
            let what = "`bincode` is named outside codec.rs";
            violations
                .extend(lines_with(&code, "bincode").map(|n| Violation::new(&file.path, n, what)));
        }
        if PURE.iter().any(|pure| file.path.starts_with(pure)) {
            for word in IMPURE_WORDS {
                let what = format!("`{word}` in a crate without clock, randomness or random order");
                let lines = lines_with(&code, word);
                violations.extend(lines.map(|n| Violation::new(&file.path, n, what.clone())));
            }
        }
    }
    for file in tree.files() {
        for (begin, end) in MACHINE_PATHS {
            let path = format!("{begin}{end}");
            let what = format!("the path `{path}` is one of a machine, not of the project");
            let lines = file.text.lines().enumerate();
            let lines = lines.filter(|(_, line)| line.contains(&path));
            violations.extend(lines.map(|(n, _)| Violation::new(&file.path, n + 1, what.clone())));
        }
    }
    violations
}

/// The lines, from 1, on which a word stands by itself.
fn lines_with<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let has_word = move |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let bytes = line.as_bytes();
            let before = at.checked_sub(1).map(|at| bytes[at]);
            let after = bytes.get(at + word.len()).copied();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    let lines = code.lines().enumerate();
    lines
        .filter(move |(_, line)| has_word(line))
        .map(|(n, _)| n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let violations = check(&Tree::of(&[(path, text)]));
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bincode_outside_its_module_is_found() {
        let source = "// bincode\nuse bincode::Encode;\n";
        assert_eq!(
            found("crates/document/src/row.rs", source),
            ["crates/document/src/row.rs:2: `bincode` is named outside codec.rs"]
        );
        assert!(found("crates/document/src/codec.rs", source).is_empty());
        assert!(found("crates/document/src/row.rs", "use my_bincode::X;").is_empty());
    }

    #[test]
    fn clocks_and_random_order_in_a_pure_crate_are_found() {
        let source =
            "use std::collections::HashMap;\n/// Not a HashSet.\nlet now = Instant::now();\n";
        assert_eq!(
            found("crates/engine/src/replica.rs", source),
            [
                "crates/engine/src/replica.rs:3: `Instant::now` in a crate without clock, randomness or random order",
                "crates/engine/src/replica.rs:1: `HashMap` in a crate without clock, randomness or random order",
            ]
        );
        assert!(found("crates/engine/tests/it/main.rs", source).is_empty());
        assert!(found("crates/cli/src/main.rs", source).is_empty());
    }

    #[test]
    fn a_path_of_a_machine_is_found_in_any_file() {
        let path = format!("see {}{}me/notes\n", "/ho", "me/");
        assert_eq!(found("docs/a.md", &format!("fine\n{path}")).len(), 1);
        assert!(found("docs/a.md", "a/homework/b").is_empty());
    }
}
