//! Reads the `report.json` of an analysis, as far as a trend needs it.

use super::model::{TrendRun, TrendRunGroup};
use crate::shared::analysis_file::{ANALYSIS, AnalysisFile, LimitFile, schema};

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
    if schema(text)?.as_deref() != Some(ANALYSIS) {
        return Err(TrendReadError::NotAnAnalysis);
    }
    let file: AnalysisFile = serde_json::from_str(text)?;
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
    let start_us = instant(&file.window.start).unwrap_or(0);
    let end_us = instant(&file.window.end).unwrap_or(start_us);
    let seconds = file.observed_seconds();
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
        limit: first.map(|(_, limit)| words(&limit)),
        groups: groups.collect(),
    })
}

/// `CPU of generic_worker1`, `stream writer of main`.
fn words(limit: &LimitFile) -> String {
    let kind = if limit.kind == "cpu" { "CPU".to_owned() } else { limit.kind.replace('_', " ") };
    format!("{kind} of {}", limit.place)
}
