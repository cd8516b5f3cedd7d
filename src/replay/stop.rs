//! Ending a run before its schedule does.

use std::fmt;
use std::sync::OnceLock;

/// Why a run was ended early.
#[derive(Debug, Clone, PartialEq)]
pub enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// Too many requests failed, or were answered by an error that the log does not have.
    Errors {
        /// Their share in the last seconds, 0 to 1.
        share: f64,
    },
    /// The target limits rates.
    RateLimited {
        /// Share of answers 429 in the last seconds, 0 to 1.
        share: f64,
    },
    /// The measurements could not be written.
    Recording(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => out.write_str("interrupted"),
            Self::Errors { share } => write!(out, "{:.0} % of the last requests failed where the log's did not", share * 100.0),
            Self::RateLimited { share } => write!(
                out,
                "the target limits rates: {:.0} % of the last answers were 429; raise its rc_… settings, or override them per user",
                share * 100.0
            ),
            Self::Recording(why) => write!(out, "the measurements could not be written: {why}"),
        }
    }
}

/// Shared by everybody who may end a run; the first reason counts.
#[derive(Debug, Default)]
pub struct Stop(OnceLock<StopReason>);

impl Stop {
    /// Ends the run. Gives back whether this was the first reason.
    pub fn set(&self, reason: StopReason) -> bool {
        self.0.set(reason).is_ok()
    }

    /// Whether the run is to end.
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Why.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.get()
    }
}
