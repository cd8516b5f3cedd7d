//! One connection: requests in, answers with their instants out.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connector::Connector;
use super::stamped::{Stamp, Stamped};
use super::{Answer, Failure, Keep, Outgoing};

/// Header that carries the number of the logged request, to emulated clusters only.
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
    pub(super) async fn start<S>(connector: &Connector, stream: S, http2: bool) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stamp = Stamp::default();
        let io = TokioIo::new(Stamped::new(stream, stamp.clone()));
        let sender = if http2 {
            let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            let (sender, driver) = builder.handshake(io).await.map_err(|_| Failure::Protocol)?;
            // How a connection ends is seen by the request that it carries; an idle one may end as it likes.
            tokio::spawn(async move { drop(driver.await) });
            Sender::Http2(sender)
        } else {
            let (sender, driver) = hyper::client::conn::http1::handshake(io).await.map_err(|_| Failure::Protocol)?;
            tokio::spawn(async move { drop(driver.await) });
            Sender::Http1(sender)
        };
        Ok(Self { connector: connector.clone(), sender, stamp })
    }

    /// Whether another request may be sent on it, as far as is known.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Whether the connection speaks HTTP/2, so that it carries many requests at once.
    pub fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request and reads the answer to its end. After a failure the connection is of no more use (for HTTP/1.1).
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&mut self, outgoing: &Outgoing) -> Result<Answer, Failure> {
        self.send_as(outgoing, None).await
    }

    /// As [`Self::send`]; a number goes along in the header [`ROW_HEADER`], by which an emulated cluster knows the logged request.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send_as(&mut self, outgoing: &Outgoing, row: Option<u32>) -> Result<Answer, Failure> {
        let limit = self.connector.settings.answer_timeout;
        timeout(limit, self.exchange(outgoing, row)).await.unwrap_or(Err(Failure::Timeout))
    }

    /// When the first byte of the last request was written; with HTTP/2 when it was handed to the connection.
    pub fn written(&self) -> Option<Instant> {
        self.stamp.written()
    }

    async fn exchange(&mut self, outgoing: &Outgoing, row: Option<u32>) -> Result<Answer, Failure> {
        let mut request = self.request(outgoing)?;
        if let Some(row) = row {
            request.headers_mut().insert(ROW_HEADER, HeaderValue::from(row));
        }
        // A kept connection is ready when its driver has seen the end of the last answer, which may be on another thread.
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
        let response = response.map_err(|error| before_the_answer(&error))?;
        let first_byte = Instant::now();
        // Streams of HTTP/2 share the socket, so the first write says nothing about this request.
        let sent = if self.is_http2() { handed } else { self.stamp.written().unwrap_or(handed) };
        self.read(response, outgoing.keep, sent, first_byte).await
    }

    fn request(&self, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
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

    async fn read(&self, response: Response<Incoming>, keep: Keep, sent: Instant, first_byte: Instant) -> Result<Answer, Failure> {
        let settings = &self.connector.settings;
        let upstream = response.headers().get(&settings.upstream_header).and_then(|value| value.to_str().ok()).map(Arc::from);
        let status = response.status().as_u16();
        let (mut bytes, mut kept, mut cut) = (0_u64, BytesMut::new(), false);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() else { continue };
            bytes += data.len() as u64;
            if bytes > settings.body_bytes_max {
                return Err(Failure::TooLong);
            }
            if keep == Keep::Body {
                let room = settings.keep_bytes_max - kept.len();
                cut |= data.len() > room;
                kept.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        Ok(Answer { status, sent, first_byte, last_byte: Instant::now(), bytes, body: kept.freeze(), cut, upstream })
    }
}

fn before_the_answer(error: &hyper::Error) -> Failure {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() { Failure::Protocol } else { Failure::Closed }
}
