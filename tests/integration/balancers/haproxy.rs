//! wsim's HAProxy rules compared with HAProxy.

use std::fmt::Write as _;
use std::time::Duration;

use super::echo::Echo;
use super::proxy::{Proxy, release_number, version};
use super::{Case, Traffic, case, compare_keys, compare_open_and_close, compare_shares, compare_waiting, plan};

const fn header(name: &'static str, balance: &'static str, weights: &'static [u32]) -> Case {
    case(name, balance, weights, Traffic::Header).with_key("token")
}

const CASES: &[Case] = &[
    header("sdbm", "hdr(X-Key)", &[1, 1, 1, 1]),
    header("sdbm-weights", "hdr(X-Key)", &[3, 1, 2]),
    header("sdbm-common-weights", "hdr(X-Key)", &[6, 2, 4]),
    header("djb2", "hdr(X-Key) hash-type map-based djb2", &[3, 1, 2]),
    header("wt6", "hdr(X-Key) hash-type map-based wt6", &[3, 1, 2]),
    header("crc32", "hdr(X-Key) hash-type map-based crc32", &[3, 1, 2]),
    header("sdbm-avalanche", "hdr(X-Key) hash-type map-based sdbm avalanche", &[3, 1, 2]),
    header("wt6-avalanche", "hdr(X-Key) hash-type map-based wt6 avalanche", &[1, 1, 1]),
    header("ring", "hdr(X-Key) hash-type consistent", &[1, 1, 1, 1]),
    header("ring-weights", "hdr(X-Key) hash-type consistent", &[3, 1, 2]),
    header("ring-sdbm", "hdr(X-Key) hash-type consistent sdbm", &[3, 1, 2]),
    header("ring-djb2", "hdr(X-Key) hash-type consistent djb2 avalanche", &[3, 1, 2]),
    header("ring-wt6", "hdr(X-Key) hash-type consistent wt6", &[1, 1, 1]),
    header("ring-crc32", "hdr(X-Key) hash-type consistent crc32 avalanche", &[3, 1, 2]),
    header("expression", "hash req.fhdr(x-key) hash-type consistent", &[1, 1, 1]),
    case("no-key", "hdr(X-Key)", &[3, 1, 2], Traffic::Keyless),
    case("ring-no-key", "hdr(X-Key) hash-type consistent", &[3, 1, 2], Traffic::Keyless),
    case("uri", "uri", &[1, 1, 1, 1], Traffic::Uri),
    case("uri-whole", "uri whole", &[1, 1, 1, 1], Traffic::Uri),
    case("uri-depth", "uri depth 5 hash-type consistent", &[1, 1, 1], Traffic::Uri),
    case("uri-depth-two", "uri depth 2", &[1, 1, 1], Traffic::Uri),
    case("uri-len", "uri len 40", &[1, 1, 1], Traffic::Uri),
    case("uri-whole-len", "uri whole len 48 depth 6", &[3, 1, 2], Traffic::Uri),
    case("parameter", "url_param since", &[1, 1, 1], Traffic::Uri).with_key("uri"),
    case("parameter-ring", "url_param since hash-type consistent", &[1, 1, 1], Traffic::Uri).with_key("uri"),
    case("source", "source", &[1, 1, 1, 1], Traffic::Address),
    case("source-ring", "source hash-type consistent", &[3, 1, 2], Traffic::Address),
    case("source-avalanche", "source hash-type map-based sdbm avalanche", &[3, 1, 2], Traffic::Address),
    case("roundrobin", "roundrobin", &[1, 1, 1, 1], Traffic::Keyless),
    case("roundrobin-weights", "roundrobin", &[3, 2, 1, 4], Traffic::Keyless),
    case("roundrobin-uneven", "roundrobin", &[7, 3, 11, 200], Traffic::Keyless),
    case("static-rr", "static-rr", &[3, 2, 1, 4], Traffic::Keyless),
    case("static-rr-heavy", "static-rr", &[5, 1, 1], Traffic::Keyless),
];

const BY_LOAD: &[Case] = &[
    case("leastconn", "leastconn", &[1, 1, 1, 1], Traffic::Keyless),
    case("leastconn-weights", "leastconn", &[3, 1, 2], Traffic::Keyless),
    case("roundrobin", "roundrobin", &[3, 2, 1, 4], Traffic::Keyless),
    case("roundrobin-full", "roundrobin", &[3, 2, 1, 4], Traffic::Keyless).with_limit(4),
    case("static-rr-full", "static-rr", &[3, 2, 1, 4], Traffic::Keyless).with_limit(4),
    case("leastconn-full", "leastconn", &[3, 2, 1, 4], Traffic::Keyless).with_limit(4),
];

