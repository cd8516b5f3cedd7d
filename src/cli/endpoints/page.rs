//! Paragraphs of limited width for a terminal.

use std::io::{self, Write};

use wsim_report::escape;

/// Writes lines of at most [`COLUMNS`] characters; everything that a terminal would act on is escaped.
pub(super) struct Page<'o> {
    out: &'o mut dyn Write,
}

impl<'o> Page<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self { out }
    }

    pub(super) fn empty_line(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Writes a name and its value.
    pub(super) fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.paragraph(&format!("{name:<10} "), value)
    }

    /// A text after `mark`, which its further lines are aligned with. Without a mark further lines are indented.
    pub(super) fn paragraph(&mut self, mark: &str, text: &str) -> io::Result<()> {
        let indent = if mark.is_empty() { HANGING_INDENT } else { mark.chars().count() };
        for (index, line) in wrap(&escape::visible(text), COLUMNS - indent).iter().enumerate() {
            match index {
                0 => writeln!(self.out, "{}", format!("{mark}{line}").trim_end())?,
                _ => writeln!(self.out, "{:indent$}{line}", "")?,
            }
        }
        Ok(())
    }
}

/// Breaks a text between words, and inside a word that is longer than a line.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > columns {
            let rest = word.split_off(columns);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

const COLUMNS: usize = 100;
const HANGING_INDENT: usize = 4;
