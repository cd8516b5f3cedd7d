//! Every row of the table by every method, through the real proxy: the pool that classifier and plan name, and the very server of a key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use wsim::balance::{Balancer, PickContext, Pick};
use wsim::configure::Configuration;
use wsim::endpoints::{Classifier, Method, ClassifierConfig, table_for};
use wsim::plan::{Destination, Key, ProxyKind};

use super::net::Client;
use super::plans::{APART, GENERIC, HAPROXYS_WORDS, MORE_WRITERS, file, served};
use super::proxy::{Proxy, version};
use super::requests::{Request, requests};

const ALL: [Method; 7] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options, Method::Patch];
const FEW: [Method; 3] = [Method::Get, Method::Post, Method::Put];

/// The newest release by every method, and others of different ages by those that clients use.
#[test]
fn nginx_sends_every_row_where_the_plan_says() {
    let apart = format!("{APART}{MORE_WRITERS}");
    let mut seen = Seen::default();
    seen.compare(ProxyKind::Nginx, &apart, "1.157", &ALL);
    seen.compare(ProxyKind::Nginx, GENERIC, "1.157", &ALL);
    for release in ["1.18", "1.48", "1.73", "1.100"] {
        seen.compare(ProxyKind::Nginx, GENERIC, release, &FEW);
    }
    seen.compare(ProxyKind::Nginx, &by_origin(), "1.60", &FEW);
    seen.is_enough();
}

#[test]
fn haproxy_sends_every_row_where_the_plan_says() {
    let apart = format!("{APART}{MORE_WRITERS}");
    let mut seen = Seen::default();
    seen.compare(ProxyKind::Haproxy, &apart, "1.157", &ALL);
    seen.compare(ProxyKind::Haproxy, GENERIC, "1.157", &ALL);
    for release in ["1.18", "1.48", "1.73", "1.100"] {
        seen.compare(ProxyKind::Haproxy, GENERIC, release, &FEW);
    }
    seen.compare(ProxyKind::Haproxy, &by_origin(), "1.60", &FEW);
    seen.compare(ProxyKind::Haproxy, HAPROXYS_WORDS, "1.157", &FEW);
    seen.is_enough();
}

/// Caddy as Debian packages it hashes by an older rule than the newest.
#[test]
fn caddy_sends_every_row_where_the_plan_says() {
    let apart = format!("{APART}{MORE_WRITERS}");
    let mut seen = Seen::default();
    seen.compare(ProxyKind::Caddy, &apart, "1.157", &ALL);
    seen.compare(ProxyKind::Caddy, GENERIC, "1.73", &ALL);
    seen.compare(ProxyKind::Caddy, &by_origin(), "1.60", &FEW);
    seen.is_enough();
}

/// Apache has no rule with a key, so there are none to compare.
#[test]
fn apache_sends_every_row_where_the_plan_says() {
    let apart = format!("{APART}{MORE_WRITERS}");
    let mut seen = Seen::default();
    seen.compare(ProxyKind::Apache, &apart, "1.157", &ALL);
    seen.compare(ProxyKind::Apache, GENERIC, "1.73", &ALL);
    assert!(seen.requests > 4000, "only {} requests", seen.requests);
}

/// Patterns that stand in no table go where the plan says, by the methods that it names, before everything else.
#[test]
fn patterns_of_the_plans_own_go_first() {
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
        let configuration = served(own, proxy, "1.157");
        let running = start(proxy, &configuration);
        let mut client = Client::new(running.port);
        for (method, target, expected) in cases {
            let answer = client.send(&Request { method, target: target.to_owned(), authorization: String::new(), source: 2 });
            let address = match expected {
                "main" => &configuration.cluster.main,
                pool => configuration.cluster.worker(&format!("{pool}1")).unwrap().clients.as_ref().unwrap(),
            };
            assert_eq!(answer.server, Some(address.to_string()), "{proxy:?} {method:?} {target}");
        }
    }
}

