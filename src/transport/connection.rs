//! One connection: takes requests, gives responses with their instants.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connector::Connector;
use super::stamped::{Stamp, Stamped};
use super::{Failure, Keep, OutgoingRequest, Response};

/// Header that carries the index of the logged request. Sent to emulated clusters only.
pub const ROW_HEADER: HeaderName = HeaderName::from_static("x-wsim-row");

/// An open connection. HTTP/1.1 takes one request at a time. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    connector: Connector,
    sender: Sender,
    stamp: Stamp,
}

#[derive(Debug)]
enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Speaks HTTP over an open stream, within a tokio runtime. [`Connector::open`] opens one to its target.
    ///
    /// # Errors
    /// [`Failure::Protocol`].
    pub async fn start<S>(connector: &Connector, stream: S, http2: bool) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stamp = Stamp::default();
        let io = TokioIo::new(Stamped::new(stream, stamp.clone()));
        let sender = if http2 {
            let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            let (sender, driver) = builder.handshake(io).await.map_err(|_| Failure::Protocol)?;
            // The request in flight sees how a connection ends; the end of an idle connection does not matter.
            tokio::spawn(async move { drop(driver.await) });
            Sender::Http2(sender)
        } else {
            let (sender, driver) = hyper::client::conn::http1::handshake(io).await.map_err(|_| Failure::Protocol)?;
            tokio::spawn(async move { drop(driver.await) });
            Sender::Http1(sender)
        };
        Ok(Self { connector: connector.clone(), sender, stamp })
    }

    /// Whether another request may be sent; the server's closing may not have been noticed yet.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Whether the connection speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request and reads the whole response. After a failure an HTTP/1.1 connection must not be used again.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&mut self, request: &OutgoingRequest) -> Result<Response, Failure> {
        self.send_row(request, None).await
    }

    /// Like [`Self::send`], with the index of the logged request in the header [`ROW_HEADER`].
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send_row(&mut self, request: &OutgoingRequest, row: Option<u32>) -> Result<Response, Failure> {
        let limit = self.connector.config.response_timeout;
        timeout(limit, self.exchange(request, row)).await.unwrap_or(Err(Failure::Timeout))
    }

    /// When the first byte of the last request was written. With HTTP/2: of any request since, because streams share the socket.
    pub fn written(&self) -> Option<Instant> {
        self.stamp.written()
    }

    async fn exchange(&mut self, outgoing: &OutgoingRequest, row: Option<u32>) -> Result<Response, Failure> {
        let mut request = self.request(outgoing)?;
        if let Some(row) = row {
            request.headers_mut().insert(ROW_HEADER, HeaderValue::from(row));
        }
        // A kept connection is ready once its driver, which may be on another thread, has seen the end of the last response.
        let ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        ready.map_err(|_| Failure::Closed)?;
        self.stamp.arm();
        let handed = Instant::now();
        let response = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        let response = response.map_err(|error| failure_before_response(&error))?;
        let first_byte = Instant::now();
        // HTTP/2 streams share the socket, so the first write may belong to another request.
        let sent = if self.is_http2() { handed } else { self.stamp.written().unwrap_or(handed) };
        self.read(response, outgoing.keep, sent, first_byte).await
    }

    fn request(&self, outgoing: &OutgoingRequest) -> Result<Request<Full<Bytes>>, Failure> {
        let uri = self.connector.uri(&outgoing.target, self.is_http2()).ok_or(Failure::Protocol)?;
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if !self.is_http2() {
            headers.insert(HOST, self.connector.host.clone());
        }
        headers.insert(USER_AGENT, self.connector.user_agent.clone());
        if let Some(authorization) = &outgoing.authorization {
            let mut value = HeaderValue::from_str(authorization).map_err(|_| Failure::Protocol)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(kind) = outgoing.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Ok(request)
    }

    async fn read(&self, response: hyper::Response<Incoming>, keep: Keep, sent: Instant, first_byte: Instant) -> Result<Response, Failure> {
        let config = &self.connector.config;
        let upstream = response.headers().get(&config.upstream_header).and_then(|value| value.to_str().ok()).map(Arc::from);
        let status = response.status().as_u16();
        let (mut bytes, mut kept, mut cut) = (0_u64, BytesMut::new(), false);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() else { continue };
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
        Ok(Response { status, sent, first_byte, last_byte: Instant::now(), bytes, body: kept.freeze(), cut, upstream })
    }
}

fn failure_before_response(error: &hyper::Error) -> Failure {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() { Failure::Protocol } else { Failure::Closed }
}
