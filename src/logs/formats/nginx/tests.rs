use super::*;
use crate::formats::testing::{malformed, request, stamps, text};
use crate::{Line, Parser, StampMeaning};
use proptest::prelude::*;

const AT: i64 = 1_767_366_245_000_000; // 02/Jan/2026:15:04:05 +0000
const SYNC: &str =
    r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/v3/sync?since=s1_2 HTTP/2.0" 200 412 "-" "Element/1.11""#;

fn parser(format: &str) -> TextParser {
    LogFormat::parse(format).unwrap().parser("test", stamps()).unwrap()
}

#[test]
fn the_predefined_formats_compile() {
    for parser in [combined(stamps()), main(stamps()), vhost(stamps()), vhost_port(stamps())] {
        assert_eq!(parser.meaning(), Some(StampMeaning::End));
    }
}

#[test]
fn a_combined_line_is_read_completely() {
    let mut parser = combined(stamps());
    let record = request(&mut parser, SYNC);
    assert_eq!((record.address, record.user), (Some(&b"203.0.113.7"[..]), None));
    assert_eq!(record.stamp.unwrap().micros, AT);
    assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?since=s1_2".into()));
    assert_eq!((record.status, record.bytes_sent, record.aborted), (200, Some(412), false));
    assert_eq!(text(&record.agent.unwrap()), "Element/1.11");
}

