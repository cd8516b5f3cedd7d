//! An HTTP/1.1 connection: one request at a time, with the instants of its bytes.
//!
//! Written for the cost of a request: buffers belong to the thread, so that an open connection costs its socket and little more, and a request
//! that fits them takes one write, one read and no copy.

mod request;
mod response;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::connection::{Lost, Reached};
use super::connector::Connector;
use super::exchange::Timeline;
use super::{Failure, Keep, OutgoingRequest, Response};
use request::write_head;
use response::{Decoder, DecoderConfig};

/// An open socket, with or without TLS, or a pipe in memory.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Memory(DuplexStream),
}

#[derive(Debug)]
pub(super) struct Http1 {
    stream: Stream,
    /// The last response was complete, and the server did not say that it closes.
    reusable: bool,
}

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Http1 {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, reusable: true }
    }

    /// Whether another request may be sent. Sees the server's closing if the runtime has been told of it.
    pub(super) fn is_open(&mut self) -> bool {
        if !self.reusable {
            return false;
        }
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        // An idle connection has nothing to say: what can be read is its end, or a response without a request.
        Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer).is_pending()
    }

    /// Sends a request and reads the whole response. After a failure the connection must not be used again.
    pub(super) async fn exchange(
        &mut self,
        connector: &Connector,
        request: &OutgoingRequest,
        row: Option<u32>,
        timeline: &mut Timeline,
    ) -> Result<Response, Lost> {
        self.reusable = false;
        let config = &connector.config;
        let mut sending = Sending::default();
        let mut decoder = Decoder::new(DecoderConfig {
            head_only: request.method == Method::HEAD,
            keep: request.keep == Keep::Body,
            keep_bytes_max: config.keep_bytes_max,
            body_bytes_max: config.body_bytes_max,
            upstream_header: &config.upstream_header,
        });
        let done = poll_fn(|context| self.poll_exchange(context, connector, request, row, &mut sending, &mut decoder, timeline)).await;
        if let Err(failure) = done {
            let is_short = sending.bytes_written <= SEGMENT_BYTES && sending.is_complete;
            let reached = match failure {
                Failure::Closed | Failure::Reset if sending.bytes_written == 0 => Reached::Nothing,
                Failure::Closed if is_short && self.is_rejected().await => Reached::Unprocessed,
                _ => Reached::Perhaps,
            };
            return Err(Lost { failure, reached });
        }
        self.reusable = decoder.keeps_alive && sending.is_complete;
        let (body, cut) = decoder.encoding.decode(decoder.kept, config.keep_bytes_max);
        Ok(Response {
            status: decoder.status,
            bytes: decoder.bytes,
            body: if body.is_empty() { Bytes::new() } else { body.into() },
            cut: cut || decoder.cut,
            upstream: decoder.upstream,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one exchange, borrowed by a closure")]
    fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        connector: &Connector,
        request: &OutgoingRequest,
        row: Option<u32>,
        sending: &mut Sending,
        decoder: &mut Decoder<'_>,
        timeline: &mut Timeline,
    ) -> Poll<Result<(), Failure>> {
        if !sending.has_begun {
            sending.has_begun = true;
            WRITE.with_borrow_mut(|head| -> Result<(), Failure> {
                head.clear();
                write_head(head, connector, request, row).ok_or(Failure::Protocol)?;
                if request.body.len() <= JOINED_BYTES_MAX {
                    head.extend_from_slice(&request.body);
                    sending.body_at = request.body.len();
                }
                timeline.sent = Some(Instant::now());
                sending.begin(&mut self.stream, context, head);
                Ok(())
            })?;
        }
        if !sending.is_complete && sending.error.is_none() {
            sending.go_on(&mut self.stream, context, &request.body);
        }
        self.poll_response(context, sending, decoder, timeline)
    }

    fn poll_response(
        &mut self,
        context: &mut Context<'_>,
        sending: &Sending,
        decoder: &mut Decoder<'_>,
        timeline: &mut Timeline,
    ) -> Poll<Result<(), Failure>> {
        READ.with_borrow_mut(|bytes| {
            loop {
                let mut buffer = ReadBuf::new(bytes);
                let read = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    // A server that refuses a request may respond before it has read the whole, and then close.
                    Poll::Pending if sending.error.is_some() => return Poll::Ready(decoder.end(true)),
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(read) => read,
                };
                let now = Instant::now();
                let data = buffer.filled();
                if read.is_err() || data.is_empty() {
                    timeline.last_byte = Some(now);
                    return Poll::Ready(decoder.end(read.is_err_and(|error| is_reset(&error))));
                }
                if decoder.awaits_head() {
                    timeline.first_byte = Some(now);
                }
                if decoder.feed(data)? {
                    timeline.last_byte = Some(now);
                    return Poll::Ready(Ok(()));
                }
            }
        })
    }

    /// Whether the server's kernel rejected the request: it had closed the connection before the first byte arrived. On Linux the reset that
    /// answers bytes after the end of a stream leaves EPIPE as the socket's error, a reset within an open stream ECONNRESET. The reset comes
    /// a round trip after the end of the stream.
    async fn is_rejected(&self) -> bool {
        let socket = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Memory(_) => return false,
        };
        for pause_ms in [0, 1, 4, 15, 30] {
            if pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            match socket.take_error() {
                Ok(Some(error)) => return cfg!(target_os = "linux") && error.kind() == ErrorKind::BrokenPipe,
                Ok(None) => {}
                Err(_) => return false,
            }
        }
        false
    }
}

