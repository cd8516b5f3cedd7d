//! Every known log in the dress of every collector, and of every pair of collectors, gives the same requests.

use crate::blocks::lines;
use crate::detect::{DetectConfig, detect};
use crate::{Line, records};

/// How a collector writes the lines of a program.
struct Dress {
    name: &'static str,
    write: Write,
}

enum Write {
    /// Each line for itself, with its number.
    Line(fn(&str, usize) -> String),
    /// All lines as one document.
    Whole(fn(&[String]) -> Vec<u8>),
}

const fn line(name: &'static str, write: fn(&str, usize) -> String) -> Dress {
    Dress { name, write: Write::Line(write) }
}

const fn whole(name: &'static str, write: fn(&[String]) -> Vec<u8>) -> Dress {
    Dress { name, write: Write::Whole(write) }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A second of the clock of collectors: after that of every sample, as for lines that are collected at once.
fn second(number: usize) -> String {
    format!("2026-11-30T{:02}:{:02}:{:02}", number / 3600 % 24, number / 60 % 60, number % 60)
}

fn entry(text: &str, number: usize) -> String {
    let second = 1_796_000_000 + number;
    format!(
        r#"{{"__CURSOR":"s=1;i={number}","__REALTIME_TIMESTAMP":"{second}123456","_PID":"7","SYSLOG_IDENTIFIER":"web","MESSAGE":{}}}"#,
        json(text)
    )
}

const DRESSES: [Dress; 52] = [
    line("docker compose", |text, _| format!("web-1  | {text}")),
    line("docker compose v1", |text, _| format!("web_1           | {text}")),
    line("docker compose, coloured", |text, _| format!("\x1b[36mweb-1  | \x1b[0m{text}")),
    line("docker compose --timestamps", |text, number| format!("web-1  | {}.123456789Z {text}", second(number))),
    line("docker service logs", |text, _| format!("matrix_web.1.w9lt1f9tzq2f@node-1    | {text}")),
    line("docker logs -t", |text, number| format!("{}.123456789Z {text}", second(number))),
    line("forego", |text, _| format!("\x1b[0;33;1mweb.1    | \x1b[0m{text}")),
    line("foreman", |text, _| format!("09:12:31 web.1   | {text}")),
    line("pm2", |text, _| format!("0|web  | {text}")),
    line("kubectl --prefix", |text, _| format!("[pod/web-0/web] {text}")),
    line("kubectl --prefix --timestamps", |text, number| format!("[pod/web-0/web] {}.123456789Z {text}", second(number))),
    line("stern", |text, _| format!("web-0 web {text}")),
    line("stern, coloured", |text, _| format!("\x1b[38;5;1mweb-0\x1b[0m \x1b[38;5;2mweb\x1b[0m {text}")),
    line("stern -o json", |text, _| {
        format!(r#"{{"message":{},"nodeName":"n","namespace":"m","podName":"web-0","containerName":"web"}}"#, json(text))
    }),
    line("CRI", |text, number| format!("{}.123456789Z stdout F {text}", second(number))),
    line("Docker json-file", |text, number| {
        format!(r#"{{"log":{},"stream":"stdout","time":"{}.123456789Z"}}"#, json(&format!("{text}\n")), second(number))
    }),
    line("Docker json-file with a tag", |text, number| {
        format!(r#"{{"log":{},"stream":"stdout","attrs":{{"tag":"web"}},"time":"{}.1Z"}}"#, json(&format!("{text}\n")), second(number))
    }),
    line("GELF", |text, number| {
        let second = 1_796_000_000 + number;
        format!(
            r#"{{"version":"1.1","host":"h","short_message":{},"timestamp":{second}.123,"level":6,"_container_name":"web"}}"#,
            json(text)
        )
    }),
    line("journal short", |text, number| format!("Nov 20 00:00:{:02} host web[7]: {text}", number % 60)),
    line("journal short-precise", |text, number| format!("Nov 20 00:00:{:02}.123456 host web[7]: {text}", number % 60)),
    line("journal short-iso", |text, number| format!("{}+0000 host web[7]: {text}", second(number))),
    line("journal short-iso-precise", |text, number| format!("{}.123456+00:00 host web[7]: {text}", second(number))),
    line("journal short-full", |text, number| format!("Mon {} UTC host web[7]: {text}", second(number).replace('T', " "))),
    line("journal with-unit", |text, number| format!("Mon {} CET host web@1.service[7]: {text}", second(number).replace('T', " "))),
    line("journal short-unix", |text, number| format!("{}.123456 host web[7]: {text}", 1_796_000_000 + number)),
    line("journal short-monotonic", |text, number| format!("[ {number:4}.123456] host web[7]: {text}")),
    line("journal json", entry),
    line("journal json, bytes", |text, number| {
        let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        format!(
            r#"{{"__REALTIME_TIMESTAMP":"{}123456","_SYSTEMD_UNIT":"web.service","MESSAGE":[{}]}}"#,
            1_796_000_000 + number,
            bytes.join(",")
        )
    }),
    line("journal json-seq", |text, number| format!("\x1e{}", entry(text, number))),
    line("journal json-sse", |text, number| format!("data: {}\n", entry(text, number))),
    line("RFC 3164", |text, number| format!("<190>Nov 20 00:00:{:02} host web: {text}", number % 60)),
    line("RFC 3164 without a host", |text, number| format!("<190>Nov  2 00:00:{:02} web: {text}", number % 60)),
    line("rsyslog", |text, number| format!("{}.123456+00:00 host web[7]: {text}", second(number))),
    line("busybox", |text, number| format!("Nov 20 00:00:{:02} host local7.info web: {text}", number % 60)),
    line("RFC 5424", |text, number| format!("<190>1 {}.123Z host web 7 - [meta a=\"b \\\"c\"] {text}", second(number))),
    line("RFC 5424 with a mark", |text, number| format!("<190>1 {}Z host web - - - \u{feff}{text}", second(number))),
    line("Fluent Bit stdout", |text, number| {
        format!(r#"[{number}] kube.web: [[{}.123456789, {{}}], {{"stream"=>"stdout", "log"=>{}}}]"#, 1_796_000_000 + number, json(text))
    }),
    line("Fluent Bit json_lines", |text, number| {
        format!(
            r#"{{"date":{}.123456,"log":{},"kubernetes":{{"pod_name":"web-0","container_name":"web","labels":{{"app":"x"}}}}}}"#,
            1_796_000_000 + number,
            json(text)
        )
    }),
    line("Fluentd file", |text, number| {
        format!("{}+00:00\tdocker.web\t{{\"log\":{},\"container_name\":\"/web\"}}", second(number), json(text))
    }),
    line("Vector", |text, number| {
        format!(
            r#"{{"container_name":"web","host":"h","message":{},"source_type":"docker_logs","timestamp":"{}Z"}}"#,
            json(text),
            second(number)
        )
    }),
    line("logcli", |text, number| format!(r#"{}Z {{container="web", pod="web-0"}} {text}"#, second(number))),
    line("logcli jsonl", |text, number| {
        format!(r#"{{"labels":{{"container":"web"}},"line":{},"timestamp":"{}Z"}}"#, json(text), second(number))
    }),
    line("aws logs tail", |text, number| format!("{}.123000+00:00 ecs/web/0123456789abcdef0123456789abcdef {text}", second(number))),
    line("indentation", |text, _| format!("    {text}")),
    line("quotation", |text, _| format!("> {text}")),
    line("grep", |text, _| format!("web.log.1:{text}")),
    whole("UTF-16", |texts| texts.join("\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect()),
    whole("a byte order mark", |texts| format!("\u{feff}{}\n", texts.join("\r\n")).into_bytes()),
    whole("journal json-pretty", |texts| {
        let pretty = |(number, text): (usize, &String)| {
            let value: serde_json::Value = serde_json::from_str(&entry(text, number)).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        };
        texts.iter().enumerate().map(|entry| (entry.0, entry.1)).map(pretty).collect::<Vec<_>>().join("\n").into_bytes()
    }),
    whole("journal export", |texts| {
        let entry = |(number, text): (usize, &String)| {
            format!(
                "__CURSOR=s=1;i={number}\n__REALTIME_TIMESTAMP={}123456\nSYSLOG_IDENTIFIER=web\nMESSAGE={text}\n\n",
                1_796_000_000 + number
            )
        };
        texts.iter().enumerate().map(entry).collect::<String>().into_bytes()
    }),
    whole("Loki", |texts| {
        let pairs: Vec<String> = texts.iter().map(|text| format!(r#"["1796000000123456789",{}]"#, json(text))).collect();
        let stream = format!(r#"{{"stream":{{"container":"web"}},"values":[{}]}}"#, pairs.join(","));
        format!(r#"{{"status":"success","data":{{"resultType":"streams","result":[{stream}],"stats":{{}}}}}}"#).into_bytes()
    }),
    whole("CloudWatch", |texts| {
        let event = |text: &String| serde_json::json!({"logStreamName": "web", "timestamp": 1_796_000_000_123_u64, "message": text, "eventId": "1"});
        serde_json::to_string_pretty(&serde_json::json!({"events": texts.iter().map(event).collect::<Vec<_>>()})).unwrap().into_bytes()
    }),
];

/// One log of each format.
const LOGS: [(&str, &[u8]); 12] = [
    ("nginx combined", include_bytes!("../../../samples/nginx-combined.log")),
    ("nginx, further fields", include_bytes!("../../../samples/nginx-rich.log")),
    ("nginx json", include_bytes!("../../../samples/nginx.json.log")),
    ("apache combined", include_bytes!("../../../samples/apache-combined.log")),
    ("apache, further fields", include_bytes!("../../../samples/apache-timed.log")),
    ("haproxy", include_bytes!("../../../samples/haproxy.log")),
    ("caddy", include_bytes!("../../../samples/caddy.log")),
    ("traefik", include_bytes!("../../../samples/traefik.log")),
    ("traefik json", include_bytes!("../../../samples/traefik.json.log")),
    ("synapse main", include_bytes!("../../../samples/synapse-main.log")),
    ("synapse worker", include_bytes!("../../../samples/synapse-worker.log")),
    ("synapse json", include_bytes!("../../../samples/synapse-terse.json.log")),
];

/// All that is known of each request of a file, without the process, which the dress tells.
fn requests(file: &[u8]) -> Result<Vec<String>, String> {
    let text = records::rewrite(file);
    let sample: Vec<&[u8]> = lines(&text).collect();
    // The samples are of November 2026, so that a dress without a year is of the same.
    let config = DetectConfig { changed_us: Some(1_796_083_200_000_000), ..DetectConfig::default() };
    let mut detection = detect(&sample, &config).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for line in &sample {
        if let Line::Request(mut record) = detection.parser.parse(line) {
            record.process = None;
            found.push(format!("{record:?}"));
        }
    }
    Ok(found)
}

fn dressed(dress: &Dress, texts: &[String]) -> Vec<u8> {
    match dress.write {
        Write::Line(write) => texts.iter().enumerate().map(|(number, text)| write(text, number) + "\n").collect::<String>().into_bytes(),
        Write::Whole(write) => write(texts),
    }
}

/// The first lines of a log with a request, and its requests without a dress.
fn plain(log: &[u8], count: usize) -> (Vec<String>, Vec<String>) {
    let is_request = |line: &&str| line.contains("/_matrix") || line.contains("/_synapse");
    // A collector writes text: bytes that are none are replaced.
    let log = String::from_utf8_lossy(log);
    let texts: Vec<String> = log.lines().filter(is_request).take(count).map(str::to_owned).collect();
    let requests = requests((texts.join("\n") + "\n").as_bytes()).unwrap();
    assert!(!requests.is_empty());
    (texts, requests)
}

fn check(name: &str, file: &[u8], expected: &[String], failures: &mut Vec<String>) {
    match requests(file) {
        Ok(found) if found == expected => {}
        Ok(found) => {
            let difference = expected.iter().zip(&found).find(|(one, other)| one != other).map(|(one, other)| {
                let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count().saturating_sub(40);
                let piece = |text: &str| text.chars().skip(same).take(120).collect::<String>();
                (piece(one), piece(other))
            });
            failures.push(format!("{name}: {} requests of {}; {difference:?}", found.len(), expected.len()));
        }
        Err(error) => failures.push(format!("{name}: {error}")),
    }
}

#[test]
fn a_dress_does_not_change_the_requests_of_any_format() {
    let mut failures = Vec::new();
    for (name, log) in LOGS {
        let (texts, expected) = plain(log, 5);
        for dress in &DRESSES {
            check(&format!("{name} in {}", dress.name), &dressed(dress, &texts), &expected, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

/// Every dress in every other, with the formats by turns; a part of the inner ones, because each test has a core of its own.
fn check_nested(part: usize) {
    let mut failures = Vec::new();
    let logs: Vec<_> = LOGS.iter().map(|(name, log)| (name, plain(log, 3))).collect();
    let mut turn = part;
    for inner in DRESSES.iter().skip(part).step_by(PARTS) {
        let Write::Line(write) = inner.write else { continue };
        // An event of the server-sent kind is followed by an empty line.
        if inner.name == "journal json-sse" {
            continue;
        }
        for outer in &DRESSES {
            turn += 1;
            let (name, (texts, expected)) = &logs[turn % logs.len()];
            let texts: Vec<String> = texts.iter().enumerate().map(|(number, text)| write(text, number)).collect();
            check(&format!("{name} in {} in {}", inner.name, outer.name), &dressed(outer, &texts), expected, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

const PARTS: usize = 4;

#[test]
fn a_dress_over_a_dress_does_not_change_the_requests() {
    check_nested(0);
}

#[test]
fn a_dress_over_a_dress_does_not_change_the_requests_2() {
    check_nested(1);
}

#[test]
fn a_dress_over_a_dress_does_not_change_the_requests_3() {
    check_nested(2);
}

#[test]
fn a_dress_over_a_dress_does_not_change_the_requests_4() {
    check_nested(3);
}

#[test]
fn processes_are_told_apart_by_every_dress_that_names_them() {
    let (texts, _) = plain(LOGS[9].1, 4);
    for dress in DRESSES.iter().filter(|dress| {
        !matches!(
            dress.name,
            "docker logs -t"
                | "CRI"
                | "Docker json-file"
                | "indentation"
                | "quotation"
                | "UTF-16"
                | "a byte order mark"
                | "Fluent Bit stdout"
        )
    }) {
        let text = records::rewrite(&dressed(dress, &texts));
        let sample: Vec<&[u8]> = lines(&text).collect();
        let mut detection = detect(&sample, &DetectConfig::default()).unwrap();
        let mut named = 0;
        for line in &sample {
            if let Line::Request(record) = detection.parser.parse(line) {
                let name = String::from_utf8_lossy(record.process.unwrap_or_default()).into_owned();
                assert!(name.contains("web") || name == "1", "{}: {name:?}", dress.name);
                named += 1;
            }
        }
        assert!(named > 0, "{}: {}", dress.name, detection.reason);
    }
}

/// What is said of the format of a sample.
fn chosen(sample: &[&[u8]]) -> String {
    match detect(sample, &DetectConfig::default()) {
        Ok(detection) => format!("{}: {} {:?}", detection.name, detection.reason, detection.stamp_note),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_file_before_does_not_decide_about_the_next() {
    let sample = |log: &'static [u8]| lines(log).filter(|line| !line.is_empty()).take(12).collect::<Vec<_>>();
    let mut samples: Vec<Vec<&[u8]>> = LOGS.iter().map(|(_, log)| sample(log)).collect();
    // Of two programs, and of one with a line that nothing reads.
    samples.push([samples[0].as_slice(), samples[9].as_slice()].concat());
    samples.push([samples[5].as_slice(), &[b"\xff\xfe\x16"]].concat());
    for next in &samples {
        // A thread of its own has seen no file.
        let alone = std::thread::scope(|scope| scope.spawn(|| chosen(next)).join().unwrap());
        for before in &samples {
            chosen(before);
            assert_eq!(chosen(next), alone);
        }
    }
}
