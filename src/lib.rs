//! Capacity planning for Synapse workers, from the logs an administrator already has.
//!
//! Each module is a crate of its own in `src/`. Data flows one way: a crate depends only on those above it in this list, which
//! CONTRIBUTING.md has with the details.
//!
//! ```text
//! stats      histograms, dispersion, heavy hitters
//! text       numbers, ranges, times and lists as people read them
//! http       request targets, queries, percent-encoding, identities
//! folder     output folders and files: whole, listed, replaced only where they are wsim's
//! record     CPU and memory of running processes, from /proc and control groups
//! nginx      nginx's configuration grammar, includes, variables
//! logs       files and formats: bytes -> Record
//! endpoints  Synapse's worker endpoint tables: request -> Endpoint
//! trace      columns, identities, joining
//! parquet    trace files and tables as Parquet
//! profile    demand, peaks, burstiness, heavy hitters, coverage
//! balance    the exact balancing rules of proxies
//! plan       a plan: pools, endpoints, balancing, stream writers
//! simulate   the event engine, the model of a process, replications
//! advise     candidates, the analytic screen, the sweep, the recommendation
//! questions  a server without a log, presets and their cost, what changed, what if
//! configure  a plan -> proxy and Synapse files; a proxy's files -> a plan; the audit
//! transport  HTTP for load: one connection, one request, one response with its instants
//! prometheus what a Prometheus that scrapes Synapse knows of its processes
//! replay     schedule, pacing, connections, measurements, safety
//! matrix     what a replay needs of the Matrix API: provisioning, identifiers, bodies, chains of requests
//! export     a schedule in the format of another load generator
//! emulate    the emulated cluster
//! report     results -> terminal, HTML, Markdown, JSON, charts
//! watch      figures of growing logs, live
//! cli        arguments, progress, exit codes
//! ```

pub mod cli;

pub use wsim_advise as advise;
pub use wsim_balance as balance;
pub use wsim_configure as configure;
pub use wsim_emulate as emulate;
pub use wsim_endpoints as endpoints;
pub use wsim_export as export;
pub use wsim_folder as folder;
pub use wsim_http as http;
pub use wsim_logs as logs;
pub use wsim_matrix as matrix;
pub use wsim_nginx as nginx;
pub use wsim_parquet as parquet;
pub use wsim_plan as plan;
pub use wsim_profile as profile;
pub use wsim_prometheus as prometheus;
pub use wsim_questions as questions;
pub use wsim_record as record;
pub use wsim_replay as replay;
pub use wsim_report as report;
pub use wsim_simulate as simulate;
pub use wsim_stats as stats;
pub use wsim_text as text;
pub use wsim_trace as trace;
pub use wsim_transport as transport;
pub use wsim_watch as watch;
