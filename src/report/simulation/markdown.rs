//! `report.md` of a simulation: the findings for an issue tracker.

use super::model::SimulationReport;
use super::tables;
use crate::analysis::{line_prose, tables as analysis_tables};
use crate::shared::markdown::{code_block, created_by, list, push, section, sentence};
use crate::shared::plan_cells::meets_text;
use crate::shared::verdict::plan_heading;
use wsim_text as text;

pub(super) fn markdown(report: &SimulationReport) -> String {
    let (sweep, facts) = (&report.sweep, &report.analysis.facts);
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&sweep.verdict.text)));
    if report.is_partial() {
        push(&mut out, "**Partial:** the run was interrupted. All numbers cover what was finished until then.");
    }
    if let Some((candidate, recommended)) = sweep.shown() {
        let plan = &candidate.summary;
        let (meets, _) = meets_text(plan.meets);
        let layout = if plan.workers == 0 { plan.layout() } else { format!("{} ({})", plan.layout(), plan.balance) };
        push(&mut out, &format!("## {}", plan_heading(recommended)));
        push(
            &mut out,
            &format!(
                "**{}**: {}. Objective {}: {meets}. {}.",
                sentence(&plan.plan.name),
                sentence(&layout),
                sentence(&sweep.objective.to_string()),
                sentence(&text::capital(&plan.reason))
            ),
        );
        section(&mut out, &tables::processes(plan), 3);
        section(&mut out, &tables::groups(candidate), 3);
    }
    if !sweep.reasons.is_empty() {
        push(&mut out, "## Why");
        push(&mut out, &list(&sweep.reasons, true));
    }
    let confidence = report.confidence();
    push(&mut out, &format!("**Confidence:** {}: {}", confidence.level.word(), sentence(&confidence.why)));
    for step in &facts.next {
        push(&mut out, &format!("**Next:** {}\n\n{}", sentence(&text::capital(&step.why)), code_block(&step.command)));
    }
    section(&mut out, &tables::stress(sweep), 2);
    section(&mut out, &tables::candidates(report), 2);
    push(&mut out, "## Back-test");
    push(&mut out, &sentence(&tables::backtest_sentence(report)));
    section(&mut out, &tables::backtest(report), 3);
    section(&mut out, &tables::discarded(sweep), 2);
    push(&mut out, "## Inputs");
    push(&mut out, &list(&line_prose(&report.analysis), false));
    section(&mut out, &analysis_tables::inputs(&report.analysis), 3);
    push(&mut out, "## Method and assumptions");
    let assumptions: Vec<String> = sweep.assumptions.iter().chain(&facts.assumptions).cloned().collect();
    push(&mut out, &list(&assumptions, false));
    push(&mut out, &created_by(facts));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::fixture;

    #[test]
    fn the_ticket_has_its_parts_and_no_markup_from_a_log() {
        for report in [fixture::report(), fixture::out_of_reach()] {
            let text = markdown(&report);
            for part in ["# ", "## Why", "## Simulated plans", "## Method and assumptions"] {
                assert!(text.contains(part), "{part}");
            }
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            assert!(!text.contains("@<script>"), "{text}");
        }
    }
}
