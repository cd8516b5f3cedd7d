//! An HTTP/2 connection: many requests at the same time.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request};

use super::connection::{Lost, ROW_HEADER, Reached};
use super::connector::Connector;
use super::encoding::Encoding;
use super::exchange::Timeline;
use super::http1::Stream;
use super::read_first::ReadFirst;
use super::{Failure, Keep, OutgoingRequest, Response};

/// A handle of a connection. The connection ends with its last handle.
#[derive(Debug, Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    /// Set when the connection's task has ended.
    ended: Arc<AtomicBool>,
}

impl Http2 {
    pub(super) async fn start(stream: Stream) -> Result<Self, Failure> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES).enable_push(false);
        builder.max_header_list_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(ReadFirst::new(stream)).await.map_err(|_| Failure::Protocol)?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        // A request in flight sees how its connection ends; the end of an idle connection does not matter.
        tokio::spawn(async move {
            drop(connection.await);
            end.store(true, Ordering::Relaxed);
        });
        Ok(Self { sender, ended })
    }

    /// Whether the server takes further requests: it has neither closed the connection nor said GOAWAY.
    pub(super) fn is_open(&mut self) -> bool {
        !self.ended.load(Ordering::Relaxed) && self.error().is_none()
    }

    /// Why the connection takes no further requests.
    fn error(&mut self) -> Option<h2::Error> {
        match self.sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ended, &other.ended)
    }

    pub(super) fn streams_max(&self) -> usize {
        self.sender.current_max_send_streams().clamp(1, STREAMS_MAX)
    }

    pub(super) async fn exchange(
        &mut self,
        connector: &Connector,
        outgoing: &OutgoingRequest,
        row: Option<u32>,
        timeline: &mut Timeline,
    ) -> Result<Response, Lost> {
        let perhaps = |failure| Lost { failure, reached: Reached::Perhaps };
        let request = request(connector, outgoing, row).ok_or(perhaps(Failure::Protocol))?;
        poll_fn(|context| self.sender.poll_ready(context)).await.map_err(|error| self.unsent(&error))?;
        timeline.sent = Some(Instant::now());
        let has_body = !outgoing.body.is_empty();
        let (response, mut stream) = self.sender.send_request(request, !has_body).map_err(|error| self.unsent(&error))?;
        if has_body {
            // The connection's task sends it as the windows allow. If the stream has ended already, the response says why.
            let _ = stream.send_data(outgoing.body.clone(), true);
        }
        let response = response.await.map_err(|error| self.lost(&error))?;
        timeline.first_byte = Some(Instant::now());
        let response = read(connector, outgoing.keep, response).await.map_err(perhaps)?;
        timeline.last_byte = Some(Instant::now());
        Ok(response)
    }

    /// A request that was not handed to the connection.
    fn unsent(&mut self, error: &h2::Error) -> Lost {
        let connection_has_ended = self.error().is_some();
        Lost { failure: failure(error, false), reached: if connection_has_ended { Reached::Nothing } else { Reached::Perhaps } }
    }

    /// What the end of a stream before its response says of the request (RFC 9113, sections 6.8 and 8.7): a stream that was refused has not been
    /// processed. Nor has one beyond the last that the server names in GOAWAY, whatever its error; h2 ends only those with a GOAWAY of the
    /// server, and the others when the connection is closed.
    fn lost(&mut self, error: &h2::Error) -> Lost {
        let is_refused = error.is_go_away() || (error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM));
        let reached = if is_refused && error.is_remote() { Reached::Unprocessed } else { Reached::Perhaps };
        let said_go_away = self.error().is_some_and(|error| error.is_go_away() && error.is_remote());
        Lost { failure: if error.is_io() && said_go_away { Failure::GoAway } else { failure(error, false) }, reached }
    }
}

fn request(connector: &Connector, outgoing: &OutgoingRequest, row: Option<u32>) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = connector.uri(&outgoing.target)?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, connector.user_agent.clone());
    if let Some(authorization) = &outgoing.authorization {
        let mut value = HeaderValue::from_str(authorization).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(kind) = outgoing.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(encoding) = outgoing.client.accept_encoding {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Some(address) = outgoing.client.forwarded_for {
        headers.insert(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(&address.to_string()).ok()?);
    }
    if !outgoing.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&outgoing.method) {
        headers.insert(CONTENT_LENGTH, outgoing.body.len().into());
    }
    if let Some(row) = row {
        headers.insert(HeaderName::from_static(ROW_HEADER), row.into());
    }
    Some(request)
}

async fn read(connector: &Connector, keep: Keep, response: http::Response<RecvStream>) -> Result<Response, Failure> {
    let config = &connector.config;
    let (head, mut body) = response.into_parts();
    let text = |headers: &HeaderMap, name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(Arc::from);
    let encoding = head.headers.get("content-encoding").map_or(Encoding::Identity, |value| Encoding::of(value.as_bytes()));
    let (mut bytes, mut kept, mut cut) = (0_u64, Vec::new(), false);
    while let Some(data) = poll_fn(|context| body.poll_data(context)).await {
        let data = data.map_err(|error| failure(&error, true))?;
        let _ = body.flow_control().release_capacity(data.len());
        bytes += data.len() as u64;
        if bytes > config.body_bytes_max {
            return Err(Failure::TooLong);
        }
        if keep == Keep::Body {
            let left = config.keep_bytes_max - kept.len();
            cut |= data.len() > left;
            kept.extend_from_slice(&data[..data.len().min(left)]);
        }
    }
    let (body, cut_decoded) = encoding.decode(kept, config.keep_bytes_max);
    Ok(Response {
        status: head.status.as_u16(),
        bytes,
        body: body.into(),
        cut: cut || cut_decoded,
        upstream: text(&head.headers, &config.upstream_header),
    })
}

/// The name of an error before or within the response.
fn failure(error: &h2::Error, within: bool) -> Failure {
    if error.is_go_away() && error.is_remote() {
        Failure::GoAway
    } else if error.is_reset() && error.is_remote() {
        Failure::StreamReset
    } else if let Some(io) = error.get_io() {
        match (io.kind() == std::io::ErrorKind::ConnectionReset, within) {
            (true, true) => Failure::ResetWithin,
            (true, false) => Failure::Reset,
            (false, true) => Failure::Broken,
            (false, false) => Failure::Closed,
        }
    } else {
        Failure::Protocol
    }
}

/// Most streams of a connection, whatever the server allows.
const STREAMS_MAX: usize = 100;
const WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Longest head of a response.
const HEAD_BYTES_MAX: u32 = 128 << 10;
