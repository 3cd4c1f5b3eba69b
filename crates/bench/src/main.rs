//! Benchmarks: what Driftless adds is measured in the same run, on the same data, as what it adds it to.
//!
//! Times are CPU-bound and of this machine; what counts is the ratio. Allocations are exact.

mod admission;
mod conflicts;
mod records;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["admission"] => admission::run(),
        ["conflicts"] => conflicts::run(),
        _ => {
            eprintln!("usage: driftless-bench admission|conflicts");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
