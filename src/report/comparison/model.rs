//! What a comparison is made of: plain data. Times in ms, rates per second, shares of 1.

use serde::Serialize;

use wsim_stats::Interval;

/// What wrote a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// `wsim analyse`.
    Analysis,
    /// `wsim simulate`.
    Simulation,
    /// `wsim replay` or `wsim merge`.
    Replay,
}

/// One run in the figures that all kinds of run share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its folder, as given.
    pub name: String,
    /// What wrote it.
    pub sort: Sort,
    /// Plan: the simulated one, or that of an emulated target.
    pub plan: Option<String>,
    /// What was replayed at.
    pub target: Option<String>,
    /// Version of the program that wrote it.
    pub wsim: String,
    /// When.
    pub created: String,
    /// As typed.
    pub command: String,
    /// Traffic per logged traffic: users of a replay times its speed, growth of a simulation, else 1.
    pub load: f64,
    /// What rates are over, seconds.
    pub seconds: f64,
    /// Interrupted.
    pub partial: bool,
    /// Why it says nothing; empty for a valid run.
    pub void: Vec<String>,
    /// Endpoint groups, all together last under the id `all` where they are known.
    pub groups: Vec<RunGroup>,
    /// Processes, or the upstreams that a replay saw.
    pub processes: Vec<RunProcess>,
}

/// An endpoint group of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunGroup {
    /// Group id.
    pub id: String,
    /// Requests that were answered.
    pub requests: u64,
    /// CPU of its requests, seconds.
    pub cpu_seconds: Option<f64>,
    /// CPU of a request, ms.
    pub cpu_ms: Option<Interval>,
    /// Work latency as the server sees it: from the first byte sent.
    pub service_ms: Latencies,
    /// Work latency from the instant at which the schedule wanted it sent; replays only.
    pub response_ms: Option<Latencies>,
    /// Work latency as Synapse's own log would give it; simulations with `--as-logged` only.
    #[serde(skip)]
    pub logged_ms: Option<Latencies>,
}

/// Quantiles, ms. An interval of no width is a bare figure; nothing is known of its noise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Latencies {
    /// Median.
    pub p50: Option<Interval>,
    /// 95th percentile.
    pub p95: Option<Interval>,
    /// 99th percentile.
    pub p99: Option<Interval>,
}

/// A process of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunProcess {
    /// `main`, a worker's name, or an upstream as the proxy names it. Log text: escape it.
    pub name: String,
    /// Requests served.
    pub requests: u64,
    /// Busy share of one core.
    pub utilisation: Option<Interval>,
}

/// What two runs are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Before and after.
    Change,
    /// Measured and predicted.
    Prediction,
}

/// Two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// What they are to each other.
    pub kind: Kind,
    /// Index of the baseline; of the measured run in a prediction.
    pub from: usize,
    /// Index of the other; of the simulation in a prediction.
    pub to: usize,
    /// One sentence.
    pub verdict: String,
    /// Counts behind it.
    pub summary: Summary,
    /// Groups of both runs.
    pub groups: Vec<GroupPair>,
    /// Processes of both runs.
    pub processes: Vec<ProcessPair>,
}

/// How many groups changed, or were predicted how well. `all` is not counted, nor are groups of too few requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// Groups with a median in both runs.
    pub groups: u64,
    /// Groups whose p95 is larger, beyond noise.
    pub slower: u64,
    /// Groups whose p95 is smaller, beyond noise.
    pub faster: u64,
    /// Groups whose p95 is indistinguishable.
    pub indistinguishable: u64,
    /// Medians predicted within 20 %.
    pub p50_within: u64,
    /// 95th percentiles predicted within 30 %.
    pub p95_within: u64,
    /// Medians within the predicted interval.
    pub p50_covered: u64,
    /// 95th percentiles within the predicted interval.
    pub p95_covered: u64,
}

/// An endpoint group in two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupPair {
    /// Group id.
    pub id: String,
    /// Whether both runs have enough of its requests for it to be counted.
    pub counts: bool,
    /// Requests.
    pub requests: Figure,
    /// Requests a second.
    pub rate: Figure,
    /// CPU of its requests, cores.
    pub cores: Figure,
    /// CPU of a request, ms.
    pub cpu_ms: Figure,
    /// Median of work, ms.
    pub p50: Figure,
    /// 95th percentile of work, ms.
    pub p95: Figure,
    /// 99th percentile of work, ms.
    pub p99: Figure,
}

