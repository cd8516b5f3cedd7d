//! Against a real Synapse, which `tests/cluster/synthesis` starts: provisions, sends one request of every row of the table, and a whole sample.
//!
//! `WSIM_SYNAPSE_URL` is its address, `WSIM_SYNAPSE_SECRET` its registration secret.

use std::collections::BTreeMap;

use super::operation::{Op, TABLE, Tier};
use super::provision::{Accounts, Settings as Provisioning, WorldConfig, has_marker_room, design, provision, purge};
use super::{Manifest, Script, Settings, Skip, Survey};
use wsim_endpoints::{Classifier, Method, ClassifierConfig, table_for};
use wsim_trace::{Names, Request, Trace, flag};
use wsim_transport::{self as transport, Client, Connector};

/// Rows that a Synapse with the settings of `tests/cluster` answers with something else, and why.
const OTHERWISE: &[(&str, u16)] = &[
    // No identity providers, no call focus, no served file.
    ("client", 404),
    ("server", 404),
    ("support", 404),
    ("auth_metadata", 404),
    ("org.matrix.msc2965/auth_metadata", 404),
    ("org.matrix.msc2965/auth_issuer", 404),
    ("rtc/transports", 404),
    ("org.matrix.msc4143/rtc/transports", 404),
    // Nobody may register.
    ("register/available", 403),
    // Nobody made one.
    ("org.matrix.msc3814.v1/dehydrated_device", 404),
];

fn environment() -> (String, String) {
    let read = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/cluster/synthesis"));
    (read("WSIM_SYNAPSE_URL"), read("WSIM_SYNAPSE_SECRET"))
}

async fn client(url: &str) -> Client {
    Client::new(Connector::new(url.parse().unwrap(), transport::TransportConfig::default()).await.unwrap())
}

/// A new world for rows, on the target.
async fn world(url: &str, secret: &str, names: &Names, rows: &[Request], folder: &tempfile::TempDir) -> (Manifest, Provisioning) {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_le_bytes()[..8]);
    let mut manifest = Manifest::new(url, random);
    let survey = Survey::of(names, rows.iter().copied());
    design(&mut manifest, &survey, names, &WorldConfig::default());
    let settings = Provisioning {
        path: folder.path().join("world.json"),
        concurrency: 4,
        accounts: Accounts::Secret(secret.to_owned()),
        forbidden: std::iter::once("old.example".to_owned()).collect(),
    };
    provision(&client(url).await, &mut manifest, &settings, &|_| ()).await.unwrap();
    (manifest, settings)
}

/// A row of the trace for a row of the table, by one of three users in one room.
fn row(names: &mut Names, pattern: &str, media: bool, method: Method, op: Op, number: usize) -> Request {
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
        room: if pattern.contains("{room}") { names.intern(b"!room:old.example") } else { wsim_trace::NameId::NONE },
        template: names.intern(format!("{version}{path}{query}").as_bytes()),
        status: 200,
        method,
        bytes_received: 1_500,
        bytes_sent: 10_000,
        flags: flag::QUERY,
        ..Request::EMPTY
    }
}

/// Where Synapse serves a pattern.
fn prefix(pattern: &str) -> &'static str {
    let unstable = pattern.starts_with("org.matrix.") || pattern.starts_with("im.nheko.");
    let first = ["relations/", "threads", "hierarchy", "timestamp_to_event"].iter().any(|word| pattern.contains(word));
    match pattern {
        "client" | "server" | "support" => "/.well-known/matrix/",
        "versions" => "/_matrix/client/",
        _ if unstable => "/_matrix/client/unstable/",
        "auth_metadata" | "rtc/transports" | "room_summary/{room}" => "/_matrix/client/v1/",
        _ if first || pattern.starts_with("media/") => "/_matrix/client/v1/",
        _ => "/_matrix/client/v3/",
    }
}

