//! Answers to single questions: a verdict, a few tables and what the figures rest on, as text for a terminal and as JSON.
//!
//! Each question has a file that turns its result into an [`Answer`]; the JSON has the result itself.

mod added_worker;
mod bots;
mod changed;
mod federation;
mod presets;
mod restart;
mod size;
mod tokens;
mod what_if;

use std::io::{self, Write};

use anstyle::Style as Ansi;
use serde::Serialize;

use crate::exporter::ReportError;
use crate::shared::json;
use crate::shared::table::Tone;
use crate::shared::terminal::{Style, TerminalWriter, bold, dim, tone_style};
use crate::shared::text_table::{Align, TextCell, TextTable};

/// What a terminal shows of an answer. Text of logs is made harmless where it is written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// What was asked of what: `size · 2,000 users, no log`.
    pub head: String,
    /// One to three sentences.
    pub verdict: String,
    pub tone: Tone,
    pub tables: Vec<AnswerTable>,
    /// What the figures rest on and where they may be wrong, a sentence each.
    pub notes: Vec<String>,
    /// Commands that go on from here, with what each is for.
    pub next: Vec<(String, String)>,
}

/// A table of text. The first column is aligned to the left, all others to the right, unless they are text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnswerTable {
    pub title: String,
    pub note: String,
    /// Headings, with whether the column is text.
    pub columns: Vec<(&'static str, bool)>,
    pub rows: Vec<Vec<String>>,
}

impl AnswerTable {
    /// A table with these columns: text where the second is true.
    pub fn new(title: &str, note: &str, columns: &[(&'static str, bool)]) -> Self {
        Self { title: title.to_owned(), note: note.to_owned(), columns: columns.to_vec(), rows: Vec::new() }
    }
}

/// A result as JSON, with the head that all files of wsim have.
#[derive(Serialize)]
struct Wire<'a, T> {
    schema: &'a str,
    wsim: &'static str,
    created: &'a str,
    command: &'a str,
    #[serde(flatten)]
    result: &'a T,
}

/// A result as JSON. `created` is an instant, `command` the command line without secrets.
///
/// # Errors
/// [`ReportError::Json`]; no value of a result causes it.
pub fn json<T: Serialize>(schema: &str, created: &str, command: &str, result: &T) -> Result<String, ReportError> {
    Ok(json::write(&Wire { schema, wsim: env!("CARGO_PKG_VERSION"), created, command, result })?)
}

impl Answer {
    /// Writes the answer for a terminal.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let mut terminal = TerminalWriter::new(out, style);
        terminal.paragraph(0, &format!("wsim {} · {}", env!("CARGO_PKG_VERSION"), self.head), dim())?;
        terminal.empty_line()?;
        let verdict_style = if self.tone == Tone::Plain { bold() } else { tone_style(self.tone).bold() };
        terminal.paragraph(0, &self.verdict, verdict_style)?;
        for table in self.tables.iter().filter(|table| !table.rows.is_empty()) {
            terminal.heading(&table.title, &table.note)?;
            let heads: Vec<(&str, Align)> =
                table.columns.iter().map(|(head, is_text)| (*head, if *is_text { Align::Left } else { Align::Right })).collect();
            let mut shown = TextTable::new(&heads);
            for row in &table.rows {
                shown.push(row.iter().map(|cell| TextCell::plain(crate::shared::escape::terminal(cell, CELL_COLUMNS_MAX))).collect());
            }
            terminal.text_table(&shown)?;
        }
        if !self.notes.is_empty() {
            terminal.heading("What this rests on", "")?;
            for note in &self.notes {
                terminal.paragraph(2, note, Ansi::new())?;
            }
        }
        if !self.next.is_empty() {
            terminal.heading("Next", "")?;
            for (why, command) in &self.next {
                terminal.paragraph(2, &format!("{why}:"), Ansi::new())?;
                terminal.command(command)?;
            }
        }
        Ok(())
    }
}

const CELL_COLUMNS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::terminal::TableChoice;

    #[test]
    fn an_answer_is_one_screen_and_shows_no_control_characters() {
        let mut table = AnswerTable::new("Users", "by CPU", &[("user", true), ("CPU", false)]);
        table.rows.push(vec!["@a\u{1b}[2J:example.org".to_owned(), "1.5 s".to_owned()]);
        let answer = Answer {
            head: "what changed".to_owned(),
            verdict: "One user did.".to_owned(),
            tables: vec![table],
            notes: vec!["Nothing else is known.".to_owned()],
            next: vec![("look closer".to_owned(), "wsim analyse x".to_owned())],
            ..Answer::default()
        };
        let mut out = Vec::new();
        answer.terminal(&mut out, Style { colour: false, width: 80, tables: TableChoice::NONE }).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}') && text.contains("1.5 s") && text.contains("One user did."), "{text}");
        assert!(text.lines().count() < 24, "{text}");
        assert!(json("wsim.test/1", "now", "wsim", &serde_json::json!({"a": 1})).unwrap().contains("\"schema\": \"wsim.test/1\""));
    }
}
