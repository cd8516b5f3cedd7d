//! Public deployments, rebuilt from their templates, at the real proxies: every request of the endpoint table goes where the evaluator says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wsim::configure::read::{Disk, Proxy as Configuration, Request, RouteTarget, Site, caddy, haproxy, nginx};

use super::echo::Echo;
use super::routing::{examples_of, send_as};
use crate::proxy::{Proxy, free_port};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/deployments")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// The text with every server's address replaced by that of a server of its own.
fn with_servers(text: &str, addresses: &[&str], echoes: &[Echo]) -> String {
    let mut by_length: Vec<(&str, String)> = addresses.iter().zip(echoes).map(|(address, echo)| (*address, echo.address())).collect();
    // A longer address first, because it may contain a shorter one. The marks keep replaced texts from being replaced again.
    by_length.sort_by_key(|(address, _)| std::cmp::Reverse(address.len()));
    let mut text = text.to_owned();
    for (index, (address, _)) in by_length.iter().enumerate() {
        text = text.replace(address, &format!("\u{1}{index}\u{2}"));
    }
    for (index, (_, own)) in by_length.iter().enumerate() {
        text = text.replace(&format!("\u{1}{index}\u{2}"), own);
    }
    text
}

/// What stands between a beginning and one of some ends, everywhere in a text.
fn between<'t>(text: &'t str, start: &str, ends: &[char]) -> BTreeSet<&'t str> {
    text.match_indices(start).filter_map(|(at, _)| text[at + start.len()..].split(ends).next()).filter(|found| !found.is_empty()).collect()
}

/// Sends the examples to a site and compares; returns the number of requests and of servers that were reached.
fn compare(configuration: &Configuration, site: &dyn Site, port: u16, host: &str) -> (usize, usize) {
    let (mut wrong, mut reached) = (Vec::new(), BTreeSet::new());
    let requests: Vec<Request> = examples_of("1.157").into_iter().map(|request| request.with_header("Host", host)).collect();
    for request in &requests {
        let actual = send_as(port, request);
        let expected: Option<Vec<String>> = match site.route(request).target {
            RouteTarget::Pool(pool) => Some(configuration.pools[pool].servers.iter().map(|server| server.address.clone()).collect()),
            RouteTarget::Server(address) => Some(vec![address]),
            RouteTarget::Local(_) => None,
            RouteTarget::Unknown(unknown) => panic!("{} {}: {} at {}", request.method, request.target(), unknown.why, unknown.at),
        };
        let agrees = match (&actual, &expected) {
            (Ok(server), Some(servers)) => servers.contains(server),
            (Err(_), None) => true,
            _ => false,
        };
        if !agrees {
            wrong.push(format!("{} {}: {actual:?}, evaluated {expected:?}", request.method, request.target()));
        }
        reached.extend(actual);
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), requests.len());
    (requests.len(), reached.len())
}

/// An nginx file at nginx, all its servers on ports of their own.
fn compare_nginx(name: &str, servers_expected: usize) {
    let original = text(name);
    let mut addresses = between(&original, "server ", &[' ', ';', '{', '"']);
    addresses.extend(between(&original, "server \"", &['"']));
    addresses.extend(between(&original, "set $backend \"", &['"']));
    addresses.extend(between(&original, "proxy_pass http://", &[';', '$']));
    let addresses: Vec<&str> = addresses.into_iter().filter(|address| address.contains(':')).collect();
    let echoes = Echo::start_all(addresses.len());
    // What the packaged nginx has no module for: names resolved at run time, and the program that asks for the user of a token.
    let lines = original.lines().filter(|line| !["resolver ", "listen [::]"].iter().any(|start| line.trim_start().starts_with(start)));
    let plain: String = lines.map(|line| format!("{line}\n")).collect();
    let plain = plain.replace("\" resolve;", "\";").replace("js_content whoami_sync_worker_router.handleAuthRequest;", "return 204;");
    let plain = with_servers(&plain, &addresses, &echoes);
    let second = free_port();
    let written = RefCell::new(String::new());
    let configure = |port: u16, _: &Path| {
        let listening = plain
            .replace("listen 8008;", &format!("listen 127.0.0.1:{port};"))
            .replace("listen 8048;", &format!("listen 127.0.0.1:{second};"));
        let text = format!(
            "daemon off;\npid nginx.pid;\nerror_log stderr;\nworker_processes 1;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  \
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
             {listening}\n}}\n"
        );
        text.clone_into(&mut written.borrow_mut());
        text
    };
    let proxy = Proxy::start("nginx", configure, |command, folder| {
        command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(folder.join("config"));
    });
    let configuration = nginx::read(Path::new("nginx.conf"), &written.borrow(), &Disk).unwrap();
    let mut reached = 0;
    for site in &configuration.sites {
        let port = if site.ports() == [second] { second } else { proxy.port };
        reached += compare(&configuration, site.as_ref(), port, "localhost").1;
    }
    assert!(reached >= servers_expected, "{name}: only {reached} servers were reached");
}

