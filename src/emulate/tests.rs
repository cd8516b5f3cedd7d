//! A cluster on sockets, with the HTTP client that replays use. All bounds leave room for a busy machine.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::api::tests::{SECRET, registration};
use super::*;
use wsim_endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim_plan::Plan;
use wsim_profile::{ProfileInputs, ProfilerConfig, profile_trace};
use wsim_simulate::cluster::Run;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prepare::PrepareConfig;
use wsim_simulate::random::{Purpose, draw, unit};
use wsim_simulate::schedule::{Population, Schedule};
use wsim_simulate::station::MeasurementWindow;
use wsim_simulate::time::Time;
use wsim_trace::{Request, Trace, flag};
use wsim_transport::{Client, ClientHeaders, Connection, Connector, Keep, OutgoingRequest, Response, Target, exchange};

const PLAN: &str = "name = \"test\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"client\"\nendpoints = [\"client\", \"sync\"]\nworkers = 2\n";

/// Forty requests of 30 ms of CPU to one endpoint.
fn costs() -> LoggedCosts {
    logged(&[30_000; 40], 100_000)
}

/// Requests to one endpoint with these CPU times, µs, one every `gap_us`, by twenty users in turn.
fn logged(cpu_us: &[u32], gap_us: i64) -> LoggedCosts {
    let table = table_for(Some("1.157")).unwrap().table;
    let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
    let endpoint = classifier.classify(Method::Get, b"/_matrix/client/v3/joined_rooms");
    let mut trace = Trace::new();
    let mut arrival_us = 1_000_000;
    for (cpu_us, number) in cpu_us.iter().zip(0_u32..) {
        let flags = flag::WALL | flag::COST | flag::SYNAPSE;
        let user = trace.names.intern(format!("@logged{}:x", number % 20).as_bytes());
        let cost = Request { arrival_us, wall_us: *cpu_us, cpu_us: *cpu_us, ..Request::default() };
        trace.push(Request { user, endpoint, method: Method::Get, status: 200, flags, ..cost });
        arrival_us += gap_us;
    }
    trace.seal();
    let endpoints = classifier.endpoints();
    let profile = profile_trace(&trace, &ProfilerConfig::new(endpoints.to_vec()), 1).finish(&ProfileInputs::default());
    let rows: Vec<Request> = trace.requests().collect();
    LoggedCosts::from_trace(&trace, endpoints, &profile, &rows, &PrepareConfig::default())
}

fn start(without_row: WithoutRow) -> EmulatedCluster {
    let plan = Plan::from_toml(PLAN, "test.toml").unwrap();
    EmulatedCluster::start(&plan, costs(), EmulationConfig { secret: SECRET.to_owned(), without_row, ..EmulationConfig::default() })
        .unwrap()
}

struct User {
    client: Client,
    token: Option<String>,
}

impl User {
    async fn at(cluster: &EmulatedCluster) -> Self {
        let target: Target = format!("http://{}", cluster.address()).parse().unwrap();
        Self { client: Client::new(Connector::new(target, wsim_transport::TransportConfig::default()).await.unwrap()), token: None }
    }

    async fn send(&mut self, method: hyper::Method, target: &str, body: &str) -> (Response, Value) {
        let outgoing = OutgoingRequest {
            method,
            target: target.to_owned(),
            authorization: self.token.as_ref().map(|token| format!("Bearer {token}").into()),
            content_type: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            keep: Keep::Body,
            client: ClientHeaders::default(),
        };
        let response = self.client.send(&outgoing).await.unwrap();
        let json = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        (response, json)
    }

