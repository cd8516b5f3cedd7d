//! `wsim analyse` on real logs: counts, joined lines, the stored trace, and secrets that must not appear in any output.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use wsim::trace::{Request, Trace, flag};

use crate::support::{Run, sample, wsim};

fn trace_of(run: &Run) -> Trace {
    wsim::parquet::read(&run.folder().join("trace.parquet")).unwrap().0
}

fn count_by<K: Ord>(trace: &Trace, key: impl Fn(&Request) -> Option<K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in trace.requests().filter_map(|request| key(&request)) {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

#[test]
fn every_line_of_the_cluster_is_accounted_for() {
    let report = Run::analyse(&[sample("cluster")]).json();
    // (file, lines, requests) as counted by the program that wrote the logs; see samples/README.md.
    let expected = [
        ("nginx-rich", 5687, 5687),
        ("synapse-main", 2298, 960),
        ("synapse-generic_worker1", 3146, 2269),
        ("synapse-generic_worker2", 6200, 4210),
        ("synapse-stream_writer1", 2258, 808),
        ("synapse-event_persister1", 2163, 558),
        ("synapse-media_worker1", 161, 54),
        ("synapse-federation_sender1", 1563, 0),
    ];
    let inputs = report["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), expected.len());
    for (name, lines, requests) in expected {
        let input = inputs.iter().find(|input| input["path"].as_str().unwrap().contains(name)).unwrap();
        assert_eq!((&input["lines"], &input["requests"]), (&json!(lines), &json!(requests)), "{name}");
        assert_eq!(input["malformed"], 0, "{name}");
        assert_eq!(input["not_requests"], lines - requests, "{name}");
    }
}

#[test]
fn nginx_and_synapse_logs_of_the_same_traffic_are_joined() {
    let run = Run::analyse(&[sample("cluster")]);
    let report = run.json();
    // nginx sent 2805 requests to generic_worker2, which logs nginx's request ids; 3 of them are OPTIONS, which Synapse does not log.
    assert_eq!(report["joined"]["by_request_id"], 2802);
    assert_eq!(report["joined"]["proxy_requests"], 5687);
    let trace = trace_of(&run);
    let upstreams = count_by(&trace, |r| r.upstream.is_some().then(|| trace.names.text(r.upstream).to_owned()));
    let expected = [
        ("127.0.0.1:8008", 811),
        ("127.0.0.1:8081", 1692),
        ("127.0.0.1:8082", 2805),
        ("127.0.0.1:8201", 262),
        ("unix:/run/matrix-synapse/media_worker1.sock", 39),
    ];
    assert_eq!(upstreams, expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect());
    let both = trace.requests().filter(|r| r.has(flag::PROXY) && r.has(flag::SYNAPSE)).count();
    let sent = trace.requests().filter(|r| r.upstream.is_some()).count();
    assert_eq!(sent, 5609);
    assert!(both * 1000 >= sent * 995, "{both} of {sent} proxied requests were found in Synapse's logs");
    // An upstream and a process that are both known must be the same process. Retried requests are left out: their id may be in the
    // log of the first process that nginx tried.
    let pairs = count_by(&trace, |r| {
        (!r.has(flag::RETRIED) && r.upstream.is_some() && r.process.is_some())
            .then(|| (trace.names.text(r.upstream), trace.names.text(r.process)))
    });
    let expected = [
        ("127.0.0.1:8008", "main"),
        ("127.0.0.1:8081", "generic_worker1"),
        ("127.0.0.1:8082", "generic_worker2"),
        ("127.0.0.1:8201", "stream_writer1"),
        ("unix:/run/matrix-synapse/media_worker1.sock", "media_worker1"),
    ];
    assert_eq!(pairs.keys().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn requests_between_synapse_processes_are_not_client_traffic() {
    let report = Run::analyse(&[sample("cluster")]).json();
    let groups = report["groups"].as_array().unwrap();
    let internal: Vec<&Value> = groups.iter().filter(|group| group["internal"] == true).collect();
    assert_eq!(internal.iter().map(|group| group["id"].as_str().unwrap()).collect::<Vec<_>>(), ["replication"]);
    assert_eq!(report["internal_requests"], internal[0]["requests"]);
    let client: u64 = groups.iter().filter(|g| g["internal"] == false).map(|g| g["requests"].as_u64().unwrap()).sum();
    assert_eq!(report["client_requests"], client);
    assert_eq!(report["requests"], client + internal[0]["requests"].as_u64().unwrap());
}

#[test]
fn a_trace_gives_the_same_report_as_its_logs() {
    let from_logs = Run::analyse(&[sample("cluster")]);
    let trace = from_logs.folder().join("trace.parquet").to_string_lossy().into_owned();
    let from_trace = Run::analyse(&[trace]);
    let comparable = |run: &Run| {
        let mut report = run.json();
        for key in ["created", "command", "next"] {
            report.as_object_mut().unwrap().remove(key);
        }
        report
    };
    assert_eq!(comparable(&from_logs), comparable(&from_trace));
}

#[test]
fn the_same_seed_gives_the_same_trace_on_any_number_of_threads() {
    let bytes = |threads: &str, seed: &str| {
        let run = Run::analyse(&["--threads", threads, "--seed", seed, &sample("nginx-combined.log"), &sample("synapse-worker.log")]);
        std::fs::read(run.folder().join("trace.parquet")).unwrap()
    };
    assert_eq!(bytes("1", "7"), bytes("3", "7"));
    assert_ne!(bytes("1", "7"), bytes("1", "8"));
}

#[test]
fn counts_are_the_same_without_a_trace() {
    let with_trace = Run::analyse(&[sample("nginx-rich.log")]);
    let without_trace = Run::analyse(&["--no-trace", &sample("nginx-rich.log")]);
    assert!(!without_trace.folder().join("trace.parquet").exists());
    let requests = |run: &Run| {
        let report = run.json();
        let groups = report["groups"].as_array().unwrap();
        let mut list: Vec<_> =
            groups.iter().map(|g| (g["id"].as_str().unwrap().to_owned(), g["requests"].clone(), g["errors"].clone())).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        (report["requests"].clone(), list)
    };
    assert_eq!(requests(&with_trace), requests(&without_trace));
}

#[test]
fn compression_is_detected_from_the_content() {
    let text = std::fs::read(sample("nginx-combined.log")).unwrap();
    let plain = Run::analyse(&[sample("nginx-combined.log")]).json()["requests"].clone();
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&text).unwrap();
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz2.write_all(&text).unwrap();
    let compressed = [gzip.finish().unwrap(), zstd::encode_all(&text[..], 1).unwrap(), xz.finish().unwrap(), bz2.finish().unwrap()];
    for (index, bytes) in compressed.into_iter().enumerate() {
        let path = folder.path().join(format!("access{index}.log"));
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Run::analyse(&[path]).json()["requests"], plain);
    }
}

#[test]
fn a_truncated_gzip_file_is_read_as_far_as_possible_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log.gz");
    let whole = std::fs::read(sample("cluster/nginx-rich.log.gz")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let report = Run::analyse(&[path]).json();
    let input = &report["inputs"][0];
    assert!(input["requests"].as_u64().unwrap() > 1000);
    assert!(input["time_note"].as_str().unwrap().contains("reading ended early"), "{input}");
    let sum = ["requests", "not_requests", "malformed"].map(|key| input[key].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(input["lines"], sum);
}

#[test]
fn dedupe_counts_overlapping_files_once() {
    let text = std::fs::read_to_string(sample("nginx-combined.log")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, lines: &[&str]| std::fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
    write("access.log.1", &lines[..lines.len() * 2 / 3]);
    write("access.log", &lines[lines.len() / 3..]);
    let path = folder.path().to_string_lossy().into_owned();
    let once = Run::analyse(&[sample("nginx-combined.log")]).json();
    let twice = Run::analyse(std::slice::from_ref(&path)).json();
    let deduped = Run::analyse(&["--dedupe".to_owned(), path]).json();
    assert_eq!(deduped["requests"], once["requests"]);
    assert!(twice["requests"].as_u64() > once["requests"].as_u64());
}

#[test]
fn only_the_requested_time_range_is_profiled() {
    let report =
        Run::analyse(&["--from", "2026-11-20T16:55", "--to", "2026-11-20T16:56", &sample("cluster/synapse-generic_worker1.log.gz")]).json();
    assert!(report["window"]["seconds"].as_f64().unwrap() <= 150.0, "{}", report["window"]);
    assert!(report["window"]["start"].as_str().unwrap() >= "2026-11-20T16:55:00");
    let input = &report["inputs"][0];
    assert_eq!(input["requests"], 2269, "lines outside the time range are still counted as requests of the file");
    assert!(report["requests"].as_u64().unwrap() < 1000);
}

#[test]
fn output_contains_no_token_and_no_active_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut log = String::new();
    for (n, agent) in ["<script>alert(1)</script>", "=HYPERLINK(1)", "\\x1B[31mred", "a|b`c`", "\\xE2\\x80\\xAEright"].iter().enumerate() {
        for token in ["access_token=syt_YWxpY2U_topsecretvalue_1", "access%5Ftoken=syt_YWxpY2U_topsecretvalue_2", "since=s1"] {
            log += &format!(
                "203.0.113.{n} - <img/src=x> [02/Jan/2026:15:04:05 +0000] \"GET /_matrix/client/v3/sync?{token}&timeout=0 HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n"
            );
            log += &format!(
                "203.0.113.{n} - - [02/Jan/2026:15:04:05 +0000] \"GET /_matrix/client/v3/rooms/!<svg onload=x>:{n}%3Faccess_token%3Dsyt_YWxpY2U_topsecretvalue_4/x%3Faccess_token%3Dsyt_YWxpY2U_topsecretvalue_3 HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n"
            );
        }
    }
    std::fs::write(&path, log).unwrap();
    let run = Run::analyse(&[&path]);
    assert!(run.output.status.code().is_some_and(|code| code == 0 || code == 3), "{}", run.stderr());
    let mut texts = vec![("terminal".to_owned(), run.stdout())];
    for entry in files_below(&run.folder()) {
        texts.push((entry.display().to_string(), String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned()));
    }
    assert!(texts.len() > 6);
    for (name, text) in &texts {
        assert!(!text.contains("topsecretvalue"), "{name} contains a token");
        if name.ends_with(".html") || name.ends_with(".svg") || name.ends_with(".md") {
            let text = if name.ends_with(".md") { markdown_without_code(text) } else { text.clone() };
            for active in ["<script>alert", "<svg onload", "<img/src"] {
                assert!(!text.contains(active), "{name} contains {active}");
            }
        }
        if name == "terminal" || name.ends_with(".md") {
            assert!(!text.contains("\u{1b}[31m") && !text.contains('\u{202e}'), "{name} contains a control sequence");
        }
    }
}

/// The Markdown without code spans and escaped brackets, which a renderer shows as plain text.
fn markdown_without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<String>().replace("\\<", "")
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn an_anonymised_trace_contains_no_names() {
    let run = Run::analyse(&["--anonymise", &sample("cluster/synapse-generic_worker1.log.gz"), &sample("cluster/nginx-rich.log.gz")]);
    let trace = trace_of(&run);
    for request in trace.requests() {
        for id in [request.user, request.room, request.peer] {
            let name = trace.names.text(id);
            assert!(!name.contains("test.local") && !name.starts_with("127."), "{name}");
        }
    }
    let requests_per_user = |run: &Run| {
        let trace = trace_of(run);
        let mut counts: Vec<usize> = count_by(&trace, |r| r.user.is_some().then_some(r.user)).into_values().collect();
        counts.sort_unstable();
        counts
    };
    let open = Run::analyse(&[sample("cluster/synapse-generic_worker1.log.gz"), sample("cluster/nginx-rich.log.gz")]);
    assert_eq!(requests_per_user(&run), requests_per_user(&open), "each user keeps one pseudonym");
}

#[test]
fn process_cpu_samples_give_the_coverage_factor() {
    let cpu = sample("one-worker/process-cpu.csv");
    let logs: Vec<String> = ["synapse-main", "synapse-generic_worker1", "synapse-stream_writer1", "synapse-event_persister1"]
        .map(|n| sample(&format!("one-worker/{n}.log.gz")))
        .into();
    let mut arguments = vec!["--process-cpu".to_owned(), cpu];
    arguments.extend(logs.iter().cloned());
    let report = Run::analyse(&arguments).json();
    assert_eq!(report["coverage"]["measured"], true);
    let worker = report["coverage"]["processes"].as_array().unwrap().iter().find(|p| p["name"] == "generic_worker1").unwrap().clone();
    let factor = worker["process_cpu_seconds"].as_f64().unwrap() / worker["logged_cpu_seconds"].as_f64().unwrap();
    // The request log accounts for 59 % of the worker's CPU; see samples/README.md.
    assert!((1.5..2.0).contains(&factor), "{factor}");
    let prior = Run::analyse(&logs).json();
    assert_eq!(prior["coverage"]["measured"], false);
    assert!(prior["coverage"]["factor"]["low"].as_f64().unwrap() > 1.0, "without measurements the factor must not be assumed to be 1");
}

#[test]
fn hostile_bytes_are_counted_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let good = "203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"GET /_matrix/client/versions HTTP/1.1\" 200 5 \"-\" \"curl\"";
    let mut bytes = Vec::new();
    for _ in 0..50 {
        bytes.extend_from_slice(good.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(&[0; 300]);
    bytes.push(b'\n');
    bytes.extend_from_slice(&format!("{}\r\n", good).into_bytes());
    bytes.extend_from_slice(b"\xff\xfe\x16\x03\x01 garbage\n\n");
    bytes.extend_from_slice(good.replace("versions", &"x".repeat(70_000)).as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(&good.as_bytes()[..60]);
    std::fs::write(&path, &bytes).unwrap();
    let report = Run::analyse(&[&path]).json();
    let input = &report["inputs"][0];
    assert_eq!(
        (&input["lines"], &input["requests"], &input["not_requests"], &input["malformed"]),
        (&json!(56), &json!(52), &json!(1), &json!(3))
    );
    let examples = report["malformed_examples"].as_array().unwrap();
    assert_eq!(examples.iter().map(|example| example["line"].as_u64().unwrap()).collect::<Vec<_>>(), [51, 53, 56]);
    assert!(examples.iter().all(|example| example["reason"].as_str().unwrap().contains("expected")));
}

#[test]
fn json_on_standard_output_equals_the_report_file() {
    let run = Run::analyse(&["--json", &sample("caddy.log")]);
    let printed: Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(printed, run.json());
    assert_eq!(printed["schema"], "wsim.analysis/1");
}

#[test]
fn an_interrupt_stops_reading_and_the_report_is_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin("wsim"))
        .args(["analyse", "-", "--name", "run", "--out"])
        .arg(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = program.stdin.take().unwrap();
    let log = std::fs::read(sample("nginx-rich.log")).unwrap();
    // More than one block, so that at least one has been read when the signal arrives.
    for _ in 0..(3 << 20) / log.len() {
        pipe.write_all(&log).unwrap();
    }
    let signalled = std::process::Command::new("kill").args(["-INT", &program.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    // The reader notices the signal at its next block and may close the pipe before everything is written.
    for _ in 0..(3 << 20) / log.len() {
        if pipe.write_all(&log).is_err() {
            break;
        }
    }
    drop(pipe);
    let output = program.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("run/report.json")).unwrap()).unwrap();
    assert_eq!(report["partial"], true, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.code().is_some_and(|code| code == 0 || code == 3));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["run"]);
}

#[test]
fn an_earlier_run_is_not_overwritten_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let run = |extra: &[&str]| {
        wsim()
            .arg("analyse")
            .arg(sample("caddy.log"))
            .args(["--quiet", "--name", "run", "--out"])
            .arg(folder.path())
            .args(extra)
            .output()
            .unwrap()
    };
    assert!(run(&[]).status.code().is_some_and(|code| code != 1));
    let second = run(&[]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("--force"));
    assert!(run(&["--force"]).status.code().is_some_and(|code| code != 1));
}
