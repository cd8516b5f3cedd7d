//! `report.html` of a comparison.

use askama::Template;

use super::report::ComparisonReport;
use crate::charts::Chart;
use crate::exporter::Report;
use crate::exporter::ReportError;
use crate::shared::glossary::TERMS;
use crate::shared::page::{self, PageFrame, sentence};
use crate::shared::table::Table;
use crate::shared::verdict::VerdictSection;
use wsim_text as text;

pub(super) fn html(report: &ComparisonReport) -> Result<String, ReportError> {
    let charts = report.charts();
    let runs = text::plural(report.runs.len() as u64, "run", "runs");
    let frame = PageFrame::from_several_runs("comparison", &report.wsim, &report.created, runs).with_contents([
        ("charts", "Charts", !charts.is_empty()),
        ("compared", "Tables", true),
        ("method", "Method", true),
        ("terms", "Terms", true),
    ]);
    let lead = report.doubts().iter().map(|doubt| sentence(&format!("{doubt}."))).collect();
    let verdict = VerdictSection { headline: sentence(&report.verdict()), lead, ..VerdictSection::default() };
    let page = Page { frame, verdict, report, charts, tables: report.tables(), command: sentence(&report.command), terms: &TERMS };
    page::render(&page)
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    frame: PageFrame,
    verdict: VerdictSection,
    report: &'a ComparisonReport,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    command: String,
    terms: &'static [(&'static str, &'static str)],
}
