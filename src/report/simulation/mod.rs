//! The report of `wsim simulate`: the same forms as the analysis, from which it takes what it says of traffic and inputs.
//!
//! ```text
//! analysis, sweep, back-test -> SimulationReport -> json, html, markdown, charts -> RunFolder
//!                                               `-> terminal
//! ```

mod html;
mod json;
mod markdown;
mod tables;
mod terminal;

pub use html::html;
pub use json::{SCHEMA, json};
pub use markdown::markdown;
pub use terminal::terminal;

use serde::{Deserialize, Serialize};

use super::analysis::AnalysisReport;
use super::charts::{self, Chart};
use super::table::Table;
use super::tables as analysis_tables;
use wsim_advise::Confidence;
use wsim_advise::sweep::Sweep;
use wsim_simulate::backtest::{Backtest, Compared, Figure};

/// Everything `wsim simulate` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulationReport {
    /// What was read, and what the screen says of it.
    pub analysis: AnalysisReport,
    /// What was simulated.
    pub sweep: Sweep,
    /// The model against the log itself.
    pub backtest: Option<Backtest>,
    /// Why there is none.
    pub backtest_note: Option<String>,
}

impl SimulationReport {
    /// Every chart for which there is data.
    pub fn charts(&self) -> Vec<Chart> {
        let pairs: Vec<charts::Pair> = self.backtest.iter().flat_map(|test| &test.groups).filter_map(pair).collect();
        let caption = "The observed deployment, simulated beside what the log says of time the model was not calibrated on. Red is outside the customary limit, grey does not count (too few requests).";
        charts::of_sweep(&self.sweep).into_iter().chain(charts::of_pairs(&pairs, caption)).collect()
    }

    /// Every table that has rows, in the order of a report, for CSV files too.
    pub fn tables(&self) -> Vec<Table> {
        let mut all = vec![tables::candidates(self)];
        if let Some((candidate, _)) = self.sweep.shown() {
            all.extend([tables::groups(candidate), tables::processes(candidate)]);
        }
        all.extend([tables::stress(&self.sweep), tables::discarded(&self.sweep), tables::backtest(self)]);
        all.extend([analysis_tables::inputs(&self.analysis), analysis_tables::malformed(&self.analysis)]);
        all.retain(|table| !table.is_empty());
        all
    }

    /// How sure the answer is: what the screen says of the log, and no better than the back-test.
    pub fn confidence(&self) -> Confidence {
        let said = &self.analysis.advice.confidence;
        let doubt = match &self.backtest {
            Some(test) if test.passed => return said.clone(),
            Some(test) => {
                let (outside, counted) = figures(test);
                format!(
                    "the back-test misses its limits in {outside} of {counted} figures, so compare plans and do not trust their latencies to the ms"
                )
            }
            None => "the model was not tested on this log".to_owned(),
        };
        let untested = self.backtest.is_none() && said.level != "high";
        let level = if untested { said.level.clone() } else { if self.backtest.is_some() { "low" } else { "medium" }.to_owned() };
        // The screen's reasons are for its level; a lower one has its own.
        let why = if said.level == level { format!("{}; {doubt}", said.why) } else { doubt };
        Confidence { level, why }
    }

    /// Reading or simulating was interrupted.
    pub fn partial(&self) -> bool {
        self.analysis.facts.partial || self.sweep.partial
    }
}

/// A time of a back-test.
fn pair(one: &Compared) -> Option<charts::Pair> {
    let figure = match one.figure {
        Figure::WorkP50 => "p50",
        Figure::WorkP95 => "p95",
        Figure::WaitP95 => "wait for database, p95",
        Figure::Throughput | Figure::Utilisation => return None,
    };
    Some(charts::Pair {
        name: format!("{}, {figure}", one.name),
        predicted: one.predicted,
        measured: one.observed,
        fine: one.counts.then(|| one.within()),
    })
}

/// Figures of a back-test that are outside their limits, and all that count.
fn figures(test: &Backtest) -> (usize, usize) {
    let counted = || std::iter::once(&test.throughput).chain(&test.processes).chain(&test.groups).filter(|one| one.counts);
    (counted().filter(|one| !one.within()).count(), counted().count())
}

#[cfg(test)]
pub(crate) mod fixture;
