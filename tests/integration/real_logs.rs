//! Logs of real set-ups, as collectors and servers of many kinds write them, with what must be read from each.
//!
//! `tests/logs` holds the files; docs/logs.md says where each was seen. A line of [`CASES`] is one request:
//! `time method target status wall/upstream upstream client process`, times in milliseconds, `-` for what the line does not say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wsim::logs::detect::{DetectConfig, detect};
use wsim::logs::{Line, Record, StampMeaning, blocks, records};

use crate::support::{Run, run_in};

/// A file, the start of the name of its format, and its requests.
struct Case {
    file: &'static str,
    format: &'static str,
    requests: &'static [&'static str],
}

const fn case(file: &'static str, format: &'static str, requests: &'static [&'static str]) -> Case {
    Case { file, format, requests }
}

const CASES: [Case; 24] = [
    case("case-01-homeserver.log", "synapse", &["08:00:59.500 GET /_matrix/client/v3/sync?timeout=0&since=s1 200 49/- - 192.0.2.3 -"]),
    case(
        "case-02.log",
        "haproxy",
        &[
            "00:42:10.600 POST /_matrix/client/v3/rooms/!vaZLnlZZLicjbBJZZb:example.org/receipt/m.read/$gK0lCxB9qUN666ZhW3qzNJe1x8l_GDkbPzU6hfa-mzc 500 18305/46 synapse-initial-synchrotron/initial-sync13 10.42.7.127 -",
            "00:42:11.100 GET /_matrix/client/v3/sync?timeout=30000&since=s1_2_3 200 30007/30006 synapse-synchrotron/synchrotron2 10.42.7.127 -",
            "00:42:12.200 GET /_matrix/client/versions 200 13/13 synapse-main/main1 10.42.7.127 -",
            "00:42:13.300 OPTIONS /_matrix/client/v3/sync 204 0/- - 10.42.7.127 -",
            "00:42:14.400 GET /_matrix/client/v3/sync?timeout=30000&since=s1_2_4 0! 8123/* synapse-synchrotron/synchrotron1 10.42.7.127 -",
        ],
    ),
    case(
        "case-03.log",
        "synapse",
        &[
            "11:54:18.000 GET /_matrix/client/r0/sync?filter=0&timeout=30000&since=s1_32 200 30005/- - 10.44.110.1 synapse",
            "11:54:18.000 PUT /_matrix/client/v3/rooms/!a:example.org/send/m.room.message/1 200 120/- - 10.44.110.1 synapse",
        ],
    ),
    case(
        "case-04.log",
        "haproxy",
        &[
            "09:12:01.123 GET /_matrix/client/v3/sync 200 30002/30002 matrix_synapse_8008/SRV_1 10.244.0.1 -",
            "09:12:02.123 GET /_matrix/client/versions 200 2/2 matrix_synapse_8008/SRV_1 10.244.0.1 -",
        ],
    ),
    case(
        "case-05.log",
        "",
        &[
            "09:12:31.123 GET /_matrix/client/v3/sync?since=s1&timeout=30000 200 30004/- - 192.0.2.7 -",
            "09:12:32.123 GET /_matrix/client/versions 200 4/- - 192.0.2.7 -",
        ],
    ),
    case(
        "case-06.log",
        "nginx",
        &[
            "09:12:01.* GET /_matrix/client/v3/keys/changes 200 130/120 - 192.0.2.7 -",
            "09:12:02.* GET /_matrix/client/versions 200 4/3 - 192.0.2.7 -",
        ],
    ),
    case(
        "case-08.log",
        "nginx combined",
        &[
            "21:55:01.000 GET /_matrix/client/v3/sync?timeout=30000&since=s1 200 -/- - 192.0.2.133 -",
            "21:55:02.000 GET /_matrix/client/v3/sync?timeout=30000&since=s2 200 -/- - 192.0.2.133 -",
        ],
    ),
    case(
        "case-09.log",
        "nginx combined",
        &[
            "21:55:01.000 GET /_matrix/client/v3/sync?timeout=30000&since=s1 200 -/- - 192.0.2.133 -",
            "21:56:00.000 GET /x 404 -/- - 192.0.2.99 -",
            "21:55:02.000 GET /_matrix/client/v3/sync?timeout=30000&since=s2 200 -/- - 192.0.2.133 -",
        ],
    ),
    case(
        "case-10-kubectl.log",
        "synapse",
        &[
            "23:29:01.797 GET /_matrix/client/v3/sync?timeout=0&since=s1 200 100/- - 192.0.2.144 ess-synapse-main-0",
            "23:29:02.797 GET /_matrix/client/v3/sync?timeout=0&since=s1 200 100/- - 192.0.2.144 ess-synapse-synchrotron-0",
        ],
    ),
    case(
        "case-10-compose-colour.log",
        "synapse",
        &[
            "23:29:01.797 GET /_matrix/client/v3/sync?timeout=0&since=s1 200 100/- - 192.0.2.144 synapse-1",
            "23:29:02.797 GET /_matrix/client/v3/sync?timeout=0&since=s1 200 100/- - 192.0.2.144 synapse-worker1-1",
        ],
    ),
    case(
        "case-11.log",
        "synapse",
        &[
            "10:47:28.000 GET /_matrix/client/r0/devices 200 2/- - 192.168.99.99 matrix-synapse",
            "10:47:31.000 PUT /_matrix/client/r0/rooms/!abc:example.org/typing/@bob:example.org 200 31/- - 192.168.99.98 matrix-synapse",
        ],
    ),
    case(
        "case-13.log",
        "",
        &[
            "20:28:54.000 GET /_matrix/client/v3/sync?timeout=30000&since=s1_2 200 -/- * 192.0.2.1 -",
            "20:28:55.000 OPTIONS /_matrix/client/v3/keys/upload 204 -/- * 192.0.2.1 -",
            "20:28:56.000 GET / 301 -/- * 10.10.10.10 -",
            "20:28:57.000 GET /_matrix/media/v3/thumbnail/example.org/abc?width=32 200 -/- * 10.0.0.1 -",
        ],
    ),
    case(
        "case-14.log",
        "caddy",
        &[
            "09:12:31.123 GET /_matrix/client/v3/sync?since=s1&timeout=30000 200 30004/- - 192.0.2.7 -",
            "09:12:32.123 GET /_matrix/client/versions 200 4/- - 192.0.2.7 -",
        ],
    ),
    case(
        "case-15-colour.log",
        "",
        &[
            "14:05:54.000 GET /_matrix/client/versions 301 -/- - 192.0.2.140 nginx.1",
            "14:05:55.000 GET /_matrix/client/versions 301 -/- - 192.0.2.140 nginx.1",
        ],
    ),
    case(
        "case-15-upstream.log",
        "",
        &[
            "09:12:01.000 GET /_matrix/client/v3/sync?since=s1&timeout=30000 200 -/- 172.18.0.5:8008 192.0.2.7 *",
            "09:12:02.000 GET /_matrix/client/versions 200 -/- 172.18.0.5:8008 192.0.2.7 *",
        ],
    ),
    case(
        "case-16.log",
        "",
        &[
            "09:12:01.000 GET /_matrix/client/v3/sync?since=s1_2&timeout=30000 200 30004/30003 10.244.1.12:8008 192.0.2.17 -",
            "09:12:02.000 PUT /_matrix/client/v3/rooms/!a%3Aexample.org/send/m.room.message/1 200 120/118 10.244.1.12:8008 192.0.2.17 -",
            "09:12:03.000 GET /_matrix/client/versions 200 204/204 10.244.1.13:8008+2 192.0.2.18 -",
            "09:12:04.000 GET /_matrix/client/v3/sync 499! 12001/12000 10.244.1.12:8008 192.0.2.18 -",
            "09:12:05.000 GET / 308 0/- - 192.0.2.19 -",
        ],
    ),
    case(
        "case-17-kubectl-clf.log",
        "traefik",
        &[
            "s04:20:35.000 GET /.well-known/matrix/server 200 1/- *127.0.0.1:9021 REDACTED *",
            "s04:20:35.000 PUT /_matrix/federation/v1/send/REDACTED 404 16/- *127.0.0.1:8870 REDACTED *",
            "s04:20:36.000 PUT /_matrix/federation/v1/send/REDACTED 404 2/- *127.0.0.1:8870 REDACTED *",
        ],
    ),
    case("case-18-warning.log", "synapse", &[]),
    case(
        "case-19.log",
        "",
        &[
            "s12:07:22.912 GET /_matrix/client/v3/sync?timeout=30000&since=s1 200 30032/30031 10.60.1.30:8008 192.0.2.195 -",
            "s12:07:23.012 GET /_matrix/client/versions 200 4/3 10.60.1.30:8008 192.0.2.195 -",
        ],
    ),
    case(
        "case-20-docker.json.log",
        "nginx combined",
        &[
            "19:55:01.000 GET /_matrix/client/v3/login 200 -/- - 192.0.2.133 -",
            "19:55:35.000 OPTIONS /_matrix/client/v3/login 204 -/- - 192.0.2.133 -",
            "19:55:35.000 POST /_matrix/client/v3/login 200 -/- - 192.0.2.133 -",
        ],
    ),
    case(
        "case-20-journal.json.log",
        "synapse",
        &[
            "11:54:18.280 GET /_matrix/client/r0/sync?filter=0&timeout=30000&since=s1_32_0_1_1_1_1_7_1 200 30005/- - 10.44.110.1 matrix-synapse",
            "11:54:18.405 OPTIONS /_matrix/client/r0/sync?filter=0&timeout=30000&since=s1_32_0_1_1_1_1_7_1 204 1/- - 10.44.110.1 matrix-synapse",
        ],
    ),
    case(
        "case-21.log",
        "",
        &[
            "09:12:01.000 GET /_matrix/client/v3/sync?since=s1&timeout=30000 200 -/- - 192.0.2.7 -",
            "09:12:02.000 GET /_matrix/client/versions 200 -/- - 192.0.2.7 -",
        ],
    ),
    case(
        "case-22.log",
        "",
        &[
            "01:12:31.000 * /_matrix/client/v3/sync 200 30004/30003 10.0.0.3:8083 192.0.2.7 -",
            "01:12:32.000 * /_matrix/client/versions 200 4/3 10.0.0.3:8008 192.0.2.7 -",
        ],
    ),
    case(
        "case-24-utf16.log",
        "synapse",
        &[
            "11:54:18.280 GET /_matrix/client/r0/sync?filter=0&timeout=30000&since=s1_32_0_1_1_1_1_7_1 200 30005/- - 10.44.110.1 -",
            "11:54:18.405 OPTIONS /_matrix/client/r0/sync?filter=0&timeout=30000&since=s1_32_0_1_1_1_1_7_1 204 1/- - 10.44.110.1 -",
        ],
    ),
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs").join(name)
}

