//! The profile: what the traffic demands. Demand per endpoint group, peaks, burstiness, heavy hitters, coverage.
//!
//! Reads requests, in any order, and can be merged. Knows nothing of plans.

pub mod model;

pub use model::*;
