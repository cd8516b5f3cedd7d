//! The same input and seed give the same bytes, whatever the number of threads, and in every run: all files of a run's folder, apart from the
//! time at which it was made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{sample, wsim};

/// The files of a run by name, without the time.
type Files = BTreeMap<String, Vec<u8>>;

/// Runs `wsim analyse ARGUMENTS --threads THREADS`.
fn analyse(arguments: &[String], threads: u32) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let mut command = wsim();
    command.current_dir(folder.path()).arg("analyse").args(arguments);
    let output = command.args(["--out", "out", "--name", "run", "--threads", &threads.to_string()]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let run = folder.path().join("out/run");
    let report: Value = serde_json::from_slice(&std::fs::read(run.join("report.json")).unwrap()).unwrap();
    let created = report["created"].as_str().unwrap().to_owned();
    let mut files = Files::new();
    read_folder(&run, "", &created, &mut files);
    files
}

fn read_folder(folder: &Path, prefix: &str, created: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            read_folder(&entry.path(), &format!("{name}/"), created, files);
        } else if !name.starts_with('.') {
            let bytes = std::fs::read(entry.path()).unwrap();
            let bytes = match String::from_utf8(bytes) {
                Ok(text) => text.replace(created, "CREATED").into_bytes(),
                Err(binary) => binary.into_bytes(),
            };
            files.insert(name, bytes);
        }
    }
}

/// The first place where two runs differ, for people.
fn assert_same(one: &Files, other: &Files, what: &str) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in one {
        let second = &other[name];
        let at = bytes.iter().zip(second).take_while(|(a, b)| a == b).count();
        let near = |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(60)..bytes.len().min(at + 60)]).into_owned();
        assert!(bytes == second, "{what}: {name} differs at byte {at}:\n{}\n{}", near(bytes), near(second));
    }
}

/// All numbers of threads give the same bytes.
fn assert_same_bytes(arguments: &[String]) -> Files {
    let whole = analyse(arguments, 1);
    for threads in [2, 3, 8] {
        assert_same(&whole, &analyse(arguments, threads), &format!("{arguments:?} with {threads} threads"));
    }
    whole
}

fn report(files: &Files) -> Value {
    serde_json::from_slice(&files["report.json"]).unwrap()
}

fn with_and_without_trace(logs: &[&str]) {
    let logs: Vec<String> = logs.iter().map(|log| sample(log)).collect();
    let files = assert_same_bytes(&logs);
    assert!(files.contains_key("trace.parquet") && files.contains_key("report.html") && files.keys().any(|name| name.ends_with(".csv")));
    let files = assert_same_bytes(&[logs.as_slice(), &["--no-trace".to_owned()]].concat());
    assert!(!files.contains_key("trace.parquet") && files.contains_key("report.md"));
}

#[test]
fn of_samples_of_nginx() {
    with_and_without_trace(&["nginx-rich.log"]);
    with_and_without_trace(&["nginx-combined.log"]);
    with_and_without_trace(&["nginx.json.log"]);
}

#[test]
fn of_samples_of_apache_and_haproxy() {
    with_and_without_trace(&["apache-combined.log"]);
    with_and_without_trace(&["apache-timed.log"]);
    with_and_without_trace(&["haproxy.log"]);
}

#[test]
fn of_samples_of_caddy_and_traefik() {
    with_and_without_trace(&["caddy.log"]);
    with_and_without_trace(&["traefik.log"]);
    with_and_without_trace(&["traefik.json.log"]);
}

#[test]
fn of_samples_of_synapse() {
    with_and_without_trace(&["synapse-main.log", "synapse-worker.log"]);
    with_and_without_trace(&["synapse-terse.json.log"]);
}

#[test]
fn of_a_proxy_and_its_workers_that_are_joined() {
    with_and_without_trace(&["one-worker"]);
}

/// What does not depend on the order in which files are given.
fn unordered(files: &Files) -> Value {
    let mut report = report(files);
    for key in ["command", "inputs", "next", "created"] {
        report.as_object_mut().unwrap().remove(key);
    }
    report
}

#[test]
fn of_files_in_another_order() {
    let logs =
        ["synapse-main.log.gz", "synapse-generic_worker1.log.gz", "synapse-stream_writer1.log.gz", "synapse-event_persister1.log.gz"]
            .map(|log| sample(&format!("one-worker/{log}")));
    let turned: Vec<String> = logs.iter().rev().cloned().collect();
    for trace in [None, Some("--no-trace".to_owned())] {
        let of = |logs: &[String], threads| unordered(&analyse(&[logs, trace.as_slice()].concat(), threads));
        let whole = of(&logs, 2);
        assert!(whole["requests"].as_u64() > Some(1000));
        assert_eq!(of(&turned, 2), whole);
        assert_eq!(of(&turned, 3), whole);
    }
}

/// A log in nginx's format `combined` with 40,000 addresses, each of its own user, of which some have much more load than others.
fn crowd(folder: &Path) -> String {
    let mut text = String::new();
    let agents = ["Element/1.11", "FluffyChat/1.2", "nheko/0.12", "Cinny/4.0"];
    let paths = ["v3/sync?since=s1&timeout=30000", "v3/rooms/!a:example.org/messages?dir=b", "v3/profile/@a:example.org", "v3/keys/query"];
    for line in 0..46_000u32 {
        // The first 6,000 lines are of a few users: user n has 6,000 / 2^(n + 1) of them.
        let user = if line < 6000 { (line + 1).trailing_zeros() } else { line - 6000 };
        let agent = agents[(user % 4) as usize];
        let (second, minute, hour) = (line / 20 % 60, line / 1200 % 60, 10 + line / 72_000);
        let path = paths[(line / 64 % 4) as usize];
        let (b, c) = (user / 250, user % 250);
        let bytes = line % 997;
        writeln!(
            text,
            "10.1.{b}.{c} - - [20/Nov/2026:{hour}:{minute:02}:{second:02} +0000] \"GET /_matrix/client/{path} HTTP/1.1\" 200 {bytes} \"-\" \"{agent}\""
        )
        .unwrap();
    }
    let path = folder.join("crowd.log");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn assert_crowd(files: &Files) {
    let hitters = &report(files)["heavy_hitters"];
    assert_eq!((&hitters["distinct_users"], &hitters["distinct_users_are"]), (&40_000.into(), &"exact".into()));
    assert_eq!(hitters["users"][0]["name"], "10.1.0.0 Element");
    assert_eq!((&hitters["users"][0]["requests"], &hitters["users"][1]["requests"]), (&3001.into(), &1501.into()));
    assert_eq!(hitters["estimated"], Value::Array(Vec::new()));
}

#[test]
fn of_a_log_of_forty_thousand_users_with_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let log = crowd(folder.path());
    let whole = analyse(std::slice::from_ref(&log), 1);
    assert_crowd(&whole);
    for threads in [2, 2, 8] {
        assert_same(&whole, &analyse(std::slice::from_ref(&log), threads), &format!("{threads} threads"));
    }
}

#[test]
fn of_a_log_of_forty_thousand_users_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [crowd(folder.path()), "--no-trace".to_owned()];
    let whole = analyse(&arguments, 1);
    assert_crowd(&whole);
    for threads in [2, 2, 5] {
        assert_same(&whole, &analyse(&arguments, threads), &format!("{threads} threads"));
    }
}
