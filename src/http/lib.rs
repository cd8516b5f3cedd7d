//! The text of an HTTP request: its target, its query, and what target and headers say about the sender.
//!
//! The one place where targets are split, queries are walked and percent-encoding is decoded. Knows nothing of log formats and
//! endpoint tables. Invariant: any bytes are accepted, nothing panics.

pub mod host;
pub mod identity;
pub mod percent;
pub mod query;
pub mod scan;
pub mod servers;
pub mod target;

pub use host::Host;
pub use target::Target;
