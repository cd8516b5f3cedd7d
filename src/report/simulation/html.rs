//! `report.html` of a simulation, with the style and script of the analysis.

use askama::Template;

use super::super::ReportError;
use super::super::account;
use super::super::charts::Chart;
use super::super::escape;
use super::super::format;
use super::super::html::{Answer, Fact, SCRIPT, STYLE, confidence_class, filled, policy, sentence};
use super::super::model::RunFacts;
use super::super::picture::Picture;
use super::super::table::Table;
use super::super::tables as analysis_tables;
use super::SimulationReport;
use super::tables;
use crate::advise::sweep::{Simulated, Sweep};

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &SimulationReport) -> Result<String, ReportError> {
    Ok(Page::new(report).render()?)
}

#[derive(Template)]
#[template(path = "simulation.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    facts: &'a RunFacts,
    seed: u64,
    partial: bool,
    verdict: String,
    answer: Option<Answer>,
    reasons: Vec<String>,
    confidence: (String, String, &'static str),
    next: Vec<(String, String)>,
    charts: Vec<Chart>,
    plan: Vec<Table>,
    candidates: Vec<Table>,
    backtest: Vec<Table>,
    backtest_sentence: String,
    inputs: Vec<Table>,
    accounts: Vec<String>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
    when: String,
}

impl<'a> Page<'a> {
    fn new(report: &'a SimulationReport) -> Self {
        let SimulationReport { analysis, sweep, .. } = report;
        let facts = &analysis.facts;
        let confidence = report.confidence();
        let mut plan =
            sweep.shown().map(|(candidate, _)| vec![tables::groups(candidate), tables::processes(candidate)]).unwrap_or_default();
        plan.push(tables::stress(sweep));
        plan.retain(|table| !table.is_empty());
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            facts,
            seed: sweep.seed,
            partial: report.partial(),
            verdict: sentence(&sweep.verdict),
            answer: answer(sweep),
            reasons: sweep.reasons.iter().map(|reason| sentence(reason)).collect(),
            confidence: (sentence(&confidence.level), sentence(&confidence.why), confidence_class(&confidence.level)),
            next: facts.next.iter().map(|step| (sentence(&format::capital(&step.why)), sentence(&step.command))).collect(),
            charts: report.charts(),
            plan,
            candidates: filled([tables::candidates(report), tables::discarded(sweep)]),
            backtest: filled([tables::backtest(report)]),
            backtest_sentence: sentence(&tables::backtest_sentence(report)),
            inputs: filled([analysis_tables::inputs(analysis), analysis_tables::malformed(analysis)]),
            accounts: account::lines(analysis).iter().map(|account| sentence(account)).collect(),
            method: method(report),
            assumptions: sweep.assumptions.iter().chain(&facts.assumptions).map(|assumption| sentence(assumption)).collect(),
            when: format::window(sweep.window),
        }
    }

    /// Window, for the head of the page.
    fn window(&self) -> &str {
        &self.when
    }
}

fn answer(sweep: &Sweep) -> Option<Answer> {
    let (candidate, recommended) = sweep.shown()?;
    let (meets, tone) = analysis_tables::meets(candidate.meets);
    Some(Answer {
        heading: if recommended { "Recommended plan" } else { "Closest plan (none meets the objective)" },
        name: escape::page(&candidate.plan.name, 80),
        tone: tone.class(),
        verdict: sentence(&candidate.verdict),
        facts: facts(candidate, meets, &sweep.objective),
        picture: Picture::of(&candidate.as_candidate(sweep.measured_seconds()), &busy_text(sweep)),
    })
}

/// The objective's busy term as the picture reads it.
fn busy_text(sweep: &Sweep) -> String {
    format!("busy < {} %", format::percent_number(sweep.busy))
}

fn facts(candidate: &Simulated, meets: &str, objective: &str) -> Vec<Fact> {
    let busiest = candidate.busiest();
    let p95 = candidate.overall.p95;
    vec![
        Fact {
            label: "Processes",
            value: if candidate.workers == 0 { "main only".to_owned() } else { format!("main + {}", candidate.workers) },
            note: escape::page(&candidate.balance, 80),
        },
        Fact {
            label: "Busiest process",
            value: busiest.map_or_else(|| format::UNKNOWN.to_owned(), |process| format::percent(process.peak.value)),
            note: busiest.map_or_else(String::new, |process| {
                format!(
                    "{}, {}–{} %",
                    escape::page(&process.name, 30),
                    format::percent_number(process.peak.low),
                    format::percent_number(process.peak.high)
                )
            }),
        },
        Fact {
            label: "95th percentile of work",
            value: format::milliseconds(p95.value),
            note: format!("{} to {}", format::milliseconds(p95.low), format::milliseconds(p95.high)),
        },
        Fact { label: "Meets the objective", value: meets.to_owned(), note: escape::page(objective, 80) },
    ]
}

fn method(report: &SimulationReport) -> Vec<(&'static str, String)> {
    let SimulationReport { analysis, sweep, .. } = report;
    let rows = vec![
        ("Simulated", format!("{}: {}", sweep.window_note, format::window(sweep.window))),
        ("Warm-up", format!("{} not measured", format::duration(sweep.warm_up_seconds))),
        ("Replications", format!("up to {}; intervals are Student's t over them, 95 %", sweep.replications)),
        ("Seed", sweep.seed.to_string()),
        ("Endpoint table", format!("Synapse {}. {}", analysis.facts.synapse_version, analysis.facts.table_note)),
        ("Command", analysis.facts.command.clone()),
        ("Made", format!("{} by wsim {}", analysis.facts.created, analysis.facts.wsim)),
    ];
    rows.into_iter().map(|(label, text)| (label, sentence(&text))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn body(report: &SimulationReport) -> String {
        let page = html(report).unwrap();
        let (_, after) = page.split_once("<body>").unwrap();
        after.split_once("<script>").unwrap().0.to_owned()
    }

    #[test]
    fn log_text_is_inert_and_nothing_is_fetched() {
        for report in [fixture::report(), fixture::out_of_reach()] {
            let body = body(&report);
            assert!(!body.contains("<script") && !body.contains("<img") && !body.contains("<b>"), "markup from a log");
            let page = html(&report).unwrap();
            for word in ["src=\"", "href=\"http", "@import", "url(", "<link", "<iframe"] {
                assert!(!page.contains(word), "{word}");
            }
            assert!(page.contains("default-src"));
        }
    }

    #[test]
    fn every_id_is_unique_and_the_answer_comes_first() {
        let page = html(&fixture::report()).unwrap();
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        let order =
            ["Recommended plan", "id=\"reasons\"", "id=\"charts\"", "id=\"plan\"", "id=\"candidates\"", "id=\"backtest\"", "id=\"method\""];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
        assert!(page.len() < 1_500_000, "{}", page.len());
    }

    #[test]
    fn pages_are_written_where_asked() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        let folder = std::path::Path::new(&folder);
        std::fs::write(folder.join("simulation.html"), html(&fixture::report()).unwrap()).unwrap();
        for chart in fixture::report().charts() {
            std::fs::write(folder.join(format!("{}.svg", chart.name)), chart.svg).unwrap();
        }
    }
}
