//! The summary of a replay on a terminal.

use std::io::{self, Write};

use super::model::ReplayReport;
use crate::exporter::Report;
use crate::shared::escape;
use crate::shared::table::{Column, Table, Tone};
use crate::shared::terminal::{ColumnView, Style, TerminalWriter, WrittenFiles, bold, dim, tone_style};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &ReplayReport, files: Option<WrittenFiles<'_>>, style: Style) -> io::Result<()> {
    let mut terminal = TerminalWriter::new(out, style);
    let head = format!(
        "wsim {} · {} replayed against {} · {} · seed {}",
        report.facts.wsim,
        text::plural(report.measured.totals.scheduled(), "request", "requests"),
        escape::terminal(&report.target, 60),
        vocabulary::window(report.window),
        report.facts.seed
    );
    terminal.paragraph(0, &head, dim())?;
    terminal.empty_line()?;
    let verdict = text::capital(&report.verdict());
    terminal.paragraph(0, &verdict, if report.is_void() || report.is_missed() { tone_style(Tone::Bad) } else { bold() })?;
    terminal.empty_line()?;
    for (index, episode) in report.episodes().iter().enumerate() {
        terminal.labelled(if index == 0 { "When" } else { "" }, &text::capital(episode), anstyle::Style::new())?;
    }
    terminal.labelled("Lateness", &report.lateness_sentence(), anstyle::Style::new())?;
    if let Some(connections) = report.connections_sentence() {
        terminal.labelled("Connections", &connections, anstyle::Style::new())?;
    }
    terminal.labelled("Sent", &report.replayed_share_sentence(), anstyle::Style::new())?;
    if let Some(left_out) = &report.left_out_time {
        terminal.labelled("Left out", left_out, anstyle::Style::new())?;
    }
    for (index, remark) in report.remarks.iter().enumerate() {
        terminal.labelled(if index == 0 { "Note" } else { "" }, remark, anstyle::Style::new())?;
    }
    if let Some(limit) = report.limit_sentence() {
        terminal.labelled("Limit", &limit, bold())?;
    }
    for table in report.tables() {
        write_table(&mut terminal, &table)?;
    }
    terminal.written_files(files)
}

/// Writes a table. Of the groups it shows only the columns that matter most, because a terminal is too narrow for all.
fn write_table(terminal: &mut TerminalWriter<'_>, table: &Table) -> io::Result<()> {
    let groups = table.id == "groups";
    // A table of terms that are all met says nothing that the verdict does not.
    if table.id == "expected" && table.rows.iter().flatten().all(|cell| cell.tone != Tone::Bad) {
        return Ok(());
    }
    let head = |column: &Column| match (groups, column.unit) {
        (true, _) => column.label.replace("Response", "Replay").replace("Error p95", "Prediction error p95 %"),
        (false, "") => column.label.to_owned(),
        (false, unit) => format!("{} {unit}", column.label),
    };
    let view = ColumnView {
        shows: &|column| !groups || GROUP_COLUMNS.contains(&column.label),
        head: &head,
        cell: &|_, cell| cell.text.clone(),
        cell_columns: 48,
    };
    terminal.table(table, if groups { "ms, from the scheduled time of a request" } else { "" }, &view)
}

/// Columns of the groups that a terminal shows.
const GROUP_COLUMNS: [&str; 9] =
    ["Group", "Completed", "Failed", "Errors", "Log p50", "Log p95", "Response p50", "Response p95", "Error p95"];
