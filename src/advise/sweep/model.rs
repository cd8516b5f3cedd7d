//! What a sweep found: plain data.

use serde::Serialize;

use super::super::limits::{Limit, LimitKind};
use super::super::model::{Meets, PlanSummary, Verdict};
use super::super::objective::{Objective, Statistic};
use wsim_profile::Window;
use wsim_simulate::WakeupSummary;
use wsim_simulate::schedule::GrowthKind;
use wsim_stats::Interval;

/// The result over all candidates. Intervals are those of what a run would show: 95 % over replications with parameters of their own, joined
/// with the range of what goes into the simulation and the error of the model, except in [`Comparison`] and [`Sweep::sensitivity`], which have the noise of the replications only.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    pub objective: Objective,
    /// Determines everything random.
    pub seed: u64,
    /// Simulated users per observed user, or what else [`Self::growth_kind`] says.
    pub growth: f64,
    /// What grows, here and in [`Self::growth_steps`].
    pub growth_kind: GrowthKind,
    /// What is known of the causes of long polls' wake-ups.
    pub wakeups: WakeupSummary,
    /// What was simulated, warm-up included.
    pub window: Window,
    /// The busiest five minutes of the window.
    pub peak: Window,
    /// How the window was chosen, in a few words.
    pub window_note: String,
    /// Requests in the window.
    pub requests: u64,
    /// The sweep was cancelled: some candidates are missing.
    pub partial: bool,
    /// The largest number of replications of any candidate.
    pub replications: u32,
    /// Whether every replication resamples the users.
    pub resampled: bool,
    /// Time from the start of the window that is not measured, seconds.
    pub warm_up_seconds: f64,
    /// Measured time of a run, without the gaps of the log, seconds.
    pub measured_seconds: f64,
    /// Simulated candidates, fewest workers first.
    pub candidates: Vec<SimulatedPlan>,
    /// Candidates that were not simulated.
    pub discarded: Vec<DiscardedPlan>,
    /// Index of the smallest candidate that meets the objective with its interval.
    pub recommended: Option<usize>,
    /// Index of the candidate to show: the recommended one, else the closest to the objective.
    pub shown: Option<usize>,
    /// Index of the candidate that would be recommended next.
    pub runner_up: Option<usize>,
    /// The limits of the deployment that wrote the logs, tightest first, as in the screen's advice.
    pub limits: Vec<Limit>,
    /// What helps against the first of [`Self::limits`], cheapest first.
    pub levers: Vec<String>,
    /// The recommended plan minus the runner-up, on common traffic.
    pub comparison: Option<Comparison>,
    /// The recommended plan under growing load, until it no longer meets the objective.
    pub growth_steps: Vec<StressCase>,
    /// The shown plan under other assumptions.
    pub sensitivity: Vec<StressCase>,
    pub verdict: Verdict,
    /// Sentences to act on, most important first.
    pub reasons: Vec<String>,
    /// What the numbers rest on, one sentence each.
    pub assumptions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedPlan {
    pub summary: PlanSummary,
    /// Plans of one strategy differ only in their number of workers.
    pub strategy: String,
    pub replications: u32,
    /// The limit on replications, not the width of the intervals, ended the runs.
    pub capped: bool,
    /// Response times by endpoint group.
    pub groups: Vec<SimulatedGroup>,
    /// Response times of all requests together.
    pub overall: Latency,
    /// The most uneven pool; `None` without a pool of several workers.
    pub imbalance: Option<Imbalance>,
    /// Requests at work in all processes, mean per bin, in the replication with the observed traffic.
    pub working: Vec<f64>,
    /// Start of the first bin, seconds from the start of the window.
    pub working_from_seconds: f64,
    /// Width of a bin, seconds.
    pub bin_seconds: f64,
    /// Share of requests that a proxy rejected.
    pub rejected_share: f64,
    /// Share of transactions that ran at a database concurrency beyond what the log shows.
    pub extrapolated_share: f64,
    /// Work piles up, in some or all replications: response times then depend on the length of the run.
    pub unstable: Option<Unstable>,
}

/// Where work piles up, so that a plan is not stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unstable {
    /// `None`: another queue, such as the events of one room.
    pub cause: Option<LimitKind>,
    /// Name of the process.
    #[serde(rename = "where")]
    pub place: String,
    /// In half of the replications or more; else the load is at the edge.
    pub is_certain: bool,
}

