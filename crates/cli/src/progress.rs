//! Progress on standard error: a bar on a terminal, else plain lines that are not too many.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{count, say, thousands};

/// Time between two plain lines: a few a second tell as much as hundreds.
const BETWEEN_LINES: Duration = Duration::from_millis(150);

/// How far a piece of work is. The first step and the last are always shown.
pub(crate) struct Progress {
    verb: &'static str,
    noun: &'static str,
    bar: Option<ProgressBar>,
    /// Whether there are plain lines, too.
    lines: bool,
    /// When the last plain line was printed, and what it said.
    last: Option<(Instant, u64)>,
}

impl Progress {
    /// Work said as in `imported 256 of 3,376 records`: `verb` is "imported", `noun` is "record".
    pub(crate) fn new(verb: &'static str, noun: &'static str) -> Self {
        Self {
            verb,
            noun,
            bar: None,
            lines: true,
            last: None,
        }
    }

    /// Without plain lines: for work that is seldom long.
    pub(crate) fn on_terminals_only(mut self) -> Self {
        self.lines = false;
        self
    }

    /// `done` of `total` are done; a total that is not known is 0.
    pub(crate) fn at(&mut self, done: u64, total: u64) {
        if io::stderr().is_terminal() {
            self.draw(done, total);
        } else if self.lines && self.is_due(done, total) {
            self.print(done, total);
            self.last = Some((Instant::now(), done));
        }
    }

    /// It is over, well or not: the bar makes room for what follows.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn is_due(&self, done: u64, total: u64) -> bool {
        match self.last {
            None => true,
            Some((_, said)) if said == done => false,
            Some((when, _)) => done == total || when.elapsed() >= BETWEEN_LINES,
        }
    }

    fn print(&self, done: u64, total: u64) {
        if total == 0 {
            say(&format!("{} {}", self.verb, count(done, self.noun)));
        } else {
            say(&format!(
                "{} {} of {}",
                self.verb,
                thousands(done),
                count(total, self.noun)
            ));
        }
    }

    fn draw(&mut self, done: u64, total: u64) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total);
            let template = if total == 0 {
                "{prefix} {human_pos} {msg}"
            } else {
                "{prefix} [{bar:30}] {human_pos}/{human_len} {msg} {eta}"
            };
            // The template is one of the two above; the default style does for a typing error.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(self.verb);
            bar.set_message(format!("{}s", self.noun));
            bar
        });
        if total > 0 {
            bar.set_length(total);
        }
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
