//! What the proxies log under the written configuration is what wsim reads: every request, how long it took, no token of nginx and Caddy.

use serde_json::Value;
use wsim::endpoints::{Method, table_for};
use wsim::plan::ProxyKind;

use super::net::Client;
use super::plans::{APART, served};
use super::requests::requests;
use super::routing::start;
use crate::support::Run;

#[test]
fn nginxs_log_is_read_whole_and_holds_no_token() {
    let (input, text) = read_back(ProxyKind::Nginx, "access.log", &[]);
    assert!(!text.contains("syt_"), "{text}");
    let reason = input["format_reason"].as_str().unwrap();
    for field in ["rt=$request_time", "urt=$upstream_response_time", "ua=$upstream_addr", "user=$user_key", "msec=$msec"] {
        assert!(reason.contains(field), "{field}: {reason}");
    }
}

#[test]
fn haproxys_log_is_read_whole() {
    let (input, text) = read_back(ProxyKind::Haproxy, "log", &[]);
    assert_eq!(input["format"], "haproxy");
    assert!(text.contains("{YWxpY2U|"), "the user is not in the log");
    let captured = text.lines().filter_map(|line| line.split_once('{')?.1.split_once('}'));
    assert!(captured.map(|(fields, _)| fields).all(|fields| !fields.contains("syt_") && !fields.contains("opaque")), "{text}");
}

#[test]
fn caddys_log_is_read_whole_and_holds_no_token() {
    let (input, text) = read_back(ProxyKind::Caddy, "matrix-access.log", &[]);
    assert_eq!(input["format"], "caddy json");
    // The servers of this test send the request line back in a header.
    assert!(text.lines().filter_map(|line| line.split_once("resp_headers")).all(|(request, _)| !request.contains("syt_")), "{text}");
}

#[test]
fn apaches_log_is_read_whole() {
    let format = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D %{BALANCER_WORKER_NAME}e"#;
    read_back(ProxyKind::Apache, "access.log", &["--log-format", format]);
}

/// Sends requests through the proxy, has wsim read its log; the input as the report counts it, and the log.
fn read_back(proxy: ProxyKind, log: &str, arguments: &[&str]) -> (Value, String) {
    let configuration = served(APART, proxy, "1.157");
    let running = start(proxy, &configuration);
    let path = running.folder().join(log);
    let before = std::fs::read_to_string(&path).unwrap_or_default().lines().count();
    let mut client = Client::new(running.port);
    let requests = requests(&table_for(None).unwrap().table, &[Method::Get]);
    for request in &requests {
        client.send(request);
    }
    let mut text = String::new();
    for _ in 0..50 {
        text = std::fs::read_to_string(&path).unwrap();
        if text.lines().count() >= before + requests.len() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // What the program said while it started.
    let text: String = text.lines().skip(before).map(|line| format!("{line}\n")).collect();
    let copy = running.folder().join("copy.log");
    std::fs::write(&copy, &text).unwrap();
    let mut words = vec![copy.to_str().unwrap()];
    words.extend(arguments);
    let run = Run::analyse(&words);
    let input = run.json()["inputs"][0].clone();
    for (field, expected) in [("requests", requests.len()), ("malformed", 0), ("not_requests", 0)] {
        assert_eq!(input[field], expected, "{field}: {input:#}\n{}", run.stderr());
    }
    (input, text)
}
