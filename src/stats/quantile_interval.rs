//! Distribution-free intervals for quantiles of independent values (order statistics; David and Nagaraja, Order Statistics,
//! section 7.1). For correlated values see [`super::batch_quantiles`].

use super::interval::Interval;
use super::special::incomplete_beta;

/// The `quantile` of independent `sorted` values with an interval that covers it with at least `confidence`; a bound that so
/// few values cannot give is infinite. `None` if there are no values.
pub fn quantile_interval(sorted: &[f64], quantile: f64, confidence: f64) -> Option<Interval> {
    let n = sorted.len();
    #[expect(clippy::cast_possible_truncation, reason = "a share of the number of values")]
    let rank = ((quantile * n as f64).ceil() as usize).clamp(1, n.max(1));
    let value = *sorted.get(rank - 1)?;
    let tail = (1.0 - confidence) / 2.0;
    // P(X_(r) <= q-quantile) = P(Binomial(n, q) >= r) = I_q(r, n - r + 1).
    let below = |r: usize| if r == 0 { 1.0 } else { incomplete_beta(quantile, r as f64, (n - r + 1) as f64) };
    let low = (1..=rank).rev().find(|&r| below(r) >= 1.0 - tail).map_or(f64::NEG_INFINITY, |r| sorted[r - 1]);
    let high = (rank..=n).find(|&r| below(r) <= tail).map_or(f64::INFINITY, |r| sorted[r - 1]);
    Some(Interval { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_ten_lies_between_the_second_and_the_ninth() {
        // The textbook interval: coverage 0.979.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let interval = quantile_interval(&values, 0.5, 0.95).unwrap();
        assert_eq!((interval.low, interval.value, interval.high), (2.0, 5.0, 9.0));
    }

    #[test]
    fn few_values_bound_no_high_quantile() {
        let interval = quantile_interval(&[1.0, 2.0, 3.0], 0.95, 0.95).unwrap();
        assert_eq!((interval.value, interval.high), (3.0, f64::INFINITY));
        assert_eq!(quantile_interval(&[], 0.5, 0.95), None);
    }
}