/// A comparison that could not fail would prove nothing: a file with one line changed sends requests elsewhere.
#[test]
fn a_changed_line_is_noticed() {
    let changes = [
        ("~^GET /_matrix/client/(api/v1|r0|v3|unstable)/pushrules/", "~^[^ ]+ /_matrix/client/(api/v1|r0|v3|unstable)/pushrules/"),
        ("/_matrix/federation/v1/state_ids/\" synapse_generic", "/_matrix/federation/v1/state_ids/\" synapse_main"),
        (
            "$http_authorization $wsim_token {\n    default $http_authorization",
            "$http_authorization $wsim_token {\n    default x$http_authorization",
        ),
    ];
    for (from, to) in changes {
        let mut configuration = served(GENERIC, ProxyKind::Nginx, "1.157");
        let maps = configuration.files.iter_mut().find(|file| file.path.ends_with("wsim-maps.conf")).unwrap();
        assert!(maps.text.contains(from), "{from} is not in the file");
        maps.text = maps.text.replace(from, to);
        let wrong = Seen::default().wrong(ProxyKind::Nginx, &configuration, "1.157", &ALL);
        assert!(!wrong.is_empty(), "{from} -> {to} went unnoticed");
    }
}

/// Inbound federation by the server that sends it.
fn by_origin() -> String {
    let plan = APART.replace("key = \"address\"", "key = \"origin\"");
    assert_ne!(plan, APART);
    plan
}

/// What has been compared.
#[derive(Default)]
struct Seen {
    requests: usize,
    keyed: usize,
    /// Servers that answered a keyed request, by pool.
    servers: BTreeMap<String, BTreeSet<String>>,
}

impl Seen {
    fn compare(&mut self, proxy: ProxyKind, plan: &str, release: &str, methods: &[Method]) {
        let mut configuration = served(plan, proxy, release);
        if proxy == ProxyKind::Caddy {
            configuration.plan.proxy.release = Some(version("caddy", "version").split(' ').next().unwrap().trim().to_owned());
        }
        let wrong = self.wrong(proxy, &configuration, release, methods);
        assert!(wrong.is_empty(), "{proxy:?} {release}: {} wrong, for example {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
    }

    /// Requests that went elsewhere than they should, or arrived changed.
    fn wrong(&mut self, proxy: ProxyKind, configuration: &Configuration, release: &str, methods: &[Method]) -> Vec<String> {
        let running = start(proxy, configuration);
        let table = table_for(Some(release)).unwrap().table;
        let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
        let mut judge = Judge::new(configuration, &classifier);
        let mut client = Client::new(running.port);
        let mut wrong = Vec::new();
        for request in requests(&table, methods) {
            let answer = client.send(&request);
            let expected = judge.expect(&request);
            self.requests += 1;
            if let Some(pool) = &expected.keyed {
                self.keyed += 1;
                self.servers.entry(pool.clone()).or_default().extend(answer.server.clone());
            }
            let arrived = answer.server.as_ref().is_some_and(|server| expected.servers.contains(server));
            // What Synapse gets must be what the client sent, to the byte: federation signs it.
            if !arrived || answer.target.as_deref() != Some(request.target.as_str()) {
                wrong.push(format!("{request:?}: {} {:?} {:?}, expected {expected:?}", answer.status, answer.server, answer.target));
            }
        }
        for path in ["/_synapse/replication/send_event/x", "/_synapse/metrics", "/", "/wp-login.php", "/_matrixx/client/versions"] {
            let answer = client.send(&Request { method: Method::Get, target: path.to_owned(), authorization: String::new(), source: 2 });
            if (answer.status, &answer.server) != (404, &None) {
                wrong.push(format!("{path}: {} {:?}, expected 404 of the proxy itself", answer.status, answer.server));
            }
        }
        wrong
    }

    fn is_enough(&self) {
        assert!(self.requests > 6000, "only {} requests", self.requests);
        assert!(self.keyed > 3000, "only {} with a key", self.keyed);
        // Where servers have neighbouring ports, Caddy up to 2.6.2 may well give one of them everything in some pool.
        let one_sided: Vec<&String> = self.servers.iter().filter(|(_, servers)| servers.len() == 1).map(|(pool, _)| pool).collect();
        assert!(one_sided.len() * 2 <= self.servers.len(), "{one_sided:?}: all keys went to one server, which proves little");
    }
}

/// Where a request belongs.
#[derive(Debug)]
struct Expected {
    /// Any of these.
    servers: Vec<String>,
    /// The pool, if a key chose the one server.
    keyed: Option<String>,
}

/// Says where requests belong, by the classifier, the plan and the balancer.
struct Judge<'c> {
    configuration: &'c Configuration,
    classifier: &'c Classifier,
    balancers: Vec<Balancer>,
}

