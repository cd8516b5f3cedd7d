//! wsim reads the logs that the proxies write with the generated configuration: every request, its duration, and no access token in the logs of
//! nginx and Caddy.

use serde_json::Value;
use wsim::endpoints::{Method, table_for};
use wsim::plan::ProxyKind;

use super::net::Client;
use super::plans::{SEPARATE_POOLS, configure_and_serve};
use super::proxies::start;
use super::requests::requests;
use crate::support::Run;

#[test]
fn the_nginx_log_is_read_completely_and_contains_no_token() {
    let (input, text) = analyse_log_of(ProxyKind::Nginx, "access.log", &[]);
    assert!(!text.contains("syt_"), "{text}");
    let reason = input["format_reason"].as_str().unwrap();
    for field in ["rt=$request_time", "urt=$upstream_response_time", "ua=$upstream_addr", "user=$user_key", "msec=$msec"] {
        assert!(reason.contains(field), "{field}: {reason}");
    }
}

#[test]
fn the_haproxy_log_is_read_completely() {
    let (input, text) = analyse_log_of(ProxyKind::Haproxy, "log", &[]);
    assert_eq!(input["format"], "haproxy");
    assert!(text.contains("{YWxpY2U|"), "the user is not in the log");
    let captured = text.lines().filter_map(|line| line.split_once('{')?.1.split_once('}'));
    assert!(captured.map(|(fields, _)| fields).all(|fields| !fields.contains("syt_") && !fields.contains("opaque")), "{text}");
}

#[test]
fn the_caddy_log_is_read_completely_and_contains_no_token() {
    let (input, text) = analyse_log_of(ProxyKind::Caddy, "matrix-access.log", &[]);
    assert_eq!(input["format"], "caddy json");
    // Response headers are left out: the servers of this test send the request line back in one.
    assert!(text.lines().filter_map(|line| line.split_once("resp_headers")).all(|(request, _)| !request.contains("syt_")), "{text}");
}

#[test]
fn the_apache_log_is_read_completely() {
    let format = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D %{BALANCER_WORKER_NAME}e"#;
    analyse_log_of(ProxyKind::Apache, "access.log", &["--log-format", format]);
}

/// Sends requests through the proxy and analyses its log. Returns the report's entry for the log, and the log.
fn analyse_log_of(proxy: ProxyKind, log: &str, arguments: &[&str]) -> (Value, String) {
    let configuration = configure_and_serve(SEPARATE_POOLS, proxy, "1.157");
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
    // Lines that the proxy wrote while it started are left out.
    let text: String = text.lines().skip(before).map(|line| format!("{line}\n")).collect();
    let copy = running.folder().join("copy.log");
    std::fs::write(&copy, &text).unwrap();
    let mut all_arguments = vec![copy.to_str().unwrap()];
    all_arguments.extend(arguments);
    let run = Run::analyse(&all_arguments);
    let input = run.json()["inputs"][0].clone();
    for (field, expected) in [("requests", requests.len()), ("malformed", 0), ("not_requests", 0)] {
        assert_eq!(input[field], expected, "{field}: {input:#}\n{}", run.stderr());
    }
    (input, text)
}
