//! The precision and the CPU cost with which `wsim replay` sends requests.
//!
//! `cargo bench --bench replay -- URL RATE SECONDS [poisson] [precise]` sends `GET` requests to any HTTP server at a constant rate (or as a
//! Poisson process) through the whole engine of `wsim replay`: dispatcher, lanes, pool, connections, recorder. Prints one JSON object. Without a
//! URL it starts its own small server, which also records when requests arrive. `benches/compare/replay` compares it with wrk.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::Method;
use wsim::endpoints::EndpointId;
use wsim::replay::Unsendable;
use wsim::replay::{EngineConfig, LiveCounters, Outcome, Pace, Position, Row, Run, Schedule, Script, Sink, StopSignal, TrafficConfig, run};
use wsim::transport::{Connector, Keep, OutgoingRequest, Response};

type Failed = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "the result of the benchmark")]
fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let numbers: Vec<f64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let (rate, seconds) = (numbers.first().copied().unwrap_or(5000.0), numbers.get(1).copied().unwrap_or(5.0));
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let url = match arguments.iter().find(|argument| argument.starts_with("http")) {
        Some(url) => url.clone(),
        None => format!("http://{}/", serve(Arc::clone(&arrivals))?),
    };
    let rows = rows(rate, seconds, has("poisson"));
    let scheduled = rows.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connector = runtime.block_on(Connector::new(url.parse()?, Default::default()))?;
    let begin = Instant::now() + Duration::from_millis(200);
    let before = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (finished, measurements) = run(Run {
        schedule: Arc::new(Schedule::from_rows(rows, 0, &TrafficConfig::default())),
        traffic: TrafficConfig::default(),
        script: Box::new(GetRoot),
        connector,
        sink: Measurements::default(),
        config: EngineConfig {
            connections_max: 256,
            pace: if has("precise") { Pace::Precise } else { Pace::Sleep },
            ..EngineConfig::default()
        },
        begin,
        stop: Arc::new(StopSignal::default()),
        live: Arc::new(LiveCounters::default()),
    })?;
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime) - before;
    let cpu_us = cpu.tv_sec as f64 * 1e6 + cpu.tv_nsec as f64 / 1e3;
    let totals = &finished.totals;
    let mut sent = measurements.sent_ns;
    sent.sort_unstable();
    let received = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{}",
        serde_json::json!({
            "scheduled": scheduled,
            "completed": totals.completed,
            "failed": totals.failed,
            "skipped": totals.skipped,
            "rate": scheduled as f64 / seconds,
            "achieved": totals.completed as f64 / finished.took.as_secs_f64(),
            "lateness_us": quantiles(&measurements.lateness),
            "service_us": quantiles(&measurements.service),
            "response_us": quantiles(&measurements.response),
            "sent_gap_cv": gap_cv(&sent),
            "received_gap_cv": gap_cv(&received),
            "cpu_us_per_request": cpu_us / scheduled as f64,
            "cpu_counts_the_server": !received.is_empty(),
        })
    );
    Ok(())
}

fn rows(rate: f64, seconds: f64, poisson: bool) -> Vec<Row> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut at_us = 0.0;
    let mut rows = Vec::new();
    while at_us < seconds * 1e6 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of microseconds")]
        let arrival_us = at_us as u64;
        rows.push(Row {
            arrival_us,
            original_us: 0,
            actor: 0,
            lane: Row::NO_LANE,
            endpoint: EndpointId(0),
            original_status: 200,
            overlap_max: 0,
            sync: false,
            long_poll: false,
            skip: None,
        });
        // xorshift64*, sufficient for interarrival times.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let unit = ((state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        at_us += if poisson { -unit.ln() } else { 1.0 } * 1e6 / rate;
    }
    rows
}

/// Sends `GET /` for every row.
struct GetRoot;

impl Script for GetRoot {
    fn request(&mut self, _: Position) -> Result<OutgoingRequest, Unsendable> {
        Ok(OutgoingRequest {
            method: Method::GET,
            target: "/".to_owned(),
            authorization: None,
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Nothing,
        })
    }

    fn learn(&mut self, _: Position, _: &Response) {}
}

/// Histograms in ns.
struct Measurements {
    lateness: Histogram<u64>,
    service: Histogram<u64>,
    response: Histogram<u64>,
    sent_ns: Vec<u64>,
}

impl Default for Measurements {
    fn default() -> Self {
        let [lateness, service, response] =
            std::array::from_fn(|_| Histogram::new_with_bounds(1, 600_000_000_000, 3).unwrap_or_else(|_| unreachable!("valid bounds")));
        Self { lateness, service, response, sent_ns: Vec::new() }
    }
}

impl Sink for Measurements {
    fn upstream(&mut self, _: u8, _: &str) {}

    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String> {
        for outcome in batch {
            let times = [outcome.lateness_ns(), outcome.service_ns(), outcome.response_ns()];
            for (histogram, time) in [&mut self.lateness, &mut self.service, &mut self.response].into_iter().zip(times) {
                if let Some(time) = time {
                    histogram.saturating_record(time);
                }
            }
            if outcome.sent_ns > 0 {
                self.sent_ns.push(outcome.sent_ns);
            }
        }
        Ok(())
    }
}

fn quantiles(histogram: &Histogram<u64>) -> serde_json::Value {
    let us = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    serde_json::json!({ "p50": us(0.5), "p90": us(0.9), "p99": us(0.99), "max": histogram.max() as f64 / 1e3 })
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
