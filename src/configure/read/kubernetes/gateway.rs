//! Gateway API: HTTPRoute.
//!
//! Of the rules of all routes for a host the most specific match counts: an exact path, then the longest prefix, then a method, the
//! number of headers and of parameters, at last the order. Where regular expressions stand in that order is left to the implementation:
//! Envoy Gateway and Cilium try them before prefixes (`internal/gatewayapi/sort.go`; `SortableRoute`), Istio behind all prefixes
//! (`sortHTTPRoutes`, `getURIRank`). For an unknown one a request that both would take is not evaluated.

use std::cmp::Reverse;
use std::sync::Arc;

use super::super::model::{
    Delivery, Doubts, Facts, KeyValue, Note, Proxy, Request, RouteTarget, Routed, Site, SourceLocation, Unknown, UpstreamPool,
    UpstreamServer, Words,
};
use super::super::pattern::{Pattern, PatternBudget};
use super::super::tree::Node;
use super::super::units::{milliseconds, tighter};
use super::document::Object;
use super::objects::Objects;
use wsim_plan::ProxyKind;

/// The routes of one set of host names.
#[derive(Debug)]
struct Host {
    facts: Facts,
    matches: Vec<Match>,
    order: Order,
}

/// Where regular expressions stand among the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    BeforePrefixes,
    BehindPrefixes,
    Unknown,
}

/// One match of a rule.
#[derive(Debug, Clone)]
struct Match {
    path: PathMatch,
    method: Option<String>,
    headers: Vec<(String, ValueMatch)>,
    parameters: Vec<(String, ValueMatch)>,
    action: Arc<Action>,
    at: SourceLocation,
}

#[derive(Debug, Clone)]
enum PathMatch {
    Exact(String),
    Prefix(String),
    /// The pattern, and the length of its text.
    Regex(Result<Pattern, String>, usize),
}

#[derive(Debug, Clone)]
enum ValueMatch {
    Exact(String),
    Regex(Result<Pattern, String>),
}

/// What a rule does with a request.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Pool { index: usize, rewrites: bool, patience_ms: Option<u64> },
    Local(String),
}

impl Site for Host {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        let path = wsim_http::percent::decode_text(&request.path);
        let mut taking: Vec<&Match> = Vec::new();
        for one in &self.matches {
            match one.takes(request, &path) {
                Ok(true) => taking.push(one),
                Ok(false) => {}
                Err(why) => return Routed::unknown(Unknown::new(why, &one.at)),
            }
        }
        let Some(first) = taking.iter().min_by_key(|one| one.rank(self.order)) else {
            return Routed::local("status 404: no rule takes it", Some(self.facts.at.clone()));
        };
        // An exact path wins everywhere.
        let is_open = self.order == Order::Unknown && !matches!(first.path, PathMatch::Exact(_));
        let differs = |other: &&&Match| other.is_regex() != first.is_regex() && other.action != first.action;
        if let Some(other) = taking.iter().find(differs).filter(|_| is_open) {
            let why = "a regular expression and a prefix take it, and which of them counts depends on the gateway's implementation; name the Gateway or GatewayClass, too";
            return Routed::unknown(Unknown::new(why, &other.at));
        }
        match &*first.action {
            Action::Local(what) => Routed::local(what.clone(), Some(first.at.clone())),
            Action::Pool { index, rewrites, patience_ms } => Routed {
                target: RouteTarget::Pool(*index),
                rule: Some(first.at.clone()),
                key: KeyValue::None,
                rewritten: *rewrites,
                delivery: Some(Delivery {
                    body_max: None,
                    patience_ms: *patience_ms,
                    forwarded_for: Some("set by the gateway".to_owned()),
                    forwarded_proto: true,
                    buffers_requests: false,
                    buffers_responses: false,
                    doubts: Doubts::default(),
                }),
            },
        }
    }
}

impl Match {
    fn is_regex(&self) -> bool {
        matches!(self.path, PathMatch::Regex(..))
    }

