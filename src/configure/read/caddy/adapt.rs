//! From the segments of a Caddyfile to routes, as in Caddy's adapter.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, Site, SourceLocation, UpstreamPool, UpstreamServer, Words};
use super::super::units::{bytes, milliseconds, tighter};
use super::map::Map;
use super::matcher::{Matcher, Set};
use super::named::named_set;
use super::route::{CaddySite, Handler, Hash, Route};
use super::tokens::Segment;
use wsim_plan::ProxyKind;

/// Builds the proxy from a Caddyfile.
pub(super) fn proxy(file: &Arc<str>, segments: &[Segment]) -> Proxy {
    let mut adapter = Adapter { file: Arc::clone(file), pools: Vec::new(), notes: Vec::new(), hosts: Vec::new(), depth: 0 };
    let mut sites: Vec<Box<dyn Site>> = Vec::new();
    let write_timeout = segments.iter().filter(|segment| segment.words.is_empty()).find_map(write_timeout);
    for segment in segments.iter().filter(|segment| segment.block.is_some() && !segment.words.is_empty()) {
        if !adapter.may_quote(segment) {
            adapter.unknown(segment);
            continue;
        }
        let name = segment.words.join(" ").trim_end_matches(',').to_owned();
        let routes = adapter.routes(segment.inner(), &HashMap::new(), true);
        sites.push(Box::new(CaddySite { write_timeout, ..CaddySite::new(name, segment.at.clone(), routes) }));
    }
    // A snippet for import has directives at the top level.
    if sites.is_empty() || segments.iter().all(|segment| DIRECTIVES.contains(&segment.word(0)) || segment.word(0).starts_with('@')) {
        let routes = adapter.routes(segments, &HashMap::new(), true);
        let facts = Facts { name: "the directives".to_owned(), at: SourceLocation::new(file, 1), hosts: Vec::new(), ports: Vec::new() };
        sites = vec![Box::new(CaddySite { facts, routes, write_timeout })];
    }
    Proxy {
        kind: ProxyKind::Caddy,
        words: Words::Caddy,
        sites,
        pools: adapter.pools,
        processes: Some(1),
        processes_at: None,
        hosts: adapter.hosts,
        notes: adapter.notes,
        missing: Vec::new(),
    }
}

struct Adapter {
    /// The Caddyfile itself. Other files are imported and may be anything: `import /etc/shadow` is no error for the parser.
    file: Arc<str>,
    pools: Vec<UpstreamPool>,
    notes: Vec<Note>,
    /// Names that the matcher `host` asks for.
    hosts: Vec<String>,
    depth: usize,
}

type Named = HashMap<String, Set>;

