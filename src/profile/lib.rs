//! The profile: how much work the traffic causes. Demand per endpoint group, peaks, burstiness, heavy hitters, coverage.
//!
//! ```text
//! requests, in any order ──▶ Profiler (one per thread, merged) ──▶ costed ──▶ finish ──▶ Profile
//!        └──▶ inference (proxy logs: CPU from times) ──▶ ProfileInputs ┤
//!             process_cpu (a file) ─────────────────────▶──────────────┘
//! ```
//!
//! Knows nothing of plans. Invariant: a profile depends on the set of requests only, not on their order or on how they were
//! divided among profilers; memory depends on the number of endpoint classes, never on the length of the log.
//!
//! Times: **a request's work starts at its arrival, that of a long poll at its wake-up** (arrival plus waiting). Every bin, peak
//! and index of dispersion counts a request, with all its CPU, at the start of its work, because that is when a worker is busy with it.

mod ceiling;
mod classes;
mod costed;
mod coverage;
pub mod cpu_limit;
mod database;
pub mod deployment;
mod finish;
mod hitters;
pub mod inference;
mod measured_work;
pub mod model;
mod parallel;
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

pub use cpu_limit::{CpuLimit, LimitSource, ToldDeployment, ToldProcess};
pub use deployment::{DeployedProcess, DeployedRole, Deployment, Warning, WarningEffect};
pub use inference::InferredDemand;
pub use measured_work::MeasuredWork;
pub use model::{
    Concurrency, Coverage, DatabaseLoad, DatabaseProfile, Demand, DemandMethod, DestinationProfile, Dispersion, EndpointProfile, EventRate,
    GroupProfile, HeavyHitter, HeavyHitters, LATENCY_BUCKETS_MS, Outcomes, Peak, Peaks, Precision, ProcessCoverage, ProcessMemory,
    ProcessProfile, Profile, Quantiles, Series, SeriesSkip, Window,
};
pub use parallel::{profile_logs, profile_trace};
pub use process_cpu::{ProcessCpu, ProcessCpuError};
pub use profiler::{ProfileInputs, Profiler, ProfilerConfig};
pub use window::observed_time;
