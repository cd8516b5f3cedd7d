//! Every known log in the dress of every collector, and of every pair of collectors, gives the same requests.

mod dresses;

use std::collections::BTreeSet;

use self::dresses::{DRESSES, Dress, Write};
use crate::blocks::lines;
use crate::collectors::{Clock, Wrapper, chain_of};
use crate::detect::{DetectConfig, FORMATS, detect};
use crate::{Line, StampReader, Zone, records};

/// Logs that programs wrote.
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

/// Three requests in every format that is built in.
const EVERY_FORMAT: &str = include_str!("../../../tests/logs/every-format.txt");

/// A log, with its requests without a dress.
struct Log {
    name: String,
    texts: Vec<String>,
    requests: Vec<String>,
}

/// All logs, those of programs with this number of lines.
fn logs(count: usize) -> Vec<Log> {
    let of_programs = LOGS.iter().map(|(name, log)| {
        let (texts, requests) = plain(log, count);
        Log { name: (*name).to_owned(), texts, requests }
    });
    let built_in = EVERY_FORMAT.split("\n# ").skip(1).map(|section| {
        let (name, lines) = section.split_once('\n').unwrap();
        let texts: Vec<String> = lines.trim_end().lines().map(str::to_owned).collect();
        let requests = requests((texts.join("\n") + "\n").as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(requests.len(), 3, "{name}");
        Log { name: name.to_owned(), texts, requests }
    });
    of_programs.chain(built_in).collect()
}

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

/// Every format in every dress; a part of the formats, because each test has a core of its own.
fn check_single(part: usize) {
    let mut failures = Vec::new();
    for Log { name, texts, requests } in logs(5).into_iter().skip(part).step_by(PARTS) {
        for dress in &DRESSES {
            check(&format!("{name} in {}", dress.name), &dressed(dress, &texts), &requests, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_dress_does_not_change_the_requests_of_any_format() {
    check_single(0);
}

#[test]
fn a_dress_does_not_change_the_requests_of_any_format_2() {
    check_single(1);
}

#[test]
fn a_dress_does_not_change_the_requests_of_any_format_3() {
    check_single(2);
}

#[test]
fn a_dress_does_not_change_the_requests_of_any_format_4() {
    check_single(3);
}

#[test]
fn every_format_is_among_the_logs_and_is_recognised() {
    let stamps = StampReader::new(Zone::utc());
    let logs = logs(3);
    let mut failures = Vec::new();
    for (name, format) in FORMATS {
        let Some(log) = logs.iter().find(|log| log.name == name) else {
            failures.push(format!("{name}: no log"));
            continue;
        };
        let sample: Vec<&[u8]> = log.texts.iter().map(String::as_bytes).collect();
        let found = detect(&sample, &DetectConfig::default()).map(|detection| detection.name).unwrap_or_default();
        let is_right = format.parsers(&stamps).iter().any(|parser| {
            // The kinds of Envoy's and Caddy's logs have names of their own.
            parser.name().split(' ').next() == found.split(' ').next()
        });
        if !is_right {
            failures.push(format!("{name}: read as {found}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_wrapper_is_that_of_a_dress() {
    let mut clock = Clock::new(StampReader::new(Zone::utc()), 1_796_083_200_000_000);
    let mut worn = BTreeSet::new();
    for Log { texts, .. } in logs(3) {
        for dress in &DRESSES {
            for line in lines(&records::rewrite(&dressed(dress, &texts))) {
                worn.extend(chain_of(line, &mut clock));
            }
        }
    }
    // Quotes and alignment are a part of the line, so that not every line can wear them; the mark goes with the kind of a file.
    let missing: Vec<_> = Wrapper::ALL.into_iter().filter(|wrapper| !worn.contains(wrapper)).collect();
    assert!(missing.iter().all(|wrapper| matches!(wrapper, Wrapper::Aligned | Wrapper::Quotes | Wrapper::Mark)), "{missing:?}");
}

/// Every dress in every other, with the formats by turns; a part of the inner ones, because each test has a core of its own.
fn check_nested(part: usize) {
    let mut failures = Vec::new();
    let logs = logs(3);
    let mut turn = part;
    for inner in DRESSES.iter().skip(part).step_by(PARTS) {
        let Write::Line(write) = inner.write else { continue };
        // An event of the server-sent kind is followed by an empty line.
        if inner.name == "journal json-sse" {
            continue;
        }
        for outer in &DRESSES {
            turn += 1;
            let Log { name, texts, requests } = &logs[turn % logs.len()];
            let texts: Vec<String> = texts.iter().enumerate().map(|(number, text)| write(text, number)).collect();
            check(&format!("{name} in {} in {}", inner.name, outer.name), &dressed(outer, &texts), requests, &mut failures);
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
                | "a service's priority"
                | "numbers of lines"
                | "UTF-16, the other order"
                | "parts of a container runtime"
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
