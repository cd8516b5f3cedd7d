//! Building blocks of `report.md`: GitHub-flavoured Markdown that GitLab and Gitea render too.
//!
//! Invariant: text that may quote a log is escaped before it is appended.

use super::escape;
use super::run_facts::RunFacts;
use super::table::Table;
use wsim_text as text;

/// Appends a paragraph, heading or table, and an empty line.
pub(crate) fn push(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push_str("\n\n");
}

/// Appends a table under a heading of `level`, unless the table is empty. A long table is cut to the length that suits an issue
/// tracker; `report.html` and `report.json` contain all rows.
pub(crate) fn section(out: &mut String, table: &Table, level: usize) {
    if table.is_empty() {
        return;
    }
    push(out, &format!("{} {}", "#".repeat(level), table.title));
    if !table.note.is_empty() {
        push(out, &sentence(&table.note));
    }
    let mut cut = table.clone();
    cut.rows.truncate(ROWS_MAX);
    push(out, &cut.markdown());
    if table.rows.len() > ROWS_MAX {
        let rows = text::plural((table.rows.len() - ROWS_MAX) as u64, "more row", "more rows");
        push(out, &format!("… and {rows} in report.html."));
    }
}

pub(crate) fn list(items: &[String], numbered: bool) -> String {
    let mark = |index: usize| if numbered { format!("{}. ", index + 1) } else { "- ".to_owned() };
    items.iter().enumerate().map(|(index, item)| format!("{}{}", mark(index), sentence(item))).collect::<Vec<_>>().join("\n")
}

/// Returns `command` as a code block. The command is one indented line, so its text cannot close the block.
pub(crate) fn code_block(command: &str) -> String {
    format!("    {}", escape::page(command, 1_000))
}

/// Version, time and command of the run.
pub(crate) fn created_by(facts: &RunFacts) -> String {
    format!("Created by wsim {} on {}:\n\n{}", sentence(&facts.wsim), sentence(&facts.created), code_block(&facts.command))
}

/// Escapes a sentence of the report, which may quote a log.
pub(crate) fn sentence(text: &str) -> String {
    escape::markdown(&escape::page(text, 1_000))
}

const ROWS_MAX: usize = 20;
