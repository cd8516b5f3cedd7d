//! `report.html` of a simulation, with the style and script of the analysis.

use askama::Template;

use super::super::ReportError;
use super::super::account;
use super::super::charts::Chart;
use super::super::escape;
use super::super::format;
use super::super::page::{Answer, Fact, Shell, Top, costs, filled, headline, lead, sentence};
use super::super::picture::Picture;
use super::super::table::Table;
use super::super::tables as analysis_tables;
use super::super::words;
use super::SimulationReport;
use super::tables;
use wsim_advise::sweep::{Simulated, Sweep};

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &SimulationReport) -> Result<String, ReportError> {
    Ok(Page::new(report).render()?)
}

#[derive(Template)]
#[template(path = "simulation.html")]
struct Page {
    shell: Shell,
    top: Top,
    charts: Vec<Chart>,
    plan: Vec<Table>,
    candidates: Vec<Table>,
    backtest: Vec<Table>,
    backtest_sentence: String,
    inputs: Vec<Table>,
    accounts: Vec<String>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
    glossary: &'static [(&'static str, &'static str)],
}

impl Page {
    fn new(report: &SimulationReport) -> Self {
        let SimulationReport { analysis, sweep, .. } = report;
        let facts = &analysis.facts;
        let mut plan =
            sweep.shown().map(|(candidate, _)| vec![tables::groups(candidate), tables::processes(candidate)]).unwrap_or_default();
        plan.push(tables::stress(sweep));
        plan.retain(|table| !table.is_empty());
        let mut page = Self {
            shell: Shell { seed: sweep.seed, ..Shell::new("simulation", facts, format::window(sweep.window)) },
            top: top(report),
            charts: report.charts(),
            plan,
            candidates: filled([tables::candidates(report), tables::discarded(sweep)]),
            backtest: filled([tables::backtest(report)]),
            backtest_sentence: sentence(&tables::backtest_sentence(report)),
            inputs: filled([analysis_tables::inputs(analysis), analysis_tables::malformed(analysis)]),
            accounts: account::lines(analysis).iter().map(|account| sentence(account)).collect(),
            method: method(report),
            assumptions: sweep.assumptions.iter().chain(&facts.assumptions).map(|assumption| sentence(assumption)).collect(),
            glossary: &words::GLOSSARY,
        };
        if report.partial() {
            page.shell.notice = Some(("Partial", "interrupted. All numbers cover what there was until then."));
        }
        page.shell = page.shell.with_contents([
            ("charts", "Charts", !page.charts.is_empty()),
            ("plan", "The plan", !page.plan.is_empty()),
            ("candidates", "Candidates", !page.candidates.is_empty()),
            ("backtest", "Back-test", true),
            ("inputs", "Inputs", true),
            ("method", "Method", true),
            ("glossary", "Glossary", true),
        ]);
        page
    }
}

fn top(report: &SimulationReport) -> Top {
    let sweep = &report.sweep;
    Top {
        headline: sweep.shown().map_or_else(
            || "Nothing was simulated".to_owned(),
            |(candidate, recommended)| headline(&candidate.as_candidate(sweep.measured_seconds()), recommended),
        ),
        lead: vec![lead(&sweep.verdict)],
        answer: answer(sweep),
        reasons: sweep.reasons.iter().map(|reason| sentence(reason)).collect(),
        confidence: (&report.confidence()).into(),
        next: Top::steps(&report.analysis.facts),
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
        range: "95 % interval",
        costs: costs(candidate.workers, candidate.total_cores, "on average over the simulated time"),
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
            note: if candidate.workers == 0 { "no workers".to_owned() } else { sentence(&candidate.balance) },
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
    fn a_sweep_of_48_plans_and_100_groups_is_light() {
        let page = html(&fixture::large()).unwrap();
        println!("48 plans, 100 groups: {} bytes", page.len());
        assert!(page.contains("Show all 48 rows") && page.contains("Show all 100 rows"));
        assert!(page.len() < 2_000_000, "{}", page.len());
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
