//! Durations in an HDR histogram (Gil Tene's HdrHistogram: constant relative error), with an exact sum.
//!
//! Values in µs, results in ms. Three significant digits, so that a quantile is off by at most 0.1 %; mean and maximum are exact.

use hdrhistogram::Histogram;

/// Durations in µs. Allocates nothing before the first duration, then at most 100 kB for any number of them.
#[derive(Debug, Clone, Default)]
pub struct DurationHistogram {
    /// Number of durations of 0 µs, as most waits are. A bucket in the large table would be a cache miss for each.
    zeros: u64,
    /// All other durations.
    buckets: Option<Box<Histogram<u32>>>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl DurationHistogram {
    /// Adds one duration.
    pub fn record(&mut self, us: u32) {
        self.record_long(us.into());
    }

    /// Adds one duration of any length: simulated queues may grow for days.
    pub fn record_long(&mut self, us: u64) {
        self.count += 1;
        if us == 0 {
            self.zeros += 1;
            return;
        }
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
        if self.buckets.is_none() {
            self.buckets = empty_buckets();
        }
        if let Some(buckets) = &mut self.buckets {
            if us > buckets.high() {
                grow(buckets);
            }
            // A full bucket stays full.
            buckets.saturating_record(us);
        }
    }

    /// Adds the content of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.zeros += other.zeros;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
        match (&mut self.buckets, &other.buckets) {
            (Some(mine), Some(theirs)) => {
                if theirs.high() > mine.high() {
                    grow(mine);
                }
                for value in theirs.iter_recorded() {
                    mine.saturating_record_n(value.value_iterated_to(), value.count_at_value());
                }
            }
            (None, Some(theirs)) => self.buckets = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Exact arithmetic mean, ms; 0 if empty.
    pub fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_us as f64 / self.count as f64 / 1e3 }
    }

    /// Exact maximum, ms; 0 if empty.
    pub fn max_ms(&self) -> f64 {
        self.max_us as f64 / 1e3
    }

    /// The smallest recorded value (to three digits) that a share `quantile` of all values does not exceed, ms; 0 if empty.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let Some(buckets) = self.buckets.as_ref().filter(|buckets| !buckets.is_empty()) else { return 0.0 };
        let others = buckets.len() as f64;
        let rank = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) - self.zeros as f64;
        if rank < 1.0 {
            return 0.0;
        }
        // Half a rank less, so that rounding cannot exceed the rank.
        buckets.value_at_quantile((rank - 0.5) / others).min(self.max_us) as f64 / 1e3
    }
}

/// Makes room for durations of up to 400 days, beyond which all count as that long.
fn grow(buckets: &mut Box<Histogram<u32>>) {
    if let Ok(mut grown) = Histogram::new_with_bounds(1, LONG_MAX_US, SIGNIFICANT_DIGITS) {
        for value in buckets.iter_recorded() {
            grown.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
        **buckets = grown;
    }
}

fn empty_buckets() -> Option<Box<Histogram<u32>>> {
    // The library accepts these constants; `ok` avoids a panic in the impossible case.
    Histogram::new_with_bounds(1, u64::from(u32::MAX), SIGNIFICANT_DIGITS).ok().map(Box::new)
}

const SIGNIFICANT_DIGITS: u8 = 3;
const LONG_MAX_US: u64 = 400 * 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u32]) -> DurationHistogram {
        let mut histogram = DurationHistogram::default();
        values.iter().for_each(|&v| histogram.record(v));
        histogram
    }

    #[test]
    fn an_empty_histogram_is_zero() {
        let h = DurationHistogram::default();
        assert_eq!((h.count(), h.mean_ms(), h.max_ms(), h.quantile_ms(0.5)), (0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn zero_and_the_largest_duration_are_both_kept() {
        let h = of(&[0, u32::MAX]);
        assert_eq!(h.quantile_ms(0.5), 0.0);
        assert_eq!(h.quantile_ms(1.0), f64::from(u32::MAX) / 1e3);
    }

    #[test]
    fn durations_of_hours_and_days_are_not_cut_off() {
        let mut h = of(&[1_000_000]);
        let hours_us = [2_u64, 3, 300].map(|hours| hours * 3_600_000_000);
        hours_us.iter().for_each(|&us| h.record_long(us));
        let mut merged = of(&[2_000_000]);
        merged.merge(&h);
        for h in [&h, &merged] {
            assert_eq!((h.max_ms(), h.quantile_ms(1.0)), (300.0 * 3.6e6, 300.0 * 3.6e6));
            assert!((h.quantile_ms(0.6) / (if h.count() == 4 { 3.0 } else { 2.0 } * 3.6e6) - 1.0).abs() < 0.002, "{}", h.quantile_ms(0.6));
        }
        assert!((h.mean_ms() - (305.0 * 3.6e6 + 1000.0) / 4.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        #[expect(clippy::cast_possible_truncation, reason = "a rank among at most 300")]
        fn quantiles_are_within_a_thousandth_of_the_sorted_values(mut values in prop::collection::vec(0u32..100_000_000, 1..300)) {
            let h = of(&values);
            values.sort_unstable();
            for q in [0.5, 0.9, 0.95, 0.99, 0.999] {
                let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
                let exact = f64::from(values[rank - 1]) / 1e3;
                prop_assert!((h.quantile_ms(q) - exact).abs() <= exact * 0.001 + 0.001, "{q}: {} for {exact}", h.quantile_ms(q));
            }
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64 / 1e3;
            prop_assert!((h.mean_ms() - mean).abs() < 1e-6 * mean.max(1.0));
        }

        #[test]
        fn two_halves_merged_are_the_whole(values in prop::collection::vec(any::<u32>(), 0..200), cut in 0usize..200) {
            let cut = cut.min(values.len());
            let whole = of(&values);
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert_eq!(merged.mean_ms(), whole.mean_ms());
            for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                prop_assert_eq!(merged.quantile_ms(q), whole.quantile_ms(q));
            }
        }
    }
}
