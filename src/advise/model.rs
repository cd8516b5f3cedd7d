//! What the screen and the sweep say of plans: plain data, with the rules that all its readers share: which process is
//! busiest, whether a value meets a limit, which plan to show.
//!
//! Knows nothing of how the numbers were found.

use serde::Serialize;

use super::limits::Limit;
use super::objective::Objective;
use super::response_times::EstimatedTerm;
use wsim_plan::CheckedPlan;
use wsim_stats::Interval;

/// The screen's result over all candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    pub objective: Objective,
    /// Every candidate, fewest processes first.
    pub candidates: Vec<PlanSummary>,
    /// Index into `candidates` of the recommended plan; `None` if no candidate meets the objective.
    pub recommended: Option<usize>,
    /// Index into `candidates` of the plan to show: the recommended one, else the closest to the objective; `None` without candidates.
    pub shown: Option<usize>,
    /// The limits of the deployment that wrote the logs, tightest first; empty where the logs do not show them.
    pub limits: Vec<Limit>,
    /// What helps against the first of [`Self::limits`], cheapest first.
    pub levers: Vec<String>,
    pub verdict: Verdict,
    pub confidence: Confidence,
    /// Reasons that an administrator can act on, most important first.
    pub reasons: Vec<String>,
    /// What the numbers rest on: coverage, replication cost, peak window, inferred demand. One sentence each.
    pub assumptions: Vec<String>,
}

impl Advice {
    /// The plan to show, with whether it is recommended.
    pub fn shown(&self) -> Option<(&PlanSummary, bool)> {
        self.shown.and_then(|index| self.candidates.get(index)).map(|plan| (plan, self.recommended == self.shown))
    }
}

/// What to do: the decision as a type, and the sentences that say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub decision: Decision,
    /// One to three sentences.
    pub text: String,
}

/// What to do, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The CPU demand is unknown, or there was nothing to simulate.
    Unknown,
    /// One process is enough, and the logs come from one process.
    StayWithOneProcess,
    /// One process would be enough, and the logs come from several.
    WorkersNotNeeded,
    /// The logs come from several processes, and these are enough.
    KeepDeployment,
    /// The logs come from several processes, and something must change.
    ChangeDeployment,
    /// The recommended plan has workers.
    AddWorkers,
    /// No plan meets the objective for certain, and none is recommended.
    NoPlanMeets,
}

/// How far the advice can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confidence {
    pub level: ConfidenceLevel,
    /// The reasons for this level, joined by semicolons.
    pub why: String,
}

/// Lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfidenceLevel {
    Low,
    Medium,
    High,
}

impl ConfidenceLevel {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One plan with what it would do, by the screen at the peak or by simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    pub plan: CheckedPlan,
    /// Worker processes besides the main process.
    pub workers: u32,
    /// Balancing rules in words.
    pub balance: String,
    /// Whether the plan meets every term of the objective.
    pub meets: Meets,
    /// Why, in a few words: `main process 84 % busy (61–120 %)`.
    pub reason: String,
    /// Largest value over limit among the terms of the objective: 1 is the limit itself.
    pub margin: f64,
    /// The main process first, then the workers in the order of the plan's pools.
    pub processes: Vec<ProcessSummary>,
    /// Cores that all Synapse processes use together: at the peak (screen), or on average over the measured time (simulation).
    pub total_cores: Interval,
    /// What the plan runs out of when the load grows: the tightest limit of each kind, the first limit first.
    pub limits: Vec<Limit>,
    /// What the screen says of the objective's terms about response times; empty for a simulated plan, whose response times are known.
    pub response_times: Vec<EstimatedTerm>,
}

/// One process of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSummary {
    /// `main`, pool and number (`sync1`), or the name of a stream writer.
    pub name: String,
    pub role: ProcessRole,
    /// Pool of the process; `None` for the main process and for processes that only write streams.
    pub pool: Option<String>,
    /// Busy share of what it may use (one core unless limited) at the peak, 0 to 1 and more. The peak is the same for all processes: the five
    /// minutes in which all of them together use most CPU, in the log (screen) or in a simulated run.
    pub peak: Interval,
    /// The same on average over the measured time; `None` from the screen, which knows the peak only.
    pub mean: Option<Interval>,
    /// The part of `peak` that does not grow with the load.
    pub idle: Interval,
    /// Busy share of its database connections in the five minutes in which they are busiest, with the waits for them taken into account; `None`
    /// where it is unknown.
    pub connections: Option<Interval>,
    /// Requests per second: at the peak (screen), or on average (simulation).
    pub requests_per_second: f64,
    /// Requests over the whole log (screen), or in the measured time, mean over replications (simulation).
    pub requests: u64,
    /// What limits the process, if something does: `"@bridge:example.org" alone needs 0.40 cores`.
    pub limit: Option<String>,
}

/// What a process is to Synapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessRole {
    /// Serves everything that no worker takes, and runs the background tasks.
    Main,
    Worker,
}

