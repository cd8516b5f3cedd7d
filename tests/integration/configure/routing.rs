//! Every row of the endpoint table by every method, through a real proxy: each request must reach the pool that the classifier and the plan
//! name, and a request with a key exactly the server of the key.

use std::collections::{BTreeMap, BTreeSet};

use wsim::configure::Configuration;
use wsim::endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim::plan::ProxyKind;

use super::expected::ExpectedRouter;
use super::net::Client;
use super::plans::{GENERIC, HAPROXY_RULES, MORE_WRITERS, SEPARATE_POOLS, configure_and_serve};
use super::proxies::start;
use super::proxy::version;
use super::requests::{Request, requests};

const ALL: [Method; 7] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options, Method::Patch];
const FEW: [Method; 3] = [Method::Get, Method::Post, Method::Put];

#[test]
fn nginx_routes_every_row_as_the_plan_says() {
    let mut comparison = Comparison::default();
    comparison.compare_releases(ProxyKind::Nginx);
    comparison.assert_enough_requests();
}

#[test]
fn haproxy_routes_every_row_as_the_plan_says() {
    let mut comparison = Comparison::default();
    comparison.compare_releases(ProxyKind::Haproxy);
    comparison.compare(ProxyKind::Haproxy, HAPROXY_RULES, "1.157", &FEW);
    comparison.assert_enough_requests();
}

/// Caddy as Debian packages it uses an older hash than current releases.
#[test]
fn caddy_routes_every_row_as_the_plan_says() {
    let separate_pools = format!("{SEPARATE_POOLS}{MORE_WRITERS}");
    let mut comparison = Comparison::default();
    comparison.compare(ProxyKind::Caddy, &separate_pools, "1.157", &ALL);
    comparison.compare(ProxyKind::Caddy, GENERIC, "1.73", &ALL);
    comparison.compare(ProxyKind::Caddy, &keyed_by_origin(), "1.60", &FEW);
    comparison.assert_enough_requests();
}

/// Apache has no rule with a key, so no keys are compared.
#[test]
fn apache_routes_every_row_as_the_plan_says() {
    let separate_pools = format!("{SEPARATE_POOLS}{MORE_WRITERS}");
    let mut comparison = Comparison::default();
    comparison.compare(ProxyKind::Apache, &separate_pools, "1.157", &ALL);
    comparison.compare(ProxyKind::Apache, GENERIC, "1.73", &ALL);
    assert!(comparison.requests > 4000, "only {} requests", comparison.requests);
}

/// Patterns of a plan that are in no endpoint table are matched before all others, by the methods that the plan names.
#[test]
fn patterns_given_by_the_plan_are_matched_first() {
    let own = r#"
name = "patterns of its own"
synapse = "1.157"
[[pool]]
name = "own"
endpoints = [
    {pattern = "/upgrade$|^/_matrix/client/v3/(logout|sync)$", methods = ["POST", "PUT"]},
    {pattern = "^/_matrix/client/v3/rooms/[^/]+/report\\.x/"},
]
workers = 1
[[pool]]
name = "sync"
endpoints = ["sync"]
workers = 1
"#;
    let cases = [
        (Method::Post, "/_matrix/client/v3/rooms/!a:b/upgrade", "own"),
        (Method::Put, "/_matrix/client/v3/rooms/!a:b/upgrade?x=1", "own"),
        (Method::Get, "/_matrix/client/v3/rooms/!a:b/upgrade", "main"),
        (Method::Post, "/_matrix/client/v3/rooms/!a:b/upgrade/x", "main"),
        (Method::Post, "/_matrix/client/v3/logout?x=/upgrade", "own"),
        (Method::Get, "/_matrix/client/v3/logout?x=/upgrade", "main"),
        (Method::Post, "/_matrix/client/v3/login?x=/upgrade", "main"),
        (Method::Post, "/_matrix/client/v3/sync", "own"),
        (Method::Get, "/_matrix/client/v3/sync", "sync"),
        (Method::Get, "/_matrix/client/v3/rooms/!a:b/report.x/1", "own"),
        (Method::Get, "/_matrix/client/v3/rooms/!a:b/report-x/1", "main"),
        (Method::Get, "/_matrix/client/v3/rooms/!a:b/c/report.x/1", "main"),
    ];
    for proxy in [ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy, ProxyKind::Apache] {
        let configuration = configure_and_serve(own, proxy, "1.157");
        let running = start(proxy, &configuration);
        let mut client = Client::new(running.port);
        for (method, target, expected) in cases {
            let response =
                client.send(&Request { method, target: target.to_owned(), authorization: String::new(), agent: String::new(), source: 2 });
            let address = match expected {
                "main" => &configuration.cluster.main,
                pool => configuration.cluster.worker(&format!("{pool}1")).unwrap().clients.as_ref().unwrap(),
            };
            assert_eq!(response.server, Some(address.to_string()), "{proxy:?} {method:?} {target}");
        }
    }
}

