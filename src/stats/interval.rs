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

    /// Sum of two intervals, with their bounds added: the values are taken to be fully correlated.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, low: self.low + other.low, high: self.high + other.high }
    }
}
