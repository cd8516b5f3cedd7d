//! The precision and the CPU cost with which `wsim replay` sends requests.
//!
//! `cargo bench --bench replay -- URL RATE SECONDS [poisson] [precise] [http2]` sends the requests of a script of 200 users to any HTTP server at a
//! constant rate (or as a Poisson process) through everything that a run does: clock, script, lanes, pool, connections, recorder, interval log,
//! Parquet file. `saturated` makes all requests due at once, over 256 connections. `floor` sends the same number at the same times with as
//! little as possible ([`floor`]). `hold N` opens N connections to a silent server and prints the memory of each. Prints one JSON object. Without
//! a URL it starts its own small server, which also records when requests arrive. `benches/compare/replay` compares with wrk and h2load.

mod floor;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use wsim::endpoints::{EndpointId, Method};
use wsim::matrix::provision::{WorldConfig, design};
use wsim::matrix::{Manifest, Script, ScriptConfig, Survey};
use wsim::parquet::table_file::TableFile;
use wsim::replay::record::{LatencyHistogram, REQUEST_COLUMNS, Recorder};
use wsim::replay::{EngineConfig, LiveCounters, Outcome, Pace, Row, Run, Schedule, Sink, StopReason, StopSignal, TrafficConfig, run};
use wsim::trace::{Names, Request};
use wsim::transport::{Connector, TransportConfig};

type Failed = Box<dyn std::error::Error>;

/// What to send.
#[derive(Debug, Clone, Copy)]
struct Load {
    rate: f64,
    seconds: f64,
    poisson: bool,
    /// All requests are due at once.
    saturated: bool,
}

#[expect(clippy::print_stdout, reason = "the result of the benchmark")]
fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let numbers: Vec<f64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if has("hold") {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of connections")]
        let connections = numbers.first().copied().unwrap_or(10_000.0) as usize;
        println!("{}", hold(connections, has("http2"))?);
        return Ok(());
    }
    let load = Load {
        rate: numbers.first().copied().unwrap_or(5000.0),
        seconds: numbers.get(1).copied().unwrap_or(5.0),
        poisson: has("poisson"),
        saturated: has("saturated"),
    };
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let url = match arguments.iter().find(|argument| argument.starts_with("http:") || argument.starts_with("https:")) {
        Some(url) => url.clone(),
        None => format!("http://{}/", serve(Arc::clone(&arrivals))?),
    };
    let result = if has("floor") { floor::run(&url, &arrivals_us(load), CONNECTIONS)? } else { replay(&url, load, &has, &arrivals)? };
    println!("{result}");
    Ok(())
}

fn replay(url: &str, load: Load, has: &dyn Fn(&str) -> bool, arrivals: &Mutex<Vec<u64>>) -> Result<serde_json::Value, Failed> {
    let (script, rows) = script(&arrivals_us(load));
    let scheduled = rows.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let transport = TransportConfig { http2: has("http2"), insecure: url.starts_with("https:"), ..TransportConfig::default() };
    let connector = runtime.block_on(Connector::new(url.parse()?, transport))?;
    let folder = tempfile::tempdir()?;
    let sink = Measurements::new(folder.path())?;
    let begin = Instant::now() + Duration::from_millis(200);
    let before = floor::cpu_us();
    let (finished, measured) = run(Run {
        schedule: Arc::new(Schedule::from_rows(rows, 0, &TrafficConfig::default())),
        traffic: TrafficConfig::default(),
        script: Box::new(script),
        connector,
        sink,
        config: EngineConfig {
            connections_max: CONNECTIONS,
            waiting_max: scheduled,
            pace: if has("precise") { Pace::Precise } else { Pace::Sleep },
            ..EngineConfig::default()
        },
        begin,
        stop: Arc::new(StopSignal::default()),
        live: Arc::new(LiveCounters::default()),
    })?;
    let Measurements { recorder, mut sent_ns } = measured;
    let (measurements, written) = recorder.finish();
    written?;
    let work = measurements.whole().work;
    let cpu_us = floor::cpu_us() - before;
    let totals = &finished.totals;
    sent_ns.sort_unstable();
    let received = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(serde_json::json!({
        "scheduled": scheduled,
        "completed": totals.completed,
        "failed": totals.failed,
        "skipped": totals.skipped,
        "rate": load.rate,
        "achieved": totals.completed as f64 / finished.took.as_secs_f64(),
        "lateness_us": quantiles(&measurements.lateness),
        "service_us": quantiles(&work.service),
        "response_us": quantiles(&work.response),
        "sent_gap_cv": gap_cv(&sent_ns),
        "received_gap_cv": gap_cv(&received),
        "stalls": finished.stalls.len(),
        "cpu_us_per_request": cpu_us / scheduled as f64,
        "cpu_counts_the_server": !received.is_empty(),
    }))
}

