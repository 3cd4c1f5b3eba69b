//! [`Remote`]: the caller of a command that came over the socket.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::limits::{FILE_BYTES_MAX, PART_BYTES_MAX};
use super::terminal::{DRAWS_PER_SECOND, Terminal};
use super::wire::{FromHost, Request};
use crate::caller::{Caller, FileContent};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::standard_error::{Sink, StandardError};

/// Whoever typed a command at the other end of the socket.
pub(super) struct Remote {
    frames: Sender<FromHost>,
    columns: Option<usize>,
    colors: bool,
    standard_error: StandardError,
    interrupt: Interrupt,
    /// Where the file goes that was asked for.
    wanted: Mutex<Option<oneshot::Sender<io::Result<Vec<u8>>>>>,
}

impl Remote {
    /// The sender of a request, who takes `frames`.
    pub(super) fn new(frames: Sender<FromHost>, request: &Request) -> Self {
        let errors = ErrorFrames(frames.clone());
        let is_terminal = request.error_columns > 0;
        let target = if is_terminal {
            let terminal = Terminal::new(request.error_columns, errors.clone());
            ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        Self {
            frames,
            columns: Some(usize::from(request.output_columns)).filter(|columns| *columns > 0),
            colors: request.colors,
            standard_error: StandardError::new(bars, is_terminal, errors),
            interrupt: Interrupt::of_another_process(),
            wanted: Mutex::default(),
        }
    }

    /// What tells its command to end.
    pub(super) fn asks_to_end(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The file that was asked for; whether one was.
    pub(super) fn answer_file(&self, content: io::Result<Vec<u8>>) -> bool {
        match self.wanted().take() {
            // A command that ended meanwhile does not want it any more.
            Some(wanted) => {
                let _ = wanted.send(content);
                true
            }
            None => false,
        }
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<io::Result<Vec<u8>>>>> {
        // Taking and putting leave it whole, whoever panicked.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller for Remote {
    fn standard_output(&self) -> Box<dyn Write + Send> {
        Box::new(OutputFrames(self.frames.clone()))
    }

    fn width(&self) -> Option<usize> {
        self.columns
    }

    fn colors(&self) -> bool {
        self.colors
    }

    fn standard_error(&self) -> &StandardError {
        &self.standard_error
    }

    fn interrupt(&self) -> Result<Interrupt, Failure> {
        send(&self.frames, FromHost::Listens).map_err(Failure::output)?;
        Ok(self.interrupt.clone())
    }

    fn read_file(&self, path: &Path, most: u64) -> FileContent {
        let (wanted, content) = oneshot::channel();
        *self.wanted() = Some(wanted);
        let frames = self.frames.clone();
        let asks = FromHost::ReadFile(most.min(FILE_BYTES_MAX), path.as_os_str().to_owned());
        Box::pin(async move {
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            frames.send(asks).await.map_err(|_| gone())?;
            content.await.unwrap_or_else(|_| Err(gone()))
        })
    }
}

/// Sends a frame, and waits until the client has room for it. On the thread of a command only.
fn send(frames: &Sender<FromHost>, frame: FromHost) -> io::Result<()> {
    // Within a runtime's `block_on`, where waiting is allowed: the thread carries out nothing else.
    tokio::task::block_in_place(|| frames.blocking_send(frame))
        .map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Standard output of the client.
struct OutputFrames(Sender<FromHost>);

impl Write for OutputFrames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(PART_BYTES_MAX)];
        send(&self.0, FromHost::Output(part.to_vec()))?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error of the client.
#[derive(Clone)]
pub(super) struct ErrorFrames(Sender<FromHost>);

impl fmt::Debug for ErrorFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorFrames")
    }
}

impl Sink for ErrorFrames {
    fn write(&self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            // A letter stays whole: the client takes each part for text.
            let most = rest.len().min(PART_BYTES_MAX);
            let end = (1..=most).rev().find(|end| rest.is_char_boundary(*end));
            let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
            // A client that is gone is told nothing.
            let _ = send(&self.0, FromHost::ErrorOutput(part.into()));
            rest = behind;
        }
    }

    fn write_if_there_is_room(&self, text: &str) {
        if text.len() <= PART_BYTES_MAX {
            let _ = self.0.try_send(FromHost::ErrorOutput(text.into()));
        }
    }
}
