//! Quantiles of a long correlated series, with intervals.
//!
//! Sectioning (Asmussen and Glynn, Stochastic Simulation, 2007, section III.5; Nakayama, ACM TOMACS 24(4), 2014): the estimate
//! is the quantile of the whole series; its spread is that of the same quantile in 20 to 40 consecutive batches, never that of the
//! pooled values, which are correlated.

use super::batch_means::{BATCHES_MAX, BATCHES_MIN, BatchEstimate, lag_one};
use super::histogram::DurationHistogram;
use super::interval::Interval;
use super::student_t;

/// Running batches of a series. Values in µs, results in ms, as in [`DurationHistogram`].
#[derive(Debug, Clone)]
pub struct BatchQuantiles {
    batches: Vec<Batch>,
    open: Batch,
    length: u64,
}

/// Consecutive values.
#[derive(Debug, Clone)]
enum Batch {
    /// As they came: a short batch has fewer values than a histogram has buckets.
    Values(Vec<u32>),
    Histogram(DurationHistogram),
}

impl Default for Batch {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

impl Batch {
    /// An empty batch for so many values.
    fn of_length(length: u64) -> Self {
        match usize::try_from(length) {
            Ok(length) if length <= VALUES_MAX => Self::Values(Vec::with_capacity(length)),
            _ => Self::Histogram(DurationHistogram::default()),
        }
    }

    #[inline]
    fn push(&mut self, us: u32) {
        match self {
            Self::Values(values) => values.push(us),
            Self::Histogram(histogram) => histogram.record(us),
        }
    }

    #[inline]
    fn count(&self) -> u64 {
        match self {
            Self::Values(values) => values.len() as u64,
            Self::Histogram(histogram) => histogram.count(),
        }
    }

    fn add_to(&self, histogram: &mut DurationHistogram) {
        match self {
            Self::Values(values) => values.iter().for_each(|us| histogram.record(*us)),
            Self::Histogram(own) => histogram.merge(own),
        }
    }

    fn joined(self, second: &Self) -> Self {
        match (self, second) {
            (Self::Values(mut values), Self::Values(others)) if values.len() + others.len() <= VALUES_MAX => {
                values.extend_from_slice(others);
                Self::Values(values)
            }
            (first, second) => Self::Histogram(merged(&[first, second.clone()])),
        }
    }
}

impl Default for BatchQuantiles {
    fn default() -> Self {
        Self { batches: Vec::with_capacity(FINE_MAX), open: Batch::of_length(LENGTH_MIN), length: LENGTH_MIN }
    }
}

impl BatchQuantiles {
    /// Adds the next value, µs.
    #[inline]
    pub fn push(&mut self, us: u32) {
        self.open.push(us);
        if self.open.count() == self.length {
            self.close();
        }
    }

    /// Quantiles with their intervals, ms; `None` before 20 batches of 64 values are full. Uses 40 batches if their quantiles are nearly
    /// uncorrelated, otherwise 20 of twice the length.
    pub fn estimates_ms<const N: usize>(&self, quantiles: [f64; N], confidence: f64) -> Option<[BatchEstimate; N]> {
        let whole = self.whole();
        let twenty = self.grouped(BATCHES_MIN)?;
        let forty = self.grouped(BATCHES_MAX);
        Some(quantiles.map(|quantile| {
            let first = forty.as_ref().map(|batches| section(&whole, batches, quantile, confidence));
            first.filter(BatchEstimate::settled).unwrap_or_else(|| section(&whole, &twenty, quantile, confidence))
        }))
    }

    /// The last values in this number of equal batches.
    fn grouped(&self, batches: usize) -> Option<Vec<DurationHistogram>> {
        let per_batch = self.batches.len() / batches;
        let used = &self.batches[self.batches.len() - per_batch * batches..];
        (per_batch > 0).then(|| used.chunks_exact(per_batch).map(merged).collect())
    }

    /// The histogram of all values.
    pub fn whole(&self) -> DurationHistogram {
        let mut whole = merged(&self.batches);
        self.open.add_to(&mut whole);
        whole
    }

    fn close(&mut self) {
        if self.batches.len() == FINE_MAX {
            for i in 0..FINE_MAX / 2 {
                let second = std::mem::take(&mut self.batches[2 * i + 1]);
                self.batches[i] = std::mem::take(&mut self.batches[2 * i]).joined(&second);
            }
            self.batches.truncate(FINE_MAX / 2);
            self.length *= 2;
        }
        if self.open.count() == self.length {
            self.batches.push(std::mem::replace(&mut self.open, Batch::of_length(self.length)));
        }
    }
}

fn section(whole: &DurationHistogram, batches: &[DurationHistogram], quantile: f64, confidence: f64) -> BatchEstimate {
    let value = whole.quantile_ms(quantile);
    let each: Vec<f64> = batches.iter().map(|batch| batch.quantile_ms(quantile)).collect();
    let squares: f64 = each.iter().map(|q| (q - value).powi(2)).sum();
    let (n, degrees) = (each.len() as f64, each.len() as f64 - 1.0);
    let half = student_t::quantile(f64::midpoint(1.0, confidence), degrees) * (squares / (degrees * n)).sqrt();
    let mean = each.iter().sum::<f64>() / n;
    let interval = Interval { value, low: value - half, high: value + half };
    BatchEstimate { interval, batches: each.len(), correlation: lag_one(&each, mean) }
}

fn merged(batches: &[Batch]) -> DurationHistogram {
    let mut whole = DurationHistogram::default();
    batches.iter().for_each(|batch| batch.add_to(&mut whole));
    whole
}

/// Batches kept before they are merged in pairs.
const FINE_MAX: usize = 160;
/// Values of a batch beyond which a histogram takes less memory.
const VALUES_MAX: usize = 1 << 14;
/// Values in the first, shortest batches.
const LENGTH_MIN: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_of_a_known_law_lie_in_their_intervals() {
        let mut quantiles = BatchQuantiles::default();
        let mut state = 9u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            quantiles.push(u32::try_from(state >> 44).unwrap());
        }
        assert_eq!(quantiles.whole().count(), 100_000);
        let wanted = [0.5, 0.95, 0.99];
        for (q, estimate) in wanted.into_iter().zip(quantiles.estimates_ms(wanted, 0.99).unwrap()) {
            let exact = q * f64::from(1u32 << 20) / 1e3;
            // A thousandth for the width of the histogram's buckets.
            assert!(estimate.interval.low * 0.999 < exact && exact < estimate.interval.high * 1.001, "{q}: {estimate:?} for {exact}");
            assert!((BATCHES_MIN..=BATCHES_MAX).contains(&estimate.batches));
        }
    }

    #[test]
    fn values_and_histograms_are_the_same_batches() {
        let (mut quantiles, mut all) = (BatchQuantiles::default(), DurationHistogram::default());
        // Enough for batches of histograms.
        let count = u32::try_from(FINE_MAX * VALUES_MAX * 2 + 77).unwrap();
        for number in 0..count {
            let us = number.wrapping_mul(2_654_435_761) >> 12;
            quantiles.push(us);
            all.record(us);
        }
        assert!(quantiles.batches.iter().any(|batch| matches!(batch, Batch::Histogram(_))));
        assert_eq!(format!("{:?}", quantiles.whole()), format!("{all:?}"));
    }

    #[test]
    fn too_few_values_make_no_estimate() {
        let mut quantiles = BatchQuantiles::default();
        (0..1000).for_each(|us| quantiles.push(us));
        assert_eq!(quantiles.estimates_ms([0.5], 0.95), None);
    }
}