/// When requests arrive, µs.
fn arrivals_us(load: Load) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut at_us = 0.0;
    let mut arrivals = Vec::new();
    while at_us < load.seconds * 1e6 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of microseconds")]
        arrivals.push(if load.saturated { 0 } else { at_us as u64 });
        // xorshift64*, sufficient for interarrival times.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let unit = ((state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        at_us += if load.poisson { -unit.ln() } else { 1.0 } * 1e6 / load.rate;
    }
    arrivals
}

/// A script of reads of 200 users in 50 rooms, and the rows of its schedule.
fn script(arrivals_us: &[u64]) -> (Script, Vec<Row>) {
    let mut names = Names::new();
    let mut intern = |text: String| names.intern(text.as_bytes());
    let users: Vec<_> = (0..200).map(|number| intern(format!("@user{number}:old.example"))).collect();
    let rooms: Vec<_> = (0..50).map(|number| intern(format!("!room{number}:old.example"))).collect();
    let peers: Vec<_> = (0..200).map(|number| intern(format!("203.0.113.{number}"))).collect();
    let agent = intern("Element".to_owned());
    let templates = ["/_matrix/client/v3/joined_rooms", "/_matrix/client/v3/rooms/{room}/state", "/_matrix/client/v3/profile/{user}"];
    let templates = templates.map(|template| intern(template.to_owned()));
    let requests: Vec<Request> = arrivals_us
        .iter()
        .enumerate()
        .map(|(number, &at_us)| Request {
            arrival_us: at_us.cast_signed(),
            user: users[number % users.len()],
            // A user is always in the same rooms.
            room: rooms[number % rooms.len()],
            peer: peers[number % peers.len()],
            agent,
            template: templates[number % templates.len()],
            method: Method::Get,
            status: 200,
            ..Request::default()
        })
        .collect();
    let mut world = Manifest::new("http://localhost", [3; 16]);
    design(&mut world, &Survey::from_rows(&names, requests.iter().copied()), &names, &WorldConfig::default());
    world.server_name = "new.example".to_owned();
    let config = ScriptConfig { run: "r1".to_owned(), ..ScriptConfig::default() };
    let row = |&arrival_us: &u64| Row {
        arrival_us,
        original_us: 0,
        actor: 0,
        lane: Row::NO_LANE,
        endpoint: EndpointId(0),
        original_status: 200,
        overlap_max: 0,
        sync: false,
        long_poll: false,
        poll_ms: 0,
        skip: None,
    };
    let rows = arrivals_us.iter().map(row).collect();
    (Script::new(&world.with_placeholder_ids(), &names, requests, config), rows)
}

