//! Drivers of what speaks HTTP: the client's side of a response, what a replay learns from its body, the emulated homeserver.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::emulate::OfflineHomeserver;
use crate::endpoints;
use crate::matrix::provision::{WorldConfig, design};
use crate::matrix::{Manifest, Script, ScriptConfig, Survey, Tier};
use crate::trace::{Names, Request};
use crate::transport::{ClientHeaders, Connection, Connector, Keep, OutgoingRequest, Response, TransportConfig, exchange as send};

/// Sends one request over a stream whose other end answers with these bytes, over HTTP/1.1 or HTTP/2 by the first of them.
pub fn exchange(data: &[u8]) {
    thread_local! {
        static CLIENT: (Runtime, [Connector; 2]) = client();
    }
    let Some((first, answer)) = data.split_first() else { return };
    let http2 = first % 2 == 1;
    CLIENT.with(|(runtime, connectors)| {
        let connector = &connectors[usize::from(http2)];
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(1 << 16);
            let Ok(connection) = Connection::over(near, http2).await else { return };
            let serve = async {
                let _request = far.read(&mut [0; 1024]).await;
                let _answered = far.write_all(answer).await;
                let _closed = far.shutdown().await;
                // The client may write until it has read the answer.
                while far.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            };
            let receive = async {
                let given_up = tokio::time::sleep(connector.response_timeout());
                let mut sent = send(connector, &request(), None, Some(connection), given_up, |_| {}).await;
                sent.connection = None;
                sent
            };
            let (sent, ()) = tokio::join!(receive, serve);
            if let Ok(response) = sent.result {
                let instants = [sent.timeline.sent, sent.timeline.first_byte, sent.timeline.last_byte];
                assert!(instants.iter().all(Option::is_some) && instants.is_sorted());
                // A compressed body may be longer than what was transferred.
                assert!(response.body.len() <= 1000);
            }
        });
    });
}

fn client() -> (Runtime, [Connector; 2]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connectors = [false, true].map(|http2| {
        let config = TransportConfig {
            http2,
            body_bytes_max: 1 << 20,
            keep_bytes_max: 1000,
            response_timeout: Duration::from_millis(500),
            ..TransportConfig::default()
        };
        let target = "http://127.0.0.1:1".parse().expect("a target");
        runtime.block_on(Connector::new(target, config)).expect("an address needs no look-up")
    });
    (runtime, connectors)
}

fn request() -> OutgoingRequest {
    OutgoingRequest {
        method: Method::GET,
        target: "/_matrix/client/v3/sync".to_owned(),
        authorization: Some("Bearer t".into()),
        content_type: None,
        body: Bytes::new(),
        keep: Keep::Body,
        client: ClientHeaders::default(),
    }
}

/// A response to one of several requests of a replay; then every next request is made. The first two bytes name the request and the status.
pub fn learn(data: &[u8]) {
    thread_local! {
        static SCRIPT: RefCell<(Option<Script>, u32)> = const { RefCell::new((None, 0)) };
    }
    let [row, status, body @ ..] = data else { return };
    SCRIPT.with_borrow_mut(|(script, used)| {
        *used += 1;
        if used.is_multiple_of(FRESH_AFTER) {
            *script = None;
        }
        let script = script.get_or_insert_with(self::script);
        let rows = u32::try_from(script.rows()).unwrap_or(1);
        let row = u32::from(*row) % rows;
        let body = Bytes::copy_from_slice(body);
        let status = [200, 200, 200, 404, 429, 500][usize::from(*status) % 6];
        let bytes = body.len() as u64;
        script.learn(row, 0, &Response { status, bytes, body, cut: false, upstream: None });
        for row in 0..rows {
            if let Ok(request) = script.request(row, 0) {
                assert!(request.target.starts_with('/'), "{}", request.target);
            }
        }
    });
}

fn script() -> Script {
    let mut names = Names::new();
    let [user, room, agent] = ["@a:old.example", "!r:old.example", "Element"].map(|name| names.intern(name.as_bytes()));
    let requests = [
        (endpoints::Method::Get, "/_matrix/client/v3/sync?since={since}&timeout=30000"),
        (endpoints::Method::Post, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={pos}"),
        (endpoints::Method::Get, "/_matrix/client/v3/rooms/{room}/messages?from={from}&dir=b&limit=10"),
        (endpoints::Method::Put, "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}"),
        (endpoints::Method::Post, "/_matrix/client/v3/login"),
        (endpoints::Method::Post, "/_matrix/client/v3/createRoom"),
        (endpoints::Method::Post, "/_matrix/client/v3/room_keys/version"),
        (endpoints::Method::Post, "/_matrix/client/v3/user/{user}/filter"),
    ];
    let rows: Vec<Request> = requests
        .iter()
        .enumerate()
        .map(|(index, (method, template))| Request {
            arrival_us: i64::try_from(index).unwrap_or(0),
            user,
            room,
            agent,
            template: names.intern(template.as_bytes()),
            method: *method,
            status: 200,
            ..Request::default()
        })
        .collect();
    let mut world = Manifest::new("http://localhost", [3; 16]);
    design(&mut world, &Survey::from_rows(&names, rows.iter().copied()), &names, &WorldConfig::default());
    world.server_name = "new.example".to_owned();
    let config = ScriptConfig { allowed: Tier::Dangerous, run: "r1".to_owned(), ..ScriptConfig::default() };
    Script::new(&world.with_placeholder_ids(), &names, rows, config)
}

/// A request to the emulated homeserver: `METHOD TARGET`, a line break, the body.
pub fn emulate(data: &[u8]) {
    thread_local! {
        static HOMESERVER: RefCell<(Option<(OfflineHomeserver, HeaderMap)>, u32)> = const { RefCell::new((None, 0)) };
    }
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (head, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut words = head.splitn(2, |byte| *byte == b' ');
    let Ok(method) = Method::from_bytes(words.next().unwrap_or_default()) else { return };
    let Ok(uri) = hyper::Uri::try_from(words.next().unwrap_or_default()) else { return };
    HOMESERVER.with_borrow_mut(|(homeserver, used)| {
        *used += 1;
        if used.is_multiple_of(FRESH_AFTER) {
            *homeserver = None;
        }
        let (homeserver, headers) = homeserver.get_or_insert_with(self::homeserver);
        let (status, _) = homeserver.respond(method, &uri, headers, Bytes::copy_from_slice(body));
        assert!((100..600).contains(&status));
    });
}

/// A homeserver with a user, whose room has a message.
fn homeserver() -> (OfflineHomeserver, HeaderMap) {
    let mut homeserver = OfflineHomeserver::new("test.invalid");
    let token = homeserver.add_user("alice").expect("the name is free");
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
    let uri = hyper::Uri::from_static("/_matrix/client/v3/createRoom");
    homeserver.respond(Method::POST, &uri, &headers, Bytes::from_static(br#"{"room_alias_name":"a"}"#));
    (homeserver, headers)
}

/// State that inputs leave behind is thrown away after so many of them, so that memory does not grow with the time of a run.
const FRESH_AFTER: u32 = 500;
