//! The summary of a comparison on a terminal.

use std::io::{self, Write};

use super::super::escape;
use super::super::format;
use super::super::grid::{Align, Grid, Piece};
use super::super::table::{Cell, Column, Table, Tone};
use super::super::terminal::{Files, Style, Summary, bold, dim, tone};
use super::ComparisonReport;

/// Writes the summary.
///
/// # Errors
/// Those of `out`.
pub fn terminal(out: &mut dyn Write, report: &ComparisonReport, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
    let mut summary = Summary::new(out, style);
    let head = format!("wsim {} · {} compared", report.wsim, format::plural(report.runs.len() as u64, "run", "runs"));
    summary.paragraph(0, &head, dim())?;
    summary.blank()?;
    for pair in &report.pairs {
        summary.paragraph(0, &format!("{}.", format::capital(&pair.verdict)), bold())?;
    }
    for doubt in report.doubts() {
        summary.paragraph(0, &format!("{doubt}."), tone(Tone::Warn))?;
    }
    for table in report.tables() {
        show(&mut summary, &table)?;
    }
    summary.places(files)
}

/// A table, with the columns that tell most where a terminal has no room for all.
fn show(summary: &mut Summary<'_>, table: &Table) -> io::Result<()> {
    let places: Vec<usize> = (0..table.columns.len()).filter(|&place| !HIDDEN.contains(&table.columns[place].label)).collect();
    let heads: Vec<String> = places.iter().map(|&place| head(table.columns[place])).collect();
    let aligned = |place: usize| if table.columns[place].number { Align::Right } else { Align::Left };
    let heads: Vec<(&str, Align)> = heads.iter().zip(&places).map(|(label, &place)| (label.as_str(), aligned(place))).collect();
    let mut grid = Grid::new(&heads);
    for row in &table.rows {
        let cells = places.iter().filter_map(|&place| Some((table.columns.get(place)?, row.get(place)?)));
        grid.row(cells.map(|(column, cell)| Piece::styled(escape::terminal(&short(column, cell), 32), tone(cell.tone))).collect());
    }
    summary.heading(table.title, "")?;
    summary.grid(&grid)
}

/// Without the interval, which the other forms have.
fn short(column: &Column, cell: &Cell) -> String {
    match cell.value {
        Some(_) if column.number => cell.text.split(" (").next().unwrap_or_default().to_owned(),
        _ => cell.text.replace("indistinguishable", "same"),
    }
}

fn head(column: Column) -> String {
    let label = column.label.replace("Predicted", "Pred.").replace("Measured", "Meas.").replace("Covered", "In").replace(" change", "");
    if matches!(column.unit, "" | "ms" | "cores" | "requests/s") { label } else { format!("{label} {}", column.unit) }
}

/// Columns that only the report has.
const HIDDEN: [&str; 12] = [
    "Requests before",
    "Requests after",
    "CPU of a request before",
    "CPU of a request after",
    "p99 before",
    "p99 after",
    "p99",
    "Predicted rate",
    "Measured rate",
    "Error rate",
    "Made",
    "Length",
];
