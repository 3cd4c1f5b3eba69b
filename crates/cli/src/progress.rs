//! Progress on standard error: a bar on a terminal, else plain lines that are not too many.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{count, thousands};
use crate::standard_error::StandardError;

/// Time between two plain lines: a few a second tell as much as hundreds.
const BETWEEN_LINES: Duration = Duration::from_millis(150);

/// How far a piece of work is. The first step is always shown, and the last where the total is known.
pub(crate) struct Progress {
    standard_error: StandardError,
    verb: &'static str,
    noun: &'static str,
    bar: Option<ProgressBar>,
    /// Whether there are plain lines, too.
    lines: bool,
    /// When the last plain line was printed, and how far the work was.
    last: Option<(Instant, u64)>,
}

impl Progress {
    /// See [`StandardError::progress`].
    pub(crate) fn new(
        standard_error: StandardError,
        verb: &'static str,
        noun: &'static str,
    ) -> Self {
        Self {
            standard_error,
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

    /// So many of so many are done.
    pub(crate) fn at(&mut self, done: u64, total: u64) {
        if self.standard_error.is_terminal() {
            let noun = self.noun;
            let bar = self.bar("{prefix} [{bar:30}] {human_pos}/{human_len} {msg}");
            bar.set_message(format!("{noun}s"));
            bar.set_length(total);
            bar.set_position(done);
        } else {
            let text = format!(
                "{} {} of {}",
                self.verb,
                thousands(done),
                count(total, self.noun)
            );
            self.print(done, done == total, &text);
        }
    }

    /// So many are done, in these words; how many there will be is not known.
    pub(crate) fn tell(&mut self, done: u64, text: &str) {
        if self.standard_error.is_terminal() {
            self.bar("{msg}").set_message(text.to_owned());
        } else if done > 0 {
            self.print(done, false, text);
        }
    }

    fn bar(&mut self, template: &str) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = self.standard_error.add_bar();
            // With a typing error in a template the bar would look as the crate likes it.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(self.verb);
            bar
        })
    }

    fn print(&mut self, done: u64, is_last: bool, text: &str) {
        let is_due = self.last.is_none_or(|(when, said)| {
            when.elapsed() >= BETWEEN_LINES || (is_last && said != done)
        });
        if self.lines && is_due {
            self.standard_error.mention(text);
            self.last = Some((Instant::now(), done));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.standard_error.remove_bar(&bar);
        }
    }
}