/// More requests than the servers' limits allow: some wait, in the backend's queue or, if they have a key, in the queue of their server.
const WAITING: &[Case] = &[
    case("waits-roundrobin", "roundrobin", &[1, 1, 1, 1], Traffic::Keyless).with_limit(2),
    case("waits-static", "static-rr", &[3, 2, 1, 4], Traffic::Keyless).with_limit(2),
    case("waits-leastconn", "leastconn", &[1, 1, 1, 1], Traffic::Keyless).with_limit(2),
    header("waits-table", "hdr(X-Key)", &[1, 1, 1, 1]).with_limit(2),
    header("waits-ring", "hdr(X-Key) hash-type consistent", &[3, 1, 2]).with_limit(2),
];

const BOUNDED: &[Case] = &[
    header("bounded", "hdr(X-Key) hash-type consistent hash-balance-factor 125", &[1, 1, 1, 1]),
    header("bounded-weights", "hdr(X-Key) hash-type consistent hash-balance-factor 150", &[3, 1, 2]),
];

const RANDOM: &[Case] =
    &[case("random", "random", &[1, 1, 1, 1], Traffic::Keyless), case("random-one", "random(1)", &[1, 2, 3], Traffic::Keyless)];

/// Starts HAProxy with a backend for each case. The `balance` of a case is HAProxy's own directives in one line.
fn start(cases: &[Case], echoes: &[Echo]) -> Proxy {
    let configure = |port: u16, _: &std::path::Path| {
        let mut backends = String::new();
        for case in cases {
            let lines = case.balance.replace(" hash-type", "\n  hash-type").replace(" hash-balance-factor", "\n  hash-balance-factor");
            let _ = writeln!(backends, "backend {}\n  balance {lines}", case.name);
            for (index, (echo, weight)) in echoes.iter().zip(case.weights).enumerate() {
                let _ = writeln!(backends, "  server s{index} {} weight {weight} maxconn {}", echo.address(), case.limit.unwrap_or(0));
            }
        }
        format!(
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n  \
             option http-no-delay\nfrontend all\n  bind 127.0.0.1:{port}\n  use_backend %[path,field(2,/)]\n{backends}"
        )
    };
    Proxy::start("haproxy", configure, |command, folder| {
        command.arg("-db").arg("-f").arg(folder.join("config"));
    })
}

/// The release of the installed HAProxy, which prints `HAProxy version 2.6.12-1+deb12u4 …`.
fn release() -> String {
    release_number(version("haproxy", "-v").split("version ").nth(1).unwrap_or_default())
}

#[test]
fn every_key_goes_where_haproxy_sends_it() {
    let echoes = Echo::start_all(4);
    let proxy = start(CASES, &echoes);
    compare_keys(proxy.port, &plan("haproxy", &release(), CASES, &echoes), CASES);
}

#[test]
fn requests_held_open_go_where_haproxy_sends_them() {
    let echoes = Echo::start_all(4);
    let proxy = start(BY_LOAD, &echoes);
    compare_open_and_close(proxy.port, &plan("haproxy", &release(), BY_LOAD, &echoes), BY_LOAD, &echoes, Duration::from_millis(3));
}

#[test]
fn bounded_loads_overflow_like_haproxy() {
    let echoes = Echo::start_all(4);
    let proxy = start(BOUNDED, &echoes);
    compare_open_and_close(proxy.port, &plan("haproxy", &release(), BOUNDED, &echoes), BOUNDED, &echoes, Duration::from_millis(3));
}

#[test]
fn random_rules_choose_like_haproxy() {
    let echoes = Echo::start_all(4);
    let proxy = start(RANDOM, &echoes);
    compare_shares(proxy.port, &plan("haproxy", &release(), RANDOM, &echoes), RANDOM, &echoes);
}

#[test]
fn waiting_requests_start_in_the_order_of_haproxy() {
    let echoes = Echo::start_all(4);
    let proxy = start(WAITING, &echoes);
    compare_waiting(proxy.port, &plan("haproxy", &release(), WAITING, &echoes), WAITING, &echoes);
}
