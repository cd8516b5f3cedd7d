//! The report of a replay: what was measured beside what the log says and, if given, what was predicted.
//!
//! Every form begins with whether the run is valid and how late the generator was: without that no other figure means anything.

mod html;
mod join;
mod json;
mod markdown;
mod read;
mod tables;
mod terminal;

pub use html::html;
pub use join::{JoinError, join};
pub use json::{SCHEMA, json};
pub use markdown::markdown;
pub use read::{ReadError, read};
pub use terminal::terminal;

use super::charts::{self, Chart};
use super::format;
use super::model::{Input, MalformedExample, RunFacts};
use super::table::Table;
use wsim_profile::Window;
use wsim_replay::record::Measured;
use wsim_stats::Interval;

/// A run and its circumstances.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    /// Version, command, seed.
    pub facts: RunFacts,
    /// What was read.
    pub inputs: Vec<Input>,
    /// A sample of malformed lines.
    pub malformed: Vec<MalformedExample>,
    /// URL of the target, or `emulated` with its plan.
    pub target: String,
    /// What the target calls itself.
    pub server_name: Option<String>,
    /// Part of the log that was replayed.
    pub window: Window,
    /// Log seconds per second.
    pub speed: f64,
    /// Users per logged user.
    pub load: f64,
    /// Which shard of how many.
    pub shard: Option<(u32, u32)>,
    /// Which requests were allowed: `reads`, `writes`, `dangerous`.
    pub allowed: &'static str,
    /// From the beginning of the schedule to the last answer, s.
    pub took_seconds: f64,
    /// What was measured.
    pub measured: Measured,
    /// Why it says nothing about the target; empty for a valid run.
    pub void_reasons: Vec<String>,
    /// CPU of the logged requests, s, and how much of it was not replayed, by reason; `None` where the log has no CPU.
    pub cpu: Option<CpuShare>,
    /// What the simulator predicts, by group; empty without a prediction.
    pub predicted: Vec<Predicted>,
    /// Steps of a search for the limit.
    pub steps: Vec<LimitStep>,
}

/// How much of the logged CPU a replay covers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuShare {
    /// All requests of the window, s.
    pub logged_seconds: f64,
    /// Of requests not replayed, s, by reason.
    pub skipped_seconds: Vec<(&'static str, f64)>,
}

/// The simulator's prediction for a group's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Group id.
    pub id: String,
    /// Median, ms.
    pub p50: Interval,
    /// 95th percentile, ms.
    pub p95: Interval,
}

/// A step of `--find-limit`.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitStep {
    /// Users per logged user.
    pub load: f64,
    /// Requests a second that were answered.
    pub rate: f64,
    /// p95 of all work, ms.
    pub p95_ms: f64,
    /// Whether the objective held.
    pub holds: bool,
    /// Why not, or what is nearest to its bound.
    pub why: String,
}

impl ReplayReport {
    /// Whether it says nothing about the target.
    pub fn is_void(&self) -> bool {
        !self.void_reasons.is_empty()
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        if self.is_void() {
            return format!("void: {}", self.void_reasons.join("; "));
        }
        let whole = self.measured.whole();
        let failed: u64 = self.measured.account.failed.values().sum();
        let failures = if failed > 0 { format!(", {} failed", format::count(failed)) } else { String::new() };
        format!(
            "{} of {} sent requests were answered{failures}; work took {} at the median and {} at the 95th percentile, in the log {} and {}",
            format::count(self.measured.account.completed),
            format::count(self.measured.account.sent()),
            ms(whole.work.response.quantile_ns(0.5)),
            ms(whole.work.response.quantile_ns(0.95)),
            ms(whole.work.original.quantile_ns(0.5)),
            ms(whole.work.original.quantile_ns(0.95)),
        )
    }

    /// The largest load that held, if a limit was looked for.
    pub fn limit(&self) -> Option<&LimitStep> {
        self.steps.iter().filter(|step| step.holds).max_by(|a, b| a.load.total_cmp(&b.load))
    }

    /// All tables, in order, for CSV files too.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables =
            vec![tables::steps(self), tables::groups(self), tables::polls(self), tables::upstreams(self), tables::account(self)];
        tables.retain(|table| !table.is_empty());
        tables
    }

    /// Every chart for which there is data.
    pub fn charts(&self) -> Vec<Chart> {
        let whole = self.measured.whole();
        let mut pairs = Vec::new();
        for one in &self.predicted {
            let Some(group) = self.measured.groups.iter().chain([&whole]).find(|group| group.id == one.id) else { continue };
            for (label, predicted, quantile) in [("p50", one.p50, 0.5), ("p95", one.p95, 0.95)] {
                let measured = group.work.service.quantile_ns(quantile) as f64 / 1e6;
                pairs.push(charts::Pair { name: format!("{}, {label}", one.id), predicted, measured, fine: None });
            }
        }
        let caption = "Work by endpoint group: what the simulation says of the plan, and what this run measured.";
        charts::of_pairs(&pairs, caption).into_iter().collect()
    }

    /// How late the generator was, in a sentence.
    fn lateness(&self) -> String {
        let late = &self.measured.lateness;
        format!(
            "The generator was late by {} at the median, {} at the 99th percentile, {} at most",
            us(late.quantile_ns(0.5)),
            us(late.quantile_ns(0.99)),
            us(late.max_ns())
        )
    }

    /// How much of the traffic was replayed, in a sentence.
    fn coverage(&self) -> String {
        let account = &self.measured.account;
        let requests = format::percent(format::share(account.sent() as f64, account.scheduled() as f64));
        match &self.cpu {
            Some(cpu) if cpu.logged_seconds > 0.0 => {
                let skipped: f64 = cpu.skipped_seconds.iter().map(|(_, seconds)| seconds).sum();
                let share = format::percent(1.0 - skipped / cpu.logged_seconds);
                format!("{requests} of the requests were sent, with {share} of the CPU seconds in the log")
            }
            _ => format!("{requests} of the requests were sent; the log has no CPU times to weigh them by"),
        }
    }
}

fn ms(ns: u64) -> String {
    format::milliseconds(ns as f64 / 1e6)
}

fn us(ns: u64) -> String {
    if ns < 1_000_000 { format!("{} µs", ns / 1000) } else { ms(ns) }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod tests;
