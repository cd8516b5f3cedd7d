//! One connection: takes requests, gives responses with their instants.

use tokio::io::DuplexStream;

use super::connector::Connector;
use super::exchange::Timeline;
use super::http1::{Http1, Stream};
use super::http2::Http2;
use super::{Failure, OutgoingRequest, Response};

/// Header that carries the index of the logged request. Sent to emulated clusters only.
pub const ROW_HEADER: &str = "x-wsim-row";

/// An open connection. HTTP/1.1 takes one request at a time; HTTP/2 many, each with a handle of its own. Dropping the last handle closes it.
#[derive(Debug)]
pub struct Connection {
    protocol: Protocol,
}

#[derive(Debug)]
enum Protocol {
    Http1(Http1),
    Http2(Http2),
}

/// A request without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    pub(super) reached: Reached,
}

/// How far a lost request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// No byte was written.
    Nothing,
    /// Something was written, but the server has certainly not processed it.
    Unprocessed,
    /// The server may have processed it.
    Perhaps,
}

impl Connection {
    /// Speaks HTTP over an open stream, within a tokio runtime.
    pub(super) async fn start(stream: Stream, http2: bool) -> Result<Self, Failure> {
        let protocol = if http2 { Protocol::Http2(Http2::start(stream).await?) } else { Protocol::Http1(Http1::new(stream)) };
        Ok(Self { protocol })
    }

    /// Speaks HTTP over a pipe in memory, for tests of what a server may send.
    ///
    /// # Errors
    /// [`Failure::Protocol`].
    pub async fn over(stream: DuplexStream, http2: bool) -> Result<Self, Failure> {
        Self::start(Stream::Memory(stream), http2).await
    }

    /// Whether another request may be sent; the server's closing may not have been noticed yet.
    pub fn is_open(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(connection) => connection.is_open(),
            Protocol::Http2(connection) => connection.is_open(),
        }
    }

    /// Whether the connection carries several requests at the same time.
    pub fn is_multiplexed(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }

    /// Another handle of the same connection; `None` if it takes one request at a time.
    pub fn share(&self) -> Option<Self> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Http2(connection) => Some(Self { protocol: Protocol::Http2(connection.clone()) }),
        }
    }

    /// Whether both are handles of one connection.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.protocol, &other.protocol) {
            (Protocol::Http2(one), Protocol::Http2(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// Requests that the connection may carry at the same time, by what the server has said so far.
    pub fn requests_max(&self) -> usize {
        match &self.protocol {
            Protocol::Http1(_) => 1,
            Protocol::Http2(connection) => connection.streams_max(),
        }
    }

    /// Sends a request and reads the whole response. After a failure an HTTP/1.1 connection must not be used again.
    pub(super) async fn exchange(
        &mut self,
        connector: &Connector,
        request: &OutgoingRequest,
        row: Option<u32>,
        timeline: &mut Timeline,
    ) -> Result<Response, Lost> {
        match &mut self.protocol {
            Protocol::Http1(connection) => connection.exchange(connector, request, row, timeline).await,
            // Boxed, so that the future of an HTTP/1.1 request is no larger than it must be.
            Protocol::Http2(connection) => Box::pin(connection.exchange(connector, request, row, timeline)).await,
        }
    }
}
