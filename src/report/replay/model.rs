//! The report model of `wsim replay`, and the sentences that all formats start with.
//!
//! Knows nothing of formats.

use super::judgement::{self, JudgedTerm, episode_sentence};
use crate::shared::change::Change;
use crate::shared::run_facts::RunFacts;
use crate::shared::share;
use wsim_advise::Objective;
use wsim_matrix::Tier;
use wsim_plan::Plan;
use wsim_profile::Window;
use wsim_replay::record::{LatencyHistogram, Measurements};
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
    /// Why the run was ended before its schedule because of the target.
    pub stopped: Option<String>,
    /// What was expected of the run.
    pub expected: Objective,
    pub conditions: RunConditions,
    /// Response times that the simulator predicts, by group; empty without a prediction.
    pub predicted: Vec<Predicted>,
    /// Steps of the search for the limit (`--find-limit`).
    pub steps: Vec<LimitStep>,
    /// Result of that search.
    pub limit: Option<LoadLimit>,
}

/// What the shards of one replay have in common besides the fields of the report. `None` and empty in files of older versions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunConditions {
    /// The instant of the schedule's beginning, µs since the epoch.
    pub began_us: Option<i64>,
    /// `--only` and `--skip`.
    pub only: Vec<String>,
    pub skip: Vec<String>,
    pub ramp_seconds: f64,
    pub http2: bool,
    pub connections_max: Option<u64>,
    /// Requests of the log in the window.
    pub logged_requests: Option<u64>,
}

/// Where the limit of the load lies, in users per user of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadLimit {
    /// The largest load that held; `None` if none did.
    pub value: Option<f64>,
    /// The limit is at least this: every run at this load and below held.
    pub low: Option<f64>,
    /// The limit is below this: every run at this load and above was missed. `None` if no load was.
    pub high: Option<f64>,
    /// What broke first, at the smallest load that was missed, and who broke it.
    pub broke: Option<String>,
    /// Why larger loads were not tried, if nothing broke.
    pub beyond: Option<String>,
    /// The limit that the simulation predicts for the same users, if it can.
    pub predicted: Option<f64>,
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
    /// Who stands out at the missed term: an upstream, an endpoint group or the generator.
    pub cause: Option<String>,
}

impl ReplayReport {
    /// Whether the run says nothing about the target.
    pub fn is_void(&self) -> bool {
        !self.void_reasons.is_empty()
    }

    /// Every term that was expected, beside what was measured.
    pub fn judged(&self) -> Vec<JudgedTerm> {
        judgement::judge(&self.measured, &self.expected, self.plan.as_ref())
    }

    /// Whether the target did not do what was expected of it. Of a void run only errors count, which the generator did not cause.
    pub fn is_missed(&self) -> bool {
        !self.missed().is_empty()
    }

    /// The first sentence.
    pub fn verdict(&self) -> String {
        let missed = self.missed();
        let missed = (!missed.is_empty()).then(|| format!("missed: {}", missed.join("; ")));
        if self.is_void() {
            let void = format!("void: {}", self.void_reasons.join("; "));
            return missed.map_or(void.clone(), |missed| format!("{void}; {missed}"));
        }
        if let Some(missed) = missed {
            return missed;
        }
        let whole = self.measured.whole();
        let failed: u64 = self.measured.totals.failed.values().sum();
        let failures = if failed > 0 { format!(", {} failed", text::count(failed)) } else { String::new() };
        let errors = whole.work.errors + whole.polls.errors;
        let errors = if errors > 0 {
            format!(", {}", text::plural(errors, "error that is not in the log", "errors that are not in the log"))
        } else {
            String::new()
        };
        format!(
            "{} of {} completed{failures}{errors}; response times p50 {}, p95 {}; in the log p50 {}, p95 {}",
            text::count(self.measured.totals.completed),
            text::plural(self.measured.totals.sent(), "request", "requests"),
            ms(whole.work.response.quantile_ns(0.5)),
            ms(whole.work.response.quantile_ns(0.95)),
            ms(whole.work.original.quantile_ns(0.5)),
            ms(whole.work.original.quantile_ns(0.95)),
        )
    }

    /// Response times of the replay against those of the log, in a sentence; `None` if nothing was measured.
    pub(super) fn against_the_log(&self) -> Option<String> {
        let work = self.measured.whole().work;
        let (log, replay) = (quantile(&work.original, 0.95)?, quantile(&work.response, 0.95)?);
        let change = Change::between(log, replay)?;
        let word = match change.word() {
            "Same" => "The same as in the log",
            "Slower" => "Slower than in the log",
            _ => "Faster than in the log",
        };
        Some(format!(
            "{word}: p95 {} in the replay, {} in the log, {}",
            text::milliseconds_range(replay),
            text::milliseconds_range(log),
            change.words()
        ))
    }

