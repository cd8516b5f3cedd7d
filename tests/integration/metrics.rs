//! `wsim replay --metrics`, scraped during a run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{BackgroundProcess, sample, wsim};

/// Sends a request and returns the head (in lower case) and the body of the response.
fn request(address: &str, method: &str, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.split_once("\r\n\r\n").map(|(head, body)| (head.to_ascii_lowercase(), body.to_owned()))
}

/// The samples of a metrics page as (name with labels, value). Asserts that the type of each family is given before its samples.
fn parse_samples(page: &str) -> Vec<(String, f64)> {
    let mut families = Vec::new();
    let mut samples = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.push(name.to_owned());
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let plain = name.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| plain.strip_suffix(end)).unwrap_or(plain);
            assert_eq!(families.last().map(String::as_str), Some(family), "{line}");
            assert!(!name.contains('{') || name.ends_with("\"}"), "{line}");
            samples.push((name.to_owned(), value.parse().unwrap()));
        }
    }
    samples
}

#[test]
fn metrics_can_be_scraped_during_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
    command.args([
        "replay",
        "--target",
        "emulated",
        "--plan",
        "generic:2",
        "--metrics",
        "127.0.0.1:0",
        "--speed",
        SPEED,
        "--json",
        "--out",
    ]);
    let child = command.arg(folder.path()).arg(sample("nginx-rich.log")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = BackgroundProcess(child);
    let mut stderr = BufReader::new(running.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("metrics: ") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the program ended without printing its metrics address");
    }
    let address = line.trim().strip_prefix("metrics: http://").unwrap().strip_suffix("/metrics").unwrap().to_owned();
    // As many silent connections as somebody likes to open: scrapes go on beside them.
    let silent: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut pages = Vec::new();
    let begin = Instant::now();
    while running.0.try_wait().unwrap().is_none() && begin.elapsed() < Duration::from_secs(120) {
        let asked = Instant::now();
        if let Some((head, body)) = request(&address, "GET", "/metrics") {
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?} beside {} silent connections", asked.elapsed(), silent.len());
            assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-type: text/plain; version=0.0.4"), "{head}");
            assert!(!body.contains('@') && !body.contains("syt_"), "{body}");
            pages.push(parse_samples(&body));
        }
        if pages.len() == 1 {
            assert!(request(&address, "GET", "/").unwrap().0.starts_with("http/1.1 404"));
            assert!(request(&address, "POST", "/metrics").unwrap().0.starts_with("http/1.1 405"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut text = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let sum = |page: &[(String, f64)], name: &str| -> f64 {
        page.iter().filter(|(sample, _)| sample.split('{').next() == Some(name)).map(|(_, value)| value).sum()
    };
    let counters = ["wsim_replay_scheduled_total", "wsim_replay_sent_total", "wsim_replay_completed_total", "wsim_replay_not_sent_total"];
    for pair in pages.windows(2) {
        for name in counters {
            assert!(sum(&pair[0], name) <= sum(&pair[1], name), "{name} decreased");
        }
    }
    let page = pages.iter().rev().find(|page| sum(page, "wsim_replay_completed_total") > 0.0).expect("no scrape saw a completed request");
    let reported = |name: &str| report[name].as_f64().unwrap();
    assert!(sum(page, "wsim_replay_completed_total") <= reported("completed"));
    assert!((sum(page, "wsim_replay_schedule_requests") - reported("scheduled")).abs() < 0.5);
    assert!(page.iter().any(|(name, _)| name.starts_with("wsim_replay_response_seconds_bucket{group=")), "{page:?}");
    assert_eq!(sum(page, "wsim_replay_breaker_open"), 0.0);
    assert!(TcpStream::connect(&address).is_err(), "the port is closed after the program has ended");
}

#[test]
fn an_address_in_use_is_reported_before_any_log_is_read() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        wsim().args(["replay", "missing.log", "--target", "emulated", "--plan", "generic:2", "--metrics", &address]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&format!("could not listen on {address} for --metrics")) && !stderr.contains("missing.log"), "{stderr}");
}

/// Replays the log's five minutes in a few seconds.
const SPEED: &str = "40";
