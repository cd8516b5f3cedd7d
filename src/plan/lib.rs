//! A plan: the pools of workers, the endpoints of each pool, the balancing rules, the stream writers and background roles, and the
//! CPU that each process may use.
//!
//! Reads and writes plan files, holds the standard plans. Knows nothing of time.
//!
//! ```text
//! plan.toml ──▶ file ──▶ Plan ──▶ check ──▶ CheckedPlan ──┬──▶ workers   the processes that it starts
//!                         ▲                               ├──▶ route     the process that serves an endpoint
//! presets ────────────────┘                               ├──▶ request   the same for one request: its path, its client
//!                                                         ├──▶ remarks   what the plan cannot do as written
//!                                                         └──▶ balancer  the exact choice of a server in a pool
//! ```
//!
//! Invariant: a [`CheckedPlan`] holds parsed rules and the list of its processes, so nothing after the check parses the text of
//! a plan again.

pub mod background_roles;
pub mod balancer;
pub mod check;
pub mod checked;
pub mod clients;
pub mod cpu;
mod difference;
pub mod file;
pub mod known;
pub mod model;
mod path_pattern;
pub mod presets;
mod remarks;
pub mod request;
pub mod route;
pub mod rule;
pub mod server;
pub mod suggest;
mod topology;
mod warnings;
mod writers;

pub use background_roles::BackgroundRoles;
pub use balancer::BalancerError;
pub use check::{Fault, PathStep, Problem};
pub use checked::CheckedPlan;
pub use clients::{Client, ClientSelectors, Glob, Network};
pub use cpu::{Cpu, Machine, MeasuredCpu, ProcessLimit};
pub use file::PlanError;
pub use model::*;
pub use presets::{Preset, PresetConfig, UnknownPreset};
pub use request::{RequestFacts, RequestPath, RequestRouter, Undecided};
pub use route::{Destination, EndpointFacts};
pub use rule::{Key, Rule, Spread, UnknownRule};
pub use server::{Server, ServerError};
pub use topology::{PoolMember, Worker};
pub use writers::Writers;
