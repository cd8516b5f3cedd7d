//! Requests against a server on loopback that sends prepared bytes.

mod frames;
mod go_away;
mod multiplexed;
mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Client, ClientHeaders, Connector, Failure, Keep, OutgoingRequest, Response, Target, Timeline, TransportConfig};

fn get(target: &str) -> OutgoingRequest {
    OutgoingRequest {
        method: Method::GET,
        target: target.to_owned(),
        authorization: Some("Bearer secret".into()),
        content_type: None,
        body: Bytes::new(),
        keep: Keep::Body,
        client: ClientHeaders { forwarded_for: Some("192.0.2.7".parse().unwrap()), accept_encoding: Some("gzip") },
    }
}

fn short_timeouts() -> TransportConfig {
    TransportConfig {
        response_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
        body_bytes_max: 100_000,
        keep_bytes_max: 10,
        ..TransportConfig::default()
    }
}

/// Serves one response per connection, then closes the port. Returns the client's results and the request heads that the server read.
async fn send_to_server(
    responses: Vec<&'static [u8]>,
    config: TransportConfig,
) -> (Vec<(Result<Response, Failure>, Timeline)>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let count = responses.len();
    let server = tokio::spawn(async move {
        let mut heads = Vec::new();
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..length]).into_owned());
            stream.write_all(response).await.unwrap();
            if response.ends_with(b"...") {
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        }
        heads
    });
    let mut client = Client::new(Connector::new(target, config).await.unwrap());
    let mut results = Vec::new();
    for number in 0..count {
        let exchange = client.exchange(&get(&format!("/{number}?x=y%20z"))).await;
        assert_eq!(exchange.repeats, 0);
        results.push((exchange.result, exchange.timeline));
    }
    (results, server.await.unwrap())
}

#[tokio::test]
async fn a_response_has_its_instants_in_order_and_its_upstream() {
    let body = b"HTTP/1.1 302 Found\r\nX-Upstream: worker1\r\nLocation: http://elsewhere/\r\nContent-Length: 12\r\n\r\nabcdefghijkl";
    let (results, heads) = send_to_server(vec![body], short_timeouts()).await;
    let (response, timeline) = (results[0].0.as_ref().unwrap(), results[0].1);
    assert_eq!((response.status, response.bytes, &response.body[..], response.cut), (302, 12, &b"abcdefghij"[..], true));
    assert_eq!(response.upstream.as_deref(), Some("worker1"));
    let instants = [timeline.connected, timeline.sent, timeline.first_byte, timeline.last_byte];
    assert!(instants.iter().all(Option::is_some) && instants.is_sorted(), "{timeline:?}");
    assert_eq!((timeline.secured, timeline.repeated), (None, None));
    assert!(heads[0].starts_with("GET /0?x=y%20z HTTP/1.1\r\n") && heads[0].contains("authorization: Bearer secret\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("user-agent: wsim/") && heads[0].contains("host: 127.0.0.1:"), "{}", heads[0]);
    assert!(heads[0].contains("x-forwarded-for: 192.0.2.7\r\n") && heads[0].contains("accept-encoding: gzip\r\n"), "{}", heads[0]);
}

#[tokio::test]
async fn every_way_to_fail_has_its_name() {
    let cases: [(&[u8], Failure); 5] = [
        (b"", Failure::Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this", Failure::WrongLength),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Failure::Protocol),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n...", Failure::Timeout),
        (b"...", Failure::Protocol),
    ];
    for (bytes, failure) in cases {
        let (results, _) = send_to_server(vec![bytes], short_timeouts()).await;
        assert_eq!(results[0].0.as_ref().err(), Some(&failure), "{}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_request_that_would_break_out_of_its_line_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut client = Client::new(Connector::new(target, short_timeouts()).await.unwrap());
    let evil = OutgoingRequest { authorization: Some("Bearer x\r\nHost: elsewhere".into()), ..get("/") };
    for request in [get("/a b"), get("relative"), get("/\r\nx: y"), evil] {
        assert_eq!(client.send(&request).await.err(), Some(Failure::Protocol), "{}", request.target);
    }
}

/// Responds to the first request of a connection, then closes the connection, and counts all requests that it reads.
async fn server_that_ends_kept_connections(reads_second: bool) -> (Target, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            for request in 0..2 {
                if request == 1 && !reads_second {
                    break;
                }
                if stream.read(&mut [0; 4096]).await.unwrap_or(0) == 0 {
                    break;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                if request == 0 {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                }
            }
        }
    });
    (target, read)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_request_is_sent_again_only_if_the_server_cannot_have_read_it() {
    let mut post = get("/");
    post.method = Method::POST;
    // Read by the server: never sent again. Closed before the server read it: sent again, if the method may be.
    for (reads_second, request, second, reads) in
        [(true, get("/"), Err(Failure::Closed), 2), (false, get("/"), Ok(1), 2), (false, post, Err(Failure::Closed), 1)]
    {
        let (target, read) = server_that_ends_kept_connections(reads_second).await;
        let connector = Connector::new(target, short_timeouts()).await.unwrap();
        let given_up = || tokio::time::sleep(Duration::from_secs(5));
        let first = super::exchange(&connector, &request, None, None, given_up(), |_| {}).await;
        assert!(first.result.is_ok(), "{:?}", first.result);
        if !reads_second {
            // The kernel knows that the server has closed; the connection, which nobody has asked, does not.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let again = super::exchange(&connector, &request, None, first.connection, given_up(), |_| {}).await;
        assert_eq!(
            again.result.as_ref().map(|_| usize::from(again.repeats)).map_err(|failure| *failure),
            second,
            "reads_second {reads_second}"
        );
        assert_eq!(again.timeline.repeated.is_some(), again.repeats > 0);
        assert_eq!(read.load(Ordering::SeqCst), reads, "requests that the server read");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
    });
    let mut client = Client::new(Connector::new(target, short_timeouts()).await.unwrap());
    assert_eq!(client.send(&get("/")).await.err(), Some(Failure::TooLong));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (results, _) = send_to_server(vec![ok, ok, ok], short_timeouts()).await;
    assert!(results.iter().all(|(result, _)| result.is_ok()), "{results:?}");
}

#[tokio::test]
async fn a_closed_port_is_a_failure_to_connect() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let target: Target = format!("http://127.0.0.1:{port}").parse().unwrap();
    let mut client = Client::new(Connector::new(target, short_timeouts()).await.unwrap());
    assert_eq!(client.send(&get("/")).await.err(), Some(Failure::Refused));
}
