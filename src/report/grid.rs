//! Aligned columns on a terminal, without borders.
//!
//! The widest text column gives way where the terminal is too narrow; numbers are never cut.

use std::io::{self, Write};

use anstyle::Style as Ansi;

use super::escape;

/// Which side a column keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A text with a style.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    text: String,
    style: Ansi,
}

impl Piece {
    /// Without a style.
    pub(super) fn plain(text: String) -> Self {
        Self { text, style: Ansi::new() }
    }

    /// With a style.
    pub(super) fn styled(text: String, style: Ansi) -> Self {
        Self { text, style }
    }

    /// With its escape sequences if `colour`.
    pub(super) fn show(&self, colour: bool) -> String {
        if !colour || self.style == Ansi::new() || self.text.trim().is_empty() {
            return self.text.clone();
        }
        format!("{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

/// Rows and columns.
#[derive(Debug)]
pub(super) struct Grid {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<Piece>>,
}

impl Grid {
    /// Columns with their headings.
    pub(super) fn new(heads: &[(&str, Align)]) -> Self {
        Self { heads: heads.iter().map(|&(head, align)| (head.to_owned(), align)).collect(), rows: Vec::new() }
    }

    /// Adds a row of as many pieces as there are columns.
    pub(super) fn row(&mut self, row: Vec<Piece>) {
        debug_assert_eq!(row.len(), self.heads.len(), "a row has a piece per column");
        self.rows.push(row);
    }

    /// Writes all rows, indented by two, in at most `width` columns if the numbers leave room.
    pub(super) fn write(&self, out: &mut dyn Write, width: usize, colour: bool) -> io::Result<()> {
        let widths = self.widths(width);
        let dim = Ansi::new().effects(anstyle::Effects::DIMMED);
        let heads: Vec<Piece> = self.heads.iter().map(|(head, _)| Piece::styled(head.clone(), dim)).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((piece, &wide), (_, align)) in row.iter().zip(&widths).zip(&self.heads) {
                if wide == 0 {
                    continue;
                }
                let cut = Piece { text: escape::cut(&piece.text, wide).into_owned(), style: piece.style };
                let pad = " ".repeat(wide.saturating_sub(escape::columns(&cut.text)));
                let shown = cut.show(colour);
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
                .filter(|&column| self.heads[column].1 == Align::Left && widths[column] > NARROWEST)
                .max_by_key(|&column| widths[column]);
            let Some(column) = widest else {
                // Bars and the like go first, then whatever stands last.
                let Some(last) = widths.iter().rposition(|wide| *wide > 0) else { break };
                widths[last] = 0;
                continue;
            };
            widths[column] -= 1;
        }
        widths
    }
}

/// Text is not cut below this.
const NARROWEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(grid: &Grid, width: usize) -> Vec<String> {
        let mut out = Vec::new();
        grid.write(&mut out, width, false).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn grid() -> Grid {
        let mut grid = Grid::new(&[("name", Align::Left), ("count", Align::Right)]);
        grid.row(vec![Piece::plain("a rather long name".to_owned()), Piece::plain("1,234".to_owned())]);
        grid.row(vec![Piece::plain("漢字".to_owned()), Piece::plain("7".to_owned())]);
        grid
    }

    #[test]
    fn numbers_stand_under_each_other() {
        assert_eq!(lines(&grid(), 80), ["  name                count", "  a rather long name  1,234", "  漢字                    7"]);
    }

    #[test]
    fn text_gives_way_to_numbers() {
        assert_eq!(lines(&grid(), 20), ["  name         count", "  a rather l…  1,234", "  漢字             7"]);
    }

    #[test]
    fn empty_columns_take_no_room() {
        let mut grid = Grid::new(&[("x", Align::Left), ("name", Align::Left)]);
        grid.row(vec![Piece::plain(String::new()), Piece::plain("a".to_owned())]);
        assert_eq!(lines(&grid, 80), ["  name", "  a"]);
    }
}
