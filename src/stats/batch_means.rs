//! Batch means: a confidence interval for the mean of a long correlated series.
//!
//! Law and Carson, "A sequential procedure for determining the length of a steady-state simulation", Operations Research 27
//! (1979): consecutive values are averaged in batches long enough that the averages are nearly independent; Student's t over
//! 20 to 40 of them gives the interval. The batch length is doubled until their lag-1 autocorrelation is below 0.1; if the
//! series is too short for that, the estimate says so.
//!
//! Memory is fixed: batches are merged in pairs as the series grows.

use super::interval::Interval;
use super::student_t;

/// Running batch means of a series.
#[derive(Debug, Clone)]
pub struct BatchMeans {
    sums: Vec<f64>,
    length: u64,
    open_sum: f64,
    open_count: u64,
}

/// The estimated mean of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchEstimate {
    /// The mean with its confidence interval.
    pub interval: Interval,
    /// Batches used, 20 to 40.
    pub batches: usize,
    /// Lag-1 autocorrelation of the batch means.
    pub correlation: f64,
}

impl BatchEstimate {
    /// Whether the batches are long enough for the interval to be reliable.
    pub fn settled(&self) -> bool {
        self.correlation < CORRELATION_MAX
    }
}

impl Default for BatchMeans {
    fn default() -> Self {
        Self { sums: Vec::with_capacity(FINE_MAX), length: 1, open_sum: 0.0, open_count: 0 }
    }
}

impl BatchMeans {
    /// Adds the next value of the series.
    #[inline]
    pub fn push(&mut self, value: f64) {
        self.open_sum += value;
        self.open_count += 1;
        if self.open_count == self.length {
            self.close();
        }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.sums.len() as u64 * self.length + self.open_count
    }

    /// The mean with its interval; `None` before there are 20 values.
    pub fn estimate(&self, confidence: f64) -> Option<BatchEstimate> {
        let forty = self.grouped(BATCHES_MAX, confidence);
        match forty {
            Some(estimate) if estimate.settled() => forty,
            _ => self.grouped(BATCHES_MIN, confidence),
        }
    }

    fn grouped(&self, batches: usize, confidence: f64) -> Option<BatchEstimate> {
        let per_batch = self.sums.len() / batches;
        if per_batch == 0 {
            return None;
        }
        // Values that do not fill a batch are left out at the start, where the warm-up was.
        let used = &self.sums[self.sums.len() - per_batch * batches..];
        let scale = 1.0 / (per_batch as f64 * self.length as f64);
        let means: Vec<f64> = used.chunks_exact(per_batch).map(|batch| batch.iter().sum::<f64>() * scale).collect();
        let interval = student_t::mean_interval(&means, confidence);
        Some(BatchEstimate { interval, batches, correlation: lag_one(&means, interval.value) })
    }

    fn close(&mut self) {
        if self.sums.len() == FINE_MAX {
            for i in 0..FINE_MAX / 2 {
                self.sums[i] = self.sums[2 * i] + self.sums[2 * i + 1];
            }
            self.sums.truncate(FINE_MAX / 2);
            self.length *= 2;
            if self.open_count < self.length {
                return;
            }
        }
        self.sums.push(self.open_sum);
        self.open_sum = 0.0;
        self.open_count = 0;
    }
}

/// Lag-1 autocorrelation of a series with this mean; 0 for a constant one.
pub(super) fn lag_one(values: &[f64], mean: f64) -> f64 {
    let variance: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    if variance <= 0.0 {
        return 0.0;
    }
    values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / variance
}

/// Largest number of batches of an interval.
pub(super) const BATCHES_MAX: usize = 40;
/// Smallest number of batches of an interval.
pub(super) const BATCHES_MIN: usize = 20;
/// Batches kept before they are merged in pairs: many more than are used, so that few values are left out.
const FINE_MAX: usize = 1280;
/// Law and Carson use 0.4 with a jackknife correction; 0.1 is stricter and needs none.
const CORRELATION_MAX: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_few_values_make_no_estimate() {
        let mut means = BatchMeans::default();
        (0..19).for_each(|i| means.push(f64::from(i)));
        assert_eq!(means.estimate(0.95), None);
    }

    #[test]
    fn independent_values_settle_and_a_drift_does_not() {
        let (mut noise, mut drift) = (BatchMeans::default(), BatchMeans::default());
        let mut state = 1u64;
        for i in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.push((state >> 40) as f64 / f64::from(1u32 << 24));
            drift.push(f64::from(i));
        }
        let estimate = noise.estimate(0.95).unwrap();
        assert!(estimate.settled() && estimate.interval.low < 0.5 && estimate.interval.high > 0.5, "{estimate:?}");
        assert!(estimate.interval.high - estimate.interval.low < 0.02);
        assert!(!drift.estimate(0.95).unwrap().settled());
    }

    proptest! {
        #[test]
        fn no_value_is_lost_as_batches_merge(count in 0u64..20_000) {
            let mut means = BatchMeans::default();
            (0..count).for_each(|i| means.push(i as f64));
            prop_assert_eq!(means.count(), count);
            let total = means.sums.iter().sum::<f64>() + means.open_sum;
            let expected = count as f64 * (count as f64 - 1.0) / 2.0;
            prop_assert!((total - expected).abs() <= 1e-9 * expected.abs());
        }
    }
}