impl<'c> Judge<'c> {
    fn new(configuration: &'c Configuration, classifier: &'c Classifier) -> Self {
        let plan = &configuration.plan;
        let balancers = (0..plan.pools.len()).map(|pool| plan.balancer(pool).unwrap()).collect();
        Self { configuration, classifier, balancers }
    }

    fn expect(&mut self, request: &Request) -> Expected {
        let (plan, cluster) = (&self.configuration.plan, &self.configuration.cluster);
        let endpoint = self.classifier.endpoint(self.classifier.classify(request.method, request.target.as_bytes()));
        let any = |servers| Expected { servers, keyed: None };
        match plan.route(endpoint) {
            Destination::Main => any(vec![cluster.main.to_string()]),
            Destination::Writer(stream) => {
                let address = |name: &String| cluster.worker(name).and_then(|worker| worker.clients.as_ref()).map(ToString::to_string);
                any(plan.stream_writers[&stream].names().iter().filter_map(address).collect())
            }
            Destination::Pool(index) => {
                let pool = &plan.pools[index];
                let key = plan.rule(index).key.as_ref().and_then(|key| value(key, request));
                match key.filter(|_| pool.size() > 1) {
                    Some(key) => Expected { servers: vec![self.pick(index, &key, request)], keyed: Some(pool.name.clone()) },
                    None => any(pool.servers.clone()),
                }
            }
        }
    }

    fn pick(&mut self, pool: usize, key: &str, request: &Request) -> String {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let address = Some([127, 0, 0, request.source].into());
        let balancer = &mut self.balancers[pool];
        let Pick::Server(slot) = balancer.pick(&mut PickContext { key: Some(key.as_bytes()), address, random: &mut random }) else {
            panic!("no server for {request:?}")
        };
        balancer.release(slot);
        balancer.servers()[slot.server()].name.clone()
    }
}