/// An HAProxy file at HAProxy: the frontend of this name, with its maps beside it.
fn compare_haproxy(name: &str, frontend: &str, maps: &[&str], servers_expected: usize) {
    let original = text(name);
    let mut addresses =
        between(&original, "_tcp.", &[' ']).into_iter().map(|rest| format!("_synapse-http._tcp.{rest}")).collect::<BTreeSet<_>>();
    if addresses.is_empty() {
        addresses = between(&original, "127.0.0.1:", &['\n']).into_iter().map(|port| format!("127.0.0.1:{port}")).collect();
        addresses.remove("127.0.0.1:8800");
    }
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let echoes = Echo::start_all(addresses.len());
    // The packaged HAProxy has no name server here, and nothing to check.
    let lines = original.lines().filter(|line| !["option httpchk", "http-check "].iter().any(|start| line.trim_start().starts_with(start)));
    let plain: String = lines.map(|line| format!("{line}\n")).collect();
    let plain = with_servers(&plain.replace(" resolvers kubedns init-addr none check", ""), &addresses, &echoes);
    let written = RefCell::new((PathBuf::new(), String::new()));
    let configure = |port: u16, place: &Path| {
        for map in maps {
            std::fs::copy(folder().join(map), place.join(map)).unwrap();
        }
        let mut text = plain.replace("/synapse/", &format!("{}/", place.display()));
        for map in maps {
            text = text
                .replace(&format!(" {map}"), &format!(" {}", place.join(map).display()))
                .replace(&format!("({map}"), &format!("({}", place.join(map).display()));
        }
        for (bind, own) in
            [("*:8008", port), ("127.0.0.1:8800", port), ("*:8405", free_port()), ("*:8406", free_port()), ("*:8009", free_port())]
        {
            text = text.replace(&format!("bind {bind}"), &format!("bind 127.0.0.1:{own}"));
        }
        *written.borrow_mut() = (place.join("config"), text.clone());
        text
    };
    let proxy = Proxy::start("haproxy", configure, |command, folder| {
        command.arg("-db").arg("-f").arg(folder.join("config"));
    });
    let (path, text) = written.borrow().clone();
    let configuration = haproxy::read(&path, &text, &Disk).unwrap();
    let site = configuration.sites.iter().find(|site| site.name() == frontend).unwrap();
    let (_, reached) = compare(&configuration, site.as_ref(), proxy.port, "localhost");
    assert!(reached >= servers_expected, "{name}: only {reached} servers were reached");
}

#[test]
fn synapses_docker_image_at_nginx() {
    compare_nginx("docker-image.conf", 14);
}

#[test]
fn synapses_docker_image_with_sockets_at_nginx() {
    compare_nginx("docker-image-sockets.conf", 14);
}

#[test]
fn the_ansible_playbook_with_one_worker_of_each_kind_at_nginx() {
    compare_nginx("ansible-one-of-each.conf", 10);
}

#[test]
fn the_ansible_playbook_with_specialised_workers_at_nginx() {
    compare_nginx("ansible-specialised.conf", 12);
}

#[test]
fn ess_at_haproxy() {
    compare_haproxy("ess.cfg", "synapse-http-in", &["ess-path_map_file", "ess-path_map_file_get"], 14);
}

#[test]
fn sytest_at_haproxy() {
    compare_haproxy("sytest.cfg", "http-in", &["sytest-path.map", "sytest-get.map"], 8);
}

#[test]
fn two_hosts_at_caddy() {
    let original = text("two-hosts.Caddyfile");
    let addresses: Vec<&str> = between(&original, " 127.0.0.1:", &['\n', ' ']).into_iter().collect();
    let addresses: Vec<String> = addresses.into_iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let echoes = Echo::start_all(addresses.len());
    let plain = with_servers(&original, &addresses, &echoes);
    let second = free_port();
    let written = RefCell::new(String::new());
    let configure = |port: u16, _: &Path| {
        let text = plain
            .replace("matrix.example.com:8448 {", &format!("http://matrix.example.com:{second} {{"))
            .replace("matrix.example.com {", &format!("http://matrix.example.com:{port} {{"))
            .replace("element.example.com {", &format!("http://element.example.com:{port} {{"))
            .replace("auth.example.com {", &format!("http://auth.example.com:{port} {{"));
        let text = format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}");
        text.clone_into(&mut written.borrow_mut());
        text
    };
    let proxy = Proxy::start("caddy", configure, |command, folder| {
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
    });
    let configuration = caddy::read(Path::new("Caddyfile"), &written.borrow(), &Disk).unwrap();
    for (host, port) in [
        ("matrix.example.com", proxy.port),
        ("matrix.example.com", second),
        ("element.example.com", proxy.port),
        ("auth.example.com", proxy.port),
    ] {
        let site = configuration.sites.iter().find(|site| site.hosts() == [host] && site.ports() == [port]).unwrap();
        compare(&configuration, site.as_ref(), port, host);
    }
}