    async fn register(cluster: &EmulatedCluster, name: &str) -> Self {
        let mut user = Self::at(cluster).await;
        let path = "/_synapse/admin/v1/register";
        let (_, nonce) = user.send(hyper::Method::GET, path, "").await;
        let body = registration(nonce["nonce"].as_str().unwrap(), name);
        let (_, account) = user.send(hyper::Method::POST, path, &body).await;
        user.token = Some(account["access_token"].as_str().unwrap().to_owned());
        user
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_takes_its_logged_time_at_the_worker_of_the_plan() {
    let cluster = start(WithoutRow::Free);
    let user = User::register(&cluster, "alice").await;
    let connector = user.client.connector().clone();
    let mut upstreams = Vec::new();
    for row in 0..4 {
        let outgoing = OutgoingRequest {
            method: hyper::Method::GET,
            target: "/_matrix/client/v3/joined_rooms".to_owned(),
            authorization: Some(format!("Bearer {}", user.token.as_ref().unwrap()).into()),
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Body,
            client: ClientHeaders::default(),
        };
        let (response, took, _) = send_row(&connector, &outgoing, row, None).await;
        assert_eq!(response.status, 200);
        assert!(took >= Duration::from_millis(29) && took < Duration::from_secs(5), "{took:?}");
        upstreams.push(response.upstream.unwrap().to_string());
    }
    assert_eq!(upstreams, ["client1", "client2", "client1", "client2"]);
    assert_eq!(cluster.processes(), ["main", "client1", "client2"]);
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_sync_wakes_when_a_message_is_sent_and_not_before() {
    for without_row in [WithoutRow::Free, WithoutRow::Drawn] {
        let cluster = start(without_row);
        let (mut alice, mut bob) = (User::register(&cluster, "alice").await, User::register(&cluster, "bob").await);
        let (_, room) = alice.send(hyper::Method::POST, "/_matrix/client/v3/createRoom", "{}").await;
        let room = room["room_id"].as_str().unwrap().to_owned();
        let path = room.replace('!', "%21").replace(':', "%3A");
        bob.send(hyper::Method::POST, &format!("/_matrix/client/v3/join/{path}"), "{}").await;
        let (_, first) = bob.send(hyper::Method::GET, "/_matrix/client/v3/sync", "").await;
        let target = format!("/_matrix/client/v3/sync?timeout=20000&since={}", first["next_batch"].as_str().unwrap());
        let started = Instant::now();
        let waiting = tokio::spawn(async move { bob.send(hyper::Method::GET, &target, "").await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished());
        alice.send(hyper::Method::PUT, &format!("/_matrix/client/v3/rooms/{path}/send/m.room.message/1"), "{\"body\":\"x\"}").await;
        let (_, sync) = waiting.await.unwrap();
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(15), "{took:?}");
        assert_eq!(sync["rooms"]["join"][&room]["timeline"]["events"][0]["content"], json!({"body": "x"}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_without_new_events_ends_with_its_timeout() {
    let cluster = start(WithoutRow::Drawn);
    let mut alice = User::register(&cluster, "alice").await;
    let (_, first) = alice.send(hyper::Method::GET, "/_matrix/client/v3/sync", "").await;
    let target = format!("/_matrix/client/v3/sync?timeout=250&since={}", first["next_batch"].as_str().unwrap());
    let sent = Instant::now();
    let (_, second) = alice.send(hyper::Method::GET, &target, "").await;
    let took = sent.elapsed();
    assert!(took >= Duration::from_millis(249) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(second["next_batch"], first["next_batch"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_bodies_are_rejected_and_the_cluster_continues() {
    let cluster = start(WithoutRow::Free);
    let mut alice = User::register(&cluster, "alice").await;
    let huge = " ".repeat(11 << 20);
    let outgoing = OutgoingRequest {
        method: hyper::Method::PUT,
        target: "/_matrix/client/v3/user/x/account_data/y".to_owned(),
        authorization: None,
        content_type: None,
        body: huge.into(),
        keep: Keep::Body,
        client: ClientHeaders::default(),
    };
    // The response may arrive while the body is still being sent, which the client may take for a broken connection.
    let result = alice.client.send(&outgoing).await;
    assert!(result.is_err() || result.is_ok_and(|response| response.status == 413));
    assert_eq!(alice.send(hyper::Method::GET, "/_matrix/client/versions", "").await.0.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_recognised_by_its_first_bytes() {
    let cluster = start(WithoutRow::Free);
    let target: Target = format!("http://{}", cluster.address()).parse().unwrap();
    let config = wsim_transport::TransportConfig { http2: true, ..wsim_transport::TransportConfig::default() };
    let mut user = User { client: Client::new(Connector::new(target, config).await.unwrap()), token: None };
    assert_eq!(user.send(hyper::Method::GET, "/_matrix/client/versions", "").await.0.status, 200);
}

/// Predicted median and 95th percentile of these requests under a plan, ms.
fn predicted(plan: &CheckedPlan, costs: &LoggedCosts) -> [f64; 2] {
    let table = table_for(Some("1.157")).unwrap().table;
    let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
    let prepared = costs.prepared();
    let deployment = Deployment::from_plan(plan, classifier.endpoints(), prepared).unwrap();
    let run = Run {
        workload: &prepared.workload,
        schedule: &Schedule::draw(&prepared.workload, Population::OBSERVED, 1),
        topology: &deployment.topology,
        routers: &deployment.routers,
        costs: &prepared.costs,
        measurement: MeasurementWindow::new(Time::ZERO, Time::ZERO + prepared.workload.span, 1),
        seed: draw(1, Purpose::Replication, 0),
        as_logged: false,
    };
    let work = run.simulate().unwrap().overall();
    [work.quantile_ms(0.5), work.quantile_ms(0.95)]
}

/// Sends the request of a row; also returns the time from its first byte to the response's last.
async fn send_row(
    connector: &Connector,
    outgoing: &OutgoingRequest,
    row: u32,
    kept: Option<Connection>,
) -> (Response, Duration, Option<Connection>) {
    let sent = exchange(connector, outgoing, Some(row), kept, tokio::time::sleep(Duration::from_secs(30)), |_| {}).await;
    let took = sent.timeline.last_byte.unwrap() - sent.timeline.sent.unwrap();
    (sent.result.unwrap(), took, sent.connection)
}

/// Measured median and 95th percentile when the rows are sent at their times, ms.
async fn measured(cluster: &EmulatedCluster, token: &str, rows: u32, gap: Duration) -> [f64; 2] {
    let target: Target = format!("http://{}", cluster.address()).parse().unwrap();
    let connector = Connector::new(target, wsim_transport::TransportConfig::default()).await.unwrap();
    let pool = Arc::new(std::sync::Mutex::new(Vec::new()));
    let begin = tokio::time::Instant::now() + Duration::from_millis(50);
    let mut tasks = tokio::task::JoinSet::new();
    for row in 0..rows {
        let (connector, pool) = (connector.clone(), Arc::clone(&pool));
        let outgoing = OutgoingRequest {
            method: hyper::Method::GET,
            target: "/_matrix/client/v3/joined_rooms".to_owned(),
            authorization: Some(format!("Bearer {token}").into()),
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Nothing,
            client: ClientHeaders::default(),
        };
        tasks.spawn(async move {
            tokio::time::sleep_until(begin + gap * row).await;
            let free = pool.lock().unwrap().pop();
            let (_, took, connection) = send_row(&connector, &outgoing, row, free).await;
            pool.lock().unwrap().extend(connection);
            took.as_secs_f64() * 1e3
        });
    }
    let mut times = tasks.join_all().await;
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 95 / 100]]
}

/// Exponentially distributed with mean 6 ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a draw is neither large nor negative")]
fn exponential_us(number: u64) -> u32 {
    (-unit(draw(7, Purpose::Service, number)).ln() * 6_000.0) as u32
}

/// Three rules on one to three workers. The bounds allow for a busy machine; run alone with `--no-capture` the test shows the figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measurements_match_the_predictions_of_the_simulation() {
    let cpu_us: Vec<u32> = (0..300).map(|i| 500 + exponential_us(i)).collect();
    for (workers, balance) in [(1, ""), (2, "balance = \"least_conn\"\n"), (3, "balance = \"hash consistent\"\nkey = \"user\"\n")] {
        let text = PLAN.replace("workers = 2\n", &format!("workers = {workers}\n{balance}"));
        let plan = Plan::from_toml(&text, "test.toml").unwrap();
        let costs = logged(&cpu_us, 12_000);
        let expected = predicted(&plan, &costs);
        let config = EmulationConfig {
            secret: SECRET.to_owned(),
            without_row: WithoutRow::Free,
            key_source: KeySource::Log,
            ..EmulationConfig::default()
        };
        let cluster = EmulatedCluster::start(&plan, costs, config).unwrap();
        let token = User::register(&cluster, "alice").await.token.unwrap();
        let found = measured(&cluster, &token, 300, Duration::from_millis(12)).await;
        println!("{workers} workers {balance:?}: predicted {expected:.2?} ms, measured {found:.2?} ms");
        for (expected, found) in expected.iter().zip(found) {
            assert!(found >= expected * 0.8 - 1.0 && found <= expected * 1.5 + 40.0, "{expected} {found}");
        }
    }
}
