//! Caddy's own JSON: `apps.http.servers.NAME.routes`.

use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, Site, SourceLocation, UpstreamPool, UpstreamServer, Words};
use super::super::pattern::Pattern;
use super::super::tree::Node;
use super::super::units::{tighter, timeout};
use super::adapt::{address, policy, pool};
use super::map::Map;
use super::matcher::{Matcher, Range, Set};
use super::route::{CaddySite, Handler, Hash, Route};
use wsim_plan::ProxyKind;

/// Builds the proxy from the tree.
pub(super) fn proxy(file: &Arc<str>, root: &Node) -> Proxy {
    let mut reader = Reader { file, pools: Vec::new(), notes: Vec::new(), hosts: Vec::new() };
    let servers = root.at(&["apps", "http", "servers"]).map(Node::entries).unwrap_or_default();
    let mut sites: Vec<Box<dyn Site>> = Vec::new();
    for (name, server) in servers {
        let routes = reader.routes(server.get("routes"), 0);
        let ports = server.get("listen").map(Node::texts).unwrap_or_default();
        let ports = ports.iter().filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect();
        let at = SourceLocation::new(file, server.line);
        let write_timeout = server.get("write_timeout").and_then(|node| timeout(node, NANOSECOND));
        sites.push(Box::new(CaddySite { facts: Facts { name: name.clone(), at, hosts: Vec::new(), ports }, routes, write_timeout }));
    }
    Proxy {
        kind: ProxyKind::Caddy,
        words: Words::Caddy,
        sites,
        pools: reader.pools,
        processes: Some(1),
        processes_at: None,
        hosts: reader.hosts,
        notes: reader.notes,
        missing: Vec::new(),
    }
}

struct Reader<'r> {
    file: &'r Arc<str>,
    pools: Vec<UpstreamPool>,
    notes: Vec<Note>,
    /// Names that the matcher `host` asks for.
    hosts: Vec<String>,
}

impl Reader<'_> {
    fn routes(&mut self, routes: Option<&Node>, depth: usize) -> Vec<Route> {
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let items = routes.map(Node::items).unwrap_or_default();
        items
            .iter()
            .map(|route| Route {
                sets: self.sets(route),
                handlers: route
                    .get("handle")
                    .map(Node::items)
                    .unwrap_or_default()
                    .iter()
                    .map(|handler| self.handler(handler, depth))
                    .collect(),
                group: route.get("group").and_then(Node::text),
                terminal: route.get("terminal").and_then(Node::truth) == Some(true),
                at: SourceLocation::new(self.file, route.line),
            })
            .collect()
    }

    fn sets(&mut self, route: &Node) -> Vec<Set> {
        let sets: Vec<Set> = route.get("match").map(Node::items).unwrap_or_default().iter().map(|set| matchers(set, 0)).collect();
        self.hosts.extend(sets.iter().flatten().flat_map(Matcher::hosts).take(HOSTS_MAX.saturating_sub(self.hosts.len())));
        sets
    }

    fn handler(&mut self, handler: &Node, depth: usize) -> Handler {
        let text = |key: &str| handler.get(key).and_then(Node::text);
        match text("handler").unwrap_or_default().as_str() {
            "subroute" => Handler::Subroute(self.routes(handler.get("routes"), depth + 1)),
            "reverse_proxy" => self.reverse_proxy(handler),
            what @ ("static_response" | "file_server" | "error") => Handler::Answers(what.to_owned()),
            "rewrite" => match (text("uri"), text("strip_path_prefix"), text("method")) {
                (Some(uri), _, _) => Handler::Rewrite(uri),
                (None, Some(prefix), _) => Handler::StripPrefix(prefix),
                (None, None, Some(method)) => Handler::SetMethod(method),
                _ => Handler::Unknown("this rewrite".to_owned()),
            },
            "map" => Handler::Map(Map::of_json(handler)),
            "vars" => Handler::Several(
                handler
                    .entries()
                    .iter()
                    .filter(|(name, _)| name != "handler")
                    .filter_map(|(name, value)| Some(Handler::SetVariable(name.clone(), value.text()?)))
                    .collect(),
            ),
            "headers" => Handler::Several(headers(handler)),
            "request_body" => {
                let size = handler.get("max_size").and_then(Node::number).and_then(|size| u64::try_from(size).ok());
                size.filter(|size| *size > 0).map_or(Handler::Nothing, Handler::LimitBody)
            }
            "encode" | "templates" | "log_append" | "tracing" | "metrics" => Handler::Nothing,
            other => Handler::Unknown(format!("the handler {}", other.escape_debug())),
        }
    }

    fn reverse_proxy(&mut self, handler: &Node) -> Handler {
        let upstreams = handler.get("upstreams").map(Node::items).unwrap_or_default();
        if handler.get("dynamic_upstreams").is_some() {
            self.notes
                .push(Note { at: SourceLocation::new(self.file, handler.line), text: "dynamic upstreams are not evaluated".to_owned() });
        }
        let selection = handler.at(&["load_balancing", "selection_policy"]);
        let name = selection.and_then(|selection| selection.get("policy")).and_then(Node::text).unwrap_or_else(|| "random".to_owned());
        let argument = ["field", "key", "name"].iter().find_map(|key| selection?.get(key)?.text()).unwrap_or_default();
        let weights = selection.and_then(|selection| selection.get("weights")).map(Node::items).unwrap_or_default();
        let servers: Vec<UpstreamServer> = upstreams
            .iter()
            .enumerate()
            .map(|(index, upstream)| UpstreamServer {
                address: address(&upstream.get("dial").and_then(Node::text).unwrap_or_default()),
                name: None,
                weight: weights.get(index).and_then(Node::number).and_then(|weight| weight.try_into().ok()).unwrap_or(1),
            })
            .collect();
        let balance = if argument.is_empty() { name.clone() } else { format!("{name} {argument}") };
        let hash: Hash = policy(&name, &argument);
        let limit = |key: &str| handler.at(&["transport", key]).and_then(|node| timeout(node, NANOSECOND));
        let patience = tighter(limit("response_header_timeout"), limit("read_timeout"));
        Handler::Proxy(pool(&mut self.pools, servers, balance, &SourceLocation::new(self.file, handler.line)), hash, patience)
    }
}

