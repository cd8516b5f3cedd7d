//! `report.html` of a simulation.

use askama::Template;

use super::model::SimulationReport;
use super::{charts, tables};
use crate::analysis::{line_prose, tables as analysis_tables};
use crate::charts::Chart;
use crate::exporter::ReportError;
use crate::shared::page::{self, PageFrame, Paper, Part, most_requests_first, parts, run_rows, sentence};
use crate::shared::verdict::{Fact, VerdictBox, VerdictSection, headline, next_steps};
use crate::shared::vocabulary;
use wsim_advise::sweep::Sweep;
use wsim_stats::Interval;
use wsim_text as text;

pub(super) fn html(report: &SimulationReport) -> Result<String, ReportError> {
    page::render(&Page::new(report))
}

#[derive(Template)]
#[template(path = "simulation.html")]
struct Page {
    frame: PageFrame,
    verdict: VerdictSection,
    charts: Vec<Chart>,
    plan: Vec<Part>,
    candidates: Vec<Part>,
    backtest: Vec<Part>,
    backtest_prose: Vec<String>,
    inputs: Vec<Part>,
    line_prose: Vec<String>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
}

impl Page {
    fn new(report: &SimulationReport) -> Self {
        let SimulationReport { analysis, sweep, .. } = report;
        let facts = &analysis.facts;
        let shown = sweep.shown().map(|(candidate, _)| candidate);
        let mut paper = Paper::new();
        let plan = shown.map(|candidate| most_requests_first(tables::groups(candidate))).into_iter().chain([tables::stress(sweep)]);
        let plan = plan.chain(shown.map(|candidate| tables::processes(&candidate.summary)));
        let mut page = Self {
            frame: PageFrame { seed: sweep.seed, ..PageFrame::new("simulation", facts, vocabulary::window(sweep.window)) },
            verdict: verdict(report),
            charts: charts::charts(report),
            plan: parts(&mut paper, 2, plan),
            backtest: parts(&mut paper, 0, [tables::backtest(report)]),
            candidates: parts(&mut paper, 0, [tables::candidates(report), tables::discarded(sweep)]),
            backtest_prose: tables::backtest_prose(report).iter().map(|text| sentence(text)).collect(),
            inputs: parts(&mut paper, 0, [analysis_tables::inputs_of_page(analysis), analysis_tables::malformed(analysis)]),
            line_prose: line_prose(analysis).iter().map(|text| sentence(text)).collect(),
            method: method(report),
            assumptions: sweep.assumptions.iter().chain(&facts.assumptions).map(|assumption| sentence(assumption)).collect(),
        };
        if report.is_partial() {
            page.frame.notice = Some(("Partial", "the run was interrupted. All numbers cover what was finished until then."));
        }
        page.frame = page.frame.with_contents([
            ("charts", "Charts", !page.charts.is_empty()),
            ("plan", "The plan", !page.plan.is_empty()),
            ("candidates", "Candidates", !page.candidates.is_empty()),
            ("backtest", "Back-test", true),
            ("inputs", "Inputs", true),
            ("method", "Method", true),
            ("terms", "Terms", true),
        ]);
        page
    }
}

fn verdict(report: &SimulationReport) -> VerdictSection {
    let sweep = &report.sweep;
    VerdictSection {
        headline: sweep
            .shown()
            .map_or_else(|| "Nothing was simulated".to_owned(), |(candidate, _)| headline(sweep.verdict.decision, &candidate.summary)),
        lead: vec![sentence(&sweep.verdict.text)],
        plan: verdict_box(sweep),
        reasons: sweep.reasons.iter().map(|reason| sentence(reason)).collect(),
        confidence: (&report.confidence()).into(),
        tone: "",
        next: next_steps(&report.analysis.facts),
    }
}

fn verdict_box(sweep: &Sweep) -> Option<VerdictBox> {
    let (candidate, recommended) = sweep.shown()?;
    let p95 = candidate.response_times().map(|times| times.p95);
    let interval = |p95: Interval| text::range::between(&text::milliseconds(p95.low), &text::milliseconds(p95.high));
    let response_time = Fact {
        label: "p95 response time",
        value: p95.map_or_else(|| candidate.instead_of_times().to_owned(), |p95| text::milliseconds(p95.value)),
        note: p95.map_or_else(|| "work piles up".to_owned(), |p95| format!("95 % interval {}", interval(p95))),
    };
    let periods = ("95 % interval", "on average over the simulated time");
    Some(VerdictBox::new(&candidate.summary, recommended, response_time, &sweep.objective, periods))
}

fn method(report: &SimulationReport) -> Vec<(&'static str, String)> {
    let SimulationReport { analysis, sweep, .. } = report;
    let rows = [
        ("Simulated", format!("{}: {}", sweep.window_note, vocabulary::window(sweep.window))),
        ("Warm-up", format!("{}, not measured", text::duration(sweep.warm_up_seconds))),
        ("Replications", format!("up to {}; 95 % intervals over them by Student's t", sweep.replications)),
        ("Endpoint table", analysis.facts.table_note.clone()),
    ];
    rows.into_iter().chain(run_rows(&analysis.facts, sweep.seed)).map(|(label, text)| (label, sentence(&text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::Report;
    use crate::shared::html_check;
    use crate::simulation::fixture;

    #[test]
    fn log_text_is_inert_and_nothing_is_fetched() {
        for report in [fixture::report(), fixture::out_of_reach()] {
            let page = html(&report).unwrap();
            html_check::assert_log_text_is_inert(&page);
            html_check::assert_nothing_is_fetched(&page);
        }
    }

    #[test]
    fn every_id_is_unique_and_the_recommendation_comes_first() {
        let page = html(&fixture::report()).unwrap();
        html_check::assert_ids_are_unique(&page);
        let order =
            ["Recommended plan", "id=\"reasons\"", "id=\"charts\"", "id=\"plan\"", "id=\"candidates\"", "id=\"backtest\"", "id=\"method\""];
        html_check::assert_order(&page, &order);
        assert!(page.len() < 1_500_000, "{}", page.len());
    }

    #[test]
    fn a_sweep_of_48_plans_and_100_groups_is_light() {
        let page = html(&fixture::large()).unwrap();
        println!("48 plans, 100 groups: {} bytes", page.len());
        assert!(page.contains("Show all 48 rows") && page.contains("Show all 100 rows"));
        assert!(page.len() < 2_000_000, "{}", page.len());
    }

    #[test]
    fn pages_are_written_to_the_folder_in_wsim_keep() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        let folder = std::path::Path::new(&folder);
        std::fs::write(folder.join("simulation.html"), html(&fixture::report()).unwrap()).unwrap();
        for chart in fixture::report().charts() {
            std::fs::write(folder.join(format!("{}.svg", chart.name)), chart.svg).unwrap();
        }
    }
}
