//! Provisioning against a server on loopback that responds like homeservers with a problem.

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
use crate::{CheckedTarget, KnownServers, Manifest, TargetCheckError, check_target};
use wsim_replay::guard::{Guard, GuardOverrides, Origin, Refusal};
use wsim_trace::{Request as LoggedRequest, ServerNames, Trace};
use wsim_transport::TransportConfig;

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

/// The guard of a log with users of these servers.
fn guard(in_log: &[&str]) -> Guard {
    let mut trace = Trace::new();
    for server in in_log {
        let user = trace.names.intern(format!("@a:{server}").as_bytes());
        trace.push(LoggedRequest { user, ..LoggedRequest::default() });
    }
    trace.seal();
    Guard::new(Origin::Log(ServerNames::of_trace(&trace)), GuardOverrides::default())
}

async fn checked(url: &str, in_log: &[&str], known: &KnownServers) -> Result<CheckedTarget, TargetCheckError> {
    check_target(url.parse().unwrap(), TransportConfig::default(), guard(in_log), known).await
}

/// Provisions for a log of `old.example`. Returns the number of requests that the target got.
async fn provisioned(responses: Responses, accounts: AccountSource) -> (Result<(), ProvisionError>, usize) {
    let (url, count) = homeserver(responses).await;
    let target = checked(&url, &["old.example"], &KnownServers::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new(&url, [1; 16]);
    let config = ProvisionConfig { path: folder.path().join("world.json"), concurrency: 2, accounts };
    let done = provision(&target, &mut manifest, &config, &|_| ()).await;
    (done, count.load(Ordering::Relaxed))
}

const VERSIONS: (u16, &str) = (200, "{\"versions\":[\"v1.1\"]}");

fn secret() -> AccountSource {
    AccountSource::Secret("shared".to_owned())
}

#[tokio::test]
async fn each_obstacle_has_its_own_error() {
    type Case = (Responses, fn(&ProvisionError) -> bool);
    let cases: [Case; 5] = [
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
        let error = provisioned(responses, secret()).await.0.unwrap_err();
        assert!(expected(&error), "case {number}: {error:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_no_homeserver_is_refused() {
    for (status, body) in [(200, "<html>"), (200, "{}"), (404, "{}")] {
        let responses: Responses = match (status, body) {
            (200, "<html>") => |_, _| (200, "<html>"),
            (200, _) => |_, _| (200, "{}"),
            _ => |_, _| (404, "{}"),
        };
        let (url, count) = homeserver(responses).await;
        let refused = checked(&url, &["old.example"], &KnownServers::default()).await;
        assert!(matches!(refused, Err(TargetCheckError::NotHomeserver { status: found, .. }) if found == status), "{refused:?}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn what_a_target_says_of_itself_is_checked_before_anything_is_created() {
    let says: [Responses; 3] = [
        |_, path| match path {
            "GET /_matrix/client/versions" => VERSIONS,
            "GET /_matrix/key/v2/server" => (200, "{\"server_name\":\"Old.example.:8448\"}"),
            _ => (404, ""),
        },
        |_, path| match path {
            "GET /_matrix/client/versions" => VERSIONS,
            "GET /.well-known/matrix/server" => (200, "{\"m.server\":\"OLD.example:443\"}"),
            _ => (404, ""),
        },
        |_, path| match path {
            "GET /_matrix/client/versions" => VERSIONS,
            "GET /.well-known/matrix/client" => (200, "{\"m.homeserver\":{\"base_url\":\"https://old.example/\"}}"),
            _ => (404, ""),
        },
    ];
    for responses in says {
        let (url, count) = homeserver(responses).await;
        let refused = checked(&url, &["old.example"], &KnownServers::default()).await;
        assert!(matches!(&refused, Err(TargetCheckError::Refused(Refusal::InLog { name, .. })) if name == "old.example"), "{refused:?}");
        assert_eq!(count.load(Ordering::Relaxed), 4, "versions and three names");
        assert!(checked(&url, &["other.example"], &KnownServers::default()).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_known_of_a_target_is_checked_before_a_byte_is_sent() {
    let (url, count) = homeserver(|_, _| VERSIONS).await;
    let mut world = Manifest::new(&url, [1; 16]);
    world.server_name = "old.example".to_owned();
    let tokens = AccountSource::Tokens(vec![("@a:new.example".to_owned(), "t".to_owned()), ("@a:OLD.example".to_owned(), "t".to_owned())]);
    for known in [KnownServers::of_world(&world), KnownServers::default().with_accounts(&tokens)] {
        assert!(matches!(checked(&url, &["old.example"], &known).await, Err(TargetCheckError::Refused(Refusal::InLog { .. }))));
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn another_server_than_that_of_the_world_is_refused() {
    let responses: Responses = |_, path| match path {
        "GET /_matrix/client/versions" => VERSIONS,
        "GET /_matrix/key/v2/server" => (200, "{\"server_name\":\"there.example\"}"),
        _ => (404, ""),
    };
    let (url, _) = homeserver(responses).await;
    let mut world = Manifest::new(&url, [1; 16]);
    for (server_name, is_right) in [("", true), ("There.example.", true), ("here.example", false)] {
        server_name.clone_into(&mut world.server_name);
        let done = checked(&url, &["old.example"], &KnownServers::of_world(&world)).await;
        assert_eq!(done.is_ok(), is_right, "{server_name}");
        assert!(is_right || matches!(done, Err(TargetCheckError::Refused(Refusal::OtherServer { .. }))));
    }
}

#[tokio::test]
async fn an_administrator_on_the_server_of_the_log_is_removed_again() {
    let responses: Responses = |_, path| match path {
        "GET /_matrix/client/versions" => VERSIONS,
        "GET /_synapse/admin/v1/register" => (200, "{\"nonce\":\"n\"}"),
        "POST /_synapse/admin/v1/register" => (200, "{\"user_id\":\"@wsim-admin:Old.example\",\"access_token\":\"t\",\"device_id\":\"d\"}"),
        path if path.starts_with("POST /_synapse/admin/v1/deactivate/") => (200, "{}"),
        path if path.starts_with("GET /.well-known") || path == "GET /_matrix/key/v2/server" => (404, ""),
        _ => panic!("{path}"),
    };
    let (done, requests) = provisioned(responses, secret()).await;
    assert!(matches!(done, Err(ProvisionError::Refused(Refusal::InLog { .. }))), "{done:?}");
    assert_eq!(requests, 7, "four to check, two to register, one to remove");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let responses: Responses = |number, _| match number {
        0 => VERSIONS,
        1..4 => (404, ""),
        4..7 => (429, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"retry_after_ms\":60}"),
        _ => (404, "{\"errcode\":\"M_UNRECOGNIZED\"}"),
    };
    let began = std::time::Instant::now();
    let (done, requests) = provisioned(responses, secret()).await;
    assert!(matches!(done, Err(ProvisionError::NoRegistration)), "{done:?}");
    assert_eq!(requests, 8);
    assert!(began.elapsed() >= std::time::Duration::from_millis(180));
}

#[tokio::test]
async fn a_world_belongs_to_its_target() {
    let (url, _) = homeserver(|_, _| VERSIONS).await;
    let target = checked(&url, &["old.example"], &KnownServers::default()).await.unwrap();
    let mut manifest = Manifest::new("http://elsewhere", [1; 16]);
    let config = ProvisionConfig { path: "world.json".into(), concurrency: 1, accounts: secret() };
    let done = provision(&target, &mut manifest, &config, &|_| ()).await;
    assert!(matches!(done, Err(ProvisionError::OtherTarget { .. })));
    let done = purge(&target, &mut manifest, &config, &|_| ()).await;
    assert!(matches!(done, Err(ProvisionError::NoAdministrator)));
}

#[tokio::test]
async fn a_reinstalled_target_is_noticed() {
    let responses: Responses = |_, path| if path.ends_with("versions") { VERSIONS } else { (401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}") };
    let (url, count) = homeserver(responses).await;
    let target = checked(&url, &["old.example"], &KnownServers::default()).await.unwrap();
    let mut manifest = Manifest::new(&url, [1; 16]);
    manifest.admin = Some(crate::Admin { user_id: "@a:b".to_owned(), token: "t".to_owned() });
    let config = ProvisionConfig { path: "world.json".into(), concurrency: 1, accounts: secret() };
    for done in [provision(&target, &mut manifest, &config, &|_| ()).await, purge(&target, &mut manifest, &config, &|_| ()).await] {
        assert!(matches!(done, Err(ProvisionError::WorldUnknown)), "{done:?}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 6, "four to check, one for each command");
}

#[test]
fn an_estimate_grows_with_what_is_missing() {
    let some = MissingItems { accounts: 100, messages: 1_000, ..MissingItems::default() };
    assert_eq!(some.calls(), 1_200);
    let (quick, slow) = some.duration_range(4);
    assert!(quick < slow && some.duration_range(1).0 > quick && some.duration_range(100).0 == quick);
    assert_eq!(MissingItems::default().duration_range(4).1, std::time::Duration::ZERO);
}
