//! `report.md` of a simulation: the findings for a ticket.

use super::super::account;
use super::super::escape;
use super::super::format;
use super::super::markdown::{block, list, push, section, sentence};
use super::super::tables as analysis_tables;
use super::SimulationReport;
use super::tables;

/// The whole text.
pub fn markdown(report: &SimulationReport) -> String {
    let (sweep, facts) = (&report.sweep, &report.analysis.facts);
    let mut out = String::new();
    push(&mut out, &format!("# {}", sentence(&sweep.verdict)));
    if report.partial() {
        push(&mut out, "**Partial:** interrupted. All numbers cover what there was until then.");
    }
    if let Some((candidate, recommended)) = sweep.shown() {
        let (meets, _) = analysis_tables::meets(candidate.meets);
        push(&mut out, if recommended { "## Recommended plan" } else { "## Closest plan (none meets the objective)" });
        push(
            &mut out,
            &format!(
                "**{}**: {}. Objective {}: {meets}. {}.",
                sentence(&candidate.plan.name),
                sentence(&candidate.balance),
                sentence(&sweep.objective),
                sentence(&candidate.verdict)
            ),
        );
        section(&mut out, &tables::processes(candidate), 3);
        section(&mut out, &tables::groups(candidate), 3);
    }
    if !sweep.reasons.is_empty() {
        push(&mut out, "## Why");
        push(&mut out, &list(&sweep.reasons, true));
    }
    let confidence = report.confidence();
    push(&mut out, &format!("**How sure:** {}: {}", sentence(&confidence.level), sentence(&confidence.why)));
    for step in &facts.next {
        push(&mut out, &format!("**Next:** {}\n\n{}", sentence(&format::capital(&step.why)), block(&step.command)));
    }
    section(&mut out, &tables::stress(sweep), 2);
    section(&mut out, &tables::candidates(report), 2);
    push(&mut out, &sentence(&tables::backtest_sentence(report)));
    section(&mut out, &tables::backtest(report), 2);
    section(&mut out, &tables::discarded(sweep), 2);
    push(&mut out, "## What was read");
    push(&mut out, &list(&account::lines(&report.analysis), false));
    section(&mut out, &analysis_tables::inputs(&report.analysis), 3);
    push(&mut out, "## Method and assumptions");
    let assumptions: Vec<String> = sweep.assumptions.iter().chain(&facts.assumptions).cloned().collect();
    push(&mut out, &list(&assumptions, false));
    push(
        &mut out,
        &format!(
            "Made by wsim {} on {}:\n\n{}",
            sentence(&facts.wsim),
            sentence(&facts.created),
            block(&escape::page(&facts.command, 1_000))
        ),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

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
