//! The event engine and the model of a Synapse worker.

pub mod engine;
pub mod queue;
pub mod random;
pub mod station;
pub mod synthetic;
pub mod time;
