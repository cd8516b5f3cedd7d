//! From a profile to advice: candidates, the analytic screen, the recommendation and its reasons.
//!
//! Knows nothing of any proxy's syntax.

pub mod model;

pub use model::*;