/// The key of a request, worked out from the request alone.
fn value(key: &Key, request: &Request) -> Option<String> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let in_url = query.split('&').find_map(|part| part.strip_prefix("access_token=")).unwrap_or_default();
    let text = match key {
        Key::User => {
            let localpart = |token: &str| token.strip_prefix("syt_").and_then(|rest| rest.split('_').next()).map(str::to_owned);
            match request.authorization.strip_prefix("Bearer ").and_then(localpart) {
                Some(user) => user,
                None if !request.authorization.is_empty() => request.authorization.clone(),
                None => localpart(in_url).unwrap_or_else(|| in_url.to_owned()),
            }
        }
        Key::Token if request.authorization.is_empty() => in_url.to_owned(),
        Key::Token => request.authorization.clone(),
        Key::Room => {
            let parts: Vec<&str> = path.split('/').collect();
            let place = parts.iter().position(|part| ["rooms", "join", "knock"].contains(part))?;
            (*parts.get(place + 1)?).to_owned()
        }
        Key::Address => format!("127.0.0.{}", request.source),
        Key::Uri => request.target.clone(),
        Key::Origin => {
            let fields = request.authorization.strip_prefix("X-Matrix ")?.split(',');
            fields.filter_map(|field| field.strip_prefix("origin=")).next()?.trim_matches('"').to_owned()
        }
        Key::Header(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn start(proxy: ProxyKind, configuration: &Configuration) -> Proxy {
    match proxy {
        ProxyKind::Nginx => nginx(configuration),
        ProxyKind::Haproxy => haproxy(configuration),
        ProxyKind::Caddy => caddy(configuration),
        ProxyKind::Apache => apache(configuration),
        other => panic!("no test for {other:?}"),
    }
}

fn nginx(configuration: &Configuration) -> Proxy {
    let frame = |port: u16, folder: &Path| {
        for name in ["wsim-maps.conf", "wsim-locations.conf"] {
            std::fs::write(folder.join(name), file(configuration, &format!("proxy/nginx/{name}"))).unwrap();
        }
        let folder = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .collect();
        format!(
            "daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr warn;\nevents {{ worker_connections 512; }}\nhttp {{\n{temporary}\
             include {folder}/wsim-maps.conf;\naccess_log {folder}/access.log wsim;\nserver {{\nlisten 127.0.0.1:{port};\n\
             include {folder}/wsim-locations.conf;\nlocation / {{ return 404; }}\n}}\n}}\n"
        )
    };
    Proxy::start("nginx", frame, |command, folder| {
        command.args(["-e", "stderr", "-c"]).arg(folder.join("config"));
    })
}

fn haproxy(configuration: &Configuration) -> Proxy {
    let own = |port: u16, _: &Path| {
        let text = file(configuration, "proxy/haproxy/haproxy.cfg");
        text.replace("\n    bind :80\n", &format!("\n    bind 127.0.0.1:{port}\n"))
            .replace("log /dev/log local0", "log stdout format raw local0\n    nbthread 1\n    maxconn 2000")
    };
    Proxy::start("haproxy", own, |command, folder| {
        command.arg("-db").arg("-f").arg(folder.join("config"));
    })
}

fn caddy(configuration: &Configuration) -> Proxy {
    let own = |port: u16, folder: &Path| {
        let site = format!("{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{port} {{\n\tbind 127.0.0.1\n");
        file(configuration, "proxy/caddy/Caddyfile")
            .replace("matrix.example.org, matrix.example.org:8448 {\n", &site)
            .replace("/var/log/caddy", &folder.display().to_string())
    };
    Proxy::start("caddy", own, |command, folder| {
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
    })
}

fn apache(configuration: &Configuration) -> Proxy {
    let own = |port: u16, folder: &Path| apache_frame(port, folder, file(configuration, "proxy/apache/wsim.conf"));
    Proxy::start("apache2", own, |command, folder| {
        command.arg("-DFOREGROUND").arg("-f").arg(folder.join("config"));
    })
}

/// A server around the written file.
pub(super) fn apache_frame(port: u16, folder: &Path, text: &str) -> String {
    std::fs::create_dir_all(folder.join("none")).unwrap();
    let folder = folder.display();
    let modules = [
        "mpm_event",
        "authn_core:authz_core:authz_host",
        "proxy:proxy_http:proxy_balancer:slotmem_shm",
        "rewrite:headers",
        "lbmethod_byrequests:lbmethod_bytraffic:lbmethod_bybusyness",
    ];
    let modules: String = modules
        .iter()
        .flat_map(|names| names.split(':'))
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nServerName localhost\nErrorLog /dev/stderr\nLogLevel error\n{modules}\
         User nobody\nGroup nogroup\nDocumentRoot {folder}/none\nMaxKeepAliveRequests 0\nListen 127.0.0.1:{port}\n\
         <VirtualHost *:{port}>\n{text}\nCustomLog {folder}/access.log wsim\n</VirtualHost>\n"
    )
}