/// Response times of one endpoint group, long-poll waiting excluded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedGroup {
    pub id: String,
    /// Requests in the measured time, mean over replications.
    pub requests: u64,
    pub latency_ms: Latency,
    /// The same as Synapse's own log would show it, from the moment when the process starts the request; only on request
    /// ([`ReplicationConfig::as_logged`](wsim_simulate::replications::ReplicationConfig)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged_ms: Option<Latency>,
    /// Waits for database connections (`db sched`) of requests with transactions; only with `logged_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_wait_ms: Option<Latency>,
}

/// A distribution of response times, ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub mean: Interval,
    pub p50: Interval,
    pub p95: Interval,
    pub p99: Interval,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imbalance {
    pub pool: String,
    /// CPU of the busiest member divided by the pool's mean, 1 and more.
    pub factor: Interval,
}

/// A candidate that was not simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiscardedPlan {
    /// Name of the plan.
    pub plan: String,
    /// Worker processes besides the main process.
    pub workers: u32,
    /// Balancing rules in words.
    pub balance: String,
    /// The reason, in a few words.
    pub why: String,
    /// The screen found a process far over the objective even at the lower end of the uncertainty.
    #[serde(skip)]
    pub overloaded: bool,
}

/// Paired differences of two plans on common traffic; negative: the recommended plan is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Mean response time, ms.
    pub mean_ms: Interval,
    /// 95th percentile of the response time, ms.
    pub p95_ms: Interval,
    /// Busy share of the busiest process at the peak.
    pub busy: Interval,
    /// Whether zero lies in the intervals of both response times.
    pub indistinguishable: bool,
}

/// A plan under another load or assumption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StressCase {
    /// What differs: `load × 1.5`, `CPU demand × 2`, `replication high`.
    pub name: String,
    /// The factor on load or demand, 1 where another assumption differs.
    pub factor: f64,
    pub meets: Meets,
    /// Why, in a few words.
    #[serde(rename = "verdict")]
    pub reason: String,
    /// Busy share of the busiest process at the peak.
    pub busy: Interval,
    /// Name of the busiest process.
    pub busiest: String,
    /// 95th percentile of the response time, ms; `None` where work piles up in any replication.
    pub p95_ms: Option<Interval>,
    /// Work does not pile up.
    pub stable: bool,
}

impl Latency {
    pub fn of(&self, statistic: Statistic) -> Interval {
        match statistic {
            Statistic::Mean => self.mean,
            Statistic::P50 => self.p50,
            Statistic::P95 => self.p95,
            Statistic::P99 => self.p99,
        }
    }
}

impl Unstable {
    /// `not stable: work piles up at main's database connections`.
    pub fn text(&self) -> String {
        let perhaps = if self.is_certain { "" } else { "perhaps " };
        match self.cause {
            Some(kind) => format!("{perhaps}not stable: work piles up at {}'s {}", self.place, kind.words()),
            None => format!("{perhaps}not stable: requests pile up in {}", self.place),
        }
    }
}

impl SimulatedPlan {
    /// Whether response times mean something: not where work piles up.
    pub fn is_stable(&self) -> bool {
        !self.unstable.as_ref().is_some_and(|unstable| unstable.is_certain)
    }

    /// Response times of all requests together; `None` where work piles up in too many replications: nobody can tell them then.
    pub fn response_times(&self) -> Option<&Latency> {
        self.unstable.is_none().then_some(&self.overall)
    }

    /// What stands in the place of response times that nobody can tell.
    pub fn instead_of_times(&self) -> &'static str {
        instead_of_times(self.is_stable())
    }

    /// One statistic of the response times of a group, or of all requests; `None` if the group had no requests.
    pub fn latency(&self, group: Option<&str>, statistic: Statistic) -> Option<Interval> {
        let latency = match group {
            None => Some(&self.overall),
            Some(id) => self.groups.iter().find(|group| group.id == id).map(|group| &group.latency_ms),
        };
        latency.map(|latency| latency.of(statistic))
    }
}

impl StressCase {
    /// What stands in the place of response times that nobody can tell.
    pub fn instead_of_times(&self) -> &'static str {
        instead_of_times(self.stable)
    }
}

fn instead_of_times(is_stable: bool) -> &'static str {
    if is_stable { "cannot tell" } else { "not stable" }
}

impl Sweep {
    /// The candidate to show, with whether it is recommended.
    pub fn shown(&self) -> Option<(&SimulatedPlan, bool)> {
        self.shown.and_then(|index| self.candidates.get(index)).map(|plan| (plan, self.recommended == self.shown))
    }
}
