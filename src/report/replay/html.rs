//! `report.html` of a replay.

use askama::Template;

use super::model::{ReplayReport, quantile};
use crate::charts::Chart;
use crate::exporter::Report;
use crate::exporter::ReportError;
use crate::shared::escape;
use crate::shared::page::{self, PageFrame, Paper, Part, most_requests_first, parts, run_rows, sentence};
use crate::shared::table::Tone;
use crate::shared::verdict::{VerdictSection, next_steps};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn html(report: &ReplayReport) -> Result<String, ReportError> {
    let tables = report.tables().into_iter().map(|table| if table.id == "groups" { most_requests_first(table) } else { table });
    let page = Page {
        frame: frame(report),
        verdict: verdict(report),
        charts: report.charts(),
        tables: parts(&mut Paper::new(), OPEN_TABLES, tables),
        method: method(report),
        assumptions: std::iter::once(ASSUMPTION.to_owned()).chain(report.facts.assumptions.iter().map(|text| sentence(text))).collect(),
    };
    page::render(&page)
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page {
    frame: PageFrame,
    verdict: VerdictSection,
    charts: Vec<Chart>,
    tables: Vec<Part>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
}

fn frame(report: &ReplayReport) -> PageFrame {
    let mut frame = PageFrame::new("replay", &report.facts, vocabulary::window(report.window)).with_contents([
        ("measured", "Measurements", true),
        ("charts", "Charts", !report.charts().is_empty()),
        ("method", "Method", true),
        ("terms", "Terms", true),
    ]);
    frame.notice = report.is_void().then_some(("Void", "the figures below say nothing about the target."));
    frame
}

fn verdict(report: &ReplayReport) -> VerdictSection {
    VerdictSection {
        headline: headline(report),
        tone: tone(report).class(),
        lead: std::iter::once(report.verdict())
            .chain(report.against_the_log().filter(|_| !report.is_void()))
            .chain(report.limit_sentence().map(|limit| format!("limit: {limit}")))
            .chain(report.episodes())
            .chain([report.lateness_sentence()])
            .chain(report.connections_sentence())
            .chain([report.replayed_share_sentence()])
            .map(|text| sentence(&format!("{}.", text::capital(&text).trim_end_matches('.'))))
            .collect(),
        next: next_steps(&report.facts),
        ..VerdictSection::default()
    }
}

fn method(report: &ReplayReport) -> Vec<(&'static str, String)> {
    let rows = [
        ("Target", escape::page(&report.target, 200)),
        ("Server name", escape::page(report.server_name.as_deref().unwrap_or(text::UNKNOWN), 200)),
        ("Part of the log", vocabulary::window(report.window)),
        ("Speed", format!("× {}", text::tick(report.speed))),
        ("Load", format!("{}× the logged users", text::tick(report.load))),
        ("Requests allowed", report.allowed.name().to_owned()),
        ("Duration", text::duration(report.took_seconds)),
    ];
    let left_out = report.left_out_time.iter().map(|text| ("Left out", text.clone()));
    let remarks = report.remarks.iter().map(|text| ("Note", text.clone()));
    rows.into_iter()
        .chain(left_out)
        .chain(remarks)
        .chain(run_rows(&report.facts, report.facts.seed))
        .map(|(label, text)| (label, sentence(&text)))
        .collect()
}

/// The result in a few words.
fn headline(report: &ReplayReport) -> String {
    if report.is_void() {
        return "Void: this run says nothing about the target".to_owned();
    }
    if let Some(limit) = &report.limit {
        return limit.value.map_or_else(
            || "The target misses the objective even at the smallest load tried".to_owned(),
            |load| format!("The target meets the objective up to {}× the logged users", text::tick(load)),
        );
    }
    let judged = report.judged();
    if report.is_missed() {
        let first = report.missed().into_iter().next().unwrap_or_default();
        return sentence(&format!("Fail: {}", first.split(": ").next().unwrap_or(&first)));
    }
    let p95 = quantile(&report.measured.whole().work.response, 0.95);
    let p95 = p95.map_or_else(String::new, |p95| format!("; p95 {}", text::milliseconds_range(p95)));
    if judged.is_empty() {
        return sentence(&format!("Replayed{p95}; nothing was expected"));
    }
    let terms: Vec<String> = judged.iter().map(|term| term.term.clone()).collect();
    sentence(&format!("Pass: {}{p95}", text::list(&terms)))
}

/// Colour of the headline.
fn tone(report: &ReplayReport) -> Tone {
    if report.is_void() {
        Tone::Warn
    } else if report.is_missed() || report.limit.as_ref().is_some_and(|limit| limit.value.is_none()) {
        Tone::Bad
    } else {
        Tone::Good
    }
}

/// The terms of the objective and the groups.
const OPEN_TABLES: usize = 2;
const ASSUMPTION: &str = "Requests are sent at the times of the log, whether or not earlier ones were slow (open arrivals). The requests of one user's client keep their order, with as many in progress at once as in the log. Response times are measured from the scheduled time of a request, so that any delay of the generator is included.";
