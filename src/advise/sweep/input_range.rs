//! The uncertainty of what goes into a simulation (request CPU that was inferred, CPU that no request line shows), joined with the noise of its
//! replications.
//!
//! The CPU of a process is linear in the costs, so its range is that of the utilisation law ([`Law::input_range`]). Response times are not:
//! they are simulated with all costs at the lower and at the upper end, on the same traffic, and the ratio to the best estimate is the range.
//! Both ranges join as independent errors do, in squares. Whether a plan meets the objective is judged at the upper end of the whole.

use super::super::law::Law;
use super::super::screen::loads_with_background;
use super::model::{Latency, SimulatedPlan};
use super::run_summary::RunSummary;
use wsim_plan::CheckedPlan;
use wsim_profile::Profile;
use wsim_stats::Interval;

/// Factors on a plan's figures at the lower and upper end of what goes into it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InputRange {
    /// By name of the process.
    processes: Vec<(String, Interval)>,
    cores: Interval,
    pub(super) latency: Option<LatencyRange>,
}

/// Factors on response times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LatencyRange {
    overall: [Interval; STATISTICS],
    /// By endpoint group; groups without requests have no range of their own.
    groups: Vec<Option<[Interval; STATISTICS]>>,
}

impl InputRange {
    /// Nothing is uncertain: one assumption is looked at.
    pub(super) const NONE: Self = Self { processes: Vec::new(), cores: Interval::exact(1.0), latency: None };

    pub(super) fn new(plan: &CheckedPlan, profile: &Profile, law: &Law) -> Self {
        let loads = loads_with_background(plan, profile, law);
        let cores = loads.iter().map(|load| law.cores_in_total(&load.demand)).fold(Interval::exact(0.0), Interval::plus);
        let ratio = |of: Interval| if of.value > 0.0 { of.scaled(1.0 / of.value) } else { Interval::exact(1.0) };
        Self {
            processes: loads.iter().map(|load| (load.name.clone(), law.input_range(&load.demand))).collect(),
            cores: ratio(cores),
            latency: None,
        }
    }

    /// Widens the intervals of a plan's figures, which are those of its replications, by the range of what went into it.
    /// `group_ids` are those of all groups of the workload.
    pub(super) fn widen(&self, plan: &mut SimulatedPlan, group_ids: &[String]) {
        for process in &mut plan.summary.processes {
            let range = self.processes.iter().find(|(name, _)| *name == process.name).map_or(self.cores, |(_, range)| *range);
            process.peak = widened(process.peak, range);
            process.mean = process.mean.map(|mean| widened(mean, range));
        }
        plan.summary.total_cores = widened(plan.summary.total_cores, self.cores);
        let Some(latency) = &self.latency else { return };
        plan.overall = widened_latency(plan.overall, &latency.overall);
        for group in &mut plan.groups {
            let index = group_ids.iter().position(|id| *id == group.id);
            let own = index.and_then(|index| latency.groups.get(index)).and_then(Option::as_ref).unwrap_or(&latency.overall);
            group.latency_ms = widened_latency(group.latency_ms, own);
            group.logged_ms = group.logged_ms.map(|logged| widened_latency(logged, own));
        }
    }
}

impl LatencyRange {
    /// From paired runs: the same replications with all costs at the lower end, at the best estimate and at the upper end.
    pub(super) fn from_runs(low: &[RunSummary], best: &[RunSummary], high: &[RunSummary]) -> Self {
        let overall = |runs: &[RunSummary]| mean_of(runs, |run| Some(run.overall_ms()));
        let ratio = |[low, best, high]: [Option<[f64; STATISTICS]>; 3]| -> Option<[Interval; STATISTICS]> {
            let (low, best, high) = (low?, best?, high?);
            Some(std::array::from_fn(|index| ratio(low[index], best[index], high[index])))
        };
        let of = |figure: &dyn Fn(&[RunSummary]) -> Option<[f64; STATISTICS]>| ratio([figure(low), figure(best), figure(high)]);
        let groups = best.first().map_or(0, RunSummary::group_count);
        Self {
            overall: of(&overall).unwrap_or([Interval::exact(1.0); STATISTICS]),
            groups: (0..groups).map(|group| of(&|runs| mean_of(runs, |run| run.group_ms(group)))).collect(),
        }
    }

    /// The range that contains those of several plans, for plans without a range of their own.
    pub(super) fn envelope<'a>(ranges: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let join = |a: [Interval; STATISTICS], b: &[Interval; STATISTICS]| -> [Interval; STATISTICS] {
            std::array::from_fn(|index| Interval {
                value: 1.0,
                low: a[index].low.min(b[index].low),
                high: a[index].high.max(b[index].high),
            })
        };
        ranges.cloned().reduce(|all, other| Self {
            overall: join(all.overall, &other.overall),
            groups: all
                .groups
                .into_iter()
                .zip(&other.groups)
                .map(|(a, b)| match (a, b) {
                    (Some(a), Some(b)) => Some(join(a, b)),
                    (a, b) => a.or(*b),
                })
                .collect(),
        })
    }
}

fn mean_of(runs: &[RunSummary], figures: impl Fn(&RunSummary) -> Option<[f64; STATISTICS]>) -> Option<[f64; STATISTICS]> {
    let all: Vec<[f64; STATISTICS]> = runs.iter().filter_map(figures).collect();
    (!all.is_empty()).then(|| std::array::from_fn(|index| all.iter().map(|run| run[index]).sum::<f64>() / all.len() as f64))
}

/// Cheaper requests are no slower: noise of the few runs that says so is left out.
fn ratio(low: f64, best: f64, high: f64) -> Interval {
    if best > 0.0 { Interval { value: 1.0, low: (low / best).min(1.0), high: (high / best).max(1.0) } } else { Interval::exact(1.0) }
}

fn widened_latency(latency: Latency, ranges: &[Interval; STATISTICS]) -> Latency {
    let [mean, p50, p95, p99] = ranges;
    Latency {
        mean: widened(latency.mean, *mean),
        p50: widened(latency.p50, *p50),
        p95: widened(latency.p95, *p95),
        p99: widened(latency.p99, *p99),
    }
}

/// The interval of replications joined with the range of the inputs, a factor.
fn widened(noise: Interval, range: Interval) -> Interval {
    let Interval { value, low, high } = noise;
    let down = (value - low).hypot(value * (1.0 - range.low).max(0.0));
    let up = (high - value).hypot(value * (range.high - 1.0).max(0.0));
    Interval { value, low: (value - down).max(0.0), high: value + up }
}

/// Mean, p50, p95, p99.
pub(super) const STATISTICS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_errors_add_in_squares_and_each_alone_stays() {
        let joined = widened(Interval::new(1.0, 0.7, 1.3), Interval { value: 1.0, low: 0.6, high: 1.4 });
        assert!((joined.low - 0.5).abs() < 1e-12 && (joined.high - 1.5).abs() < 1e-12, "{joined:?}");
        let noise = Interval::new(2.0, 1.8, 2.1);
        let (alone, range) = (widened(noise, Interval::exact(1.0)), Interval { value: 1.0, low: 0.5, high: 2.0 });
        assert!((alone.low - 1.8).abs() < 1e-12 && (alone.high - 2.1).abs() < 1e-12);
        let inputs = widened(Interval::exact(2.0), range);
        assert_eq!((inputs.low, inputs.value, inputs.high), (1.0, 2.0, 4.0));
        assert_eq!(widened(Interval::exact(1.0), Interval { value: 1.0, low: -3.0, high: 1.0 }).low, 0.0);
    }
}
