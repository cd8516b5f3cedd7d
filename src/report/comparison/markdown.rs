//! `report.md` of a comparison: the findings for a ticket.

use super::super::format;
use super::super::markdown::{block, list, push, section, sentence};
use super::ComparisonReport;

/// The whole text.
pub fn markdown(report: &ComparisonReport) -> String {
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&format::capital(&report.verdict()))));
    let doubts = report.doubts();
    if !doubts.is_empty() {
        push(&mut out, &list(&doubts, false));
    }
    for table in report.tables() {
        section(&mut out, &table, 2);
    }
    push(&mut out, "## Command");
    push(&mut out, &block(&report.command));
    out
}
