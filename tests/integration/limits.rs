//! Input that is far too large, never ends, or claims absurd sizes: an error that says what, where and what to do, soon and in little memory.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{run_in, sample, wsim};

/// Runs the program with 1 GB of address space, of which its threads' stacks and its own text take the larger part, and asserts the
/// status and a part of the error.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], status: i32, expected: &str) {
    let began = Instant::now();
    let mut words = vec!["-c", "ulimit -v 1000000; exec \"$@\"", "sh"];
    let program = assert_cmd::cargo::cargo_bin("wsim");
    let program = program.to_string_lossy();
    words.push(&program);
    words.extend(arguments);
    let output = std::process::Command::new("sh").current_dir(folder).env("NO_COLOR", "1").args(&words).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?} says nothing of {expected:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    // A guard against minutes, not a measurement.
    assert!(began.elapsed() < Duration::from_secs(60), "{arguments:?}: {:?}", began.elapsed());
}

#[test]
fn devices_and_huge_files_in_place_of_plans_tables_and_reports_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    refused(here, &["route", "--plan", "/dev/zero", "--pool", "a", "k"], 1, "could not read the plan /dev/zero: it is larger than 1 MB");
    refused(here, &["configure", "/dev/zero", "--out", "x"], 1, "could not read the plan /dev/zero: it is larger than 1 MB");
    refused(here, &["endpoints", "--table", "/dev/zero"], 1, "could not read /dev/zero: it is larger than 4 MB");
    fs::create_dir_all(here.join("run")).unwrap();
    let report = fs::File::create(here.join("run/report.json")).unwrap();
    report.set_len(1 << 30).unwrap();
    fs::create_dir_all(here.join("other")).unwrap();
    fs::write(here.join("other/report.json"), format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20))).unwrap();
    refused(here, &["report", "run", "other"], 1, "it is larger than 32 MB");
    refused(here, &["report", "other", "run"], 1, "report.json");
    fs::write(here.join("run/report.json"), format!("{{\"schema\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))).unwrap();
    refused(here, &["report", "run", "other"], 1, "report.json");
    refused(here, &["merge", "run", "other"], 1, "report.json");
}

#[test]
fn configurations_that_explode_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let write = |name: &str, text: &str| fs::write(here.join(name), text).unwrap();
    write("locations.conf", &format!("server {{\n{}}}\n", "location /a { proxy_pass http://a; }\n".repeat(100_000)));
    refused(here, &["audit", "locations.conf"], 1, "at most 100,000 directives");
    write("loop.conf", "http { include loop.conf; include loop.conf; }\n");
    refused(here, &["audit", "loop.conf"], 1, "loop.conf:1: files include each other");
    write("large.conf", &"# a comment\n".repeat(400_000));
    refused(here, &["audit", "large.conf"], 1, "large.conf is larger than 4 MB");
    write("included.conf", "http { include /dev/zero; include /dev/null; }\nserver { location / { proxy_pass http://a; } }\n");
    let (status, stdout, _) = run_in(here, &["audit", "included.conf"]);
    assert!(status != 1 && stdout.contains("/dev/zero does not exist"), "{status}: {stdout}");
    write("Caddyfile", "(a) {\n import a {args[0]}{args[0]}\n}\na.example {\n import a 0123456789\n}\n");
    refused(here, &["audit", "Caddyfile"], 1, "arguments of at most 20000 bytes");
    write("haproxy.cfg", &format!("frontend f\n{}", "  use_backend a\n".repeat(110_000)));
    refused(here, &["audit", "haproxy.cfg"], 1, "expected at most 100000 lines");
    let laughs: String = (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))).collect();
    write("worker.yaml", &format!("worker_app: x\na0: &a0 [x, x]\n{laughs}"));
    refused(here, &["audit", "--kind", "synapse", "worker.yaml"], 1, "worker.yaml");
}

