//! A cluster on sockets, through the transport that replays use. No bound here is tighter than a busy machine allows.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::api::tests::{SECRET, registration};
use super::*;
use crate::endpoints::{Classifier, Method, Options, table_for};
use crate::profile::{Extras, Profiler};
use crate::simulate::prepare::PrepareSettings;
use crate::trace::{Request, Trace, flag};
use crate::transport::{Answer, Client, Connector, Keep, Outgoing, Target};

const PLAN: &str = "name = \"test\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"client\"\nendpoints = [\"client\", \"sync\"]\nworkers = 2\n";

/// Forty requests of 30 ms of CPU to one endpoint.
fn demands() -> Demands {
    let table = table_for(Some("1.157")).unwrap().table;
    let classifier = Classifier::new(&table, &Options::default()).unwrap();
    let endpoint = classifier.classify(Method::Get, b"/_matrix/client/v3/joined_rooms");
    let mut trace = Trace::new();
    let user = trace.names.intern(b"@logged:x");
    for i in 0..40 {
        let flags = flag::WALL | flag::COST | flag::SYNAPSE;
        let cost = Request { arrival_us: 1_000_000 + i * 100_000, wall_us: 30_000, cpu_us: 30_000, ..Request::EMPTY };
        trace.push(Request { user, endpoint, method: Method::Get, status: 200, flags, ..cost });
    }
    trace.seal();
    let endpoints = classifier.endpoints();
    let mut profiler = Profiler::new(&crate::profile::Settings::new(endpoints.to_vec()));
    trace.requests().for_each(|request| profiler.observe(&request, &trace.names));
    let profile = profiler.finish(&Extras { process_cpu: None, inferred: None, user_key: None });
    let rows: Vec<Request> = trace.requests().collect();
    Demands::of(&trace, endpoints, &profile, &rows, &PrepareSettings::default())
}

fn start(without_row: WithoutRow) -> Cluster {
    let plan = Plan::from_toml(PLAN, "test.toml").unwrap();
    Cluster::start(&plan, demands(), Settings { secret: SECRET.to_owned(), without_row, ..Settings::default() }).unwrap()
}

struct User {
    client: Client,
    token: Option<String>,
}

impl User {
    async fn at(cluster: &Cluster) -> Self {
        let target: Target = format!("http://{}", cluster.address()).parse().unwrap();
        Self { client: Client::new(Connector::new(target, crate::transport::Settings::default()).await.unwrap()), token: None }
    }

    async fn ask(&mut self, method: hyper::Method, target: &str, body: &str) -> (Answer, Value) {
        let outgoing = Outgoing {
            method,
            target: target.to_owned(),
            authorization: self.token.as_ref().map(|token| format!("Bearer {token}").into()),
            content_type: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            keep: Keep::Body,
        };
        let answer = self.client.send(&outgoing).await.unwrap();
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer, json)
    }

    async fn register(cluster: &Cluster, name: &str) -> Self {
        let mut user = Self::at(cluster).await;
        let path = "/_synapse/admin/v1/register";
        let (_, nonce) = user.ask(hyper::Method::GET, path, "").await;
        let body = registration(nonce["nonce"].as_str().unwrap(), name);
        let (_, account) = user.ask(hyper::Method::POST, path, &body).await;
        user.token = Some(account["access_token"].as_str().unwrap().to_owned());
        user
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_takes_its_logged_time_at_the_worker_that_the_plan_says() {
    let cluster = start(WithoutRow::Free);
    let user = User::register(&cluster, "alice").await;
    let connector = user.client.connector().clone();
    let mut upstreams = Vec::new();
    for row in 0..4 {
        let mut connection = connector.open().await.unwrap();
        let outgoing = Outgoing {
            method: hyper::Method::GET,
            target: "/_matrix/client/v3/joined_rooms".to_owned(),
            authorization: Some(format!("Bearer {}", user.token.as_ref().unwrap()).into()),
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Body,
        };
        let answer = connection.send_as(&outgoing, Some(row)).await.unwrap();
        let took = answer.last_byte - answer.sent;
        assert_eq!(answer.status, 200);
        assert!(took >= Duration::from_millis(29) && took < Duration::from_secs(5), "{took:?}");
        upstreams.push(answer.upstream.unwrap().to_string());
    }
    assert_eq!(upstreams, ["client1", "client2", "client1", "client2"]);
    assert_eq!(cluster.processes(), ["main", "client1", "client2"]);
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_sync_wakes_when_a_message_comes_and_not_before() {
    for without_row in [WithoutRow::Free, WithoutRow::Drawn] {
        let cluster = start(without_row);
        let (mut alice, mut bob) = (User::register(&cluster, "alice").await, User::register(&cluster, "bob").await);
        let (_, room) = alice.ask(hyper::Method::POST, "/_matrix/client/v3/createRoom", "{}").await;
        let room = room["room_id"].as_str().unwrap().to_owned();
        let path = room.replace('!', "%21").replace(':', "%3A");
        bob.ask(hyper::Method::POST, &format!("/_matrix/client/v3/join/{path}"), "{}").await;
        let (_, first) = bob.ask(hyper::Method::GET, "/_matrix/client/v3/sync", "").await;
        let target = format!("/_matrix/client/v3/sync?timeout=20000&since={}", first["next_batch"].as_str().unwrap());
        let began = Instant::now();
        let waiting = tokio::spawn(async move { bob.ask(hyper::Method::GET, &target, "").await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished());
        alice.ask(hyper::Method::PUT, &format!("/_matrix/client/v3/rooms/{path}/send/m.room.message/1"), "{\"body\":\"x\"}").await;
        let (_, news) = waiting.await.unwrap();
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(15), "{took:?}");
        assert_eq!(news["rooms"]["join"][&room]["timeline"]["events"][0]["content"], json!({"body": "x"}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_without_news_ends_with_its_timeout() {
    let cluster = start(WithoutRow::Drawn);
    let mut alice = User::register(&cluster, "alice").await;
    let (_, first) = alice.ask(hyper::Method::GET, "/_matrix/client/v3/sync", "").await;
    let target = format!("/_matrix/client/v3/sync?timeout=250&since={}", first["next_batch"].as_str().unwrap());
    let (answer, second) = alice.ask(hyper::Method::GET, &target, "").await;
    let took = answer.last_byte - answer.sent;
    assert!(took >= Duration::from_millis(249) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(second["next_batch"], first["next_batch"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_bodies_are_refused_and_the_cluster_goes_on() {
    let cluster = start(WithoutRow::Free);
    let mut alice = User::register(&cluster, "alice").await;
    let huge = " ".repeat(11 << 20);
    let outgoing = Outgoing {
        method: hyper::Method::PUT,
        target: "/_matrix/client/v3/user/x/account_data/y".to_owned(),
        authorization: None,
        content_type: None,
        body: huge.into(),
        keep: Keep::Body,
    };
    // The answer may come while the body is still on its way, which a client may take for a broken connection.
    let refused = alice.client.send(&outgoing).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status == 413));
    assert_eq!(alice.ask(hyper::Method::GET, "/_matrix/client/versions", "").await.0.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_told_by_its_first_bytes() {
    let cluster = start(WithoutRow::Free);
    let target: Target = format!("http://{}", cluster.address()).parse().unwrap();
    let settings = crate::transport::Settings { http2: true, ..crate::transport::Settings::default() };
    let mut user = User { client: Client::new(Connector::new(target, settings).await.unwrap()), token: None };
    assert_eq!(user.ask(hyper::Method::GET, "/_matrix/client/versions", "").await.0.status, 200);
}
