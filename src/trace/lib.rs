//! The trace: every request once, in arrival order, in columns; written to and read from Parquet.
//!
//! All later crates read the trace, never a log. Knows nothing of simulation.

pub mod anonymise;
#[cfg(test)]
mod any_request;
pub mod causes;
mod chunk;
mod clocks;
mod draw;
pub mod foreign;
pub mod ingest;
pub mod join;
pub mod names;
mod packed;
mod paths;
pub mod population;
mod pseudonym;
mod query;
pub mod reclassify;
pub mod request;
mod served_by;
pub mod server_names;
pub mod store;
pub mod table;
mod template;

pub use names::Names;
pub use request::{NameId, Request, flag};
pub use served_by::ServedBy;
pub use server_names::ServerNames;
pub use store::Trace;
