//! Progress on standard error: a bar on a terminal, else plain lines that are not too many.

use std::io::{self, IsTerminal};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::{count, say, thousands};

/// Time between two plain lines: a few a second tell as much as hundreds.
const BETWEEN_LINES: Duration = Duration::from_millis(150);

/// The bars on the terminal, so that what else is printed does not run into them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes to the terminal while no bar is in the way.
pub(crate) fn beside_bars(write: impl FnOnce()) {
    BARS.suspend(write);
}

/// Takes the bars away: what follows is the answer.
pub(crate) fn clear_bars() {
    // A terminal that went away needs no clearing.
    let _ = BARS.clear();
}

/// How far a piece of work is. The first step is always shown, and the last where the total is known.
pub(crate) struct Progress {
    verb: &'static str,
    noun: &'static str,
    bar: Option<ProgressBar>,
    /// Whether there are plain lines, too.
    lines: bool,
    /// When the last plain line was printed, and how far the work was.
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

    /// So many of so many are done.
    pub(crate) fn at(&mut self, done: u64, total: u64) {
        if io::stderr().is_terminal() {
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
        if io::stderr().is_terminal() {
            self.bar("{msg}").set_message(text.to_owned());
        } else if done > 0 {
            self.print(done, false, text);
        }
    }

    fn bar(&mut self, template: &str) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = BARS.add(ProgressBar::new(0));
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
            say(text);
            self.last = Some((Instant::now(), done));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }
}
