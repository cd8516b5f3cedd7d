//! `report.json` of a comparison: schema `wsim.comparison/1`, in `schema/comparison-1.json`.

use serde::Serialize;

use super::super::ReportError;
use super::super::escape;
use super::ComparisonReport;
use super::model::{Pair, Run};

/// The JSON Schema (2020-12) of [`json`]'s output.
pub const SCHEMA: &str = include_str!("../schema/comparison-1.json");

/// The report as indented JSON with a final newline.
///
/// # Errors
/// [`ReportError::Json`] if serialising fails, which no value of the model makes it do.
pub fn json(report: &ComparisonReport) -> Result<String, ReportError> {
    let mut text = escape::json(&serde_json::to_string_pretty(&Comparison {
        schema: "wsim.comparison/1",
        wsim: &report.wsim,
        created: &report.created,
        command: &report.command,
        verdict: report.verdict(),
        doubts: report.doubts(),
        runs: &report.runs,
        pairs: &report.pairs,
    })?);
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Comparison<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    verdict: String,
    doubts: Vec<String>,
    runs: &'a [Run],
    pairs: &'a [Pair],
}