/// How far a request is written.
#[derive(Debug, Default)]
struct Sending {
    has_begun: bool,
    is_complete: bool,
    error: Option<ErrorKind>,
    bytes_written: usize,
    /// What is left of the head, and of a short body.
    rest: Vec<u8>,
    rest_at: usize,
    /// Bytes of the body that are written or part of `rest`.
    body_at: usize,
}

impl Sending {
    fn begin(&mut self, stream: &mut Stream, context: &mut Context<'_>, head: &[u8]) {
        match Pin::new(stream).poll_write(context, head) {
            Poll::Ready(Ok(count)) => {
                self.bytes_written = count;
                self.rest.extend_from_slice(&head[count..]);
            }
            Poll::Ready(Err(error)) => self.error = Some(error.kind()),
            Poll::Pending => self.rest.extend_from_slice(head),
        }
    }

    fn go_on(&mut self, stream: &mut Stream, context: &mut Context<'_>, body: &Bytes) {
        if let Poll::Ready(Err(error)) = self.poll_rest(stream, context, body) {
            self.error = Some(error.kind());
        }
    }

    fn poll_rest(&mut self, stream: &mut Stream, context: &mut Context<'_>, body: &Bytes) -> Poll<io::Result<()>> {
        while self.rest_at < self.rest.len() {
            let count = ready!(Pin::new(&mut *stream).poll_write(context, &self.rest[self.rest_at..]))?;
            self.rest_at += written(count)?;
            self.bytes_written += count;
        }
        while self.body_at < body.len() {
            let count = ready!(Pin::new(&mut *stream).poll_write(context, &body[self.body_at..]))?;
            self.body_at += written(count)?;
            self.bytes_written += count;
        }
        ready!(Pin::new(stream).poll_flush(context))?;
        self.is_complete = true;
        Poll::Ready(Ok(()))
    }
}

fn written(count: usize) -> io::Result<usize> {
    if count == 0 { Err(ErrorKind::WriteZero.into()) } else { Ok(count) }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Memory(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Memory(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Memory(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// The read buffer of a thread.
const READ_BYTES: usize = 64 << 10;
/// Bodies up to this length are written together with the head.
const JOINED_BYTES_MAX: usize = 16 << 10;
/// What certainly travels in one segment (IPv6's smallest MTU without headers and TLS): the server has all of it or nothing.
const SEGMENT_BYTES: usize = 1_200;
