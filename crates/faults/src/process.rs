//! [`Child`]: the same program as a process of its own, which carries out a [`Program`] and is recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use driftless::StoreEngine;
use tempfile::TempDir;

use crate::operation::Operation;
use crate::seam::{Failure, Fault};
use crate::workload::Program;

/// A folder for what is thrown away: in memory where the system has such a place.
pub fn scratch() -> Result<TempDir, String> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("driftless-faults-");
    let made = match builder.tempdir_in(memory) {
        Ok(made) => Ok(made),
        Err(_) => builder.tempdir(),
    };
    made.map_err(|error| format!("no temporary folder can be made: {error}"))
}

/// A process to be.
#[derive(Debug)]
pub struct Child {
    command: Command,
    log: PathBuf,
}

impl Child {
    /// One that does this in `dir` and writes its log to `log`.
    pub fn new(dir: &Path, program: Program, log: &Path) -> Self {
        let this = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("faults"));
        let mut command = Command::new(this);
        command
            .arg("work")
            .arg("--dir")
            .arg(dir)
            .arg("--log")
            .arg(log);
        command.args(["--engine", program.engine.name()]);
        command.args(["--seed", &program.seed.to_string()]);
        command.args(["--steps", &program.steps.to_string()]);
        for (flag, is_set) in [
            ("--heavy", program.heavy),
            ("--together", program.together),
            ("--verify", program.verifies),
        ] {
            if is_set {
                command.arg(flag);
            }
        }
        command.stdin(Stdio::null());
        Self {
            command,
            log: log.to_owned(),
        }
    }

    /// Lets the machine's boot id be what this file says.
    pub fn boot_id(&mut self, path: &Path) {
        self.command.arg("--boot").arg(path);
    }

    /// Lets this go wrong.
    pub fn fault(&mut self, fault: Fault) {
        if let Some(text) = fault_text(fault) {
            self.command.args(["--fault", &text]);
        }
    }

    /// Lets nobody hear of its error, which is expected.
    pub fn quietly(&mut self) {
        self.command.stderr(Stdio::null());
    }

    /// Numbers its commits from here on.
    pub fn first(&mut self, first: u64) {
        self.command.args(["--first", &first.to_string()]);
    }

    /// Lets it go on to its end, whatever that is.
    pub fn run(&mut self) -> Result<ExitStatus, String> {
        let status = self.command.status();
        status.map_err(|error| format!("the process cannot be started: {error}"))
    }

    /// The same; any end but a good one is an error.
    pub fn run_to_its_end(&mut self) -> Result<(), String> {
        let status = self.run()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the process ended with {status}"))
        }
    }

    /// Starts it, for somebody who will end it.
    pub fn start(&mut self) -> Result<std::process::Child, String> {
        let started = self.command.spawn();
        started.map_err(|error| format!("the process cannot be started: {error}"))
    }

    /// What it did, once it has ended.
    pub fn operations(&self) -> Result<Vec<Operation>, String> {
        let log = fs::read(&self.log).map_err(|error| format!("there is no log: {error}"))?;
        Operation::decode_all(&log).ok_or_else(|| "the log is none".to_owned())
    }
}

fn fault_text(fault: Fault) -> Option<String> {
    Some(match fault {
        Fault::None => return None,
        Fault::Fail {
            at,
            error: Failure::Broken,
        } => format!("broken:{at}"),
        Fault::Fail {
            at,
            error: Failure::Full,
        } => format!("no-room:{at}"),
        Fault::Short { at } => format!("short:{at}"),
        Fault::Full { at } => format!("full:{at}"),
        Fault::Kill { at } => format!("kill:{at}"),
        Fault::FailSync { at } => format!("sync:{at}"),
        Fault::Uncovered { folders } => format!("uncovered:{}", u8::from(folders)),
    })
}

/// Reads what [`Child::fault`] wrote.
pub fn parse_fault(text: &str) -> Option<Fault> {
    let (kind, at) = text.split_once(':')?;
    let at = at.parse().ok()?;
    Some(match kind {
        "broken" => Fault::Fail {
            at,
            error: Failure::Broken,
        },
        "no-room" => Fault::Fail {
            at,
            error: Failure::Full,
        },
        "short" => Fault::Short { at },
        "full" => Fault::Full { at },
        "kill" => Fault::Kill { at },
        "sync" => Fault::FailSync { at },
        "uncovered" => Fault::Uncovered { folders: at == 1 },
        _ => return None,
    })
}

/// Reads the name of an engine.
pub fn parse_engine(name: &str) -> Result<StoreEngine, String> {
    name.parse()
        .map_err(|error: driftless::UnknownEngine| error.to_string())
}
