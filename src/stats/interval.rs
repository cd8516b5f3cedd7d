//! A value with lower and upper bound.

use serde::{Deserialize, Serialize};

/// A value and its bounds, `low <= value <= high`. The user of an interval states what the bounds mean (a 95 % confidence interval, or
/// the range of a prior).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Best estimate.
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// A value known exactly.
    pub const fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// A value with bounds in any order.
    pub fn new(value: f64, low: f64, high: f64) -> Self {
        Self { value, low: low.min(value), high: high.max(value) }
    }

    /// The interval times a factor that is not negative.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// The interval joined with the range of an independent factor around 1: deviations of logarithms add in squares, because an error by a factor
    /// is one of a factor in either direction. A bound at or below zero, which has no logarithm, joins by its distance from the value
    /// instead, and does not go below zero.
    #[must_use]
    pub fn widened_by(self, factor: Self) -> Self {
        let Self { value, low, high } = self;
        let distance = |own: f64, of_factor: f64| own.ln().hypot(of_factor.ln());
        let lower = if low > 0.0 && factor.low > 0.0 {
            value * (-distance(low / value, factor.low.min(1.0))).exp()
        } else {
            (value - (value - low).hypot(value * (1.0 - factor.low).max(0.0))).max(0.0)
        };
        let upper = if value > 0.0 { value * distance(high / value, factor.high.max(1.0)).exp() } else { high };
        Self { value, low: lower, high: upper }
    }

    /// Sum of two intervals, with their bounds added: the values are taken to be fully correlated.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, low: self.low + other.low, high: self.high + other.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_errors_add_in_squares_and_each_alone_stays() {
        let by = |factor: f64| Interval { value: 1.0, low: 1.0 / factor, high: factor };
        let joined = Interval::new(3.0, 3.0 / 3.0f64.exp(), 3.0 * 3.0f64.exp()).widened_by(by(4.0f64.exp()));
        assert!((joined.high / 3.0).ln() - 5.0 < 1e-12 && (joined.low / 3.0).ln() + 5.0 < 1e-12, "{joined:?}");
        let noise = Interval::new(2.0, 1.8, 2.1);
        let alone = noise.widened_by(Interval::exact(1.0));
        assert!((alone.low - 1.8).abs() < 1e-12 && (alone.high - 2.1).abs() < 1e-12);
        let inputs = Interval::exact(2.0).widened_by(by(2.0));
        assert!((inputs.low - 1.0).abs() < 1e-12 && (inputs.high - 4.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_positive_stays_positive_and_what_is_not_stays_at_zero() {
        let wide = Interval::new(2.0, 0.5, 8.0).widened_by(Interval { value: 1.0, low: 0.1, high: 10.0 });
        assert!(wide.low > 0.0 && wide.high.is_finite(), "{wide:?}");
        assert_eq!(Interval::exact(1.0).widened_by(Interval { value: 1.0, low: -3.0, high: 1.0 }).low, 0.0);
        assert_eq!(Interval::new(1.0, 0.0, 2.0).widened_by(Interval { value: 1.0, low: 0.5, high: 1.0 }), Interval::new(1.0, 0.0, 2.0));
        assert_eq!(Interval::exact(0.0).widened_by(Interval { value: 1.0, low: 0.5, high: 2.0 }), Interval::exact(0.0));
    }
}
