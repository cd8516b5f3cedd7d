//! What a topology would do with a workload: an event simulation with error bars.
//!
//! Knows nothing of files. Life cycle of a prediction:
//!
//! 1. Requests of a trace become a [`prepare::Prepared`] workload with what no request line shows ([`topology::Costs`]): costs kept
//!    together per request, parks as instants of the outside world, device loops, cache state; 56 bytes each. Or a [`synthetic::Synthetic`] one is made up.
//! 2. A [`schedule::Schedule`] draws who comes: everybody as observed, clones for growth, a resample of users.
//! 3. A plan becomes a [`deploy::Deployment`], the logs' own processes an [`observed::Observed`] one: a [`topology::Topology`] says
//!    which processes there are, [`router::Routers`] how a proxy chooses among them.
//! 4. A [`cluster::Run`] plays the schedule: [`engine`] and [`queue`] hand out events by time and order, [`station`]s say when
//!    things end; a [`result::RunResult`] comes out. The same input gives the same bytes.
//! 5. A [`run::Scenario`] repeats that on common random numbers until the intervals are narrow enough, and compares.
//! 6. A [`backtest`] does all that to the deployment that wrote the logs and compares.
//!
//! The model of a worker and the statistics: `docs/model.md`. What theory says of it is tested in `tests/integration/theory.rs`.

pub mod backtest;
pub mod cluster;
pub mod deploy;
pub mod engine;
pub mod observed;
pub mod prepare;
pub mod queue;
pub mod random;
pub mod record;
pub mod result;
pub mod router;
pub mod run;
pub mod schedule;
pub mod station;
pub mod synthetic;
pub mod time;
pub mod topology;
pub mod workload;