/// Opens connections to a server that never responds. Returns the memory of each, in bytes.
fn hold(connections: usize, http2: bool) -> Result<serde_json::Value, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    let arrivals: Vec<u64> = (0..connections as u64).map(|number| number * 200).collect();
    let (script, rows) = script(&arrivals);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connector = runtime.block_on(Connector::new(url.parse()?, TransportConfig { http2, ..TransportConfig::default() }))?;
    let (stop, live) = (Arc::new(StopSignal::default()), Arc::new(LiveCounters::default()));
    // The server's descriptors are this process's too.
    let _ = wsim::transport::raise_descriptor_limit(2 * connections);
    let folder = tempfile::tempdir()?;
    let sink = Measurements::new(folder.path())?;
    let schedule = Arc::new(Schedule::from_rows(rows, 0, &TrafficConfig::default()));
    let (stopper, counters) = (Arc::clone(&stop), Arc::clone(&live));
    // The second half of them: at first the schedule and the script move within memory that is there already.
    let watcher = thread::spawn(move || {
        let began = Instant::now();
        let await_open = |wanted: usize| {
            while counters.in_flight.load(Ordering::Relaxed) < wanted as u64 && began.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(5));
            }
            (counters.in_flight.load(Ordering::Relaxed), resident_bytes().unwrap_or(0))
        };
        let half = await_open(connections / 2);
        await_open(connections);
        thread::sleep(Duration::from_millis(500));
        let all = await_open(0);
        stopper.set(StopReason::Interrupted);
        (half, all)
    });
    let config =
        EngineConfig { connections_max: connections, waiting_max: connections, drain_stopped: Duration::ZERO, ..EngineConfig::default() };
    let begin = Instant::now();
    run(Run { schedule, traffic: TrafficConfig::default(), script: Box::new(script), connector, sink, config, begin, stop, live })?;
    let ((before, bytes_before), (open, bytes)) = watcher.join().map_err(|_| "the watcher panicked")?;
    let more = bytes as f64 - bytes_before as f64;
    Ok(serde_json::json!({ "open": open, "bytes_per_connection": more / (open - before) as f64 }))
}

/// Memory of this process, bytes. Linux only.
fn resident_bytes() -> Result<u64, Failed> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).ok_or("no number of pages")? * rustix::param::page_size() as u64)
}

/// The recorder of a run, and when requests were sent.
struct Measurements {
    recorder: Recorder,
    sent_ns: Vec<u64>,
}

impl Measurements {
    fn new(folder: &std::path::Path) -> Result<Self, Failed> {
        let log = BufWriter::new(File::create(folder.join("replay.hlog"))?);
        let table = TableFile::new(File::create(folder.join("requests.parquet"))?, &REQUEST_COLUMNS)?;
        let recorder = Recorder::new(["client"]).with_interval_log(Box::new(log), SystemTime::now()).with_requests(Box::new(table));
        Ok(Self { recorder, sent_ns: Vec::new() })
    }
}

impl Sink for Measurements {
    fn upstream(&mut self, number: u8, name: &str) {
        self.recorder.upstream(number, name);
    }

    fn outcomes(&mut self, batch: &[Outcome]) {
        self.sent_ns.extend(batch.iter().map(|outcome| outcome.sent_ns).filter(|sent_ns| *sent_ns > 0));
        self.recorder.outcomes(batch);
    }

    fn flush(&mut self, now_ns: u64) {
        self.recorder.flush(now_ns);
    }
}

fn quantiles(histogram: &LatencyHistogram) -> serde_json::Value {
    let us = |quantile| histogram.quantile_ns(quantile) as f64 / 1e3;
    serde_json::json!({ "p50": us(0.5), "p90": us(0.9), "p99": us(0.99), "max": histogram.max_ns() as f64 / 1e3 })
}

/// The coefficient of variation of the gaps between the instants.
fn gap_cv(instants: &[u64]) -> f64 {
    let gaps: Vec<f64> = instants.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    variance.sqrt() / mean
}

/// Starts a server with a thread for each connection, which records when each request was read.
fn serve(arrivals: Arc<Mutex<Vec<u64>>>) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let began = Instant::now();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let arrivals = Arc::clone(&arrivals);
            thread::spawn(move || respond(stream, began, &arrivals));
        }
    });
    Ok(address)
}

fn respond(mut stream: TcpStream, began: Instant, arrivals: &Mutex<Vec<u64>>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        let at = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        if count == 0 || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Most open connections.
const CONNECTIONS: usize = 256;
