//! `report.html` of a comparison, in the frame that all pages share.

use askama::Template;

use super::super::ReportError;
use super::super::charts::Chart;
use super::super::format;
use super::super::page::{Shell, Top, sentence};
use super::super::table::Table;
use super::ComparisonReport;

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &ComparisonReport) -> Result<String, ReportError> {
    let charts = report.charts();
    let shell = Shell::of_several("comparison", &report.wsim, &report.created, format!("{} runs", report.runs.len())).with_contents([
        ("charts", "Charts", !charts.is_empty()),
        ("compared", "Tables", true),
        ("method", "Method", true),
    ]);
    let lead = report.doubts().iter().map(|doubt| sentence(&format!("{}.", format::capital(doubt)))).collect();
    let top = Top { headline: sentence(&format::capital(&report.verdict())), lead, ..Top::default() };
    Ok(Page { shell, top, report, charts, tables: report.tables(), command: sentence(&report.command) }.render()?)
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    shell: Shell,
    top: Top,
    report: &'a ComparisonReport,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    command: String,
}
