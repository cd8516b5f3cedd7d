//! The simulation of Synapse deployments: an event engine, queueing stations, the model of a process, and the statistics of runs.
//!
//! Knows nothing of files. From a log to a prediction:
//!
//! 1. [`calibrate`] turns a trace and its profile into a [`PreparedWorkload`](prepare::PreparedWorkload): 64 bytes per request with its own
//!    costs, wake-up times of long polls, chains of polls and cache state, and the [costs](topology::Costs) that no request line shows.
//! 2. [`deploy`] turns a plan into a [`topology::Topology`] and [`router::Routers`] with the proxies' exact rules.
//! 3. A [`schedule::Schedule`] draws the arrivals: users as observed, clones for growth, or a resample of users.
//! 4. A [`cluster::Run`] simulates one schedule: the [`engine`] hands out events in order of time, [`station`]s say
//!    when services end. The same input gives the same [`result::RunResult`] to the bit.
//! 5. A [`replications::Scenario`] repeats that on common random numbers until the intervals are narrow enough.
//! 6. [`backtest`] does all that for the deployment that wrote the logs and compares with the log; [`prediction`] does it for a replay.
//!
//! Folders depend on those before them only: `engine`, `parallel`, `station`, `synapse` (the model), `uncertainty`, `replications`, `calibrate`,
//! `deploy`, `prediction`; `theory` has textbook queues on the same engine. The model of a worker and the statistics:
//! `docs/model.md`. Checks against queueing theory: `tests/integration/theory.rs`.

pub mod calibrate;
pub mod deploy;
pub mod engine;
pub mod parallel;
pub mod prediction;
pub mod replications;
mod shared_schedules;
pub mod station;
pub mod synapse;
pub mod theory;
pub mod uncertainty;

pub use calibrate::machine::MachineConfig;
pub use calibrate::model_error::ModelError;
pub use calibrate::unlogged_costs::UnloggedCosts;
pub use calibrate::wakeups::WakeupSummary;
pub use calibrate::{backtest, prepare};
pub use engine::{NEVER_STOPPED, StopFlag, queue, random, time};
pub use shared_schedules::RunTask;
pub use synapse::{caches, cluster, outages, record, result, router, schedule, topology, workload};