impl Adapter {
    /// The routes of a block; `sorted` selects Caddy's order of directives, which applies outside `route`.
    fn routes(&mut self, segments: &[Segment], outer: &Named, sorted: bool) -> Vec<Route> {
        self.depth += 1;
        let mut named = outer.clone();
        for segment in segments {
            if let Some(name) = segment.word(0).strip_prefix('@') {
                let set = named_set(segment);
                self.hosts.extend(set.iter().flat_map(Matcher::hosts).take(HOSTS_MAX.saturating_sub(self.hosts.len())));
                named.insert(name.to_owned(), set);
            }
        }
        let mut routes: Vec<(usize, Route)> = Vec::new();
        for segment in segments.iter().filter(|segment| !segment.word(0).starts_with('@')) {
            let Some(order) = DIRECTIVES.iter().position(|directive| *directive == segment.word(0)) else {
                self.unknown(segment);
                continue;
            };
            if let Some(route) = self.route(segment, &named) {
                routes.push((order, route));
            }
        }
        if sorted {
            routes.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| by_path(left, right)));
        }
        self.depth -= 1;
        routes.into_iter().map(|(_, route)| route).collect()
    }

    fn unknown(&mut self, segment: &Segment) {
        const HARMLESS: [&str; 11] =
            ["tls", "log", "bind", "header", "encode", "root", "templates", "log_skip", "skip_log", "log_append", "metrics"];
        if !HARMLESS.contains(&segment.word(0)) {
            let text = if self.may_quote(segment) {
                format!("the directive {} is not evaluated", segment.word(0).escape_debug())
            } else {
                "this line of an imported file begins with no directive of Caddy and is not evaluated".to_owned()
            };
            self.notes.push(Note { at: segment.at.clone(), text });
        }
    }

    /// Whether the first words of a segment may be shown: they stand in the Caddyfile itself, or have the form that configuration has.
    fn may_quote(&self, segment: &Segment) -> bool {
        segment.at.file == self.file
            || OTHER_DIRECTIVES.contains(&segment.word(0))
            || (segment.block.is_some() && segment.words.iter().all(|word| is_address(word)))
    }

    fn route(&mut self, segment: &Segment, named: &Named) -> Option<Route> {
        if self.depth > DEPTH_MAX {
            return None;
        }
        let directive = segment.word(0);
        let token = segment.word(1);
        let path_only = directive == "handle_path";
        let (set, rest): (Option<Set>, usize) = match token {
            "*" => (None, 2),
            _ if token.starts_with('/') => (Some(vec![Matcher::Path(vec![token.to_owned()])]), 2),
            _ => match token.strip_prefix('@') {
                Some(name) => {
                    let missing = || vec![Matcher::Unknown(format!("there is no matcher @{}", name.escape_debug()))];
                    (Some(named.get(name).cloned().unwrap_or_else(missing)), 2)
                }
                None => (None, 1),
            },
        };
        let words = segment.words.get(rest..).unwrap_or_default();
        let mut handlers = Vec::new();
        let mut group = None;
        match directive {
            "handle" | "handle_path" => {
                if path_only {
                    handlers.push(Handler::StripPrefix(token.trim_end_matches('*').to_owned()));
                }
                handlers.push(Handler::Subroute(self.routes(segment.inner(), named, true)));
                group = Some("handle".to_owned());
            }
            "route" => handlers.push(Handler::Subroute(self.routes(segment.inner(), named, false))),
            "reverse_proxy" => handlers.push(self.reverse_proxy(segment, words)),
            "respond" | "redir" | "error" | "abort" | "file_server" | "php_fastcgi" | "acme_server" => {
                handlers.push(Handler::Answers(segment.words.join(" ")));
            }
            "rewrite" => handlers.push(Handler::Rewrite(words.first().cloned().unwrap_or_default())),
            "method" => handlers.push(Handler::SetMethod(words.first().cloned().unwrap_or_default())),
            "uri" => handlers.push(match words {
                [what, prefix, ..] if what == "strip_prefix" => Handler::StripPrefix(prefix.clone()),
                _ => Handler::Unknown("this uri directive".to_owned()),
            }),
            "try_files" => handlers.push(Handler::Nothing),
            "map" => {
                let map = Map::of_caddyfile(words, segment.inner());
                handlers.push(map.map_or_else(|| Handler::Unknown("this map".to_owned()), Handler::Map));
            }
            "vars" => {
                let pairs = segment.inner().iter().map(|inner| inner.words.as_slice()).chain([words]);
                handlers.extend(pairs.filter(|pair| pair.len() == 2).map(|pair| Handler::SetVariable(pair[0].clone(), pair[1].clone())));
            }
            "request_header" => handlers.push(request_header(words)),
            "request_body" => handlers.push(limit(segment)),
            other => handlers.push(Handler::Unknown(other.to_owned())),
        }
        Some(Route { sets: set.into_iter().collect(), handlers, group, terminal: false, at: segment.at.clone() })
    }

    fn reverse_proxy(&mut self, segment: &Segment, words: &[String]) -> Handler {
        let mut addresses: Vec<String> = words.to_vec();
        let (mut balance, mut hash) = ("random".to_owned(), Hash::Nothing);
        let mut patience = None;
        for inner in segment.inner() {
            match inner.word(0) {
                "to" => addresses.extend(inner.words.get(1..).unwrap_or_default().iter().cloned()),
                "lb_policy" => {
                    balance = inner.words.get(1..).unwrap_or_default().join(" ");
                    hash = policy(inner.word(1), inner.word(2));
                }
                "transport" => {
                    let limits = inner.inner().iter().filter(|limit| matches!(limit.word(0), "response_header_timeout" | "read_timeout"));
                    patience = limits.filter_map(|limit| milliseconds(limit.word(1))).filter(|limit| *limit > 0).min();
                }
                "dynamic" => self.notes.push(Note { at: inner.at.clone(), text: "dynamic upstreams are not evaluated".to_owned() }),
                "rewrite" | "method" | "handle_response" => {
                    self.notes
                        .push(Note { at: inner.at.clone(), text: format!("{} within reverse_proxy is not evaluated", inner.word(0)) });
                }
                _ => {}
            }
        }
        let weights: Vec<u32> = match balance.strip_prefix("weighted_round_robin") {
            Some(rest) => rest.split_whitespace().filter_map(|weight| weight.parse().ok()).collect(),
            None => Vec::new(),
        };
        if balance.starts_with("weighted_round_robin") {
            "weighted_round_robin".clone_into(&mut balance);
        }
        let servers = addresses.iter().enumerate().map(|(index, text)| UpstreamServer {
            address: address(text),
            name: None,
            weight: weights.get(index).copied().unwrap_or(1),
        });
        let servers: Vec<UpstreamServer> = servers.collect();
        Handler::Proxy(pool(&mut self.pools, servers, balance, &segment.at), hash, patience)
    }
}

/// `request_body { max_size 50MB }`.
fn limit(segment: &Segment) -> Handler {
    let size = segment.inner().iter().filter(|inner| inner.word(0) == "max_size").find_map(|inner| bytes(inner.word(1)));
    size.filter(|size| *size > 0).map_or(Handler::Nothing, Handler::LimitBody)
}

