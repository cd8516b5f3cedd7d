//! Whether a run's figures are about the target, or void.

use std::fmt;

use super::Measurements;
use crate::{FinishedRun, SkipReason, StopReason};

/// Limits beyond which a run is void: the generator, not the target, then determined the times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoidRules {
    /// Largest p99 of lateness, ms.
    pub lateness_p99_ms: f64,
    /// Largest share of responses 429 that were not 429 in the log, 0 to 1.
    pub rate_limited: f64,
}

impl Default for VoidRules {
    /// 10 ms, which is less than Synapse takes for most requests, and one response in a hundred.
    fn default() -> Self {
        Self { lateness_p99_ms: 10.0, rate_limited: 0.01 }
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
    /// This many requests were skipped because too many waited.
    QueueFull(u64),
    /// The target limits rates: number of responses 429.
    RateLimited(u64),
    /// The run ended before its schedule.
    Stopped(StopReason),
    /// No request was completed.
    NothingCompleted,
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
            Self::QueueFull(count) => write!(out, "{count} requests were not sent because too many waited for the target"),
            Self::RateLimited(count) => write!(out, "{count} responses were 429: raise the target's rc_… settings, or provision it again"),
            Self::Stopped(reason) => write!(out, "stopped early: {reason}"),
            Self::NothingCompleted => out.write_str("no request was completed"),
        }
    }
}

impl VoidRules {
    /// The reasons that apply to a run; none for a valid one.
    pub fn judge(&self, measurements: &Measurements, finished: &FinishedRun) -> Vec<VoidReason> {
        let mut reasons = Vec::new();
        let p99_ms = measurements.lateness.quantile_ns(0.99) as f64 / 1e6;
        if p99_ms > self.lateness_p99_ms {
            reasons.push(VoidReason::Late { p99_ms, limit_ms: self.lateness_p99_ms });
        }
        let queue_full = measurements.totals.skipped_for(SkipReason::QueueFull);
        if queue_full > 0 {
            reasons.push(VoidReason::QueueFull(queue_full));
        }
        if measurements.rate_limited as f64 > self.rate_limited * measurements.totals.completed as f64 {
            reasons.push(VoidReason::RateLimited(measurements.rate_limited));
        }
        if let Some(reason) = &finished.stopped {
            reasons.push(VoidReason::Stopped(reason.clone()));
        }
        if measurements.totals.completed == 0 {
            reasons.push(VoidReason::NothingCompleted);
        }
        reasons
    }
}