/// A process in two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessPair {
    /// Its name. Log text: escape it.
    pub name: String,
    /// Busy share of one core.
    pub utilisation: Figure,
    /// Requests a second.
    pub rate: Figure,
}

/// One figure in two runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Figure {
    /// Baseline, or measured.
    pub from: Option<Interval>,
    /// The other, or predicted.
    pub to: Option<Interval>,
    /// `to` less `from`; its interval where both have one.
    pub difference: Option<Interval>,
    /// `to` over `from`, less 1: the relative change, or the error of a prediction.
    pub relative: Option<f64>,
    /// Whether nought lies in the interval of the difference; `None` where noise is unknown.
    pub indistinguishable: Option<bool>,
    /// Whether the interval of `to` contains the value of `from`; `None` where it has no interval.
    pub covered: Option<bool>,
}

impl Figure {
    /// A figure of two runs. What is not finite is unknown.
    pub fn new(from: Option<Interval>, to: Option<Interval>) -> Self {
        let sane = |one: Option<Interval>| one.filter(|one| [one.value, one.low, one.high].iter().all(|value| value.is_finite()));
        let (from, to) = (sane(from), sane(to));
        let (Some(a), Some(b)) = (from, to) else { return Self { from, to, ..Self::default() } };
        let relative = (a.value != 0.0).then(|| b.value / a.value - 1.0).filter(|relative| relative.is_finite());
        let covered = has_width(b).then(|| (b.low..=b.high).contains(&a.value));
        let value = b.value - a.value;
        if !has_width(a) || !has_width(b) {
            return Self { from, to, difference: Some(Interval::exact(value)), relative, indistinguishable: None, covered };
        }
        // The bounds of a difference recovered from those of its parts (MOVER: Zou and Donner, Statistics in Medicine 27, 2008).
        let low = value - (b.value - b.low).hypot(a.high - a.value);
        let high = value + (b.high - b.value).hypot(a.value - a.low);
        let indistinguishable = Some(low <= 0.0 && 0.0 <= high);
        Self { from, to, difference: Some(Interval::new(value, low, high)), relative, indistinguishable, covered }
    }

    /// A figure of bare numbers.
    pub fn plain(from: Option<f64>, to: Option<f64>) -> Self {
        Self::new(from.map(Interval::exact), to.map(Interval::exact))
    }

    /// Whether either run has it.
    pub fn is_known(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

fn has_width(interval: Interval) -> bool {
    interval.high > interval.low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_within_noise_is_said_to_be_none() {
        let around = |value: f64, half: f64| Some(Interval::new(value, value - half, value + half));
        let same = Figure::new(around(100.0, 10.0), around(112.0, 10.0));
        assert_eq!(same.indistinguishable, Some(true), "12 is less than the root of 200");
        let other = Figure::new(around(100.0, 10.0), around(116.0, 10.0));
        assert_eq!(other.indistinguishable, Some(false));
        assert!((other.relative.unwrap() - 0.16).abs() < 1e-9);
        let difference = other.difference.unwrap();
        assert!((difference.low - (16.0 - 200_f64.sqrt())).abs() < 1e-9, "{difference:?}");
        assert_eq!(Figure::plain(Some(1.0), Some(2.0)).indistinguishable, None, "noise is not known");
    }

    #[test]
    fn a_prediction_covers_or_does_not() {
        let predicted = Some(Interval::new(50.0, 40.0, 60.0));
        let covered = |measured: f64| Figure::new(Some(Interval::exact(measured)), predicted).covered;
        assert_eq!((covered(59.0), covered(61.0)), (Some(true), Some(false)));
        assert_eq!(Figure::plain(Some(5.0), Some(5.0)).covered, None);
    }

    #[test]
    fn odd_numbers_are_unknown() {
        assert_eq!(Figure::plain(Some(f64::NAN), Some(1.0)).from, None);
        assert_eq!(Figure::plain(Some(0.0), Some(1.0)).relative, None);
        assert!(!Figure::plain(None, Some(f64::INFINITY)).is_known());
    }
}
