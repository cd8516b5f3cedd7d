use super::*;
use crate::formats::testing::{malformed, request, stamps, text};

const SYNC: &str = r#"203.0.113.7:51034 [02/Jan/2026:15:04:05.123] https~ matrix_sync/w2 0/0/1/29998/30000 200 812 - - ---- 41/40/12/3/0 0/0 {Bearer syt_YWxpY2U_xxx|Element/1.11} "GET /_matrix/client/v3/sync?since=s1_2 HTTP/1.1""#;

fn haproxy() -> Haproxy {
    Haproxy::new(stamps())
}

#[test]
fn a_request_is_read_after_every_prefix() {
    for prefix in [
        "",
        "Jan  2 15:04:35 lb haproxy[1234]: ",
        "<134>Jan  2 15:04:35 lb haproxy[1234]: ",
        "<134>1 2026-01-02T15:04:35.123+00:00 lb haproxy 1234 - - ",
        "2026-01-02T15:04:35+0000 lb haproxy[1234]: ",
        "2026-01-02T15:04:35.1Z stdout F ",
    ] {
        let line = format!("{prefix}{SYNC}");
        let mut parser = haproxy();
        let record = request(&mut parser, &line);
        assert_eq!(record.arrival_us(), Some(1_767_366_245_123_000), "{prefix}");
        assert_eq!((record.wall_us, record.upstream_us), (Some(30_000_000), Some(29_999_000)));
        assert_eq!((text(record.address.unwrap()), text(&record.upstream.unwrap())), ("203.0.113.7".into(), "matrix_sync/w2".into()));
        assert_eq!(
            (text(&record.authorization.unwrap()), text(&record.agent.unwrap())),
            ("Bearer syt_YWxpY2U_xxx".into(), "Element/1.11".into())
        );
        assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?since=s1_2".into()));
        assert_eq!((record.status, record.bytes_sent, record.aborted), (200, Some(812), false));
    }
}

#[test]
fn six_timers_begin_with_the_handshakes() {
    let mut parser = haproxy();
    let line = SYNC.replace("0/0/1/29998/30000", "7/0/0/1/29998/30000").replace("{Bearer syt_YWxpY2U_xxx|", "{matrix.example.org||");
    let record = request(&mut parser, &line);
    assert_eq!((record.wall_us, record.upstream_us), (Some(30_000_000), Some(29_999_000)));
    assert_eq!((text(record.site.unwrap()), text(&record.agent.unwrap())), ("matrix.example.org".into(), "Element/1.11".into()));
    assert_eq!(malformed(&mut haproxy(), &SYNC.replace("0/0/1/", "7/7/0/0/1/")).expected, "five timers such as 0/0/1/2/3");
}

#[test]
fn a_host_before_the_path_is_the_site() {
    let mut parser = haproxy();
    let line = SYNC.replace("GET /_matrix", "GET matrix.example.org/_matrix").replace("{Bearer syt_YWxpY2U_xxx|Element/1.11} ", "");
    let record = request(&mut parser, &line);
    assert_eq!(
        (text(record.site.unwrap()), text(&record.target)),
        ("matrix.example.org".into(), "/_matrix/client/v3/sync?since=s1_2".into())
    );
}

#[test]
fn a_cancelled_long_poll_has_no_status() {
    let mut parser = haproxy();
    let record = request(
        &mut parser,
        r#"Jan  2 15:04:40 lb haproxy[1234]: 203.0.113.7:51040 [02/Jan/2026:15:04:11.000] https~ matrix_sync/w2 0/0/1/-1/29000 -1 0 - - CH-- 41/40/12/3/0 0/0 "GET https://matrix.example.org/_matrix/client/v3/sync HTTP/2.0""#,
    );
    assert!(record.aborted);
    assert_eq!((record.status, record.wall_us, record.upstream_us), (0, Some(29_000_000), None));
    assert_eq!(text(&record.target), "https://matrix.example.org/_matrix/client/v3/sync");
}

#[test]
fn without_a_server_there_is_no_upstream() {
    let mut parser = haproxy();
    let record = request(
        &mut parser,
        r#"192.0.2.10:8448 [02/Jan/2026:15:04:41.000] matrix-federation~ matrix/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 3/1/0/0/0 0/0 "PUT /_matrix/federation/v1/send/1 HTTP/1.1""#,
    );
    assert_eq!((record.upstream, record.upstream_tries, record.status), (None, 0, 503));
}

#[test]
fn an_unreadable_request_is_still_a_request() {
    let mut parser = haproxy();
    let record = request(
        &mut parser,
        r#"198.51.100.9:4000 [02/Jan/2026:15:04:42.001] https~ https/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 3/1/0/0/0 0/0 "<BADREQ>""#,
    );
    assert_eq!((record.status, record.method, &*record.target), (400, &b""[..], &b""[..]));
}

