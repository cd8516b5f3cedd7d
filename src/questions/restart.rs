//! Restarts: one process at a time, all of them one after another in several orders, or a new worker that joins a pool. How long it takes until
//! requests are served as before, and how much longer they wait in all.
//!
//! Each case is simulated beside the plan without it, on the same requests with the same random numbers, so that the difference is the restart's.

use serde::Serialize;

use wsim_advise::sweep::SweepInput;
use wsim_plan::CheckedPlan;
use wsim_simulate::deploy::{DeployError, Deployment};
use wsim_simulate::outages::{OUTAGES_MAX, Outages};
use wsim_simulate::prepare::PreparedWorkload;
use wsim_simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim_simulate::result::RunResult;
use wsim_simulate::time::{Span, Time};
use wsim_simulate::topology::{Topology, TopologyError};
use wsim_stats::{Interval, student_t};

/// How processes are restarted.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartConfig {
    /// From a process's last request to its first, seconds.
    pub down_seconds: f64,
    /// From one restart's end to the next restart, seconds.
    pub pause_seconds: f64,
    /// CPU of requests right after a start over what it is later, less 1.
    pub cold: f64,
    /// Seconds in which that falls to a third.
    pub warming_seconds: f64,
    pub seed: u64,
    pub replications: ReplicationConfig,
}

/// One way to restart.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// `main`, `sync1`, `all, busiest first`.
    pub name: String,
    /// The processes in order.
    pub processes: Vec<String>,
    /// Seconds that requests of the measured time wait longer, all of them together.
    pub waiting_seconds: Interval,
    /// The largest number of requests at work more than without the restart, mean over ten seconds. A request that waits for a process to come back is not
    /// at work yet.
    pub worst: Interval,
    /// Seconds from the beginning of the first restart until requests are served as without it; `None`: not within the measured time.
    pub recovered_seconds: Option<f64>,
    /// p95 of all requests in the measured time, ms, with and without.
    pub p95_ms: f64,
    pub p95_without_ms: f64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Restart {
    pub plan: String,
    pub seed: u64,
    pub down_seconds: f64,
    pub pause_seconds: f64,
    pub cold: f64,
    pub warming_seconds: f64,
    /// Seconds from the first restart to the end of the simulated time.
    pub seconds_after: f64,
    pub replications: u32,
    /// Single processes first, then all of them in several orders, the one that hurts least first.
    pub cases: Vec<Case>,
    /// Requests at work without a restart, mean.
    pub usual: f64,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("the simulated time is too short for a restart of {0} s: it has {1} s after its warm-up")]
    Short(String, String),
    #[error("interrupted before the first run was complete")]
    Interrupted,
}

