//! Marked text in lines of a given width.

use console::{Style, measure_text_width};

use super::words::{Mark, Piece};
use crate::output::clean;

/// Characters of an unmarked stretch that are left before and behind what is left out of it.
const AROUND: usize = 120;
/// Characters that are left out at least; less is shown.
const LEFT_OUT_AT_LEAST: usize = 80;
/// Characters of a side that are shown when it is not asked for in full: about a screen of a narrow column.
const SHOWN: usize = 1_200;

/// How marks are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// In colours.
    Colors,
    /// In signs: `[-removed-]{+added+}`.
    Signs,
}

/// Leaves out the middle of what is long and not marked, and the end of what is still too long; says whether
/// anything was left out.
pub(crate) fn shorten(pieces: Vec<Piece>) -> (Vec<Piece>, bool) {
    // Nothing says which part of it matters: then it is the beginning.
    let is_alone = pieces.len() == 1;
    let mut short = Vec::with_capacity(pieces.len());
    let (mut shown, mut left_out) = (0, 0);
    let mut is_short = false;
    for piece in pieces {
        let letters = piece.text.chars().count();
        if shown >= SHOWN {
            left_out += letters;
            continue;
        }
        if piece.mark == Mark::None && !is_alone && letters >= 2 * AROUND + LEFT_OUT_AT_LEAST {
            let (before, rest) = split(&piece.text, AROUND);
            let (middle, behind) = split(rest, letters - 2 * AROUND);
            short.push(Piece::plain(before));
            short.push(of_left_out(middle.chars().count()));
            short.push(Piece::plain(behind));
            shown += 2 * AROUND;
            is_short = true;
        } else if shown + letters > SHOWN + LEFT_OUT_AT_LEAST {
            let (before, rest) = split(&piece.text, SHOWN - shown);
            left_out += rest.chars().count();
            short.push(Piece {
                mark: piece.mark,
                text: before.to_owned(),
            });
            shown = SHOWN;
        } else {
            shown += letters;
            short.push(piece);
        }
    }
    if left_out > 0 {
        short.push(of_left_out(left_out));
    }
    (short, is_short || left_out > 0)
}

fn of_left_out(letters: usize) -> Piece {
    Piece {
        mark: Mark::LeftOut,
        text: format!(
            "[… {} …]",
            crate::output::count(letters as u64, "character")
        ),
    }
}

fn split(text: &str, letters: usize) -> (&str, &str) {
    let at = text
        .char_indices()
        .nth(letters)
        .map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// A line of marked text, and how wide it is on a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) columns: usize,
}

impl Line {
    pub(crate) fn plain(text: &str) -> Self {
        let text = clean(text);
        Self {
            columns: measure_text_width(&text),
            text,
        }
    }
}

/// The pieces in lines of at most `columns` columns, but at least one letter; one line if there is nothing.
///
/// Lines end at spaces where that can be, and behind each line break of the text, which is written out.
pub(crate) fn wrap(pieces: &[Piece], columns: usize, paint: Paint) -> Vec<Line> {
    let cells = cells(pieces, paint);
    let mut lines = Vec::new();
    let mut rest = &cells[..];
    loop {
        let (line, behind) = rest.split_at(end_of_line(rest, columns));
        lines.push(painted(line, paint));
        rest = behind;
        if rest.is_empty() {
            return lines;
        }
    }
}

/// A letter as it is shown.
struct Cell {
    letter: char,
    columns: usize,
    mark: Mark,
    ends_line: bool,
}

fn cells(pieces: &[Piece], paint: Paint) -> Vec<Cell> {
    let mut cells = Vec::new();
    for piece in pieces {
        let (before, behind) = match (paint, piece.mark) {
            (Paint::Signs, Mark::Added) => ("{+", "+}"),
            (Paint::Signs, Mark::Removed) => ("[-", "-]"),
            _ => ("", ""),
        };
        let cell = |letter: char| {
            let mut buffer = [0; 4];
            Cell {
                letter,
                columns: measure_text_width(letter.encode_utf8(&mut buffer)),
                mark: piece.mark,
                ends_line: false,
            }
        };
        cells.extend(before.chars().map(cell));
        for letter in piece.text.chars() {
            let mut buffer = [0; 4];
            let shown = clean(letter.encode_utf8(&mut buffer));
            cells.extend(shown.chars().map(cell));
            if letter == '\n'
                && let Some(last) = cells.last_mut()
            {
                last.ends_line = true;
            }
        }
        cells.extend(behind.chars().map(cell));
    }
    cells
}

