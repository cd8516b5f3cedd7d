//! The report of `wsim simulate`. It contains the analysis of the same log, from which it takes inputs and confidence.
//!
//! ```text
//! analysis, sweep, back-test ─▶ SimulationReport ─▶ json, html, markdown, tables, charts ─▶ RunFolder
//!                                               └─▶ terminal
//! ```

mod charts;
mod html;
mod json;
mod markdown;
mod tables;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;

use std::io::{self, Write};

use crate::analysis::{AnalysisReport, tables as analysis_tables};
use crate::charts::Chart;
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::{Style, WrittenFiles};
use wsim_advise::sweep::Sweep;
use wsim_advise::{Confidence, ConfidenceLevel};
use wsim_simulate::backtest::{Backtest, ComparedFigure};

pub use json::SCHEMA;

/// Everything that `wsim simulate` found.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationReport {
    /// What was read, and the advice of the analytic screen.
    pub analysis: AnalysisReport,
    pub sweep: Sweep,
    /// The model, compared with the log itself.
    pub backtest: Option<Backtest>,
    /// Why there is no back-test.
    pub backtest_note: Option<String>,
}

impl SimulationReport {
    /// The confidence of the analytic screen, reduced if the back-test failed or is missing.
    pub fn confidence(&self) -> Confidence {
        let screened = &self.analysis.advice.confidence;
        let doubt = match &self.backtest {
            Some(test) if test.passed => return screened.clone(),
            Some(test) => {
                let counts = backtest_counts(test);
                format!(
                    "the back-test missed its limits in {} of {} figures, so use the simulation to rank plans, not for exact milliseconds",
                    counts.outside, counts.counted
                )
            }
            None => "the model was not tested on this log".to_owned(),
        };
        let level = match (&self.backtest, screened.level) {
            (Some(_), _) => ConfidenceLevel::Low,
            (None, ConfidenceLevel::High) => ConfidenceLevel::Medium,
            (None, level) => level,
        };
        // The screen's reason explains its own level only.
        let why = if screened.level == level { format!("{}; {doubt}", screened.why) } else { doubt };
        Confidence { level, why }
    }

    /// Whether reading or simulating was interrupted.
    pub fn is_partial(&self) -> bool {
        self.analysis.facts.partial || self.sweep.partial
    }
}

impl Report for SimulationReport {
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
        charts::charts(self)
    }

    fn tables(&self) -> Vec<Table> {
        let mut all = vec![tables::candidates(self)];
        if let Some((candidate, _)) = self.sweep.shown() {
            all.extend([tables::groups(candidate), tables::processes(&candidate.summary)]);
        }
        all.extend([tables::stress(&self.sweep), tables::discarded(&self.sweep), tables::backtest(self)]);
        all.extend([analysis_tables::inputs(&self.analysis), analysis_tables::malformed(&self.analysis)]);
        all.retain(|table| !table.is_empty());
        all
    }

    fn terminal(&self, out: &mut dyn Write, files: Option<WrittenFiles<'_>>, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, files, style)
    }
}

/// How many figures of a back-test count, and how many of those are outside their limits.
struct BacktestCounts {
    counted: usize,
    outside: usize,
}

fn backtest_counts(test: &Backtest) -> BacktestCounts {
    let counted: Vec<&ComparedFigure> = backtest_figures(test).filter(|figure| figure.counts).collect();
    BacktestCounts { counted: counted.len(), outside: counted.iter().filter(|figure| !figure.within()).count() }
}

/// Every figure of a back-test: throughput, processes, groups.
fn backtest_figures(test: &Backtest) -> impl Iterator<Item = &ComparedFigure> {
    std::iter::once(&test.throughput).chain(&test.processes).chain(&test.groups)
}
