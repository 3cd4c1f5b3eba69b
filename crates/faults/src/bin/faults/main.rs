//! Breaks real processes on purpose, and checks what they leave.
//!
//! * `faults power --engine E [--images N] [--seed S] [--commit ID]` records processes and opens power-loss images.
//! * `faults kill --engine E [--kills N] [--seed S] [--commit ID]` kills processes.
//! * `faults failing --engine E [--every N] [--seed S] [--commit ID]` lets every Nth operation fail, and syncs.
//!
//! * `faults spoil --engine E [--cases N] [--seed S] [--commit ID]` flips, cuts, removes and ages files.
//! * `faults mending --engine E [--images N] [--seed S] [--commit ID]` interrupts repairs and runs them again.
//!
//! Each prints a line for the ledger in docs/reliability.md. `faults work`, `faults images` and `faults interrupted` are what they start.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod commands;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod interpose;

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn main() -> ExitCode {
    commands::run()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> ExitCode {
    eprintln!("faults: this needs Linux with the GNU C library");
    ExitCode::FAILURE
}
