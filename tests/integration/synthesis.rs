//! The requests that a replay makes up, sent to a real Synapse: one for every row of the operation table, and three minutes of a log.
//!
//! Ignored by default, because a Synapse is needed: `tests/cluster/synthesis` starts one and runs these tests with its address in
//! `WSIM_SYNAPSE_URL` and its registration secret in `WSIM_SYNAPSE_SECRET`.

use std::collections::BTreeMap;

use wsim::endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim::logs::{Zone, detect, source};
use wsim::matrix::provision::{AccountSource, ProvisionConfig, WorldConfig, design, has_marker_room, provision, purge};
use wsim::matrix::{CheckedTarget, KnownServers, Manifest, Op, Script, ScriptConfig, Survey, Tier, check_target, operations};
use wsim::replay::Unsendable;
use wsim::replay::guard::{Guard, GuardOverrides, Origin};
use wsim::trace::{NameId, Names, Request, Trace, flag, ingest, join};
use wsim::transport::{Client, Keep, TransportConfig};

use crate::support::sample;

/// Patterns of rows for which a Synapse configured as in `tests/cluster` may respond with another status than 2xx.
const EXPECTED_STATUSES: &[(&str, u16)] = &[
    // No identity providers, no call focus, no served file.
    ("client", 404),
    ("server", 404),
    ("support", 404),
    ("auth_metadata", 404),
    ("org.matrix.msc2965/auth_metadata", 404),
    ("org.matrix.msc2965/auth_issuer", 404),
    ("rtc/transports", 404),
    ("org.matrix.msc4143/rtc/transports", 404),
    // Registration is closed.
    ("register/available", 403),
    // No device has been dehydrated.
    ("org.matrix.msc3814.v1/dehydrated_device", 404),
];

fn environment() -> (String, String) {
    let read = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/cluster/synthesis"));
    (read("WSIM_SYNAPSE_URL"), read("WSIM_SYNAPSE_SECRET"))
}

async fn target(url: &str) -> CheckedTarget {
    let guard = Guard::new(Origin::OwnServer, GuardOverrides::default());
    check_target(url.parse().unwrap(), TransportConfig::default(), guard, &KnownServers::default()).await.unwrap()
}

async fn client(url: &str) -> Client {
    Client::new(target(url).await.connector)
}

/// Provisions everything that the rows need on the target.
async fn provisioned(url: &str, secret: &str, names: &Names, rows: &[Request], folder: &tempfile::TempDir) -> (Manifest, ProvisionConfig) {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_le_bytes()[..8]);
    let mut manifest = Manifest::new(url, random);
    let survey = Survey::from_rows(names, rows.iter().copied());
    design(&mut manifest, &survey, names, &WorldConfig::default());
    let config =
        ProvisionConfig { path: folder.path().join("world.json"), concurrency: 4, accounts: AccountSource::Secret(secret.to_owned()) };
    provision(&target(url).await, &mut manifest, &config, &|_| ()).await.unwrap();
    (manifest, config)
}

/// A logged request for a row of the operation table, by one of three users in one room.
fn logged_request(names: &mut Names, pattern: &str, media: bool, method: Method, op: Op, number: usize) -> Request {
    let word = match op {
        Op::Receipt => "m.read",
        Op::ProfileWrite => "displayname",
        Op::StateEvent => "m.room.name",
        Op::State => "m.room.topic",
        Op::ToDevice => "m.room.encrypted",
        Op::Page => "m.annotation",
        _ => "m.room.message",
    };
    let path = pattern.replace("{type}", word).replace("{any}", "{id}");
    let version = match pattern {
        "create" => "/_matrix/media/v1/",
        _ if media => "/_matrix/media/v3/",
        _ => prefix(pattern),
    };
    let query = match op {
        Op::Sync => "?since={since}&filter={filter}&timeout=0",
        Op::SlidingSync => "?pos={pos}&timeout=0",
        Op::Messages => "?from={from}&dir=b&limit=10",
        Op::Page => "?limit=5",
        _ => "",
    };
    Request {
        arrival_us: i64::try_from(number).unwrap(),
        user: names.intern(format!("@user{}:old.example", number % 3).as_bytes()),
        room: if pattern.contains("{room}") { names.intern(b"!room:old.example") } else { NameId::NONE },
        template: names.intern(format!("{version}{path}{query}").as_bytes()),
        status: 200,
        method,
        bytes_received: 1_500,
        bytes_sent: 10_000,
        flags: flag::QUERY,
        ..Request::default()
    }
}

