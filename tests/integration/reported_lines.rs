//! Lines of real set-ups that people published, and lines in many forms, with what must be read from each: `tests/logs/reported.txt` says
//! the notation.

use wsim::logs::detect::{DetectConfig, detect};
use wsim::logs::{Line, StampMeaning, blocks, records};

use crate::real_logs::{described, fits};

/// The lines of one source.
struct Reported {
    source: &'static str,
    format: &'static str,
    /// Each line with what must be read from it; `None` if it is no request.
    lines: Vec<(&'static str, Option<&'static str>)>,
}

fn reported(text: &'static str) -> Vec<Reported> {
    let mut all: Vec<Reported> = Vec::new();
    let mut expected = None;
    for line in text.lines() {
        if let (Some(wanted), Some(last)) = (expected.take(), all.last_mut()) {
            last.lines.push((line, Some(wanted)));
        } else if let Some(head) = line.strip_prefix("# ") {
            let (source, format) = head.rsplit_once(": ").unwrap_or_else(|| panic!("no format: {head}"));
            all.push(Reported { source, format, lines: Vec::new() });
        } else if let Some(wanted) = line.strip_prefix("> ") {
            expected = Some(wanted);
        } else if let Some(last) = all.last_mut().filter(|_| !line.is_empty()) {
            last.lines.push((line, None));
        }
    }
    all
}

#[test]
fn lines_that_people_published_are_read_rightly() {
    check(&reported(include_str!("../logs/reported.txt")), 140);
}

#[test]
fn requests_in_every_form_are_read_rightly() {
    check(&reported(include_str!("../logs/forms.txt")), 600);
}

