//! `report.md` of a replay: the findings for an issue tracker.

use super::model::ReplayReport;
use crate::exporter::Report;
use crate::shared::markdown::{code_block, push, section, sentence};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn markdown(report: &ReplayReport) -> String {
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&text::capital(&report.verdict()))));
    if report.is_void() {
        push(&mut out, "**Void:** the figures below say nothing about the target.");
    }
    if let Some(limit) = report.limit_sentence() {
        push(&mut out, &sentence(&format!("Limit: {limit}.")));
    }
    for episode in report.episodes() {
        push(&mut out, &sentence(&format!("{}.", text::capital(&episode))));
    }
    push(&mut out, &sentence(&format!("{}.", report.lateness_sentence())));
    if let Some(connections) = report.connections_sentence() {
        push(&mut out, &sentence(&format!("{}.", text::capital(&connections))));
    }
    push(&mut out, &sentence(&format!("{}.", report.replayed_share_sentence())));
    let circumstances = format!(
        "Target: {}{}. Part of the log: {}. Speed × {}, load {}× the logged users. Requests allowed: {}.",
        report.target,
        report.server_name.as_ref().map_or_else(String::new, |name| format!(" ({name})")),
        vocabulary::window(report.window),
        text::tick(report.speed),
        text::tick(report.load),
        report.allowed.name()
    );
    push(&mut out, &sentence(&circumstances));
    if let Some(left_out) = &report.left_out_time {
        push(&mut out, &sentence(left_out));
    }
    for remark in &report.remarks {
        push(&mut out, &sentence(remark));
    }
    for table in report.tables() {
        section(&mut out, &table, 2);
    }
    for assumption in &report.facts.assumptions {
        push(&mut out, &sentence(assumption));
    }
    push(&mut out, "## Command");
    push(&mut out, &code_block(&report.facts.command));
    out
}
