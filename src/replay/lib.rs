//! Replay: sends a schedule on time, and measures what becomes of every request.
//!
//! ```text
//! trace ──▶ schedule ──▶ clock ──▶ lanes ──▶ connections ──▶ target
//!           (when)                 (order     (transport)
//!                                   per user)      │
//!           measurements ◀── recorder ◀── outcomes ┘
//! ```
//!
//! Owns time, order, connections, measurements and the rules for a safe target. The content of a request comes from a [`Script`]. Knows
//! nothing of Matrix and nothing of reports. Invariant: everything scheduled ends in exactly one [`Outcome`], whatever the target does.

mod breaker;
mod clock;
mod engine;
mod errors;
pub mod guard;
mod lanes;
pub mod limit;
pub mod metrics;
mod outcome;
mod pool;
pub mod record;
mod recording;
mod rows;
mod schedule;
mod script;
mod stop;
#[cfg(test)]
mod tests;

pub use breaker::BreakerLimits;
pub use clock::{Pace, Stall};
pub use engine::{EngineConfig, FinishedRun, LiveCounters, Run, RunError, run};
pub use errors::is_worse;
pub use outcome::{End, Outcome, OutcomeTotals, SkipReason};
pub use recording::Sink;
pub use rows::{Lane, LeftOutTime, ReplayedRequests, RowInfo};
pub use schedule::{Row, Schedule, Slot, TrafficConfig, set_overlap_limits};
pub use script::{Position, Script, Unsendable};
pub use stop::{StopReason, StopSignal};
