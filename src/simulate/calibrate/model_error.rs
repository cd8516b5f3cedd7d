//! How far the model is off: the deviation of its predictions from what was measured, by kind of figure.
//!
//! A prior from predictions of clusters that were then measured (docs/accuracy.md), corrected by the back-test on the log itself, whose
//! figures count as much as [`PRIOR_FIGURES`] of the prior's.

use super::backtest::{Backtest, ComparedFigure, Figure};
use wsim_stats::Interval;

/// Deviations of the logarithm of predicted over measured figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelError {
    pub utilisation: f64,
    /// Of median and mean response times.
    pub p50: f64,
    /// Of 95th and higher percentiles of response times.
    pub p95: f64,
    /// Of waits for database connections.
    pub waits: f64,
}

impl ModelError {
    /// The model is right.
    pub const NONE: Self = Self { utilisation: 0.0, p50: 0.0, p95: 0.0, waits: 0.0 };
    /// Without a back-test.
    pub const PRIOR: Self = Self { utilisation: 0.05, p50: 0.10, p95: 0.14, waits: 0.35 };

    /// The prior corrected by a back-test.
    pub fn from_backtest(backtest: &Backtest) -> Self {
        let figures = || backtest.processes.iter().chain(&backtest.groups);
        let of = |figure: Figure, prior: f64| deviation(prior, figures().filter(|one| one.counts && one.figure == figure));
        Self {
            utilisation: of(Figure::Utilisation, Self::PRIOR.utilisation),
            p50: of(Figure::WorkP50, Self::PRIOR.p50),
            p95: of(Figure::WorkP95, Self::PRIOR.p95),
            // Their back-test does not count, and is no better than the prior.
            waits: Self::PRIOR.waits,
        }
    }

    /// The factors between which a figure lies nineteen times in twenty, for a deviation.
    pub fn range(deviation: f64) -> Interval {
        let bound = (TWO_SIDED_95 * deviation).exp();
        Interval { value: 1.0, low: 1.0 / bound, high: bound }
    }
}

fn deviation<'f>(prior: f64, figures: impl Iterator<Item = &'f ComparedFigure>) -> f64 {
    let (mut squares, mut weight) = (PRIOR_FIGURES * prior * prior, PRIOR_FIGURES);
    for figure in figures {
        // An error below the log's resolution is none.
        squares += if figure.error > -1.0 { figure.error.ln_1p().powi(2) } else { 1.0 };
        weight += 1.0;
    }
    (squares / weight).sqrt()
}

/// Figures that the prior counts for.
const PRIOR_FIGURES: f64 = 8.0;
/// Quantile of the normal distribution.
const TWO_SIDED_95: f64 = 1.96;

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(figure: Figure, error: f64, counts: bool) -> ComparedFigure {
        ComparedFigure {
            name: String::new(),
            figure,
            requests: 100,
            observed: 1.0,
            predicted: Interval::exact(1.0 + error),
            error,
            limit: 0.3,
            counts,
        }
    }

    fn backtest(groups: Vec<ComparedFigure>) -> Backtest {
        let throughput = figure(Figure::Throughput, 0.0, true);
        Backtest { evaluated: Vec::new(), throughput, processes: Vec::new(), groups, passed: true, notes: Vec::new() }
    }

    #[test]
    fn a_back_test_widens_or_narrows_the_prior_by_its_number_of_figures() {
        assert_eq!(ModelError::from_backtest(&backtest(Vec::new())), ModelError::PRIOR);
        let right = ModelError::from_backtest(&backtest(vec![figure(Figure::WorkP95, 0.0, true); 24]));
        assert!((right.p95 - ModelError::PRIOR.p95 / 2.0).abs() < 1e-9 && (right.p50 - ModelError::PRIOR.p50).abs() < 1e-12);
        let wrong = ModelError::from_backtest(&backtest(vec![figure(Figure::WorkP95, 1.0, true), figure(Figure::WorkP95, -0.5, true)]));
        let expected = ((8.0 * ModelError::PRIOR.p95.powi(2) + 2.0 * 2.0f64.ln().powi(2)) / 10.0).sqrt();
        assert!((wrong.p95 - expected).abs() < 1e-9, "twice too long and half as long are the same error: {wrong:?}");
        let few = ModelError::from_backtest(&backtest(vec![figure(Figure::WorkP95, 5.0, false); 9]));
        assert_eq!(few, ModelError::PRIOR, "figures of a few requests do not count");
    }

    #[test]
    fn a_range_is_a_factor_either_way() {
        assert_eq!(ModelError::range(0.0), Interval::exact(1.0));
        let range = ModelError::range(0.1);
        assert!((range.low * range.high - 1.0).abs() < 1e-12 && (range.high - 1.2165).abs() < 1e-3);
    }
}
