//! Against a server on loopback: what it sends is what its sockets say.

mod secure;

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Answer, Client, Connector, Failure, Keep, Outgoing, Settings, Target};

fn get(target: &str) -> Outgoing {
    Outgoing {
        method: Method::GET,
        target: target.to_owned(),
        authorization: Some("Bearer secret".into()),
        content_type: None,
        body: Bytes::new(),
        keep: Keep::Body,
    }
}

fn quick() -> Settings {
    Settings {
        answer_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
        body_bytes_max: 100_000,
        keep_bytes_max: 10,
        ..Settings::default()
    }
}

/// One connection after another gets one of the answers; afterwards the port is closed. Gives back what was read.
async fn against(answers: Vec<&'static [u8]>, settings: Settings) -> (Vec<Result<Answer, Failure>>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let count = answers.len();
    let server = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..length]).into_owned());
            stream.write_all(answer).await.unwrap();
            if answer.ends_with(b"...") {
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        }
        heads
    });
    let mut client = Client::new(Connector::new(target, settings).await.unwrap());
    let mut results = Vec::new();
    for number in 0..count {
        results.push(client.send(&get(&format!("/{number}?x=y%20z"))).await);
    }
    (results, server.await.unwrap())
}

#[tokio::test]
async fn an_answer_has_its_instants_in_order_and_its_upstream() {
    let body = b"HTTP/1.1 302 Found\r\nX-Upstream: worker1\r\nLocation: http://elsewhere/\r\nContent-Length: 12\r\n\r\nabcdefghijkl";
    let (results, heads) = against(vec![body], quick()).await;
    let answer = results[0].as_ref().unwrap();
    assert_eq!((answer.status, answer.bytes, &answer.body[..], answer.cut), (302, 12, &b"abcdefghij"[..], true));
    assert_eq!(answer.upstream.as_deref(), Some("worker1"));
    assert!(answer.sent <= answer.first_byte && answer.first_byte <= answer.last_byte);
    assert!(heads[0].starts_with("GET /0?x=y%20z HTTP/1.1\r\n") && heads[0].contains("authorization: Bearer secret\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("user-agent: wsim/") && heads[0].contains("host: 127.0.0.1:"), "{}", heads[0]);
}

#[tokio::test]
async fn every_way_to_fail_has_its_name() {
    let cases: [(&[u8], Failure); 5] = [
        (b"", Failure::Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this", Failure::Broken),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Failure::Protocol),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n...", Failure::Timeout),
        (b"...", Failure::Protocol),
    ];
    for (bytes, failure) in cases {
        let (results, _) = against(vec![bytes], quick()).await;
        assert_eq!(results[0].as_ref().err(), Some(&failure), "{}", String::from_utf8_lossy(bytes));
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
    let mut client = Client::new(Connector::new(target, quick()).await.unwrap());
    assert_eq!(client.send(&get("/")).await.err(), Some(Failure::TooLong));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (results, _) = against(vec![ok, ok, ok], quick()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn nobody_listening_is_a_failure_to_connect() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let target: Target = format!("http://127.0.0.1:{port}").parse().unwrap();
    let mut client = Client::new(Connector::new(target, quick()).await.unwrap());
    assert_eq!(client.send(&get("/")).await.err(), Some(Failure::Connect));
}
