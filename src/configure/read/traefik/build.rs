//! Builds routers and services from trees.

use std::sync::Arc;

use super::super::model::{
    KeyValue, Note, Proxy, Request, RouteTarget, Routed, Site, SourceLocation, Unknown, UpstreamPool, UpstreamServer,
};
use super::super::tree::Node;
use super::rule::Rule;
use wsim_plan::ProxyKind;

/// All routers.
#[derive(Debug)]
struct Routers {
    at: SourceLocation,
    /// In order of priority, the highest first.
    routers: Vec<Router>,
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
    at: SourceLocation,
}

impl Site for Routers {
    fn name(&self) -> &str {
        "the routers"
    }

    fn location(&self) -> &SourceLocation {
        &self.at
    }

    fn route(&self, request: &Request) -> Routed {
        let path = wsim_http::percent::decode_text(&request.path).into_owned();
        let mut found: Option<&Router> = None;
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
                },
            },
        }
    }
}

/// Builds the proxy from all trees.
pub(super) fn proxy(trees: &[(Arc<str>, Node)]) -> Proxy {
    let (mut pools, mut notes) = (Vec::new(), Vec::new());
    let part = |kind: &str| -> Vec<(&Arc<str>, &String, &Node)> {
        let parts = trees.iter().flat_map(|(file, root)| {
            root.at(&["http", kind]).map(Node::entries).unwrap_or_default().iter().map(move |(name, node)| (file, name, node))
        });
        parts.collect()
    };
    let services = part("services");
    for (file, name, node) in &services {
        pools.push(service(file, name, node, &services, &mut notes));
    }
    let middlewares = part("middlewares");
    let rewrites = |name: &str| {
        let bare = name.split('@').next().unwrap_or_default();
        let found = middlewares.iter().find(|(_, own, _)| *own == bare);
        found.is_some_and(|(_, _, node)| {
            node.entries().iter().any(|(kind, _)| {
                matches!(
                    kind.to_ascii_lowercase().as_str(),
                    "stripprefix" | "stripprefixregex" | "replacepath" | "replacepathregex" | "addprefix"
                )
            })
        })
    };
    let mut routers: Vec<Router> = part("routers")
        .into_iter()
        .map(|(file, name, node)| {
            let text = node.get("rule").and_then(Node::text).unwrap_or_default();
            let wanted = node.get("service").and_then(Node::text).unwrap_or_default();
            let wanted = wanted.split('@').next().unwrap_or_default();
            let service = services.iter().position(|(_, own, _)| *own == wanted);
            let priority = node.get("priority").and_then(Node::number).filter(|priority| *priority != 0);
            Router {
                name: name.clone(),
                rule: Rule::parse(&text),
                priority: priority.unwrap_or_else(|| i64::try_from(text.len()).unwrap_or(i64::MAX)),
                hash: service.is_some_and(|index| pools[index].balance == "hrw"),
                service: service.ok_or_else(|| format!("there is no service {} in these files", wanted.escape_debug())),
                rewrites: node.get("middlewares").map(Node::texts).unwrap_or_default().iter().any(|name| rewrites(name)),
                at: SourceLocation::new(file, node.get("rule").map_or(node.line, |rule| rule.line)),
            }
        })
        .collect();
    routers.sort_by_key(|router| std::cmp::Reverse(router.priority));
    let at = trees.first().map_or_else(|| SourceLocation::new(&"".into(), 0), |(file, _)| SourceLocation::new(file, 0));
    let sites: Vec<Box<dyn Site>> = vec![Box::new(Routers { at, routers })];
    Proxy { kind: ProxyKind::Traefik, sites, pools, processes: Some(1), processes_at: None, hosts: Vec::new(), notes }
}

fn service(file: &Arc<str>, name: &str, node: &Node, services: &[(&Arc<str>, &String, &Node)], notes: &mut Vec<Note>) -> UpstreamPool {
    let get =
        |node: &'_ Node, key: &str| node.entries().iter().find(|(own, _)| own.eq_ignore_ascii_case(key)).map(|(_, node)| node.clone());
    let at = SourceLocation::new(file, node.line);
    let mut pool = UpstreamPool { name: name.to_owned(), servers: Vec::new(), balance: "wrr".to_owned(), shared: true, at: at.clone() };
    if let Some(balancer) = get(node, "loadBalancer") {
        pool.servers = servers(&balancer);
        if let Some(strategy) = get(&balancer, "strategy").and_then(|strategy| strategy.text()) {
            pool.balance = strategy;
        }
        if get(&balancer, "sticky").is_some() {
            notes.push(Note { at, text: "sticky cookies are left out of account: Matrix clients keep none".to_owned() });
        }
    } else if let Some(weighted) = get(node, "weighted") {
        for part in get(&weighted, "services").iter().flat_map(|list| list.items().to_vec()) {
            let wanted = get(&part, "name").and_then(|name| name.text()).unwrap_or_default();
            let weight = get(&part, "weight").and_then(|weight| weight.number()).and_then(|weight| weight.try_into().ok()).unwrap_or(1);
            let inner = services.iter().find(|(_, own, _)| **own == wanted).and_then(|(_, _, node)| get(node, "loadBalancer"));
            pool.servers.extend(
                inner.iter().flat_map(servers).map(|server| UpstreamServer { weight: server.weight.saturating_mul(weight), ..server }),
            );
        }
    } else {
        notes.push(Note { at, text: "a service that is neither loadBalancer nor weighted is not evaluated".to_owned() });
    }
    pool
}

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
