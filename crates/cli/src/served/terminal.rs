//! The client's terminal, as bars are drawn on it: escape sequences into standard error.

use std::io;

use indicatif::TermLike;

use super::remote::ErrorFrames;
use crate::standard_error::Sink;

/// Draws a second: a few more would only fill the socket.
pub(super) const DRAWS_PER_SECOND: u8 = 10;

/// The client's terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    columns: u16,
    frames: ErrorFrames,
}

impl Terminal {
    pub(super) fn new(columns: u16, frames: ErrorFrames) -> Self {
        Self { columns, frames }
    }

    /// Drawing is left out rather than waited for.
    #[expect(clippy::unnecessary_wraps, reason = "the trait can fail")]
    fn draw(&self, text: &str) -> io::Result<()> {
        self.frames.write_if_there_is_room(text);
        Ok(())
    }

    fn move_cursor(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 {
            return Ok(());
        }
        self.draw(&format!("\x1b[{n}{direction}"))
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.columns
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.draw(&format!("{s}\n"))
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.draw(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
