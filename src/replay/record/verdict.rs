//! Whether a run says anything about its target.

use std::fmt;

use super::Measured;
use crate::{Finished, StopReason};

/// When a run is void: when the generator, not the target, made the times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoidRules {
    /// Largest p99 of lateness, ms.
    pub lateness_p99_ms: f64,
    /// Largest share of answers 429 where the log has none, 0 to 1.
    pub limited: f64,
}

impl Default for VoidRules {
    /// 10 ms, which is below what Synapse needs for most requests, and one answer of a hundred.
    fn default() -> Self {
        Self { lateness_p99_ms: 10.0, limited: 0.01 }
    }
}

/// Why a run is void.
#[derive(Debug, Clone, PartialEq)]
pub enum VoidReason {
    /// The generator was the bottleneck.
    Late {
        /// p99 of lateness, ms.
        p99_ms: f64,
        /// What is allowed, ms.
        limit_ms: f64,
    },
    /// Requests were given up because too many waited.
    Full(u64),
    /// The target limits rates.
    Limited(u64),
    /// It ended before its schedule.
    Stopped(StopReason),
    /// Nothing was answered.
    Nothing,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { p99_ms, limit_ms } => {
                write!(
                    out,
                    "the generator was late: p99 {p99_ms:.1} ms, allowed are {limit_ms:.1} ms; use a quieter or another machine, or shards"
                )
            }
            Self::Full(count) => write!(out, "{count} requests were not sent because too many waited for the target"),
            Self::Limited(count) => write!(out, "{count} answers were 429: raise the target's rc_… settings, or provision it anew"),
            Self::Stopped(reason) => write!(out, "stopped early: {reason}"),
            Self::Nothing => out.write_str("no request was answered"),
        }
    }
}

impl VoidRules {
    /// The reasons that apply to a run; none for a valid one.
    pub fn judge(&self, measured: &Measured, finished: &Finished) -> Vec<VoidReason> {
        let mut reasons = Vec::new();
        let p99_ms = measured.lateness.quantile_ns(0.99) as f64 / 1e6;
        if p99_ms > self.lateness_p99_ms {
            reasons.push(VoidReason::Late { p99_ms, limit_ms: self.lateness_p99_ms });
        }
        if let Some(&count) = measured.account.skipped.get("queue_full") {
            reasons.push(VoidReason::Full(count));
        }
        if measured.limited as f64 > self.limited * measured.account.completed as f64 {
            reasons.push(VoidReason::Limited(measured.limited));
        }
        if let Some(reason) = &finished.stopped {
            reasons.push(VoidReason::Stopped(reason.clone()));
        }
        if measured.account.completed == 0 {
            reasons.push(VoidReason::Nothing);
        }
        reasons
    }
}
