//! Caddy.

use std::fmt::Write as _;

use super::echo::Echo;
use super::proxy::{Proxy, version};
use super::{Case, Traffic, compare_keys, compare_open_and_close, compare_shares, plan};

const CASES: &[Case] = &[
    Case { name: "header", balance: "header X-Key", key: None, weights: &[1, 1, 1, 1], traffic: Traffic::Header },
    Case { name: "header-two", balance: "header X-Key", key: None, weights: &[1, 1], traffic: Traffic::Header },
    Case { name: "uri", balance: "uri_hash", key: None, weights: &[1, 1, 1], traffic: Traffic::Uri },
    Case { name: "ip", balance: "ip_hash", key: None, weights: &[1, 1, 1], traffic: Traffic::Address },
    Case { name: "round-robin", balance: "round_robin", key: None, weights: &[1, 1, 1, 1], traffic: Traffic::Nothing },
];

const BY_LOAD: &[Case] = &[
    Case { name: "round-robin", balance: "round_robin", key: None, weights: &[1, 1, 1], traffic: Traffic::Nothing },
    Case { name: "least-two", balance: "least_conn", key: None, weights: &[1, 1], traffic: Traffic::Nothing },
];

const RANDOM: &[Case] = &[
    Case { name: "random", balance: "random", key: None, weights: &[1, 1, 1, 1], traffic: Traffic::Nothing },
    Case { name: "least", balance: "least_conn", key: None, weights: &[1, 1, 1], traffic: Traffic::Nothing },
    Case { name: "choose", balance: "random_choose 2", key: None, weights: &[1, 1, 1, 1], traffic: Traffic::Nothing },
    Case { name: "header", balance: "header X-Key", key: None, weights: &[1, 1, 1], traffic: Traffic::Nothing },
];

/// The plan's words are Caddy's own.
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
        format!("{{\n  admin off\n  auto_https off\n}}\nhttp://127.0.0.1:{port}, http://localhost:{port} {{\n  bind 127.0.0.1\n{routes}}}\n")
    };
    Proxy::start("caddy", configure, |command, folder| {
        command.arg("run").args(["--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
    })
}

/// `2.6.2` of `2.6.2` or `v2.8.4 h1:…`.
fn release() -> String {
    let version = version("caddy", "version");
    let number = version.trim_start_matches('v');
    number.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default().to_owned()
}

#[test]
fn every_key_goes_where_caddy_sends_it() {
    let echoes = Echo::several(4);
    let proxy = start(CASES, &echoes);
    compare_keys(proxy.port, &plan("caddy", &release(), CASES, &echoes), CASES);
}

#[test]
fn requests_held_open_go_where_caddy_sends_them() {
    let echoes = Echo::several(3);
    let proxy = start(BY_LOAD, &echoes);
    let plan = plan("caddy", &release(), BY_LOAD, &echoes);
    compare_open_and_close(proxy.port, &plan, &BY_LOAD[0], &echoes, false, std::time::Duration::from_millis(2));
}

#[test]
fn random_policies_draw_as_caddy_draws() {
    let echoes = Echo::several(4);
    let proxy = start(RANDOM, &echoes);
    let plan = plan("caddy", &release(), RANDOM, &echoes);
    for case in RANDOM {
        compare_shares(proxy.port, &plan, case);
    }
}
