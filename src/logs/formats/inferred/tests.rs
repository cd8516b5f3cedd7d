use super::*;

#[test]
fn names_show_the_meaning_of_nginxs_further_fields() {
    let line = br#"127.0.0.1 - - [2026-11-20T16:57:44+00:00] "GET / HTTP/2.0" 200 657 "-" "curl" rt=5.602 uct=0.000, 0.000 urt=5.281, 0.321 ua=127.0.0.1:8081, 127.0.0.1:8082 us=502, 200 user= grp=sync conn=1/2"#;
    let inferred = infer(&[line], None).unwrap();
    assert_eq!(
        inferred.text,
        r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct=$_ urt=$upstream_response_time ua=$upstream_addr us=$upstream_status user=$user_key grp=$_ conn=$_"#
    );
    assert_eq!(inferred.family, Family::Nginx);
}

#[test]
fn apaches_letters_show_apache() {
    let line = br#"test.local:80 ::1 - - [20/Nov/2026:16:53:36 +0000] "GET / HTTP/1.1" 200 523 "-" "a" D=1562 T=0 worker=http://127.0.0.1:8081 X=+"#;
    let inferred = infer(&[line], None).unwrap();
    assert_eq!(
        inferred.text,
        r#"%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" D=%D T=%T worker=%{BALANCER_WORKER_NAME}e X=%X"#
    );
    assert_eq!(inferred.family, Family::Apache);
}

#[test]
fn a_number_without_a_name_is_ignored_unless_it_is_nginxs_seconds() {
    let head = r#"h 1.1.1.1 - - [20/Nov/2026:16:53:36 +0000] "GET / HTTP/1.1" 200 5 "-" "a""#;
    for (tail, text) in [
        (" 2310", " $_"),
        (" \"-\" 0.003 0.002", " \"$http_x_forwarded_for\" $request_time $upstream_response_time"),
        (" ua=\"10.0.0.1:80\"", " ua=\"$upstream_addr\""),
    ] {
        let line = format!("{head}{tail}");
        assert!(infer(&[line.as_bytes()], None).unwrap().text.ends_with(text), "{tail}");
    }
}

fn text_of(lines: &[&str]) -> String {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    infer(&lines, None).map(|inferred| inferred.text).unwrap_or_default()
}

