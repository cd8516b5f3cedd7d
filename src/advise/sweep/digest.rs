//! What is kept of a run: the figures that are averaged over replications. A run's histograms are large, its figures are not.

use super::super::objective::Statistic;
use super::model::{Imbalance, Latency, Simulated, SimulatedGroup, SimulatedProcess};
use wsim_plan::Plan;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::result::{GroupResult, ProcessResult, RunResult};
use wsim_stats::{DurationHistogram, Interval, student_t};

/// The figures of one run.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    overall: Figures,
    groups: Vec<GroupFigures>,
    processes: Vec<ProcessFigures>,
    cores: f64,
    working: Vec<f64>,
    bin_seconds: f64,
    refused_share: f64,
    extrapolated_share: f64,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    mean: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Debug, Clone, Copy)]
struct GroupFigures {
    requests: u64,
    work: Figures,
    /// Measured only where a log is to be compared with.
    logged: Option<Figures>,
    waits: Option<Figures>,
}

#[derive(Debug, Clone, Copy)]
struct ProcessFigures {
    utilisation: f64,
    peak: f64,
    cores: f64,
    requests: u64,
}

impl Figures {
    fn of(work: &DurationHistogram) -> Self {
        Self { mean: work.mean_ms(), p50: work.quantile_ms(0.5), p95: work.quantile_ms(0.95), p99: work.quantile_ms(0.99) }
    }
}

impl GroupFigures {
    fn of(group: &GroupResult) -> Self {
        let any = |times: &DurationHistogram| (times.count() > 0).then(|| Figures::of(times));
        let logged = any(&group.logged);
        Self { requests: group.work.count(), work: Figures::of(&group.work), logged, waits: logged.and_then(|_| any(&group.waits)) }
    }
}

impl Digest {
    /// The timeline is kept of replication 0, which has the traffic as observed.
    pub(super) fn of(replication: u32, run: &RunResult) -> Self {
        let process = |process: &ProcessResult| ProcessFigures {
            utilisation: process.utilisation,
            peak: busiest_share(process, run.bin_seconds),
            cores: process.cores,
            requests: process.requests,
        };
        Self {
            overall: Figures::of(&run.overall()),
            groups: run.groups.iter().map(GroupFigures::of).collect(),
            processes: run.processes.iter().map(process).collect(),
            cores: run.processes.iter().map(|process| process.cores).sum(),
            working: if replication == 0 { run.working_over_time() } else { Vec::new() },
            bin_seconds: run.bin_seconds,
            refused_share: run.refused as f64 / (run.begun + run.refused).max(1) as f64,
            extrapolated_share: run.extrapolated_share,
        }
    }

    pub(super) fn mean_ms(&self) -> f64 {
        self.overall.mean
    }

    pub(super) fn p95_ms(&self) -> f64 {
        self.overall.p95
    }

    pub(super) fn busiest(&self) -> f64 {
        self.processes.iter().map(|process| process.peak).fold(0.0, f64::max)
    }
}

/// Busy share in the busiest five minutes; in all the time if that is shorter.
fn busiest_share(process: &ProcessResult, bin_seconds: f64) -> f64 {
    let bins = &process.cores_over_time;
    if process.cores <= 0.0 || bins.is_empty() {
        return process.utilisation;
    }
    let capacity = process.cores / process.utilisation;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bins are a few hundred")]
    let width = ((PEAK_SECONDS / bin_seconds.max(1e-6)).round() as usize).clamp(1, bins.len());
    let busiest = bins.windows(width).map(|window| window.iter().sum::<f64>() / width as f64).fold(0.0, f64::max);
    busiest / capacity
}

/// Mean over replications with its interval, both not below nought.
pub(super) fn interval(values: &[f64]) -> Interval {
    let Interval { value, low, high } = student_t::mean_interval(values, CONFIDENCE);
    let high = if high.is_finite() { high } else { value };
    Interval { value, low: low.max(0.0).min(value), high }
}

/// Ours less theirs over common replications; `comparisons` share the confidence out (Bonferroni).
pub(super) fn difference(ours: &[Digest], theirs: &[Digest], figure: fn(&Digest) -> f64, comparisons: usize) -> Interval {
    let values = |digests: &[Digest]| digests.iter().map(figure).collect::<Vec<_>>();
    let confidence = 1.0 - (1.0 - CONFIDENCE) / comparisons.max(1) as f64;
    student_t::paired_difference(&values(ours), &values(theirs), confidence)
}

/// Whether the intervals are as narrow as wanted: 5 % of the mean, 10 % of the 95th percentile.
pub(super) fn narrow(digests: &[Digest], mean_within: f64, p95_within: f64) -> bool {
    let within = |figure: fn(&Digest) -> f64, share: f64| {
        let interval = interval(&digests.iter().map(figure).collect::<Vec<_>>());
        interval.high - interval.value <= share * interval.value
    };
    digests.len() > 1 && within(Digest::mean_ms, mean_within) && within(Digest::p95_ms, p95_within)
}

