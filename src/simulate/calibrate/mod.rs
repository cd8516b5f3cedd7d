//! From a trace and its profile to the inputs of the model, and the check of the model against the trace.
//!
//! [`prepare`] is the entry; each of its steps is a file: costs that no request line shows (`unlogged_costs`, `cpu_attribution`,
//! `cpu_fit`, `background_roles`, `machine`, `persist_costs`, `between_processes`), delays that do not depend on load (`unloaded`), wake-ups of long polls (`coalesce_wakeups`).
//! [`backtest`] simulates the deployment that wrote the logs (`observed`) and compares.

mod background_roles;
pub mod backtest;
pub mod between_processes;
mod classes;
mod coalesce_wakeups;
mod config;
mod cpu_attribution;
mod cpu_fit;
mod machine;
mod missing_cpu;
pub mod observed;
mod persist_costs;
pub mod prepare;
mod served_by;
mod unloaded;
pub mod unlogged_costs;
