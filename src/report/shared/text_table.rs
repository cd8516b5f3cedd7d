//! Tables on a terminal: aligned columns without borders.
//!
//! Where the terminal is too narrow, first the headings are broken, then the widest text column is cut; figures are never cut.

use std::io::{self, Write};

use anstyle::Style as Ansi;

use super::escape;
use super::wrap::wrap;

/// Side to which a column is aligned, and what becomes of it where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text, cut at its end.
    Left,
    /// The path of a file, shortened in the middle.
    Path,
    /// Figures in words, such as `20 % (15–29 %)`: to the left, never cut.
    Figures,
    /// A number: to the right, never cut.
    Right,
}

/// A text with a style.
#[derive(Debug, Clone)]
pub(crate) struct TextCell {
    text: String,
    style: Ansi,
}

impl TextCell {
    pub(crate) fn plain(text: String) -> Self {
        Self { text, style: Ansi::new() }
    }

    pub(crate) fn styled(text: String, style: Ansi) -> Self {
        Self { text, style }
    }

    /// The text, with the escape sequences of its style if `colour`.
    pub(crate) fn render(&self, colour: bool) -> String {
        if !colour || self.style == Ansi::new() || self.text.trim().is_empty() {
            return self.text.clone();
        }
        format!("{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

#[derive(Debug)]
pub(crate) struct TextTable {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<TextCell>>,
}

impl TextTable {
    /// A table with these column headings.
    pub(crate) fn new(heads: &[(&str, Align)]) -> Self {
        Self { heads: heads.iter().map(|&(head, align)| (head.to_owned(), align)).collect(), rows: Vec::new() }
    }

    /// Adds a row with one cell per column.
    pub(crate) fn push(&mut self, row: Vec<TextCell>) {
        debug_assert_eq!(row.len(), self.heads.len(), "a row has one cell per column");
        self.rows.push(row);
    }

    /// Writes all rows, indented by two, in at most `width` columns if the numbers fit into them.
    pub(crate) fn write(&self, out: &mut dyn Write, width: usize, colour: bool) -> io::Result<()> {
        let widths = self.widths(width);
        for row in self.head_rows(&widths).iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &wide), (_, align)) in row.iter().zip(&widths).zip(&self.heads) {
                if wide == 0 {
                    continue;
                }
                let text = if *align == Align::Path { escape::path(&cell.text, wide) } else { escape::cut(&cell.text, wide).into_owned() };
                let cut = TextCell { text, style: cell.style };
                let pad = " ".repeat(wide.saturating_sub(escape::columns(&cut.text)));
                let shown = cut.render(colour);
                line.push_str("  ");
                line.push_str(&if *align == Align::Right { format!("{pad}{shown}") } else { format!("{shown}{pad}") });
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// The headings in as many lines as they need, the last line beside the table.
    fn head_rows(&self, widths: &[usize]) -> Vec<Vec<TextCell>> {
        let dim = Ansi::new().effects(anstyle::Effects::DIMMED);
        let heads: Vec<Vec<String>> = self.heads.iter().zip(widths).map(|((head, _), wide)| wrap(head, (*wide).max(1))).collect();
        let heads: Vec<Vec<String>> =
            heads.into_iter().zip(widths).map(|(lines, wide)| if *wide == 0 { vec![String::new()] } else { lines }).collect();
        let most = heads.iter().map(Vec::len).max().unwrap_or(1);
        let line = |index: usize, lines: &[String]| (index + lines.len()).checked_sub(most).map(|at| lines[at].clone()).unwrap_or_default();
        (0..most).map(|index| heads.iter().map(|lines| TextCell::styled(line(index, lines), dim)).collect()).collect()
    }

    /// Columns of the widest cell and of the heading as `head` measures it; 0 for a column without content.
    fn natural_widths(&self, head: fn(&str) -> usize) -> Vec<usize> {
        let width = |column: usize| {
            let content = self.rows.iter().map(|row| escape::columns(&row[column].text)).max().unwrap_or(0);
            content.max(if content == 0 { 0 } else { head(&self.heads[column].0) })
        };
        (0..self.heads.len()).map(width).collect()
    }

    /// Widths of the columns; 0 for one that is left out: the last ones, where not even cut texts fit.
    fn widths(&self, width: usize) -> Vec<usize> {
        let total = |widths: &[usize]| widths.iter().filter(|wide| **wide > 0).map(|wide| wide + 2).sum::<usize>();
        let whole = self.natural_widths(escape::columns);
        if total(&whole) <= width {
            return whole;
        }
        let mut natural = self.natural_widths(broken_head);
        loop {
            let mut widths = natural.clone();
            while total(&widths) > width {
                let widest = (0..widths.len())
                    .filter(|&column| matches!(self.heads[column].1, Align::Left | Align::Path) && widths[column] > TEXT_COLUMNS_MIN)
                    .max_by_key(|&column| widths[column]);
                let Some(column) = widest else { break };
                widths[column] -= 1;
            }
            let last = natural.iter().rposition(|wide| *wide > 0).filter(|_| total(&widths) > width);
            match last {
                Some(last) => natural[last] = 0,
                None => return widths,
            }
        }
    }
}

/// Columns of a heading that is broken into two lines.
fn broken_head(head: &str) -> usize {
    let halves = head.match_indices(' ').map(|(at, _)| escape::columns(&head[..at]).max(escape::columns(&head[at + 1..])));
    halves.min().unwrap_or(usize::MAX).min(escape::columns(head))
}

/// A text column is not cut below this width.
const TEXT_COLUMNS_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(table: &TextTable, width: usize) -> Vec<String> {
        let mut out = Vec::new();
        table.write(&mut out, width, false).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn table() -> TextTable {
        let mut table = TextTable::new(&[("name", Align::Left), ("count", Align::Right)]);
        table.push(vec![TextCell::plain("a rather long name".to_owned()), TextCell::plain("1,234".to_owned())]);
        table.push(vec![TextCell::plain("漢字".to_owned()), TextCell::plain("7".to_owned())]);
        table
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        assert_eq!(lines(&table(), 80), ["  name                count", "  a rather long name  1,234", "  漢字                    7"]);
    }

    #[test]
    fn text_is_cut_before_numbers() {
        assert_eq!(lines(&table(), 20), ["  name         count", "  a rather l…  1,234", "  漢字             7"]);
    }

    #[test]
    fn headings_are_broken_before_text_is_cut_and_figures_stay_whole() {
        let mut table = TextTable::new(&[("name", Align::Left), ("busy (uncertainty)", Align::Figures), ("log p50", Align::Right)]);
        table.push(vec![
            TextCell::plain("worker1".to_owned()),
            TextCell::plain("20 % (15–29 %)".to_owned()),
            TextCell::plain("12.5".to_owned()),
        ]);
        assert_eq!(lines(&table, 80), ["  name     busy (uncertainty)  log p50", "  worker1  20 % (15–29 %)         12.5"]);
        assert_eq!(
            lines(&table, 36),
            ["           busy             log", "  name     (uncertainty)    p50", "  worker1  20 % (15–29 %)  12.5"]
        );
        assert!(lines(&table, 26).iter().all(|line| !line.contains("29 …") && !line.contains("15…")));
    }

    #[test]
    fn a_path_is_shortened_in_the_middle() {
        let mut table = TextTable::new(&[("input", Align::Path), ("lines", Align::Right)]);
        table.push(vec![TextCell::plain("/var/log/matrix-synapse/generic_worker1.log".to_owned()), TextCell::plain("7".to_owned())]);
        let row = lines(&table, 40)[1].clone();
        assert!(row.contains("/var/log/m…") && row.contains("generic_worker1.log"), "{row}");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let mut table = TextTable::new(&[("x", Align::Left), ("name", Align::Left)]);
        table.push(vec![TextCell::plain(String::new()), TextCell::plain("a".to_owned())]);
        assert_eq!(lines(&table, 80), ["  name", "  a"]);
    }
}
