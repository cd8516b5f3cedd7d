//! `report.html` of a comparison, with the style and script of the analysis.

use askama::Template;

use super::super::ReportError;
use super::super::charts::Chart;
use super::super::format;
use super::super::html::{SCRIPT, STYLE, policy, sentence};
use super::super::table::Table;
use super::ComparisonReport;

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &ComparisonReport) -> Result<String, ReportError> {
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        report,
        verdict: sentence(&format::capital(&report.verdict())),
        doubts: report.doubts().iter().map(|doubt| sentence(doubt)).collect(),
        charts: report.charts(),
        tables: report.tables(),
        command: sentence(&report.command),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    report: &'a ComparisonReport,
    verdict: String,
    doubts: Vec<String>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    command: String,
}
