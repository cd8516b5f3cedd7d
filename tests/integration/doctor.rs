//! `wsim doctor`: what logs can answer, and what is missing.

use serde_json::Value;

use crate::support::{sample, wsim};

fn doctor(arguments: &[&str]) -> (i32, Value) {
    let output = wsim().arg("doctor").args(arguments).arg("--json").output().unwrap();
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

fn answer<'r>(report: &'r Value, id: &str) -> &'r Value {
    report["questions"].as_array().unwrap().iter().find(|question| question["id"] == id).unwrap_or_else(|| panic!("no {id} in {report}"))
}

#[test]
fn logs_of_a_whole_deployment_answer_more_than_a_proxy_log_alone() {
    let (status, whole) = doctor(&[&sample("cluster")]);
    assert_eq!(status, 3, "five minutes say nothing of a day's peak");
    assert_eq!((&answer(&whole, "busy")["answer"], &answer(&whole, "waiting")["answer"]), (&"yes".into(), &"yes".into()));
    assert_eq!((&answer(&whole, "workers")["answer"], &answer(&whole, "peak")["answer"]), (&"roughly".into(), &"no".into()));
    let (status, proxy) = doctor(&[&sample("nginx-combined.log")]);
    assert_eq!((status, &answer(&proxy, "workers")["answer"]), (3, &"no".into()));
    assert!(answer(&proxy, "workers")["how"].as_str().unwrap().contains("Synapse's own logs"));
    assert!(answer(&proxy, "causes")["lines"][1].as_str().unwrap().starts_with("log_format wsim"), "{proxy}");
}

#[test]
fn measured_cpu_and_a_told_deployment_are_seen() {
    let (_, report) = doctor(&[
        &sample("one-worker"),
        "--process-cpu",
        &sample("one-worker/process-cpu.csv"),
        "--observed",
        &sample("one-worker/observed.toml"),
    ]);
    assert_eq!(answer(&report, "workers")["answer"], "yes", "{report}");
    assert_eq!(answer(&report, "response_times")["how"], Value::Null, "nothing is left to do");
}

/// What is proposed for the proxy is a log format that wsim reads, with users and upstreams.
#[test]
fn the_proposed_log_format_is_read_with_users_and_upstreams() {
    let (_, report) = doctor(&[&sample("nginx-combined.log")]);
    let lines: Vec<&str> = answer(&report, "causes")["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let format = lines[1..].join("\n");
    let line = r#"203.0.113.7 - - [2026-11-20T15:04:05+00:00] "GET /_matrix/client/v3/sync HTTP/2.0" 200 5 "-" "curl" rt=0.003 urt=0.002 ua=127.0.0.1:8008 us=200 rid=0123456789abcdef0123456789abcdef user=YWxpY2U"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), format!("{line}\n").repeat(30)).unwrap();
    let output = wsim().current_dir(folder.path()).args(["doctor", "access.log", "--json", "--log-format", &format]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(answer(&report, "causes")["answer"], "yes", "{report}");
    assert_eq!(report["inputs"][0]["malformed"], 0);
}
