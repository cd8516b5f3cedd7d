//! From a profile to advice: candidates, the analytic screen, the recommendation and its reasons.
//!
//! Knows nothing of any proxy's syntax.
//!
//! ```text
//! Profile ─┬─▶ law     what a request, an event and a process cost, as ranges
//! Plan ────┴─▶ load    who serves what; how uneven each pool is
//!               └────▶ screen   utilisation of every process ──▶ Candidate, the smallest that meets ──▶ Advice
//!                        └────▶ words, reasons, confidence
//! trace, Plan ────▶ sweep   what the screen leaves, simulated: latencies, the smallest that meets, what breaks it ──▶ Sweep
//! ```

pub mod confidence;
pub mod law;
pub mod load;
pub mod model;
pub mod objective;
pub mod reasons;
pub mod screen;
pub mod skew;
pub mod sweep;
pub mod words;

#[cfg(test)]
pub(crate) mod fixture;

pub use law::{Costs, Law};
pub use model::*;
pub use objective::{LatencyTerm, Objective, ObjectiveError, Statistic};
pub use screen::{Settings, judge, screen};
