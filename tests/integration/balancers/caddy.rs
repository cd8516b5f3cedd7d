//! wsim's Caddy rules compared with Caddy.

use std::fmt::Write as _;

use super::echo::Echo;
use super::proxy::{Proxy, release_number, version};
use super::{Case, Traffic, case, compare_keys, compare_open_and_close, compare_shares, plan};

const CASES: &[Case] = &[
    case("header", "header X-Key", &[1, 1, 1, 1], Traffic::Header),
    case("header-two", "header X-Key", &[1, 1], Traffic::Header),
    case("uri", "uri_hash", &[1, 1, 1], Traffic::Uri),
    case("ip", "ip_hash", &[1, 1, 1], Traffic::Address),
    case("round-robin", "round_robin", &[1, 1, 1, 1], Traffic::Keyless),
];

const BY_LOAD: &[Case] = &[case("round-robin", "round_robin", &[1, 1, 1], Traffic::Keyless)];

const RANDOM: &[Case] = &[
    case("random", "random", &[1, 1, 1, 1], Traffic::Keyless),
    case("least", "least_conn", &[1, 1, 1], Traffic::Keyless),
    case("choose", "random_choose 2", &[1, 1, 1, 1], Traffic::Keyless),
    case("header", "header X-Key", &[1, 1, 1], Traffic::Keyless),
];

/// Starts Caddy with a route for each case. The `balance` of a case is Caddy's own `lb_policy`.
fn start(cases: &[Case], echoes: &[Echo]) -> Proxy {
    let configure = |port: u16, _: &std::path::Path| {
        let mut routes = String::new();
        for case in cases {
            let upstreams: Vec<String> = echoes.iter().take(case.weights.len()).map(Echo::address).collect();
            let _ = writeln!(
                routes,
                "  handle /{}/* {{\n    reverse_proxy {} {{\n      lb_policy {}\n      flush_interval -1\n    }}\n  }}",
                case.name,
                upstreams.join(" "),
                case.balance
            );
        }
        format!(
            "{{\n  admin off\n  auto_https off\n}}\nhttp://127.0.0.1:{port}, http://localhost:{port} {{\n  bind 127.0.0.1\n{routes}}}\n"
        )
    };
    Proxy::start("caddy", configure, |command, folder| {
        command.arg("run").args(["--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
    })
}

/// The release of the installed Caddy, which prints `2.6.2` or `v2.8.4 h1:…`.
fn release() -> String {
    release_number(version("caddy", "version").trim_start_matches('v'))
}

#[test]
fn every_key_goes_where_caddy_sends_it() {
    let echoes = Echo::start_all(4);
    let proxy = start(CASES, &echoes);
    compare_keys(proxy.port, &plan("caddy", &release(), CASES, &echoes), CASES);
}

#[test]
fn requests_held_open_go_where_caddy_sends_them() {
    let echoes = Echo::start_all(3);
    let proxy = start(BY_LOAD, &echoes);
    compare_open_and_close(proxy.port, &plan("caddy", &release(), BY_LOAD, &echoes), BY_LOAD, &echoes, std::time::Duration::from_millis(2));
}

#[test]
fn random_policies_choose_like_caddy() {
    let echoes = Echo::start_all(4);
    let proxy = start(RANDOM, &echoes);
    compare_shares(proxy.port, &plan("caddy", &release(), RANDOM, &echoes), RANDOM, &echoes);
}
