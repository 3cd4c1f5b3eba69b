//! What the lockfiles hold: not too much, from crates.io only, and none of what is banned.
//!
//! The text of a lockfile is read, not what cargo makes of it: so the lockfile of `fuzz/` is held to the same rules on
//! a machine that never fetched its packages.

use super::{File, Tree, Violation};

/// A package that may not be there, and why.
const BANNED: [(&str, &str); 8] = [
    ("async-std", "a second runtime"),
    ("async-tungstenite", "a second WebSocket stack"),
    ("chrono", "`time` is the one crate for times"),
    ("fastwebsockets", "a second WebSocket stack"),
    (
        "native-tls",
        "TLS of the machine differs from machine to machine",
    ),
    ("openssl-sys", "a C library of the machine"),
    ("smol", "a second runtime"),
    ("websocket", "a second WebSocket stack"),
];

/// Packages of which one version is enough.
const SINGLE: [&str; 3] = ["automerge", "tokio-tungstenite", "tungstenite"];

/// Packages in a lockfile: each is somebody's code that we ship or build with.
const PACKAGES: usize = 420;

const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The lockfiles there must be.
const LOCKFILES: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for path in LOCKFILES {
        if tree.file(path).is_none() {
            violations.push(Violation::new(path, 0, "it is missing"));
        }
    }
    let lockfiles = tree
        .files()
        .iter()
        .filter(|file| file.path.rsplit('/').next() == Some("Cargo.lock"));
    violations.extend(lockfiles.flat_map(check_lockfile));
    violations
}

fn check_lockfile(lock: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut found = |line: usize, what: String| {
        violations.push(Violation::new(&lock.path, line, what));
    };
    let names: Vec<(usize, &str)> = values_of(lock, "name").collect();
    if names.len() > PACKAGES {
        let count = names.len();
        found(
            0,
            format!("it has {count} packages, at most {PACKAGES} are allowed"),
        );
    }
    for (line, name) in &names {
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| banned == name) {
            found(*line, format!("`{name}` is banned: {why}"));
        }
        let is_second = names
            .iter()
            .any(|(above, other)| above < line && other == name);
        if is_second && SINGLE.contains(name) {
            found(*line, format!("`{name}` is there in two versions"));
        }
    }
    for (line, source) in values_of(lock, "source") {
        if source != SOURCE {
            found(
                line,
                format!("a package comes from {source}, not from crates.io"),
            );
        }
    }
    violations
}

/// The values of the lines `key = "value"`, with their lines from 1.
fn values_of<'a>(lock: &'a File, key: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    lock.text.lines().enumerate().filter_map(move |(n, line)| {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        Some((n + 1, value.strip_suffix('"')?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: &str) -> String {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n\n")
    }

    fn found(root: &str, fuzz: &str) -> Vec<String> {
        let tree = Tree::of(&[("Cargo.lock", root), ("fuzz/Cargo.lock", fuzz)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lockfile_over_its_limit_is_found() {
        let lock = |count: usize| package("x", SOURCE).repeat(count);
        assert!(found(&lock(PACKAGES), &lock(PACKAGES)).is_empty());
        assert_eq!(
            found(&lock(1), &lock(PACKAGES + 1)),
            ["fuzz/Cargo.lock: it has 421 packages, at most 420 are allowed"]
        );
        assert_eq!(found(&lock(PACKAGES + 1), &lock(1)).len(), 1);
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let fine = package("x", SOURCE);
        let forked = package("y", "git+https://example.org/fork#1234");
        let other = package("z", "registry+https://example.org/index");
        assert_eq!(
            found(&format!("{fine}{forked}"), &other),
            [
                "Cargo.lock:9: a package comes from git+https://example.org/fork#1234, not from crates.io",
                "fuzz/Cargo.lock:4: a package comes from registry+https://example.org/index, not from crates.io",
            ]
        );
    }

    #[test]
    fn a_banned_package_and_a_second_version_are_found() {
        let banned = package("openssl-sys", SOURCE);
        let twice = package("tungstenite", SOURCE).repeat(2);
        assert_eq!(
            found(&banned, &twice),
            [
                "Cargo.lock:2: `openssl-sys` is banned: a C library of the machine",
                "fuzz/Cargo.lock:7: `tungstenite` is there in two versions",
            ]
        );
    }

    #[test]
    fn a_lockfile_that_is_missing_is_found() {
        let tree = Tree::of(&[("Cargo.lock", "")]);
        let missing = Violation::new("fuzz/Cargo.lock", 0, "it is missing");
        assert_eq!(check(&tree), [missing]);
    }
}
