//! Capacity planning for Synapse workers, from the logs an administrator already has.
//!
//! Each module is a crate of its own in `src/`. Data flows one way, and a crate depends on those above it in this list only:
//!
//! ```text
//! stats      histograms, dispersion, heavy hitters           knows nothing of requests
//! text       numbers, ranges, times and lists as people read them   knows nothing of what is formatted
//! nginx      nginx's configuration grammar, includes, variables   knows nothing of what directives mean
//! http       request targets, queries, percent-encoding, identities   knows nothing of log formats
//! logs       files and formats: bytes -> Record              knows nothing of endpoints
//! endpoints  Synapse's worker endpoint tables: request -> Endpoint
//! trace      columns, identities, joining                    knows nothing of simulation
//! parquet    trace files and tables as Parquet               the only crate that uses polars
//! profile    demand, peaks, burstiness, heavy hitters, coverage
//! balance    the exact choice rules of proxies              knows nothing of requests
//! plan       a topology: pools, endpoints, balancing, stream writers
//! simulate   the event engine, the model of a process, replications   knows nothing of files
//! advise     candidates, the analytic screen, the recommendation
//! configure  a plan -> proxy and Synapse files; a proxy's files -> a plan; the audit   knows nothing of simulation
//! transport  HTTP for load: one connection, one request, one response with its instants   knows nothing of Matrix
//! matrix     what a replay needs of the Matrix API: provisioning, identifiers, bodies, chains   knows nothing of pacing
//! replay     schedule, pacing, connections, measurements, safety   knows nothing of HTML
//! export     a schedule in the own form of another load generator   knows nothing of Matrix and of pacing
//! emulate    the built-in emulated cluster                   knows nothing of replay
//! report     one report model -> terminal, HTML, Markdown, JSON, charts
//! cli        arguments, progress, exit codes
//! ```

pub mod cli;

pub use wsim_advise as advise;
pub use wsim_balance as balance;
pub use wsim_configure as configure;
pub use wsim_emulate as emulate;
pub use wsim_endpoints as endpoints;
pub use wsim_export as export;
pub use wsim_http as http;
pub use wsim_logs as logs;
pub use wsim_matrix as matrix;
pub use wsim_nginx as nginx;
pub use wsim_parquet as parquet;
pub use wsim_plan as plan;
pub use wsim_profile as profile;
pub use wsim_replay as replay;
pub use wsim_report as report;
pub use wsim_simulate as simulate;
pub use wsim_stats as stats;
pub use wsim_text as text;
pub use wsim_trace as trace;
pub use wsim_transport as transport;
