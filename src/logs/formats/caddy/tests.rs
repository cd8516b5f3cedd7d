//! Tests of the reading of Caddy's lines.

use proptest::prelude::*;

use super::*;
use crate::Ambiguity;
use crate::formats::testing::{malformed, request, stamps, survives, tally, text};

fn parser() -> Caddy {
    Caddy::new(stamps())
}

fn stamp_of(line: &str) -> Option<(i64, u32)> {
    request(&mut parser(), line).stamp.map(|stamp| (stamp.micros, stamp.resolution_us))
}

#[test]
fn a_time_of_day_without_a_day_is_no_time() {
    assert_eq!(span(b"12:00:00 INFO", [b"", b"12:00:00"]), b"12:00:00");
    let line = LINE.find('{').map(|at| format!("12:00:00 INFO http.log.access {}", &LINE[at..])).unwrap();
    let (requests, others, malformed) = tally(&mut parser(), line.as_bytes());
    assert_eq!(requests + others + malformed, 1);
}

#[test]
fn a_request_is_read_completely() {
    let mut parser = parser();
    let record = request(&mut parser, LINE);
    assert_eq!(text(record.method), "GET");
    assert_eq!(text(&record.target), "/_matrix/client/v3/sync?since=s1_2");
    assert_eq!((record.status, record.aborted, record.wall_us), (200, false, Some(30_000_612)));
    assert_eq!((record.bytes_sent, record.bytes_received), (Some(412), Some(0)));
    assert_eq!((record.address, record.site), (Some(&b"203.0.113.7"[..]), Some(&b"matrix.example.org"[..])));
    assert_eq!((record.agent.as_deref(), record.authorization.as_deref()), (Some(&b"Element/1.11"[..]), None));
    assert_eq!(
        record.stamp,
        Some(Stamp { micros: 1_767_366_245_123_456, resolution_us: 1, meaning: StampMeaning::End, ambiguity: Ambiguity::None })
    );
    assert_eq!((record.user, record.upstream, record.upstream_us, record.upstream_tries), (None, None, None, 0));
}

#[test]
fn every_time_format_is_read() {
    let read = |time: &str| stamp_of(&LINE.replace("1767366245.123456", time));
    assert_eq!(read("\"2026-01-02T15:04:05.123Z\""), Some((1_767_366_245_123_000, 1000)));
    assert_eq!(read("\"2026-01-02T16:04:05+01:00\""), Some((1_767_366_245_000_000, 1_000_000)));
    assert_eq!(read("\"2026/01/02 15:04:05.123\""), Some((1_767_366_245_123_000, 1000)));
    assert_eq!(read("1767366245123"), Some((1_767_366_245_123_000, 1000)));
    assert_eq!(read("1767366245123.4"), Some((1_767_366_245_123_000, 1)));
    assert_eq!(read("1767366245123456789"), Some((1_767_366_245_123_456, 1)));
    assert_eq!(read("1767366245.5"), Some((1_767_366_245_500_000, 1)));
}

#[test]
fn a_duration_is_read_if_its_unit_is_certain() {
    let read = |duration: &str| request(&mut parser(), &LINE.replace("30.000612", duration)).wall_us;
    assert_eq!(read("0.000012"), Some(12));
    assert_eq!(read("1.2e-5"), Some(12));
    assert_eq!(read("\"30.0006s\""), Some(30_000_600));
    assert_eq!(read("\"1.2ms\""), Some(1200));
    assert_eq!(read("\"340µs\""), Some(340));
    assert_eq!(read("\"1m2.5s\""), Some(62_500_000));
    assert_eq!(read("\"1h0m0.25s\""), Some(3_600_250_000));
    assert_eq!(read("30000612000"), Some(30_000_612));
    assert_eq!(read("412"), Some(412_000));
    assert_eq!(read("0"), Some(0));
    assert_eq!(read("30001"), None);
    assert_eq!(read("\"soon\""), None);
    assert_eq!(read("\"\""), None);
    assert_eq!(read("-1.5"), None);
}

#[test]
fn whole_numbers_have_the_unit_that_the_sample_shows() {
    let line = LINE.replace("30.000612", "30001").replace("since=s1_2", "timeout=30000");
    let mut parser = parser();
    parser.study(&[line.as_bytes()]);
    assert_eq!(parser.notes(), ["`duration` read in milliseconds"]);
    assert_eq!(request(&mut parser, &line).wall_us, Some(30_001_000));
    parser.study(&[LINE.as_bytes()]);
    assert!(parser.notes().is_empty());
    assert_eq!(malformed(&mut parser, &LINE.replace("30.000612", "7201.5")).expected, "a duration that a request can have");
}