/// The time-out for writing of `{ servers { timeouts { write 30s } } }`, milliseconds; of several servers the shortest.
fn write_timeout(options: &Segment) -> Option<u64> {
    let servers = options.inner().iter().filter(|option| option.word(0) == "servers");
    let timeouts = servers.flat_map(Segment::inner).filter(|option| option.word(0) == "timeouts").flat_map(Segment::inner);
    let writes = timeouts.filter(|timeout| timeout.word(0) == "write").filter_map(|timeout| milliseconds(timeout.word(1)));
    writes.filter(|write| *write > 0).map(Some).reduce(tighter).flatten()
}

/// `request_header NAME VALUE`, `-NAME`, `+NAME VALUE`, `NAME FIND REPLACE`.
fn request_header(words: &[String]) -> Handler {
    match words {
        [name] if name.starts_with('-') => Handler::SetHeader(name[1..].to_owned(), None),
        [name, value] if name.starts_with('+') => Handler::AddHeader(name[1..].to_owned(), value.clone()),
        [name, _, _] => Handler::EditHeader(name.clone()),
        [name, value] if !name.starts_with(['-', '?']) => Handler::SetHeader(name.trim_start_matches('>').to_owned(), Some(value.clone())),
        _ => Handler::Nothing,
    }
}

/// The index of a pool; pools with equal servers and rules are one.
pub(super) fn pool(pools: &mut Vec<UpstreamPool>, servers: Vec<UpstreamServer>, balance: String, at: &SourceLocation) -> usize {
    if let Some(known) = pools.iter().position(|pool| pool.servers == servers && pool.balance == balance) {
        return known;
    }
    let name = servers.iter().map(|server| server.address.as_str()).collect::<Vec<_>>().join(",");
    pools.push(UpstreamPool { name, servers, balance, shared: true, at: at.clone() });
    pools.len() - 1
}

/// The key of a selection policy.
pub(super) fn policy(name: &str, argument: &str) -> Hash {
    match name {
        "ip_hash" | "client_ip_hash" => Hash::Address,
        "uri_hash" => Hash::Uri,
        "header" => Hash::Header(argument.to_owned()),
        "query" => Hash::Query(argument.to_owned()),
        "cookie" => Hash::Cookie(if argument.is_empty() { "lb".to_owned() } else { argument.to_owned() }),
        _ => Hash::Nothing,
    }
}

/// Whether a word has the form of a site's address: `example.org`, `https://*.example.org:8448,`, `:80`, `{$DOMAIN}`.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(',');
    let bare = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://")).unwrap_or(word);
    let bare = bare.split('/').next().unwrap_or_default();
    let (host, port) = bare.rsplit_once(':').unwrap_or((bare, ""));
    let is_host = host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-*{}$_[]:".contains(c));
    let is_known = host.contains(['.', '{', '[']) || ["", "localhost", "http", "https"].contains(&host);
    is_host && is_known && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit() || "{}$".contains(c))
}

/// `http://a:1`, `h2c://a:1`, `unix//run/x.sock` as an address.
pub(super) fn address(text: &str) -> String {
    let bare = ["http://", "https://", "h2c://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    match bare.strip_prefix("unix/") {
        Some(path) => format!("unix:{path}"),
        None if bare.starts_with(':') => format!("localhost{bare}"),
        None => bare.split('/').next().unwrap_or_default().to_owned(),
    }
}

/// Longer paths first, then routes with another matcher, then the rest.
fn by_path(left: &Route, right: &Route) -> std::cmp::Ordering {
    let single = |route: &Route| match route.sets.as_slice() {
        [set] => set.iter().find_map(|matcher| match matcher {
            Matcher::Path(paths) if paths.len() == 1 => Some(paths[0].clone()),
            _ => None,
        }),
        _ => None,
    };
    match (single(left), single(right)) {
        (Some(a), Some(b)) if a.trim_end_matches('*') == b.trim_end_matches('*') => a.len().cmp(&b.len()),
        (Some(a), Some(b)) => b.len().cmp(&a.len()),
        _ => left.sets.is_empty().cmp(&right.sets.is_empty()),
    }
}

/// Directives that route, in Caddy's order.
const DIRECTIVES: [&str; 21] = [
    "map",
    "vars",
    "request_body",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "forward_auth",
    "request_header",
    "invoke",
    "handle",
    "handle_path",
    "route",
    "abort",
    "error",
    "respond",
    "reverse_proxy",
    "php_fastcgi",
    "file_server",
    "acme_server",
];
/// Directives that do not route, or whose routing is not evaluated.
const OTHER_DIRECTIVES: [&str; 12] = [
    "basic_auth",
    "basicauth",
    "copy_response",
    "copy_response_headers",
    "fs",
    "handle_errors",
    "import",
    "intercept",
    "log_name",
    "push",
    "rate_limit",
    "tracing",
];
const DEPTH_MAX: usize = 32;
const HOSTS_MAX: usize = 2000;
