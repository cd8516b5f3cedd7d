//! A proxy's and Synapse's configuration files: what they amount to, and what is wrong with them.
//!
//! ```text
//! files ──▶ read (what goes where) ──▶ audit (against the endpoint table) ──▶ findings, a plan
//! ```
//!
//! Knows nothing of simulation.

pub mod audit;
pub mod read;
