//! Tables, independent of the format: the same rows become HTML, Markdown, CSV and terminal text.
//!
//! Knows nothing of the content. A cell marked as log text is escaped by each format; invisible characters are shown in all other
//! text too, because a sentence may quote a log.

use super::escape;
use super::glossary::{self, Term};
use wsim_endpoints::groups;
use wsim_stats::Interval;
use wsim_text as text;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Unique in a report; also the name of the CSV file.
    pub id: &'static str,
    pub title: &'static str,
    /// How to read the table, in one or two sentences; may be empty.
    pub note: String,
    /// At least one.
    pub columns: Vec<Column>,
    /// Each row has one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub label: &'static str,
    /// Unit of all numbers in the column; empty if there is none.
    pub unit: &'static str,
    /// Whether the column holds numbers, which are aligned to the right.
    pub number: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    pub text: String,
    /// The number that the text shows, for sorting and for CSV.
    pub value: Option<f64>,
    /// Length of a bar in the cell, 0 to 1.
    pub bar: Option<f64>,
    /// Whether the text comes from a log; such text is set as code and cut.
    pub log: bool,
    pub tone: Tone,
    /// A few words below the text; empty for none.
    pub help: &'static str,
}

/// A colour that repeats what the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
}

impl Tone {
    /// Name of the CSS class.
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

    /// What the glossary says of the column.
    pub(crate) fn term(&self) -> Option<&'static Term> {
        glossary::find(self.label)
    }

    /// The label with the unit in brackets: `CPU (s)`.
    fn label_with_unit(&self) -> String {
        if self.unit.is_empty() { self.label.to_owned() } else { format!("{} ({})", self.label, self.unit) }
    }
}

impl Cell {
    /// A text of the report, which may quote a log.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A name from a log.
    pub fn log(text: &str) -> Self {
        Self { text: text.to_owned(), log: true, ..Self::default() }
    }

    /// A dash in place of a value.
    pub fn unknown() -> Self {
        Self::text(text::UNKNOWN)
    }

    /// A number and its text.
    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Self { text: text.into(), value: value.is_finite().then_some(value), ..Self::default() }
    }

    pub fn count(value: u64) -> Self {
        Self::number(text::count(value), value as f64)
    }

    /// A share of 1 in a column of percentages, with a bar.
    pub fn share(share: f64) -> Self {
        Self::number(text::percent_number(share), share * 100.0).with_bar(share)
    }

    /// A share of 1 in a column of percentages, with a bar; a dash where it is of so few requests that it says nothing.
    pub fn share_of(share: f64, requests: u64) -> Self {
        if requests < wsim_advise::REQUESTS_FOR_SHARES { Self::unknown() } else { Self::share(share) }
    }

    /// A share of 1 with its uncertainty, in a column of percentages.
    pub fn share_range(share: Interval) -> Self {
        Self::number(text::percent_range_number(share), share.value * 100.0)
    }

    /// The busy share of a process with its uncertainty, in a column of percentages, with a bar.
    pub fn busy(busy: Interval) -> Self {
        Self::share_range(busy).with_bar(busy.value)
    }

    /// A number with its uncertainty.
    pub fn range(interval: Interval) -> Self {
        Self::number(text::range(interval), interval.value)
    }

    /// A number that may be unknown, formatted by `format`.
    pub fn maybe(value: Option<f64>, format: impl Fn(f64) -> String) -> Self {
        value.filter(|value| value.is_finite()).map_or_else(Self::unknown, |value| Self::number(format(value), value))
    }

    #[must_use]
    pub fn with_bar(mut self, share: f64) -> Self {
        self.bar = share.is_finite().then_some(share.clamp(0.0, 1.0));
        self
    }

    #[must_use]
    pub fn with_tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    #[must_use]
    pub fn with_help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// The text for a page, visible and cut; the template escapes markup. An empty text becomes a dash, so that no cell looks
    /// forgotten.
    pub fn page(&self) -> String {
        if self.text.is_empty() {
            return text::UNKNOWN.to_owned();
        }
        escape::page(&self.text, if self.log { NAME_COLUMNS } else { SENTENCE_COLUMNS })
    }

    /// What the requests of an endpoint group are, if the cell is the name of one; else empty.
    pub(crate) fn group_description(&self) -> &'static str {
        if self.log || self.value.is_some() || !self.help.is_empty() { "" } else { groups::description(&self.text) }
    }

    /// The value that a browser sorts by; if empty, it sorts by the text.
    pub fn sort_key(&self) -> String {
        self.value.map_or_else(String::new, |value| format!("{value}"))
    }

    /// Width of the bar in per cent.
    pub fn bar_percent(&self) -> Option<String> {
        self.bar.map(|share| format!("{:.1}", share * 100.0))
    }
}

impl Table {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a page shows only the first rows until the reader asks for all.
    pub fn is_long(&self) -> bool {
        self.rows.len() > ROWS_UNFOLDED
    }

    /// The note for a page, visible and cut; the template escapes markup.
    pub fn note_page(&self) -> String {
        escape::page(&self.note, SENTENCE_COLUMNS)
    }

    /// A table in GitHub's syntax, which GitLab and Gitea render too.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        push_row(&mut out, self.columns.iter().map(Column::label_with_unit));
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

    /// CSV with a header line; numbers are unformatted (decimal point, no separators) and in the column's unit.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let labels: Vec<String> = self.columns.iter().map(|column| escape::csv(&column.label_with_unit())).collect();
        out.push_str(&labels.join(","));
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

/// Rows up to which a page shows a table in full; the style sheet shows ten rows of a longer one.
const ROWS_UNFOLDED: usize = 12;
/// Longest name that is shown in full.
const NAME_COLUMNS: usize = 72;
/// Longest sentence that is shown in full.
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
