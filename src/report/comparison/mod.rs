//! The report of `wsim report`: a comparison of finished runs.
//!
//! ```text
//! report.json of each run ─▶ Run ─▶ RunPair (first run, another run) ─▶ ComparisonReport ─▶ json, html, markdown, csv, chart ─▶ RunFolder
//!                                                                                       └─▶ terminal
//! ```
//!
//! If exactly one of two runs is a simulation, it is a prediction and the other a measurement; any other two runs are before and after.
//! Knows nothing of logs, only what the reports contain.

mod html;
mod json;
mod markdown;
mod model;
mod pair;
mod read;
mod tables;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::charts::{self, Chart, PredictedFigure};
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::{Style, WrittenFiles};
use wsim_text as text;

pub use json::SCHEMA;
pub use model::{FigurePair, GroupPair, Latencies, PairKind, ProcessPair, Run, RunGroup, RunKind, RunPair, RunProcess, Summary};
pub use pair::{P50_LIMIT, P95_LIMIT, REQUESTS_MIN};
pub use read::{ReadError, read};

/// A comparison of the first run with each of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonReport {
    /// Version of wsim.
    pub wsim: String,
    /// When the report was created, RFC 3339.
    pub created: String,
    /// The command line, as typed.
    pub command: String,
    /// Every run, the baseline first.
    pub runs: Vec<Run>,
    /// The baseline with each of the others, in order.
    pub pairs: Vec<RunPair>,
}

impl ComparisonReport {
    /// Compares the first of `runs` with each of the others.
    pub fn new(wsim: String, created: String, command: String, runs: Vec<Run>) -> Self {
        let pairs = (1..runs.len()).map(|index| pair::compare(&runs, index)).collect();
        Self { wsim, created, command, runs, pairs }
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        self.pairs.iter().map(|pair| pair.verdict.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Reasons to doubt the figures, one sentence each.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for run in &self.runs {
            if let Some(reason) = run.void.first() {
                doubts.push(format!("{} is void and says nothing about its target: {reason}", run.name));
            }
            if run.partial {
                doubts.push(format!("{} was interrupted: its figures cover only a part", run.name));
            }
        }
        if self.runs.iter().any(|run| run.void.is_empty() && run.load != self.runs[0].load) {
            doubts.push(
                "The runs had different loads (--load, --speed, --growth), which is one reason for different response times".to_owned(),
            );
        }
        for pair in self.pairs.iter().filter(|pair| pair.kind == PairKind::Prediction) {
            doubts.extend(self.length_doubt(pair));
        }
        doubts
    }

    /// A doubt if the two runs of a prediction cover different lengths of traffic.
    fn length_doubt(&self, pair: &RunPair) -> Option<String> {
        let (measured, simulated) = (&self.runs[pair.from], &self.runs[pair.to]);
        if (1.0 / LENGTH_RATIO_MAX..=LENGTH_RATIO_MAX).contains(&(measured.seconds / simulated.seconds)) {
            return None;
        }
        Some(format!(
            "{} covers {} and {} covers {}, so their rates and busy shares are of different parts of the traffic: give both the same --from and --to",
            measured.name,
            text::duration(measured.seconds),
            simulated.name,
            text::duration(simulated.seconds)
        ))
    }
}

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

    fn terminal(&self, out: &mut dyn Write, files: Option<WrittenFiles<'_>>, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, files, style)
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
            within_limit: figure.relative.filter(|_| group.counts).map(|error| error.abs() <= limit),
        })
    };
    figures.into_iter().filter_map(predicted_figure).collect()
}

/// Largest ratio of the lengths of the two runs of a prediction. It is above 1 because a simulation does not measure its warm-up.
const LENGTH_RATIO_MAX: f64 = 1.5;