/// A comparison that cannot fail proves nothing: one changed line in a file must be detected.
#[test]
fn a_changed_line_in_the_configuration_is_detected() {
    let changes = [
        ("~^GET /_matrix/client/(api/v1|r0|v3|unstable)/pushrules/", "~^[^ ]+ /_matrix/client/(api/v1|r0|v3|unstable)/pushrules/"),
        ("/_matrix/federation/v1/state_ids/\" synapse_generic", "/_matrix/federation/v1/state_ids/\" synapse_main"),
        (
            "$http_authorization $wsim_token {\n    default $http_authorization",
            "$http_authorization $wsim_token {\n    default x$http_authorization",
        ),
    ];
    for (from, to) in changes {
        let mut configuration = configure_and_serve(GENERIC, ProxyKind::Nginx, "1.157");
        let maps = configuration.files.iter_mut().find(|file| file.path.ends_with("wsim-maps.conf")).unwrap();
        assert!(maps.text.contains(from), "{from} is not in the file");
        maps.text = maps.text.replace(from, to);
        let wrong = Comparison::default().misrouted(ProxyKind::Nginx, &configuration, "1.157", &ALL);
        assert!(!wrong.is_empty(), "{from} -> {to} was not detected");
    }
}

/// The plan `SEPARATE_POOLS` with inbound federation keyed by the sending server.
fn keyed_by_origin() -> String {
    let plan = SEPARATE_POOLS.replace("key = \"address\"", "key = \"origin\"");
    assert_ne!(plan, SEPARATE_POOLS);
    plan
}

/// Compares proxies with the plan and counts what has been compared.
#[derive(Default)]
struct Comparison {
    requests: usize,
    keyed: usize,
    /// Servers that responded to a request with a key, by pool.
    servers: BTreeMap<String, BTreeSet<String>>,
}

impl Comparison {
    /// The newest release by every method, and releases of different ages by the methods that clients use most.
    fn compare_releases(&mut self, proxy: ProxyKind) {
        self.compare(proxy, &format!("{SEPARATE_POOLS}{MORE_WRITERS}"), "1.157", &ALL);
        self.compare(proxy, GENERIC, "1.157", &ALL);
        for release in ["1.18", "1.48", "1.73", "1.100"] {
            self.compare(proxy, GENERIC, release, &FEW);
        }
        self.compare(proxy, &keyed_by_origin(), "1.60", &FEW);
    }

    fn compare(&mut self, proxy: ProxyKind, plan: &str, release: &str, methods: &[Method]) {
        let mut configuration = configure_and_serve(plan, proxy, release);
        if proxy == ProxyKind::Caddy {
            let mut plan = configuration.plan.into_plan();
            plan.proxy.release = Some(version("caddy", "version").split(' ').next().unwrap().trim().to_owned());
            configuration.plan = plan.check().unwrap();
        }
        let wrong = self.misrouted(proxy, &configuration, release, methods);
        assert!(wrong.is_empty(), "{proxy:?} {release}: {} wrong, for example {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
    }

    /// Requests that reached the wrong server or arrived changed.
    fn misrouted(&mut self, proxy: ProxyKind, configuration: &Configuration, release: &str, methods: &[Method]) -> Vec<String> {
        let running = start(proxy, configuration);
        let table = table_for(Some(release)).unwrap().table;
        let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
        let mut router = ExpectedRouter::new(configuration, &classifier);
        let mut client = Client::new(running.port);
        let mut wrong = Vec::new();
        for request in requests(&table, methods) {
            let response = client.send(&request);
            let expected = router.route(&request);
            self.requests += 1;
            if let Some(pool) = &expected.keyed {
                self.keyed += 1;
                self.servers.entry(pool.clone()).or_default().extend(response.server.clone());
            }
            let arrived = response.server.as_ref().is_some_and(|server| expected.servers.contains(server));
            // Synapse must get the target exactly as the client sent it, because federation signs it.
            if !arrived || response.target.as_deref() != Some(request.target.as_str()) {
                wrong.push(format!("{request:?}: {} {:?} {:?}, expected {expected:?}", response.status, response.server, response.target));
            }
        }
        for path in ["/_synapse/replication/send_event/x", "/_synapse/metrics", "/", "/wp-login.php", "/_matrixx/client/versions"] {
            let response = client.send(&Request {
                method: Method::Get,
                target: path.to_owned(),
                authorization: String::new(),
                agent: String::new(),
                source: 2,
            });
            if (response.status, &response.server) != (404, &None) {
                wrong.push(format!("{path}: {} {:?}, expected 404 from the proxy itself", response.status, response.server));
            }
        }
        wrong
    }

    fn assert_enough_requests(&self) {
        assert!(self.requests > 6000, "only {} requests", self.requests);
        assert!(self.keyed > 3000, "only {} with a key", self.keyed);
        // Caddy up to 2.6.2 may give one of two servers with neighbouring ports every key of a pool.
        let one_sided: Vec<&String> = self.servers.iter().filter(|(_, servers)| servers.len() == 1).map(|(pool, _)| pool).collect();
        assert!(one_sided.len() * 2 <= self.servers.len(), "{one_sided:?}: all keys went to one server, so the comparison proves little");
    }
}
