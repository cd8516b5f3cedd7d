//! HTTP as a load generator needs it: one connection is one value, one request gives one answer with its instants.
//!
//! Owns addresses, TLS, HTTP/1.1 and HTTP/2, the limits on an answer. Knows nothing of Matrix and nothing of pacing: `matrix`
//! provisions through it, `replay` sends through it. Redirects are answers like any other and never followed.

mod client;
mod connection;
mod connector;
mod message;
mod stamped;
mod target;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use connection::{Connection, ROW_HEADER};
pub use connector::{Connector, ConnectorError, Settings};
pub use message::{Answer, Failure, Keep, Outgoing};
pub use target::{Target, TargetError};
