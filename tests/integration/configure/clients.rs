//! Pools of some clients, through real proxies: every request must reach the pool that the plan's own router names, and `wsim audit` must read
//! the same out of the files.

use std::collections::BTreeMap;
use std::path::Path;

use wsim::configure::read::{NoFiles, RouteTarget, caddy, haproxy, nginx};
use wsim::configure::{Configuration, ConfigureConfig, ConfigureError, configure};
use wsim::endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim::plan::{Client as PlanClient, Destination, Plan, ProxyKind, RequestFacts, RequestPath, RequestRouter};

use super::net::Client;
use super::plans::{configure_and_serve, file};
use super::proxies::start;
use super::requests::Request;

/// Every list, alone and with others, before pools for everybody.
const PLAN: &str = r#"
name = "some clients"
synapse = "1.157"
[[pool]]
name = "both"
endpoints = ["event_sending"]
agents = ["mautrix-*"]
addresses = ["127.0.0.4/30"]
workers = 1
[[pool]]
name = "telegram"
endpoints = ["event_sending", "sync", "typing"]
appservices = ["@_telegram_*"]
workers = 1
[[pool]]
name = "bots"
endpoints = ["sync", "client", "initial_sync", {pattern = "/report$", methods = ["POST"]}]
users = ["@bot.x=1:a.org", "@_irc_*"]
workers = 1
[[pool]]
name = "programs"
endpoints = ["initial_sync", "media"]
agents = ["Element X", "matrix-media-repo"]
workers = 1
[[pool]]
name = "lan"
endpoints = ["client"]
addresses = ["127.0.0.64/26", "::1"]
workers = 1
[[pool]]
name = "other-tokens"
endpoints = ["client"]
tokens = ["mct_*", "as+t*"]
workers = 1
[[pool]]
name = "sync"
endpoints = ["sync"]
workers = 1
[[pool]]
name = "event"
endpoints = ["event_sending"]
workers = 1
[stream_writers]
typing = "writer1"
"#;

fn cases() -> Vec<Request> {
    let (alice, bot) = ("Bearer syt_YWxpY2U_AAAA_0a".to_owned(), "Bearer syt_Ym90Lng9MQ_AAAA_0a".to_owned());
    let targets = [
        (Method::Put, "/_matrix/client/v3/rooms/!a:b/send/m.room.message/1"),
        (Method::Get, "/_matrix/client/v3/sync?since=s1"),
        (Method::Get, "/_matrix/client/v3/sync"),
        (Method::Get, "/_matrix/client/v3/joined_rooms"),
        (Method::Put, "/_matrix/client/v3/rooms/!a:b/typing/@a:b"),
        (Method::Post, "/_matrix/client/v3/rooms/!a:b/report"),
        (Method::Post, "/_matrix/client/v3/logout"),
        (Method::Get, "/_matrix/media/v3/download/a.org/x"),
    ];
    let users = [
        "",
        "user_id=@_telegram_1:a.org",
        "user_id=%40_telegram_1%3Aa.org",
        "user_id=%40bot.x%3D1%3aa.org",
        "user_id=@_irc_x:a.org",
        "user_id=@alice:a.org",
        "x=user_id%3D@_irc_x:a.org",
    ];
    let authorizations = [String::new(), alice, bot, "Bearer mct_abc".to_owned(), "Bearer as+token".to_owned(), "Bearer asst".to_owned()];
    let agents =
        ["", "mautrix-telegram/0.15", "Element X/1.2 (iPhone)", "Element X", "Element", "xmautrix-telegram", "matrix-media-repo; x"];
    let mut requests = Vec::new();
    for (method, target) in targets {
        for (number, user) in users.iter().enumerate() {
            for (place, authorization) in authorizations.iter().enumerate() {
                // Synapse's own tokens are never a bridge's.
                if !user.is_empty() && authorization.contains("syt_") {
                    continue;
                }
                for (index, agent) in agents.iter().enumerate() {
                    let join = if target.contains('?') { "&" } else { "?" };
                    let target = if user.is_empty() { target.to_owned() } else { format!("{target}{join}{user}") };
                    let source = [2, 5, 70, 130][(number + place + index) % 4];
                    requests.push(Request { method, target, authorization: authorization.clone(), agent: (*agent).to_owned(), source });
                }
            }
        }
    }
    requests
}

/// What the plan itself says of a request.
fn expected(router: &RequestRouter, classifier: &Classifier, plan: &Plan, request: &Request) -> String {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let user_id = query.split('&').find_map(|parameter| parameter.strip_prefix("user_id="));
    let user_id = user_id.map(|text| wsim::http::percent::decode_text(text).into_owned());
    let token = request.authorization.strip_prefix("Bearer ").unwrap_or_default();
    let own = wsim::http::identity::token_localpart(request.authorization.as_bytes());
    let own = own.map(|name| format!("@{name}:a.org")).unwrap_or_default();
    let user = user_id.clone().unwrap_or(own);
    let client = PlanClient {
        user: &user,
        appservice: user_id.is_some(),
        agent: &request.agent,
        address: Some([127, 0, 0, request.source].into()),
        token: Some(token),
    };
    let facts = RequestFacts { method: request.method, path: RequestPath::Sent(path), client };
    let endpoint = classifier.endpoint(classifier.classify(request.method, request.target.as_bytes()));
    match router.route(endpoint, &facts).unwrap() {
        Destination::Main => "main".to_owned(),
        Destination::Pool(index) => plan.pools[index].name.clone() + "1",
        Destination::Writer(stream) => plan.stream_writers[&stream].names()[0].clone(),
    }
}

