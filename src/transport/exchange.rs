//! One request on a kept or a new connection, and when a lost request is sent again.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use super::connection::{Lost, Reached};
use super::{Connection, Connector, Failure, OutgoingRequest, Response};

/// The instants of a request, in the order of the fields; `None` for what did not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The request was begun again, because its connection had been closed. Noted by whoever repeats it.
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
    /// The request was lost but cannot have been processed, and may be sent again on another connection.
    pub may_be_repeated: bool,
    /// How often the request was sent again.
    pub repeats: u8,
    /// The connection, if it may carry other requests. Always there if it is [multiplexed](Connection::is_multiplexed).
    pub connection: Option<Connection>,
}

/// Most repeats of a request. Only a server that refuses streams or leaves connections without having used them sees more than one.
pub const REPEATS_MAX: u8 = 10;

/// Sends `request` on the `kept` connection, or on a new one, and ends with [`Failure::Timeout`] when `given_up` ends. A request that was lost and
/// [may be repeated](attempt()) is sent again on a new connection.
///
/// `on_opened` sees new connections before the request is sent on them. `row` goes into the header [`ROW_HEADER`](super::ROW_HEADER), for
/// emulated clusters only.
pub async fn exchange(
    connector: &Connector,
    request: &OutgoingRequest,
    row: Option<u32>,
    mut kept: Option<Connection>,
    given_up: impl Future<Output = ()>,
    mut on_opened: impl FnMut(&Connection),
) -> Exchange {
    let mut given_up = pin!(given_up);
    let (mut repeats, mut repeated) = (0, None);
    loop {
        let mut done = attempt(connector, request, row, kept.take(), given_up.as_mut(), &mut on_opened).await;
        done.repeats = repeats;
        done.timeline.repeated = repeated;
        if !done.may_be_repeated || repeats == REPEATS_MAX {
            return done;
        }
        repeats += 1;
        repeated = Some(Instant::now());
    }
}

/// [`exchange()`] without repeats: for callers that decide themselves on which connection a request is sent again.
///
/// A server may close a kept connection just when a request is sent. The request may be repeated if not one byte of it was written; or if the
/// server cannot have processed it (its kernel rejected the bytes, or an HTTP/2 server said so) and the method is idempotent (RFC 9110, section
/// 9.2.2). A new HTTP/1.1 connection that is lost was not closed for being idle: its request is not repeated.
pub async fn attempt(
    connector: &Connector,
    request: &OutgoingRequest,
    row: Option<u32>,
    kept: Option<Connection>,
    given_up: impl Future<Output = ()>,
    on_opened: impl FnOnce(&Connection),
) -> Exchange {
    let was_kept = kept.is_some();
    let mut connection = kept;
    let mut timeline = Timeline::default();
    let result = {
        let mut run = pin!(run(connector, request, row, &mut connection, &mut timeline, on_opened));
        let mut given_up = pin!(given_up);
        poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => given_up.as_mut().poll(context).map(|()| Err(Lost { failure: Failure::Timeout, reached: Reached::Perhaps })),
        })
        .await
    };
    let is_multiplexed = connection.as_ref().is_some_and(Connection::is_multiplexed);
    let may_be_repeated = match &result {
        Ok(_) => false,
        Err(_) if !was_kept && !is_multiplexed => false,
        Err(lost) => match lost.reached {
            Reached::Nothing => true,
            Reached::Unprocessed => request.method.is_idempotent(),
            Reached::Perhaps => false,
        },
    };
    // Part of a response may be left in the connection of a failed request.
    let connection = connection.filter(|_| result.is_ok() || is_multiplexed);
    Exchange { result: result.map_err(|lost| lost.failure), timeline, may_be_repeated, repeats: 0, connection }
}

async fn run(
    connector: &Connector,
    request: &OutgoingRequest,
    row: Option<u32>,
    connection: &mut Option<Connection>,
    timeline: &mut Timeline,
    on_opened: impl FnOnce(&Connection),
) -> Result<Response, Lost> {
    let connection = match connection {
        Some(kept) => kept,
        empty => {
            // Boxed: few requests open a connection, and the future of all others would be as large as theirs.
            let opened = Box::pin(connector.open(timeline)).await.map_err(|failure| Lost { failure, reached: Reached::Perhaps })?;
            let connection = empty.insert(opened);
            on_opened(connection);
            connection
        }
    };
    connection.exchange(connector, request, row, timeline).await
}
