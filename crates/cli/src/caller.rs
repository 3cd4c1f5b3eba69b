//! [`Caller`]: whom a command works for. It is this process itself, or one that asked over the folder's socket.

use std::fs::File;
use std::future::Future;
use std::io::{self, IsTerminal, Read as _, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::OnceLock;

use console::Term;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::thousands;
use crate::standard_error::StandardError;

/// Stands for standard input where a file is named.
const STANDARD_INPUT: &str = "-";

/// How a file is called to whoever named it.
pub(crate) fn named(path: &Path) -> &Path {
    if path == Path::new(STANDARD_INPUT) {
        Path::new("standard input")
    } else {
        path
    }
}

/// A file on its way.
pub(crate) type FileContent = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// What a command has of whoever typed it; it uses nothing of the process it runs in instead.
pub(crate) trait Caller: Send + Sync {
    /// Where the answer goes; to be used once.
    fn standard_output(&self) -> Box<dyn Write + Send>;

    /// Columns of the terminal that shows the answer; `None` where it is none, and nothing is cut off.
    fn width(&self) -> Option<usize>;

    /// Whether the answer is shown in colours.
    fn colors(&self) -> bool;

    /// Where everything else goes.
    fn standard_error(&self) -> &StandardError;

    /// From now on being asked to end is the command's to answer.
    fn interrupt(&self) -> Result<Interrupt, Failure>;

    /// The content of a file, as whoever typed the command finds it, or of standard input for `-`; one of more than
    /// `most` bytes is [`io::ErrorKind::FileTooLarge`].
    fn read_file(&self, path: &Path, most: u64) -> FileContent;
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

    fn colors(&self) -> bool {
        // Of a file as well, where the environment forces colours upon it: as the person wishes.
        console::colors_enabled()
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

    fn read_file(&self, path: &Path, most: u64) -> FileContent {
        Box::pin(read_whole(path.to_owned(), most))
    }
}

/// Reads a file of this process's file system, on a thread where that may take its time.
async fn read_whole(path: PathBuf, most: u64) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut content = Vec::new();
        let source: Box<dyn io::Read> = if path == Path::new(STANDARD_INPUT) {
            Box::new(io::stdin())
        } else {
            let file = File::open(path)?;
            if file.metadata()?.len() > most {
                return Err(too_large(most));
            }
            Box::new(file)
        };
        // A pipe or a device has no length.
        let mut source = source.take(most.saturating_add(1));
        source.read_to_end(&mut content)?;
        if content.len() as u64 > most {
            return Err(too_large(most));
        }
        Ok(content)
    });
    reading
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// The error of a file of more than so many bytes.
pub(crate) fn too_large(most: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has more than {} bytes", thousands(most)),
    )
}
