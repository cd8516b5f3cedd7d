//! One request on a kept or a new connection, and when a lost request is sent again.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use http::Method;

use super::{Connection, Connector, Failure, OutgoingRequest, Response};

/// The instants of a request, in the order of the fields; `None` for what did not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The request was begun again on a new connection, because the kept one had been closed.
    pub repeated: Option<Instant>,
    /// A new connection was open, without TLS.
    pub connected: Option<Instant>,
    /// The TLS handshake of a new connection was complete.
    pub secured: Option<Instant>,
    /// Just before the first byte of the request was written. With HTTP/2: when it was handed to the connection, whose socket all streams share.
    pub sent: Option<Instant>,
    /// The head of the response was complete.
    pub first_byte: Option<Instant>,
    /// The last byte of the response was read.
    pub last_byte: Option<Instant>,
}

/// What became of a request, and of its connection.
#[derive(Debug)]
pub struct Exchange {
    /// The response, or why there is none.
    pub result: Result<Response, Failure>,
    pub timeline: Timeline,
    /// How often the request was sent again.
    pub repeats: u8,
    /// The connection, if it can carry another request.
    pub connection: Option<Connection>,
}

/// Sends `request` on the `kept` connection, or on a new one, and ends with [`Failure::Timeout`] when `given_up` ends.
///
/// A server may close a kept connection just when a request is sent. The request is sent once more on a new connection if not one byte of it can
/// have been processed (nothing could be written, the server's kernel rejected what was, or an HTTP/2 server said so), and if its method may be
/// repeated (RFC 9110, section 9.2.2). Such requests are counted in [`Exchange::repeats`].
///
/// `on_opened` sees a new connection before the request is sent on it. `row` goes into the header [`ROW_HEADER`](super::ROW_HEADER), for emulated clusters only.
pub async fn exchange(
    connector: &Connector,
    request: &OutgoingRequest,
    row: Option<u32>,
    kept: Option<Connection>,
    given_up: impl Future<Output = ()>,
    on_opened: impl FnOnce(&Connection),
) -> Exchange {
    let mut attempt = Attempt { connection: kept, timeline: Timeline::default(), repeats: 0 };
    let result = {
        let mut run = pin!(attempt.run(connector, request, row, on_opened));
        let mut given_up = pin!(given_up);
        poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => given_up.as_mut().poll(context).map(|()| Err(Failure::Timeout)),
        })
        .await
    };
    // Part of a response may be left in the connection of a failed request.
    let connection = attempt.connection.take().filter(|connection| result.is_ok() || connection.is_multiplexed());
    Exchange { result, timeline: attempt.timeline, repeats: attempt.repeats, connection }
}

struct Attempt {
    connection: Option<Connection>,
    timeline: Timeline,
    repeats: u8,
}

impl Attempt {
    async fn run(
        &mut self,
        connector: &Connector,
        request: &OutgoingRequest,
        row: Option<u32>,
        on_opened: impl FnOnce(&Connection),
    ) -> Result<Response, Failure> {
        if let Some(connection) = &mut self.connection {
            let lost = match connection.exchange(connector, request, row, &mut self.timeline).await {
                Ok(response) => return Ok(response),
                Err(lost) => lost,
            };
            if !(lost.unprocessed && may_be_repeated(&request.method)) {
                return Err(lost.failure);
            }
            self.connection = None;
            self.repeats = 1;
            self.timeline = Timeline { repeated: Some(Instant::now()), ..Timeline::default() };
        }
        // Boxed: few requests open a connection, and the future of all others would be as large as theirs.
        let opened = Box::pin(connector.open(&mut self.timeline)).await?;
        let connection = self.connection.insert(opened);
        on_opened(connection);
        connection.exchange(connector, request, row, &mut self.timeline).await.map_err(|lost| lost.failure)
    }
}

/// Idempotent methods.
fn may_be_repeated(method: &Method) -> bool {
    method.is_idempotent()
}