#[test]
fn a_line_that_fits_the_format_is_a_request_whatever_the_client_sent() {
    for (sent, status, method, target) in [
        (r"\x16\x03\x01\x02\x00\x01", 400, "", ""),
        ("", 400, "", ""),
        ("-", 400, "", ""),
        ("PRI * HTTP/2.0", 400, "PRI", "*"),
        ("HELP", 400, "HELP", ""),
        ("CONNECT example.org:443 HTTP/1.1", 400, "CONNECT", "example.org:443"),
        ("GET /_matrix/client/v3/sync?aaaa", 414, "GET", "/_matrix/client/v3/sync?aaaa"),
        (r"GET /rooms/!a%22b\x22c?x=\x22y\x22  HTTP/1.1", 401, "GET", "/rooms/!a%22b\"c?x=\"y\""),
    ] {
        let line = format!(r#"198.51.100.9 - - [02/Jan/2026:15:04:06 +0000] "{sent}" {status} 157 "-" "-""#);
        let mut parser = combined(stamps());
        let record = request(&mut parser, &line);
        assert_eq!((record.status, text(record.method), text(&record.target)), (status, method.into(), target.into()), "{sent}");
    }
}

#[test]
fn only_text_with_an_escape_is_copied() {
    use std::borrow::Cow::Borrowed;
    let mut parser = vhost_port(stamps());
    let record = request(
        &mut parser,
        r#"matrix.example.org:443 203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "PUT /a%3Ab HTTP/1.1" 200 59 "https://app.example.org/" "Mozilla/5.0 (X11) \x22q\x22""#,
    );
    assert!(matches!(record.target, Borrowed(b"/a%3Ab")));
    assert!(matches!(record.agent, Some(Borrowed(agent)) if agent == br"Mozilla/5.0 (X11) \x22q\x22"));
    assert_eq!(record.site, Some(&b"matrix.example.org"[..]));
}

#[test]
fn a_rich_line_has_durations_upstreams_and_users() {
    let mut parser = parser(
        r#"'$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
           'rt=$request_time uct=$upstream_connect_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status '
           'user=$uhash grp=$grp rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id';"#,
    );
    let head = r#"::1 - a b [2026-01-02T15:04:05+00:00] "GET / HTTP/2.0" 499 657 "-" "-""#;
    let line = format!(
        "{head} rt=5.602 uct=0.000, 0.000 urt=5.281, 0.321 : - ua=127.0.0.1:8081, 127.0.0.1:8082 : unix:/run/w.sock us=502, 200 : - user=bf0b grp=sync rl=147 conn=109/198 tls=TLSv1.2 rid=0b6d0e7e8bb2e53071890367de78e425"
    );
    let record = request(&mut parser, &line);
    assert_eq!((record.wall_us, record.upstream_us, record.upstream_tries), (Some(5_602_000), Some(5_602_000), 3));
    assert_eq!(text(&record.upstream.unwrap()), "unix:/run/w.sock");
    assert_eq!((text(&record.user.unwrap()), record.bytes_received, record.aborted), ("bf0b".into(), Some(147), true));
    assert_eq!(text(record.request_id.unwrap()), "0b6d0e7e8bb2e53071890367de78e425");

    let line = format!("{head} rt=0.000 uct=- urt=- ua=- us=- user= grp= rl=0 conn=86/1 tls=- rid=0b6d0e7e8bb2e53071890367de78e425");
    let record = request(&mut parser, &line);
    assert_eq!((record.upstream, record.upstream_us, record.upstream_tries), (None, None, 0));
    assert_eq!(text(&record.user.unwrap()), "a b");

    let cut = &line[..line.len() - 1];
    assert_eq!(malformed(&mut parser, cut).expected, "a request ID of 32 hexadecimal digits");
}

#[test]
fn a_time_may_be_in_other_units_than_seconds() {
    for (name, value) in [
        ("request_time_ms", "30004"),
        ("request_time_us", "30004000"),
        ("request_time_ns", "30004000000"),
        ("request_time_s", "30.004"),
        ("request_time_unit", "30.004s"),
    ] {
        let mut parser =
            parser(&format!("$request_method $request_uri $status ${name} ${{upstream_{}}}", &name.replace("request", "response")));
        let line = format!("GET /a 200 {value} {value}");
        let record = request(&mut parser, &line);
        assert_eq!((record.wall_us, record.upstream_us), (Some(30_004_000), Some(30_004_000)), "{name}");
    }
    let mut parser = parser("$time_ms $request_method $request_uri $status");
    assert_eq!(request(&mut parser, "1767366245123 GET /a 200").stamp.unwrap().micros, AT + 123_000);
}

#[test]
fn something_else_read_as_a_duration_is_malformed() {
    let mut parser = parser("\"$request\" $status $upstream_response_time");
    assert_eq!(malformed(&mut parser, r#""GET / HTTP/1.1" 200 1715677921.123"#).expected, "a duration that a request can have");
}

#[test]
fn a_user_key_that_is_a_whole_header_is_a_secret() {
    let mut parser = parser(r#""$request" $status user="$mxid_localpart""#);
    for header in ["Bearer mct_x", r"X-Matrix origin=\x22a\x22", "syt_YWxpY2U_x_y"] {
        let line = format!(r#""GET / HTTP/1.1" 200 user="{header}""#);
        let record = request(&mut parser, &line);
        assert_eq!(record.user, None);
        assert!(record.authorization.is_some());
    }
    let record = request(&mut parser, r#""GET / HTTP/1.1" 200 user="YWxpY2U""#);
    assert_eq!(text(&record.user.unwrap()), "YWxpY2U");
}

#[test]
fn parts_of_a_request_make_a_target_and_the_raw_one_wins() {
    let mut parts = parser("$msec $request_method $uri?$args $status");
    let record = request(&mut parts, "1767366245.123 GET /rooms/a b%?since=%20 200");
    assert_eq!(text(&record.target), "/rooms/a%20b%25?since=%20");
    assert_eq!(record.stamp.unwrap().resolution_us, 1000);
    let mut raw = parser(r#"$uri "$request" $status"#);
    assert_eq!(text(&request(&mut raw, r#"/decoded "GET /ra%77 HTTP/1.1" 200"#).target), "/ra%77");
    let mut joined = parser("$request_method $uri$is_args$args $status");
    assert_eq!(text(&request(&mut joined, "GET /a?b 200").target), "/a?b");
}

#[test]
fn unquoted_text_with_spaces_ends_where_the_rest_fits() {
    let mut parser = parser("$remote_addr $request $status $http_user_agent $request_time $upstream_addr $upstream_response_time");
    let record = request(&mut parser, "::1 GET /a 200 b HTTP/1.1 404 curl 200 (x) 0.003 1.1.1.1:1, 2.2.2.2:2 : 3.3.3.3:3 0.001, - : 0.002");
    assert_eq!((text(&record.target), record.status), ("/a 200 b".into(), 404));
    assert_eq!((text(&record.agent.unwrap()), record.wall_us), ("curl 200 (x)".into(), Some(3000)));
    assert_eq!((text(&record.upstream.unwrap()), record.upstream_us), ("3.3.3.3:3".into(), Some(3000)));
}

#[test]
fn the_forwarded_address_counts_only_behind_a_proxy_of_the_same_installation() {
    let mut parser = main(stamps());
    for (peer, forwarded, address) in [
        ("10.0.0.1", "203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("127.0.0.1", "-", "127.0.0.1"),
        ("unix:", "2001:db8::1", "2001:db8::1"),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
    ] {
        let line = format!(r#"{} "{forwarded}""#, SYNC.replace("203.0.113.7", peer));
        assert_eq!(text(request(&mut parser, &line).address.unwrap()), address);
    }
}

#[test]
fn an_ipv6_host_keeps_its_colons() {
    let mut parser = vhost_port(stamps());
    let line = format!("[::1]:443 {SYNC}");
    assert_eq!(text(request(&mut parser, &line).site.unwrap()), "[::1]");
}

#[test]
fn a_format_may_be_written_in_every_way() {
    let plain = LogFormat::parse("$host [$time_local] \"$request\" $status").unwrap();
    for written in [
        "'$host [$time_local] ' '\"$request\" $status'",
        "'$host [$time_local] '\n    \"\\\"$request\\\" $status\";",
        "log_format main '$host [$time_local] ' '\"$request\" $status';",
        "log_format main escape=default '$host [$time_local] \"$request\" $status'",
        "escape=default $host [$time_local] \"$request\" $status",
    ] {
        let format = LogFormat::parse(written).unwrap();
        assert_eq!((format.text(), format.escape), (plain.text(), Escaping::Default), "{written}");
    }
    let mut braces = parser("${host} [${time_local}]\"${request}\"${status}x");
    assert_eq!(request(&mut braces, "h [02/Jan/2026:15:04:05 +0000]\"GET / HTTP/1.1\"200x").status, 200);
    assert_eq!(LogFormat::parse("escape=none '$request'").unwrap().escape, Escaping::None);
}

#[test]
fn without_escapes_a_quote_in_a_field_is_part_of_it() {
    let mut parser = parser(r#"escape=none "$request" $status "$http_user_agent" $request_time"#);
    let record = request(&mut parser, r#""GET /a"b HTTP/1.1" 200 "say "x" \x22" 0.001"#);
    assert_eq!((text(&record.target), text(&record.agent.unwrap())), ("/a\"b".into(), r#"say "x" \x22"#.into()));
}

#[test]
fn a_json_format_gives_its_fields() {
    let fields = json_fields(
        r#"escape=json '{"t":"$time_iso8601","c":{"ip":"$remote_addr"},"s":$status,"r":"$request_method $request_uri $server_protocol","rt":$request_time,"x":"$http_x","user":"$map"}'"#,
    )
    .unwrap();
    let mut keys: Vec<(&str, Variable)> = fields.iter().map(|(key, variable)| (key.as_str(), *variable)).collect();
    keys.sort_by_key(|(key, _)| *key);
    assert_eq!(
        keys,
        [
            ("c.ip", Variable::Address),
            ("r", Variable::RequestLine),
            ("rt", Variable::Wall(Unit::SecondsMillis)),
            ("s", Variable::Status),
            ("t", Variable::Time(Clock::Iso, StampMeaning::End)),
            ("user", Variable::UserKey),
        ]
    );
    assert!(json_fields(r#"{"s":$status}"#).unwrap_err().to_string().contains("logs no request"));
    assert!(json_fields(r#"{"s":"$request" "#).unwrap_err().to_string().contains("begins like JSON"));
}

#[test]
fn a_bad_format_is_shown_with_a_caret() {
    let error = LogFormat::parse("$remote_addr - $ [$time_local]").unwrap_err().to_string();
    assert_eq!(error, "a `$` here needs a variable's name, $name or ${name}\n  $remote_addr - $ [$time_local]\n                 ^");
    let touching = LogFormat::parse("$status$request").unwrap().parser("x", stamps()).unwrap_err().to_string();
    assert!(touching.ends_with("\n  $status$request\n         ^"), "{touching}");
    assert!(LogFormat::parse("no variables").is_err());
    assert!(LogFormat::parse("$status").unwrap().parser("x", stamps()).is_err());
}

#[test]
fn collectors_prefixes_are_skipped_and_other_lines_are_no_requests() {
    let mut parser = combined(stamps());
    for prefix in ["nginx: ", "<190>Jan  2 15:04:05 host nginx: ", "2026-01-02T15:04:05.123456789Z ", "web_1  | "] {
        let line = format!("{prefix}{SYNC}");
        assert_eq!(text(request(&mut parser, &line).address.unwrap()), "203.0.113.7");
        assert_eq!(malformed(&mut parser, &line[..line.len() - 1]).column, line.len() - 1);
    }
    for line in [
        "",
        "  ",
        "2026/11/20 16:53:31 [notice] 20797#20797: nginx/1.22.1",
        "web_1  | 2026/11/20 16:53:31 [warn] 1#1: x",
        "/docker-entrypoint.sh: Configuration complete",
    ] {
        assert_eq!(parser.parse(line.as_bytes()), Line::NotRequest, "{line}");
    }
}

#[test]
fn a_line_truncated_anywhere_is_malformed_with_its_column() {
    let mut parser = combined(stamps());
    for cut in 1..SYNC.len() {
        let error = malformed(&mut parser, &SYNC[..cut]);
        assert!(error.column <= cut);
    }
    assert_eq!(malformed(&mut parser, &SYNC[..80]).expected, "a closing quote after the request line");
    assert_eq!(malformed(&mut parser, &SYNC[..SYNC.len() - 1]).expected, "a closing quote after the user agent");
}

#[test]
fn a_line_without_one_of_its_quotes_is_malformed() {
    let mut parser = combined(stamps());
    for (at, _) in SYNC.match_indices('"') {
        let mut broken = SYNC.to_owned();
        broken.remove(at);
        malformed(&mut parser, &broken);
    }
}

#[test]
fn two_lines_written_into_each_other_are_malformed() {
    let mut parser = combined(stamps());
    let after_user = SYNC.find('[').unwrap() + 1;
    for cut in after_user..SYNC.len() {
        malformed(&mut parser, &format!("{}{SYNC}", &SYNC[..cut]));
        malformed(&mut parser, &format!("{SYNC}{}", &SYNC[..cut]));
    }
}

#[test]
fn very_long_lines_are_read_or_rejected() {
    let mut parser = combined(stamps());
    let long = SYNC.replace("s1_2", &"a".repeat(70_000));
    assert!(request(&mut parser, &long).target.len() > 70_000);
    malformed(&mut parser, &"a".repeat(70_000));
    malformed(&mut parser, &" - ".repeat(30_000));
    malformed(&mut parser, &"[\" ".repeat(30_000));
    let mut bytes = SYNC.as_bytes().to_vec();
    bytes[60] = 0;
    bytes[61] = 0xff;
    let at = bytes.len() - 5;
    bytes[at] = 0xc3;
    assert!(request(&mut parser, &bytes).target.contains(&0xff));
    malformed(&mut parser, &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]);
}

proptest! {
    #[test]
    fn any_bytes_are_one_line(bytes: Vec<u8>) {
        for mut parser in [combined(stamps()), vhost_port(stamps()), parser("$request $status $http_user_agent $request_time")] {
            if let Line::Malformed(error) = parser.parse(&bytes) {
                prop_assert!(error.column <= bytes.len());
            }
        }
    }

    #[test]
    fn any_expression_is_compiled_or_rejected(text in r#"[ -~]{0,40}"#) {
        if let Ok(format) = LogFormat::parse(&text) {
            let _ = format.json_fields();
            if let Ok(mut parser) = format.parser("x", stamps()) {
                let _ = parser.parse(SYNC.as_bytes());
            }
        }
    }

    #[test]
    fn a_changed_byte_never_moves_another_field(at in 0usize..SYNC.len(), byte: u8) {
        let mut bytes = SYNC.as_bytes().to_vec();
        bytes[at] = byte;
        let mut parser = combined(stamps());
        if let Line::Request(record) = parser.parse(&bytes) {
            prop_assert_eq!(record.stamp.is_some(), true);
            prop_assert!(record.target.len() <= "/_matrix/client/v3/sync?since=s1_2 HTTP/2.0".len());
        }
    }
}
