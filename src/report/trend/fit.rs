//! A trend over time: least squares with a prediction interval.
//!
//! Ordinary least squares of the value (linear growth) or of its logarithm (growth by a constant factor) against time; the interval of a new observation is
//! `t(0.975, n - 2) · s · √(1 + 1/n + (x - x̄)² / Sxx)` (Montgomery, Peck, Vining, Introduction to Linear Regression Analysis, 2.4.3). Knows nothing of runs.

use serde::Serialize;

use wsim_stats::{Interval, student_t};

/// What is a straight line over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The value.
    Linear,
    /// Its logarithm.
    LogLinear,
}

/// A fitted trend. Times are in weeks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub form: Form,
    observations: f64,
    mean_x: f64,
    sum_xx: f64,
    /// Of the line, at the mean time.
    level: f64,
    slope: f64,
    /// Standard deviation of the residuals.
    spread: f64,
}

impl Fit {
    /// The trend of (week, value); `None` for fewer than three values or equal times. Logarithms are fitted only where all values are positive, there are
    /// at least four, and each value is predicted clearly better from the others than by a line.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let linear = Self::fitted(points, Form::Linear)?;
        let error = |form| left_out_error(points, form);
        let log = (points.len() >= LOGARITHMS_FROM).then(|| Self::fitted(points, Form::LogLinear)).flatten();
        match (log, error(Form::Linear), error(Form::LogLinear)) {
            (Some(log), Some(by_line), Some(by_log)) if by_log < by_line * CLEARLY_BETTER => Some(log),
            _ => Some(linear),
        }
    }

    fn fitted(points: &[(f64, f64)], form: Form) -> Option<Self> {
        let values: Option<Vec<(f64, f64)>> = points.iter().map(|&(x, y)| Some((x, transformed(y, form)?))).collect();
        let values = values?;
        let observations = values.len() as f64;
        if values.len() < 3 {
            return None;
        }
        let mean_x = values.iter().map(|(x, _)| x).sum::<f64>() / observations;
        let level = values.iter().map(|(_, y)| y).sum::<f64>() / observations;
        let sum_xx = values.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
        if sum_xx.is_nan() || sum_xx <= 1e-9 {
            return None;
        }
        let slope = values.iter().map(|(x, y)| (x - mean_x) * (y - level)).sum::<f64>() / sum_xx;
        let squares = values.iter().map(|(x, y)| (y - level - slope * (x - mean_x)).powi(2)).sum::<f64>();
        Some(Self { form, observations, mean_x, sum_xx, level, slope, spread: (squares / (observations - 2.0)).sqrt() })
    }

    /// The value to expect at a time, with its 95 % prediction interval. Never below zero.
    pub fn at(&self, week: f64) -> Interval {
        let away = week - self.mean_x;
        let value = self.level + self.slope * away;
        let half = self.student() * self.spread * (1.0 + 1.0 / self.observations + away * away / self.sum_xx).sqrt();
        self.back(Interval { value, low: value - half, high: value + half })
    }

    /// Growth a week as a share of the value at a time, with its 95 % interval.
    pub fn growth_at(&self, week: f64) -> Interval {
        let half = self.student() * self.spread / self.sum_xx.sqrt();
        let slope = Interval { value: self.slope, low: self.slope - half, high: self.slope + half };
        match self.form {
            Form::LogLinear => Interval { value: slope.value.exp_m1(), low: slope.low.exp_m1(), high: slope.high.exp_m1() },
            Form::Linear => {
                let value = (self.level + self.slope * (week - self.mean_x)).max(f64::MIN_POSITIVE);
                Interval { value: slope.value / value, low: slope.low / value, high: slope.high / value }
            }
        }
    }

    fn student(&self) -> f64 {
        student_t::quantile(0.975, self.observations - 2.0)
    }

    fn back(&self, line: Interval) -> Interval {
        let back = |value: f64| match self.form {
            Form::Linear => value.max(0.0),
            Form::LogLinear => value.exp(),
        };
        Interval { value: back(line.value), low: back(line.low), high: back(line.high) }
    }
}

fn transformed(value: f64, form: Form) -> Option<f64> {
    let value = match form {
        Form::Linear => value,
        Form::LogLinear if value > 0.0 => value.ln(),
        Form::LogLinear => return None,
    };
    value.is_finite().then_some(value)
}

/// Sum of the squared errors with which each value is predicted from the others.
fn left_out_error(points: &[(f64, f64)], form: Form) -> Option<f64> {
    (0..points.len())
        .map(|index| {
            let mut others = points.to_vec();
            let (x, y) = others.remove(index);
            Some((Fit::fitted(&others, form)?.at(x).value - y).powi(2))
        })
        .sum()
}

/// Fewest values of which logarithms are fitted.
const LOGARITHMS_FROM: usize = 4;
/// Logarithms must reduce the squared error to less than this part.
const CLEARLY_BETTER: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_its_prediction_interval_are_those_of_the_textbook() {
        // x = 1 … 5, y = 2, 4, 5, 4, 5: ŷ = 2.2 + 0.6 x, s² = 0.8, Sxx = 10, t(0.975, 3) = 3.182446.
        let fit = Fit::of(&[(1.0, 2.0), (2.0, 4.0), (3.0, 5.0), (4.0, 4.0), (5.0, 5.0)]).unwrap();
        assert_eq!(fit.form, Form::Linear);
        let at = fit.at(6.0);
        let half = 3.182_446 * 0.8_f64.sqrt() * (1.0 + 0.2 + 0.9_f64).sqrt();
        assert!((at.value - 5.8).abs() < 1e-9 && (at.high - 5.8 - half).abs() < 1e-4 && (at.low - 5.8 + half).abs() < 1e-4, "{at:?}");
        assert!((fit.growth_at(5.0).value - 0.6 / 5.2).abs() < 1e-9);
    }

    #[test]
    fn growth_by_a_constant_factor_is_found() {
        let points: Vec<(f64, f64)> = (0..8).map(|week| (f64::from(week), 10.0 * 1.1_f64.powi(week))).collect();
        let fit = Fit::of(&points).unwrap();
        assert_eq!(fit.form, Form::LogLinear);
        assert!((fit.growth_at(7.0).value - 0.1).abs() < 1e-9);
        assert!((fit.at(20.0).value - 10.0 * 1.1_f64.powi(20)).abs() < 1e-6);
    }

    #[test]
    fn too_few_values_have_no_trend_and_three_a_wide_one() {
        assert_eq!(Fit::of(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Fit::of(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
        let three = Fit::of(&[(0.0, 1.0), (1.0, 1.2), (2.0, 1.3)]).unwrap();
        assert!(three.at(3.0).high > 2.0, "one degree of freedom: {:?}", three.at(3.0));
        assert_eq!(three.form, Form::Linear);
    }

    proptest::proptest! {
        #[test]
        fn any_values_have_a_trend_or_none(points in proptest::collection::vec((0.0_f64..60.0, 0.0_f64..1e9), 0..12)) {
            if let Some(fit) = Fit::of(&points) {
                let at = fit.at(80.0);
                proptest::prop_assert!(at.low <= at.value && at.value <= at.high && at.low >= 0.0, "{at:?}");
            }
        }
    }
}
