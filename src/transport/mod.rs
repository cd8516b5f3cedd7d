//! HTTP as a load generator needs it: one connection is one value, one request gives one answer with its instants.
//!
//! Owns addresses, TLS, HTTP/1.1 and HTTP/2, the limits on an answer. Knows nothing of Matrix and nothing of pacing: `matrix`
//! provisions through it, `replay` sends through it. Redirects are answers like any other and never followed.

mod message;

pub use message::{Answer, Failure, Keep, Outgoing};
