//! From a profile to advice: candidate plans, the analytic screen, simulation, the recommendation and its reasons.
//!
//! Knows nothing of any proxy's syntax.
//!
//! ```text
//! Profile ─┬─▶ law     what a request, an event and a process cost, as ranges
//! Plan ────┴─▶ load    which process serves what; how uneven each pool is
//!               └────▶ screen   utilisation of every process ──▶ PlanSummary, the smallest that meets ──▶ Advice
//!                        └────▶ findings ──▶ verdict, reasons, assumptions, confidence
//! trace, Plan ────▶ sweep   simulates the plans that the screen leaves: response times, the smallest that meets, its limits ──▶ Sweep
//! ```

mod assumptions;
mod client_keys;
mod confidence;
mod config;
mod findings;
mod law;
pub mod limits;
mod load;
mod model;
mod objective;
mod outcome_term;
mod own;
mod questions;
mod reasons;
mod response_times;
mod screen;
mod skew;
pub mod sweep;
mod verdict;
mod words;

#[cfg(test)]
pub(crate) mod fixture;

pub use config::ScreenConfig;
pub use findings::REQUESTS_FOR_SHARES;
pub use limits::MachineLimits;
pub use limits::{Limit, LimitKind};
pub use model::*;
pub use objective::{LatencyTerm, Objective, ObjectiveError, Statistic};
pub use outcome_term::{Measure, OutcomeTerm};
pub use questions::{Answer, InputFacts, Question, questions};
pub use response_times::EstimatedTerm;
pub use screen::screen;