/// Reads every log, which together have at least this number of requests.
fn check(all: &[Reported], least: usize) {
    let mut failures = Vec::new();
    for Reported { source, format, lines } in all {
        let text = lines.iter().map(|(line, _)| *line).collect::<Vec<_>>().join("\n");
        let text = records::rewrite(text.as_bytes());
        let sample: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let mut detection = match detect(&sample, &DetectConfig::default()) {
            Ok(detection) => detection,
            Err(error) => {
                failures.push(format!("{source}: {error}"));
                continue;
            }
        };
        if !detection.name.starts_with(format) {
            failures.push(format!("{source}: {} is not {format}", detection.reason));
        }
        for (line, (_, expected)) in sample.iter().zip(lines) {
            let found = match detection.parser.parse(line) {
                Line::Request(record) => described(&record),
                other => format!("{other:?}"),
            };
            let right = expected.map_or(found == "NotRequest", |expected| fits(&found, expected));
            if !right {
                failures.push(format!("{source} ({}):\n  {found}\nexpected\n  {}", detection.reason, expected.unwrap_or("no request")));
            }
        }
    }
    let count = all.iter().flat_map(|log| &log.lines).filter(|(_, expected)| expected.is_some()).count();
    assert!(failures.is_empty(), "{} failures in {count} lines:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= least, "{count}");
}

/// A log of `tests/logs/programs`, which `tests/proxies/logs` made.
struct Program {
    file: &'static str,
    /// `--log-format`; empty: detected.
    log_format: &'static str,
    /// The start of the format's name.
    format: &'static str,
    meaning: StampMeaning,
    /// The durations are logged.
    timed: bool,
    /// The upstream is logged.
    upstream: bool,
}

const START: StampMeaning = StampMeaning::Start;
const END: StampMeaning = StampMeaning::End;

const fn program(file: &'static str, log_format: &'static str, format: &'static str, meaning: StampMeaning, shown: [bool; 2]) -> Program {
    Program { file, log_format, format, meaning, timed: shown[0], upstream: shown[1] }
}

const PROGRAMS: [Program; 21] = [
    program("nginx-proxy-manager.log", "", "nginx proxy manager", END, [false, true]),
    program("ingress-nginx.log", "", "ingress-nginx", END, [true, true]),
    program("nginx-proxy.log", "", "nginx-proxy", END, [false, true]),
    program("nginx-upstreamlog.log", "", "nginx upstreamlog", END, [true, true]),
    program("nginx-balanced.log", "", "nginx balanced", END, [true, true]),
    program("nginx-logstash.log", "", "nginx json", END, [true, true]),
    program("nginx-labels.log", "", "nginx combined", END, [true, false]),
    program("nginx-order.log", "", "nginx", END, [true, false]),
    program("haproxy-six-timers.log", "", "haproxy", START, [true, true]),
    program("haproxy-ingress.log", "", "haproxy", START, [true, true]),
    program("haproxy-json.log", "", "haproxy json", START, [true, true]),
    program(
        "haproxy-json.log",
        r#"{"time":"%tr","client_ip":"%ci","backend":"%b","server":"%s","tr":%Tr,"ta":%Ta,"status_code":%ST,"request":"%HM %HU %HV"}"#,
        "haproxy log-format",
        START,
        [true, true],
    ),
    program(
        "haproxy-own.log",
        r#"%[date,utime("%Y-%m-%d %H:%M:%S")] %ci %b/%s %Ta/%Tr %ST "%HM %HU""#,
        "haproxy log-format",
        END,
        [true, true],
    ),
    program("caddy-console.log", "", "caddy", END, [true, false]),
    program("caddy-json.log", "", "caddy", END, [true, false]),
    program("apache-timed.log", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D"#, "apache", START, [true, false]),
    program("apache-date.log", "%{%Y-%m-%d %H:%M:%S}t.%{msec_frac}t %{%z}t %a %m %U%q %>s %{ms}T", "apache", START, [true, false]),
    program("apache-json.log", "", "nginx json", END, [true, false]),
    program(
        "apache-json.log",
        r#"{\"time\":\"%{%Y-%m-%dT%H:%M:%S%z}t\",\"client\":\"%a\",\"method\":\"%m\",\"uri\":\"%U%q\",\"status\":%>s,\"duration_us\":%D}"#,
        "apache",
        START,
        [true, false],
    ),
    program("lighttpd.log", "", "lighttpd", END, [false, false]),
    program("lighttpd-timed.log", r#"%h %V %u [%{end:%d/%b/%Y %H:%M:%S %z}t] "%r" %>s %b D=%D"#, "apache", END, [true, false]),
];

/// What `tests/proxies/logs` sends; the first takes 300 ms, the others much less.
const SENT: [(&str, &str, u16); 4] = [
    ("GET", "/_matrix/client/v3/sync", 200),
    ("PUT", "/_matrix/client/v3/rooms/!a:example.org/send/m.room.message/1", 200),
    ("GET", "/_matrix/client/versions", 200),
    ("OPTIONS", "/_matrix/client/v3/keys/upload", 204),
];

/// The first difference of a program's log from what was sent.
fn difference(program: &Program) -> Result<(), String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs/programs").join(program.file);
    let text = std::fs::read(&path).map_err(|error| error.to_string())?;
    let sample: Vec<&[u8]> = blocks::lines(&text).collect();
    let log_format = (!program.log_format.is_empty()).then(|| program.log_format.to_owned());
    let mut detection = detect(&sample, &DetectConfig { log_format, ..DetectConfig::default() }).map_err(|error| error.to_string())?;
    if !detection.name.starts_with(program.format) {
        return Err(detection.reason);
    }
    let mut found = Vec::new();
    for line in &sample {
        let record = match detection.parser.parse(line) {
            Line::Request(record) => record,
            other => return Err(format!("{other:?} in {}", detection.reason)),
        };
        // HAProxy logs the connection by which the script waits for it.
        if record.status == 400 {
            continue;
        }
        let target = String::from_utf8_lossy(&record.target).replace("%3A", ":");
        found.push((
            String::from_utf8_lossy(record.method).into_owned(),
            target.split('?').next().unwrap_or_default().to_owned(),
            record.status,
        ));
        let millis = record.wall_us.map(|wall| wall / 1000);
        let right = match (program.timed, found.len()) {
            (false, _) => millis.is_none(),
            (true, 1) => millis.is_some_and(|millis| (290..2000).contains(&millis)),
            (true, _) => millis.is_some_and(|millis| millis < 290),
        };
        // nginx rounds the two times down at different instants.
        if !right || record.upstream_us.is_some_and(|upstream| record.wall_us.is_some_and(|wall| upstream > wall + 1000)) {
            return Err(format!("{:?} of {:?} µs in {}", record.upstream_us, record.wall_us, detection.reason));
        }
        if record.stamp.is_none_or(|stamp| stamp.meaning != program.meaning || stamp.micros / 1_000_000 / 86_400 != DAY) {
            return Err(format!("{:?} in {}", record.stamp, detection.reason));
        }
        if record.upstream.is_some() != program.upstream || record.address.is_none() {
            return Err(format!("{:?} for {:?} in {}", record.upstream, record.address, detection.reason));
        }
    }
    let sent = SENT.map(|(method, target, status)| (method.to_owned(), target.to_owned(), status));
    if found == sent { Ok(()) } else { Err(format!("{found:?} in {}", detection.reason)) }
}

#[test]
fn logs_that_programs_wrote_in_many_formats_are_read_rightly() {
    let failures: Vec<String> =
        PROGRAMS.iter().filter_map(|program| Some(format!("{}: {}", program.file, difference(program).err()?))).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// 1 December 2026, when the logs were made, in days since 1970.
const DAY: i64 = 20_788;
