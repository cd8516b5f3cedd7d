//! From a trace and its profile to the inputs of the model, and the check of the model against the trace.
//!
//! [`prepare`] is the entry; each of its steps is a file: costs that no request line shows (`unlogged_costs`, `cpu_attribution`,
//! `cpu_fit`, `cpu_level`, `background_roles`, `machine`, `persist_costs`, `between_processes`), what cold caches cost (`cache_costs`), delays that do not depend on load (`unloaded`), wake-ups of long polls (`coalesce_wakeups`, `wakeups`).
//! [`backtest`] simulates the deployment that wrote the logs (`observed`) and compares; [`model_error`] is how far predictions are off.

mod background_roles;
pub mod backtest;
pub mod between_processes;
mod cache_costs;
mod classes;
mod coalesce_wakeups;
mod config;
mod cpu_attribution;
mod cpu_fit;
mod cpu_level;
pub(crate) mod limits;
pub(crate) mod machine;
mod missing_cpu;
pub mod model_error;
pub mod observed;
mod persist_costs;
pub mod prepare;
mod served_by;
mod start_up;
mod unloaded;
pub mod unlogged_costs;
pub mod wakeups;
