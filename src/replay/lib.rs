//! Replaying: a schedule kept to, what became of every request, and the limits within which it may happen.
//!
//! ```text
//! trace ──▶ schedule ──▶ dispatcher ──▶ lanes ──▶ connections ──▶ target
//!           (when)       (own thread)   (order     (transport)
//!                                        per user)      │
//!                 account, histograms ◀── outcomes ◀────┘
//! ```
//!
//! Owns time, order and connections. What a request says comes from a [`Script`]. Knows nothing of HTML. Invariant: everything
//! scheduled ends in exactly one [`Outcome`], whatever the target does.

mod breaker;
mod dispatcher;
mod engine;
mod lanes;
pub mod metrics;
mod outcome;
mod pool;
pub mod record;
mod recording;
mod rows;
pub mod safety;
mod schedule;
mod script;
mod stop;
#[cfg(test)]
mod tests;

pub use breaker::BreakerLimits;
pub use dispatcher::Pace;
pub use engine::{Finished, Live, Run, RunError, Settings, run};
pub use outcome::{Account, End, Outcome, Reason};
pub use recording::Sink;
pub use rows::{Lane, Plan, rows};
pub use schedule::{Row, Schedule, Shape, Slot, count_alongside};
pub use script::{Position, Script};
pub use stop::{Stop, StopReason};
