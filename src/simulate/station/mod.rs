//! Queueing stations: where requests wait and are served.
//!
//! A station knows times and the caller's numbers for customers, and nothing of requests or processes. It returns the
//! end of a service or the next customer to be served, and the model schedules that.

pub mod background;
pub mod database;
pub mod interpreter;
pub mod lock;
pub mod merging;
pub mod meter;
pub mod pool;
pub mod processor;
pub mod sharing;
pub mod spread;

pub use background::Background;
pub use database::Database;
pub use interpreter::{Completed, Interpreter, Poll, ThreadAdmission};
pub use lock::{END_OF_LIST, Links, Locks};
pub use merging::{Batch, MergingServer};
pub use meter::{BusyMeter, MeasurementWindow, Occupancy, OccupancyOverTime};
pub use pool::Pool;
pub use processor::{Cpu, Processor, Quota};
pub use sharing::ProcessorSharing;
pub use spread::Spread;