    /// What was missed, a clause each.
    pub(super) fn missed(&self) -> Vec<String> {
        let stopped = self.stopped.iter().map(|why| format!("stopped after {}: {why}", text::duration(self.took_seconds)));
        let is_void = self.is_void();
        let counts = |term: &JudgedTerm| !term.met && (!is_void || (term.is_of_errors && term.ratio.is_finite()));
        let terms = self.judged().into_iter().filter(counts).map(|term| {
            let cause = term.cause.map_or_else(String::new, |cause| format!(": {cause}"));
            format!("{}, but measured {}{cause}", term.term, term.measured)
        });
        stopped.chain(terms).collect()
    }

    /// What happened when, a sentence each.
    pub(super) fn episodes(&self) -> Vec<String> {
        let all = &self.measured.episodes;
        let mut sentences: Vec<String> = all.iter().take(EPISODES_SHOWN).map(episode_sentence).collect();
        if all.len() > EPISODES_SHOWN {
            sentences.push(format!("{} more such times", text::count((all.len() - EPISODES_SHOWN) as u64)));
        }
        sentences
    }

    /// The result of the search for the limit, in a sentence.
    pub(super) fn limit_sentence(&self) -> Option<String> {
        let limit = self.limit.as_ref()?;
        let load = |load: f64| format!("{load:.2}");
        let rate = |load: f64| self.steps.iter().find(|step| step.load == load).map_or(0.0, |step| step.rate);
        let found = match (limit.value, limit.high) {
            (Some(value), Some(high)) => format!(
                "{}× the logged users ({}–{}×), {} requests/s",
                load(value),
                load(limit.low.unwrap_or(value)),
                load(high),
                text::number(rate(value))
            ),
            (Some(value), None) => format!("at least {}× the logged users, {} requests/s", load(value), text::number(rate(value))),
            (None, Some(high)) => format!("below {}× the logged users, the smallest load that was tried", load(high)),
            (None, None) => "not found".to_owned(),
        };
        let why = limit.broke.as_ref().map(|why| format!("; first missed: {why}"));
        let beyond = limit.beyond.as_ref().map(|why| format!("; {why}"));
        let predicted = limit.predicted.map(|predicted| format!("; the simulation predicts {}×", load(predicted)));
        Some([Some(found), predicted, why, beyond].into_iter().flatten().collect())
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

    /// What delayed requests on their way, in a sentence; `None` if no connection was opened.
    pub(super) fn connections_sentence(&self) -> Option<String> {
        let delays = &self.measured.delays;
        let times = |times: &LatencyHistogram| format!("p50 {}, p99 {}", us(times.quantile_ns(0.5)), us(times.quantile_ns(0.99)));
        if delays.connecting.count() + delays.waited.count() == 0 {
            return None;
        }
        let mut parts = vec![format!(
            "{} opened ({})",
            text::plural(delays.connecting.count(), "connection", "connections"),
            times(&delays.connecting)
        )];
        if delays.securing.count() > 0 {
            parts.push(format!("TLS handshakes {}", times(&delays.securing)));
        }
        if delays.waited.count() > 0 {
            let waited = text::plural(delays.waited.count(), "request", "requests");
            parts.push(format!("{waited} waited for a free one ({})", times(&delays.waited)));
        }
        if delays.repeats > 0 {
            parts.push(format!("{} sent again on a new one", text::plural(delays.repeats, "request was", "requests were")));
        }
        if delays.disturbed > 0 {
            parts.push(format!("{} while the generator stood still", text::plural(delays.disturbed, "request waited", "requests waited")));
        }
        Some(parts.join("; "))
    }

    /// How much of the scheduled traffic was sent, in a sentence.
    pub(super) fn replayed_share_sentence(&self) -> String {
        let (totals, cpu) = (&self.measured.totals, &self.measured.cpu);
        let requests = text::percent(share(totals.sent() as f64, totals.scheduled() as f64));
        if cpu.logged_us == 0 {
            return format!("{requests} of the requests were sent; their share of CPU is unknown because the log contains no CPU");
        }
        let skipped: u64 = cpu.skipped_us.values().sum();
        let sent = text::percent(1.0 - skipped as f64 / cpu.logged_us as f64);
        format!("{requests} of the requests were sent, with {sent} of the CPU that all of them took in the log")
    }
}

/// Sentences about times in which something was wrong.
const EPISODES_SHOWN: usize = 5;

/// A quantile with its distribution-free 95 % interval: the order statistics between the binomial bounds of the rank (Conover, *Practical
/// Nonparametric Statistics*, 3.2, in the normal approximation).
pub(crate) fn quantile(times: &LatencyHistogram, quantile: f64) -> Option<Interval> {
    if times.count() == 0 {
        return None;
    }
    let half = 1.96 * (quantile * (1.0 - quantile) / times.count() as f64).sqrt();
    let ms = |quantile: f64| times.quantile_ns(quantile.clamp(0.0, 1.0)) as f64 / 1e6;
    Some(Interval::new(ms(quantile), ms(quantile - half), ms(quantile + half)))
}

fn ms(ns: u64) -> String {
    text::milliseconds(ns as f64 / 1e6)
}

fn us(ns: u64) -> String {
    if ns < 1_000_000 { format!("{} µs", ns / 1000) } else { ms(ns) }
}
