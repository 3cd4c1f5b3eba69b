//! Long runs of the harnesses, without a fuzzer.
//!
//! * `soak convergence [--minutes N | --cases N] [--seed S] [--commit ID]` carries out random schedules, the seeds
//!   counted up from `S`, and prints one line for the ledger in docs/reliability.md. The first failure ends it: its
//!   schedule is made small, told, and kept as a file of the temporary folder.
//! * `soak conflicts`, likewise, holds the conflict log of random histories against the oracle.
//! * `soak members`, likewise, carries out random histories of devices that are removed, adopted and let back in; a
//!   failure is named by its seed.
//! * `soak world`, likewise, carries out simulated worlds; a failure tells its seed, odds and last events, and
//!   `soak world --cases 1 --seed SEED` is the same run again.
//! * `soak replay FILE...` carries out kept inputs and tells each; one that fails is made small likewise. A file
//!   whose name begins with `conflicts` is a history, any other a schedule; `replay conflicts FILE...` and
//!   `replay convergence FILE...` say it of all.

mod conflicts;
mod convergence;
mod members;
mod options;
mod world;

use std::path::Path;
use std::process::ExitCode;

use options::Options;

const USAGE: &str = "\
usage: soak convergence|conflicts|members|world [--minutes N | --cases N] [--seed S] [--commit ID]
       soak replay [convergence|conflicts] FILE...";

/// What can be soaked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harness {
    Convergence,
    Conflicts,
    World,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "members" => {
            Options::of(rest).and_then(|options| members::soak(&options))
        }
        Some((first, rest)) if first == "replay" && !rest.is_empty() => replay(rest),
        Some((first, rest)) => match harness(first) {
            Some(Harness::Convergence) => Options::of(rest).and_then(|o| convergence::soak(&o)),
            Some(Harness::Conflicts) => Options::of(rest).and_then(|o| conflicts::soak(&o)),
            Some(Harness::World) => Options::of(rest).and_then(|o| world::soak(&o)),
            None => Err(USAGE.to_owned()),
        },
        None => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn harness(name: &str) -> Option<Harness> {
    match name {
        "convergence" => Some(Harness::Convergence),
        "conflicts" => Some(Harness::Conflicts),
        "world" => Some(Harness::World),
        _ => None,
    }
}

fn replay(arguments: &[String]) -> Result<(), String> {
    let said = harness(&arguments[0]);
    let files = &arguments[usize::from(said.is_some())..];
    let mut failed = 0;
    for file in files {
        let path = Path::new(file);
        let bytes = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let of_conflicts = match said {
            Some(harness) => harness == Harness::Conflicts,
            None => name.starts_with("conflicts"),
        };
        let passed = if of_conflicts {
            conflicts::replay(&name, &bytes)
        } else {
            convergence::replay(&name, &bytes)
        };
        failed += usize::from(!passed);
    }
    if failed > 0 {
        return Err(format!("{failed} of {} failed", files.len()));
    }
    Ok(())
}

/// Keeps the bytes of a failing case as a file, and says where.
fn keep(name: &str, bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(name);
    match std::fs::write(&path, bytes) {
        Ok(()) => format!("kept as {}", path.display()),
        Err(error) => format!("not kept as {}: {error}", path.display()),
    }
}
