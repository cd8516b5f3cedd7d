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

    /// The interval joined with the range of an independent factor around 1, in squares. It does not go below zero.
    #[must_use]
    pub fn widened_by(self, factor: Self) -> Self {
        let Self { value, low, high } = self;
        let down = (value - low).hypot(value * (1.0 - factor.low).max(0.0));
        let up = (high - value).hypot(value * (factor.high - 1.0).max(0.0));
        Self { value, low: (value - down).max(0.0), high: value + up }
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
        let joined = Interval::new(1.0, 0.7, 1.3).widened_by(Interval { value: 1.0, low: 0.6, high: 1.4 });
        assert!((joined.low - 0.5).abs() < 1e-12 && (joined.high - 1.5).abs() < 1e-12, "{joined:?}");
        let noise = Interval::new(2.0, 1.8, 2.1);
        let (alone, range) = (noise.widened_by(Interval::exact(1.0)), Interval { value: 1.0, low: 0.5, high: 2.0 });
        assert!((alone.low - 1.8).abs() < 1e-12 && (alone.high - 2.1).abs() < 1e-12);
        let inputs = Interval::exact(2.0).widened_by(range);
        assert_eq!((inputs.low, inputs.value, inputs.high), (1.0, 2.0, 4.0));
        assert_eq!(Interval::exact(1.0).widened_by(Interval { value: 1.0, low: -3.0, high: 1.0 }).low, 0.0);
    }
}
