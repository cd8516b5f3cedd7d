//! Requests and responses as plain data: `matrix` makes the content, `replay` decides the time.
//!
//! Invariant: an [`OutgoingRequest`] ends in exactly one [`Response`] or one [`Failure`], whatever the server does.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::Method;

/// A complete request except for the host, which the target adds.
#[derive(Debug, Clone)]
pub struct OutgoingRequest {
    pub method: Method,
    /// Path and query, percent-encoded, beginning with a slash. The target's own base path is put before it.
    pub target: String,
    /// Value of the `Authorization` header. Secret: never printed.
    pub authorization: Option<Arc<str>>,
    /// Value of `Content-Type`; absent when there is no body.
    pub content_type: Option<&'static str>,
    /// Empty for a request without a body.
    pub body: Bytes,
    /// How much of the response's body to keep.
    pub keep: Keep,
}

/// How much of a response's body is kept in memory. Bodies are always read to their end (or to the limit) and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Count the bytes and drop them.
    #[default]
    Nothing,
    /// Keep the body up to the connection's limit; a longer one is cut off, see [`Response::cut`].
    Body,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Just before the first byte of the request was written.
    pub sent: Instant,
    /// When the head of the response was complete.
    pub first_byte: Instant,
    /// When the last byte of the body was read.
    pub last_byte: Instant,
    /// Bytes of the body, whether kept or not.
    pub bytes: u64,
    /// As much of the body as [`Keep`] asked for.
    pub body: Bytes,
    /// The body was longer than what is kept.
    pub cut: bool,
    /// The upstream that served the request, if the proxy names it in a header (by default `X-Upstream`, see `tests/cluster`).
    pub upstream: Option<Arc<str>>,
}

/// Why there is no complete response. Each is counted under its own reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    #[error("connection refused or unreachable")]
    Connect,
    #[error("TLS handshake failed")]
    Tls,
    #[error("connection closed before the response")]
    Closed,
    #[error("connection closed within the response")]
    Broken,
    #[error("no complete response in time")]
    Timeout,
    #[error("response longer than the limit")]
    TooLong,
    #[error("response is not HTTP")]
    Protocol,
    /// The caller stopped waiting for the response; the transport itself does not report this.
    #[error("given up when the run ended")]
    Abandoned,
}

impl Failure {
    /// All failures, in the order of reports.
    pub const ALL: [Self; 8] =
        [Self::Connect, Self::Tls, Self::Closed, Self::Broken, Self::Timeout, Self::TooLong, Self::Protocol, Self::Abandoned];

    /// The failure's name in reports and `report.json`.
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