#[test]
fn captured_headers_are_recognised_by_their_form() {
    let head = "::1:4000 [02/Jan/2026:15:04:42.001] matrix main/main 0/0/0/5/5 200 +10 - - ---- 3/1/0/0/+1 0/0";
    for (captures, agent, site) in [
        (
            "{Element X/1.0.4 (Pixel 8; Android 14; 4a2b; Sdk 24.6)|127.0.0.1:28090} {}",
            "Element X/1.0.4 (Pixel 8; Android 14; 4a2b; Sdk 24.6)",
            "127.0.0.1:28090",
        ),
        ("{gomuks/0.3.1 #22quoted\\agent#22|test.local} {167}", "gomuks/0.3.1 \"quoted\\agent\"", "test.local"),
        ("{|} {208}", "", ""),
        ("{tab#09here #F0#9F#92#A9|test.local} {}", "", "test.local"),
        ("{Mozilla/5.0 (X11; {x} y) z|[::1]:443} {}", "Mozilla/5.0 (X11; {x} y) z", "[::1]:443"),
        ("{}", "", ""),
    ] {
        let line = format!("{head} {captures} \"GET / HTTP/1.1\"");
        let mut parser = haproxy();
        let record = request(&mut parser, &line);
        assert_eq!(text(&record.agent.unwrap_or_default()), agent, "{captures}");
        assert_eq!(text(record.site.unwrap_or_default()), site, "{captures}");
        assert_eq!((record.address, record.bytes_sent, record.upstream_tries), (Some(&b"::1"[..]), None, 2));
    }
}

#[test]
fn variants_of_the_tail_and_the_timers() {
    let head = "1.2.3.4:5 [02/Jan/2026:15:04:42.001] m~ b/s";
    for tail in [
        r#"0/0/0/5/+7 200 +10 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1""#,
        r#"0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1" 0/0000000000000000/0/0/0 matrix.example.org/TLSv1.3/TLS_AES_256_GCM_SHA384"#,
        r#"0/0/0/5/7 200 10 a=b c=d --VN 1/1/1/1/0 0/0 "GET /cut/off"#,
        r#"0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET /cut?aaa""#,
    ] {
        let line = format!("{head} {tail}");
        let mut parser = haproxy();
        match parser.parse(line.as_bytes()) {
            Line::Request(record) => {
                assert!(record.target.starts_with(b"/"));
                assert_eq!(record.wall_us.is_none(), tail.contains("/+7"));
            }
            Line::Malformed(error) => {
                assert_eq!((error.expected, tail.ends_with("off")), ("a closing quote after the request line", true));
            }
            Line::NotRequest => panic!("{line}"),
        }
    }
}

#[test]
fn a_line_that_haproxy_truncated_is_a_request_but_a_shorter_one_is_not() {
    let head = r#"1.2.3.4:5 [02/Jan/2026:15:04:42.001] m~ b/s 0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET /sync?"#;
    let line = format!("{head}{}", "a".repeat(1019 - head.len()));
    assert_eq!(request(&mut haproxy(), &line).target.len(), 1019 - head.len() + "/sync?".len());
    assert_eq!(malformed(&mut haproxy(), &line[..900]).expected, "a closing quote after the request line");
}

#[test]
fn other_messages_are_no_requests() {
    for line in [
        "Jan  2 15:04:35 lb haproxy[1234]: Proxy matrix started.",
        "Jan  2 15:04:35 lb haproxy[1234]: Server client/generic_worker2 is DOWN, reason: Layer4 connection problem, check duration: 0ms.",
        "Jan  2 15:04:35 lb haproxy[1234]: 203.0.113.7:51034 [02/Jan/2026:15:04:05.123] https/1: SSL handshake failure",
        "203.0.113.7:51034 [02/Jan/2026:15:04:05.123] tcp tcp/s1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        "[NOTICE]   (20814) : New worker (20816) forked",
        "",
    ] {
        assert_eq!(haproxy().parse(line.as_bytes()), Line::NotRequest, "{line}");
    }
}

#[test]
fn a_line_truncated_anywhere_is_malformed_or_no_request() {
    let line = format!("Jan  2 15:04:35 lb haproxy[1234]: {SYNC}");
    let message = line.len() - SYNC.len() + "203.0.113.7:51034 ".len();
    for cut in 0..line.len() {
        match haproxy().parse(&line.as_bytes()[..cut]) {
            Line::Request(_) => panic!("cut at {cut}"),
            Line::NotRequest => assert!(cut < message, "cut at {cut}"),
            Line::Malformed(error) => assert!(error.column <= cut),
        }
    }
    assert!(malformed(&mut haproxy(), &line[..message + 3]).expected.contains("time"));
}

#[test]
fn the_clf_form_is_read_too() {
    let mut parser = clf(stamps());
    let record = request(
        &mut parser,
        r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/v3/sync HTTP/1.1" 200 812 "" "" 51034 123 "https~" "matrix_sync" "w2" 0 0 1 29998 30000 "----" 41 40 12 3 0 0 0 "" "" "Element/1.11" """#,
    );
    assert_eq!(record.arrival_us(), Some(1_767_366_245_123_000));
    assert_eq!((record.wall_us, text(&record.upstream.unwrap())), (Some(30_000_000), "w2".into()));
}
