//! Builds routers and services from trees.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::model::{
    Delivery, Doubts, Facts, KeyValue, Note, Proxy, Request, RouteTarget, Routed, Site, SourceLocation, Unknown, UpstreamPool,
    UpstreamServer, Words,
};
use super::super::tree::Node;
use super::super::units::tighter;
use super::limits::{Statics, effect, patience};
use super::rule::Rule;
use super::syntax::{major_of, refusal};
use wsim_plan::ProxyKind;

/// The routers of an entry point, or all of them.
#[derive(Debug)]
struct Routers {
    /// The ports are of the static configuration; without it, guessed from the entry point's name.
    facts: Facts,
    /// The entry point's time-out for writing a response, milliseconds.
    write_timeout: Option<u64>,
    /// In order of priority, the highest first.
    routers: Vec<Arc<Router>>,
}

#[derive(Debug)]
struct Router {
    name: String,
    rule: Result<Rule, String>,
    priority: i64,
    /// The index of the pool, or the reason why there is none.
    service: Result<usize, String>,
    hash: bool,
    rewrites: bool,
    body_max: Option<u64>,
    /// How long the service's transport waits for the beginning of a response, milliseconds.
    patience: Option<u64>,
    /// Empty for all.
    entry_points: Vec<String>,
    at: SourceLocation,
}

impl Site for Routers {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        let path = wsim_http::percent::decode_text(&request.path).into_owned();
        let mut found: Option<&Arc<Router>> = None;
        for router in &self.routers {
            if found.is_some_and(|found| found.priority > router.priority) {
                break;
            }
            let holds = router.rule.as_ref().map_err(Clone::clone).and_then(|rule| rule.holds(request, &path));
            match (holds, found) {
                (Ok(false), _) => {}
                (Err(why), _) => return Routed::unknown(Unknown::new(why, &router.at)),
                (Ok(true), None) => found = Some(router),
                (Ok(true), Some(first)) if first.service == router.service => {}
                (Ok(true), Some(first)) => {
                    let why = format!("routers {} and {} have the same priority, so that either may take it", first.name, router.name);
                    return Routed::unknown(Unknown::new(why, &router.at));
                }
            }
        }
        match found {
            None => Routed::local("status 404: no router takes it", None),
            Some(router) => match &router.service {
                Err(why) => Routed::unknown(Unknown::new(why.clone(), &router.at)),
                Ok(pool) => Routed {
                    target: RouteTarget::Pool(*pool),
                    rule: Some(router.at.clone()),
                    key: if router.hash { KeyValue::Text(request.address.clone()) } else { KeyValue::None },
                    rewritten: router.rewrites,
                    // Traefik sets both headers itself, and passes bodies on as they come unless a middleware buffers them.
                    delivery: Some(Delivery {
                        body_max: router.body_max,
                        patience_ms: tighter(router.patience, self.write_timeout),
                        forwarded_for: Some("set by Traefik".to_owned()),
                        forwarded_proto: true,
                        buffers_requests: router.body_max.is_some(),
                        buffers_responses: false,
                        doubts: Doubts::default(),
                    }),
                },
            },
        }
    }
}

