//! `report.html` of a replay.

use askama::Template;

use super::model::ReplayReport;
use crate::charts::Chart;
use crate::exporter::Report;
use crate::exporter::ReportError;
use crate::shared::escape;
use crate::shared::glossary::TERMS;
use crate::shared::page::{self, PageFrame, run_rows, sentence};
use crate::shared::table::Table;
use crate::shared::verdict::{VerdictSection, next_steps};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn html(report: &ReplayReport) -> Result<String, ReportError> {
    let page = Page {
        frame: frame(report),
        verdict: verdict(report),
        charts: report.charts(),
        tables: report.tables(),
        method: method(report),
        assumptions: std::iter::once(ASSUMPTION.to_owned()).chain(report.facts.assumptions.iter().map(|text| sentence(text))).collect(),
        terms: &TERMS,
    };
    page::render(&page)
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page {
    frame: PageFrame,
    verdict: VerdictSection,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
    terms: &'static [(&'static str, &'static str)],
}

fn frame(report: &ReplayReport) -> PageFrame {
    let mut frame = PageFrame::new("replay", &report.facts, vocabulary::window(report.window)).with_contents([
        ("charts", "Charts", !report.charts().is_empty()),
        ("measured", "Measurements", true),
        ("method", "Method", true),
        ("terms", "Terms", true),
    ]);
    frame.notice = report.is_void().then_some(("Void", "the figures below say nothing about the target."));
    frame
}

fn verdict(report: &ReplayReport) -> VerdictSection {
    VerdictSection {
        headline: headline(report),
        lead: std::iter::once(report.verdict())
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
    if report.is_missed() {
        return sentence("Missed: the target did not do what was expected of it");
    }
    let work = report.measured.whole().work;
    let p95 = |ns: u64| text::milliseconds(ns as f64 / 1e6);
    let (replay, log) = (work.response.quantile_ns(0.95), work.original.quantile_ns(0.95));
    sentence(&format!("p95 {} in the replay, {} in the log", p95(replay), p95(log)))
}

const ASSUMPTION: &str = "Requests are sent at the times of the log, whether or not earlier ones were slow (open arrivals). The requests of one user's client keep their order, with as many in progress at once as in the log. Response times are measured from the scheduled time of a request, so that any delay of the generator is included.";
