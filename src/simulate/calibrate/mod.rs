//! From a trace and its profile to the inputs of the model, and the check of the model against the trace.
//!
//! [`prepare`] is the entry; each of its steps is a file: costs that no request line shows (`cpu_attribution`, `background_roles`,
//! `machine`, `persist_costs`), delays that do not depend on load (`unloaded`), wake-ups of long polls (`coalesce_wakeups`).
//! [`backtest`] simulates the deployment that wrote the logs (`observed`) and compares.

mod background_roles;
pub mod backtest;
mod classes;
mod coalesce_wakeups;
mod config;
mod cpu_attribution;
mod machine;
mod missing_cpu;
pub mod observed;
mod persist_costs;
pub mod prepare;
mod served_by;
mod unloaded;
