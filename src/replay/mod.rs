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

mod outcome;
mod script;

pub use outcome::{Account, End, Outcome, Reason};
pub use script::{Position, Script};
