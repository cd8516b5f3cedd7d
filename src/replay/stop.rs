//! Ending a run before its schedule does.

use std::fmt;
use std::sync::OnceLock;

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq)]
pub enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// Too many requests ended in an error that the log does not have.
    Errors {
        /// Their share in the last seconds, 0 to 1.
        share: f64,
    },
    /// The target limits rates.
    RateLimited {
        /// Share of responses 429 in the last seconds, 0 to 1.
        share: f64,
    },
}

impl StopReason {
    /// Whether the target is the reason, so that the run says something of it.
    pub fn is_of_target(&self) -> bool {
        matches!(self, Self::Errors { .. })
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => out.write_str("interrupted"),
            Self::Errors { share } => {
                write!(out, "{:.0} % of the last requests ended in an error that the log does not have", share * 100.0)
            }
            Self::RateLimited { share } => write!(
                out,
                "the target limits rates: {:.0} % of the last responses were 429; raise its rc_… settings, or override them per user",
                share * 100.0
            ),
        }
    }
}

/// Ends a run. Shared by all parts that may do so; the first reason counts.
#[derive(Debug, Default)]
pub struct StopSignal(OnceLock<StopReason>);

impl StopSignal {
    /// Ends the run. Returns whether this was the first reason.
    pub fn set(&self, reason: StopReason) -> bool {
        self.0.set(reason).is_ok()
    }

    /// Whether the run must end.
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// The first reason.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.get()
    }
}
