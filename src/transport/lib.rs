//! HTTP for load generation: one connection is one value, and one request gives one response with its instants.
//!
//! Owns addresses, TLS, HTTP/1.1 and HTTP/2, the limits on a response, the retry rule. Knows nothing of Matrix and nothing of pacing:
//! `matrix` provisions through it, `replay` sends through it. Redirects are ordinary responses and never followed.

mod client;
mod connection;
mod connector;
mod dial;
mod encoding;
mod exchange;
mod failure;
mod http1;
mod http2;
mod message;
mod read_first;
mod resources;
mod target;
#[cfg(test)]
mod tests;
mod thread_timing;
mod tls;

pub use client::Client;
pub use connection::{Connection, ROW_HEADER};
pub use connector::{Connector, ConnectorError, TransportConfig};
pub use exchange::{Exchange, REPEATS_MAX, Timeline, attempt, exchange};
pub use failure::Failure;
pub use message::{ClientHeaders, Keep, OutgoingRequest, Response};
pub use resources::raise_descriptor_limit;
pub use target::{Target, TargetError};
pub use thread_timing::{minimise_timer_slack, raise_thread_priority};
