//! HTTP/2 against a server that refuses streams, resets them and says GOAWAY.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use tokio::net::TcpListener;

use super::{get, short_timeouts};
use crate::{Connection, Connector, Exchange, Failure, TransportConfig, exchange};

/// What the server does with a request; they are numbered from 0 over all connections.
#[derive(Debug, Clone, Copy)]
enum Step {
    Respond,
    /// RST_STREAM.
    Reset(Reason),
    /// A head, a part of the body, then RST_STREAM.
    ResetWithin,
    /// GOAWAY with an error, for all requests of the connection.
    GoAway,
}

/// A server that takes `streams_max` requests at a time; it also counts connections.
async fn server(streams_max: u32, step: impl Fn(usize) -> Step + Send + Sync + 'static) -> (Connector, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (counter, requests, step) = (Arc::clone(&connections), Arc::new(AtomicUsize::new(0)), Arc::new(step));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let (requests, step) = (Arc::clone(&requests), Arc::clone(&step));
            tokio::spawn(async move {
                let mut builder = Builder::new();
                builder.max_concurrent_streams(streams_max);
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((_, response))) = connection.accept().await {
                    match step(requests.fetch_add(1, Ordering::SeqCst)) {
                        Step::GoAway => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
                        other => act(response, other),
                    }
                }
            });
        }
    });
    let config = TransportConfig { http2: true, ..short_timeouts() };
    (Connector::new(target, config).await.unwrap(), connections)
}

fn act(mut response: SendResponse<Bytes>, step: Step) {
    match step {
        Step::Respond => drop(response.send_response(http::Response::new(()), false).unwrap().send_data("ok".into(), true)),
        Step::Reset(reason) => response.send_reset(reason),
        Step::ResetWithin => {
            let mut stream = response.send_response(http::Response::new(()), false).unwrap();
            stream.send_data("par".into(), false).unwrap();
            // So that the part leaves before the reset, which drops what has not been sent.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.send_reset(Reason::INTERNAL_ERROR);
            });
        }
        Step::GoAway => {}
    }
}

async fn send(connector: &Connector, kept: Option<Connection>) -> Exchange {
    exchange(connector, &get("/"), None, kept, tokio::time::sleep(Duration::from_secs(5)), |_| {}).await
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_and_others_are_not() {
    let cases = [
        (Step::Reset(Reason::REFUSED_STREAM), Ok(1)),
        (Step::Reset(Reason::INTERNAL_ERROR), Err(Failure::StreamReset)),
        (Step::ResetWithin, Err(Failure::StreamReset)),
    ];
    for (step, expected) in cases {
        let (connector, _) = server(10, move |number| if number == 1 { step } else { Step::Respond }).await;
        let first = send(&connector, None).await;
        assert_eq!(&first.result.unwrap().body[..], b"ok");
        let second = send(&connector, first.connection).await;
        assert_eq!(second.result.as_ref().map(|_| second.repeats).map_err(|failure| *failure), expected, "{step:?}");
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_is_named_and_not_used_again() {
    let (connector, connections) = server(10, |number| if number == 0 { Step::Respond } else { Step::GoAway }).await;
    let first = send(&connector, None).await;
    let mut kept = first.connection.unwrap();
    let second = send(&connector, kept.share()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!kept.is_open());
    // The server took the request, so it is not sent again.
    assert_eq!((second.result.err(), second.repeats, connections.load(Ordering::SeqCst)), (Some(Failure::GoAway), 0, 1));
}

#[tokio::test]
async fn a_connection_carries_as_many_requests_as_the_server_allows() {
    let (connector, connections) = server(3, |_| Step::Respond).await;
    let first = send(&connector, None).await.connection.unwrap();
    assert!(first.is_multiplexed() && first.requests_max() == 3, "{}", first.requests_max());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (connector, handle) = (connector.clone(), first.share());
        tasks.spawn(async move { send(&connector, handle).await.result.map(|response| response.bytes) });
    }
    assert!(tasks.join_all().await.into_iter().all(|result| result == Ok(2)));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
