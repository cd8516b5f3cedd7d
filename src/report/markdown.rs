//! `report.md`: the same findings for a ticket.
//!
//! GitHub-flavoured Markdown that GitLab, Gitea and others read too. Everything that may quote a log is escaped.

use super::account;
use super::analysis::AnalysisReport;
use super::escape;
use super::format;
use super::picture;
use super::table::Table;
use super::tables;
use wsim_advise::Candidate;

/// The whole text. Long tables are cut to what a ticket bears; `report.html` and `report.json` have all of it.
pub fn markdown(report: &AnalysisReport) -> String {
    let mut out = String::new();
    let profile = &report.profile;
    push(&mut out, &format!("# {}", sentence(&report.advice.verdict)));
    if report.facts.partial {
        push(&mut out, "**Partial:** reading was interrupted. All numbers cover what had been read until then.");
    }
    plan(&mut out, report);
    if !report.advice.reasons.is_empty() {
        push(&mut out, "## Why");
        push(&mut out, &list(&report.advice.reasons, true));
    }
    push(&mut out, &format!("**How sure:** {}: {}", sentence(&report.advice.confidence.level), sentence(&report.advice.confidence.why)));
    for step in &report.facts.next {
        push(&mut out, &format!("**Next:** {}\n\n{}", sentence(&format::capital(&step.why)), block(&step.command)));
    }
    push(&mut out, "## Traffic");
    let internal = if profile.internal_requests > 0 {
        format!(" (and {} between Synapse processes)", format::count(profile.internal_requests))
    } else {
        String::new()
    };
    push(&mut out, &format!("{}{internal}, {}.", format::plural(profile.requests, "request", "requests"), format::window(profile.window)));
    let shown = [tables::peaks(report), tables::groups(report), tables::destinations(report), tables::processes(report)];
    shown.iter().for_each(|table| section(&mut out, table, 3));
    let heavy = tables::heavy_hitters(report);
    if !heavy.is_empty() {
        push(&mut out, "## Heavy hitters");
        heavy.iter().for_each(|table| section(&mut out, table, 3));
    }
    section(&mut out, &tables::candidates(report), 2);
    push(&mut out, "## What was read");
    push(&mut out, &list(&account::lines(report), false));
    section(&mut out, &tables::inputs(report), 3);
    section(&mut out, &tables::malformed(report), 3);
    push(&mut out, "## Method and assumptions");
    push(&mut out, &method(report));
    push(
        &mut out,
        &format!(
            "Made by wsim {} on {}:\n\n{}",
            sentence(&report.facts.wsim),
            sentence(&report.facts.created),
            block(&report.facts.command)
        ),
    );
    out
}

fn plan(out: &mut String, report: &AnalysisReport) {
    let Some(shown) = report.shown() else { return };
    let candidate = shown.candidate;
    push(out, if shown.recommended { "## Recommended plan" } else { "## Closest plan (none meets the objective)" });
    let (meets, _) = tables::meets(candidate.meets_objective);
    push(
        out,
        &format!(
            "**{}**: {}. Objective {}: {meets}. All processes together: {} cores in the busiest five minutes.",
            sentence(&candidate.plan.name),
            if candidate.workers == 0 {
                "main process only".to_owned()
            } else {
                format!("main process and {}", format::plural(u64::from(candidate.workers), "worker", "workers"))
            },
            sentence(&report.advice.objective),
            format::range(candidate.total_cores)
        ),
    );
    push(out, &process_table(candidate).markdown());
}

fn process_table(candidate: &Candidate) -> Table {
    use super::table::{Cell, Column};
    let row = |process: &wsim_advise::Process| {
        let pool = process.pool.as_ref().and_then(|name| candidate.plan.pools.iter().find(|pool| pool.name == *name));
        let takes = pool.map_or_else(
            || if process.name == "main" { "everything else".to_owned() } else { "streams".to_owned() },
            |pool| pool.endpoints.iter().map(picture::selector).collect::<Vec<_>>().join(", "),
        );
        vec![
            Cell::text(&process.name),
            Cell::text(takes),
            Cell::text(pool.map(picture::rule).unwrap_or_default()),
            Cell::text(format::percent_range(process.utilisation)),
            Cell::text(process.limit.clone().unwrap_or_default()),
        ]
    };
    Table {
        id: "plan",
        title: "",
        note: String::new(),
        columns: vec![
            Column::text("Process"),
            Column::text("Takes"),
            Column::text("Balancing"),
            Column::number("Busy (range)", ""),
            Column::text("Limited by"),
        ],
        rows: candidate.processes.iter().map(row).collect(),
    }
}

fn method(report: &AnalysisReport) -> String {
    let profile = &report.profile;
    let mut rows = vec![
        format!("CPU demand: {}: {}", profile.demand.method, profile.demand.note),
        format!(
            "Coverage: {} ({}). {}",
            format::range(profile.coverage.factor),
            if profile.coverage.measured { "measured" } else { "assumed" },
            profile.coverage.note
        ),
        format!("Endpoint table: Synapse {}. {}", report.facts.synapse_version, report.facts.table_note),
        format!("Seed {}; zone {} for stamps without one; times above are UTC.", report.facts.seed, report.facts.time_zone),
    ];
    rows.extend(report.facts.assumptions.iter().chain(&report.advice.assumptions).cloned());
    list(&rows, false)
}

pub(super) fn section(out: &mut String, table: &Table, level: usize) {
    if table.is_empty() {
        return;
    }
    push(out, &format!("{} {}", "#".repeat(level), table.title));
    if !table.note.is_empty() {
        push(out, &sentence(&table.note));
    }
    let mut cut = table.clone();
    cut.rows.truncate(ROWS_MAX);
    push(out, &cut.markdown());
    if table.rows.len() > ROWS_MAX {
        push(out, &format!("… and {} more rows in report.html.", table.rows.len() - ROWS_MAX));
    }
}

pub(super) fn list(items: &[String], numbered: bool) -> String {
    let mark = |index: usize| if numbered { format!("{}. ", index + 1) } else { "- ".to_owned() };
    items.iter().enumerate().map(|(index, item)| format!("{}{}", mark(index), sentence(item))).collect::<Vec<_>>().join("\n")
}

/// A code block whose text cannot end it: it is one indented line.
pub(super) fn block(command: &str) -> String {
    format!("    {}", escape::page(command, 1_000))
}

/// Our own words, which may quote a log.
pub(super) fn sentence(text: &str) -> String {
    escape::markdown(&escape::page(text, 1_000))
}

/// One paragraph, heading or table, and a blank line.
pub(super) fn push(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push_str("\n\n");
}

/// Rows of one table that a ticket bears.
const ROWS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_ticket_reads_like_this() {
        insta::assert_snapshot!(markdown(&fixture::report()));
    }

    #[test]
    fn log_text_is_inert() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            let text = markdown(&report);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            assert!(!text.contains('\u{202e}'));
            // Outside code spans no markup survives.
            for line in text.lines().filter(|line| !line.starts_with("    ")) {
                let outside: String = line.split('`').step_by(2).collect();
                assert!(!outside.contains("<script>") || outside.contains("\\<script\\>"), "{line}");
            }
        }
    }

    #[test]
    fn a_ticket_is_short() {
        let text = markdown(&fixture::large());
        assert!(text.len() < 60_000, "{}", text.len());
        assert!(text.contains("more rows in report.html"));
    }

    #[test]
    fn the_ticket_is_written_where_asked() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        std::fs::write(std::path::Path::new(&folder).join("report.md"), markdown(&fixture::report())).unwrap();
    }
}
