//! Standard error of whoever typed a command: sentences, and bars on a terminal.
//!
//! Writing to it never fails: a closed standard error is nobody's problem. Progress comes from threads that must
//! not wait for a slow reader, so its lines and bars may be left out; what is said is said.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar};

use crate::progress::Progress;

/// Standard error of whoever typed a command. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct StandardError {
    shared: Arc<Shared>,
}

struct Shared {
    /// The bars on the terminal, so that what else is printed does not run into them.
    bars: MultiProgress,
    is_terminal: bool,
    sink: Box<dyn Sink>,
}

/// Where the bytes of a standard error go.
pub(crate) trait Sink: Send + Sync {
    /// Writes all of it, and waits for that if it must.
    fn write(&self, text: &str);

    /// Writes it if that can be done without waiting; called from any thread.
    fn write_if_there_is_room(&self, text: &str);
}

impl StandardError {
    /// That of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::new(
            MultiProgress::new(),
            io::stderr().is_terminal(),
            ThisProcess,
        )
    }

    /// One that writes to `sink`; `bars` draw on the same terminal, if it is one.
    pub(crate) fn new(bars: MultiProgress, is_terminal: bool, sink: impl Sink + 'static) -> Self {
        let shared = Shared {
            bars,
            is_terminal,
            sink: Box::new(sink),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether a person sees it at once.
    pub(crate) fn is_terminal(&self) -> bool {
        self.shared.is_terminal
    }

    /// One line.
    pub(crate) fn say(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Text as it is.
    pub(crate) fn print(&self, text: &str) {
        self.make_way();
        self.shared.sink.write(text);
    }

    /// One line that nobody misses.
    pub(crate) fn mention(&self, text: &str) {
        self.make_way();
        let line = format!("{text}\n");
        self.shared.sink.write_if_there_is_room(&line);
    }

    /// Bars are drawn again when they move. Nothing is held meanwhile that a thread with progress would wait for.
    fn make_way(&self) {
        if self.shared.is_terminal {
            self.clear_bars();
        }
    }

    /// How far a piece of work is, said as in `imported 256 of 3,376 records`: `verb` is "imported", `noun` is
    /// "record".
    pub(crate) fn progress(&self, verb: &'static str, noun: &'static str) -> Progress {
        Progress::new(self.clone(), verb, noun)
    }

    /// Takes the bars away: what follows is the answer.
    pub(crate) fn clear_bars(&self) {
        // A terminal that went away needs no clearing.
        let _ = self.shared.bars.clear();
    }

    /// A new bar below the others.
    pub(crate) fn add_bar(&self) -> ProgressBar {
        self.shared.bars.add(ProgressBar::new(0))
    }

    /// Forgets a bar.
    pub(crate) fn remove_bar(&self, bar: &ProgressBar) {
        self.shared.bars.remove(bar);
    }
}

struct ThisProcess;

impl Sink for ThisProcess {
    fn write(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn write_if_there_is_room(&self, text: &str) {
        self.write(text);
    }
}
