//! What a sweep found: plain data.

use serde::{Deserialize, Serialize};

use super::super::model::{Candidate, Meets, Process};
use super::super::objective::Statistic;
use wsim_plan::Plan;
use wsim_profile::Window;
use wsim_stats::Interval;

/// The result over all candidates. Intervals are 95 % confidence intervals over replications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// What a plan has to satisfy, as text: `p95 work < 500ms, busy < 70%`.
    pub objective: String,
    /// Largest busy share that the objective allows, 0 to 1.
    pub busy: f64,
    /// Everything random hangs on it.
    pub seed: u64,
    /// Users per observed user.
    pub growth: f64,
    /// What was simulated, warm-up included.
    pub window: Window,
    /// The busiest five minutes within it.
    pub peak: Window,
    /// How that window was chosen, a few words.
    pub window_note: String,
    /// Requests in it.
    pub requests: u64,
    /// Interrupted: some candidates are missing.
    pub partial: bool,
    /// Most replications that any candidate had.
    pub replications: u32,
    /// Whether they draw users anew.
    pub resampled: bool,
    /// Time from the beginning that is not measured, seconds.
    pub warm_up_seconds: f64,
    /// Simulated candidates, fewest workers first.
    pub candidates: Vec<Simulated>,
    /// Candidates that were not simulated, with the reason.
    pub discarded: Vec<Discarded>,
    /// Index of the smallest candidate that meets the objective with its interval.
    pub recommended: Option<usize>,
    /// Index of the candidate that would be next.
    pub runner_up: Option<usize>,
    /// The recommended plan less the runner-up, on common traffic.
    pub comparison: Option<Comparison>,
    /// The recommended (else the closest) plan under growing load, as far as it holds and one step further.
    pub growth_steps: Vec<Case>,
    /// The same plan under other assumptions.
    pub sensitivity: Vec<Case>,
    /// One sentence: what to do.
    pub verdict: String,
    /// Sentences to act on, most important first.
    pub reasons: Vec<String>,
    /// What the numbers rest on, one sentence each.
    pub assumptions: Vec<String>,
}

/// One simulated plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// The plan.
    pub plan: Plan,
    /// Plans of one strategy differ in their number of workers only.
    pub strategy: String,
    /// Worker processes besides the main process.
    pub workers: u32,
    /// Balancing rules in words.
    pub balance: String,
    /// Whether it meets the objective with its intervals, at the best estimate only, or not.
    pub meets: Meets,
    /// Why, in a few words.
    pub verdict: String,
    /// How much of the objective it uses up, in the term that is nearest: 1 is the bound itself.
    pub margin: f64,
    /// Replications run.
    pub replications: u32,
    /// Whether the cap on replications and not the width of the intervals ended it.
    pub capped: bool,
    /// Every process, the main process first.
    pub processes: Vec<SimulatedProcess>,
    /// Work latency by endpoint group.
    pub groups: Vec<SimulatedGroup>,
    /// Work latency of all requests together.
    pub overall: Latency,
    /// Cores used by all processes together, mean over the measured time.
    pub total_cores: Interval,
    /// Busy time of the busiest member over the mean of its pool, in the most uneven pool; `None` without a pool of several.
    pub imbalance: Option<Imbalance>,
    /// Requests at work in all processes, mean per bin, in the replication that has the traffic as observed.
    pub working: Vec<f64>,
    /// First bin, seconds from the window's beginning.
    pub working_from_seconds: f64,
    /// Width of a bin, seconds.
    pub bin_seconds: f64,
    /// Share of requests that a proxy refused.
    pub refused_share: f64,
    /// Share of transactions that ran at a database concurrency beyond what the log shows.
    pub extrapolated_share: f64,
}

/// One process of a simulated plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedProcess {
    /// `main`, or the worker's name.
    pub name: String,
    /// Pool it belongs to.
    pub pool: Option<String>,
    /// Busy share of what it may use, mean over the measured time.
    pub utilisation: Interval,
    /// Busy share in its busiest five minutes.
    pub peak: Interval,
    /// Requests it served in the measured time, mean over replications.
    pub requests: u64,
}

