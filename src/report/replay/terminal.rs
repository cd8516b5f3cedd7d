//! The summary of a replay on a terminal.

use std::io::{self, Write};

use super::super::escape;
use super::super::format;
use super::super::grid::{Align, Grid, Piece};
use super::super::table::{Table, Tone};
use super::super::terminal::{Files, Style, Summary, bold, dim, tone};
use super::ReplayReport;

/// Writes the summary.
///
/// # Errors
/// Those of `out`.
pub fn terminal(out: &mut dyn Write, report: &ReplayReport, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
    let mut summary = Summary::new(out, style);
    let head = format!(
        "wsim {} · {} replayed at {} · {} · seed {}",
        report.facts.wsim,
        format::plural(report.measured.account.scheduled(), "request", "requests"),
        escape::terminal(&report.target, 60),
        format::window(report.window),
        report.facts.seed
    );
    summary.paragraph(0, &head, dim())?;
    summary.blank()?;
    let verdict = format::capital(&report.verdict());
    summary.paragraph(0, &verdict, if report.is_void() { tone(Tone::Bad) } else { bold() })?;
    summary.blank()?;
    summary.wrapped("Late", &report.lateness(), anstyle::Style::new())?;
    summary.wrapped("Sent", &report.coverage(), anstyle::Style::new())?;
    if let Some(limit) = report.limit() {
        let text = format!("{:.2} times the logged users, {} requests/s", limit.load, format::number(limit.rate));
        summary.wrapped("Limit", &text, bold())?;
    }
    for table in report.tables() {
        show(&mut summary, &table)?;
    }
    summary.places(files)
}

/// A table, with the columns that tell most where a terminal has no room for all.
fn show(summary: &mut Summary<'_>, table: &Table) -> io::Result<()> {
    let wanted = |label: &str| table.id != "groups" || GROUP_COLUMNS.contains(&label);
    let places: Vec<usize> = (0..table.columns.len()).filter(|&place| wanted(table.columns[place].label)).collect();
    let heads: Vec<String> = places.iter().map(|&place| head(table, place)).collect();
    let aligned = |place: usize| if table.columns[place].number { Align::Right } else { Align::Left };
    let heads: Vec<(&str, Align)> = heads.iter().zip(&places).map(|(label, &place)| (label.as_str(), aligned(place))).collect();
    let mut grid = Grid::new(&heads);
    for row in &table.rows {
        let cells = places.iter().filter_map(|&place| row.get(place));
        grid.row(cells.map(|cell| Piece::styled(escape::terminal(&cell.text, 48), tone(cell.tone))).collect());
    }
    summary.heading(table.title, if table.id == "groups" { "times in ms, from the intended instant" } else { "" })?;
    summary.grid(&grid)
}

/// Columns of the groups that a terminal shows; the report has all.
const GROUP_COLUMNS: [&str; 8] = ["Group", "Answered", "Failed", "Log p50", "Log p95", "Response p50", "Response p95", "Error p95"];

fn head(table: &Table, place: usize) -> String {
    let column = table.columns[place];
    if table.id == "groups" {
        return column.label.replace("Response", "Now").replace("Error p95", "Predicted p95 off by %");
    }
    if column.unit.is_empty() { column.label.to_owned() } else { format!("{} {}", column.label, column.unit) }
}
