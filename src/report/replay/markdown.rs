//! `report.md` of a replay: the findings for a ticket.

use super::super::format;
use super::super::markdown::{block, push, section, sentence};
use super::ReplayReport;

/// The whole text.
pub fn markdown(report: &ReplayReport) -> String {
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&format::capital(&report.verdict()))));
    if report.is_void() {
        push(&mut out, "**Void:** the figures below say nothing about the target.");
    }
    push(&mut out, &sentence(&format!("{}.", report.lateness())));
    push(&mut out, &sentence(&format!("{}.", report.coverage())));
    let what = format!(
        "Target {}{}; {} of the log, speed × {}, load × {}; requests allowed: {}.",
        report.target,
        report.server_name.as_ref().map_or_else(String::new, |name| format!(" ({name})")),
        format::window(report.window),
        format::tick(report.speed),
        format::tick(report.load),
        report.allowed
    );
    push(&mut out, &sentence(&what));
    for table in report.tables() {
        section(&mut out, &table, 2);
    }
    push(&mut out, "## Command");
    push(&mut out, &block(&report.facts.command));
    out
}