#[test]
fn a_word_before_a_value_is_its_label() {
    let head = r#"192.0.2.7 - - [14/May/2024:09:12:01 +0000] "GET /a HTTP/2.0" 200 900 "-" "Element/1.11""#;
    let format = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
    for (tail, text) in [
        (
            "upstream_response_time 0.120 msec 1715677921.123 request_time 0.130",
            "upstream_response_time $upstream_response_time msec $msec request_time $request_time",
        ),
        (r#"rt=0.123 uct="0.001" uht="0.1" urt="0.120""#, r#"rt=$request_time uct="$_" uht="$_" urt="$upstream_response_time""#),
        ("request_time:0.12 upstream: 10.0.0.2:8008", "request_time:$request_time_s upstream: $upstream_addr"),
        (
            "Upstream Response Time: 0.120 Request time: 0.130",
            "Upstream Response Time: $upstream_response_time Request time: $request_time",
        ),
        ("1715677921.123 0.120 0.130", "$msec $upstream_response_time $request_time"),
        ("0.130 0.100, 0.020", "$request_time $upstream_response_time"),
        ("duration=130ms took 12", "duration=$request_time_unit took $request_time_ms"),
        (r#""203.0.113.9" | 10.0.0.2:8008 | 0.130"#, r#""$http_x_forwarded_for" | $upstream_addr | $request_time"#),
    ] {
        assert_eq!(text_of(&[&format!("{head} {tail}")]), format!("{format} {text}"), "{tail}");
    }
}

#[test]
fn a_line_of_any_order_is_read_by_its_values() {
    for (line, text) in [
        (
            r#"[14/May/2024:09:12:01 +0000] 192.0.2.7: "GET /a HTTP/2.0" (200) 900 bytes 0.130 s 0.120 s"#,
            r#"[$time_local] $remote_addr: "$request" ($status) $body_bytes_sent bytes $request_time $_ $upstream_response_time $_"#,
        ),
        (
            "example.org to: 10.0.0.2:8008 [HEAD /health HTTP/1.1] 200 upstream_response_time 0.004 msec 1566629591.249 request_time 0.003",
            "$host to: $upstream_addr [$request] $status upstream_response_time $upstream_response_time msec $msec request_time $request_time",
        ),
        (
            r#"192.0.2.7 - - [08/Oct/2026:10:12:01 +0900] [request "GET / HTTP/1.1"] [status 200] [body_bytes_sent 512] "-" "curl/8.0""#,
            r#"$remote_addr $_ $_ [$time_local] [request "$request"] [status $status] [body_bytes_sent $body_bytes_sent] "$http_x_forwarded_for" "$http_user_agent""#,
        ),
        (
            "[14/May/2024:09:12:01 +0000] 192.0.2.7 passed to: 10.0.0.2:8008: GET /a HTTP/2.0 Upstream Response Time: 0.120 Request time: 0.130",
            "[$time_local] $remote_addr $_ to: $upstream_addr: $request Upstream Response Time: $upstream_response_time Request time: $request_time",
        ),
        (
            r#"2024-05-14 09:12:01.123 | 200 | 130ms | 192.0.2.7 | GET | "/a?b""#,
            r#"$time | $status | $request_time_unit | $remote_addr | $request_method | "$request_uri""#,
        ),
        (
            r#"192.0.2.7 - [14/May/2024:09:12:01 +0000] "GET /a HTTP/1.1" upstream: 10.0.0.2:8008 status: 200 upstream_response_time: 0.120"#,
            r#"$remote_addr $_ [$time_local] "$request" upstream: $upstream_addr status: $status upstream_response_time: $upstream_response_time"#,
        ),
    ] {
        assert_eq!(text_of(&[line]), text, "{line}");
    }
}

#[test]
fn an_inferred_format_reads_the_lines_that_it_came_from() {
    use crate::formats::nginx::LogFormat;
    use crate::formats::testing::{request, stamps};
    for line in [
        "[14/May/2024:09:12:01 +0000] 192.0.2.7 passed to: 10.0.0.2:8008: GET /a HTTP/2.0 Upstream Response Time: 0.120 Request time: 0.130",
        r#"192.0.2.7 - - [14/May/2024:09:12:01 +0000] "GET /a HTTP/2.0" 200 900 "-" "x" rt=0.130 urt="0.120""#,
        r#"2024-05-14 09:12:01.123 | 200 | 130ms | 192.0.2.7 | GET | "/a""#,
    ] {
        let mut parser = LogFormat::parse(&text_of(&[line])).unwrap().parser("x", stamps()).unwrap();
        let record = request(&mut parser, line);
        assert_eq!((&*record.target, record.wall_us), (&b"/a"[..], Some(130_000)), "{line}");
        assert_eq!(record.stamp.map(|stamp| stamp.micros / 1_000_000), Some(1_715_677_921), "{line}");
    }
}

#[test]
fn lines_of_another_layout_give_nothing() {
    assert_eq!(infer(&[b"", b"a b c", b"x - - [ ] \"", b"{}", b"2026/11/20 16:53:31 [error] 1#1: GET /a HTTP/1.1"], None), None);
}

proptest::proptest! {
    #[test]
    fn whatever_is_inferred_compiles_or_is_refused(lines in proptest::collection::vec("[ -~]{0,90}", 1..4), at in 0usize..120, noise in "[ -~]{0,8}") {
        use crate::Parser;
        use crate::formats::nginx::LogFormat;
        use crate::formats::testing::stamps;
        let mut known = r#"[14/May/2024:09:12:01 +0000] 192.0.2.7 to: 10.0.0.2:8008: GET /a HTTP/2.0 200 [x "y"] time 0.120 | rt="0.1" (a)"#.to_owned();
        known.insert_str(at.min(known.len()), &noise);
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).chain([known.as_bytes()]).collect();
        if let Some(inferred) = infer(&lines, None)
            && let Ok(format) = LogFormat::parse(&inferred.text)
            && let Ok(mut parser) = format.parser("x", stamps())
        {
            for line in &lines {
                let _ = parser.parse(line);
            }
        }
    }
}