/// Simulates restarts of every process of a plan, and of all of them one after another.
///
/// # Errors
/// The plan cannot be deployed, or the log is too short.
pub fn restart(input: &SweepInput<'_>, plan: &CheckedPlan, config: &RestartConfig) -> Result<Restart, RestartError> {
    let prepared = PreparedWorkload::new(input.trace, input.endpoints, input.profile, input.window, input.prepare);
    let mut deployment = Deployment::from_plan(plan, input.endpoints, &prepared)?;
    prepared.load_unseen_events(&mut deployment.topology, 1.0);
    let span = prepared.workload.span.seconds();
    let warm_up = config.replications.warm_up.seconds().min(span / 2.0);
    let measured = span - warm_up;
    // Some time before the restart shows that both runs are the same until then.
    let first = warm_up + measured * LEAD;
    let seconds_after = span - first;
    if seconds_after < 2.0 * config.down_seconds {
        let whole = |seconds: f64| format!("{seconds:.0}");
        return Err(RestartError::Short(whole(config.down_seconds), whole(measured)));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let bins = measured.clamp(4.0, BINS_MAX) as u64;
    let replications = ReplicationConfig { bins, uncertainty: prepared.uncertainty, ..config.replications };
    let scenario = Scenario {
        workload: &prepared.workload,
        growth: 1.0,
        costs: &prepared.costs,
        seed: config.seed,
        config: replications,
        stop: &input.prepare.stop,
    };
    let stage = Stage { scenario, deployment: &deployment, warm_up: Span::from_seconds(warm_up), first, config };
    let usual = stage.runs(&[])?;
    if usual.is_empty() {
        return Err(RestartError::Interrupted);
    }
    let serving: Vec<u16> = serving(&deployment.topology, &usual);
    let mut orders: Vec<(String, Vec<u16>)> =
        serving.iter().map(|process| (deployment.topology.processes[usize::from(*process)].name.clone(), vec![*process])).collect();
    if serving.len() > 1 {
        orders.extend(all_in_order(&serving, &usual));
    }
    let mut cases = Vec::new();
    for (name, order) in orders {
        let runs = stage.runs(&order)?;
        if runs.is_empty() {
            break;
        }
        cases.push(stage.case(name, &order, &runs, &usual));
    }
    let single = serving.len().min(cases.len());
    cases[single..].sort_by(|a, b| a.waiting_seconds.value.total_cmp(&b.waiting_seconds.value));
    Ok(Restart {
        plan: plan.name.clone(),
        seed: config.seed,
        down_seconds: config.down_seconds,
        pause_seconds: config.pause_seconds,
        cold: config.cold,
        warming_seconds: config.warming_seconds,
        seconds_after,
        replications: u32::try_from(usual.len()).unwrap_or(u32::MAX),
        usual: usual.iter().map(|run| mean(&run.active)).sum::<f64>() / usual.len() as f64,
        cases,
    })
}

/// Processes that serve clients or servers, main first.
fn serving(topology: &Topology, usual: &[Kept]) -> Vec<u16> {
    let all = 0..u16::try_from(topology.processes.len()).unwrap_or(u16::MAX);
    let has_requests = |process: &u16| usual.iter().any(|run| run.requests.get(usize::from(*process)).is_some_and(|count| *count > 0));
    all.filter(has_requests).take(OUTAGES_MAX).collect()
}

/// All processes in the orders that people ask about.
fn all_in_order(serving: &[u16], usual: &[Kept]) -> Vec<(String, Vec<u16>)> {
    let load = |process: u16| usual.iter().filter_map(|run| run.cores.get(usize::from(process))).sum::<f64>();
    let mut busiest_first = serving.to_vec();
    busiest_first.sort_by(|a, b| load(*b).total_cmp(&load(*a)));
    let busiest_last: Vec<u16> = busiest_first.iter().rev().copied().collect();
    let main_last: Vec<u16> =
        serving.iter().filter(|process| **process != 0).chain(serving.iter().filter(|process| **process == 0)).copied().collect();
    let mut orders = vec![
        ("all, main first".to_owned(), serving.to_vec()),
        ("all, main last".to_owned(), main_last),
        ("all, busiest first".to_owned(), busiest_first),
        ("all, busiest last".to_owned(), busiest_last),
    ];
    let mut seen: Vec<Vec<u16>> = Vec::new();
    orders.retain(|(_, order)| {
        let is_new = !seen.contains(order);
        seen.push(order.clone());
        is_new
    });
    orders
}

/// What is kept of a run.
#[derive(Debug, Clone)]
struct Kept {
    /// Requests at work, mean per bin.
    active: Vec<f64>,
    bin_seconds: f64,
    requests: Vec<u64>,
    cores: Vec<f64>,
    /// Response times of all requests together, s.
    response_seconds: f64,
    p95_ms: f64,
}

impl Kept {
    fn of(run: &RunResult) -> Self {
        let overall = run.overall();
        Self {
            active: run.active_over_time(),
            bin_seconds: run.bin_seconds,
            requests: run.processes.iter().map(|process| process.requests).collect(),
            cores: run.processes.iter().map(|process| process.cores).collect(),
            response_seconds: overall.mean_ms() * overall.count() as f64 / 1000.0,
            p95_ms: overall.quantile_ms(0.95),
        }
    }
}

struct Stage<'a> {
    scenario: Scenario<'a>,
    deployment: &'a Deployment,
    warm_up: Span,
    /// Beginning of the first restart, seconds from the start.
    first: f64,
    config: &'a RestartConfig,
}

