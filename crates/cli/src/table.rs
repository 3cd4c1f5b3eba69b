//! Tables that fit the terminal.

use console::{measure_text_width, truncate_str};

use crate::output::clean;

/// Spaces between two columns.
const GAP: usize = 2;
/// Columns are cut to no less than this, the header apart: less says nothing.
const NARROWEST: usize = 8;

/// A header and rows of equally many cells.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that are never cut, such as ids: a person copies them.
    whole: Vec<usize>,
}

impl Table {
    /// A table with these headers.
    pub(crate) fn new<S: Into<String>>(headers: impl IntoIterator<Item = S>) -> Self {
        Self {
            rows: vec![headers.into_iter().map(Into::into).collect()],
            whole: Vec::new(),
        }
    }

    /// Never cuts this column.
    pub(crate) fn keep_whole(mut self, column: usize) -> Self {
        self.whole.push(column);
        self
    }

    /// Adds a row; missing cells are empty, and control characters are written out.
    pub(crate) fn push<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row: Vec<_> = cells.into_iter().map(|cell| clean(cell.as_ref())).collect();
        row.resize(self.columns(), String::new());
        self.rows.push(row);
    }

    /// The lines of the table, none wider than `width` columns if that can be.
    ///
    /// The widest columns are cut first; columns for which nothing is left are left out, and the header ends
    /// with `…`.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width.unwrap_or(usize::MAX));
        let left_out = widths.len() < self.columns();
        let lines = self.rows.iter().enumerate().map(|(n, row)| {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                let cell = truncate_str(cell, width, "…");
                let padding = width - measure_text_width(&cell) + GAP;
                line.push_str(&cell);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            if left_out && n == 0 {
                line.push('…');
            }
            line.truncate(line.trim_end().len());
            line
        });
        lines.collect()
    }

    fn columns(&self) -> usize {
        self.rows[0].len() // the header is always there
    }

    /// How wide each column that is shown becomes.
    fn widths(&self, available: usize) -> Vec<usize> {
        let mut widths = vec![0; self.columns()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(cell));
            }
        }
        let least: Vec<_> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                if self.whole.contains(&column) {
                    *width
                } else {
                    NARROWEST.min(*width)
                }
            })
            .collect();
        let taken = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>() - GAP;
        // One mark more tells that columns are left out; two columns are always shown.
        let mut shown = widths.len();
        while shown > 2 && taken(&least[..shown]) > available {
            shown -= 1;
        }
        let mark = if shown < widths.len() { GAP + 1 } else { 0 };
        widths.truncate(shown);
        while taken(&widths) + mark > available {
            let widest = (0..shown)
                .filter(|column| widths[*column] > least[*column])
                .max_by_key(|column| widths[*column]);
            match widest {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "NAME", "CITY"]).keep_whole(0);
        table.push([
            "0190f3c2-aaaa",
            "Livingston Municipal Airport",
            "Livingston",
        ]);
        table.push(["0190f3c2-bbbb", "漢字\n空港", ""]);
        table
    }

    #[test]
    fn nothing_is_cut_where_there_is_no_terminal() {
        assert_eq!(
            table().lines(None),
            [
                "ID             NAME                          CITY",
                "0190f3c2-aaaa  Livingston Municipal Airport  Livingston",
                "0190f3c2-bbbb  漢字\\n空港",
            ]
        );
    }

    #[test]
    fn the_widest_column_gives_way_and_the_id_stays() {
        assert_eq!(
            table().lines(Some(40)),
            [
                "ID             NAME           CITY",
                "0190f3c2-aaaa  Livingston M…  Livingston",
                "0190f3c2-bbbb  漢字\\n空港",
            ]
        );
        for width in [0, 1, 20, 26] {
            assert_eq!(
                table().lines(Some(width))[..2],
                ["ID             NAME      …", "0190f3c2-aaaa  Livings…"]
            );
        }
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        let mut table = Table::new(["ID", "A", "B", "C"]);
        table.push(["1", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"]);
        assert_eq!(table.lines(Some(32))[1], "1   aaaaaaa…  bbbbbbb…  ccccccc…");
        assert_eq!(
            table.lines(Some(31)),
            [
                "ID  A            B            …",
                "1   aaaaaaaaaa…  bbbbbbbbbb…"
            ]
        );
    }
}
