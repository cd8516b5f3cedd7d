//! The report of `wsim report`: finished runs beside each other.
//!
//! ```text
//! report.json of each run -> Run (figures) -> Pair (first run, another) -> ComparisonReport -> json, html, markdown, csv, chart -> RunFolder
//!                                                                                           `-> terminal
//! ```
//!
//! Two runs of which exactly one is a simulation are a prediction beside a measurement; any other two are before and after. Knows nothing of
//! logs: only what the reports say.

mod html;
mod json;
mod markdown;
mod model;
mod pair;
mod read;
mod tables;
mod terminal;

pub use html::html;
pub use json::{SCHEMA, json};
pub use markdown::markdown;
pub use model::{Figure, GroupPair, Kind, Latencies, Pair, ProcessPair, Run, RunGroup, RunProcess, Sort, Summary};
pub use pair::{P50_LIMIT, P95_LIMIT, REQUESTS_MIN};
pub use read::{ReadError, read};
pub use terminal::terminal;

use super::charts::{self, Chart};
use super::format;
use super::table::Table;

/// Runs beside each other, and the circumstances of the comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonReport {
    /// Version of the program.
    pub wsim: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// As typed.
    pub command: String,
    /// Every run, the baseline first.
    pub runs: Vec<Run>,
    /// The baseline with each of the others, in order.
    pub pairs: Vec<Pair>,
}

impl ComparisonReport {
    /// Compares the first of `runs` with each of the others.
    pub fn new(wsim: String, created: String, command: String, runs: Vec<Run>) -> Self {
        let pairs = runs.iter().enumerate().skip(1).map(|(place, _)| pair::pair(&runs, place)).collect();
        Self { wsim, created, command, runs, pairs }
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        self.pairs.iter().map(|pair| pair.verdict.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Why figures deserve doubt, one sentence each.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for run in &self.runs {
            if let Some(why) = run.void.first() {
                doubts.push(format!("{} is void and says nothing about its target: {why}", run.name));
            }
            if run.partial {
                doubts.push(format!("{} was interrupted: its figures cover a part", run.name));
            }
        }
        if self.runs.iter().any(|run| run.void.is_empty() && run.load != self.runs[0].load) {
            doubts.push(
                "The runs were under different load (--load, --speed, --growth), so their times differ for that reason too".to_owned(),
            );
        }
        for pair in self.pairs.iter().filter(|pair| pair.kind == Kind::Prediction) {
            let (measured, simulated) = (&self.runs[pair.from], &self.runs[pair.to]);
            if !(1.0 / LENGTHS_MAX..=LENGTHS_MAX).contains(&(measured.seconds / simulated.seconds)) {
                doubts.push(format!(
                    "{} covers {} and {} {}, so rates and busy shares are of different parts of the traffic: give both the same --from and --to",
                    measured.name,
                    format::duration(measured.seconds),
                    simulated.name,
                    format::duration(simulated.seconds)
                ));
            }
        }
        doubts
    }

    /// All tables that have rows, in order, for CSV files too.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables =
            vec![tables::predictions(self), tables::traffic(self), tables::latencies(self), tables::processes(self), tables::runs(self)];
        tables.retain(|table| !table.is_empty());
        tables
    }

    /// Every chart for which there is data.
    pub fn charts(&self) -> Vec<Chart> {
        let predictions = self.pairs.iter().filter(|pair| pair.kind == Kind::Prediction);
        let rows: Vec<charts::Pair> = predictions.flat_map(|pair| pair.groups.iter()).flat_map(predicted).collect();
        let caption = "Work by endpoint group. A prediction outside its limit is said to be that, one of few requests is grey.";
        charts::of_pairs(&rows, caption).into_iter().collect()
    }
}

/// Median and 95th percentile of a group as the chart wants them.
fn predicted(group: &GroupPair) -> Vec<charts::Pair> {
    let figures = [("p50", &group.p50, P50_LIMIT), ("p95", &group.p95, P95_LIMIT)];
    let pair = |(label, figure, limit): (&str, &Figure, f64)| {
        Some(charts::Pair {
            name: format!("{}, {label}", group.id),
            predicted: figure.to?,
            measured: figure.from?.value,
            fine: figure.relative.filter(|_| group.counts).map(|error| error.abs() <= limit),
        })
    };
    figures.into_iter().filter_map(pair).collect()
}

/// How many times as long one run of a prediction may be: a simulation does not measure its warm-up.
const LENGTHS_MAX: f64 = 1.5;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
