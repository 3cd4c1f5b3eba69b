//! Long runs of the harnesses, without a fuzzer.
//!
//! * `soak convergence [--minutes N | --cases N] [--seed S] [--commit ID] [--ledger FILE]` carries out random
//!   schedules, the seeds counted up from `S`, prints one line for the ledger in docs/reliability.md, and adds it to
//!   `FILE`. The first failure ends it: its schedule is made small, told, and kept as a file of the temporary folder.
//! * `soak conflicts`, likewise, holds the conflict log of random histories against the oracle.
//! * `soak members`, likewise, carries out random histories of devices that are removed, adopted and let back in; a
//!   failure is named by its seed.
//! * `soak repair`, likewise, damages a device's journal and store after a random history, and repairs it.
//! * `soak world`, likewise, carries out simulated worlds, `--threads N` of them at once; a failure tells its seed, odds and last events, and
//!   `soak world --cases 1 --seed SEED` is the same run again.
//! * `soak mutations` brings in altered inputs of every kind, or of one `--class NAME`, `soak parsers` altered texts, keys and steps.
//! * `soak --minutes N` does all of these, each for its share of the time.
//! * `soak replay FILE...` carries out kept inputs and tells each; one that fails is made small where that is known how.
//!   The folder of a file, or its name, says of which fuzz target it is; `replay TARGET FILE...` says it of all.

mod conflicts;
mod convergence;
mod members;
mod mutations;
mod options;
mod parsers;
mod repair;
mod world;

use std::path::Path;
use std::process::ExitCode;

use driftless_testkit::mutations::Class;
use driftless_testkit::targets::Target;
use options::Options;

const USAGE: &str = "\
usage: soak [convergence|conflicts|members|mutations|parsers|repair|world] [--minutes N | --cases N] [--seed S] [--commit ID] [--ledger FILE]
       soak mutations --class stored_values ...
       soak world [--threads N] ...
       soak replay [TARGET] FILE...";

/// What can be soaked, and what of a long run of all it gets, in hundredths.
const HARNESSES: [(&str, u32, Soak); 7] = [
    ("mutations", 30, mutations::soak),
    ("world", 25, world::soak),
    ("convergence", 15, convergence::soak),
    ("conflicts", 10, conflicts::soak),
    ("members", 10, members::soak),
    ("repair", 5, repair::soak),
    ("parsers", 5, parsers::soak),
];

type Soak = fn(&Options) -> Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "replay" && !rest.is_empty() => replay(rest),
        Some((first, _)) if first.starts_with("--") => {
            Options::of(&arguments).and_then(|o| all(&o))
        }
        Some((first, rest)) => match HARNESSES.iter().find(|(name, ..)| name == first) {
            Some((.., soak)) => Options::of(rest).and_then(|options| soak(&options)),
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

/// All of them, one after the other; the failure of one does not end the run.
fn all(options: &Options) -> Result<(), String> {
    let mut failed = Vec::new();
    for (name, hundredths, soak) in HARNESSES {
        println!("\n== {name}");
        let share = options.share(hundredths);
        if let Err(why) = soak(&share) {
            let first = why.lines().next().unwrap_or_default();
            share.ledger(&format!(
                "| `soak {name} --seed {}` | {} | | | FAILED: {first} |",
                share.seed, share.commit
            ));
            eprintln!("{name}: {why}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", failed.join(", ")))
}

fn replay(arguments: &[String]) -> Result<(), String> {
    let said = Target::named(&arguments[0]).or_else(|| harness_target(&arguments[0]));
    let files = &arguments[usize::from(said.is_some())..];
    let mut failed = 0;
    for file in files {
        let path = Path::new(file);
        let bytes = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = said.or_else(|| target_of(path)).ok_or(USAGE)?;
        failed += usize::from(!replay_one(target, &name, &bytes));
    }
    if failed > 0 {
        return Err(format!("{failed} of {} failed", files.len()));
    }
    Ok(())
}

/// The harness's own name for what it tries.
fn harness_target(name: &str) -> Option<Target> {
    match name {
        "conflicts" => Target::named("conflict_log"),
        _ => None,
    }
}

/// What a file is an input of: it lies in the folder of its target, or its name begins so; else it is a schedule.
fn target_of(path: &Path) -> Option<Target> {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = name.split('-').next().unwrap_or_default();
    Target::named(&folder.to_string_lossy())
        .or_else(|| Target::named(first))
        .or_else(|| harness_target(first))
        .or_else(|| Target::named("convergence"))
}

fn replay_one(target: Target, name: &str, bytes: &[u8]) -> bool {
    match (target.name, Class::named(target.name)) {
        ("convergence", _) => convergence::replay(name, bytes),
        ("conflict_log", _) => conflicts::replay(name, bytes),
        (_, Some(class)) => mutations::replay(class, name, bytes),
        _ => match target.run(bytes) {
            Ok(()) => {
                println!("{name}: nothing breaks");
                true
            }
            Err(why) => {
                println!("FAILED {name}: {why}");
                false
            }
        },
    }
}

/// Keeps the bytes of a failing case as a file, and says where.
fn keep(name: &str, bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(name);
    match std::fs::write(&path, bytes) {
        Ok(()) => format!("kept as {}", path.display()),
        Err(error) => format!("not kept as {}: {error}", path.display()),
    }
}
