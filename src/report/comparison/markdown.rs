//! `report.md` of a comparison: the findings for an issue tracker.

use super::report::ComparisonReport;
use crate::exporter::Report;
use crate::shared::markdown::{code_block, list, push, section, sentence};

pub(super) fn markdown(report: &ComparisonReport) -> String {
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&report.verdict())));
    let doubts = report.doubts();
    if !doubts.is_empty() {
        push(&mut out, &list(&doubts, false));
    }
    for table in report.tables() {
        section(&mut out, &table, 2);
    }
    push(&mut out, "## Command");
    push(&mut out, &code_block(&report.command));
    out
}
