//! Reads the `report.json` of an analysis, as far as a trend needs it.

use serde::Deserialize;

use super::model::{TrendRun, TrendRunGroup};

/// Why a run is no part of a trend.
#[derive(Debug, thiserror::Error)]
pub enum TrendReadError {
    /// Another kind of report.
    #[error("not an analysis")]
    NotAnAnalysis,
    #[error("not a complete wsim.analysis/1 report: the file is damaged or was changed")]
    Damaged(#[from] serde_json::Error),
}

/// Reads an analysis.
///
/// # Errors
/// [`TrendReadError`] if the text is another report, or damaged.
pub fn read(name: &str, text: &str) -> Result<TrendRun, TrendReadError> {
    let schema: Schema = serde_json::from_str(text)?;
    if schema.schema != "wsim.analysis/1" {
        return Err(TrendReadError::NotAnAnalysis);
    }
    let file: Analysis = serde_json::from_str(text)?;
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
    let start_us = instant(&file.window.start).unwrap_or(0);
    let end_us = instant(&file.window.end).unwrap_or(start_us);
    let seconds = (file.window.seconds - file.gaps.iter().map(|gap| gap.seconds).sum::<f64>()).max(1e-6);
    let groups = file.groups.into_iter().filter(|group| !group.internal).map(|group| TrendRunGroup {
        rate: group.requests as f64 / seconds,
        cores: group.cpu_seconds.map(|cpu| cpu / seconds),
        id: group.id,
        requests: group.requests,
    });
    // The tightest limit is the first.
    let first = file.deployment.limits.into_iter().filter_map(|limit| Some((limit.headroom.value?, limit))).find(|(value, _)| *value > 0.0);
    Ok(TrendRun {
        name: name.to_owned(),
        start_us,
        end_us,
        start: file.window.start,
        end: file.window.end,
        seconds,
        partial: file.partial,
        objective: file.objective,
        used: first.as_ref().map(|(value, _)| 1.0 / value),
        limit: first.map(|(_, limit)| format!("{} of {}", limit.kind.replace('_', " "), limit.place)),
        groups: groups.collect(),
    })
}

#[derive(Deserialize)]
struct Schema {
    schema: String,
}

#[derive(Deserialize)]
struct Analysis {
    partial: bool,
    window: Span,
    #[serde(default)]
    gaps: Vec<Gap>,
    #[serde(default)]
    objective: String,
    groups: Vec<Group>,
    #[serde(default)]
    deployment: Deployment,
}

#[derive(Deserialize)]
struct Span {
    start: String,
    end: String,
    seconds: f64,
}

#[derive(Deserialize)]
struct Gap {
    seconds: f64,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    internal: bool,
    requests: u64,
    cpu_seconds: Option<f64>,
}

#[derive(Deserialize, Default)]
struct Deployment {
    #[serde(default)]
    limits: Vec<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    kind: String,
    #[serde(rename = "where")]
    place: String,
    headroom: Headroom,
}

#[derive(Deserialize)]
struct Headroom {
    value: Option<f64>,
}
