//! `cargo xtask tidy`, `cargo xtask golden --check`, `cargo xtask golden --write`.

use std::process::ExitCode;

use driftless_xtask::{golden, tidy};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["tidy"] => run_tidy(),
        ["golden", "--check"] => run_golden(golden::Task::Check),
        ["golden", "--write"] => run_golden(golden::Task::Write),
        _ => {
            eprintln!("usage: cargo xtask tidy | golden --check | golden --write");
            ExitCode::from(2)
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
