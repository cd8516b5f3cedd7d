//! Provisioning against a server on loopback that responds like homeservers with a problem.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::Manifest;
use wsim_transport::{Connector, Target, TransportConfig};

/// The response to a request, by its number, method and path.
type Responses = fn(usize, &str) -> (u16, &'static str);

/// Serves until the test ends. Returns the URL and the number of requests so far.
async fn homeserver(responses: Responses) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    let (status, body) = responses(number, &format!("{} {}", request.method(), request.uri().path()));
                    let response = Response::builder().status(status).body(Full::new(Bytes::from_static(body.as_bytes())));
                    async move { response }
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (url, count)
}

async fn provisioned(responses: Responses, accounts: AccountSource, forbidden: &[&str]) -> (Result<(), ProvisionError>, usize) {
    let (url, count) = homeserver(responses).await;
    let target: Target = url.parse().unwrap();
    let client = Client::new(Connector::new(target, TransportConfig::default()).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new(&url, [1; 16]);
    let forbidden: BTreeSet<String> = forbidden.iter().map(|&name| name.to_owned()).collect();
    let config = ProvisionConfig { path: folder.path().join("world.json"), concurrency: 2, accounts, forbidden };
    let done = provision(&client, &mut manifest, &config, &|_| ()).await;
    (done, count.load(Ordering::Relaxed))
}

const VERSIONS: (u16, &str) = (200, "{\"versions\":[\"v1.1\"]}");

fn secret() -> AccountSource {
    AccountSource::Secret("shared".to_owned())
}

#[tokio::test]
async fn each_obstacle_has_its_own_error() {
    type Case = (Responses, fn(&ProvisionError) -> bool);
    let cases: [Case; 6] = [
        (|_, _| (200, "<html>"), |error| matches!(error, ProvisionError::NotMatrix { status: 200 })),
        (
            |_, path| match path {
                "GET /_matrix/client/versions" => VERSIONS,
                "GET /_synapse/admin/v1/register" => (200, "{\"nonce\":\"n\"}"),
                _ => (400, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Shared secret registration is not enabled\"}"),
            },
            |error| matches!(error, ProvisionError::NoSecret),
        ),
        (
            |_, path| match path {
                "GET /_matrix/client/versions" => VERSIONS,
                "GET /_synapse/admin/v1/register" => (200, "{\"nonce\":\"n\"}"),
                _ => (403, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"HMAC incorrect\"}"),
            },
            |error| matches!(error, ProvisionError::WrongSecret),
        ),
        (
            |_, path| {
                if path.ends_with("versions") {
                    VERSIONS
                } else {
                    (404, "{\"errcode\":\"M_UNRECOGNIZED\",\"error\":\"Unrecognized request\"}")
                }
            },
            |error| matches!(error, ProvisionError::NoRegistration),
        ),
        (
            |_, path| if path.ends_with("versions") { VERSIONS } else { (403, "<html>forbidden") },
            |error| matches!(error, ProvisionError::NoAdmin { status: 403 }),
        ),
        (
            |_, path| match path {
                "GET /_matrix/client/versions" => VERSIONS,
                "GET /_synapse/admin/v1/register" => (200, "{\"nonce\":\"n\"}"),
                "GET /_matrix/key/v2/server" => (404, ""),
                _ => (500, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Internal\\u0007 server error\"}"),
            },
            |error| matches!(error, ProvisionError::ErrorResponse { status: 500, message, .. } if message == "Internal server error"),
        ),
    ];
    for (number, (responses, expected)) in cases.into_iter().enumerate() {
        let error = provisioned(responses, secret(), &[]).await.0.unwrap_err();
        assert!(expected(&error), "case {number}: {error:?}");
    }
}

#[tokio::test]
async fn the_server_of_the_log_is_refused_before_anything_is_created() {
    let responses: Responses = |_, path| match path {
        "GET /_matrix/client/versions" => VERSIONS,
        "GET /_matrix/key/v2/server" => (200, "{\"server_name\":\"Old.example\"}"),
        _ => panic!("{path}"),
    };
    let (done, requests) = provisioned(responses, secret(), &["old.example"]).await;
    assert!(matches!(done, Err(ProvisionError::ServerInLog { server }) if server == "old.example"));
    assert_eq!(requests, 2);
    let (done, _) = provisioned(|_, _| VERSIONS, secret(), &["127.0.0.1"]).await;
    assert!(matches!(done, Err(ProvisionError::ServerInLog { .. })));
    let tokens = AccountSource::Tokens(vec![("@a:old.example".to_owned(), "t".to_owned())]);
    let (done, _) = provisioned(|_, _| VERSIONS, tokens, &["old.example"]).await;
    assert!(matches!(done, Err(ProvisionError::ServerInLog { .. })));
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let responses: Responses = |number, _| match number {
        0 => VERSIONS,
        1 => (404, ""),
        2..5 => (429, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"retry_after_ms\":60}"),
        _ => (404, "{\"errcode\":\"M_UNRECOGNIZED\"}"),
    };
    let began = std::time::Instant::now();
    let (done, requests) = provisioned(responses, secret(), &[]).await;
    assert!(matches!(done, Err(ProvisionError::NoRegistration)), "{done:?}");
    assert_eq!(requests, 6);
    assert!(began.elapsed() >= std::time::Duration::from_millis(180));
}

#[tokio::test]
async fn a_world_belongs_to_its_target() {
    let (url, _) = homeserver(|_, _| VERSIONS).await;
    let client = Client::new(Connector::new(url.parse().unwrap(), TransportConfig::default()).await.unwrap());
    let mut manifest = Manifest::new("http://elsewhere", [1; 16]);
    let config = ProvisionConfig { path: "world.json".into(), concurrency: 1, accounts: secret(), forbidden: BTreeSet::new() };
    let done = provision(&client, &mut manifest, &config, &|_| ()).await;
    assert!(matches!(done, Err(ProvisionError::OtherTarget { .. })));
    let done = purge(&client, &mut manifest, &config, &|_| ()).await;
    assert!(matches!(done, Err(ProvisionError::NoAdministrator)));
}

#[tokio::test]
async fn a_reinstalled_target_is_noticed() {
    let responses: Responses = |_, path| if path.ends_with("versions") { VERSIONS } else { (401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}") };
    let (url, count) = homeserver(responses).await;
    let client = Client::new(Connector::new(url.parse().unwrap(), TransportConfig::default()).await.unwrap());
    let mut manifest = Manifest::new(&url, [1; 16]);
    manifest.admin = Some(crate::Admin { user_id: "@a:b".to_owned(), token: "t".to_owned() });
    let config = ProvisionConfig { path: "world.json".into(), concurrency: 1, accounts: secret(), forbidden: BTreeSet::new() };
    for done in [provision(&client, &mut manifest, &config, &|_| ()).await, purge(&client, &mut manifest, &config, &|_| ()).await] {
        assert!(matches!(done, Err(ProvisionError::WorldUnknown)), "{done:?}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 4);
}

#[test]
fn an_estimate_grows_with_what_is_missing() {
    let some = MissingItems { accounts: 100, messages: 1_000, ..MissingItems::default() };
    assert_eq!(some.calls(), 1_200);
    let (quick, slow) = some.duration_range(4);
    assert!(quick < slow && some.duration_range(1).0 > quick && some.duration_range(100).0 == quick);
    assert_eq!(MissingItems::default().duration_range(4).1, std::time::Duration::ZERO);
}
