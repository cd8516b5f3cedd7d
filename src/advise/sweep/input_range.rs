//! The uncertainty of what goes into a simulation (request CPU that was inferred, CPU that no request line shows), joined with the noise of its
//! replications, and the error of the model.
//!
//! The CPU of a process is linear in the costs, so its range is that of the utilisation law ([`Law::input_range`]). Response times are not:
//! they are simulated with all costs at the lower and at the upper end, on the same traffic, and the ratio to the best estimate is the range.
//! How far the model itself is off is known from predictions that were measured, and from its back-test ([`ModelError`]).
//! All of these join as independent errors do, in squares. Whether a plan meets the objective is judged at the upper end of the whole.

use super::super::law::Law;
use super::super::load::Split;
use super::super::screen::loads_with_background;
use super::model::{Latency, SimulatedPlan};
use super::run_summary::RunSummary;
use wsim_plan::CheckedPlan;
use wsim_profile::Profile;
use wsim_simulate::ModelError;
use wsim_stats::Interval;

/// Factors on a plan's figures at the lower and upper end of what goes into it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InputRange {
    /// By name of the process.
    processes: Vec<(String, Interval)>,
    cores: Interval,
    /// Cores of all processes together at the peak of the observed load.
    pub(super) peak_cores: Interval,
    pub(super) latency: Option<LatencyRange>,
    model: ModelError,
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
    pub(super) const NONE: Self = Self {
        processes: Vec::new(),
        cores: Interval::exact(1.0),
        peak_cores: Interval::exact(0.0),
        latency: None,
        model: ModelError::NONE,
    };

    pub(super) fn new((plan, split): (&CheckedPlan, Option<&Split>), profile: &Profile, law: &Law, model: ModelError) -> Self {
        let loads = loads_with_background(plan, split, profile, law);
        let cores = loads.iter().map(|load| law.cores_in_total(&load.demand)).fold(Interval::exact(0.0), Interval::plus);
        let ratio = |of: Interval| if of.value > 0.0 { of.scaled(1.0 / of.value) } else { Interval::exact(1.0) };
        Self {
            processes: loads.iter().map(|load| (load.name.clone(), law.input_range(&load.demand))).collect(),
            cores: ratio(cores),
            peak_cores: cores,
            latency: None,
            model,
        }
    }

    /// With the range of the contention on the plan's machine, a factor on all CPU.
    pub(super) fn contended(mut self, contention: Interval) -> Self {
        let factor = contention.scaled(1.0 / contention.value);
        self.processes.iter_mut().for_each(|(_, range)| *range = range.widened_by(factor));
        self.cores = self.cores.widened_by(factor);
        self
    }

    /// Widens the intervals of a plan's figures, which are those of its replications, by the range of what went into it.
    /// `group_ids` are those of all groups of the workload.
    pub(super) fn widen(&self, plan: &mut SimulatedPlan, group_ids: &[String]) {
        let model = ModelError::range(self.model.utilisation);
        for process in &mut plan.summary.processes {
            let range = self.processes.iter().find(|(name, _)| *name == process.name).map_or(self.cores, |(_, range)| *range);
            process.peak = process.peak.widened_by(range).widened_by(model);
            process.mean = process.mean.map(|mean| mean.widened_by(range).widened_by(model));
        }
        plan.summary.total_cores = plan.summary.total_cores.widened_by(self.cores).widened_by(model);
        widen_by_model(plan, self.model);
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

/// Widens response times by the error of the model.
fn widen_by_model(plan: &mut SimulatedPlan, model: ModelError) {
    let [center, tail, waits] = [model.p50, model.p95, model.waits].map(ModelError::range);
    let ranges = [center, center, tail, tail];
    plan.overall = widened_latency(plan.overall, &ranges);
    for group in &mut plan.groups {
        group.latency_ms = widened_latency(group.latency_ms, &ranges);
        group.logged_ms = group.logged_ms.map(|logged| widened_latency(logged, &ranges));
        group.db_wait_ms = group.db_wait_ms.map(|times| widened_latency(times, &[waits; STATISTICS]));
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
        mean: latency.mean.widened_by(*mean),
        p50: latency.p50.widened_by(*p50),
        p95: latency.p95.widened_by(*p95),
        p99: latency.p99.widened_by(*p99),
    }
}

/// Mean, p50, p95, p99.
pub(super) const STATISTICS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contention_widens_the_cpu_of_all_processes() {
        let one = Interval { value: 1.0, low: 0.7, high: 1.3 };
        let range = InputRange { processes: vec![("main".to_owned(), one)], cores: Interval::exact(1.0), ..InputRange::NONE };
        let contended = range.contended(Interval::new(1.5, 0.9, 2.1));
        assert!((contended.cores.low - 0.6).abs() < 1e-12 && (contended.cores.high - 1.4).abs() < 1e-12);
        assert!((contended.processes[0].1.high.ln() - 1.3f64.ln().hypot(1.4f64.ln())).abs() < 1e-12);
    }
}