#[test]
fn maps_that_are_devices_or_hold_a_hundred_thousand_expressions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("many.map"), (0..100_000).map(|n| format!("^/x{n}$ a\n")).collect::<String>()).unwrap();
    let pipe = here.join("pipe.map");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    for (map, expected) in [
        ("/dev/zero", "the file /dev/zero cannot be read: it is a device, a pipe or a socket, not a file"),
        ("pipe.map", "the file pipe.map cannot be read: it is a device, a pipe or a socket, not a file"),
        ("many.map", "more than 2000 regular expressions"),
    ] {
        let text = format!("frontend f\n  use_backend %[path,map_reg({map},a)]\nbackend a\n  server s 127.0.0.1:8008\n");
        fs::write(here.join("haproxy.cfg"), text).unwrap();
        let (_, stdout, stderr) = run_in(here, &["audit", "haproxy.cfg"]);
        assert!(stdout.replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{map}: {stdout}{stderr}");
    }
}

/// Every option with a number or a time, and texts that are none, or too large.
#[test]
fn extreme_numbers_of_options_are_usage_errors() {
    let log = sample("nginx-rich.log");
    let always: &[&str] = &["18446744073709551616", "-1", "NaN", "1e308", ""];
    let options: &[(&str, &str, &[&str])] = &[
        ("analyse", "--threads", &["0", "1025", "100000", "4294967295", "1e3"]),
        ("analyse", "--seed", &[]),
        ("analyse", "--from", &["-9999999999h", "9999999999999", "-99999999999999999999d", "10000-01-01"]),
        ("analyse", "--to", &["-9999999999h", "292277026596-12-04"]),
        ("simulate", "--workers", &["1..4294967295", "8..1", "1001"]),
        ("simulate", "--growth", &["0", "1e-400", "101", "4294967295"]),
        ("simulate", "--replications", &["1", "4294967295", "2..4294967295"]),
        ("simulate", "--connections", &["0", "4294967295"]),
        ("simulate", "--cores", &["0", "1e-9", "4294967295"]),
        ("simulate", "--window", &["-9999999999h..now", "..", "now..-1h"]),
        ("simulate", "--objective", &["busy < 1e308%", "p95 < 99999999999999999999h", "p95 work < -1ms"]),
        ("replay", "--speed", &["0", "1001", "4294967295"]),
        ("replay", "--load", &["0", "1001", "4294967295"]),
        ("replay", "--ramp", &["169h", "99999999999999999999"]),
        ("replay", "--max-connections", &["0", "65536", "18446744073709551615"]),
        ("replay", "--shard", &["4/4", "1/0", "0/4294967296"]),
        ("replay", "--metrics", &["65536", "host:1"]),
        ("provision", "--concurrency", &["0", "257"]),
        ("provision", "--copies", &["0", "1001"]),
        ("provision", "--history", &["0", "1001"]),
        ("configure", "--base-port", &["0", "65536"]),
        ("emulate", "--listen", &["65536", "a:b"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let cases = options.iter().flat_map(|(command, option, own)| always.iter().chain(*own).map(move |value| (*command, *option, *value)));
    let cases: Vec<_> = cases.collect();
    let half = cases.len().div_ceil(2);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let log = &log;
        let here = folder.path();
        let threads: Vec<_> = cases.chunks(half).map(|cases| scope.spawn(move || failures(here, log, cases))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(folder: &Path, log: &str, cases: &[(&str, &str, &str)]) -> Vec<String> {
    let mut failures = Vec::new();
    for (command, option, value) in cases {
        // Any seed is one.
        if *option == "--seed" && value.parse::<u64>().is_ok() {
            continue;
        }
        let mut run = wsim();
        run.current_dir(folder).arg(command).arg(format!("{option}={value}"));
        match *command {
            "configure" => run.args(["generic", "--out", "out"]),
            "provision" | "replay" => run.args([log, "--target", "http://127.0.0.1:9", "--world", "world.json"]),
            "emulate" => run.args([log, "--plan", "generic"]),
            _ => run.args([log, "--out", "out"]),
        };
        let output = run.timeout(Duration::from_secs(30)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(2) || stderr.contains("panicked") || stderr.trim().is_empty() {
            failures.push(format!(
                "{command} {option}={value:?}: {:?}: {}",
                output.status.code(),
                stderr.lines().next().unwrap_or_default()
            ));
        }
    }
    failures
}
