//! `report.json` of a comparison: schema `wsim.comparison/1`, in `schema/comparison-1.json`.

use serde::Serialize;

use super::model::{Run, RunPair};
use super::report::ComparisonReport;
use crate::exporter::ReportError;
use crate::shared::json;

/// The JSON Schema (2020-12) of a comparison.
pub const SCHEMA: &str = include_str!("../schema/comparison-1.json");

pub(super) fn json(report: &ComparisonReport) -> Result<String, ReportError> {
    Ok(json::write(&Comparison {
        schema: "wsim.comparison/1",
        wsim: &report.wsim,
        created: &report.created,
        command: &report.command,
        verdict: report.verdict(),
        doubts: report.doubts(),
        runs: &report.runs,
        pairs: &report.pairs,
    })?)
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
    pairs: &'a [RunPair],
}
