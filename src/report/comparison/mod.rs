//! The report of `wsim report`: a comparison of finished runs.
//!
//! ```text
//! report.json of each run ─▶ Run ─▶ RunPair (first run, another run) ─▶ ComparisonReport ─▶ json, html, markdown, csv, chart ─▶ OutputFolder
//!                                                                                       └─▶ terminal
//! ```
//!
//! If exactly one of two runs is a simulation, it is a prediction and the other a measurement; any other two runs are before and after.
//! Knows nothing of logs, only what the reports contain.

pub(crate) mod html;
mod json;
mod markdown;
mod model;
mod pair;
mod read;
mod report;
mod tables;
mod terminal;
mod verdict;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::charts::{self, Chart, PredictedFigure};
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::Style;

pub use json::SCHEMA;
pub use model::{FigurePair, GroupPair, Latencies, PairKind, ProcessPair, Run, RunGroup, RunKind, RunPair, RunProcess, Summary};
pub use pair::{P50_LIMIT, P95_LIMIT, REQUESTS_MIN};
pub use read::{OtherPlan, ReadError, check_plans, name_in, read};
pub use report::ComparisonReport;

impl Report for ComparisonReport {
    fn json(&self) -> Result<String, ReportError> {
        json::json(self)
    }

    fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    fn html(&self) -> Result<String, ReportError> {
        html::html(self)
    }

    fn charts(&self) -> Vec<Chart> {
        let predictions = self.pairs.iter().filter(|pair| pair.kind == PairKind::Prediction);
        let figures: Vec<PredictedFigure> = predictions.flat_map(|pair| pair.groups.iter()).flat_map(predicted_figures).collect();
        let caption =
            "Response times by endpoint group, long-poll waiting excluded. Red: outside the limit. Grey: too few requests to count.";
        charts::predicted_measured_chart(&figures, caption).into_iter().collect()
    }

    fn tables(&self) -> Vec<Table> {
        let mut tables =
            vec![tables::predictions(self), tables::traffic(self), tables::latencies(self), tables::processes(self), tables::runs(self)];
        tables.retain(|table| !table.is_empty());
        tables
    }

    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, style)
    }
}

/// Median and 95th percentile of a group, for the chart.
fn predicted_figures(group: &GroupPair) -> Vec<PredictedFigure> {
    let figures = [("p50", &group.p50, P50_LIMIT), ("p95", &group.p95, P95_LIMIT)];
    let predicted_figure = |(label, figure, limit): (&str, &FigurePair, f64)| {
        Some(PredictedFigure {
            name: format!("{}, {label}", group.id),
            predicted: figure.to?,
            measured: figure.from?.value,
            requests: least_requests(group),
            counts: group.counts || group.id == pair::ALL,
            within_limit: figure.relative.filter(|_| group.counts).map(|error| error.abs() <= limit),
        })
    };
    figures.into_iter().filter_map(predicted_figure).collect()
}

/// Requests of a group in the run that has fewer.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
fn least_requests(group: &GroupPair) -> u64 {
    let requests = |of: Option<wsim_stats::Interval>| of.map_or(0.0, |requests| requests.value);
    requests(group.requests.from).min(requests(group.requests.to)) as u64
}