/// The prefix below which Synapse serves a pattern.
fn prefix(pattern: &str) -> &'static str {
    let unstable = pattern.starts_with("org.matrix.") || pattern.starts_with("im.nheko.");
    let is_v1 = ["relations/", "threads", "hierarchy", "timestamp_to_event"].iter().any(|word| pattern.contains(word));
    match pattern {
        "client" | "server" | "support" => "/.well-known/matrix/",
        "versions" => "/_matrix/client/",
        _ if unstable => "/_matrix/client/unstable/",
        "auth_metadata" | "rtc/transports" | "room_summary/{room}" => "/_matrix/client/v1/",
        _ if is_v1 || pattern.starts_with("media/") => "/_matrix/client/v1/",
        _ => "/_matrix/client/v3/",
    }
}

#[tokio::test]
#[ignore = "needs a Synapse: tests/cluster/synthesis runs it"]
async fn synapse_accepts_a_request_of_every_operation() {
    let (url, secret) = environment();
    let mut names = Names::new();
    let mut rows = Vec::new();
    // A room and a first sync for each of the three users.
    for number in 0..3 {
        rows.push(logged_request(&mut names, "rooms/{room}/messages", false, Method::Get, Op::Messages, number));
        rows.push(logged_request(&mut names, "sync", false, Method::Get, Op::Sync, number));
    }
    for kind in ["m.room.encrypted", "m.reaction", "m.sticker"] {
        let mut request = logged_request(&mut names, "rooms/{room}/send/{type}/{txn}", false, Method::Put, Op::Send, rows.len());
        request.template = names.intern(format!("/_matrix/client/r0/rooms/{{room}}/send/{kind}/{{txn}}").as_bytes());
        rows.push(request);
    }
    for kind in ["m.room.name", "m.room.member", "m.room.pinned_events", "m.room.join_rules", "m.room.guest_access"] {
        let mut request = logged_request(&mut names, "rooms/{room}/state/{type}/{key}", false, Method::Put, Op::State, rows.len());
        request.template = names.intern(format!("/_matrix/client/v3/rooms/{{room}}/state/{kind}/{{key}}").as_bytes());
        rows.push(request);
    }
    // Rooms are left last of all, and then forgotten.
    let mut entries: Vec<_> = operations().iter().filter(|entry| entry.tier != Tier::Never && entry.op != Op::Unsupported).collect();
    entries.sort_by_key(|entry| match entry.op {
        Op::Leave => 1,
        Op::Forget => 2,
        _ => 0,
    });
    let first = rows.len();
    for entry in &entries {
        for &method in entry.methods {
            let number = if matches!(entry.op, Op::Leave | Op::Forget) { 0 } else { rows.len() };
            rows.push(logged_request(&mut names, entry.pattern, entry.media, method, entry.op, number));
        }
    }
    let preflight = logged_request(&mut names, "rooms/{room}/send/{type}/{txn}", false, Method::Options, Op::Send, rows.len());
    rows.push(preflight);
    let head = logged_request(&mut names, "versions", false, Method::Head, Op::Open, rows.len());
    rows.push(head);

    let folder = tempfile::tempdir().unwrap();
    let (mut manifest, provisioning) = provisioned(&url, &secret, &names, &rows, &folder).await;
    let mut client = client(&url).await;
    assert!(has_marker_room(&mut client, &manifest).await.unwrap());
    let config = ScriptConfig { allowed: Tier::Dangerous, run: "live".to_owned(), ..ScriptConfig::default() };
    let mut script = Script::new(&manifest, &names, rows.iter().copied(), config);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (index, logged) in rows.iter().enumerate() {
        let number = u32::try_from(index).unwrap();
        let template = names.text(logged.template);
        let request = match script.request(number, 0) {
            Ok(request) => request,
            Err(reason) => {
                wrong.push(format!("{} {template}: {reason:?}", logged.method.name()));
                continue;
            }
        };
        assert!(!request.target.contains("old.example"), "{}", request.target);
        let mut with_body = request.clone();
        with_body.keep = if logged.method == Method::Head { Keep::Nothing } else { Keep::Body };
        let response = client.send(&with_body).await.unwrap();
        checked += 1;
        let expected =
            index.checked_sub(first).and_then(|_| EXPECTED_STATUSES.iter().find(|(pattern, _)| template.ends_with(&format!("/{pattern}"))));
        let is_expected = match expected {
            Some((_, status)) => response.status == *status || (200..300).contains(&response.status),
            None => (200..300).contains(&response.status),
        };
        if !is_expected {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(160)]).into_owned();
            wrong.push(format!("{} {template} as {}: {} {text}", logged.method.name(), request.target, response.status));
        }
        script.learn(number, 0, &response);
    }
    println!("{checked} requests");
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));

    // Provisioning again creates nothing.
    let before = manifest.clone();
    let target = target(&url).await;
    provision(&target, &mut manifest, &provisioning, &|progress| panic!("{progress:?}")).await.unwrap();
    assert_eq!(manifest, before);
    purge(&target, &mut manifest, &provisioning, &|_| ()).await.unwrap();
    let marker_exists = has_marker_room(&mut client, &before).await.unwrap();
    assert!(!marker_exists, "the marker room was not removed");
}

