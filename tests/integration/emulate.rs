//! `wsim emulate` started and stopped as a user does it, and a replay whose disk is full.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{BackgroundProcess, sample, wsim};

#[test]
fn an_emulated_cluster_starts_responds_and_stops_on_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
    command.args(["emulate", "--plan", "generic:2", "--json", "--listen", "127.0.0.1:0", "--secret-file"]).arg(&secret);
    let child = command.arg(sample("synapse-worker.log")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = BackgroundProcess(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut text = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        panic!("{line}{text}")
    });
    assert!(std::fs::read_to_string(&secret).unwrap().len() > 20);
    let address = started["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /_matrix/client/versions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("x-upstream: ") && response.contains("v1.11"), "{response}");
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(running.0.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err(), "the port is closed after the program has ended");
}

#[test]
fn an_emulated_cluster_listens_on_loopback_only() {
    let output =
        wsim().args(["emulate", "--plan", "generic:2", "--listen", "0.0.0.0:0"]).arg(sample("synapse-worker.log")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a loopback address"));
}

#[test]
fn a_full_disk_loses_the_files_but_not_the_printed_figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wsim"), "replay", "--target", "emulated"]);
    command.args(["--plan", "generic:2", "--from", "2026-11-20T17:34:20Z", "--to", "2026-11-20T17:34:30Z", "--name", "run", "--out"]);
    command.arg(folder.path()).arg(sample("one-worker")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    // The run's folder is created when the target is ready, before the ten seconds of requests begin.
    let began = std::time::Instant::now();
    while std::fs::read_dir(folder.path()).unwrap().next().is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "the run did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    // From now on no file can grow beyond 4 kB and larger writes fail, as on a full disk.
    let limit = rustix::process::Rlimit { current: Some(4096), maximum: Some(4096) };
    rustix::process::prlimit(Some(rustix::process::Pid::from_child(&running)), rustix::process::Resource::Fsize, limit).unwrap();
    let output = running.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("the figures above are complete, but their files could not be written") && error.contains("File too large"),
        "{error}"
    );
    assert!(out.contains("Response times") && out.contains("completed"), "{out}");
}
