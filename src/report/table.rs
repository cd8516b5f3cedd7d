//! A table without a form: the same rows become HTML, Markdown, CSV and terminal text.
//!
//! Knows nothing of what is in it. A cell marked as log text is escaped by each form; all other text is made visible too,
//! because a sentence may quote a log.

use super::escape;

/// A table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Unique in a report; also the name of its CSV file.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// One or two sentences on how to read it; may be empty.
    pub note: String,
    /// Columns, at least one.
    pub columns: Vec<Column>,
    /// Rows, each with one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub label: &'static str,
    /// Unit of all its numbers; empty if there is none.
    pub unit: &'static str,
    /// Numbers are aligned to the right.
    pub number: bool,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// What people read.
    pub text: String,
    /// The number behind it, for sorting and for CSV.
    pub value: Option<f64>,
    /// Length of a bar in it, 0 to 1.
    pub bar: Option<f64>,
    /// Text from a log: set as code and cut.
    pub log: bool,
    /// What the text says, as a colour.
    pub tone: Tone,
    /// More words on hover; never needed.
    pub help: &'static str,
}

/// A colour that repeats what the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// None.
    #[default]
    Plain,
    /// Meets, fine.
    Good,
    /// Perhaps.
    Warn,
    /// Does not.
    Bad,
}

impl Tone {
    /// Its class in the page.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

impl Column {
    /// A column of text.
    pub const fn text(label: &'static str) -> Self {
        Self { label, unit: "", number: false }
    }

    /// A column of numbers in `unit`.
    pub const fn number(label: &'static str, unit: &'static str) -> Self {
        Self { label, unit, number: true }
    }
}

impl Cell {
    /// Words of our own.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Text from a log.
    pub fn log(text: &str) -> Self {
        Self { text: text.to_owned(), log: true, ..Self::default() }
    }

    /// A number and how it reads.
    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Self { text: text.into(), value: value.is_finite().then_some(value), ..Self::default() }
    }

    /// A count.
    pub fn count(value: u64) -> Self {
        Self::number(super::format::count(value), value as f64)
    }

    /// A share of 1 in a column of per cent, with its bar.
    pub fn share(share: f64) -> Self {
        Self::number(super::format::percent_number(share), share * 100.0).with_bar(share)
    }

    /// A number that may be unknown.
    pub fn maybe(value: Option<f64>, text: impl Fn(f64) -> String) -> Self {
        value.filter(|value| value.is_finite()).map_or_else(|| Self::text(super::format::UNKNOWN), |value| Self::number(text(value), value))
    }

    /// With a bar of `share`.
    #[must_use]
    pub fn with_bar(mut self, share: f64) -> Self {
        self.bar = share.is_finite().then_some(share.clamp(0.0, 1.0));
        self
    }

    /// With a colour.
    #[must_use]
    pub fn with_tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// With words on hover.
    #[must_use]
    pub fn with_help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// The text for a page: visible and cut, markup not yet escaped. Nothing is a dash, so that no cell looks forgotten.
    pub fn page(&self) -> String {
        if self.text.is_empty() {
            return super::format::UNKNOWN.to_owned();
        }
        escape::page(&self.text, if self.log { NAME_COLUMNS } else { SENTENCE_COLUMNS })
    }

    /// What a browser sorts by: the number, or nothing (then the text).
    pub fn sort(&self) -> String {
        self.value.map_or_else(String::new, |value| format!("{value}"))
    }

    /// Width of the bar in percent.
    pub fn bar_percent(&self) -> Option<String> {
        self.bar.map(|share| format!("{:.1}", share * 100.0))
    }
}

impl Table {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a page shows its first rows only until it is asked for all.
    pub fn is_long(&self) -> bool {
        self.rows.len() > ROWS_OPEN
    }

    /// The note for a page: visible, markup not yet escaped.
    pub fn note_page(&self) -> String {
        escape::page(&self.note, SENTENCE_COLUMNS)
    }

    /// GitHub's table, which GitLab, Gitea and others read too.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let heads = self
            .columns
            .iter()
            .map(|column| if column.unit.is_empty() { column.label.to_owned() } else { format!("{} ({})", column.label, column.unit) });
        push_row(&mut out, heads);
        push_row(&mut out, self.columns.iter().map(|column| if column.number { "--:".to_owned() } else { "---".to_owned() }));
        for row in &self.rows {
            push_row(
                &mut out,
                row.iter().map(|cell| {
                    if cell.log {
                        escape::markdown_code(&cell.text, NAME_COLUMNS)
                    } else {
                        escape::markdown(&escape::page(&cell.text, SENTENCE_COLUMNS))
                    }
                }),
            );
        }
        out
    }

    /// CSV with a header line; numbers unformatted (point, no separators), in the column's unit.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let heads: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                escape::csv(&if column.unit.is_empty() { column.label.to_owned() } else { format!("{} ({})", column.label, column.unit) })
            })
            .collect();
        out.push_str(&heads.join(","));
        out.push_str("\r\n");
        for row in &self.rows {
            let fields: Vec<String> = row
                .iter()
                .map(|cell| cell.value.map_or_else(|| escape::csv(&escape::page(&cell.text, SENTENCE_COLUMNS)), |value| format!("{value}")))
                .collect();
            out.push_str(&fields.join(","));
            out.push_str("\r\n");
        }
        out
    }
}

fn push_row(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('|');
    for cell in cells {
        out.push(' ');
        out.push_str(&cell);
        out.push_str(" |");
    }
    out.push('\n');
}

/// Rows of a table that stand open; of a longer one the style shows twelve.
const ROWS_OPEN: usize = 20;
/// Longest name shown in full.
const NAME_COLUMNS: usize = 72;
/// Longest sentence shown in full.
const SENTENCE_COLUMNS: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            id: "users",
            title: "Users",
            note: String::new(),
            columns: vec![Column::text("User"), Column::number("CPU", "s")],
            rows: vec![
                vec![Cell::log("@a|b`:x\n"), Cell::number("1,234", 1234.5)],
                vec![Cell::log("=cmd()"), Cell::maybe(None, |_| unreachable!())],
            ],
        }
    }

    #[test]
    fn markdown_rows_stay_rows() {
        assert_eq!(table().markdown(), "| User | CPU (s) |\n| --- | --: |\n| `` @a\\|b`:x\\n `` | 1,234 |\n| `=cmd()` | – |\n");
    }

    #[test]
    fn csv_numbers_are_plain_and_formulas_are_text() {
        assert_eq!(table().csv(), "User,CPU (s)\r\n\"'@a|b`:x\\n\",1234.5\r\n\"'=cmd()\",–\r\n");
    }
}