/// A request in the notation of [`CASES`].
pub(crate) fn described(record: &Record<'_>) -> String {
    let text = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    let millis = |micros: Option<u64>| micros.map_or("-".to_owned(), |micros| ((micros + 500) / 1000).to_string());
    let stamp = record.stamp.map_or("-".to_owned(), |stamp| {
        let day = stamp.micros.rem_euclid(86_400_000_000) / 1000;
        let start = if stamp.meaning == StampMeaning::Start { "s" } else { "" };
        format!("{start}{:02}:{:02}:{:02}.{:03}", day / 3_600_000, day / 60_000 % 60, day / 1000 % 60, day % 1000)
    });
    let tries = if record.upstream_tries > 1 { format!("+{}", record.upstream_tries) } else { String::new() };
    format!(
        "{stamp} {} {} {}{} {}/{} {}{tries} {} {}",
        text(Some(record.method)),
        text(Some(&record.target)),
        record.status,
        if record.aborted { "!" } else { "" },
        millis(record.wall_us),
        millis(record.upstream_us),
        text(record.upstream.as_deref()),
        text(record.address),
        text(record.process),
    )
}

/// Whether a description fits one in which `*` stands for any text; the meaning of the stamp is compared only where it is given.
pub(crate) fn fits(found: &str, expected: &str) -> bool {
    let found = if expected.starts_with('s') { found } else { found.strip_prefix('s').unwrap_or(found) };
    let mut rest = found;
    let mut parts = expected.split('*');
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after;
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn every_request_of_every_log_is_read_rightly() {
    let mut failures = Vec::new();
    for Case { file: name, format, requests } in &CASES {
        let text = records::rewrite(&std::fs::read(file(name)).unwrap());
        let sample: Vec<&[u8]> = blocks::lines(&text).collect();
        let mut detection = match detect(&sample, &DetectConfig::default()) {
            Ok(detection) => detection,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut found = Vec::new();
        for line in &sample {
            if let Line::Request(record) = detection.parser.parse(line) {
                found.push(described(&record));
            }
        }
        let right = found.len() == requests.len() && found.iter().zip(*requests).all(|(found, expected)| fits(found, expected));
        if !right || !detection.name.starts_with(format) {
            failures.push(format!("{name} ({}):\n  {}\nexpected\n  {}", detection.reason, found.join("\n  "), requests.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} of {} logs are read wrongly:\n{}", failures.len(), CASES.len(), failures.join("\n"));
}

/// The requests of a file in the notation of [`CASES`], with how the file is read.
fn read(path: &Path) -> (String, Vec<String>) {
    let text = records::rewrite(&std::fs::read(path).unwrap());
    let sample: Vec<&[u8]> = blocks::lines(&text).collect();
    let mut detection = detect(&sample, &DetectConfig::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found = Vec::new();
    for line in &sample {
        if let Line::Request(record) = detection.parser.parse(line) {
            found.push(described(&record));
        }
    }
    (detection.reason, found)
}

#[test]
fn what_journalctl_prints_in_every_mode_and_what_rsyslog_writes_is_read() {
    let journal = [
        "16:53:40.118 GET /_matrix/client/v3/sync?timeout=0&since=s1_2 200 33/- - 203.0.113.7 *",
        "* POST /_matrix/client/v3/keys/upload 200 120/- - 203.0.113.8 *",
        "16:53:41.000 GET /_matrix/client/versions 200 -/- - 203.0.113.9 *",
        "16:53:40.118 GET /_matrix/client/v3/sync?timeout=0&since=s1_2 200 33/- - 203.0.113.7 *",
    ];
    let mut files: Vec<PathBuf> = std::fs::read_dir(file("real")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 20);
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = if name.starts_with("journal") { &journal[..] } else { &[journal[2]; 2] };
        let (reason, found) = read(&path);
        let mut right = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| fits(found, expected));
        // These have no wall clock or no name of a process.
        let stamped = !["-cat", "-monotonic", "-delta"].iter().any(|mode| name.contains(mode));
        if right && name.starts_with("journal") {
            right &= !stamped || found[1].starts_with("16:53:40");
            right &= name.contains("-cat") || found[0].ends_with(" matrix-synapse");
            right &= !(name.contains("json") || name.contains("unit") || name.contains("export") || name.contains("verbose"))
                || found[1].ends_with(" reader1");
        }
        if !right {
            failures.push(format!("{name} ({reason}):\n  {}", found.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_file_of_the_folder_has_a_case() {
    let names = std::fs::read_dir(file("")).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let files: BTreeSet<String> = names.filter(|name| name.ends_with(".log")).collect();
    let other = ["case-01-access.log", "case-25-short-precise.log"].map(str::to_owned);
    let known: BTreeSet<String> = CASES.iter().map(|case| case.file.to_owned()).chain(other).collect();
    assert_eq!(files, known);
}

#[test]
fn processes_behind_one_stream_are_told_apart_in_the_report() {
    for (name, expected) in [
        ("case-10-kubectl.log", ["ess-synapse-main-0", "ess-synapse-synchrotron-0"]),
        ("case-10-compose-colour.log", ["synapse-1", "synapse-worker1-1"]),
    ] {
        let run = Run::analyse(&[file(name)]);
        let report = run.json();
        assert_eq!(report["inputs"][0]["requests"], 2, "{name}");
        let mut found: Vec<(&str, u64)> = Vec::new();
        for process in report["processes"].as_array().unwrap() {
            found.push((process["name"].as_str().unwrap(), process["requests"].as_u64().unwrap()));
        }
        found.sort_unstable();
        assert_eq!(found, expected.map(|name| (name, 1)), "{name}");
        assert!(run.stdout().contains("Your 2 processes"), "{name}: {}", run.stdout());
    }
}

#[test]
fn a_stamp_without_a_year_is_given_one_and_the_report_says_so() {
    for (name, requests) in [("case-03.log", 2), ("case-25-short-precise.log", 2)] {
        let run = Run::analyse(&[file(name)]);
        let input = &run.json()["inputs"][0];
        assert_eq!(input["requests"], requests, "{name}");
        let said = input["time_note"].as_str().unwrap_or_default().contains("have no year");
        // The lines of nginx have a stamp of their own.
        assert_eq!(said, name == "case-03.log", "{name}: {input}");
    }
}

#[test]
fn a_log_without_usable_lines_says_what_is_missing() {
    let folder = file("");
    let (status, _, told) = run_in(&folder, &["analyse", "case-18-warning.log", "--out", "/nonexistent"]);
    assert_eq!(status, 1);
    assert!(told.contains("logged at INFO by synapse.access.*"), "{told}");
    let own = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(own.path().join(name), text).unwrap();
    write("own.log", b"203.0.113.7 did \"GET /_matrix/client/versions HTTP/1.1\" and got <200> on Friday\n");
    write("keys.log", br#"{"when":"2026-01-02T15:04:05Z","what":"/_matrix/client/versions","how":"GET"}"#);
    write("picture.log", b"\x89PNG\r\n\x1a\n\0\0\0");
    write("nothing.log", b"");
    let told = |name: &str| run_in(own.path(), &["analyse", name]).2;
    let text = told("own.log");
    assert!(text.contains("at column ") && text.contains("--log-format '"), "{text}");
    let text = told("keys.log");
    assert!(text.contains("when, what, how"), "{text}");
    assert!(told("picture.log").contains("looks like PNG"), "{}", told("picture.log"));
    assert!(told("nothing.log").contains("empty"), "{}", told("nothing.log"));
}

#[test]
fn files_of_a_folder_that_are_not_read_are_named_in_the_first_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(crate::support::sample("nginx-combined.log"), folder.path().join("access.log")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "remember the milk\n").unwrap();
    let (_, _, told) = run_in(folder.path(), &["analyse", "."]);
    assert!(told.lines().take(3).any(|line| line.starts_with("note: ") && line.contains("notes.txt is not read")), "{told}");
}

#[test]
fn requests_of_other_sites_in_a_shared_log_cost_synapse_nothing() {
    let run = Run::analyse(&[file("case-01-access.log"), file("case-01-homeserver.log")]);
    let report = run.json();
    let cpu: f64 = report["groups"].as_array().unwrap().iter().map(|group| group["cpu_seconds"].as_f64().unwrap_or(0.0)).sum();
    assert!((cpu - 0.005).abs() < 1e-6, "{cpu}");
    assert_eq!(report["deployment"]["foreign_requests"], 66, "{}", report["deployment"]);
    assert_eq!(report["processes"].as_array().unwrap().len(), 1, "{}", report["processes"]);
}

#[test]
fn a_preflight_is_no_initial_sync() {
    let folder = tempfile::tempdir().unwrap();
    let line = |method: &str| {
        format!("203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"{method} /_matrix/client/v3/sync HTTP/1.1\" 200 5 \"-\" \"x\"\n")
    };
    std::fs::write(folder.path().join("access.log"), line("OPTIONS").repeat(3) + &line("GET")).unwrap();
    let run = Run::analyse(&[folder.path().join("access.log")]);
    let groups = run.json()["groups"].clone();
    let count = |name: &str| {
        let all = groups.as_array().into_iter().flatten();
        all.filter(|group| group["id"] == name).map(|group| group["requests"].as_u64().unwrap_or(0)).sum::<u64>()
    };
    assert_eq!((count("initial_sync"), count("sync")), (1, 3), "{groups}");
}

#[test]
fn a_secret_in_what_collectors_add_or_in_an_unread_line_is_not_told() {
    const CORE: &str = "abcdefghijklmnopqrst";
    let message = r#"synapse.access.http.8008: [GET-1] 203.0.113.7 - 8008 - {@a:example.org} Processed request: 0.033sec/0.000sec (0.009sec, 0.001sec) (0.000sec/0.015sec/4) 31B 200 "GET /_matrix/client/v3/sync?timeout=0 HTTP/1.1" "Element" [0 dbevts]"#;
    for underscore in ["_", "%5F", "%255f", r"\u005f"] {
        let token = format!("syt{underscore}YWxpY2U{underscore}{CORE}{underscore}0AbCdE");
        let json = serde_json::to_string(message).unwrap();
        let read = [
            format!("Nov 20 16:53:40 host {token}[7]: {message}\n"),
            format!("{token}  | 2026-11-20T16:53:40Z {message}\n"),
            format!("[pod/{token}/{token}] 2026-11-20T16:53:40Z {message}\n"),
            format!(r#"{{"log":{json},"container_name":"{token}","time":"2026-11-20T16:53:40Z"}}"#) + "\n",
            format!(r#"{{"line":{json},"labels":{{"filename":"/x/{token}.log"}},"timestamp":"2026-11-20T16:53:40Z"}}"#) + "\n",
        ];
        let unread = [
            format!("<x> {token} did {token} \"GET /{token} HTTP/1.1\" <{token}>\n"),
            format!(r#"{{"{token}":"x","what":"{token}"}}"#) + "\n",
        ];
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        for (number, log) in read.iter().chain(&unread).enumerate() {
            std::fs::write(logs.join(format!("{number}.log")), log).unwrap();
        }
        let told = |input: &str| {
            let (_, out, told) = run_in(folder.path(), &["analyse", input, "--out", "out", "--name", "run"]);
            assert!(!out.contains(CORE) && !told.contains(CORE), "{input} of {token}: {out}\n{told}");
            told
        };
        assert!(told("logs").contains("is not read"));
        told("logs/5.log");
        told("logs/6.log");
        for path in files_below(&folder.path().join("out")) {
            let bytes = std::fs::read(&path).unwrap();
            assert!(memchr::memmem::find(&bytes, CORE.as_bytes()).is_none(), "{} of {token}", path.display());
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}
