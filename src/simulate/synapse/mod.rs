//! The model of a Synapse deployment: the workload, the processes behind a proxy, and one simulated run.
//!
//! Knows nothing of logs and plans: [`calibrate`](crate::calibrate) makes workloads and costs from a trace,
//! [`deploy`](crate::deploy) makes topologies and routers from a plan.

pub mod caches;
pub mod cluster;
mod growth;
pub mod outages;
mod poll_chains;
pub mod record;
pub mod result;
pub mod room_shards;
pub mod router;
pub mod schedule;
pub mod topology;
pub mod workload;
