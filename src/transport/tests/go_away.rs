//! GOAWAY in all its forms: what the server took is never sent again, what it did not take is, if it may be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::frames::{ENHANCE_YOUR_CALM, Frames, LAST_STREAM, NO_ERROR, listen};
use super::{get, short_timeouts};
use crate::{Connection, Connector, Exchange, Failure, OutgoingRequest, TransportConfig, exchange};

/// The streams of a server's first connection that it read, and the number of requests that it read on others, to which it responds at once.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<(Vec<u32>, usize)>>);

impl Seen {
    fn first(&self, count: usize, connection: &mut Frames) -> io::Result<()> {
        let streams = connection.requests(count)?;
        self.0.lock().unwrap().0.extend(streams);
        Ok(())
    }

    fn respond_to_all(&self, mut connection: Frames) -> io::Result<()> {
        while let Some(stream) = connection.next_request()? {
            self.0.lock().unwrap().1 += 1;
            connection.respond(stream).flush()?;
        }
        Ok(())
    }
}

/// A server whose first connection is served by a test.
fn server(first: impl Fn(Frames, &Seen) -> io::Result<()> + Send + Sync + 'static) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let shared = seen.clone();
    let address =
        listen(move |number, connection| if number == 0 { first(connection, &shared) } else { shared.respond_to_all(connection) });
    (address, seen)
}

async fn connector(address: SocketAddr) -> Connector {
    let config = TransportConfig { http2: true, response_timeout: Duration::from_secs(5), ..short_timeouts() };
    Connector::new(format!("http://{address}").parse().unwrap(), config).await.unwrap()
}

async fn send(connector: Connector, request: OutgoingRequest, kept: Option<Connection>) -> Exchange {
    exchange(&connector, &request, None, kept, tokio::time::sleep(connector.response_timeout()), |_| {}).await
}

fn post(target: &str) -> OutgoingRequest {
    OutgoingRequest { method: Method::POST, body: Bytes::from_static(b"{}"), content_type: Some("application/json"), ..get(target) }
}

/// Sends a first request, and then these on its connection at the same time. They get the streams 3, 5, 7 …
async fn send_together(address: SocketAddr, requests: Vec<OutgoingRequest>) -> Vec<Result<u8, Failure>> {
    let connector = connector(address).await;
    let first = send(connector.clone(), get("/first"), None).await;
    assert_eq!(first.result.as_ref().map(|response| response.status), Ok(200));
    let connection = first.connection.unwrap();
    let mut tasks = Vec::new();
    for request in requests {
        tasks.push(tokio::spawn(send(connector.clone(), request, connection.share())));
    }
    let mut ends = Vec::new();
    for task in tasks {
        let exchange = task.await.unwrap();
        let is_open = exchange.connection.unwrap().is_open();
        assert!(is_open || exchange.repeats == 0, "a repeat has a connection that is not left");
        ends.push(exchange.result.map(|_| exchange.repeats));
    }
    ends
}

/// Answers the first request, reads four more, of which the server takes the first two, and goes on.
fn took_two(leave: impl Fn(&mut Frames) -> io::Result<()> + Send + Sync + 'static) -> (SocketAddr, Seen) {
    server(move |mut connection, seen| {
        let first = connection.requests(1)?;
        connection.respond(first[0]).flush()?;
        seen.first(4, &mut connection)?;
        leave(&mut connection)
    })
}

const LATE: Duration = Duration::from_millis(60);

#[tokio::test]
async fn streams_above_the_last_are_sent_again_and_those_below_are_waited_for() {
    // In one piece; after a warning that leaves all streams open; with an error, which changes nothing of what was taken.
    let ways: [fn(&mut Frames) -> io::Result<()>; 3] = [
        |connection| connection.go_away(5, NO_ERROR).flush(),
        |connection| {
            connection.go_away(LAST_STREAM, NO_ERROR).flush()?;
            std::thread::sleep(LATE);
            connection.go_away(5, NO_ERROR).flush()
        },
        |connection| connection.go_away(5, ENHANCE_YOUR_CALM).flush(),
    ];
    for (number, leave) in ways.into_iter().enumerate() {
        let (address, seen) = took_two(move |connection| {
            leave(connection)?;
            std::thread::sleep(LATE);
            connection.respond(3).respond(5).flush()?;
            // Until the client closes the connection.
            while connection.next_request()?.is_some() {}
            Ok(())
        });
        let ends = send_together(address, ["/3", "/5", "/7", "/9"].map(get).to_vec()).await;
        assert_eq!(ends, [Ok(0), Ok(0), Ok(1), Ok(1)], "way {number}");
        assert_eq!(*seen.0.lock().unwrap(), (vec![3, 5, 7, 9], 2), "way {number}");
    }
}

