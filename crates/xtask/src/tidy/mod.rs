//! The rules of the tree that no compiler checks.
//!
//! | rule | module |
//! |---|---|
//! | no file is over 700 lines, no function over 70 | `size` |
//! | words that belong to one place, or to none | `words` |
//! | every Rust file is part of its crate | `orphans` |
//! | what stands at the top | `layout` |
//! | what the documentation links to, and what its summary lists | `docs` |
//! | which crate depends on what | `architecture` |
//! | how many packages there are, from where, and which may not be there | `lockfiles` |
//! | the tests that the documentation names exist | `named_tests` |
//! | every type that is stored or sent has a golden file | `goldens` |
//! | every dependency has its reason, every licence is allowed | `dependencies`, `licences` |
//!
//! A rule is a function from a [`Tree`] (or the packages) to [`Violation`]s. It reads nothing else, so its tests
//! give it trees of a few lines.

mod architecture;
mod dependencies;
mod docs;
mod goldens;
mod layout;
mod licences;
mod lockfiles;
mod named_tests;
mod orphans;
mod packages;
mod scan;
mod size;
mod tree;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

pub use packages::{Dependency, DependencyKind, Package, Packages};
pub use tree::{File, Tree};

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the root; or the name of a package.
    pub place: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    fn new(place: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.what),
            line => write!(f, "{}:{line}: {}", self.place, self.what),
        }
    }
}

/// Why the tree could not be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TidyError {
    /// A file or folder could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// `cargo metadata` could not be run, or failed.
    #[error("`cargo metadata` failed: {reason}")]
    Cargo {
        /// What it says.
        reason: String,
    },
}

/// The root of this workspace.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Checks every rule; violations come ordered by place and line.
pub fn check(root: &Path) -> Result<Vec<Violation>, TidyError> {
    let tree = Tree::read(root)?;
    let packages = Packages::of_cargo(root)?;
    let mut violations = check_tree(&tree);
    violations.extend(architecture::check(&packages));
    violations.extend(dependencies::check(&tree, &packages));
    violations.extend(licences::check(&packages));
    violations.sort();
    Ok(violations)
}

/// Checks the rules that need nothing but the files.
pub fn check_tree(tree: &Tree) -> Vec<Violation> {
    let rules: [fn(&Tree) -> Vec<Violation>; 9] = [
        size::check,
        words::check,
        orphans::check,
        layout::check,
        docs::check,
        architecture::check_manifests,
        lockfiles::check,
        goldens::check,
        named_tests::check,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}
