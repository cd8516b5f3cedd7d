//! What is sent and what comes back: plain data, so that the content (`matrix`) and the clock (`replay`) meet here.
//!
//! Invariant: an [`Outgoing`] ends in exactly one [`Answer`] or one [`Failure`], whatever the server does.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::Method;

/// One request, complete but for the host, which the target adds.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// HTTP method.
    pub method: Method,
    /// Path and query, percent-encoded, beginning with a slash. The target's own base path is put before it.
    pub target: String,
    /// Value of the `Authorization` header. Secret: never printed.
    pub authorization: Option<Arc<str>>,
    /// Value of `Content-Type`; absent when there is no body.
    pub content_type: Option<&'static str>,
    /// The body, empty for none.
    pub body: Bytes,
    /// What of the answer's body the caller wants to see.
    pub keep: Keep,
}

/// How much of an answer's body is held in memory. Bodies are always read to their end (or to the limit) and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nothing: the bytes are counted and dropped.
    #[default]
    Nothing,
    /// All of it, up to the connection's limit; a longer body is cut and says so in [`Answer::cut`].
    Body,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Just before the first byte of the request was written.
    pub sent: Instant,
    /// When the head of the answer was complete.
    pub first_byte: Instant,
    /// When the last byte of the body was read.
    pub last_byte: Instant,
    /// Bytes of the body.
    pub bytes: u64,
    /// The body as [`Keep`] asked for it.
    pub body: Bytes,
    /// The body was longer than what is kept.
    pub cut: bool,
    /// Which upstream answered, where the proxy says so in a header (by default `X-Upstream`, see `tests/cluster`).
    pub upstream: Option<Arc<str>>,
}

/// Why there is no complete answer. Each is counted under its own reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// No connection could be opened.
    #[error("connection refused or unreachable")]
    Connect,
    /// The TLS handshake failed.
    #[error("TLS handshake failed")]
    Tls,
    /// The connection ended before an answer began.
    #[error("connection closed before the answer")]
    Closed,
    /// The connection ended within an answer.
    #[error("connection closed within the answer")]
    Broken,
    /// No complete answer within the time allowed.
    #[error("no complete answer in time")]
    Timeout,
    /// The body was longer than the limit.
    #[error("answer longer than the limit")]
    TooLong,
    /// What came back was not HTTP.
    #[error("answer is not HTTP")]
    Protocol,
    /// The run ended before the answer was complete.
    #[error("given up when the run ended")]
    Abandoned,
}

impl Failure {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 7] = [Self::Connect, Self::Tls, Self::Closed, Self::Broken, Self::Timeout, Self::TooLong, Self::Protocol];

    /// The failure as reports and `report.json` call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
            Self::Protocol => "protocol",
            Self::Abandoned => "abandoned",
        }
    }
}
