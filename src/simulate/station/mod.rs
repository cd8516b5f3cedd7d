//! The places where requests wait and are served.
//!
//! A station knows instants and tickets, nothing of requests or processes; it says when something ends or who starts next, and
//! the model schedules it.

pub mod background;
pub mod database;
pub mod interpreter;
pub mod lock;
pub mod merging;
pub mod meter;
pub mod pool;
pub mod processor;
pub mod sharing;

pub use background::Background;
pub use database::Database;
pub use interpreter::{Done, Entered, Interpreter, Turn};
pub use lock::{Links, Locks, NO_TICKET};
pub use merging::{Batch, MergingQueues};
pub use meter::{BusyMeter, Measuring, Occupancy, OccupancyOverTime};
pub use pool::Pool;
pub use processor::{Cpu, Processor, Quota};
pub use sharing::Sharing;
