//! [`Caller`]: whom a command works for. It is this process itself, or one that asked over the folder's socket.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::OnceLock;

use console::Term;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::standard_error::StandardError;

/// A file on its way.
pub(crate) type FileContent = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// What a command has of whoever typed it; it uses nothing of the process it runs in instead.
pub(crate) trait Caller: Send + Sync {
    /// Where the answer goes; to be used once.
    fn standard_output(&self) -> Box<dyn Write + Send>;

    /// Columns of the terminal that shows the answer; `None` where it is none, and nothing is cut off.
    fn width(&self) -> Option<usize>;

    /// Where everything else goes.
    fn standard_error(&self) -> &StandardError;

    /// From now on being asked to end is the command's to answer.
    fn interrupt(&self) -> Result<Interrupt, Failure>;

    /// The content of a file, as whoever typed the command finds it.
    fn read_file(&self, path: &Path) -> FileContent;
}

/// This process, with its own streams and signals.
pub(crate) struct ThisProcess {
    standard_error: StandardError,
    /// One for all who ask: a wish to end that came before the folder was found busy counts after it.
    interrupt: OnceLock<Interrupt>,
}

impl ThisProcess {
    pub(crate) fn new() -> Self {
        Self {
            standard_error: StandardError::of_this_process(),
            interrupt: OnceLock::new(),
        }
    }
}

impl Caller for ThisProcess {
    fn standard_output(&self) -> Box<dyn Write + Send> {
        Box::new(io::stdout())
    }

    fn width(&self) -> Option<usize> {
        io::stdout()
            .is_terminal()
            .then(|| Term::stdout().size_checked())
            .flatten()
            .map(|(_rows, columns)| usize::from(columns))
    }

    fn standard_error(&self) -> &StandardError {
        &self.standard_error
    }

    fn interrupt(&self) -> Result<Interrupt, Failure> {
        if let Some(interrupt) = self.interrupt.get() {
            return Ok(interrupt.clone());
        }
        let interrupt = Interrupt::listen()?;
        Ok(self.interrupt.get_or_init(|| interrupt).clone())
    }

    fn read_file(&self, path: &Path) -> FileContent {
        Box::pin(read_whole(path.to_owned()))
    }
}

/// Reads a file of this process's file system, on a thread where that may take its time.
pub(crate) async fn read_whole(path: PathBuf) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || std::fs::read(path));
    reading
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
