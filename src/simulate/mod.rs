//! The event engine and the model of a Synapse worker.

pub mod cluster;
pub mod engine;
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
