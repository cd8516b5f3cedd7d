//! Tables on a terminal: aligned columns without borders.
//!
//! Where the terminal is too narrow, the widest text column is cut; numbers are never cut.

use std::io::{self, Write};

use anstyle::Style as Ansi;

use super::escape;

/// Side to which a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
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
        let dim = Ansi::new().effects(anstyle::Effects::DIMMED);
        let heads: Vec<TextCell> = self.heads.iter().map(|(head, _)| TextCell::styled(head.clone(), dim)).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &wide), (_, align)) in row.iter().zip(&widths).zip(&self.heads) {
                if wide == 0 {
                    continue;
                }
                let cut = TextCell { text: escape::cut(&cell.text, wide).into_owned(), style: cell.style };
                let pad = " ".repeat(wide.saturating_sub(escape::columns(&cut.text)));
                let shown = cut.render(colour);
                line.push_str("  ");
                line.push_str(&if *align == Align::Right { format!("{pad}{shown}") } else { format!("{shown}{pad}") });
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn widths(&self, width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.heads.len())
            .map(|column| {
                let content = self.rows.iter().map(|row| escape::columns(&row[column].text)).max().unwrap_or(0);
                content.max(if content == 0 { 0 } else { escape::columns(&self.heads[column].0) })
            })
            .collect();
        let total = |widths: &[usize]| widths.iter().filter(|wide| **wide > 0).map(|wide| wide + 2).sum::<usize>();
        while total(&widths) > width {
            let widest = (0..widths.len())
                .filter(|&column| self.heads[column].1 == Align::Left && widths[column] > TEXT_COLUMNS_MIN)
                .max_by_key(|&column| widths[column]);
            let Some(column) = widest else {
                // No text can be cut further: drop whole columns from the right.
                let Some(last) = widths.iter().rposition(|wide| *wide > 0) else { break };
                widths[last] = 0;
                continue;
            };
            widths[column] -= 1;
        }
        widths
    }
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
    fn empty_columns_are_left_out() {
        let mut table = TextTable::new(&[("x", Align::Left), ("name", Align::Left)]);
        table.push(vec![TextCell::plain(String::new()), TextCell::plain("a".to_owned())]);
        assert_eq!(lines(&table, 80), ["  name", "  a"]);
    }
}
