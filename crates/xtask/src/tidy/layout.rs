//! What stands at the top of the tree: what a newcomer sees first, and nothing else.

use std::collections::BTreeSet;

use super::{Tree, Violation};

const FOLDERS: [&str; 6] = [".cargo", ".ci", "crates", "docs", "fuzz", "tests"];

const FILES: [&str; 14] = [
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];

/// What there must be.
const NEEDED: [&str; 9] = [
    ".ci/run",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs/SUMMARY.md",
];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let tops: BTreeSet<(&str, bool)> = tree
        .files()
        .iter()
        .map(|file| match file.path.split_once('/') {
            Some((folder, _)) => (folder, true),
            None => (file.path.as_str(), false),
        })
        .collect();
    let mut violations = Vec::new();
    for (name, is_folder) in tops {
        let allowed: &[&str] = if is_folder { &FOLDERS } else { &FILES };
        if !allowed.contains(&name) {
            violations.push(Violation::new(
                name,
                0,
                "it does not belong at the top of the tree",
            ));
        }
    }
    for needed in NEEDED {
        if tree.file(needed).is_none() {
            violations.push(Violation::new(needed, 0, "it is missing"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_belong_at_the_top_is_found_and_what_is_missing() {
        let mut files: Vec<_> = NEEDED.iter().map(|path| (*path, "")).collect();
        files.push(("crates/a/src/lib.rs", ""));
        assert_eq!(check(&Tree::of(&files)), []);
        files.retain(|(path, _)| *path != "LICENSE-MIT");
        files.extend([("notes.txt", ""), ("scratch/a.rs", "")]);
        let found: Vec<_> = check(&Tree::of(&files))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "notes.txt: it does not belong at the top of the tree",
                "scratch: it does not belong at the top of the tree",
                "LICENSE-MIT: it is missing",
            ]
        );
    }
}
