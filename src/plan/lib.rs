//! A plan: which pools of workers there are, which endpoints go where, how each pool is balanced, who writes which stream.
//!
//! Reads and writes plan files, holds the standard plans. Knows nothing of time.
//!
//! ```text
//! plan.toml ──▶ file ──▶ Plan ──▶ check     is it a plan at all?
//!                         │  ├──▶ topology  which processes does it start?
//! presets ────────────────┘  ├──▶ route     who serves this endpoint class?
//!                            └──▶ balancer  which server of the pool, exactly?
//! ```

pub mod balancer;
pub mod check;
pub mod duties;
pub mod file;
pub mod known;
pub mod model;
pub mod presets;
pub mod route;
pub mod rule;
pub mod server;
pub mod suggest;
pub mod topology;

pub use balancer::BalancerError;
pub use check::{Fault, Problem, Step};
pub use duties::Duties;
pub use file::PlanError;
pub use model::*;
pub use presets::{Options, Preset, UnknownPreset};
pub use route::{Destination, EndpointFacts};
pub use rule::{Key, Rule, Spread, UnknownRule};
pub use server::{Server, ServerError};
pub use topology::Worker;