/// The written files as `wsim audit` reads them.
fn audited(proxy: ProxyKind, configuration: &Configuration) -> wsim::configure::read::Proxy {
    let read = match proxy {
        ProxyKind::Nginx => {
            let text = ["wsim-maps.conf", "wsim-locations.conf"].map(|name| file(configuration, &format!("proxy/nginx/{name}")));
            let site = format!("http {{\n{}\nserver {{\n{}\n}}\n}}\n", text[0], text[1]);
            nginx::read(Path::new("nginx.conf"), &site, &NoFiles)
        }
        ProxyKind::Haproxy => haproxy::read(Path::new("haproxy.cfg"), file(configuration, "proxy/haproxy/haproxy.cfg"), &NoFiles),
        _ => caddy::read(Path::new("Caddyfile"), file(configuration, "proxy/caddy/Caddyfile"), &NoFiles),
    };
    read.unwrap()
}

fn evaluated(request: &Request) -> wsim::configure::read::Request {
    let mut evaluated = wsim::configure::read::Request::new(request.method.name(), &request.target);
    evaluated.address = format!("127.0.0.{}", request.source);
    for (name, value) in [("Authorization", &request.authorization), ("User-Agent", &request.agent)] {
        if !value.is_empty() {
            evaluated = evaluated.with_header(name, value);
        }
    }
    evaluated
}

fn compare(proxy: ProxyKind) {
    let configuration = configure_and_serve(PLAN, proxy, "1.157");
    let running = start(proxy, &configuration);
    let table = table_for(Some("1.157")).unwrap().table;
    let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
    let router = RequestRouter::new(&configuration.plan, |text| table.rows.iter().any(|row| row.effective_pattern() == text)).unwrap();
    let mut client = Client::new(running.port);
    let read = audited(proxy, &configuration);
    let (mut wrong, mut reached) = (Vec::new(), BTreeMap::<String, usize>::new());
    for request in cases() {
        let name = expected(&router, &classifier, &configuration.plan, &request);
        let address = match name.as_str() {
            "main" => &configuration.cluster.main,
            name => configuration.cluster.worker(name).unwrap().clients.as_ref().unwrap(),
        };
        let routed = read.sites[0].route(&evaluated(&request)).target;
        if !matches!(&routed, RouteTarget::Pool(index) if read.pools[*index].servers[0].address == address.to_string()) {
            wrong.push(format!("{request:?}: the audit says {routed:?}, expected {name} at {address}"));
        }
        let response = client.send(&request);
        if response.server != Some(address.to_string()) {
            wrong.push(format!("{request:?}: {:?}, expected {name} at {address}", response.server));
        }
        *reached.entry(name).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{proxy:?}: {} wrong, for example {:#?}", wrong.len(), &wrong[..wrong.len().min(6)]);
    for pool in ["both1", "telegram1", "bots1", "programs1", "lan1", "other-tokens1", "sync1", "event1", "writer1", "main"] {
        assert!(reached.get(pool).is_some_and(|count| *count > 3), "{pool} got too few requests: {reached:?}");
    }
}

#[test]
fn nginx_tells_clients_apart_as_the_plan_does() {
    compare(ProxyKind::Nginx);
}

#[test]
fn haproxy_tells_clients_apart_as_the_plan_does() {
    compare(ProxyKind::Haproxy);
}

#[test]
fn caddy_tells_clients_apart_as_the_plan_does() {
    compare(ProxyKind::Caddy);
}

#[test]
fn clients_that_a_proxy_cannot_see_are_refused_with_the_way_out() {
    let refused = |list: &str, proxy: ProxyKind| {
        let text = format!("name = \"p\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"a\"\nendpoints = [\"sync\"]\n{list}\nworkers = 1\n");
        let plan = Plan::from_toml(&text, "p.toml").unwrap();
        configure(&plan, &ConfigureConfig { proxy, ..ConfigureConfig::default() })
    };
    let why = refused("users = [\"@bot*\"]", ProxyKind::Nginx).unwrap_err();
    assert!(matches!(why, ConfigureError::HiddenUsers { .. }), "{why}");
    assert!(why.to_string().contains("select by appservices, agents or addresses"), "{why}");
    for proxy in [ProxyKind::Traefik, ProxyKind::Apache] {
        let why = refused("agents = [\"x\"]", proxy).unwrap_err();
        assert!(matches!(why, ConfigureError::ClientLists { .. }) && why.to_string().contains("choose nginx, haproxy or caddy"), "{why}");
    }
    let warned = refused("users = [\"@_irc_*\"]", ProxyKind::Nginx).unwrap().warnings.join("\n");
    assert!(warned.contains("matched in the user_id="), "{warned}");
}
