//! Requests and responses as plain data: `matrix` makes the content, `replay` decides the time.
//!
//! Invariant: an [`OutgoingRequest`] ends in exactly one [`Response`] or one [`Failure`](super::Failure), whatever the server does.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

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
    /// What the request says of the client that it stands for.
    pub client: ClientHeaders,
}

/// Headers by which a proxy or a server tells clients apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientHeaders {
    /// Sent as `X-Forwarded-For`: the client's address, by which pools may be keyed.
    pub forwarded_for: Option<IpAddr>,
    /// Sent as `Accept-Encoding`. Only `gzip` and `deflate`, in which a body can be kept.
    pub accept_encoding: Option<&'static str>,
}

/// How much of a response's body is kept in memory. Bodies are always read to their end (or to the limit) and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Count the bytes and drop them.
    #[default]
    Nothing,
    /// Keep the body, decompressed, up to the connection's limit; a longer one is cut off, see [`Response::cut`].
    Body,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Bytes of the body as it was transferred, whether kept or not.
    pub bytes: u64,
    /// As much of the body as [`Keep`] asked for.
    pub body: Bytes,
    /// The body was longer than what is kept.
    pub cut: bool,
    /// The upstream that served the request, if the proxy names it in a header (by default `X-Upstream`, see `tests/cluster`).
    pub upstream: Option<Arc<str>>,
}
