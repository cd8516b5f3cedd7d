//! Capacity planning for Synapse workers, from the logs an administrator already has.
//!
//! Data flows one way, and a module may use those above it in this list, never those below:
//!
//! ```text
//! stats      histograms, dispersion, heavy hitters           knows nothing of requests
//! logs       files and formats: bytes -> Record              knows nothing of endpoints
//! endpoints  Synapse's worker endpoint tables: request -> Endpoint
//! trace      columns, Parquet, identities, joining           knows nothing of simulation
//! profile    demand, peaks, burstiness, heavy hitters, coverage
//! balance    the exact choice rules of proxies              knows nothing of requests
//! plan       a topology: pools, endpoints, balancing, stream writers
//! simulate   the event engine, the model of a process, replications   knows nothing of files
//! advise     candidates, the analytic screen, the recommendation
//! configure  a plan -> proxy and Synapse files; a proxy's files -> a plan; the audit   knows nothing of simulation
//! transport  HTTP for load: one connection, one request, one answer with its instants   knows nothing of Matrix
//! matrix     what a replay needs of the Matrix API: provisioning, identifiers, bodies, chains   knows nothing of pacing
//! replay     schedule, pacing, connections, measurements, safety   knows nothing of HTML
//! export     a schedule in the own form of another load generator   knows nothing of Matrix and of pacing
//! emulate    the built-in emulated cluster                   knows nothing of replay
//! report     one report model -> terminal, HTML, Markdown, JSON, charts
//! cli        arguments, progress, exit codes
//! ```

pub mod advise;
pub mod balance;
pub mod cli;
pub mod configure;
pub mod emulate;
pub mod endpoints;
pub mod export;
pub mod logs;
pub mod matrix;
pub mod plan;
pub mod profile;
pub mod replay;
pub mod report;
pub mod simulate;
pub mod stats;
pub mod trace;
pub mod transport;
