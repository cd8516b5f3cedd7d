//! The data of a comparison. Times are in ms, rates per second, shares as parts of 1.

use serde::Serialize;

use wsim_plan::Plan;
use wsim_stats::Interval;

/// The command that wrote a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// `wsim analyse`.
    Analysis,
    /// `wsim simulate`.
    Simulation,
    /// `wsim replay` or `wsim merge`.
    Replay,
}

/// A run, reduced to the figures that all kinds of run have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Folder of the run, as given.
    pub name: String,
    #[serde(rename = "sort")]
    pub kind: RunKind,
    /// The simulated plan, or the plan of an emulated target.
    pub plan: Option<String>,
    /// That plan itself; `None` if the file does not contain it.
    #[serde(skip)]
    pub definition: Option<Box<Plan>>,
    /// Target of a replay.
    pub target: Option<String>,
    /// Version of wsim that wrote the run.
    pub wsim: String,
    /// RFC 3339.
    pub created: String,
    /// The command line, as typed.
    pub command: String,
    /// Traffic relative to the log: users of a replay times its speed, growth of a simulation, otherwise 1.
    pub load: f64,
    /// Time over which rates are computed, seconds.
    pub seconds: f64,
    /// Whether the run was interrupted.
    pub partial: bool,
    /// Why the run says nothing about its target; empty for a valid run.
    pub void: Vec<String>,
    /// Endpoint groups; last, under the id `all`, all groups together if those figures are known.
    pub groups: Vec<RunGroup>,
    /// Processes, or the upstreams that a replay saw.
    pub processes: Vec<RunProcess>,
}

/// An endpoint group of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunGroup {
    pub id: String,
    /// Completed requests.
    pub requests: u64,
    pub cpu_seconds: Option<f64>,
    /// CPU per request, ms.
    pub cpu_ms: Option<Interval>,
    /// Response times as the server sees them, from the first byte sent; long-poll waiting excluded.
    pub service_ms: Latencies,
    /// Response times from the scheduled time of the request; replays only.
    pub response_ms: Option<Latencies>,
    /// Response times as Synapse's own log would contain them; simulations with `--as-logged` only.
    #[serde(skip)]
    pub logged_ms: Option<Latencies>,
    /// p95 of a log with its 95 % interval, if it is known from other quantiles.
    #[serde(skip)]
    pub p95_bounds: Option<Interval>,
}

/// Quantiles, ms. An interval without width is a single figure of unknown uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Latencies {
    pub p50: Option<Interval>,
    pub p95: Option<Interval>,
    pub p99: Option<Interval>,
}

/// A process of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunProcess {
    /// `main`, a worker's name, or an upstream as the proxy names it. Log text: escape it.
    pub name: String,
    pub requests: u64,
    /// Busy share of one core.
    pub utilisation: Option<Interval>,
}

/// Relation of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PairKind {
    /// Before and after.
    Change,
    /// Measured and predicted.
    Prediction,
}

/// Two runs, figure by figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunPair {
    pub kind: PairKind,
    /// Index of the baseline; of the measured run in a prediction.
    pub from: usize,
    /// Index of the other run; of the simulation in a prediction.
    pub to: usize,
    /// The result in one sentence.
    pub verdict: String,
    pub summary: Summary,
    pub groups: Vec<GroupPair>,
    pub processes: Vec<ProcessPair>,
}

/// How many groups changed, and how well groups were predicted. Groups with too few requests do not count, nor does `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// Groups with a median in both runs.
    pub groups: u64,
    /// Groups whose p95 is larger by more than the uncertainty.
    pub slower: u64,
    /// Groups whose p95 is smaller by more than the uncertainty.
    pub faster: u64,
    /// Groups whose p95 differs by no more than the uncertainty.
    pub indistinguishable: u64,
    /// Medians predicted with an error of at most 20 %.
    pub p50_within: u64,
    /// 95th percentiles predicted with an error of at most 30 %.
    pub p95_within: u64,
    /// Medians within the predicted interval.
    pub p50_covered: u64,
    /// 95th percentiles within the predicted interval.
    pub p95_covered: u64,
}

/// An endpoint group in two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupPair {
    pub id: String,
    /// Whether both runs have enough requests of the group for it to count.
    pub counts: bool,
    pub requests: FigurePair,
    /// Requests per second.
    pub rate: FigurePair,
    /// CPU of the requests, cores.
    pub cores: FigurePair,
    /// CPU per request, ms.
    pub cpu_ms: FigurePair,
    /// Quantiles of response times, ms, long-poll waiting excluded.
    pub p50: FigurePair,
    pub p95: FigurePair,
    pub p99: FigurePair,
    /// p95 with the interval that a log's other quantiles give it; for the verdict only.
    #[serde(skip)]
    pub p95_bounds: FigurePair,
}