#[tokio::test]
#[ignore = "needs a Synapse: tests/cluster/synthesis runs it"]
async fn synapse_accepts_three_minutes_of_a_log() {
    let (url, secret) = environment();
    let trace = cluster_trace();
    let rows: Vec<Request> = trace.requests().filter(|request| (FROM_US..FROM_US + 180_000_000).contains(&request.arrival_us)).collect();
    let folder = tempfile::tempdir().unwrap();
    let (manifest, _) = provisioned(&url, &secret, &trace.names, &rows, &folder).await;
    let mut client = client(&url).await;
    let config = ScriptConfig { allowed: Tier::Write, run: "log".to_owned(), ..ScriptConfig::default() };
    let mut script = Script::new(&manifest, &trace.names, rows.iter().copied(), config);
    let (mut good, mut bad, mut skipped) = (0_u32, BTreeMap::<String, u32>::new(), BTreeMap::<Unsendable, u32>::new());
    for (logged, row) in rows.iter().zip(0_u32..) {
        let mut request = match script.request(row, 0) {
            Ok(request) => request,
            Err(reason) => {
                *skipped.entry(reason).or_default() += 1;
                continue;
            }
        };
        // Requests are sent one after another, so a long poll must return at once.
        if let Some((before, after)) = request.target.clone().split_once("timeout=") {
            request.target = format!("{before}timeout=0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        let response = client.send(&request).await.unwrap();
        script.learn(row, 0, &response);
        if (200..300).contains(&response.status) {
            good += 1;
        } else if logged.status < 400 {
            let template = trace.names.text(logged.template);
            *bad.entry(format!("{} {} {template} was {}", response.status, logged.method.name(), logged.status)).or_default() += 1;
        }
    }
    println!("{good} responses with status 2xx; {bad:#?}; not sent: {skipped:?}");
    let failed: u32 = bad.values().sum();
    assert!(good > 3_000 && f64::from(failed) < 0.01 * f64::from(good), "{good} good, {failed} bad");
}

/// 2026-11-20T16:54:00Z in microseconds since 1970.
const FROM_US: i64 = 1_795_193_640_000_000;

/// The requests of `samples/cluster`.
fn cluster_trace() -> Trace {
    let sources = source::expand(&[sample("cluster")]).unwrap().sources;
    let config = ingest::IngestConfig {
        detect: detect::DetectConfig { zone: Zone::utc(), ..Default::default() },
        from_us: None,
        to_us: None,
        seed: 1,
        dedupe: false,
        hosts: Vec::new(),
        threads: 1,
    };
    let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
    let outcome = ingest::into_trace(&sources, &config, &classifier, &Default::default()).unwrap();
    join::join(outcome.trace.unwrap()).0
}
