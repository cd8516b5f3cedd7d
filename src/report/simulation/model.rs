//! The report model of `wsim simulate`, and what all formats derive from it.
//!
//! Knows nothing of formats.

use crate::analysis::AnalysisReport;
use wsim_advise::sweep::Sweep;
use wsim_advise::{Confidence, ConfidenceLevel};
use wsim_simulate::backtest::{Backtest, ComparedFigure};

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

/// How many figures of a back-test count, and how many of those are outside their limits.
pub(super) struct BacktestCounts {
    pub(super) counted: usize,
    pub(super) outside: usize,
}

pub(super) fn backtest_counts(test: &Backtest) -> BacktestCounts {
    let counted: Vec<&ComparedFigure> = backtest_figures(test).filter(|figure| figure.counts).collect();
    BacktestCounts { counted: counted.len(), outside: counted.iter().filter(|figure| !figure.within()).count() }
}

/// Every figure of a back-test: throughput, processes, groups.
pub(super) fn backtest_figures(test: &Backtest) -> impl Iterator<Item = &ComparedFigure> {
    std::iter::once(&test.throughput).chain(&test.processes).chain(&test.groups)
}
