//! `report.md` of an analysis: the findings for an issue tracker.

use super::line_prose::line_prose;
use super::model::{AnalysisReport, heading_of_plan, warnings};
use super::tables;
use crate::shared::markdown::{code_block, created_by, list, push, section, sentence};
use crate::shared::plan_cells::{meets_text, process_table};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn markdown(report: &AnalysisReport) -> String {
    let mut out = String::new();
    let profile = &report.profile;
    push(&mut out, &format!("# {}", sentence(&report.advice.verdict.text)));
    if report.facts.partial {
        push(&mut out, "**Partial:** reading was interrupted. All numbers cover what had been read until then.");
    }
    let warnings: Vec<String> = warnings(report).iter().map(|warning| sentence(warning)).collect();
    if !warnings.is_empty() {
        push(&mut out, &list(&warnings, false));
    }
    plan(&mut out, report);
    if !report.advice.reasons.is_empty() {
        push(&mut out, "## Why");
        push(&mut out, &list(&report.advice.reasons, true));
    }
    push(&mut out, &format!("**Confidence:** {}: {}", report.advice.confidence.level.word(), sentence(&report.advice.confidence.why)));
    for step in &report.facts.next {
        push(&mut out, &format!("**Next:** {}\n\n{}", sentence(&text::capital(&step.why)), code_block(&step.command)));
    }
    push(&mut out, "## Traffic");
    let internal = if profile.internal_requests > 0 {
        format!(" (and {} between Synapse processes)", text::count(profile.internal_requests))
    } else {
        String::new()
    };
    let requests = text::plural(profile.requests, "request", "requests");
    push(&mut out, &format!("{requests}{internal}, {}.", vocabulary::window(profile.window)));
    let shown = [tables::peaks(report), tables::groups(report), tables::destinations(report), tables::processes(report)];
    shown.iter().for_each(|table| section(&mut out, table, 3));
    let heavy = tables::heavy_hitters(report);
    if !heavy.is_empty() {
        push(&mut out, "## Heavy hitters");
        heavy.iter().for_each(|table| section(&mut out, table, 3));
    }
    section(&mut out, &tables::candidates(report), 2);
    push(&mut out, "## Inputs");
    push(&mut out, &list(&line_prose(report), false));
    section(&mut out, &tables::inputs(report), 3);
    section(&mut out, &tables::malformed(report), 3);
    push(&mut out, "## Method and assumptions");
    push(&mut out, &method(report));
    push(&mut out, &created_by(&report.facts));
    out
}

fn plan(out: &mut String, report: &AnalysisReport) {
    let Some((plan, recommended)) = report.advice.shown() else { return };
    push(out, &format!("## {}", heading_of_plan(report, recommended)));
    let (meets, _) = meets_text(plan.meets);
    let summary = format!(
        "**{}**: {}. Objective {}: {meets}. CPU of all processes at the peak: {} cores.",
        sentence(&plan.plan.name),
        plan.layout(),
        sentence(&report.advice.objective.to_string()),
        text::range(plan.total_cores)
    );
    push(out, &summary);
    push(out, &process_table(plan).markdown());
}

fn method(report: &AnalysisReport) -> String {
    let profile = &report.profile;
    let mut rows = vec![
        format!("CPU demand: {}: {}", profile.demand.method, profile.demand.note),
        format!("Coverage factor: {}; {}", text::range(profile.coverage.factor), profile.coverage.note),
        format!("Endpoint table: {}.", report.facts.table_note),
        format!(
            "Random seed: {}. Times above are in UTC; times without a zone in a log were read as {}.",
            report.facts.seed, report.facts.time_zone
        ),
    ];
    rows.extend(report.facts.assumptions.iter().chain(&report.advice.assumptions).cloned());
    list(&rows, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

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
    fn the_ticket_is_written_to_the_folder_in_wsim_keep() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        std::fs::write(std::path::Path::new(&folder).join("report.md"), markdown(&fixture::report())).unwrap();
    }
}
