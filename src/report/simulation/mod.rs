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
use crate::advise::sweep::Sweep;
use crate::simulate::backtest::Backtest;

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
        charts::of_sweep(&self.sweep)
    }

    /// Reading or simulating was interrupted.
    pub fn partial(&self) -> bool {
        self.analysis.facts.partial || self.sweep.partial
    }
}

#[cfg(test)]
pub(crate) mod fixture;