/// Builds the proxy from all trees.
pub(super) fn proxy(trees: &[(Arc<str>, Node)], statics: &Statics) -> Proxy {
    let (mut pools, mut notes) = (Vec::new(), Vec::new());
    let part = |kind: &str| -> Vec<(&Arc<str>, &String, &Node)> {
        let parts = trees.iter().flat_map(|(file, root)| {
            root.at(&["http", kind]).map(Node::entries).unwrap_or_default().iter().map(move |(name, node)| (file, name, node))
        });
        parts.collect()
    };
    let services = part("services");
    let mut by_name = Services::new();
    for (index, (_, name, node)) in services.iter().enumerate() {
        by_name.entry(name.as_str()).or_insert((index, *node));
    }
    for (file, name, node) in &services {
        pools.push(service(file, name, node, &by_name, &mut notes));
    }
    let middlewares = part("middlewares");
    let mut middlewares_by_name: HashMap<&str, &Node> = HashMap::new();
    for (_, name, node) in &middlewares {
        middlewares_by_name.entry(name.as_str()).or_insert(*node);
    }
    let transports = part("serversTransports");
    let transport_of = |service: &Node| {
        let name = get(service, "loadBalancer").and_then(|balancer| get(balancer, "serversTransport")).and_then(Node::text)?;
        let bare = name.split('@').next().unwrap_or_default();
        transports.iter().find(|(_, own, _)| own.as_str() == bare).map(|(_, _, node)| *node)
    };
    let mut routers: Vec<Arc<Router>> = part("routers")
        .into_iter()
        .filter_map(|(file, name, node)| {
            let text = node.get("rule").and_then(Node::text).unwrap_or_default();
            let at = SourceLocation::new(file, node.get("rule").map_or(node.line, |rule| rule.line));
            let (rule, calls) = Rule::parse(&text);
            let syntax = get(node, "ruleSyntax").and_then(Node::text).and_then(|name| major_of(&name));
            let major = syntax.or(statics.rule_syntax).or(statics.major);
            if let Some(why) = refusal(&calls, major.unwrap_or(3)) {
                let name = name.escape_debug();
                let text = match major {
                    Some(major) => format!("Traefik {major} leaves router {name} out: {why}"),
                    None => format!("Traefik 3 would leave router {name} out: {why}; it is evaluated as Traefik 2 takes it"),
                };
                notes.push(Note { at: at.clone(), text });
                if major.is_some() {
                    return None;
                }
            }
            let wanted = node.get("service").and_then(Node::text).unwrap_or_default();
            let wanted = wanted.split('@').next().unwrap_or_default();
            let service = by_name.get(wanted).map(|(index, _)| *index);
            let names = node.get("middlewares").map(Node::texts).unwrap_or_default();
            let effect = effect(&names, &middlewares_by_name);
            let transport = by_name.get(wanted).and_then(|(_, service)| transport_of(service));
            let priority = node.get("priority").and_then(Node::number).filter(|priority| *priority != 0);
            Some(Arc::new(Router {
                name: name.clone(),
                rule,
                priority: priority.unwrap_or_else(|| i64::try_from(text.len()).unwrap_or(i64::MAX)),
                hash: service.is_some_and(|index| pools[index].balance == "hrw"),
                service: service.ok_or_else(|| format!("there is no service {} in these files", wanted.escape_debug())),
                rewrites: effect.rewrites,
                body_max: effect.body_max,
                patience: transport.map_or(statics.patience, patience),
                entry_points: get(node, "entryPoints").map(Node::texts).unwrap_or_default(),
                at,
            }))
        })
        .collect();
    routers.sort_by_key(|router| std::cmp::Reverse(router.priority));
    let at = trees.first().map_or_else(|| SourceLocation::new(&"".into(), 0), |(file, _)| SourceLocation::new(file, 0));
    let mut hosts: Vec<String> = Vec::new();
    for host in routers.iter().filter_map(|router| router.rule.as_ref().ok()).flat_map(Rule::host_names) {
        if hosts.len() < HOSTS_MAX && !hosts.iter().any(|own| own == host) {
            hosts.push(host.to_owned());
        }
    }
    Proxy {
        kind: ProxyKind::Traefik,
        words: Words::Traefik,
        sites: sites(routers, &at, statics),
        pools,
        processes: Some(1),
        processes_at: None,
        hosts,
        notes,
        missing: Vec::new(),
    }
}

