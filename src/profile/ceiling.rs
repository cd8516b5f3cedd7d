//! The rate of transactions that a database can take, from how much longer they take when there are more of them.
//!
//! A station that shares its capacity C among those who are served takes `S = s / (1 - rate / C)` for a service, so `1 / S` falls in a
//! straight line with the rate and is zero at C. The line is fitted to groups of time bins of like rate. Knows nothing of processes.

use wsim_stats::Interval;

/// One bin of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TransactionBin {
    pub(super) transactions: f64,
    /// Time of these transactions, s.
    pub(super) seconds: f64,
}

/// Transactions per second at which a transaction would take for ever, with the range in which the slope's 95 % interval puts it.
///
/// `None` where the log does not show for certain that transactions take longer when there are more of them: another machine's load, other
/// requests and chance make their times differ as well.
pub(super) fn ceiling(bins: &[TransactionBin], bin_seconds: f64) -> Option<Interval> {
    let mut bins: Vec<TransactionBin> = bins.iter().filter(|bin| bin.transactions > 0.0).copied().collect();
    if bins.len() < BINS_MIN {
        return None;
    }
    bins.sort_by(|a, b| a.transactions.total_cmp(&b.transactions));
    let groups: Vec<Group> = (0..GROUPS)
        .filter_map(|group| Group::new(&bins[group * bins.len() / GROUPS..(group + 1) * bins.len() / GROUPS], bin_seconds))
        .collect();
    let (first, last) = (groups.first()?, groups.last()?);
    let much_slower = last.speed * SLOWER_BY < first.speed && last.rate > first.rate * FASTER_BY;
    let Line { rate, speed, slope, error } = Line::fit(&groups)?;
    let certain = slope < -SIGNIFICANT * error;
    let zero_at = |slope: f64| rate - speed / slope;
    (groups.len() == GROUPS && much_slower && certain).then(|| {
        let (steep, flat) = (slope - DEVIATIONS_95 * error, slope + DEVIATIONS_95 * error);
        // What was seen was possible.
        let least = bins.last().map_or(0.0, |bin| bin.transactions / bin_seconds).min(last.rate * LEAST_ABOVE);
        let value = zero_at(slope).max(least);
        Interval::new(value, zero_at(steep).max(least).min(value), zero_at(flat).max(value))
    })
}

/// Bins of like rate.
struct Group {
    /// Transactions per second.
    rate: f64,
    /// Transactions per second of their own time: one over their mean time.
    speed: f64,
    /// Variance of the speed.
    variance: f64,
}

impl Group {
    /// A ratio of sums, whose error is that of the bins (Cochran, Sampling Techniques, section 6.3).
    fn new(bins: &[TransactionBin], bin_seconds: f64) -> Option<Self> {
        let count = bins.len() as f64;
        let transactions: f64 = bins.iter().map(|bin| bin.transactions).sum();
        let seconds: f64 = bins.iter().map(|bin| bin.seconds).sum();
        if transactions <= 0.0 || seconds <= 0.0 || bins.len() < 2 {
            return None;
        }
        let mean = seconds / transactions;
        let squares: f64 = bins.iter().map(|bin| (bin.seconds - mean * bin.transactions).powi(2)).sum();
        let variance_of_mean = squares * count / (count - 1.0) / transactions.powi(2);
        let speed = 1.0 / mean;
        let variance = (variance_of_mean * speed.powi(4)).max((speed * SPEED_ERROR_LEAST).powi(2));
        Some(Self { rate: transactions / count / bin_seconds, speed, variance })
    }
}

/// A weighted straight line through its weighted mean.
struct Line {
    rate: f64,
    speed: f64,
    slope: f64,
    /// Standard error of the slope.
    error: f64,
}

impl Line {
    fn fit(groups: &[Group]) -> Option<Self> {
        let weight = |group: &Group| 1.0 / group.variance;
        let all: f64 = groups.iter().map(weight).sum();
        let mean = |of: fn(&Group) -> f64| groups.iter().map(|group| weight(group) * of(group)).sum::<f64>() / all;
        let (rate, speed) = (mean(|group| group.rate), mean(|group| group.speed));
        let spread: f64 = groups.iter().map(|group| weight(group) * (group.rate - rate).powi(2)).sum();
        let product: f64 = groups.iter().map(|group| weight(group) * (group.rate - rate) * (group.speed - speed)).sum();
        if spread <= 0.0 {
            return None;
        }
        let slope = product / spread;
        // Groups that scatter more about the line than their bins explain make it less certain.
        let residual = |group: &Group| weight(group) * (group.speed - speed - slope * (group.rate - rate)).powi(2);
        let scatter = groups.iter().map(residual).sum::<f64>() / (groups.len() as f64 - 2.0).max(1.0);
        Some(Self { rate, speed, slope, error: (scatter.max(1.0) / spread).sqrt() })
    }
}

const GROUPS: usize = 6;
/// Ten bins a group.
const BINS_MIN: usize = 60;
/// The busiest bins must be this much slower than the calmest, and hold this many times their transactions.
const SLOWER_BY: f64 = 1.25;
const FASTER_BY: f64 = 1.5;
/// Standard errors by which the slope is below zero. Many, because bins next to each other are alike.
const SIGNIFICANT: f64 = 4.0;
const DEVIATIONS_95: f64 = 1.96;
/// A mean time is never known better than this.
const SPEED_ERROR_LEAST: f64 = 0.01;
const LEAST_ABOVE: f64 = 1.05;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bins of 5 s whose rates go up and down; a transaction takes `seconds(rate)`, more or less.
    fn bins(seconds: impl Fn(f64) -> f64, noise: f64) -> Vec<TransactionBin> {
        let mut random = 12_345_u64;
        let mut next = || {
            random = random * 48_271 % 2_147_483_647;
            random as f64 / 2_147_483_647.0 * 2.0 - 1.0
        };
        let of_bin = |bin: u32, noisy: f64| {
            let rate = 20.0 + 15.0 * (f64::from(bin) / 20.0).sin();
            TransactionBin { transactions: (rate * 5.0).round(), seconds: rate * 5.0 * seconds(rate) * (1.0 + noise * noisy) }
        };
        (0..240).map(|bin| of_bin(bin, next())).collect()
    }

    #[test]
    fn the_ceiling_of_a_station_that_shares_its_capacity_is_found_with_its_range() {
        // 10 ms alone, 50 transactions a second at most.
        let found = ceiling(&bins(|rate| 0.01 / (1.0 - rate / 50.0), 0.2), 5.0).unwrap();
        assert!(found.low <= 50.0 && found.high >= 50.0 && (found.value - 50.0).abs() < 5.0, "{found:?}");
        assert!(found.high / found.low < 1.5, "{found:?}");
    }

    #[test]
    fn transactions_that_take_equally_long_at_any_rate_have_none() {
        assert_eq!(ceiling(&bins(|_| 0.01, 0.5), 5.0), None);
        assert_eq!(ceiling(&bins(|rate| 0.01 * (1.0 + rate / 1000.0), 0.3), 5.0), None, "hardly slower");
        assert_eq!(ceiling(&bins(|rate| 0.01 / (1.0 - rate / 50.0), 0.2)[..40], 5.0), None, "too little to tell");
    }
}