/// The changes of a `headers` handler to the request, in Caddy's order (`modules/caddyhttp/headers/headers.go`, `ApplyTo`): values added,
/// values set, names removed, text replaced.
fn headers(handler: &Node) -> Vec<Handler> {
    let set = handler.at(&["request", "set"]).map(Node::entries).unwrap_or_default();
    let taken = handler.at(&["request", "delete"]).map(Node::texts).unwrap_or_default();
    let set = set.iter().map(|(name, values)| Handler::SetHeader(name.clone(), values.texts().into_iter().next()));
    let added = handler.at(&["request", "add"]).map(Node::entries).unwrap_or_default();
    let added = added.iter().filter_map(|(name, values)| Some(Handler::AddHeader(name.clone(), values.texts().into_iter().next()?)));
    let edited = handler.at(&["request", "replace"]).map(Node::entries).unwrap_or_default();
    let edited = edited.iter().map(|(name, _)| Handler::EditHeader(name.clone()));
    let taken = taken.into_iter().map(|name| Handler::SetHeader(name, None));
    added.chain(set).chain(taken).chain(edited).collect()
}

fn matchers(set: &Node, depth: usize) -> Set {
    let pairs = |node: &Node| -> Vec<(String, Vec<String>)> {
        node.entries().iter().map(|(name, values)| (name.clone(), values.texts())).collect()
    };
    let regexp = |node: &Node| Pattern::new(&node.get("pattern").and_then(Node::text).unwrap_or_default(), false);
    let mut out = Vec::new();
    for (kind, node) in set.entries() {
        match kind.as_str() {
            "path" => out.push(Matcher::Path(node.texts())),
            "path_regexp" => out.push(Matcher::PathRegexp(regexp(node))),
            "method" => out.push(Matcher::Method(node.texts())),
            "host" => out.push(Matcher::Host(node.texts())),
            "query" => out.push(Matcher::Query(pairs(node))),
            "header" => out.push(Matcher::Header(pairs(node))),
            "header_regexp" => out.extend(node.entries().iter().map(|(name, node)| Matcher::HeaderRegexp(name.clone(), regexp(node)))),
            "remote_ip" | "client_ip" => {
                let ranges = node.get("ranges").map(Node::texts).unwrap_or_default();
                let ranges = ranges.iter().map(|text| Range::parse(text)).collect::<Option<Vec<_>>>();
                out.push(match ranges {
                    Some(ranges) => Matcher::Address(ranges.into_iter().flatten().collect()),
                    None => Matcher::Unknown(format!("the matcher {kind} with these ranges is not evaluated")),
                });
            }
            "vars" => out.extend(node.entries().iter().map(|(text, values)| Matcher::Variable(text.clone(), values.texts()))),
            "not" if depth < DEPTH_MAX => out.push(Matcher::Not(node.items().iter().map(|set| matchers(set, depth + 1)).collect())),
            "protocol" => {}
            other => out.push(Matcher::Unknown(format!("the matcher {} is not evaluated", other.escape_debug()))),
        }
    }
    out
}

/// Numbers are nanoseconds, in milliseconds.
const NANOSECOND: f64 = 1e-6;
const DEPTH_MAX: usize = 32;
const HOSTS_MAX: usize = 2000;