    fn takes(&self, request: &Request, path: &str) -> Result<bool, String> {
        let by_path = match &self.path {
            PathMatch::Exact(own) => own == path,
            PathMatch::Prefix(own) => {
                let own = own.trim_end_matches('/');
                path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            // The whole path has to match.
            PathMatch::Regex(pattern, _) => pattern.as_ref().map_err(Clone::clone)?.matches(path),
        };
        if !by_path || self.method.as_ref().is_some_and(|method| !method.eq_ignore_ascii_case(&request.method)) {
            return Ok(false);
        }
        for (name, wanted) in &self.headers {
            if !wanted.takes(request.header(name))? {
                return Ok(false);
            }
        }
        for (name, wanted) in &self.parameters {
            if !wanted.takes(request.parameter(name))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The smaller, the more specific.
    fn rank(&self, order: Order) -> (u8, Reverse<usize>, bool, Reverse<usize>, Reverse<usize>) {
        let (kind, length) = match (&self.path, order) {
            (PathMatch::Exact(path), _) => (0, path.len()),
            (PathMatch::Regex(_, length), Order::BehindPrefixes) => (3, *length),
            (PathMatch::Regex(_, length), _) => (1, *length),
            (PathMatch::Prefix(path), _) => (2, path.len()),
        };
        (kind, Reverse(length), self.method.is_none(), Reverse(self.headers.len()), Reverse(self.parameters.len()))
    }
}

impl ValueMatch {
    fn of(node: &Node) -> Self {
        let value = node.get("value").and_then(Node::text).unwrap_or_default();
        match node.get("type").and_then(Node::text).as_deref() {
            Some("RegularExpression") => Self::Regex(whole(&value)),
            _ => Self::Exact(value),
        }
    }

    fn takes(&self, found: Option<&str>) -> Result<bool, String> {
        let Some(found) = found else { return Ok(false) };
        Ok(match self {
            Self::Exact(own) => own == found,
            Self::Regex(pattern) => pattern.as_ref().map_err(Clone::clone)?.matches(found),
        })
    }
}

/// Envoy compares a regular expression with the whole text.
fn whole(text: &str) -> Result<Pattern, String> {
    Pattern::new(&format!("^(?:{text})$"), false)
}

/// The proxy of all HTTPRoutes.
pub(super) fn proxy(objects: &Objects) -> Option<Proxy> {
    let routes: Vec<&Object> = objects.of_kind("HTTPRoute").collect();
    let first = routes.first()?;
    let _budget = PatternBudget::start();
    let (mut pools, mut notes) = (Vec::new(), Vec::new());
    let mut hosts: Vec<(Option<String>, Vec<Match>, SourceLocation)> = Vec::new();
    for route in &routes {
        let names = route.spec(&["hostnames"]).map(Node::texts).unwrap_or_default();
        let names: Vec<Option<String>> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        let mut matches = Vec::new();
        for rule in route.spec(&["rules"]).map(Node::items).unwrap_or_default() {
            add_rule(route, rule, objects, &mut pools, &mut matches, &mut notes);
        }
        for name in names.into_iter().take(HOSTS_MAX) {
            match hosts.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, known, _)) => known.extend(matches.iter().cloned()),
                None => hosts.push((name, matches.clone(), route.place())),
            }
        }
    }
    let order = order(objects);
    let sites = hosts.into_iter().filter(|(_, matches, _)| !matches.is_empty()).map(|(name, matches, at)| {
        let hosts: Vec<String> = name.iter().cloned().collect();
        let facts = Facts { name: name.unwrap_or_else(|| "HTTPRoute".to_owned()), at, hosts, ports: Vec::new() };
        Box::new(Host { facts, matches, order }) as Box<dyn Site>
    });
    let sites: Vec<Box<dyn Site>> = sites.collect();
    notes.extend(
        pools
            .iter()
            .find(|pool: &&UpstreamPool| pool.servers.len() > 1)
            .map(|_| first.note("how the gateway balances within a Service is not evaluated: taken as round robin".to_owned())),
    );
    (!sites.is_empty() || !notes.is_empty()).then(|| Proxy {
        kind: ProxyKind::Envoy,
        words: Words::Kubernetes,
        sites,
        pools,
        hosts: Vec::new(),
        processes: Some(1),
        processes_at: None,
        notes,
        missing: Vec::new(),
    })
}

/// The implementation, by the names of the Gateways' classes and their controllers.
fn order(objects: &Objects) -> Order {
    let classes = objects.of_kind("Gateway").filter_map(|gateway| gateway.spec(&["gatewayClassName"])?.text());
    let controllers = objects.of_kind("GatewayClass").filter_map(|class| class.spec(&["controllerName"])?.text());
    let names: Vec<String> = controllers.chain(classes).collect();
    let has = |word: &str| names.iter().any(|name| name.contains(word));
    match (has("istio"), has("envoy") || has("cilium") || names.iter().any(|name| name == "eg")) {
        (true, false) => Order::BehindPrefixes,
        (false, true) => Order::BeforePrefixes,
        _ => Order::Unknown,
    }
}

