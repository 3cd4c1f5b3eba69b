//! The sides of a conflict next to each other: what was there before above, who and when below, differing words
//! marked.
//!
//! It knows nothing of conflicts but their words; `commands/conflicts/show.rs` takes them from an entry.

mod lines;
mod words;

use lines::{Line, shorten, wrap};
use words::{Piece, marked};

pub(crate) use lines::Paint;

/// The columns of the answer where there is no terminal.
pub(crate) const COLUMNS_OF_NO_TERMINAL: usize = 80;
/// On fewer columns the sides stand one below the other.
const COLUMNS_SIDE_BY_SIDE: usize = 60;
/// A side has at least so many columns, or the sides stand one below the other: less breaks every line.
const COLUMNS_A_SIDE: usize = 24;
/// What stands between two sides.
const BETWEEN: &str = " │ ";
/// Columns of [`BETWEEN`].
const COLUMNS_BETWEEN: usize = 3;

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sides {
    /// What was there before the edits: nothing, one value, or several where that was contested itself.
    pub(crate) base: Vec<Said>,
    /// The sides; their numbers are their places.
    pub(crate) sides: Vec<Side>,
}

/// One side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// What it says.
    pub(crate) said: Said,
    /// Whose it is, and from when.
    pub(crate) by: String,
}

/// A value in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The value as text.
    Text(String),
    /// A word of ours, such as `(deleted)`.
    Word(&'static str),
}

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the terminal.
    pub(crate) columns: usize,
    /// How marks are shown.
    pub(crate) paint: Paint,
    /// Whether long texts are shown whole.
    pub(crate) full: bool,
}

/// The lines, and whether something was left out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) lines: Vec<String>,
    pub(crate) is_short: bool,
}

/// Lays the sides out.
pub(crate) fn lay_out(sides: &Sides, layout: Layout) -> Shown {
    let mut shown = Shown::default();
    for base in &sides.base {
        let pieces = shown.fitted(pieces_of(base), layout);
        shown.hang("was ", &pieces, layout);
    }
    if !sides.base.is_empty() {
        shown.lines.push(String::new());
    }
    let told: Vec<_> = tell(sides)
        .into_iter()
        .map(|pieces| shown.fitted(pieces, layout))
        .collect();
    match columns_a_side(sides.sides.len(), layout.columns) {
        Some(columns) => shown.beside(sides, &told, columns, layout),
        None => shown.below(sides, &told, layout),
    }
    shown
}

/// A sentence in lines of at most so many columns, with control characters written out.
pub(crate) fn paragraph(sentence: &str, columns: usize) -> Vec<String> {
    let lines = wrap(&[Piece::plain(sentence)], columns, Paint::Signs);
    lines.into_iter().map(|line| line.text).collect()
}

/// What each side says, with the words marked that differ.
fn tell(sides: &Sides) -> Vec<Vec<Piece>> {
    let base = match &sides.base[..] {
        [Said::Text(text)] => Some(text.as_str()),
        _ => None,
    };
    let texts: Vec<&str> = sides.sides.iter().filter_map(|side| side.text()).collect();
    let mut marked = marked(base, &texts).into_iter();
    sides
        .sides
        .iter()
        .map(|side| match side.said {
            Said::Text(_) => marked.next().unwrap_or_default(),
            Said::Word(_) => pieces_of(&side.said),
        })
        .collect()
}

fn pieces_of(said: &Said) -> Vec<Piece> {
    match said {
        Said::Text(text) => vec![Piece::plain(text)],
        Said::Word(word) => vec![Piece::plain(*word)],
    }
}

impl Side {
    fn text(&self) -> Option<&str> {
        match &self.said {
            Said::Text(text) => Some(text),
            Said::Word(_) => None,
        }
    }
}

/// How many columns each of the sides has next to the others; `None` if they do not fit.
fn columns_a_side(sides: usize, columns: usize) -> Option<usize> {
    let between = sides.saturating_sub(1) * COLUMNS_BETWEEN;
    let each = columns.checked_sub(between)?.checked_div(sides)?;
    (sides > 1 && columns >= COLUMNS_SIDE_BY_SIDE && each >= COLUMNS_A_SIDE).then_some(each)
}

/// Columns of the number of a side, and of the word before what was there.
const COLUMNS_OF_NUMBER: usize = 4;

impl Shown {
    fn fitted(&mut self, pieces: Vec<Piece>, layout: Layout) -> Vec<Piece> {
        if layout.full {
            return pieces;
        }
        let (short, is_short) = shorten(pieces);
        self.is_short |= is_short;
        short
    }

    /// One side a column.
    fn beside(&mut self, sides: &Sides, told: &[Vec<Piece>], columns: usize, layout: Layout) {
        let cells: Vec<Vec<Line>> = sides
            .sides
            .iter()
            .zip(told)
            .enumerate()
            .map(|(n, (_, pieces))| {
                let mut cell = vec![Line::plain(&format!("[{n}]"))];
                cell.extend(wrap(pieces, columns, layout.paint));
                cell
            })
            .collect();
        self.rows(&cells, columns);
        let below: Vec<_> = sides
            .sides
            .iter()
            .map(|side| wrap(&[Piece::plain(&side.by)], columns, layout.paint))
            .collect();
        self.rows(&below, columns);
    }

    /// Cells next to each other, all as high as the highest.
    fn rows(&mut self, cells: &[Vec<Line>], columns: usize) {
        let highest = cells.iter().map(Vec::len).max().unwrap_or_default();
        for row in 0..highest {
            let mut text = String::new();
            for (n, cell) in cells.iter().enumerate() {
                if n > 0 {
                    text += BETWEEN;
                }
                let line = cell.get(row);
                text += line.map_or("", |line| &line.text);
                if n + 1 < cells.len() {
                    let taken = line.map_or(0, |line| line.columns);
                    text.extend(std::iter::repeat_n(' ', columns.saturating_sub(taken)));
                }
            }
            text.truncate(text.trim_end().len());
            self.lines.push(text);
        }
    }

    /// One side below the other.
    fn below(&mut self, sides: &Sides, told: &[Vec<Piece>], layout: Layout) {
        for (n, (side, pieces)) in sides.sides.iter().zip(told).enumerate() {
            if n > 0 {
                self.lines.push(String::new());
            }
            self.hang(&format!("[{n}] "), pieces, layout);
            self.hang("", &[Piece::plain(&side.by)], layout);
        }
    }

    /// Text behind a head, its further lines below its first.
    fn hang(&mut self, head: &str, pieces: &[Piece], layout: Layout) {
        let columns = layout.columns.saturating_sub(COLUMNS_OF_NUMBER);
        for (n, line) in wrap(pieces, columns, layout.paint).into_iter().enumerate() {
            let head = if n == 0 { head } else { "" };
            let line = format!("{head:COLUMNS_OF_NUMBER$}{}", line.text);
            self.lines.push(line.trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
