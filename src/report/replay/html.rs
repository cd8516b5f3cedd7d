//! `report.html` of a replay, with the style and script of the analysis.

use askama::Template;

use super::super::ReportError;
use super::super::charts::Chart;
use super::super::escape;
use super::super::format;
use super::super::page::{Shell, Top, sentence};
use super::super::table::Table;
use super::super::words;
use super::ReplayReport;

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &ReplayReport) -> Result<String, ReportError> {
    let method = vec![
        ("Target", escape::page(&report.target, 200)),
        ("Server name", escape::page(report.server_name.as_deref().unwrap_or(format::UNKNOWN), 200)),
        ("Part of the log", format::window(report.window)),
        ("Speed", format!("× {}", format::tick(report.speed))),
        ("Load", format!("× {} users", format::tick(report.load))),
        ("Allowed", report.allowed.to_owned()),
        ("Took", format::duration(report.took_seconds)),
        ("Seed", report.facts.seed.to_string()),
        ("Command", sentence(&report.facts.command)),
        ("Made", format!("{} by wsim {}", report.facts.created, report.facts.wsim)),
    ];
    let page = Page {
        shell: shell(report),
        top: top(report),
        charts: report.charts(),
        tables: report.tables(),
        method,
        assumptions: vec![ASSUMPTION.to_owned()],
        glossary: &words::GLOSSARY,
    };
    Ok(page.render()?)
}

fn shell(report: &ReplayReport) -> Shell {
    let mut shell = Shell::new("replay", &report.facts, format::window(report.window)).with_contents([
        ("charts", "Charts", !report.charts().is_empty()),
        ("measured", "Measurements", true),
        ("method", "Method", true),
        ("glossary", "Glossary", true),
    ]);
    shell.notice = report.is_void().then_some(("Void", "the figures below say nothing about the target."));
    shell
}

fn top(report: &ReplayReport) -> Top {
    Top {
        headline: headline(report),
        lead: [report.verdict(), report.lateness(), report.coverage()]
            .iter()
            .map(|text| sentence(&format!("{}.", format::capital(text).trim_end_matches('.'))))
            .collect(),
        next: Top::steps(&report.facts),
        ..Top::default()
    }
}

/// The result in a few words.
fn headline(report: &ReplayReport) -> String {
    if report.is_void() {
        return "Void: this run says nothing about the target".to_owned();
    }
    if !report.steps.is_empty() {
        return report.limit().map_or_else(
            || "The target does not hold the smallest load that was tried".to_owned(),
            |step| format!("The target holds {} times the logged users", format::tick(step.load)),
        );
    }
    let work = report.measured.whole().work;
    let p95 = |ns: u64| format::milliseconds(ns as f64 / 1e6);
    let (now, then) = (work.response.quantile_ns(0.95), work.original.quantile_ns(0.95));
    sentence(&format!("95 % of the work took at most {}, in the log {}", p95(now), p95(then)))
}

const ASSUMPTION: &str = "Requests are sent at the log's times on an absolute schedule; users arrive openly, and what one user's client does stays in order with as many requests under way as in the log. Response times count from the intended instant, so that no delay of the generator is left out.";

#[derive(Template)]
#[template(path = "replay.html")]
struct Page {
    shell: Shell,
    top: Top,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
    glossary: &'static [(&'static str, &'static str)],
}