#[test]
fn older_releases_and_hidden_credentials_are_read() {
    let old = LINE
        .replace(r#""remote_ip":"203.0.113.7","remote_port":"51034","client_ip":"203.0.113.7""#, r#""remote_addr":"[2001:db8::1]:51034""#);
    assert_eq!(request(&mut parser(), &old).address, Some(&b"2001:db8::1"[..]));
    let shown = LINE.replace("REDACTED", "Bearer syt_x");
    assert_eq!(request(&mut parser(), &shown).authorization.as_deref(), Some(&b"Bearer syt_x"[..]));
    let empty = LINE.replace("[\"REDACTED\"]", "[]");
    assert_eq!(request(&mut parser(), &empty).authorization, None);
    let many = LINE.replace("[\"Element/1.11\"]", r#"["a\"b","second",{"x":1}]"#);
    assert_eq!(request(&mut parser(), &many).agent.as_deref(), Some(&b"a\"b"[..]));
}

#[test]
fn members_of_log_append_are_read() {
    let line = LINE.replace("\"size\"", r#""upstream":"127.0.0.1:8081","upstream_latency":"29.5ms","size""#);
    let mut parser = parser();
    let record = request(&mut parser, &line);
    assert_eq!(record.upstream.as_deref(), Some(&b"127.0.0.1:8081"[..]));
    assert_eq!((record.upstream_us, record.upstream_tries), (Some(29_500), 1));
    let line = LINE.replace("\"size\"", r#""upstream_latency_ms":29.5,"size""#);
    assert_eq!(request(&mut parser, &line).upstream_us, Some(29_500));
}

#[test]
fn no_response_is_an_abort_unless_no_handler_accepted_the_request() {
    assert!(request(&mut parser(), &LINE.replace(":200", ":0")).aborted);
    assert!(!request(&mut parser(), &LINE.replace(":200", ":0").replace("handled request", "NOP")).aborted);
}

#[test]
fn the_console_form_is_read() {
    let json = &LINE[LINE.find("{\"remote_ip\"").unwrap()..];
    for head in [
        "2026/01/02 15:04:05.123\tINFO\thttp.log.access.log0\thandled request\t",
        "2026/01/02 15:04:05.123 INFO http.log.access.log0 handled request ",
        "2026/01/02 15:04:05.123\t\u{1b}[34mINFO\u{1b}[0m\thttp.log.access\thandled request\t",
        "Jan 02 15:04:06 host caddy[12]: 1767366245.123\tinfo\thttp.log.access\thandled request\t",
        "caddy-1  | 2026-01-02T15:04:05.123Z\tERROR\thttp.log.access\thandled request\t",
    ] {
        let line = format!("{head}{{\"request\": {json}");
        assert_eq!(stamp_of(&line).map(|(micros, _)| micros), Some(1_767_366_245_123_000), "{line}");
        let other = line.replace("log.access", "handlers.reverse_proxy");
        assert_eq!(parser().parse(other.as_bytes()), Line::NotRequest);
    }
}

#[test]
fn other_lines_are_no_requests() {
    for line in [
        "",
        "goroutine 1 [running]:",
        "main.main({0x0, 0x1})",
        r#"{"level":"info","ts":1767366245.1,"logger":"admin","msg":"admin endpoint started"}"#,
        &LINE.replace("http.log.access.log0", "http.log.error"),
        &LINE.replace("http.log.access.log0", "http.handlers.reverse_proxy"),
        &LINE
            .replace(r#""logger":"http.log.access.log0","#, "")
            .replace("\"size\"", r#""err_id":"9qfb1k","err_trace":"reverseproxy","size""#),
        "2026/01/02 15:04:05.123\tINFO\tserving initial configuration",
    ] {
        assert_eq!(parser().parse(line.as_bytes()), Line::NotRequest, "{line}");
    }
}

#[test]
fn a_line_truncated_anywhere_is_malformed() {
    for end in 1..LINE.len() {
        assert!(malformed(&mut parser(), &LINE[..end]).column <= end);
    }
    assert_eq!(malformed(&mut parser(), &LINE[300..]).column, 0);
}

#[test]
fn the_sample_adds_up() {
    assert_eq!(tally(&mut parser(), include_bytes!("../../../../samples/caddy.log")), (24, 0, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..700, cut in 0usize..40) {
        survives(parser, LINE, &noise, at, cut);
    }

    #[test]
    fn no_text_is_a_duration_that_panics(text in "[0-9.hmsuµn-]{0,20}") {
        written_duration(text.as_bytes());
        duration(text.as_bytes());
    }
}

const LINE: &str = r#"{"level":"info","ts":1767366245.123456,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"203.0.113.7","remote_port":"51034","client_ip":"203.0.113.7","proto":"HTTP/2.0","method":"GET","host":"matrix.example.org","uri":"/_matrix/client/v3/sync?since=s1_2","headers":{"User-Agent":["Element/1.11"],"Authorization":["REDACTED"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"matrix.example.org"}},"bytes_read":0,"user_id":"","duration":30.000612,"size":412,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Type":["application/json"]}}"#;
