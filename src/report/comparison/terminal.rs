//! The summary of a comparison on a terminal.

use std::io::{self, Write};

use anstyle::Style as Ansi;

use super::report::ComparisonReport;
use crate::exporter::Report;
use crate::shared::table::{Cell, Column, Table, Tone};
use crate::shared::terminal::{ColumnView, SCREEN_LINES, Style, TableChoice, TerminalWriter, bold, dim, tone_style};
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &ComparisonReport, style: Style) -> io::Result<()> {
    let mut words = Vec::new();
    write_words(&mut TerminalWriter::new(&mut words, style), report)?;
    let used = words.iter().filter(|byte| **byte == b'\n').count();
    out.write_all(&words)?;
    let mut terminal = TerminalWriter::new(out, style);
    // Only the columns that matter most, because a terminal is too narrow for all.
    let view = ColumnView { shows: &|column| !HIDDEN.contains(&column.label), head: &short_head, cell: &short_cell, cell_columns: 32 };
    if style.tables != TableChoice::NONE {
        for table in report.tables() {
            terminal.table(&table, "", &view)?;
        }
        terminal.empty_line()?;
        return write_verdicts(&mut terminal, report);
    }
    let tables = report.tables();
    let is_main = |table: &&Table| matches!(table.id, "predicted-measured" | "latency");
    let Some(mut table) = tables.iter().find(is_main).or(tables.first()).cloned() else { return Ok(()) };
    let all = table.rows.len();
    // The heading, two lines of column names, the line that counts what is left out, an empty line.
    table.rows.truncate(SCREEN_LINES.saturating_sub(used + 6).max(2));
    terminal.table(&table, "", &view)?;
    terminal.left_out(all, table.rows.len(), "row", "rows")?;
    terminal.empty_line()
}

/// Everything but the tables.
fn write_words(terminal: &mut TerminalWriter<'_>, report: &ComparisonReport) -> io::Result<()> {
    let head = format!("wsim {} · {} compared", report.wsim, text::plural(report.runs.len() as u64, "run", "runs"));
    terminal.paragraph(0, &head, dim())?;
    terminal.empty_line()?;
    write_verdicts(terminal, report)?;
    for doubt in report.doubts() {
        terminal.paragraph(0, &format!("{doubt}."), tone_style(Tone::Warn))?;
    }
    Ok(())
}

fn write_verdicts(terminal: &mut TerminalWriter<'_>, report: &ComparisonReport) -> io::Result<()> {
    let headline = report.headline();
    let style = if headline.tone == Tone::Plain { bold() } else { tone_style(headline.tone).bold() };
    terminal.paragraph(0, &format!("{}.", headline.text), style)?;
    report.pairs.iter().try_for_each(|pair| terminal.paragraph(0, &format!("{}.", pair.verdict), Ansi::new()))
}

/// The text of a cell without its uncertainty, which the other formats contain.
fn short_cell(column: &Column, cell: &Cell) -> String {
    match cell.value {
        Some(_) if column.number => cell.text.split(" (").next().unwrap_or_default().to_owned(),
        _ if cell.text.ends_with(": too few") => "too few".to_owned(),
        _ => cell.text.replace("indistinguishable", "same"),
    }
}

fn short_head(column: &Column) -> String {
    let label = column.label.replace("Predicted", "Pred.").replace("Measured", "Meas.").replace("Covered", "In").replace(" change", "");
    if matches!(column.unit, "" | "ms" | "cores" | "requests/s") { label } else { format!("{label} {}", column.unit) }
}

/// Columns that a terminal does not show.
const HIDDEN: [&str; 12] = [
    "Requests before",
    "Requests after",
    "CPU per request before",
    "CPU per request after",
    "p99 before",
    "p99 after",
    "p99",
    "Predicted rate",
    "Measured rate",
    "Error rate",
    "Created",
    "Length",
];
