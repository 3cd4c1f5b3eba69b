//! Long runs: the soaks of the harnesses, the tests of real folders, and libFuzzer on whatever toolchain is there.
//!
//! All only start cargo with the right arguments: what runs is compiled elsewhere, and is no part of this crate.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// What the compiler is told for libFuzzer to see which code an input reaches.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table";

/// Where soaks add their lines and failures; the file of kept inputs that a line names lies in the temporary folder.
const LEDGER: &str = "target/soak-ledger.md";

/// The harnesses that `soak` of the testkit has, each a file of it.
pub const SOAKS: [&str; 7] = [
    "conflicts",
    "convergence",
    "members",
    "mutations",
    "parsers",
    "repair",
    "world",
];

/// The test of three devices, each a folder that a process serves.
pub const DEVICES: &str = "devices::a_session_of_random_edits_on_three_devices_ends_equal";

/// The test of four folders in trouble.
pub const FOLDERS: &str = "folders::folders_in_trouble_end_equal_and_whole";

/// What may be asked of them, and the variable that says so.
const ASKED: [(&str, &str); 4] = [
    ("--minutes", "DRIFTLESS_MINUTES"),
    ("--steps", "DRIFTLESS_STEPS"),
    ("--seed", "DRIFTLESS_SEED"),
    ("--commit", "DRIFTLESS_COMMIT"),
];

/// Runs an end-to-end test, with debug assertions, for as long as the arguments say.
///
/// An argument that is none of it, or has no value, is an error of the kind `InvalidInput`.
pub fn lasting(root: &Path, test: &str, arguments: &[&str]) -> io::Result<ExitStatus> {
    let mut command = cargo(root);
    for pair in arguments.chunks(2) {
        let variable = ASKED.iter().find(|(name, _)| *name == pair[0]);
        let (Some((_, variable)), [_, value]) = (variable, pair) else {
            let wrong = format!("`{}` is unknown or needs a value", pair[0]);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
        };
        command.env(variable, value);
    }
    command
        .args(["test", "--locked", "-p", "driftless-cli", "--test", "e2e"])
        .args(["--", "--exact", test, "--nocapture"])
        .status()
}

/// Whether `soak` of the testkit takes what these arguments begin with: asked before that is compiled.
pub fn is_soak(arguments: &[&str]) -> bool {
    arguments
        .first()
        .is_some_and(|first| *first == "replay" || first.starts_with("--") || SOAKS.contains(first))
}

/// Carries out `soak` of the testkit with these arguments.
pub fn soak(root: &Path, arguments: &[&str]) -> io::Result<ExitStatus> {
    let mut command = cargo(root);
    command
        .args(["run", "--release", "--locked", "-p", "driftless-testkit"])
        .args(["--bin", "soak", "--"])
        .args(arguments);
    // A replay says nothing that would stand in a ledger.
    if arguments.first() != Some(&"replay") && !arguments.contains(&"--ledger") {
        command.arg("--ledger").arg(root.join(LEDGER));
    }
    command.status()
}

/// Breaks real processes: `what` is `power`, `kill` or `failing`.
pub fn faults(root: &Path, what: &str, arguments: &[&str]) -> io::Result<ExitStatus> {
    cargo(root)
        .args(["run", "--release", "--locked", "-p", "driftless-faults"])
        .args(["--bin", "faults", "--", what])
        .args(arguments)
        .status()
}

/// Runs one target of `fuzz/`; `arguments` are libFuzzer's.
///
/// The flags of coverage are not stable: `RUSTC_BOOTSTRAP` lets a stable compiler take them.
pub fn fuzz(root: &Path, target: &str, arguments: &[&str]) -> io::Result<ExitStatus> {
    let host = host()?;
    cargo(root)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", COVERAGE)
        // With a target named, build scripts and macros are compiled without these flags.
        .args(["run", "--release", "--locked", "--target", &host])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--bin", target, "--"])
        .args(arguments)
        .status()
}

fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root);
    command
}

/// The platform that the compiler runs on.
fn host() -> io::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let said = Command::new(rustc).arg("-vV").output()?;
    let said = String::from_utf8_lossy(&said.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| io::Error::other("`rustc -vV` names no host"))
}
