//! Whether a run's figures are about the target, or void.
//!
//! Void is only what the generator or its operator did. A target that is slow, fails or refuses is no reason: the run then says something of
//! it, and misses what is expected ([`crate::errors`]).

use std::fmt;

use super::Measurements;
use crate::{FinishedRun, StopReason};
use wsim_transport::Failure;

/// Limits beyond which a run is void: the generator, not the target, then determined the times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoidRules {
    /// Largest p99 of lateness, ms. Seconds in which a tenth of the requests or more are later do not count here, but as
    /// [late seconds](Self::late_seconds).
    pub lateness_p99_ms: f64,
    /// Largest share of late seconds, 0 to 1.
    pub late_seconds: f64,
    /// Largest share of requests that failed because the generator lacked something, 0 to 1.
    pub lacked: f64,
    /// Largest share of responses 429 that were not 429 in the log, 0 to 1.
    pub rate_limited: f64,
}

impl Default for VoidRules {
    /// 10 ms, which is less than Synapse takes for most requests; one second in twenty; one request and one response in a hundred.
    fn default() -> Self {
        Self { lateness_p99_ms: 10.0, late_seconds: 0.05, lacked: 0.01, rate_limited: 0.01 }
    }
}

/// Why a run is void.
#[derive(Debug, Clone, PartialEq)]
pub enum VoidReason {
    /// The generator was the bottleneck.
    Late {
        /// p99 of lateness, ms.
        p99_ms: f64,
        /// Largest allowed, ms.
        limit_ms: f64,
    },
    /// The generator stopped too often.
    LateSeconds { late: u64, seconds: u64 },
    /// The target limits rates: number of responses 429.
    RateLimited(u64),
    /// The run ended before its schedule, for a reason that says nothing of the target.
    Stopped(StopReason),
    /// The generator lacked something for many requests: how many, and what.
    Lacked { count: u64, failure: Failure },
    /// No request was sent.
    NothingSent,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { p99_ms, limit_ms } => {
                write!(
                    out,
                    "the generator was late: p99 {p99_ms:.1} ms, at most {limit_ms:.1} ms is allowed; use an idle machine, or several with --shard"
                )
            }
            Self::LateSeconds { late, seconds } => {
                write!(out, "the generator was late in {late} of {seconds} seconds: use an idle machine, or several with --shard")
            }
            Self::RateLimited(count) => write!(out, "{count} responses were 429: raise the target's rc_… settings, or provision it again"),
            Self::Stopped(reason) => write!(out, "stopped early: {reason}"),
            Self::Lacked { count, failure } => write!(out, "{count} requests failed because of the generator: {failure}"),
            Self::NothingSent => out.write_str("no request was sent"),
        }
    }
}

impl VoidReason {
    /// Whether the generator was too slow, so that a larger load cannot be made with it.
    pub fn is_of_generator(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::LateSeconds { .. } | Self::Lacked { .. })
    }
}

impl VoidRules {
    /// The reasons that apply to a run; none for a valid one.
    pub fn judge(&self, measurements: &Measurements, finished: &FinishedRun) -> Vec<VoidReason> {
        let mut reasons = Vec::new();
        let late = &measurements.late;
        if late.late as f64 > 0.01 * late.sent as f64 {
            let p99_ms = measurements.lateness.quantile_ns(0.99) as f64 / 1e6;
            reasons.push(VoidReason::Late { p99_ms, limit_ms: self.lateness_p99_ms });
        } else if late.late_seconds as f64 > self.late_seconds * late.seconds as f64 {
            reasons.push(VoidReason::LateSeconds { late: late.late_seconds, seconds: late.seconds });
        }
        let lacked = measurements.totals.failed.iter().filter_map(|(name, count)| Some((Failure::from_name(name)?, *count)));
        let lacked = lacked.filter(|(failure, _)| failure.is_generators()).max_by_key(|(_, count)| *count);
        if let Some((failure, count)) = lacked.filter(|(_, count)| *count as f64 > self.lacked * measurements.totals.sent() as f64) {
            reasons.push(VoidReason::Lacked { count, failure });
        }
        if measurements.rate_limited as f64 > self.rate_limited * measurements.totals.completed as f64 {
            reasons.push(VoidReason::RateLimited(measurements.rate_limited));
        }
        if let Some(reason) = finished.stopped.as_ref().filter(|reason| !reason.is_of_target()) {
            reasons.push(VoidReason::Stopped(reason.clone()));
        }
        if measurements.totals.sent() == 0 {
            reasons.push(VoidReason::NothingSent);
        }
        reasons
    }
}
