//! The summary of a comparison on a terminal.

use std::io::{self, Write};

use super::report::ComparisonReport;
use crate::exporter::Report;
use crate::shared::table::{Cell, Column, Tone};
use crate::shared::terminal::{ColumnView, Style, TerminalWriter, WrittenFiles, bold, dim, tone_style};
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &ComparisonReport, files: Option<WrittenFiles<'_>>, style: Style) -> io::Result<()> {
    let mut terminal = TerminalWriter::new(out, style);
    let head = format!("wsim {} · {} compared", report.wsim, text::plural(report.runs.len() as u64, "run", "runs"));
    terminal.paragraph(0, &head, dim())?;
    terminal.empty_line()?;
    for pair in &report.pairs {
        terminal.paragraph(0, &format!("{}.", pair.verdict), bold())?;
    }
    for doubt in report.doubts() {
        terminal.paragraph(0, &format!("{doubt}."), tone_style(Tone::Warn))?;
    }
    // Only the columns that matter most, because a terminal is too narrow for all.
    let view = ColumnView { shows: &|column| !HIDDEN.contains(&column.label), head: &short_head, cell: &short_cell, cell_columns: 32 };
    for table in report.tables() {
        terminal.table(&table, "", &view)?;
    }
    terminal.written_files(files)
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
