//! The simulator compared with queueing theory: simulated means and percentiles hold the exact values within their own intervals, and over
//! many seeds a 95 % interval covers the exact value about 95 times in a hundred.
//!
//! `queues` compares single queues (`wsim simulate --synthetic`), `model` the model of Synapse processes reduced to cases with a known
//! solution. `exact`, `chain` and `lattice` compute the exact values. `intervals` predicts generated traffic.

mod chain;
mod exact;
mod intervals;
mod lattice;
mod model;
mod queues;

use wsim::stats::{Interval, student_t};

/// Mean service time in seconds.
const MEAN: f64 = 0.005;

/// Asserts that enough of the intervals cover the exact value and that the mean of all `values` has no bias: it must equal the exact value
/// up to chance and half a percent for finite batches and histogram buckets.
#[expect(clippy::print_stdout, reason = "shown if the test fails")]
fn assert_covers(name: &str, exact: f64, intervals: &[Interval], values: &[f64]) {
    let covered = intervals.iter().filter(|i| i.low <= exact && exact <= i.high).count();
    let pooled = student_t::mean_interval(values, 0.9999);
    println!(
        "{name} exact {exact:.6}, simulated {:.6} ± {:.6}, covered {covered} of {}",
        pooled.value,
        pooled.high - pooled.value,
        intervals.len()
    );
    assert!(covered >= fewest_covering(intervals.len()), "{name}: {covered} of {} intervals cover {exact}", intervals.len());
    assert!(pooled.low * 0.995 <= exact && exact <= pooled.high * 1.005, "{name}: {pooled:?} for {exact}");
}

/// The least number of intervals that must hold the exact value: a binomial variable with p = 0.95 falls below it about once in a thousand
/// times.
fn fewest_covering(trials: usize) -> usize {
    let n = trials as f64;
    let mut term = 0.05f64.powf(n);
    let mut sum = 0.0;
    for k in 0..=trials {
        sum += term;
        if sum > 0.001 {
            return k;
        }
        term *= (n - k as f64) / (k as f64 + 1.0) * 19.0;
    }
    trials
}