fn add_rule(
    route: &Object,
    rule: &Node,
    objects: &Objects,
    pools: &mut Vec<UpstreamPool>,
    matches: &mut Vec<Match>,
    notes: &mut Vec<Note>,
) {
    let Some(action) = action(route, rule, objects, pools, notes) else { return };
    let action = Arc::new(action);
    let own = rule.get("matches").map(Node::items).unwrap_or_default();
    let everything = Match {
        path: PathMatch::Prefix("/".to_owned()),
        method: None,
        headers: Vec::new(),
        parameters: Vec::new(),
        action: Arc::clone(&action),
        at: route.at(rule),
    };
    if own.is_empty() {
        matches.push(everything);
        return;
    }
    let values = |node: &Node, key: &str| -> Vec<(String, ValueMatch)> {
        let items = node.get(key).map(Node::items).unwrap_or_default();
        items.iter().map(|item| (item.get("name").and_then(Node::text).unwrap_or_default(), ValueMatch::of(item))).collect()
    };
    for node in own.iter().take(MATCHES_MAX) {
        let path = node.get("path");
        let value = path.and_then(|path| path.get("value")).and_then(Node::text).unwrap_or_else(|| "/".to_owned());
        let kind = path.and_then(|path| path.get("type")).and_then(Node::text);
        matches.push(Match {
            path: match kind.as_deref() {
                Some("Exact") => PathMatch::Exact(value),
                Some("RegularExpression") => PathMatch::Regex(whole(&value), value.len()),
                _ => PathMatch::Prefix(value),
            },
            method: node.get("method").and_then(Node::text),
            headers: values(node, "headers"),
            parameters: values(node, "queryParams"),
            action: Arc::clone(&action),
            at: route.at(path.and_then(|path| path.get("value")).unwrap_or(node)),
        });
    }
}

/// `None` if the requests go to another proxy of these files.
fn action(route: &Object, rule: &Node, objects: &Objects, pools: &mut Vec<UpstreamPool>, notes: &mut Vec<Note>) -> Option<Action> {
    let filters = || rule.get("filters").map(Node::items).unwrap_or_default().iter();
    let kind = |filter: &Node| filter.get("type").and_then(Node::text).unwrap_or_default();
    if filters().any(|filter| kind(filter) == "RequestRedirect") {
        return Some(Action::Local("a redirect".to_owned()));
    }
    let changes_path = |filter: &Node| filter.at(&["urlRewrite", "path"]).is_some();
    let rewrites = filters().any(|filter| kind(filter) == "URLRewrite" && changes_path(filter));
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text);
    let (mut servers, mut names) = (Vec::new(), Vec::new());
    for node in rule.get("backendRefs").map(Node::items).unwrap_or_default() {
        let weight: u32 = node.get("weight").and_then(Node::number).and_then(|weight| weight.try_into().ok()).unwrap_or(1);
        let Some(name) = text(node, "name").filter(|_| weight > 0) else { continue };
        let namespace = text(node, "namespace").unwrap_or_else(|| route.namespace.clone());
        let backend = objects.backend(&name, &text(node, "port").unwrap_or_default(), &namespace);
        if let Some(holder) = &backend.proxy {
            let text = format!("requests are passed on to the proxy that {} configures; its rules are evaluated", holder.escape_debug());
            notes.push(Note { at: route.at(node), text });
            return None;
        }
        names.push(backend.name);
        servers.extend(backend.servers.into_iter().map(|server| UpstreamServer { weight, ..server }));
    }
    if servers.is_empty() {
        return Some(Action::Local("status 500: the rule has no backend".to_owned()));
    }
    let limit =
        |key: &str| rule.at(&["timeouts", key]).and_then(Node::text).and_then(|text| milliseconds(&text)).filter(|limit| *limit > 0);
    let name = names.join(",");
    let index = pools.iter().position(|pool| pool.name == name && pool.servers == servers).unwrap_or_else(|| {
        let at = route.at(rule.get("backendRefs").unwrap_or(rule));
        pools.push(UpstreamPool { name, servers, balance: "round_robin".to_owned(), shared: true, at });
        pools.len() - 1
    });
    Some(Action::Pool { index, rewrites, patience_ms: tighter(limit("request"), limit("backendRequest")) })
}

const HOSTS_MAX: usize = 200;
const MATCHES_MAX: usize = 1000;
