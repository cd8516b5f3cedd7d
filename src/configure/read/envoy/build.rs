//! From a tree to virtual hosts and clusters.

use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, Site, SourceLocation, UpstreamPool, UpstreamServer, Words};
use super::super::tree::Node;
use super::super::units;
use super::matching::Match;
use super::run::{Action, Key, Route, VirtualHost};
use wsim_plan::ProxyKind;

/// Builds the proxy.
pub(super) fn proxy(file: &Arc<str>, root: &Node) -> Proxy {
    let at = |node: &Node| SourceLocation::new(file, node.line);
    let clusters = root.at(&["static_resources", "clusters"]).map(Node::items).unwrap_or_default();
    let pools: Vec<UpstreamPool> = clusters.iter().map(|node| cluster(node, at(node))).collect();
    let hashes: Arc<[bool]> = pools.iter().map(|pool| matches!(pool.balance.as_str(), "ring_hash" | "maglev")).collect();
    let (mut notes, mut missing): (Vec<Note>, Vec<SourceLocation>) = (Vec::new(), Vec::new());
    let mut sites: Vec<Box<dyn Site>> = Vec::new();
    if let Some(node) = root.get("dynamic_resources") {
        missing.push(at(node));
        notes.push(Note {
            at: at(node),
            text: "what comes from dynamic_resources is not there; name a dump (/config_dump) as static configuration".to_owned(),
        });
    }
    for listener in root.at(&["static_resources", "listeners"]).map(Node::items).unwrap_or_default() {
        let port = listener.at(&["address", "socket_address", "port_value"]).and_then(Node::number).and_then(|port| port.try_into().ok());
        let chains = listener.get("filter_chains").map(Node::items).unwrap_or_default();
        for filter in chains.iter().flat_map(|chain| chain.get("filters").map(Node::items).unwrap_or_default()) {
            let Some(manager) = filter.get("typed_config") else { continue };
            if manager.get("rds").is_some() {
                missing.push(at(manager));
                notes.push(Note { at: at(manager), text: "routes that a server gives out (rds) are not there".to_owned() });
            }
            let appends_address = manager.get("use_remote_address").and_then(Node::truth) == Some(true)
                && manager.get("skip_xff_append").and_then(Node::truth) != Some(true);
            let hosts = manager.at(&["route_config", "virtual_hosts"]).map(Node::items).unwrap_or_default();
            for host in hosts {
                let routes = host.get("routes").map(Node::items).unwrap_or_default();
                let domains = host.get("domains").map(Node::texts).unwrap_or_default();
                let plain = |domain: &String| {
                    domain
                        .rsplit_once(':')
                        .filter(|(_, port)| port.parse::<u16>().is_ok() || *port == "*")
                        .map_or(domain.clone(), |(name, _)| name.to_owned())
                };
                sites.push(Box::new(VirtualHost {
                    facts: Facts {
                        name: host.get("name").and_then(Node::text).unwrap_or_else(|| "a virtual host".to_owned()),
                        at: at(host),
                        hosts: domains.iter().filter(|domain| *domain != "*").map(plain).collect(),
                        ports: port.into_iter().collect(),
                    },
                    routes: routes.iter().map(|node| route(node, at(node), &pools)).collect(),
                    hashes: Arc::clone(&hashes),
                    appends_address,
                }));
            }
        }
    }
    Proxy {
        kind: ProxyKind::Envoy,
        words: Words::Envoy,
        sites,
        pools,
        hosts: Vec::new(),
        processes: Some(1),
        processes_at: None,
        notes,
        missing,
    }
}

fn cluster(node: &Node, at: SourceLocation) -> UpstreamPool {
    let balance = node.get("lb_policy").and_then(Node::text).unwrap_or_else(|| "ROUND_ROBIN".to_owned()).to_ascii_lowercase();
    let groups = node.at(&["load_assignment", "endpoints"]).map(Node::items).unwrap_or_default();
    // Groups of a lower priority are for when those before them are down.
    let first = groups.iter().filter(|group| group.get("priority").and_then(Node::number).unwrap_or(0) == 0);
    let servers = first.flat_map(|group| group.get("lb_endpoints").map(Node::items).unwrap_or_default()).filter_map(server).collect();
    UpstreamPool { name: node.get("name").and_then(Node::text).unwrap_or_default(), servers, balance, shared: true, at }
}

fn server(node: &Node) -> Option<UpstreamServer> {
    let address = node.at(&["endpoint", "address"])?;
    let weight = node.get("load_balancing_weight").and_then(Node::number).and_then(|weight| weight.try_into().ok()).unwrap_or(1);
    let address = if let Some(path) = address.at(&["pipe", "path"]).and_then(Node::text) {
        format!("unix:{path}")
    } else {
        let socket = address.get("socket_address")?;
        format!("{}:{}", socket.get("address")?.text()?, socket.get("port_value")?.number()?)
    };
    Some(UpstreamServer { address, name: None, weight })
}

fn route(node: &Node, at: SourceLocation, pools: &[UpstreamPool]) -> Route {
    let matches = Match::new(node.get("match").unwrap_or(node));
    let action = if let Some(action) = node.get("route") {
        cluster_action(action, pools)
    } else if node.get("redirect").is_some() {
        Action::Local("a redirect".to_owned())
    } else if let Some(response) = node.get("direct_response") {
        Action::Local(format!("status {}", response.get("status").and_then(Node::text).unwrap_or_default()))
    } else {
        Action::Unknown("an action of a route that is not evaluated".to_owned())
    };
    Route { matches, action, at }
}

fn cluster_action(action: &Node, pools: &[UpstreamPool]) -> Action {
    let weighted = action.at(&["weighted_clusters", "clusters"]).map(Node::items).unwrap_or_default();
    let name = match (action.get("cluster").and_then(Node::text), weighted) {
        (Some(name), _) => name,
        (None, [only]) => only.get("name").and_then(Node::text).unwrap_or_default(),
        (None, []) => return Action::Unknown("a cluster that a header or a program chooses is not evaluated".to_owned()),
        (None, _) => return Action::Unknown("weighted_clusters are not evaluated".to_owned()),
    };
    let Some(pool) = pools.iter().position(|pool| pool.name == name) else {
        return Action::Unknown(format!("the cluster {} is not there", name.escape_debug()));
    };
    let policies = action.get("hash_policy").map(Node::items).unwrap_or_default();
    Action::Cluster {
        pool,
        prefix_rewrite: action.get("prefix_rewrite").and_then(Node::text),
        rewrites: action.get("regex_rewrite").is_some() || action.get("path_rewrite_policy").is_some(),
        patience_ms: action.get("timeout").map_or(Some(TIMEOUT_MS), |node| units::timeout(node, 1000.0)),
        keys: policies.iter().map(key).collect(),
    }
}

fn key(policy: &Node) -> Key {
    if let Some(name) = policy.at(&["header", "header_name"]).and_then(Node::text) {
        return match policy.at(&["header", "regex_rewrite"]) {
            None => Key::Header(name),
            Some(_) => Key::Unknown("a header that an expression rewrites".to_owned()),
        };
    }
    if policy.at(&["connection_properties", "source_ip"]).and_then(Node::truth) == Some(true) {
        return Key::Address;
    }
    match policy.at(&["query_parameter", "name"]).and_then(Node::text) {
        Some(name) => Key::Parameter(name),
        None => Key::Unknown("a hash_policy that is not evaluated".to_owned()),
    }
}

/// The time that a route waits for a response unless it says otherwise.
const TIMEOUT_MS: u64 = 15_000;
