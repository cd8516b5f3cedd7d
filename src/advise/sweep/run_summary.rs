//! The figures of one run that are averaged over replications. A run's histograms are large, its figures are small.

use std::ops::Range;

use super::super::limits::{LimitKind, pool_share};
use super::super::model::{Meets, PlanSummary, ProcessRole, ProcessSummary, first_largest};
use super::super::words;
use super::input_range::STATISTICS;
use super::model::{Imbalance, Latency, SimulatedGroup, SimulatedPlan, Unstable};
use wsim_plan::CheckedPlan;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::replications::LatencyFigures;
use wsim_simulate::result::{Bottleneck, GroupResult, Instability, ProcessResult, RunResult};
use wsim_simulate::topology::ProcessSpec;
use wsim_stats::{DurationHistogram, Interval, student_t};

#[derive(Debug, Clone)]
pub(super) struct RunSummary {
    pub(super) overall: Figures,
    pub(super) groups: Vec<GroupFigures>,
    pub(super) processes: Vec<ProcessFigures>,
    pub(super) cores: f64,
    pub(super) working: Vec<f64>,
    pub(super) bin_seconds: f64,
    pub(super) rejected_share: f64,
    pub(super) extrapolated_share: f64,
    pub(super) instability: Option<Instability>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct GroupFigures {
    pub(super) requests: u64,
    pub(super) work: Figures,
    /// Measured only for comparison with a log.
    pub(super) logged: Option<Figures>,
    pub(super) waits: Option<Figures>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessFigures {
    pub(super) utilisation: f64,
    pub(super) peak: f64,
    pub(super) cores: f64,
    pub(super) requests: u64,
    /// Busy share of the connections in the five minutes in which they are busiest, with waits taken into account.
    pub(super) connections: Interval,
}

impl Figures {
    fn from_histogram(work: &DurationHistogram) -> Self {
        Self { mean: work.mean_ms(), p50: work.quantile_ms(0.5), p95: work.quantile_ms(0.95), p99: work.quantile_ms(0.99) }
    }
}

impl Figures {
    fn statistics(&self) -> [f64; STATISTICS] {
        [self.mean, self.p50, self.p95, self.p99]
    }
}

impl GroupFigures {
    fn from_result(group: &GroupResult) -> Self {
        let any = |times: &DurationHistogram| (times.count() > 0).then(|| Figures::from_histogram(times));
        let logged = any(&group.logged);
        Self {
            requests: group.work.count(),
            work: Figures::from_histogram(&group.work),
            logged,
            waits: logged.and_then(|_| any(&group.waits)),
        }
    }
}

impl RunSummary {
    /// The timeline is kept for replication 0 only, which has the observed traffic.
    pub(super) fn from_run(replication: u32, run: &RunResult) -> Self {
        let peak = peak_bins(&run.processes, run.bin_seconds);
        let process = |process: &ProcessResult| ProcessFigures {
            utilisation: process.utilisation,
            peak: peak_share(process, &peak),
            cores: process.cores,
            requests: process.requests,
            connections: connections_share(process, run.bin_seconds),
        };
        Self {
            overall: Figures::from_histogram(&run.overall()),
            groups: run.groups.iter().map(GroupFigures::from_result).collect(),
            processes: run.processes.iter().map(process).collect(),
            cores: run.processes.iter().map(|process| process.cores).sum(),
            working: if replication == 0 { run.active_over_time() } else { Vec::new() },
            bin_seconds: run.bin_seconds,
            rejected_share: run.rejected as f64 / (run.started + run.rejected).max(1) as f64,
            extrapolated_share: run.extrapolated_share,
            instability: run.instability(),
        }
    }

    /// A run of which only the response times of all requests are known, ms.
    #[cfg(test)]
    pub(super) fn with_times(mean: f64, p95: f64) -> Self {
        Self {
            overall: Figures { mean, p50: mean, p95, p99: p95 },
            groups: Vec::new(),
            processes: Vec::new(),
            cores: 0.0,
            working: Vec::new(),
            bin_seconds: 1.0,
            rejected_share: 0.0,
            extrapolated_share: 0.0,
            instability: None,
        }
    }

    /// Mean, p50, p95 and p99 of all response times, ms.
    pub(super) fn overall_ms(&self) -> [f64; STATISTICS] {
        self.overall.statistics()
    }

    /// Mean, p50, p95 and p99 of a group's response times, ms; `None` without requests.
    pub(super) fn group_ms(&self, group: usize) -> Option<[f64; STATISTICS]> {
        self.groups.get(group).filter(|group| group.requests > 0).map(|group| group.work.statistics())
    }

    /// Busy share of a process at the peak.
    pub(super) fn peak_of(&self, process: usize) -> Option<f64> {
        self.processes.get(process).map(|process| process.peak)
    }

    /// Busy share of a process's connections in the five minutes in which they are busiest.
    pub(super) fn connections_of(&self, process: usize) -> Option<f64> {
        self.processes.get(process).map(|process| process.connections.value)
    }

    /// Requests at work in all processes, mean per bin.
    pub(super) fn into_working(self) -> Vec<f64> {
        self.working
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Peak of the busiest process.
    pub(super) fn highest_peak(&self) -> f64 {
        self.processes.iter().map(|process| process.peak).fold(0.0, f64::max)
    }
}

impl LatencyFigures for RunSummary {
    fn mean_ms(&self) -> f64 {
        self.overall.mean
    }

    fn p95_ms(&self) -> f64 {
        self.overall.p95
    }

    fn is_stable(&self) -> bool {
        self.instability.is_none()
    }
}

/// The bins of the five minutes in which all processes together use most CPU: of equals the first; all bins if those are fewer. One peak for
/// all processes, as in the log, so that their shares belong together.
fn peak_bins(processes: &[ProcessResult], bin_seconds: f64) -> Range<usize> {
    let bins = processes.iter().map(|process| process.cores_over_time.len()).max().unwrap_or(0);
    let total = |bin: usize| processes.iter().filter_map(|process| process.cores_over_time.get(bin)).sum::<f64>();
    let totals: Vec<f64> = (0..bins).map(total).collect();
    let width = bins_of_five_minutes(bins, bin_seconds);
    let sums = totals.windows(width).map(|window| window.iter().sum::<f64>());
    let start = first_largest(sums).unwrap_or(0);
    start..(start + width).min(bins)
}

/// Busy share in the given bins; in the whole run where there are none.
fn peak_share(process: &ProcessResult, peak: &Range<usize>) -> f64 {
    match process.cores_over_time.get(peak.clone()) {
        Some(bins) if process.cores > 0.0 && !bins.is_empty() => {
            bins.iter().sum::<f64>() / bins.len() as f64 / (process.cores / process.utilisation)
        }
        _ => process.utilisation,
    }
}

/// The largest mean over five minutes; over all bins if those are fewer.
fn busiest_five_minutes(bins: &[f64], bin_seconds: f64) -> f64 {
    let width = bins_of_five_minutes(bins.len(), bin_seconds);
    bins.windows(width).map(|window| window.iter().sum::<f64>() / width as f64).fold(0.0, f64::max)
}

fn bins_of_five_minutes(bins: usize, bin_seconds: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bins are a few hundred")]
    let width = (PEAK_SECONDS / bin_seconds.max(1e-6)).round() as usize;
    width.clamp(1, bins.max(1))
}

/// Busy share of a process's connections in their busiest five minutes, by the rule that the screen applies to logged waits.
fn connections_share(process: &ProcessResult, bin_seconds: f64) -> Interval {
    let busy = busiest_five_minutes(&process.connections_over_time, bin_seconds);
    let waits = (process.connections.present - process.connections_busy).max(0.0) / process.connections_busy.max(1e-9);
    pool_share(busy, busy * waits, process.connections_all)
}

/// Mean over replications with the interval of what another run would show, both at least zero. Means, because shares of a process and those of
/// all together must add up.
pub(super) fn interval(values: &[f64]) -> Interval {
    let Interval { low, high, .. } = student_t::prediction_interval(values, CONFIDENCE);
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    Interval::new(mean, low.max(0.0), high)
}

/// The response time in the middle of what another run would show, with its interval. Near saturation a few replications are many times slower:
/// they belong into the interval, and would pull a mean away from what most runs show.
fn time_interval(values: &[f64]) -> Interval {
    let Interval { value, low, high } = student_t::prediction_interval(values, CONFIDENCE);
    Interval { value, low: low.max(0.0), high }
}

/// Paired difference `plan - baseline` over common replications; the confidence is divided among `comparisons` (Bonferroni).
pub(super) fn difference(plan: &[RunSummary], baseline: &[RunSummary], figure: fn(&RunSummary) -> f64, comparisons: usize) -> Interval {
    let values = |runs: &[RunSummary]| runs.iter().map(figure).collect::<Vec<_>>();
    let confidence = 1.0 - (1.0 - CONFIDENCE) / comparisons.max(1) as f64;
    student_t::paired_difference(&values(plan), &values(baseline), confidence)
}

/// A plan's figures over its runs, before they are compared with the objective. `measured_seconds` is the measured time of one run.
pub(super) fn simulated_plan(
    plan: &CheckedPlan,
    strategy: &str,
    deployed: &Deployment,
    group_ids: &[String],
    runs: &[RunSummary],
    measured_seconds: f64,
) -> SimulatedPlan {
    let processes = processes(plan, deployed, runs, measured_seconds);
    let first = runs.first();
    let mean = |figure: fn(&RunSummary) -> f64| runs.iter().map(figure).sum::<f64>() / runs.len().max(1) as f64;
    SimulatedPlan {
        strategy: strategy.to_owned(),
        replications: u32::try_from(runs.len()).unwrap_or(u32::MAX),
        capped: false,
        imbalance: imbalance(&processes, runs),
        groups: group_ids.iter().enumerate().filter_map(|(index, id)| group(id, index, runs)).collect(),
        overall: latency(&runs.iter().map(|run| run.overall).collect::<Vec<_>>()),
        working: first.map(|run| run.working.clone()).unwrap_or_default(),
        working_from_seconds: 0.0,
        bin_seconds: first.map_or(0.0, |run| run.bin_seconds),
        rejected_share: mean(|run| run.rejected_share),
        extrapolated_share: mean(|run| run.extrapolated_share),
        unstable: unstable(&processes, runs),
        summary: PlanSummary {
            plan: plan.clone(),
            workers: plan.worker_count(),
            balance: words::balance(plan),
            meets: Meets::No,
            reason: String::new(),
            margin: 0.0,
            limits: Vec::new(),
            response_times: Vec::new(),
            processes,
            total_cores: interval(&runs.iter().map(|run| run.cores).collect::<Vec<_>>()),
        },
    }
}

/// What most of the runs that are not stable pile up at; `None` if nearly all are stable. Each run has parameters of its own, and names of clones that
/// nobody knows: a few that pile up are the upper end of the figures' intervals.
fn unstable(processes: &[ProcessSummary], runs: &[RunSummary]) -> Option<Unstable> {
    let found: Vec<Instability> = runs.iter().filter_map(|run| run.instability).collect();
    if found.len() * UNSTABLE_RUNS < runs.len() {
        return None;
    }
    let count = |one: &Instability| found.iter().filter(|other| *other == one).count();
    let most = found.iter().rev().max_by_key(|one| count(one))?;
    Some(Unstable {
        cause: match most.cause {
            Bottleneck::Cpu => Some(LimitKind::Cpu),
            Bottleneck::Connections => Some(LimitKind::Connections),
            Bottleneck::Queue => None,
        },
        place: processes.get(most.process).map(|process| process.name.clone()).unwrap_or_default(),
        is_certain: found.len() * 2 >= runs.len(),
    })
}

/// The processes of a deployment, the main process first.
fn processes(plan: &CheckedPlan, deployed: &Deployment, runs: &[RunSummary], measured_seconds: f64) -> Vec<ProcessSummary> {
    let workers = plan.workers();
    let of_process = |index: usize, name: &str| {
        let worker = workers.iter().find(|worker| worker.name == name);
        let of = |figure: fn(&ProcessFigures) -> f64| {
            interval(&runs.iter().filter_map(|run| run.processes.get(index)).map(figure).collect::<Vec<_>>())
        };
        let requests = rounded(of(|process| process.requests as f64).value);
        ProcessSummary {
            name: name.to_owned(),
            role: if worker.is_none() { ProcessRole::Main } else { ProcessRole::Worker },
            pool: worker.and_then(|worker| plan.pools.get(worker.pool?)).map(|pool| pool.name.clone()),
            peak: of(|process| process.peak),
            mean: Some(of(|process| process.utilisation)),
            idle: Interval::exact(idle_share(&deployed.topology.processes[index])),
            connections: Some(connections(index, runs)),
            requests_per_second: requests as f64 / measured_seconds.max(1e-6),
            requests,
            limit: None,
        }
    };
    deployed.topology.processes.iter().enumerate().map(|(index, process)| of_process(index, &process.name)).collect()
}

/// Busy share of a process's connections: the ends are those of the replications and of the rule.
fn connections(index: usize, runs: &[RunSummary]) -> Interval {
    let of = |bound: fn(Interval) -> f64| {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.processes.get(index)).map(|process| bound(process.connections)).collect();
        interval(&values)
    };
    let share = of(|share| share.value);
    Interval::new(share.value, of(|share| share.low).low, share.high)
}

/// Busy share of a process without requests.
fn idle_share(process: &ProcessSpec) -> f64 {
    process.background.rate * process.background.slice.seconds() / process.cpu.capacity()
}

/// A group that had requests in at least half of the runs, and in at least two.
fn group(id: &str, index: usize, runs: &[RunSummary]) -> Option<SimulatedGroup> {
    let seen: Vec<GroupFigures> = runs.iter().filter_map(|run| run.groups.get(index).copied()).filter(|group| group.requests > 0).collect();
    if seen.len() < 2 || seen.len() * 2 < runs.len() {
        return None;
    }
    let requests = seen.iter().map(|group| group.requests as f64).sum::<f64>() / runs.len() as f64;
    let of = |figures: fn(&GroupFigures) -> Option<Figures>| {
        let figures: Vec<Figures> = seen.iter().filter_map(figures).collect();
        (!figures.is_empty()).then(|| latency(&figures))
    };
    Some(SimulatedGroup {
        id: id.to_owned(),
        requests: rounded(requests),
        latency_ms: of(|group| Some(group.work))?,
        logged_ms: of(|group| group.logged),
        db_wait_ms: of(|group| group.waits),
    })
}

fn latency(figures: &[Figures]) -> Latency {
    let of = |figure: fn(&Figures) -> f64| time_interval(&figures.iter().map(figure).collect::<Vec<_>>());
    Latency { mean: of(|f| f.mean), p50: of(|f| f.p50), p95: of(|f| f.p95), p99: of(|f| f.p99) }
}

fn imbalance(processes: &[ProcessSummary], runs: &[RunSummary]) -> Option<Imbalance> {
    let mut pools: Vec<&str> = processes.iter().filter_map(|process| process.pool.as_deref()).collect();
    pools.dedup();
    let of_pool = |pool: &str| -> Option<Imbalance> {
        let members: Vec<usize> = (0..processes.len()).filter(|index| processes[*index].pool.as_deref() == Some(pool)).collect();
        let factor = |run: &RunSummary| {
            let cores: Vec<f64> = members.iter().filter_map(|index| run.processes.get(*index)).map(|process| process.cores).collect();
            let mean = cores.iter().sum::<f64>() / cores.len().max(1) as f64;
            if mean > 0.0 { cores.iter().copied().fold(0.0, f64::max) / mean } else { 1.0 }
        };
        (members.len() > 1).then(|| Imbalance { pool: pool.to_owned(), factor: interval(&runs.iter().map(factor).collect::<Vec<_>>()) })
    };
    pools.iter().filter_map(|pool| of_pool(pool)).max_by(|a, b| a.factor.value.total_cmp(&b.factor.value))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of counts")]
fn rounded(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

const CONFIDENCE: f64 = 0.95;
/// One in so many runs that piles up makes a plan perhaps unstable.
const UNSTABLE_RUNS: usize = 4;
const PEAK_SECONDS: f64 = 300.0;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_simulate::result::StationResult;

    #[test]
    fn all_processes_have_one_peak_in_which_they_together_use_most_cpu() {
        let process = |cores_over_time: &[f64]| ProcessResult {
            cores: 0.2,
            utilisation: 0.4,
            requests: 0,
            reactor: StationResult { present: 0.0, visits: 0, visit_seconds: 0.0 },
            connections: StationResult { present: 0.0, visits: 0, visit_seconds: 0.0 },
            connections_busy: 0.0,
            connections_all: 5,
            writing: 0.0,
            connections_over_time: Vec::new(),
            waits: DurationHistogram::default(),
            active: 0.0,
            active_largest: 0,
            active_over_time: Vec::new(),
            cores_over_time: cores_over_time.to_vec(),
        };
        // Bins of 150 s: together they use most in the third and fourth.
        let processes = [process(&[0.3, 0.3, 0.1, 0.2, 0.0]), process(&[0.1, 0.0, 0.5, 0.4, 0.1])];
        let peak = peak_bins(&processes, 150.0);
        assert_eq!(peak, 2..4);
        // Half a core is all that each may use.
        let shares: Vec<f64> = processes.iter().map(|process| peak_share(process, &peak)).collect();
        assert!((shares[0] - 0.3).abs() < 1e-12 && (shares[1] - 0.9).abs() < 1e-12, "{shares:?}");
        assert_eq!(peak_bins(&processes, 10.0), 0..5, "a shorter run is its own peak");
        assert_eq!((peak_bins(&[], 10.0), peak_share(&process(&[]), &(0..0))), (0..0, 0.4));
    }

    #[test]
    fn a_few_runs_that_pile_up_are_no_unstable_plan() {
        let run = |unstable: bool| {
            let instability = unstable.then_some(Instability { cause: Bottleneck::Cpu, process: 0 });
            RunSummary { instability, ..RunSummary::with_times(1.0, 1.0) }
        };
        let of = |unstable: usize| unstable_of(&(0..20).map(|number| run(number < unstable)).collect::<Vec<_>>());
        assert_eq!([0, 1, 4, 5, 9, 10, 20].map(of), [None, None, None, Some(false), Some(false), Some(true), Some(true)]);
    }

    fn unstable_of(runs: &[RunSummary]) -> Option<bool> {
        unstable(&[], runs).map(|unstable| unstable.is_certain)
    }

    #[test]
    fn an_interval_is_finite_and_not_below_zero() {
        let one = interval(&[3.0]);
        assert_eq!((one.low, one.value, one.high), (3.0, 3.0, 3.0));
        let wide = interval(&[0.0, 1.0]);
        assert!(wide.low == 0.0 && wide.high > 1.0);
    }
}
