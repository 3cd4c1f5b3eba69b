//! Why a command did not do what was asked: the one place that maps errors to exit codes and to words.

use std::io;
use std::path::PathBuf;

use driftless::{Conflict, ErrorKind};
use serde_json::{Value as Json, json};

use crate::import::{ImportError, ImportFault};
use crate::output::{clean, count};
use crate::served::ServedError;
use crate::standard_error::StandardError;
use crate::usage;

/// Why a command ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments are not those of any command.
    #[error("{}", usage::message(.0))]
    Arguments(clap::Error),
    /// The arguments make no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
        /// What to type instead.
        remedy: String,
    },
    /// The database refused, or could not.
    #[error(transparent)]
    Database(#[from] driftless::Error),
    /// The file to import is not what it should be.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file of rules is not what it should be.
    #[error("{}: {error}", .path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        error: driftless::RulesError,
    },
    /// The process that holds the folder did not carry it out.
    #[error(transparent)]
    Served(#[from] ServedError),
    /// The record is deleted; it can be restored.
    #[error("the record {record} of {collection} is deleted")]
    Deleted {
        /// Its collection.
        collection: String,
        /// Its id.
        record: String,
    },
    /// No other device was ever met at an address.
    #[error("this device knows no other one that it could sync with")]
    NoPeer,
    /// A file or folder that was named cannot be used.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What the store holds is not what the journal says.
    #[error("{} found in what is stored: {}", count(.problems.len() as u64, "problem"), .problems.join("; "))]
    Unsound {
        /// A sentence each.
        problems: Vec<String>,
        /// What the person does about it.
        remedy: &'static str,
    },
    /// Somebody pressed Ctrl-C, or the system is shutting down.
    #[error("interrupted: {done}")]
    Interrupted {
        /// What was done until then.
        done: String,
        /// How to go on.
        remedy: &'static str,
    },
    /// The demo found the two devices to differ, or an edit to be lost.
    #[error("the demo did not end as it must: {reason}")]
    Demo {
        /// What differs.
        reason: String,
    },
    /// The entry of the conflict log is not what the person saw any more.
    #[error("the conflict {} has grown since it was read", .conflict.id())]
    ConflictGrown {
        /// The entry as it is.
        conflict: Box<Conflict>,
    },
    /// What a command ended with that was carried out for a review.
    #[error("{message}")]
    Told {
        /// Its exit code.
        exit_code: u8,
        /// The stable name of the error.
        code: String,
        /// What it says.
        message: String,
        /// What the person does about it.
        remedy: String,
        /// Whether the same command can succeed later.
        retry: bool,
    },
    /// Nobody reads the output any more.
    #[error("the output is closed")]
    OutputClosed,
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// The system refused something every process needs.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
}

impl Failure {
    /// What a failed write of the output means.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(error),
        }
    }

    /// The exit code: 2 usage, 3 not found, 4 refused, 5 network, 6 busy, 7 conflict, 8 storage, 1 the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0, // whoever closed it has what it wanted
            Self::Arguments(_) | Self::Usage { .. } | Self::NoPeer | Self::Rules { .. } => 2,
            Self::Database(error) => match error.kind() {
                ErrorKind::Usage => 2,
                ErrorKind::NotFound => 3,
                ErrorKind::Refused => 4,
                ErrorKind::Network => 5,
                ErrorKind::Busy => 6,
                ErrorKind::Conflict => 7,
                ErrorKind::Storage => 8,
                ErrorKind::Other => 1,
            },
            Self::Import(error) if is_about_options(&error.fault) => 2,
            Self::Import(_) => 4,
            Self::Deleted { .. } => 3,
            Self::ConflictGrown { .. } => 7,
            Self::Told { exit_code, .. } => *exit_code,
            Self::Served(_) => 6,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
            Self::File { .. } | Self::Output(_) | Self::Unsound { .. } => 8,
            Self::Interrupted { .. } | Self::Demo { .. } | Self::System(_) => 1,
        }
    }

    /// The stable name of the error.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Arguments(_) | Self::Usage { .. } => "usage",
            Self::Database(error) => error.code(),
            Self::Import(error) if is_about_options(&error.fault) => "usage",
            Self::Import(_) => "malformed_file",
            Self::Rules { .. } => "bad_rules",
            Self::Served(error) => error.code(),
            Self::Deleted { .. } => "record_deleted",
            Self::ConflictGrown { .. } => "conflict_grown",
            Self::Told { code, .. } => code,
            Self::NoPeer => "no_peer",
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => "not_found",
            Self::File { .. } => "file",
            Self::Unsound { .. } => "unsound",
            Self::Interrupted { .. } => "interrupted",
            Self::Demo { .. } => "demo",
            Self::OutputClosed | Self::Output(_) => "output",
            Self::System(_) => "system",
        }
    }

    /// What the person does about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Arguments(error) => usage::remedy(error),
            Self::Usage { remedy, .. } | Self::Told { remedy, .. } => remedy.clone(),
            Self::Deleted { collection, record } => {
                format!("Restore it first: driftless restore {collection} {record}")
            }
            Self::ConflictGrown { .. } => "Look at the conflict again, then decide.".into(),
            Self::NoPeer => "Give the address of a device, such as ws://192.168.1.20:7717.".into(),
            Self::Database(error) => error.remedy().to_owned(),
            Self::Import(error) => error.remedy(),
            Self::Rules { error, .. } => error.remedy(),
            Self::Served(error) => error.remedy(),
            Self::File { .. } => "Check the name, and that you may use it.".into(),
            Self::Interrupted { remedy, .. } | Self::Unsound { remedy, .. } => (*remedy).to_owned(),
            Self::Demo { .. } => "Report it, with the seed and what the demo printed.".into(),
            Self::OutputClosed | Self::Output(_) => "Check where the output goes to.".into(),
            Self::System(_) => "Check the limits the system sets for processes.".into(),
        }
    }

    /// Whether the same command can succeed later without anybody doing something.
    pub(crate) fn retry(&self) -> bool {
        match self {
            Self::Database(error) => error.retry(),
            Self::Served(error) => error.retry(),
            Self::Interrupted { .. } => true,
            Self::Told { retry, .. } => *retry,
            _ => false,
        }
    }

    /// Says it on standard error; a closed output is no news.
    pub(crate) fn report(&self, json: bool, to: &StandardError) {
        to.clear_bars();
        match self {
            Self::OutputClosed => {}
            _ if json => to.say(&self.to_json().to_string()),
            Self::Arguments(error) => usage::report(error, to),
            _ => {
                to.say(&format!("error: {}", clean(&self.to_string())));
                to.say(&clean(&self.remedy()));
            }
        }
    }

    fn to_json(&self) -> Json {
        let mut error = json!({
            "code": self.code(),
            "message": self.to_string(),
            "remedy": self.remedy(),
            "retry": self.retry(),
        });
        if let Some(conflict) = self.conflict() {
            error["conflict"] = conflict.to_json();
        }
        json!({ "error": error })
    }

    /// The entry of the conflict log as it is now, where a decision on it was refused.
    fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Database(error) => error.conflict(),
            Self::ConflictGrown { conflict } => Some(conflict),
            _ => None,
        }
    }
}

/// Whether the options are at fault, and not the file.
fn is_about_options(fault: &ImportFault) -> bool {
    matches!(
        fault,
        ImportFault::UnknownColumn { .. }
            | ImportFault::TypesForJson
            | ImportFault::BadKeyPath { .. }
    )
}