/// How many of the cells the first line takes.
fn end_of_line(cells: &[Cell], columns: usize) -> usize {
    let (mut taken, mut space) = (0, None);
    for (n, cell) in cells.iter().enumerate() {
        taken += cell.columns;
        if taken > columns && n > 0 {
            // A space that does not fit any more ends the line without being seen.
            return match (cell.letter, space) {
                (' ', _) => n + 1,
                (_, Some(space)) => space,
                (_, None) => n,
            };
        }
        if cell.ends_line {
            return n + 1;
        }
        if cell.letter == ' ' {
            space = Some(n + 1);
        }
    }
    cells.len()
}

fn painted(cells: &[Cell], paint: Paint) -> Line {
    let spaces = cells.iter().rev().take_while(|cell| cell.letter == ' ');
    let cells = &cells[..cells.len() - spaces.count()];
    let mut text = String::new();
    for run in cells.chunk_by(|one, next| one.mark == next.mark) {
        let letters: String = run.iter().map(|cell| cell.letter).collect();
        match style(run[0].mark) {
            Some(style) if paint == Paint::Colors => {
                text += &style.apply_to(letters).to_string();
            }
            _ => text += &letters,
        }
    }
    Line {
        columns: cells.iter().map(|cell| cell.columns).sum(),
        text,
    }
}

fn style(mark: Mark) -> Option<Style> {
    // Whether there are colours is the caller's to know, who may be another process.
    let style = Style::new().force_styling(true);
    match mark {
        Mark::None => None,
        Mark::Added => Some(style.green().bold()),
        Mark::Removed => Some(style.red().strikethrough()),
        Mark::LeftOut => Some(style.dim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, columns: usize) -> Vec<String> {
        let lines = wrap(&[Piece::plain(text)], columns, Paint::Signs);
        lines.into_iter().map(|line| line.text).collect()
    }

    fn piece(mark: Mark, text: &str) -> Piece {
        Piece {
            mark,
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_end_at_spaces_and_no_line_is_wider_than_asked() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 3), ["one", "two", "thr", "ee"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("abc", 0), ["a", "b", "c"]);
        assert_eq!(wrapped("漢字空港", 5), ["漢字", "空港"]);
    }

    #[test]
    fn a_line_break_is_seen_and_obeyed_and_nothing_else_of_it_is() {
        assert_eq!(
            wrapped("one\ntwo\u{1b}[31m\n", 40),
            ["one\\n", "two\\u{1b}[31m\\n"]
        );
    }

    #[test]
    fn marks_are_signs_or_colours_and_colours_take_no_columns() {
        let pieces = [
            piece(Mark::None, "Bay "),
            piece(Mark::Removed, "Springs"),
            piece(Mark::Added, "St."),
        ];
        let signs = &wrap(&pieces, 40, Paint::Signs)[0];
        assert_eq!(
            (signs.text.as_str(), signs.columns),
            ("Bay [-Springs-]{+St.+}", 22)
        );
        let colors = &wrap(&pieces, 40, Paint::Colors)[0];
        assert_eq!(colors.columns, 14);
        assert_eq!(
            console::strip_ansi_codes(&colors.text),
            "Bay SpringsSt.",
            "{colors:?}"
        );
        assert_ne!(colors.text.len(), 14);
        // A line that ends within a mark has its colours to itself.
        let lines = wrap(&pieces, 6, Paint::Colors);
        assert!(lines[1].text.ends_with("\u{1b}[0m"), "{lines:?}");
    }

    #[test]
    fn what_is_long_and_alike_is_left_out_around_what_differs() {
        let long = "x".repeat(1_000);
        let pieces = vec![
            Piece::plain(long.clone()),
            piece(Mark::Added, "new"),
            Piece::plain("end"),
        ];
        let (short, is_short) = shorten(pieces);
        assert!(is_short);
        let texts: Vec<_> = short.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(
            texts[1..],
            ["[… 760 characters …]", &long[..AROUND], "new", "end"]
        );
        let (short, _) = shorten(vec![piece(Mark::Added, &"é".repeat(5_000))]);
        assert_eq!(short[0].text.chars().count(), SHOWN);
        assert_eq!(short[1].text, "[… 3,800 characters …]");
        let (short, _) = shorten(vec![Piece::plain("é".repeat(5_000))]);
        assert_eq!(short[0].text.chars().count(), SHOWN);
        let (same, is_short) = shorten(vec![Piece::plain("y".repeat(SHOWN))]);
        assert!(!is_short);
        assert_eq!(same.len(), 1);
    }
}
