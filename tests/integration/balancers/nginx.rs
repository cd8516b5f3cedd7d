//! wsim's nginx rules compared with nginx.

use std::fmt::Write as _;
use std::time::Duration;

use super::client::Client;
use super::echo::Echo;
use super::proxy::Proxy;
use super::{Case, Traffic, case, compare_keys, compare_open_and_close, compare_shares, plan};

const CASES: &[Case] = &[
    case("hash", "hash $http_x_key", &[1, 1, 1, 1], Traffic::Header).with_key("user"),
    case("hash-weights", "hash $http_x_key", &[3, 1, 2], Traffic::Header).with_key("user"),
    case("ring", "hash $http_x_key consistent", &[1, 1, 1, 1], Traffic::Header).with_key("user"),
    case("ring-weights", "hash $http_x_key consistent", &[3, 1, 2], Traffic::Header).with_key("user"),
    case("hash-no-key", "hash $http_x_key", &[1, 2, 1], Traffic::Keyless).with_key("user"),
    case("ring-no-key", "hash $http_x_key consistent", &[1, 2, 1], Traffic::Keyless).with_key("user"),
    case("uri-hash", "hash $request_uri", &[1, 1, 1], Traffic::Uri),
    case("ip-hash", "ip_hash", &[1, 1, 1, 1], Traffic::Address),
    case("ip-hash-weights", "ip_hash", &[1, 3, 2], Traffic::Address),
    case("round-robin", "round robin", &[1, 1, 1, 1], Traffic::Keyless),
    case("round-robin-weights", "round robin", &[5, 1, 1], Traffic::Keyless),
];

const BY_LOAD: &[Case] = &[
    case("least", "least_conn", &[1, 1, 1, 1], Traffic::Keyless),
    case("least-weights", "least_conn", &[3, 1, 2], Traffic::Keyless),
    case("round-robin", "round robin", &[3, 1, 2], Traffic::Keyless),
    case("round-robin-full", "round robin", &[3, 1, 2], Traffic::Keyless).with_limit(5),
    case("least-full", "least_conn", &[3, 1, 2], Traffic::Keyless).with_limit(5),
    case("hash-full", "hash $http_x_key", &[3, 1, 2, 1], Traffic::Header).with_key("user").with_limit(4),
    case("ring-full", "hash $http_x_key consistent", &[3, 1, 2, 1], Traffic::Header).with_key("user").with_limit(4),
    case("ip-hash-full", "ip_hash", &[3, 1, 2, 1], Traffic::Keyless).with_limit(4),
];

const RANDOM: &[Case] =
    &[case("random", "random", &[3, 1, 2], Traffic::Keyless), case("random-two", "random two least_conn", &[1, 2, 3, 2], Traffic::Keyless)];

/// Starts nginx with an upstream for each case. The `balance` of a case is nginx's own directive, except round robin, which needs none.
fn start(cases: &[Case], echoes: &[Echo], processes: u32, zone: bool) -> Proxy {
    let configure = |port: u16, _: &std::path::Path| {
        let mut upstreams = String::new();
        let mut locations = String::new();
        for case in cases {
            let _ = writeln!(upstreams, "  upstream {} {{", case.name);
            if zone {
                let _ = writeln!(upstreams, "    zone {} 128k;", case.name);
            }
            if case.balance != "round robin" {
                let _ = writeln!(upstreams, "    {};", case.balance);
            }
            for (echo, weight) in echoes.iter().zip(case.weights) {
                let _ = writeln!(upstreams, "    server {} weight={weight} max_conns={};", echo.address(), case.limit.unwrap_or(0));
            }
            let _ = writeln!(upstreams, "    keepalive 32;\n  }}");
            let _ = writeln!(locations, "    location /{0}/ {{ proxy_pass http://{0}; }}", case.name);
        }
        format!(
            "daemon off;\npid nginx.pid;\nerror_log stderr;\nworker_processes {processes};\nevents {{ worker_connections 4096; }}\nhttp {{\n  \
             access_log off;\n  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
             keepalive_requests 1000000;\n{upstreams}  server {{\n    listen 127.0.0.1:{port};\n    proxy_buffering off;\n    proxy_http_version 1.1;\n    \
             proxy_set_header Connection \"\";\n    add_header X-Process $pid;\n{locations}  }}\n}}\n"
        )
    };
    Proxy::start("nginx", configure, |command, folder| {
        command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(folder.join("config"));
    })
}

#[test]
fn every_key_goes_where_nginx_sends_it() {
    let echoes = Echo::start_all(4);
    let proxy = start(CASES, &echoes, 1, false);
    compare_keys(proxy.port, &plan("nginx", "1.22.1", CASES, &echoes), CASES);
}

#[test]
fn requests_held_open_go_where_nginx_sends_them() {
    let echoes = Echo::start_all(4);
    let proxy = start(BY_LOAD, &echoes, 1, false);
    compare_open_and_close(proxy.port, &plan("nginx", "1.22.1", BY_LOAD, &echoes), BY_LOAD, &echoes, Duration::from_millis(2));
}

#[test]
fn random_rules_choose_like_nginx() {
    let echoes = Echo::start_all(4);
    let proxy = start(RANDOM, &echoes, 1, false);
    compare_shares(proxy.port, &plan("nginx", "1.22.1", RANDOM, &echoes), RANDOM, &echoes);
}

#[test]
fn nginx_processes_rotate_separately_unless_the_upstream_has_a_zone() {
    let echoes = Echo::start_all(3);
    let case = &[case("rotation", "round robin", &[1, 1, 1], Traffic::Keyless)];
    let addresses: Vec<String> = echoes.iter().map(Echo::address).collect();
    for zone in [false, true] {
        let proxy = start(case, &echoes, 4, zone);
        // A new connection for each request, so that any process may accept it; a header of the response names the process.
        let responses: Vec<(String, usize)> = (0..120)
            .map(|_| {
                let (server, process) = Client::new(proxy.port).get_with_header("/rotation/x", "x-process");
                (process, addresses.iter().position(|address| *address == server).unwrap())
            })
            .collect();
        let mut rotations = std::collections::BTreeMap::<&str, usize>::new();
        for (process, server) in &responses {
            let next = rotations.entry(if zone { "all" } else { process }).or_default();
            assert_eq!(*server, *next % 3, "zone {zone}: {responses:?}");
            *next += 1;
        }
        let processes: std::collections::BTreeSet<&String> = responses.iter().map(|(process, _)| process).collect();
        assert!(processes.len() > 1, "one process accepted every connection, so the comparison proves nothing");
    }
}
