//! Student's t distribution, and confidence intervals of means.

use std::cell::RefCell;

use super::interval::Interval;
use super::special::incomplete_beta;

/// The quantile of Student's t with `degrees` degrees of freedom; `probability` between 0 and 1, both excluded. Infinite for less than
/// one degree of freedom, because one observation shows no spread.
pub fn quantile(probability: f64, degrees: f64) -> f64 {
    if degrees < 1.0 {
        return f64::INFINITY;
    }
    if probability < 0.5 {
        return -quantile(1.0 - probability, degrees);
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some((.., quantile)) = known.iter().find(|(of, with, _)| (*of, *with) == (probability, degrees)) {
            return *quantile;
        }
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        let quantile = search(probability, degrees);
        known.push((probability, degrees, quantile));
        quantile
    })
}

thread_local! {
    /// Quantiles that were searched for before, with probability and degrees of freedom: hundreds of intervals have the same number of values.
    static KNOWN: RefCell<Vec<(f64, f64, f64)>> = const { RefCell::new(Vec::new()) };
}

const KNOWN_MAX: usize = 32;

/// By bisection; `probability` is at least a half.
fn search(probability: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0);
    while cdf(high, degrees) < probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if cdf(middle, degrees) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(T <= t) with `degrees` degrees of freedom (Abramowitz and Stegun 26.7.1).
pub fn cdf(t: f64, degrees: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5);
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// Mean of independent values with its confidence interval (`confidence` such as 0.95). Unbounded for one value; 0 for no values.
pub fn mean_interval(values: &[f64], confidence: f64) -> Interval {
    let n = values.len() as f64;
    if values.is_empty() {
        return Interval::exact(0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return Interval { value: mean, low: f64::NEG_INFINITY, high: f64::INFINITY };
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = quantile(f64::midpoint(1.0, confidence), n - 1.0) * (variance / n).sqrt();
    Interval { value: mean, low: mean - half, high: mean + half }
}

/// The middle of independent values, with the interval that holds another value of the same kind (`confidence` such as 0.95). Positive values
/// are compared by their logarithms, because times are skewed: their middle is the geometric mean, of others the mean. One value shows no
/// spread: its interval is itself.
pub fn prediction_interval(values: &[f64], confidence: f64) -> Interval {
    let n = values.len() as f64;
    if values.len() < 2 {
        return Interval::exact(values.first().copied().unwrap_or(0.0));
    }
    let are_positive = values.iter().all(|value| *value > 0.0);
    let scale = |value: f64| if are_positive { value.ln() } else { value };
    let center = values.iter().map(|value| scale(*value)).sum::<f64>() / n;
    let variance = values.iter().map(|value| (scale(*value) - center).powi(2)).sum::<f64>() / (n - 1.0);
    let half = quantile(f64::midpoint(1.0, confidence), n - 1.0) * (variance * (1.0 + 1.0 / n)).sqrt();
    let back = |value: f64| if are_positive { value.exp() } else { value };
    Interval::new(back(center), back(center - half), back(center + half))
}

/// Mean of `candidate[i] - baseline[i]` with its confidence interval, for runs that share their random numbers pair by pair. Values
/// beyond the shorter slice are left out.
pub fn paired_difference(candidate: &[f64], baseline: &[f64], confidence: f64) -> Interval {
    let differences: Vec<f64> = candidate.iter().zip(baseline).map(|(a, b)| a - b).collect();
    mean_interval(&differences, confidence)
}

const BISECTIONS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, draw, unit};

    #[test]
    fn a_prediction_interval_holds_another_value_as_often_as_it_says() {
        let exponential = |seed: u64, number: u64| -unit(draw(seed, Purpose::Service, number)).ln();
        // Means of twenty exponential times: skewed, as response times are.
        let value = |seed: u64, number: u64| (0..20).map(|part| exponential(seed, number * 20 + part)).sum::<f64>() / 20.0;
        let held = (0..2000)
            .filter(|seed| {
                let values: Vec<f64> = (0..10).map(|number| value(*seed, number)).collect();
                let interval = prediction_interval(&values, 0.95);
                (interval.low..=interval.high).contains(&value(*seed, 10))
            })
            .count();
        assert!((1870..1930).contains(&held), "{held} of 2000");
    }

    #[test]
    fn a_prediction_interval_is_wider_than_that_of_the_mean_and_holds_its_value() {
        let values = [1.0, 2.0, 4.0, 0.0];
        let (prediction, mean) = (prediction_interval(&values, 0.95), mean_interval(&values, 0.95));
        assert!(prediction.low < mean.low && prediction.high > mean.high && prediction.value == mean.value);
        let skewed = prediction_interval(&[1.0, 100.0], 0.95);
        assert!((skewed.value - 10.0).abs() < 1e-9 && (skewed.low * skewed.high - 100.0).abs() < 1e-6, "{skewed:?}");
        assert_eq!(prediction_interval(&[3.0], 0.95), Interval::exact(3.0));
        assert_eq!(prediction_interval(&[], 0.95), Interval::exact(0.0));
        assert!((prediction_interval(&[5.0; 4], 0.95).value - 5.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_agree_with_the_printed_table() {
        // Abramowitz and Stegun, table 26.10, two-sided 95 % and 99 %.
        for (degrees, p975, p995) in [
            (1.0, 12.706, 63.657),
            (2.0, 4.303, 9.925),
            (9.0, 2.262, 3.250),
            (19.0, 2.093, 2.861),
            (39.0, 2.023, 2.708),
            (120.0, 1.980, 2.617),
        ] {
            assert!((quantile(0.975, degrees) - p975).abs() < 6e-4, "{degrees}");
            assert!((quantile(0.995, degrees) - p995).abs() < 6e-4, "{degrees}");
            assert!((quantile(0.025, degrees) + quantile(0.975, degrees)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_mean_has_the_interval_of_the_textbook() {
        let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95);
        assert!((interval.value - 3.0).abs() < 1e-12);
        assert!((interval.high - 3.0 - 2.776_445 * (2.5f64 / 5.0).sqrt()).abs() < 1e-5);
        assert!(mean_interval(&[7.0], 0.95).high.is_infinite());
    }

    #[test]
    fn paired_values_that_move_together_differ_by_little() {
        let candidate: Vec<f64> = (0..20).map(|i| f64::from(i * i)).collect();
        let baseline: Vec<f64> = candidate.iter().enumerate().map(|(i, v)| v - 1.0 - 0.01 * (i % 3) as f64).collect();
        let difference = paired_difference(&candidate, &baseline, 0.95);
        assert!(difference.low > 0.99 && difference.high < 1.02, "{difference:?}");
    }
}