impl Stage<'_> {
    fn runs(&self, order: &[u16]) -> Result<Vec<Kept>, TopologyError> {
        let RestartConfig { down_seconds, pause_seconds, cold, warming_seconds, .. } = *self.config;
        let seconds = Span::from_seconds;
        let outages = Outages::rolling(order, Time::ZERO + seconds(self.first), seconds(down_seconds), seconds(pause_seconds));
        let topology = Topology { outages: outages.warming(cold, seconds(warming_seconds)), ..self.deployment.topology.clone() };
        let candidate = Candidate { topology: &topology, routers: &self.deployment.routers };
        let count = self.scenario.config.most;
        let runs = self.scenario.run_replications(&[candidate], 0..count, self.warm_up, |_, run| Kept::of(&run))?;
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    fn case(&self, name: String, order: &[u16], runs: &[Kept], usual: &[Kept]) -> Case {
        let pairs: Vec<Vec<f64>> = runs.iter().zip(usual).map(|(with, without)| difference(&with.active, &without.active)).collect();
        let bin = usual.first().map_or(1.0, |run| run.bin_seconds).max(1e-9);
        let waiting: Vec<f64> = runs.iter().zip(usual).map(|(with, without)| with.response_seconds - without.response_seconds).collect();
        let smooth: Vec<Vec<f64>> = pairs.iter().map(|bins| smoothed(bins, bin)).collect();
        let worst: Vec<f64> = smooth.iter().map(|bins| bins.iter().copied().fold(0.0, f64::max)).collect();
        let count = pairs.len().max(1) as f64;
        let bins = smooth.first().map_or(0, Vec::len);
        let mean_excess: Vec<f64> = (0..bins).map(|bin| smooth.iter().map(|one| one[bin]).sum::<f64>() / count).collect();
        let usual_level = usual.iter().map(|run| mean(&run.active)).sum::<f64>() / usual.len().max(1) as f64;
        let limit = (usual_level * RECOVERED_SHARE).max(RECOVERED_LEAST);
        let lead = self.first - self.warm_up.seconds();
        let last = mean_excess.iter().rposition(|excess| *excess > limit);
        let name_of = |process: &u16| self.deployment.topology.processes[usize::from(*process)].name.clone();
        let mean_p95 = |runs: &[Kept]| runs.iter().map(|run| run.p95_ms).sum::<f64>() / runs.len().max(1) as f64;
        Case {
            name,
            processes: order.iter().map(name_of).collect(),
            waiting_seconds: student_t::mean_interval(&waiting, 0.95),
            worst: student_t::mean_interval(&worst, 0.95),
            recovered_seconds: match last {
                None => Some(0.0),
                Some(last) if last + 1 >= bins => None,
                Some(last) => Some(((last + 1) as f64 * bin - lead).max(0.0)),
            },
            p95_ms: mean_p95(runs),
            p95_without_ms: mean_p95(usual),
        }
    }
}

fn difference(with: &[f64], without: &[f64]) -> Vec<f64> {
    with.iter().zip(without).map(|(with, without)| with - without).collect()
}

/// Means over the ten seconds around each bin.
fn smoothed(bins: &[f64], bin_seconds: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let half = (SMOOTH_SECONDS / 2.0 / bin_seconds).clamp(0.0, 1000.0) as usize;
    (0..bins.len()).map(|bin| mean(&bins[bin.saturating_sub(half)..(bin + half + 1).min(bins.len())])).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Share of the measured time before the first restart.
const LEAD: f64 = 0.15;
const BINS_MAX: f64 = 3600.0;
const SMOOTH_SECONDS: f64 = 10.0;
/// Requests are served as before when no more than this share of the usual number is at work in addition, and no more than half a request.
const RECOVERED_SHARE: f64 = 0.2;
const RECOVERED_LEAST: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_over_ten_seconds_keep_the_sum_of_a_peak_inside() {
        let mut bins = vec![0.0; 60];
        bins[30] = 11.0;
        let smooth = smoothed(&bins, 1.0);
        assert_eq!((smooth[24], smooth[25], smooth[30], smooth[35], smooth[36]), (0.0, 1.0, 1.0, 1.0, 0.0));
        assert_eq!(smoothed(&[3.0, 4.0], 60.0), [3.0, 4.0]);
    }

    #[test]
    fn orders_that_are_the_same_are_tried_once() {
        let kept = |cores: &[f64]| Kept {
            active: vec![1.0],
            bin_seconds: 1.0,
            requests: vec![1; cores.len()],
            cores: cores.to_vec(),
            response_seconds: 1.0,
            p95_ms: 1.0,
        };
        let orders = all_in_order(&[0, 1, 2], &[kept(&[0.1, 0.5, 0.3])]);
        let found: Vec<&[u16]> = orders.iter().map(|(_, order)| order.as_slice()).collect();
        assert_eq!(found, [[0, 1, 2].as_slice(), &[1, 2, 0], &[0, 2, 1]], "busiest first is main last");
    }
}
