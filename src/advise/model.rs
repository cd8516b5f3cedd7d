//! What the advice says: plain data.

use serde::{Deserialize, Serialize};

use wsim_plan::Plan;
use wsim_stats::Interval;

/// The screen's result over all candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What a plan has to satisfy, as text: `busy < 70%`.
    pub objective: String,
    /// Every candidate, cheapest (fewest processes) first.
    pub candidates: Vec<Candidate>,
    /// Index into `candidates` of the recommended plan; `None` if no candidate meets the objective.
    pub recommended: Option<usize>,
    /// One sentence: stay monolithic, or split X first, because Y.
    pub verdict: String,
    /// `high`, `medium` or `low`, with the reason in one sentence.
    pub confidence: Confidence,
    /// Reasons an administrator can act on, most important first.
    pub reasons: Vec<String>,
    /// What the numbers rest on: coverage, replication cost, peak window, inferred demand. One sentence each.
    pub assumptions: Vec<String>,
}

/// How sure the advice is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confidence {
    /// `high`, `medium`, `low`.
    pub level: String,
    /// Why.
    pub why: String,
}

/// One plan with what it would do at the peak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The plan itself.
    pub plan: Plan,
    /// Worker processes besides the main process.
    pub workers: u32,
    /// Balancing rule in words.
    pub balance: String,
    /// Whether every process stays under the objective, at the upper end of its range for `Yes`.
    pub meets_objective: Meets,
    /// Why, in a few words: `main process 84 % busy (61-120)`.
    pub verdict: String,
    /// Every process of the plan, busiest first within pools, main first.
    pub processes: Vec<Process>,
    /// Cores used by all Synapse processes at the peak.
    pub total_cores: Interval,
}

/// Whether a candidate meets the objective, given the range of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meets {
    /// Even at the upper end of the range.
    Yes,
    /// At the best estimate, but not at the upper end.
    Maybe,
    /// Not even at the best estimate.
    No,
}

/// One process of a plan at the peak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// `main`, or pool name and number: `sync1`.
    pub name: String,
    /// Pool it belongs to; `None` for the main process and stream writers.
    pub pool: Option<String>,
    /// Busy share of one core (of its `cpu` limit) at the peak, 0 to 1 and more; the range covers coverage, replication and inferred demand.
    pub utilisation: Interval,
    /// Requests per second it serves at the peak.
    pub requests_per_second: f64,
    /// Requests it would have served over the whole window.
    pub requests: u64,
    /// What limits it, if something does: `user @bridge:example.org alone needs 0.4 cores`.
    pub limit: Option<String>,
}
