//! The profile: what the traffic demands. Demand per endpoint group, peaks, burstiness, heavy hitters, coverage.
//!
//! ```text
//! requests, in any order ──▶ Profiler (one per thread, merged) ──▶ finish ──▶ Profile
//!        └──▶ inference (proxy logs: CPU from times) ──▶ Extras ──▶────┤
//!             process_cpu (a file) ─────────────────────▶──────────────┘
//! ```
//!
//! Knows nothing of plans. Invariant: a profile depends on the set of requests only, not on their order or on how they were
//! split over profilers; memory depends on the number of endpoint classes, never on the length of the log.
//!
//! Times: **a request's work begins when it arrives, a long poll's when it wakes** (arrival plus park). Every bin, peak and
//! index of dispersion counts a request where its work begins, with all its CPU, because that is when a worker gets it.

mod classes;
mod coverage;
mod finish;
mod hitters;
pub mod inference;
pub mod model;
mod peaks;
mod prior;
pub mod process_cpu;
mod processes;
mod profiler;
mod series;
mod sums;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;

pub use inference::{DemandMethod, InferredDemand};
pub use model::{
    Concurrency, Coverage, Demand, DestinationProfile, Dispersion, EndpointProfile, EventRate, GroupProfile, Heavy, HeavyHitters,
    LATENCY_BUCKETS_MS, Outcomes, Peak, Peaks, ProcessCoverage, ProcessProfile, Profile, Quantiles, Series, Window,
};
pub use process_cpu::{ProcessCpu, ProcessCpuError};
pub use profiler::{Extras, Profiler, Settings};
