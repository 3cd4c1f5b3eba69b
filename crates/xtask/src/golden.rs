//! `cargo xtask golden`: the tests that compare golden files, and whether they compared all of them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use driftless_golden::{Entry, LIST, MODE, SEEN};

/// What is to be done; these are all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The files are compared.
    Check,
    /// The files are made anew. The tests refuse it where `CI` is set.
    Write,
}

/// Why golden files do not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// The tests failed; they have said which.
    #[error("a golden test failed, see above; if a change is meant: cargo xtask golden --write")]
    Tests,
    /// No test compared some files of the list.
    #[error("no test whose name has `golden` in it compares {}", names.join(", "))]
    NotCompared {
        /// Crate and file, as `store/seal`.
        names: Vec<String>,
    },
    /// Files are not written where `CI` is set.
    #[error("golden files are not written where CI is set")]
    WriteInCi,
    /// Something could not be run, read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Runs every test of the listed crates that has `golden` in its name; returns how many files were compared.
pub fn run(root: &Path, task: Task) -> Result<usize, GoldenError> {
    let in_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    if task == Task::Write && in_ci {
        return Err(GoldenError::WriteInCi);
    }
    let seen = root.join("target").join("golden-seen");
    let io_at = |path: &Path| {
        let path = path.to_owned();
        move |source| GoldenError::Io { path, source }
    };
    if seen.exists() {
        fs::remove_dir_all(&seen).map_err(io_at(&seen))?;
    }
    fs::create_dir_all(&seen).map_err(io_at(&seen))?;

    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    command.args(["test", "--quiet", "--locked"]);
    for crate_name in LIST.iter().map(|e| e.crate_name).collect::<BTreeSet<_>>() {
        command.args(["-p", &format!("driftless-{crate_name}")]);
    }
    command
        .args(["--lib", "--bins", "--test", "it", "golden"])
        .current_dir(root)
        .env(SEEN, &seen);
    if task == Task::Write {
        command.env(MODE, "write");
    } else {
        command.env_remove(MODE);
    }
    let status = command.status().map_err(io_at(Path::new(&cargo)))?;
    if !status.success() {
        return Err(GoldenError::Tests);
    }
    let marks = fs::read_dir(&seen).map_err(io_at(&seen))?;
    let marks: BTreeSet<String> = marks
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    match not_compared(LIST, &marks) {
        names if names.is_empty() => Ok(LIST.len()),
        names => Err(GoldenError::NotCompared { names }),
    }
}

fn not_compared(list: &[Entry], marks: &BTreeSet<String>) -> Vec<String> {
    list.iter()
        .filter(|entry| !marks.contains(&format!("{}.{}", entry.crate_name, entry.name)))
        .map(|entry| format!("{}/{}", entry.crate_name, entry.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_no_test_compares_is_found() {
        let mut marks: BTreeSet<String> = LIST
            .iter()
            .map(|entry| format!("{}.{}", entry.crate_name, entry.name))
            .collect();
        assert!(not_compared(LIST, &marks).is_empty());
        marks.remove("store.seal");
        assert_eq!(not_compared(LIST, &marks), ["store/seal"]);
    }
}
