//! The event engine: time, random numbers, pending events, and the loop that hands events to a model.
//!
//! Knows nothing of requests, processes or queueing stations.

mod driver;
pub mod queue;
pub mod random;
mod stop;
pub mod time;

pub use driver::{Model, Progress};
pub use stop::{NEVER_STOPPED, StopFlag};
