//! Long runs: the soak of the convergence harness, and libFuzzer on whatever toolchain is there.
//!
//! Both only start cargo with the right arguments: what runs is compiled for speed, and is no part of this crate.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// What the compiler is told for libFuzzer to see which code an input reaches.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table";

/// Carries out `soak` of the testkit with these arguments.
pub fn soak(root: &Path, arguments: &[&str]) -> io::Result<ExitStatus> {
    cargo(root)
        .args(["run", "--release", "--locked", "-p", "driftless-testkit"])
        .args(["--bin", "soak", "--"])
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
