//! The `driftless` command line: arguments in, one call of the library, an answer out.
//!
//! It decides nothing that the library could decide. Standard output holds the answer and nothing else;
//! progress, logs and errors go to standard error; [`failure`] maps every error to its exit code.

mod args;
mod assign;
mod caller;
mod commands;
mod conflict_args;
mod conflict_table;
mod context;
mod demo;
mod duration;
mod failure;
mod field_args;
mod help;
mod import;
mod interrupt;
mod item_args;
mod member_args;
mod output;
mod progress;
mod review;
mod rules_args;
mod served;
mod sides;
mod standard_error;
mod table;
mod time_text;
mod usage;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Command};
use crate::caller::{Caller, ThisProcess};
use crate::failure::Failure;

/// Names what is logged, as in `DRIFTLESS_LOG=debug`.
const LOG_VARIABLE: &str = "DRIFTLESS_LOG";
/// Warnings; but that a store was set aside is told as progress already.
const DEFAULT_LOG: &str = "warn,driftless::opening=error,driftless_store=error";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let json = args::asks_for_json(&arguments);
    let caller: Arc<dyn Caller> = Arc::new(ThisProcess::new());
    match run(&arguments, json, caller.clone()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.report(json, caller.standard_error());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(typed: &[OsString], json: bool, caller: Arc<dyn Caller>) -> Result<u8, Failure> {
    let arguments = match Arguments::try_parse_from(typed) {
        Ok(arguments) => arguments,
        Err(error) => return usage::answer(error, json, &*caller).map(|()| 0),
    };
    log_to_standard_error(&arguments.command);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2) // one for the socket, one for signals and output
        .enable_all()
        .build()
        .map_err(Failure::System)?;
    let result = runtime.block_on(commands::run(arguments, typed, caller));
    runtime.shutdown_background();
    result
}

fn log_to_standard_error(command: &Command) {
    let default = match command {
        Command::Serve(_) => DEFAULT_LOG.to_owned(),
        // What goes wrong is what the command ends with.
        _ => format!("{DEFAULT_LOG},driftless::actor=off"),
    };
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .log_internal_errors(false) // a closed standard error must not make a panic
        .init();
}
