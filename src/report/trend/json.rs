//! `report.json` of a trend: schema `wsim.trend/1`, in `schema/trend-1.json`.

use serde::Serialize;

use super::METHOD;
use super::model::{Break, Trend, TrendReport, TrendRun, Unit};
use crate::exporter::ReportError;
use crate::shared::json;

/// The JSON Schema (2020-12) of a trend.
pub const SCHEMA: &str = include_str!("../schema/trend-1.json");

pub(super) fn json(report: &TrendReport) -> Result<String, ReportError> {
    Ok(json::write(&Wire {
        schema: "wsim.trend/1",
        wsim: &report.wsim,
        created: &report.created,
        command: &report.command,
        verdict: report.verdict(),
        doubts: report.doubts(),
        method: METHOD,
        unit: report.unit,
        runs: &report.runs,
        all: &report.all,
        groups: &report.groups,
        used: report.used.as_ref(),
        breaks: report.breaks.as_ref(),
    })?)
}

#[derive(Serialize)]
struct Wire<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    verdict: String,
    doubts: Vec<String>,
    method: [&'static str; 2],
    unit: Unit,
    runs: &'a [TrendRun],
    all: &'a Trend,
    groups: &'a [Trend],
    used: Option<&'a Trend>,
    breaks: Option<&'a Break>,
}