/// A process in two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessPair {
    /// Log text: escape it.
    pub name: String,
    /// Busy share of one core.
    pub utilisation: FigurePair,
    /// Requests per second.
    pub rate: FigurePair,
}

/// A figure in two runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct FigurePair {
    /// Value of the baseline, or the measured value.
    pub from: Option<Interval>,
    /// Value of the other run, or the predicted value.
    pub to: Option<Interval>,
    /// `to` - `from`, with uncertainty if both values have one.
    pub difference: Option<Interval>,
    /// `to` / `from` - 1: the relative change, or the error of a prediction.
    pub relative: Option<f64>,
    /// Whether the difference is within its uncertainty; `None` if the uncertainty is unknown.
    pub indistinguishable: Option<bool>,
    /// Whether the interval of `to` contains the value of `from`; `None` if `to` has no interval.
    pub covered: Option<bool>,
}

impl FigurePair {
    /// A figure in two runs. Values that are not finite count as unknown.
    pub fn new(from: Option<Interval>, to: Option<Interval>) -> Self {
        let finite = |interval: Option<Interval>| interval.filter(|i| [i.value, i.low, i.high].iter().all(|value| value.is_finite()));
        let (from, to) = (finite(from), finite(to));
        let (Some(a), Some(b)) = (from, to) else { return Self { from, to, ..Self::default() } };
        let relative = (a.value != 0.0).then(|| b.value / a.value - 1.0).filter(|relative| relative.is_finite());
        let covered = has_width(b).then(|| (b.low..=b.high).contains(&a.value));
        let value = b.value - a.value;
        if !has_width(a) || !has_width(b) {
            return Self { from, to, difference: Some(Interval::exact(value)), relative, indistinguishable: None, covered };
        }
        // Interval of a difference, recovered from the intervals of its parts (MOVER: Zou and Donner, Statistics in Medicine 27, 2008).
        let low = value - (b.value - b.low).hypot(a.high - a.value);
        let high = value + (b.high - b.value).hypot(a.value - a.low);
        let indistinguishable = Some(low <= 0.0 && 0.0 <= high);
        Self { from, to, difference: Some(Interval::new(value, low, high)), relative, indistinguishable, covered }
    }

    /// A figure without uncertainty.
    pub fn exact(from: Option<f64>, to: Option<f64>) -> Self {
        Self::new(from.map(Interval::exact), to.map(Interval::exact))
    }

    /// Whether at least one run has the figure.
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
    fn a_difference_within_its_uncertainty_is_indistinguishable() {
        let around = |value: f64, half: f64| Some(Interval::new(value, value - half, value + half));
        let same = FigurePair::new(around(100.0, 10.0), around(112.0, 10.0));
        assert_eq!(same.indistinguishable, Some(true), "12 is less than the square root of 200");
        let other = FigurePair::new(around(100.0, 10.0), around(116.0, 10.0));
        assert_eq!(other.indistinguishable, Some(false));
        assert!((other.relative.unwrap() - 0.16).abs() < 1e-9);
        let difference = other.difference.unwrap();
        assert!((difference.low - (16.0 - 200_f64.sqrt())).abs() < 1e-9, "{difference:?}");
        assert_eq!(FigurePair::exact(Some(1.0), Some(2.0)).indistinguishable, None, "the uncertainty is unknown");
    }

    #[test]
    fn a_prediction_covers_values_within_its_interval() {
        let predicted = Some(Interval::new(50.0, 40.0, 60.0));
        let covered = |measured: f64| FigurePair::new(Some(Interval::exact(measured)), predicted).covered;
        assert_eq!((covered(59.0), covered(61.0)), (Some(true), Some(false)));
        assert_eq!(FigurePair::exact(Some(5.0), Some(5.0)).covered, None);
    }

    #[test]
    fn numbers_that_are_not_finite_are_unknown() {
        assert_eq!(FigurePair::exact(Some(f64::NAN), Some(1.0)).from, None);
        assert_eq!(FigurePair::exact(Some(0.0), Some(1.0)).relative, None);
        assert!(!FigurePair::exact(None, Some(f64::INFINITY)).is_known());
    }
}
