//! Why the process that holds a folder did not carry out a command.

use std::path::PathBuf;

/// Why the process that holds a folder did not carry out a command. All of them are exit code 6.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServedError {
    /// The folder is held by a process that listens to nobody.
    #[error("{busy}, and no process listens at {} to carry out commands", .path.display())]
    NobodyListens {
        /// What opening it said.
        busy: Box<driftless::Error>,
        /// The socket.
        path: PathBuf,
    },
    /// What listens is not the process that holds the folder.
    #[error("{} is not the socket of the process that holds the folder: {reason}", .path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },
    /// The two processes are of different versions.
    #[error("process {pid} holds the folder with driftless {theirs}, and this is driftless {ours}")]
    OtherVersion {
        /// The process that holds the folder.
        pid: u32,
        /// Its version.
        theirs: String,
        /// The version of this one.
        ours: String,
    },
    /// The command needs the folder for itself.
    #[error("{} is served by process {pid}, and `{command}` needs it for itself", .dir.display())]
    NotForOthers {
        /// The folder.
        dir: PathBuf,
        /// The process that holds it.
        pid: u32,
        /// The command.
        command: &'static str,
    },
    /// It carries out too many commands.
    #[error("process {pid}, which serves the folder, carries out as many commands as it can")]
    TooMany {
        /// The process that holds the folder.
        pid: u32,
    },
    /// The arguments are longer than a request may be.
    #[error(
        "the arguments have {bytes} bytes; a process that serves a folder takes at most {most}"
    )]
    TooLong {
        /// The bytes there are.
        bytes: usize,
        /// The bytes that are taken.
        most: usize,
    },
    /// The process that holds the folder went away.
    #[error("the process that served {} was gone before the command had ended", .dir.display())]
    Gone {
        /// The folder.
        dir: PathBuf,
    },
    /// This process ends; said to the clients it has.
    #[error("the process that serves the folder is ending, and gave the command up")]
    Ending,
}

impl ServedError {
    /// The stable name of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NobodyListens { .. } | Self::NotForOthers { .. } => "folder_busy",
            Self::Foreign { .. } => "foreign_socket",
            Self::OtherVersion { .. } => "other_version",
            Self::TooMany { .. } => "too_many_commands",
            Self::TooLong { .. } => "request_too_long",
            Self::Gone { .. } | Self::Ending => "server_gone",
        }
    }

    /// What the person does about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NobodyListens { .. } => {
                "Wait until the other command has ended. If it is `driftless serve` or `driftless watch`, its socket is gone: end it and start it again."
            }
            Self::Foreign { .. } => {
                "If another user serves the folder, run the command as that user. Else end the program that made that socket, and start `driftless serve` again."
            }
            Self::OtherVersion { .. } => {
                "End that process and start it again with the version that is installed now."
            }
            Self::NotForOthers { .. } => "End that process first.",
            Self::TooMany { .. } => "Wait until one of them has ended.",
            Self::TooLong { .. } => {
                "Import the values from a file, or end the process that serves the folder first."
            }
            Self::Gone { .. } | Self::Ending => {
                "What was acknowledged is durable: look at what is there, then run the command again."
            }
        }
        .to_owned()
    }

    /// Whether the same command can succeed later without anybody doing something.
    pub(crate) fn retry(&self) -> bool {
        !matches!(
            self,
            Self::Foreign { .. } | Self::OtherVersion { .. } | Self::TooLong { .. }
        )
    }
}