#[tokio::test]
async fn what_the_server_took_and_did_not_respond_to_is_a_failure() {
    // Closed at once, with and without responses on the way; the client goes on sending meanwhile.
    for responds in [false, true] {
        let (address, seen) = took_two(move |connection| {
            connection.go_away(5, NO_ERROR);
            if responds {
                connection.respond(5);
            }
            connection.flush()
        });
        let ends = send_together(address, ["/3", "/5", "/7", "/9"].map(get).to_vec()).await;
        let fifth = if responds { Ok(0) } else { Err(Failure::GoAway) };
        assert_eq!(ends, [Err(Failure::GoAway), fifth, Ok(1), Ok(1)], "responds {responds}");
        assert_eq!(seen.0.lock().unwrap().1, 2, "responds {responds}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_idempotent_is_not_sent_again_but_goes_elsewhere_once_the_server_has_said_it() {
    let (address, seen) = took_two(|connection| {
        connection.go_away(5, NO_ERROR).flush()?;
        std::thread::sleep(2 * LATE);
        connection.respond(3).respond(5).flush()
    });
    let connector = connector(address).await;
    let first = send(connector.clone(), get("/first"), None).await.connection.unwrap();
    let mut tasks = Vec::new();
    for request in [get("/3"), get("/5"), post("/7"), get("/9")] {
        tasks.push(tokio::spawn(send(connector.clone(), request, first.share())));
    }
    tokio::time::sleep(LATE).await;
    // Nothing of this one is written to the connection that the server leaves.
    let later = send(connector, post("/later"), first.share()).await;
    assert_eq!((later.result.map(|response| response.status), later.repeats), (Ok(200), 1));
    let mut ends = Vec::new();
    for task in tasks {
        let exchange = task.await.unwrap();
        ends.push(exchange.result.map(|_| exchange.repeats));
    }
    assert_eq!(ends, [Ok(0), Ok(0), Err(Failure::GoAway), Ok(1)]);
    assert_eq!(seen.0.lock().unwrap().1, 2);
}

#[tokio::test]
async fn a_connection_that_the_server_leaves_before_any_request_is_replaced() {
    for closes in [false, true] {
        let (address, seen) = server(move |mut connection, _| {
            connection.go_away(0, NO_ERROR).flush()?;
            while !closes && connection.next_request()?.is_some() {}
            Ok(())
        });
        let only = send(connector(address).await, get("/"), None).await;
        assert_eq!((only.result.map(|response| response.status), only.repeats), (Ok(200), 1), "closes {closes}");
        assert_eq!(seen.0.lock().unwrap().1, 1);
    }
}

#[tokio::test]
async fn a_server_that_leaves_every_connection_is_given_up() {
    let address = listen(|_, mut connection| {
        connection.go_away(0, NO_ERROR).flush()?;
        while connection.next_request()?.is_some() {}
        Ok(())
    });
    let only = send(connector(address).await, get("/"), None).await;
    assert_eq!((only.result.err(), only.repeats), (Some(Failure::GoAway), crate::REPEATS_MAX));
}

#[tokio::test]
async fn a_stream_that_the_server_took_is_not_sent_again_however_the_connection_ends() {
    // Without a word, as a server that is killed.
    let (address, seen) = took_two(|_| Ok(()));
    let ends = send_together(address, ["/3", "/5", "/7", "/9"].map(get).to_vec()).await;
    assert!(ends.iter().all(|end| matches!(end, Err(Failure::Closed | Failure::Reset))), "{ends:?}");
    assert_eq!(seen.0.lock().unwrap().1, 0);
}