/// Work latency of one endpoint group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedGroup {
    /// Group id.
    pub id: String,
    /// Requests in the measured time, mean over replications.
    pub requests: u64,
    /// Its latency.
    pub latency_ms: Latency,
    /// The same as Synapse's own log would give it, from the moment the process looks at the request; only where that was asked for
    /// ([`ReplicationPlan::as_logged`](wsim_simulate::run::ReplicationPlan)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_ms: Option<Latency>,
    /// Waits for database connections (`db sched`) of requests with transactions; only with `logged_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_wait_ms: Option<Latency>,
}

/// Latency, ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean: Interval,
    /// Median.
    pub p50: Interval,
    /// 95th percentile.
    pub p95: Interval,
    /// 99th percentile.
    pub p99: Interval,
}

/// The most uneven pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imbalance {
    /// Pool.
    pub pool: String,
    /// Busiest member over mean, 1 and more.
    pub factor: Interval,
}

/// A candidate that was not simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discarded {
    /// Name of the plan.
    pub plan: String,
    /// Worker processes.
    pub workers: u32,
    /// Balancing rules in words.
    pub balance: String,
    /// Why, a few words.
    pub why: String,
}

/// Paired differences of two plans on common traffic; negative: the recommended plan is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Mean work latency, ms.
    pub mean_ms: Interval,
    /// 95th percentile of the work latency, ms.
    pub p95_ms: Interval,
    /// Busy share of the busiest process in its busiest five minutes.
    pub busy: Interval,
    /// Whether nought lies in the intervals of both latencies.
    pub indistinguishable: bool,
}

/// The plan under another assumption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What differs: `load × 1.5`, `CPU demand × 2`, `replication high`.
    pub name: String,
    /// The factor, where it is one.
    pub factor: f64,
    /// Whether the plan still meets the objective.
    pub meets: Meets,
    /// Why, in a few words.
    pub verdict: String,
    /// Busiest process in its busiest five minutes.
    pub busy: Interval,
    /// Its name.
    pub busiest: String,
    /// 95th percentile of the work latency, ms.
    pub p95_ms: Interval,
}

impl Latency {
    /// One figure of it.
    pub fn of(&self, statistic: Statistic) -> Interval {
        match statistic {
            Statistic::Mean => self.mean,
            Statistic::P50 => self.p50,
            Statistic::P95 => self.p95,
            Statistic::P99 => self.p99,
        }
    }
}

impl Simulated {
    /// The process that is busiest in its busiest five minutes.
    pub fn busiest(&self) -> Option<&SimulatedProcess> {
        self.processes.iter().reduce(|best, other| if other.peak.value > best.peak.value { other } else { best })
    }

    /// The same in the words of the screen, busy shares in the busiest five minutes.
    pub fn as_candidate(&self, measured_seconds: f64) -> Candidate {
        let process = |process: &SimulatedProcess| Process {
            name: process.name.clone(),
            pool: process.pool.clone(),
            utilisation: process.peak,
            requests_per_second: process.requests as f64 / measured_seconds.max(1e-6),
            requests: process.requests,
            limit: None,
        };
        Candidate {
            plan: self.plan.clone(),
            workers: self.workers,
            balance: self.balance.clone(),
            meets_objective: self.meets,
            verdict: self.verdict.clone(),
            processes: self.processes.iter().map(process).collect(),
            total_cores: self.total_cores,
        }
    }
}

impl Sweep {
    /// The recommended candidate, else the one that comes closest; with whether it is recommended.
    pub fn shown(&self) -> Option<(&Simulated, bool)> {
        if let Some(candidate) = self.recommended.and_then(|index| self.candidates.get(index)) {
            return Some((candidate, true));
        }
        super::choice::closest(&self.candidates).and_then(|index| Some((self.candidates.get(index)?, false)))
    }

    /// Measured seconds of one replication.
    pub fn measured_seconds(&self) -> f64 {
        (self.window.seconds() - self.warm_up_seconds).max(1e-6)
    }
}
