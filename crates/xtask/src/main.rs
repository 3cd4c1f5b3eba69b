//! `cargo run -p driftless-xtask -- tidy`.

use std::process::ExitCode;

use driftless_xtask::tidy;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["tidy"] {
        eprintln!("usage: cargo run -p driftless-xtask -- tidy");
        return ExitCode::from(2);
    }
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