/// A candidate's figures over its replications, not judged yet.
pub(super) fn summary(plan: &Plan, strategy: &str, deployed: &Deployment, group_ids: &[String], digests: &[Digest]) -> Simulated {
    let pools = pool_names(plan, deployed);
    let processes: Vec<SimulatedProcess> = (0..deployed.topology.processes.len())
        .map(|place| {
            let of = |figure: fn(&ProcessFigures) -> f64| {
                interval(&digests.iter().filter_map(|digest| digest.processes.get(place)).map(figure).collect::<Vec<_>>())
            };
            SimulatedProcess {
                name: deployed.topology.processes[place].name.clone(),
                pool: pools[place].clone(),
                utilisation: of(|process| process.utilisation),
                peak: of(|process| process.peak),
                requests: rounded(of(|process| process.requests as f64).value),
            }
        })
        .collect();
    let first = digests.first();
    let mean = |figure: fn(&Digest) -> f64| digests.iter().map(figure).sum::<f64>() / digests.len().max(1) as f64;
    Simulated {
        plan: plan.clone(),
        strategy: strategy.to_owned(),
        workers: plan.worker_count(),
        balance: super::super::screen::balance_words(plan),
        meets: super::super::model::Meets::No,
        verdict: String::new(),
        margin: 0.0,
        replications: u32::try_from(digests.len()).unwrap_or(u32::MAX),
        capped: false,
        imbalance: imbalance(&processes, digests),
        processes,
        groups: group_ids.iter().enumerate().filter_map(|(place, id)| group(id, place, digests)).collect(),
        overall: latency(&digests.iter().map(|digest| digest.overall).collect::<Vec<_>>()),
        total_cores: interval(&digests.iter().map(|digest| digest.cores).collect::<Vec<_>>()),
        working: first.map(|digest| digest.working.clone()).unwrap_or_default(),
        working_from_seconds: 0.0,
        bin_seconds: first.map_or(0.0, |digest| digest.bin_seconds),
        refused_share: mean(|digest| digest.refused_share),
        extrapolated_share: mean(|digest| digest.extrapolated_share),
    }
}

/// A group that most replications have seen.
fn group(id: &str, place: usize, digests: &[Digest]) -> Option<SimulatedGroup> {
    let seen: Vec<GroupFigures> =
        digests.iter().filter_map(|digest| digest.groups.get(place).copied()).filter(|group| group.requests > 0).collect();
    if seen.len() < 2 || seen.len() * 2 < digests.len() {
        return None;
    }
    let requests = seen.iter().map(|group| group.requests as f64).sum::<f64>() / digests.len() as f64;
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
    let of = |figure: fn(&Figures) -> f64| interval(&figures.iter().map(figure).collect::<Vec<_>>());
    Latency { mean: of(|f| f.mean), p50: of(|f| f.p50), p95: of(|f| f.p95), p99: of(|f| f.p99) }
}

/// Pool of each process, by the plan's names.
fn pool_names(plan: &Plan, deployed: &Deployment) -> Vec<Option<String>> {
    let workers = plan.workers();
    let pool_of = |name: &str| workers.iter().find(|worker| worker.name == name)?.pool.and_then(|index| plan.pools.get(index));
    deployed.topology.processes.iter().map(|process| pool_of(&process.name).map(|pool| pool.name.clone())).collect()
}

fn imbalance(processes: &[SimulatedProcess], digests: &[Digest]) -> Option<Imbalance> {
    let mut pools: Vec<&str> = processes.iter().filter_map(|process| process.pool.as_deref()).collect();
    pools.dedup();
    let of_pool = |pool: &str| -> Option<Imbalance> {
        let members: Vec<usize> = (0..processes.len()).filter(|place| processes[*place].pool.as_deref() == Some(pool)).collect();
        let factor = |digest: &Digest| {
            let cores: Vec<f64> = members.iter().filter_map(|place| digest.processes.get(*place)).map(|process| process.cores).collect();
            let mean = cores.iter().sum::<f64>() / cores.len().max(1) as f64;
            if mean > 0.0 { cores.iter().copied().fold(0.0, f64::max) / mean } else { 1.0 }
        };
        (members.len() > 1).then(|| Imbalance { pool: pool.to_owned(), factor: interval(&digests.iter().map(factor).collect::<Vec<_>>()) })
    };
    pools.iter().filter_map(|pool| of_pool(pool)).max_by(|a, b| a.factor.value.total_cmp(&b.factor.value))
}

impl Simulated {
    /// A figure of the latency of a group, or of all requests; `None` if the group was not seen.
    pub fn latency(&self, group: Option<&str>, statistic: Statistic) -> Option<Interval> {
        let latency = match group {
            None => Some(&self.overall),
            Some(id) => self.groups.iter().find(|group| group.id == id).map(|group| &group.latency_ms),
        };
        latency.map(|latency| latency.of(statistic))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of counts")]
fn rounded(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

const CONFIDENCE: f64 = 0.95;
const PEAK_SECONDS: f64 = 300.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_finite_and_not_below_nought() {
        let one = interval(&[3.0]);
        assert_eq!((one.low, one.value, one.high), (0.0, 3.0, 3.0));
        let wide = interval(&[0.0, 1.0]);
        assert!(wide.low == 0.0 && wide.high > 1.0);
    }
}