#[tokio::test]
#[ignore = "needs a Synapse: tests/cluster/synthesis runs it"]
async fn every_row_of_the_table_is_answered_by_a_real_synapse() {
    let (url, secret) = environment();
    let mut names = Names::new();
    let mut rows = Vec::new();
    // A first room and first syncs for all three.
    for number in 0..3 {
        rows.push(row(&mut names, "rooms/{room}/messages", false, Method::Get, Op::Messages, number));
        rows.push(row(&mut names, "sync", false, Method::Get, Op::Sync, number));
    }
    for kind in ["m.room.encrypted", "m.reaction", "m.sticker"] {
        let mut request = row(&mut names, "rooms/{room}/send/{type}/{txn}", false, Method::Put, Op::Send, rows.len());
        request.template = names.intern(format!("/_matrix/client/r0/rooms/{{room}}/send/{kind}/{{txn}}").as_bytes());
        rows.push(request);
    }
    for kind in ["m.room.name", "m.room.member", "m.room.pinned_events", "m.room.join_rules", "m.room.guest_access"] {
        let mut request = row(&mut names, "rooms/{room}/state/{type}/{key}", false, Method::Put, Op::State, rows.len());
        request.template = names.intern(format!("/_matrix/client/v3/rooms/{{room}}/state/{kind}/{{key}}").as_bytes());
        rows.push(request);
    }
    // Leaving comes last, and forgetting behind it.
    let mut entries: Vec<_> = TABLE.iter().filter(|entry| entry.tier != Tier::Never && entry.op != Op::Unsupported).collect();
    entries.sort_by_key(|entry| match entry.op {
        Op::Leave => 1,
        Op::Forget => 2,
        _ => 0,
    });
    let first = rows.len();
    for entry in &entries {
        for &method in entry.methods {
            let number = if matches!(entry.op, Op::Leave | Op::Forget) { 0 } else { rows.len() };
            rows.push(row(&mut names, entry.pattern, entry.media, method, entry.op, number));
        }
    }
    let preflight = row(&mut names, "rooms/{room}/send/{type}/{txn}", false, Method::Options, Op::Send, rows.len());
    rows.push(preflight);
    let head = row(&mut names, "versions", false, Method::Head, Op::Open, rows.len());
    rows.push(head);

    let folder = tempfile::tempdir().unwrap();
    let (mut manifest, provisioning) = world(&url, &secret, &names, &rows, &folder).await;
    let mut client = client(&url).await;
    assert!(has_marker_room(&mut client, &manifest).await.unwrap());
    let settings = Settings { allowed: Tier::Dangerous, run: "live".to_owned(), ..Settings::default() };
    let mut script = Script::new(&manifest, &names, rows.iter().copied(), settings);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (index, request) in rows.iter().enumerate() {
        let number = u32::try_from(index).unwrap();
        let template = names.text(request.template).to_owned();
        let request = match script.request(number, 0) {
            Ok(request) => request,
            Err(skip) => {
                wrong.push(format!("{} {template}: {skip:?}", request.method.name()));
                continue;
            }
        };
        assert!(!request.target.contains("old.example"), "{}", request.target);
        let mut seen = request.clone();
        seen.keep = if request.method == Method::Head { transport::Keep::Nothing } else { transport::Keep::Body };
        let response = client.send(&seen).await.unwrap();
        checked += 1;
        let expected =
            index.checked_sub(first).and_then(|_| OTHERWISE.iter().find(|(pattern, _)| template.ends_with(&format!("/{pattern}"))));
        let fine = match expected {
            Some((_, status)) => response.status == *status || (200..300).contains(&response.status),
            None => (200..300).contains(&response.status),
        };
        if !fine {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(160)]).into_owned();
            wrong.push(format!("{} {template} as {}: {} {text}", request.method.name(), request.target, response.status));
        }
        script.learn(number, 0, &response);
    }
    println!("{checked} requests");
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));

    // A second run makes nothing.
    let before = manifest.clone();
    provision(&client, &mut manifest, &provisioning, &|progress| panic!("{progress:?}")).await.unwrap();
    assert_eq!(manifest, before);
    purge(&client, &mut manifest, &provisioning, &|_| ()).await.unwrap();
    let gone = has_marker_room(&mut client, &before).await.unwrap();
    assert!(!gone, "the marker is still there");
}

#[tokio::test]
#[ignore = "needs a Synapse: tests/cluster/synthesis runs it"]
async fn a_whole_log_is_answered_by_a_real_synapse() {
    let (url, secret) = environment();
    let trace = sample();
    let rows: Vec<Request> = trace.requests().filter(|request| (FROM_US..FROM_US + 180_000_000).contains(&request.arrival_us)).collect();
    let folder = tempfile::tempdir().unwrap();
    let (manifest, _) = world(&url, &secret, &trace.names, &rows, &folder).await;
    let mut client = client(&url).await;
    let settings = Settings { allowed: Tier::Write, run: "log".to_owned(), ..Settings::default() };
    let mut script = Script::new(&manifest, &trace.names, rows.iter().copied(), settings);
    let (mut good, mut bad, mut skipped) = (0_u32, BTreeMap::<String, u32>::new(), BTreeMap::<Skip, u32>::new());
    for (request, row) in rows.iter().zip(0_u32..) {
        let mut request = match script.request(row, 0) {
            Ok(request) => request,
            Err(skip) => {
                *skipped.entry(skip).or_default() += 1;
                continue;
            }
        };
        // One after another, so nobody may wait.
        if let Some((before, after)) = request.target.clone().split_once("timeout=") {
            request.target = format!("{before}timeout=0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        let response = client.send(&request).await.unwrap();
        script.learn(row, 0, &response);
        if (200..300).contains(&response.status) {
            good += 1;
        } else if request.status < 400 {
            let template = trace.names.text(request.template);
            *bad.entry(format!("{} {} {template} was {}", response.status, request.method.name(), request.status)).or_default() += 1;
        }
    }
    println!("{good} answered 2xx; {bad:#?}; not sent: {skipped:?}");
    let failed: u32 = bad.values().sum();
    assert!(good > 3_000 && f64::from(failed) < 0.01 * f64::from(good), "{good} good, {failed} bad");
}

/// 2026-11-20T16:54:00Z
const FROM_US: i64 = 1_795_193_640_000_000;

/// The requests of `samples/cluster`.
fn sample() -> Trace {
    use wsim_logs::{Zone, detect, source};
    let folder = format!("{}/samples/cluster", env!("CARGO_MANIFEST_DIR"));
    let sources = source::expand(&[folder]).unwrap();
    let settings = wsim_trace::ingest::IngestConfig {
        detect: detect::DetectConfig { zone: Zone::utc(), ..Default::default() },
        from_us: None,
        to_us: None,
        seed: 1,
        dedupe: false,
        threads: 1,
    };
    let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
    let outcome = wsim_trace::ingest::into_trace(&sources, &settings, &classifier, &Default::default()).unwrap();
    wsim_trace::join::join(outcome.trace.unwrap()).0
}
