//! What the fuzz targets share: the crates that read bytes from outside, a limit on memory, and drivers.

pub mod drivers;
pub mod files;
pub mod seeds;

pub use wsim_advise as advise;
pub use wsim_configure as configure;
pub use wsim_configure::{audit, read};
pub use wsim_emulate as emulate;
pub use wsim_endpoints as endpoints;
pub use wsim_http as http;
pub use wsim_logs as logs;
pub use wsim_matrix as matrix;
pub use wsim_nginx as nginx;
pub use wsim_parquet as parquet;
pub use wsim_plan as plan;
pub use wsim_profile as profile;
pub use wsim_prometheus as prometheus;
pub use wsim_questions as questions;
pub use wsim_replay as replay;
pub use wsim_record as record;
pub use wsim_report as report;
pub use wsim_text as text;
pub use wsim_trace as trace;
pub use wsim_transport as transport;

/// An allocation beyond the limit fails, which ends the process: libFuzzer's own limit is looked at once a second only, and an input may
/// take and free gigabytes in between.
#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, HEAP_MAX);

/// Bytes on the heap at one time: what a small input may grow to.
pub const HEAP_MAX: usize = 256 << 20;
