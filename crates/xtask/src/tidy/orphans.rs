//! Every Rust file is part of its crate: a test file that no `mod` names is compiled by nobody, and passes.

use std::collections::BTreeSet;

use super::scan::{code_of, is_word};
use super::{Tree, Violation};

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in folders(tree) {
        let inside: Vec<_> = tree
            .ending(".rs")
            .filter(|file| file.path.starts_with(&package))
            .collect();
        let named: BTreeSet<_> = inside
            .iter()
            .flat_map(|file| modules_of(&code_of(&file.text)))
            .collect();
        for file in inside {
            if let Some(module) = module_of(&file.path[package.len()..])
                && !named.contains(module)
            {
                let what = format!("no `mod {module};` of its crate names this file");
                violations.push(Violation::new(&file.path, 0, what));
            }
        }
    }
    violations
}

/// The folders whose Rust files belong together.
fn folders(tree: &Tree) -> BTreeSet<String> {
    let crates = tree.ending(".rs").filter_map(|file| {
        let mut parts = file.path.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("crates"), Some(name), Some(_)) => Some(format!("crates/{name}/")),
            (Some("tests"), Some(_), _) => Some("tests/".to_owned()),
            _ => None,
        }
    });
    crates.collect()
}

/// The name a file must be declared by; `None` for the root of a crate or test.
fn module_of(path: &str) -> Option<&str> {
    let path = path.strip_suffix(".rs")?;
    let (folder, stem) = path.rsplit_once('/').unwrap_or(("", path));
    match stem {
        "main" | "lib" | "build" => None,
        "mod" => folder.rsplit('/').next(),
        // A file right in `tests`, `examples` or `benches` is a target by itself.
        _ if matches!(folder, "" | "tests" | "examples" | "benches" | "src/bin") => None,
        stem => Some(stem),
    }
}

/// The modules that stand in files of their own.
fn modules_of(code: &str) -> Vec<String> {
    let declarations = code.match_indices("mod ").filter_map(|(at, _)| {
        let before = at.checked_sub(1).map(|at| code.as_bytes()[at]);
        if before.is_some_and(is_word) {
            return None;
        }
        let (name, _) = code[at + 4..].split_once(';')?;
        let name = name.trim();
        name.bytes().all(is_word).then(|| name.to_owned())
    });
    declarations.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_file_is_found() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "pub mod used;\n// mod commented;\nmod inline { }\n",
            ),
            ("crates/a/src/used.rs", "mod deep;\n"),
            ("crates/a/src/used/deep.rs", ""),
            ("crates/a/src/commented.rs", ""),
            ("crates/a/tests/it/main.rs", "mod story;"),
            ("crates/a/tests/it/story.rs", ""),
            ("crates/a/tests/it/forgotten.rs", ""),
            ("crates/b/src/lib.rs", "mod forgotten;\n"),
            ("crates/b/src/forgotten/mod.rs", ""),
            ("tests/e2e.rs", "#[path = \"e2e/sync.rs\"]\nmod sync;\n"),
            ("tests/e2e/sync.rs", ""),
            ("tests/e2e/lost.rs", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|v| v.place).collect();
        assert_eq!(
            found,
            [
                "crates/a/src/commented.rs",
                "crates/a/tests/it/forgotten.rs",
                "tests/e2e/lost.rs"
            ]
        );
    }
}
