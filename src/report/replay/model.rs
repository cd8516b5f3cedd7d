//! The report model of `wsim replay`, and the sentences that all formats start with.
//!
//! Knows nothing of formats.

use crate::shared::run_facts::RunFacts;
use crate::shared::share;
use wsim_matrix::Tier;
use wsim_plan::Plan;
use wsim_profile::Window;
pub use wsim_replay::CpuShare;
use wsim_replay::record::Measurements;
use wsim_stats::Interval;
use wsim_text as text;

/// A replay: its circumstances and its measurements.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    pub facts: RunFacts,
    /// URL of the target, or `emulated` with its plan.
    pub target: String,
    /// The plan of an emulated target.
    pub plan: Option<Plan>,
    /// What that plan cannot do as written, and what the log says about its selections, one sentence each.
    pub remarks: Vec<String>,
    /// Server name that the target reports.
    pub server_name: Option<String>,
    /// Part of the log that was replayed.
    pub window: Window,
    /// Sentences about the time that was left out because no log covers it.
    pub left_out_time: Option<String>,
    /// Seconds of the log per second of the replay.
    pub speed: f64,
    /// Users per user of the log.
    pub load: f64,
    /// Index of this shard, and the number of shards.
    pub shard: Option<(u32, u32)>,
    /// The highest tier of requests that was allowed.
    pub allowed: Tier,
    /// From the start of the schedule to the last response, s.
    pub took_seconds: f64,
    pub measured: Measurements,
    /// Why the run is void, that is, says nothing about the target; empty for a valid run.
    pub void_reasons: Vec<String>,
    /// CPU of the requests in the log, and how much of it was not replayed; `None` if the log contains no CPU.
    pub cpu: Option<CpuShare>,
    /// Response times that the simulator predicts, by group; empty without a prediction.
    pub predicted: Vec<Predicted>,
    /// Steps of the search for the limit (`--find-limit`).
    pub steps: Vec<LimitStep>,
}

/// Response times that the simulator predicts for a group, long-poll waiting excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Group id.
    pub id: String,
    /// ms.
    pub p50: Interval,
    /// ms.
    pub p95: Interval,
}

/// A step of the search for the limit (`--find-limit`).
#[derive(Debug, Clone, PartialEq)]
pub struct LimitStep {
    /// Users per user of the log.
    pub load: f64,
    /// Requests completed per second.
    pub rate: f64,
    /// p95 response time of all requests, ms.
    pub p95_ms: f64,
    /// Whether the objective was met.
    pub holds: bool,
    /// The term of the objective that was missed, or the one closest to its limit.
    pub why: String,
}

impl ReplayReport {
    /// Whether the run says nothing about the target.
    pub fn is_void(&self) -> bool {
        !self.void_reasons.is_empty()
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        if self.is_void() {
            return format!("void: {}", self.void_reasons.join("; "));
        }
        let whole = self.measured.whole();
        let failed: u64 = self.measured.totals.failed.values().sum();
        let failures = if failed > 0 { format!(", {} failed", text::count(failed)) } else { String::new() };
        format!(
            "{} of {} completed{failures}; response times p50 {}, p95 {}; in the log p50 {}, p95 {}",
            text::count(self.measured.totals.completed),
            text::plural(self.measured.totals.sent(), "request", "requests"),
            ms(whole.work.response.quantile_ns(0.5)),
            ms(whole.work.response.quantile_ns(0.95)),
            ms(whole.work.original.quantile_ns(0.5)),
            ms(whole.work.original.quantile_ns(0.95)),
        )
    }

    /// The largest load at which the objective was met, if the limit was searched for.
    pub fn limit(&self) -> Option<&LimitStep> {
        self.steps.iter().filter(|step| step.holds).max_by(|a, b| a.load.total_cmp(&b.load))
    }

    /// How late the generator sent requests, in a sentence.
    pub(super) fn lateness_sentence(&self) -> String {
        let late = &self.measured.lateness;
        format!(
            "The generator sent requests late by {} at the median, {} at p99, {} at most",
            us(late.quantile_ns(0.5)),
            us(late.quantile_ns(0.99)),
            us(late.max_ns())
        )
    }

    /// How much of the traffic was replayed, in a sentence.
    pub(super) fn replayed_share_sentence(&self) -> String {
        let totals = &self.measured.totals;
        let requests = text::percent(share(totals.sent() as f64, totals.scheduled() as f64));
        match &self.cpu {
            Some(cpu) if cpu.logged_seconds > 0.0 => {
                let skipped: f64 = cpu.skipped_seconds.iter().map(|(_, seconds)| seconds).sum();
                let cpu_share = text::percent(1.0 - skipped / cpu.logged_seconds);
                format!("{requests} of the requests were sent, with {cpu_share} of the CPU in the log")
            }
            _ => format!("{requests} of the requests were sent; their share of CPU is unknown because the log contains no CPU"),
        }
    }
}

fn ms(ns: u64) -> String {
    text::milliseconds(ns as f64 / 1e6)
}

fn us(ns: u64) -> String {
    if ns < 1_000_000 { format!("{} µs", ns / 1000) } else { ms(ns) }
}
