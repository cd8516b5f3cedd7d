//! What plans cost, and what it costs to be wrong.
//!
//! A plan costs the cores that it needs at the peak, with the room that its objective leaves, and its memory. Where a plan is not certain to meet the
//! objective, its expected cost has the price of missing it times the probability. The regret of a plan is its expected cost over the lowest.

use serde::{Deserialize, Serialize};

use wsim_advise::Objective;
use wsim_advise::sweep::SimulatedPlan;
use wsim_stats::{Interval, student_t};

/// Prices for a month.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// As printed: `EUR`.
    pub currency: String,
    /// One core.
    pub core: f64,
    /// One GB (10⁹ bytes) of memory.
    pub gb: f64,
    /// What a month costs in which the objective is missed, the administrator's time and annoyance included; without it regret is not worked out.
    #[serde(default)]
    pub miss: Option<f64>,
}

/// Why a file has no prices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricesError {
    #[error(
        "line {line}: {message} (a file of prices has currency = \"EUR\", core = 8.0, gb = 2.5 and perhaps miss = 100.0, all for a month)"
    )]
    Syntax { line: usize, message: String },
    #[error("{0} must be a number from 0 to 1e9")]
    Value(&'static str),
    #[error("currency must have 1 to 8 visible characters")]
    Currency,
}

impl Prices {
    /// Reads a file of prices.
    ///
    /// # Errors
    /// [`PricesError`] with the line or the name.
    pub fn from_toml(text: &str) -> Result<Self, PricesError> {
        let prices: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| crate::line_at(text, span.start));
            PricesError::Syntax { line, message: error.message().trim().replace('\n', ", ") }
        })?;
        for (name, value) in [("core", Some(prices.core)), ("gb", Some(prices.gb)), ("miss", prices.miss)] {
            if value.is_some_and(|value| !(0.0..=1e9).contains(&value)) {
                return Err(PricesError::Value(name));
            }
        }
        let length = prices.currency.chars().count();
        if !(1..=8).contains(&length) || prices.currency.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(PricesError::Currency);
        }
        Ok(prices)
    }

    /// A month of so many cores and bytes.
    pub fn month(&self, cores: Interval, bytes: Interval) -> Interval {
        cores.scaled(self.core).plus(bytes.scaled(self.gb / 1e9))
    }
}

/// The cores to provide for a plan: what its processes use at the peak, over the busy share that the objective allows.
pub fn cores_to_provide(plan: &SimulatedPlan, objective: &Objective) -> Interval {
    let peak = plan.summary.processes.iter().fold(Interval::exact(0.0), |sum, process| sum.plus(process.peak));
    // The ranges of processes are one range of costs, so their bounds add.
    peak.scaled(1.0 / objective.busy)
}

/// The probability that a plan misses its objective: of its terms the likeliest to be missed, because what makes one worse makes all worse.
pub fn probability_of_missing(plan: &SimulatedPlan, objective: &Objective) -> f64 {
    if plan.unstable.as_ref().is_some_and(|unstable| unstable.is_certain) {
        return 1.0;
    }
    let edge = if plan.unstable.is_some() { 0.5 } else { 0.0 };
    let busy = plan.summary.processes.iter().map(|process| above(process.peak, objective.busy));
    let connections =
        plan.summary.processes.iter().filter_map(|process| process.connections).map(|share| above(share, objective.connections));
    let latencies =
        objective.latencies.iter().filter_map(|term| Some(above(plan.latency(term.group.as_deref(), term.statistic)?, term.below_ms)));
    busy.chain(connections).chain(latencies).fold(edge, f64::max)
}

/// The probability that a value is above a limit: its logarithm is normal, with the 95 % interval on the side of the limit.
pub(crate) fn above(value: Interval, limit: f64) -> f64 {
    if value.value <= 0.0 || limit <= 0.0 {
        return if value.value > limit { 1.0 } else { 0.0 };
    }
    let bound = if limit > value.value { value.high } else { value.low };
    let deviation = (bound.max(1e-12) / value.value).ln().abs() / TWO_SIDED_95;
    let distance = (limit / value.value).ln();
    if deviation < 1e-9 {
        return if distance <= 0.0 { 1.0 } else { 0.0 };
    }
    // So many degrees of freedom are a normal distribution.
    1.0 - student_t::cdf(distance / deviation, 10_000.0)
}

const TWO_SIDED_95: f64 = 1.96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_cores_and_gigabytes_times_their_prices() {
        let prices = Prices::from_toml("currency = \"EUR\"\ncore = 10.0\ngb = 2.0\n").unwrap();
        let month = prices.month(Interval::new(2.0, 1.0, 3.0), Interval::exact(4e9));
        assert_eq!(month, Interval::new(28.0, 18.0, 38.0));
        assert_eq!(prices.miss, None);
        assert!(Prices::from_toml("currency = \"EUR\"\ncore = -1.0\ngb = 2.0\n").is_err());
        assert!(Prices::from_toml("currency = \"a b\"\ncore = 1.0\ngb = 2.0\n").is_err());
        assert!(Prices::from_toml("currency = \"EUR\"\ncores = 1.0").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_bound_of_a_95_percent_interval_is_exceeded_with_two_and_a_half_percent() {
        let value = Interval::new(100.0, 50.0, 400.0);
        assert!((above(value, 400.0) - 0.025).abs() < 1e-3);
        assert!((above(value, 50.0) - 0.975).abs() < 1e-3);
        assert!((above(value, 100.0) - 0.5).abs() < 1e-3);
        assert_eq!((above(Interval::exact(1.0), 2.0), above(Interval::exact(2.0), 1.0)), (0.0, 1.0));
    }
}
