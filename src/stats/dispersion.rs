//! Index of dispersion: variance over mean of sums per interval, at growing interval lengths.
//!
//! 1 for a Poisson process at every scale; the batch size for batches that arrive as a Poisson process; growing with the
//! scale for traffic with trends (Cox and Lewis, The Statistical Analysis of Series of Events, 1966; for queues:
//! Gusella, IEEE Journal on Selected Areas in Communications 9(2), 1991).

/// Sums a series of equally spaced values over intervals of `steps` values, and keeps the mean and variance of the sums.
#[derive(Debug, Clone)]
pub struct DispersionCounter {
    steps: u64,
    filled: u64,
    open: f64,
    intervals: u64,
    sum: f64,
    sum_of_squares: f64,
}

impl DispersionCounter {
    /// Intervals of `steps` values, at least one.
    pub fn new(steps: u64) -> Self {
        Self { steps: steps.max(1), filled: 0, open: 0.0, intervals: 0, sum: 0.0, sum_of_squares: 0.0 }
    }

    /// Adds the next value.
    pub fn push(&mut self, value: f64) {
        self.open += value;
        self.filled += 1;
        if self.filled == self.steps {
            self.close();
        }
    }

    /// Adds `count` zeros, in a time that does not depend on `count`.
    pub fn push_zeros(&mut self, count: u64) {
        let to_close = self.steps - self.filled;
        if count < to_close {
            self.filled += count;
            return;
        }
        self.close();
        let rest = count - to_close;
        self.intervals += rest / self.steps;
        self.filled = rest % self.steps;
    }

    /// Number of complete intervals.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Mean of the sums; 0 without intervals.
    pub fn mean(&self) -> f64 {
        if self.intervals == 0 { 0.0 } else { self.sum / self.intervals as f64 }
    }

    /// Variance (with n - 1) over mean of the complete intervals; `None` below two intervals or with a mean of 0.
    pub fn index(&self) -> Option<f64> {
        let n = self.intervals as f64;
        if self.intervals < 2 || self.sum <= 0.0 {
            return None;
        }
        let mean = self.sum / n;
        let variance = (self.sum_of_squares - self.sum * mean).max(0.0) / (n - 1.0);
        Some(variance / mean)
    }

    fn close(&mut self) {
        self.sum += self.open;
        self.sum_of_squares += self.open * self.open;
        self.intervals += 1;
        self.open = 0.0;
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Counts per second of batches of `batch` that arrive as a Poisson process, `rate` batches a second.
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a short test")]
    fn batches_per_second(seconds: usize, rate: f64, batch: f64) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut counts = vec![0.0; seconds];
        let mut time = 0.0;
        loop {
            time += -(1.0 - random.random::<f64>()).ln() / rate;
            match counts.get_mut(time as usize) {
                Some(count) => *count += batch,
                None => return counts,
            }
        }
    }

    fn index(values: &[f64], steps: u64) -> f64 {
        let mut counter = DispersionCounter::new(steps);
        values.iter().for_each(|&v| counter.push(v));
        counter.index().unwrap()
    }

    #[test]
    fn poisson_traffic_has_an_index_of_one_at_every_scale() {
        let counts = batches_per_second(50_000, 8.0, 1.0);
        for steps in [1, 10, 60] {
            let i = index(&counts, steps);
            assert!((i - 1.0).abs() < 0.2, "{i} at {steps} s");
        }
    }

    #[test]
    fn batches_have_the_index_of_their_size() {
        let i = index(&batches_per_second(50_000, 2.0, 10.0), 1);
        assert!((i - 10.0).abs() < 1.0, "{i}");
    }

    #[test]
    fn an_even_stream_has_an_index_of_zero() {
        assert_eq!(index(&[5.0; 100], 10), 0.0);
    }

    #[test]
    fn too_few_intervals_have_no_index() {
        let mut counter = DispersionCounter::new(2);
        counter.push(1.0);
        counter.push(1.0);
        assert_eq!(counter.index(), None);
    }

    proptest! {
        #[test]
        fn zeros_in_bulk_equal_zeros_one_by_one(steps in 1u64..7, runs in prop::collection::vec((0u64..30, 0u32..5), 0..20)) {
            let (mut bulk, mut single) = (DispersionCounter::new(steps), DispersionCounter::new(steps));
            for (zeros, value) in runs {
                bulk.push_zeros(zeros);
                (0..zeros).for_each(|_| single.push(0.0));
                bulk.push(f64::from(value));
                single.push(f64::from(value));
            }
            prop_assert_eq!(bulk.intervals(), single.intervals());
            prop_assert_eq!(bulk.index(), single.index());
        }
    }
}