/// Whether a plan meets the objective, given the uncertainty of the estimate. Best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Meets {
    /// Even at the upper end of the uncertainty.
    Yes,
    /// At the best estimate, but not at the upper end.
    Maybe,
    /// Not even at the best estimate.
    No,
}

impl Meets {
    /// Compares a value with an upper limit, exclusive.
    pub fn limit(value: Interval, below: f64) -> Self {
        if value.high < below {
            Self::Yes
        } else if value.value < below {
            Self::Maybe
        } else {
            Self::No
        }
    }

    /// Whether every process stays below a busy share at its peak.
    pub fn busy(processes: &[ProcessSummary], below: f64) -> Self {
        processes.iter().map(|process| Self::limit(process.peak, below)).max().unwrap_or(Self::Yes)
    }

    /// Whether the database connections of every process stay below a busy share.
    pub fn connections(processes: &[ProcessSummary], below: f64) -> Self {
        processes.iter().filter_map(|process| process.connections).map(|share| Self::limit(share, below)).max().unwrap_or(Self::Yes)
    }
}

impl PlanSummary {
    /// The process with the highest busy share at the peak. See [`busiest`].
    pub fn busiest(&self) -> Option<&ProcessSummary> {
        busiest(&self.processes)
    }

    /// `main process only`, `main process and 3 workers`.
    pub fn layout(&self) -> String {
        match self.workers {
            0 => "main process only".to_owned(),
            workers => format!("main process and {}", wsim_text::plural(workers.into(), "worker", "workers")),
        }
    }
}

/// The process with the busiest database connections, with their busy share.
pub(super) fn busiest_connections(processes: &[ProcessSummary]) -> Option<(&ProcessSummary, Interval)> {
    let share = |process: &ProcessSummary| process.connections.map_or(0.0, |share| share.value);
    let process = &processes[first_largest(processes.iter().map(share))?];
    Some((process, process.connections?))
}

impl ProcessSummary {
    pub fn is_main(&self) -> bool {
        self.role == ProcessRole::Main
    }

    /// What a sentence calls the process: `main process`, `sync1`.
    pub fn title(&self) -> &str {
        if self.is_main() { "main process" } else { &self.name }
    }
}

/// The busiest of some processes at their peaks: of equals the first.
pub fn busiest(processes: &[ProcessSummary]) -> Option<&ProcessSummary> {
    first_largest(processes.iter().map(|process| process.peak.value)).map(|index| &processes[index])
}

/// Index of the largest value: of equals the first. Values that differ by less than 1e-9 are equal, because sums in another order
/// differ in their last digits.
pub(super) fn first_largest(values: impl IntoIterator<Item = f64>) -> Option<usize> {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 + 1e-9 { next } else { best };
    values.into_iter().enumerate().reduce(larger).map(|(index, _)| index)
}

/// Indices of plans in the order in which they would be chosen: plans that meet the objective, then those that may meet
/// it, each by fewest workers and then by lowest latency; then plans that do not meet it, by the smallest margin. Equals keep their order.
///
/// Each plan comes with its mean latency, ms; 0 where none is known.
pub(super) fn order_of_choice(plans: &[(&PlanSummary, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..plans.len()).collect();
    order.sort_by(|a, b| {
        let ((a, a_latency), (b, b_latency)) = (plans[*a], plans[*b]);
        let key = |plan: &PlanSummary| (plan.meets, if plan.meets == Meets::No { 0 } else { plan.workers });
        key(a).cmp(&key(b)).then(if a.meets == Meets::No { a.margin.total_cmp(&b.margin) } else { a_latency.total_cmp(&b_latency) })
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, peak: f64) -> ProcessSummary {
        ProcessSummary {
            name: name.to_owned(),
            role: ProcessRole::Worker,
            pool: None,
            peak: Interval::new(peak, peak * 0.9, peak * 1.1),
            mean: None,
            idle: Interval::exact(0.0),
            connections: None,
            requests_per_second: 0.0,
            requests: 0,
            limit: None,
        }
    }

    #[test]
    fn of_equally_busy_processes_the_first_is_the_busiest() {
        let name = |processes: &[ProcessSummary]| busiest(processes).map(|process| process.name.clone());
        let rounding = 0.1 + 0.2;
        assert_eq!(name(&[process("a", 0.3), process("b", rounding)]).as_deref(), Some("a"));
        assert_eq!(name(&[process("a", rounding), process("b", 0.3)]).as_deref(), Some("a"));
        assert_eq!(name(&[process("a", 0.3), process("b", 0.31)]).as_deref(), Some("b"));
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn a_limit_is_exclusive_and_the_worst_process_decides() {
        assert_eq!(Meets::limit(Interval::new(0.5, 0.4, 0.69), 0.7), Meets::Yes);
        assert_eq!(Meets::limit(Interval::new(0.5, 0.4, 0.7), 0.7), Meets::Maybe);
        assert_eq!(Meets::limit(Interval::exact(0.7), 0.7), Meets::No);
        assert_eq!(Meets::busy(&[process("a", 0.1), process("b", 0.69)], 0.7), Meets::Maybe);
    }
}
