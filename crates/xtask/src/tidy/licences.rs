//! Every package has a licence that ours can stand beside, and comes from crates.io.

use super::Violation;
use super::packages::Packages;

/// The licences that may be used; a package with a choice needs one of them.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(packages: &Packages) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &packages.packages {
        let allowed = package.licence.as_deref().is_some_and(is_allowed);
        if !allowed {
            let licence = package.licence.as_deref().unwrap_or("none");
            let what = format!("its licence is not among those allowed: {licence}");
            violations.push(Violation::new(&package.name, 0, what));
        }
        if let Some(source) = package.source.as_deref().filter(|source| *source != SOURCE) {
            let what = format!("it comes from {source}, not from crates.io");
            violations.push(Violation::new(&package.name, 0, what));
        }
    }
    violations
}

/// Whether an SPDX expression can be fulfilled; `/` is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

/// `all_of` joined by `OR`; `None` where it is no expression.
fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = all_of(words)?;
    while take(words, "OR") {
        allowed |= all_of(words)?;
    }
    Some(allowed)
}

/// Licences joined by `AND`.
fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = one(words)?;
    while take(words, "AND") {
        allowed &= one(words)?;
    }
    Some(allowed)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let allowed = any_of(words)?;
        return take(words, ")").then_some(allowed);
    }
    let (licence, rest) = words.split_first()?;
    *words = rest;
    let licence = if take(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        format!("{licence} WITH {exception}")
    } else {
        (*licence).to_owned()
    };
    Some(ALLOWED.contains(&licence.as_str()))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::packages::Package;

    #[test]
    fn expressions_are_understood() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "CC0-1.0 OR Apache-2.0 OR Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(fine), "{fine}");
        }
        for wrong in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT OR",
            "(MIT",
            "MIT Apache-2.0",
            "Apache-2.0 WITH Some-exception",
        ] {
            assert!(!is_allowed(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_licence_or_source_that_is_not_allowed_is_found() {
        let package = |name: &str, licence: Option<&str>, source: &str| Package {
            name: name.to_owned(),
            licence: licence.map(str::to_owned),
            source: Some(source.to_owned()),
            ..Package::default()
        };
        let packages = Packages {
            packages: vec![
                package("fine", Some("MIT"), SOURCE),
                package("copyleft", Some("AGPL-3.0"), SOURCE),
                package("silent", None, SOURCE),
                package("fork", Some("MIT"), "git+https://example.org/fork"),
            ],
        };
        let found: Vec<_> = check(&packages).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "copyleft: its licence is not among those allowed: AGPL-3.0",
                "silent: its licence is not among those allowed: none",
                "fork: it comes from git+https://example.org/fork, not from crates.io",
            ]
        );
    }
}
