//! `cargo xtask tidy`, `golden --check`, `golden --write`, `soak ...`, `fuzz TARGET ...`.

use std::io;
use std::process::{ExitCode, ExitStatus};

use driftless_xtask::{golden, long, tidy};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["tidy"] => run_tidy(),
        ["golden", "--check"] => run_golden(golden::Task::Check),
        ["golden", "--write"] => run_golden(golden::Task::Write),
        ["soak", "devices", rest @ ..] => lasting(long::DEVICES, rest),
        ["soak", "folders", rest @ ..] => lasting(long::FOLDERS, rest),
        [
            "soak",
            what @ ("power" | "kill" | "failing" | "spoil" | "mending"),
            rest @ ..,
        ] => finished(long::faults(&tidy::workspace_root(), what, rest)),
        ["soak", rest @ ..] if long::is_soak(rest) => {
            finished(long::soak(&tidy::workspace_root(), rest))
        }
        ["fuzz", target, rest @ ..] => finished(long::fuzz(&tidy::workspace_root(), target, rest)),
        _ => {
            eprintln!(
                "usage: cargo xtask tidy | golden --check | golden --write\n       \
                 cargo xtask soak [convergence|conflicts|members|mutations|parsers|repair|world] [--minutes N | --cases N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak devices|folders [--minutes N | --steps N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak power --engine sled|redb [--images N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak kill --engine sled|redb [--kills N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak failing --engine sled|redb [--every N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak spoil --engine sled|redb [--cases N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak mending --engine sled|redb [--images N] [--seed S] [--commit ID]\n       \
                 cargo xtask soak replay [TARGET] FILE...\n       \
                 cargo xtask fuzz TARGET [ARGUMENTS OF LIBFUZZER]"
            );
            ExitCode::from(2)
        }
    }
}

fn lasting(test: &str, arguments: &[&str]) -> ExitCode {
    finished(long::lasting(&tidy::workspace_root(), test, arguments))
}

/// What a long run came to; it has said why itself.
fn finished(status: io::Result<ExitStatus>) -> ExitCode {
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("nothing was run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_golden(task: golden::Task) -> ExitCode {
    match golden::run(&tidy::workspace_root(), task) {
        Ok(compared) => {
            println!("golden: {compared} files hold what is written and read as it");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("golden: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_tidy() -> ExitCode {
    match tidy::check(&tidy::workspace_root()) {
        Ok(violations) if violations.is_empty() => {
            println!("tidy: nothing to complain about");
            ExitCode::SUCCESS
        }
        Ok(violations) => {
            for violation in &violations {
                println!("{violation}");
            }
            println!("tidy: {} to mend", violations.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}