/// A site for every entry point that some router names, or one for all routers.
fn sites(routers: Vec<Arc<Router>>, at: &SourceLocation, statics: &Statics) -> Vec<Box<dyn Site>> {
    let mut entry_points: Vec<&str> = routers.iter().flat_map(|router| &router.entry_points).map(String::as_str).collect();
    entry_points.sort_unstable();
    entry_points.dedup();
    if entry_points.len() < 2 || entry_points.len() > ENTRY_POINTS_MAX {
        let point = entry_points.first().and_then(|name| statics.entry_point(name));
        let write_timeout = point.map_or_else(|| statics.write_timeout(), |point| point.write_timeout);
        return vec![Box::new(Routers { facts: facts("the routers".to_owned(), at.clone(), Vec::new()), write_timeout, routers })];
    }
    let site = |entry_point: &str| {
        let own =
            routers.iter().filter(|router| router.entry_points.is_empty() || router.entry_points.iter().any(|own| own == entry_point));
        let own: Vec<Arc<Router>> = own.cloned().collect();
        let at = own.first().map_or_else(|| at.clone(), |router| router.at.clone());
        let is_federation = entry_point.to_ascii_lowercase().contains("federation") || entry_point.contains("8448");
        let point = statics.entry_point(entry_point).unwrap_or_default();
        let ports = point.port.or(is_federation.then_some(8448)).into_iter().collect();
        let name = format!("entry point {entry_point}");
        Box::new(Routers { facts: facts(name, at, ports), write_timeout: point.write_timeout, routers: own }) as Box<dyn Site>
    };
    entry_points.into_iter().map(site).collect()
}

/// Rules and not sites select the host.
fn facts(name: String, at: SourceLocation, ports: Vec<u16>) -> Facts {
    Facts { name, at, hosts: Vec::new(), ports }
}

fn service(file: &Arc<str>, name: &str, node: &Node, services: &Services<'_>, notes: &mut Vec<Note>) -> UpstreamPool {
    let at = SourceLocation::new(file, node.line);
    let mut pool = UpstreamPool { name: name.to_owned(), servers: Vec::new(), balance: "wrr".to_owned(), shared: true, at: at.clone() };
    if let Some(balancer) = get(node, "loadBalancer") {
        pool.servers = servers(balancer);
        if let Some(strategy) = get(balancer, "strategy").and_then(Node::text) {
            pool.balance = strategy;
        }
        if get(balancer, "sticky").is_some() {
            notes.push(Note { at: at.clone(), text: "sticky cookies are left out of account: Matrix clients keep none".to_owned() });
        }
    } else if let Some(weighted) = get(node, "weighted") {
        for part in get(weighted, "services").map(Node::items).unwrap_or_default() {
            let wanted = get(part, "name").and_then(Node::text).unwrap_or_default();
            let weight = get(part, "weight").and_then(Node::number).and_then(|weight| weight.try_into().ok()).unwrap_or(1);
            let inner = services.get(wanted.as_str()).and_then(|(_, node)| get(node, "loadBalancer"));
            let inner = inner.map(servers).unwrap_or_default();
            pool.servers.extend(inner.into_iter().map(|server| UpstreamServer { weight: server.weight.saturating_mul(weight), ..server }));
            if pool.servers.len() > SERVERS_MAX {
                break;
            }
        }
    } else {
        notes.push(Note { at: at.clone(), text: "a service that is neither loadBalancer nor weighted is not evaluated".to_owned() });
    }
    if pool.servers.len() > SERVERS_MAX {
        pool.servers.truncate(SERVERS_MAX);
        notes.push(Note { at, text: format!("only the first {SERVERS_MAX} servers of this service are counted") });
    }
    pool
}

/// The value of a key, whose case does not matter.
pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.entries().iter().find(|(own, _)| own.eq_ignore_ascii_case(key)).map(|(_, node)| node)
}

/// Index and node of every service, by name; of several of one name the first.
type Services<'s> = HashMap<&'s str, (usize, &'s Node)>;

fn servers(balancer: &Node) -> Vec<UpstreamServer> {
    let list = balancer.entries().iter().find(|(key, _)| key == "servers").map(|(_, list)| list.items()).unwrap_or_default();
    let read = list.iter().filter_map(|server| {
        let url = server.get("url").and_then(Node::text)?;
        let address = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).split('/').next().unwrap_or_default().to_owned();
        let weight = server.get("weight").and_then(Node::number).and_then(|weight| weight.try_into().ok()).unwrap_or(1);
        Some(UpstreamServer { address, name: None, weight })
    });
    read.collect()
}

const SERVERS_MAX: usize = 1000;
const HOSTS_MAX: usize = 2000;
const ENTRY_POINTS_MAX: usize = 50;
