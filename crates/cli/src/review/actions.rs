//! What a review does, each step of it a command: on the database that is open here, or in the process that
//! holds the folder.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser as _;
use driftless::Database;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::Value as Json;

use crate::args::Arguments;
use crate::caller::{Caller, FileContent};
use crate::commands;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::served::{self, Host};
use crate::standard_error::{Sink, StandardError};

/// Where commands are carried out.
pub(super) struct Actions {
    place: Place,
    /// Whoever reviews.
    caller: Arc<dyn Caller>,
    interrupt: Interrupt,
}

enum Place {
    /// This process holds the folder, and carries out the commands of others meanwhile.
    Here {
        database: Database,
        host: Option<Host>,
    },
    /// Another process holds it; `busy` is what opening it said.
    There {
        dir: PathBuf,
        busy: driftless::Error,
    },
}

/// What came of a command.
pub(super) enum Outcome {
    /// It did what it should, and said this.
    Done(String),
    /// It refused.
    Refused(Refusal),
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    exit_code: u8,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) remedy: String,
    retry: bool,
}

impl Actions {
    /// Opens the folder, or finds who holds it. [`Actions::close`] is to be called afterwards.
    pub(super) async fn begin(context: &Context, interrupt: Interrupt) -> Result<Self, Failure> {
        let place = match context.open_unless(&interrupt).await {
            Ok(database) => Place::Here {
                host: context.carry_out_for_others(&database),
                database,
            },
            Err(Failure::Database(busy)) if busy.code() == commands::FOLDER_BUSY => Place::There {
                dir: context.dir()?.to_owned(),
                busy,
            },
            Err(failure) => return Err(failure),
        };
        Ok(Self {
            place,
            caller: context.caller(),
            interrupt,
        })
    }

    /// Lets the folder go.
    pub(super) async fn close(self, context: &Context) -> Result<(), Failure> {
        let Place::Here { database, host } = self.place else {
            return Ok(());
        };
        if let Some(host) = host {
            host.stop().await;
        }
        context.close(database).await
    }

    /// What a command of `conflicts` says to people.
    pub(super) async fn say(&self, words: &[&str]) -> Result<Outcome, Failure> {
        self.carry_out(words, false).await
    }

    /// The JSON lines that a command of `conflicts` answers with.
    pub(super) async fn ask(&self, words: &[&str]) -> Result<Result<Vec<Json>, Refusal>, Failure> {
        let said = match self.carry_out(words, true).await? {
            Outcome::Done(said) => said,
            Outcome::Refused(refusal) => return Ok(Err(refusal)),
        };
        let lines = said.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .map(Ok)
            .map_err(|error| Failure::System(error.into()))
    }

    async fn carry_out(&self, words: &[&str], json: bool) -> Result<Outcome, Failure> {
        let captured = Arc::new(Captured::new(self, json));
        let caller: Arc<dyn Caller> = captured.clone();
        let mut typed: Vec<OsString> = vec!["driftless".into(), "conflicts".into()];
        typed.extend(words.iter().map(OsString::from));
        if json {
            typed.push("--json".into());
        }
        let exit_code = match &self.place {
            Place::Here { database, .. } => {
                let arguments = Arguments::try_parse_from(&typed).map_err(Failure::Arguments)?;
                // A command within a command: what it is made of is boxed.
                let command = Box::pin(commands::carry_out(
                    arguments,
                    caller.clone(),
                    database.clone(),
                ));
                match command.await {
                    Ok(()) => 0,
                    Err(failure) => {
                        failure.report(true, caller.standard_error());
                        failure.exit_code()
                    }
                }
            }
            Place::There { dir, busy } => served::ask(&caller, dir, &typed, busy.clone()).await?,
        };
        if exit_code == 0 {
            return Ok(Outcome::Done(captured.output.text()));
        }
        Ok(Outcome::Refused(Refusal::read(
            exit_code,
            &captured.errors.text(),
        )))
    }
}

impl Refusal {
    /// Of what a command wrote to standard error: JSON, or a sentence and its remedy.
    fn read(exit_code: u8, said: &str) -> Self {
        let last = said.lines().last().unwrap_or_default();
        let error = serde_json::from_str::<Json>(last).unwrap_or_default();
        let error = &error["error"];
        let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        Self {
            exit_code,
            code: text("code"),
            message: match error["message"].as_str() {
                Some(message) => message.to_owned(),
                None => said.trim_end().to_owned(),
            },
            remedy: text("remedy"),
            retry: error["retry"].as_bool().unwrap_or_default(),
        }
    }

    /// Whether it says that the entry is not what it was when it was shown.
    pub(super) fn is_about_change(&self) -> bool {
        let is_gone = self.exit_code == 3;
        is_gone || matches!(self.code.as_str(), "conflict_closed" | "conflict_grown")
    }

    /// Whether another key may do better: what was asked for made no sense, or cannot be.
    pub(super) fn is_about_the_key(&self) -> bool {
        matches!(self.exit_code, 2 | 4 | 7)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Told {
            exit_code: refusal.exit_code,
            code: refusal.code,
            message: refusal.message,
            remedy: refusal.remedy,
            retry: refusal.retry,
        }
    }
}

/// The caller of a step: what it prints is kept.
struct Captured {
    output: Kept,
    errors: Kept,
    standard_error: StandardError,
    width: Option<usize>,
    colors: bool,
    interrupt: Interrupt,
}

impl Captured {
    fn new(actions: &Actions, json: bool) -> Self {
        let errors = Kept::default();
        let no_bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Self {
            output: Kept::default(),
            standard_error: StandardError::new(no_bars, false, errors.clone()),
            errors,
            // The window may have another size since the last step.
            width: actions.caller.width(),
            colors: actions.caller.colors() && !json,
            interrupt: actions.interrupt.clone(),
        }
    }
}

impl Caller for Captured {
    fn standard_output(&self) -> Box<dyn Write + Send> {
        Box::new(self.output.clone())
    }

    fn width(&self) -> Option<usize> {
        self.width
    }

    fn colors(&self) -> bool {
        self.colors
    }

    fn standard_error(&self) -> &StandardError {
        &self.standard_error
    }

    fn interrupt(&self) -> Result<Interrupt, Failure> {
        Ok(self.interrupt.clone())
    }

    fn read_file(&self, _: &Path, _: u64) -> FileContent {
        // No step of a review names a file.
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

/// Bytes that were written. Clones are one and the same.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn add(&self, bytes: &[u8]) {
        // Adding leaves it whole, whoever panicked.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Kept {
    fn write(&self, text: &str) {
        self.add(text.as_bytes());
    }

    fn write_if_there_is_room(&self, text: &str) {
        self.add(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_command_said() {
        let said = "closing\n{\"error\":{\"code\":\"conflict_grown\",\"message\":\"it has grown\",\
                    \"remedy\":\"Look again.\",\"retry\":false}}\n";
        let refusal = Refusal::read(7, said);
        assert!(refusal.is_about_change());
        assert_eq!(refusal.message, "it has grown");
        assert_eq!(refusal.remedy, "Look again.");
        let refusal = Refusal::read(101, "it panicked\n");
        assert_eq!(refusal.message, "it panicked");
        assert!(!refusal.is_about_change() && !refusal.is_about_the_key());
    }
}
