//! The summary of a replay on a terminal.

use std::io::{self, Write};

use super::model::ReplayReport;
use crate::exporter::Report;
use crate::shared::escape;
use crate::shared::table::{Column, Table, Tone};
use crate::shared::terminal::{ColumnView, SCREEN_LINES, Style, TableChoice, TerminalWriter, bold, dim, tone_style};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &ReplayReport, style: Style) -> io::Result<()> {
    let verdict = Verdict::of(report);
    if style.tables == TableChoice::NONE {
        let mut words = Vec::new();
        write_words(&mut TerminalWriter::new(&mut words, style), report, &verdict, BRIEF_LINES_MAX)?;
        let used = words.iter().filter(|byte| **byte == b'\n').count();
        out.write_all(&words)?;
        return write_main_groups(&mut TerminalWriter::new(out, style), report, SCREEN_LINES.saturating_sub(used));
    }
    let mut terminal = TerminalWriter::new(out, style);
    write_words(&mut terminal, report, &verdict, usize::MAX)?;
    for table in report.tables() {
        write_table(&mut terminal, &table)?;
    }
    terminal.empty_line()?;
    terminal.paragraph(0, &verdict.text, verdict.style)
}

/// The first sentence, and how it is written.
struct Verdict {
    text: String,
    style: anstyle::Style,
}

impl Verdict {
    fn of(report: &ReplayReport) -> Self {
        let style = if report.is_void() || report.is_missed() { tone_style(Tone::Bad) } else { bold() };
        Self { text: text::capital(&report.verdict()), style }
    }
}

/// Everything but the tables, each part in at most so many lines.
fn write_words(terminal: &mut TerminalWriter<'_>, report: &ReplayReport, verdict: &Verdict, most: usize) -> io::Result<()> {
    let head = format!(
        "wsim {} · {} replayed against {} · {} · seed {}",
        report.facts.wsim,
        text::plural(report.measured.totals.scheduled(), "request", "requests"),
        escape::terminal(&report.target, 60),
        vocabulary::window(report.window),
        report.facts.seed
    );
    let is_brief = most != usize::MAX;
    terminal.lines(0, "", &head, dim(), most)?;
    terminal.empty_line()?;
    terminal.lines(0, "", &verdict.text, verdict.style, most.saturating_mul(2))?;
    terminal.empty_line()?;
    let mut part = |label: &str, text: &str, style: anstyle::Style| terminal.labelled_lines(label, "", text, style, most).map(drop);
    for (index, episode) in report.episodes().iter().take(if is_brief { 1 } else { usize::MAX }).enumerate() {
        part(if index == 0 { "When" } else { "" }, &text::capital(episode), anstyle::Style::new())?;
    }
    if let Some(limit) = report.limit_sentence() {
        part("Limit", &limit, bold())?;
    }
    part("Lateness", &report.lateness_sentence(), anstyle::Style::new())?;
    if let Some(connections) = report.connections_sentence().filter(|_| !is_brief) {
        part("Connections", &connections, anstyle::Style::new())?;
    }
    part("Sent", &report.replayed_share_sentence(), anstyle::Style::new())?;
    if let Some(left_out) = &report.left_out_time {
        part("Left out", left_out, anstyle::Style::new())?;
    }
    for (index, remark) in report.remarks.iter().take(if is_brief { 1 } else { usize::MAX }).enumerate() {
        part(if index == 0 { "Note" } else { "" }, remark, anstyle::Style::new())?;
    }
    Ok(())
}

/// The groups with most requests and the whole, in so many lines.
fn write_main_groups(terminal: &mut TerminalWriter<'_>, report: &ReplayReport, lines: usize) -> io::Result<()> {
    let Some(mut groups) = report.tables().into_iter().find(|table| table.id == "groups") else { return Ok(()) };
    let all = groups.rows.len();
    // The heading, two lines of column names, the line that counts what is left out, an empty line.
    let rows = lines.saturating_sub(6).max(2);
    if all > rows {
        // The last row is that of all requests.
        groups.rows.drain(rows - 1..all - 1);
    }
    let shown = groups.rows.len();
    write_table(terminal, &groups)?;
    terminal.left_out(all, shown, "group", "groups")?;
    terminal.empty_line()
}

/// Lines of a part of the summary on one screen.
const BRIEF_LINES_MAX: usize = 2;

/// Writes a table. Of the groups it shows only the columns that matter most, because a terminal is too narrow for all.
fn write_table(terminal: &mut TerminalWriter<'_>, table: &Table) -> io::Result<()> {
    let groups = table.id == "groups";
    // A table of terms that are all met says nothing that the verdict does not.
    if table.id == "expected" && table.rows.iter().flatten().all(|cell| cell.tone != Tone::Bad) {
        return Ok(());
    }
    let head = |column: &Column| match (groups, column.unit) {
        (true, _) => column.label.replace("Response", "Replay").replace("Error p95", "Predicted p95 off by %"),
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
