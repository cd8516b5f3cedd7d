//! From directives to a proxy: maps, upstreams, servers.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, Site, SourceLocation, UpstreamPool, Words};
use super::super::pattern::Pattern;
use super::config::{Config, Geo, Map};
use super::listen;
use super::location::{Location, Name};
use super::location_of;
use super::passing::Around;
use super::scope::Scope;
use super::upstream::upstream;
use wsim_nginx::Directive;
use wsim_plan::ProxyKind;

/// A `server` block.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Arc<Config>,
    /// The hosts are the arguments of `server_name`.
    pub(super) facts: Facts,
    pub(super) scope: Scope,
    pub(super) locations: Vec<Location>,
}

/// Builds the proxy from all directives.
pub(super) fn proxy(directives: &[Directive], mut notes: Vec<Note>) -> Proxy {
    let mut config = Config::default();
    gather(directives, &mut config, &mut notes, 0);
    captures(directives, &mut config.declared);
    let config = Arc::new(config);
    let mut servers = Vec::new();
    let outside = Around::default();
    find_servers(directives, &config, &outside, &mut servers);
    // A snippet that other files include has locations at the top level.
    if servers.is_empty()
        && let Some(first) = directives.iter().find(|directive| directive.name == "location")
    {
        servers.push(server(directives, &config, &outside, &location_of(first)));
    }
    let processes = directives.iter().find(|directive| directive.name == "worker_processes");
    Proxy {
        kind: ProxyKind::Nginx,
        words: Words::Nginx,
        pools: config.upstreams.iter().map(|upstream| upstream.pool.clone()).collect::<Vec<UpstreamPool>>(),
        sites: servers.into_iter().map(|server| Box::new(server) as Box<dyn Site>).collect(),
        processes: processes.map_or(Some(1), |directive| directive.argument(0).parse().ok()),
        processes_at: processes.map(location_of),
        hosts: Vec::new(),
        notes,
        missing: Vec::new(),
    }
}

/// The names of groups in regular expressions, which are variables: `(?<name>…)`.
fn captures(directives: &[Directive], declared: &mut std::collections::HashSet<String>) {
    let mut rest: Vec<&Directive> = directives.iter().collect();
    while let Some(directive) = rest.pop() {
        for word in std::iter::once(&directive.name).chain(&directive.arguments).filter(|word| word.contains("(?")) {
            for after in word.split("(?").skip(1) {
                let name = after.strip_prefix("P<").or_else(|| after.strip_prefix('<')).or_else(|| after.strip_prefix('\''));
                let name = name.and_then(|name| name.split(['>', '\'']).next());
                declared.extend(name.filter(|name| name.bytes().all(wsim_nginx::variables::is_name_byte)).map(str::to_ascii_lowercase));
            }
        }
        rest.extend(directive.block.as_deref().unwrap_or_default());
    }
}

fn gather(directives: &[Directive], config: &mut Config, notes: &mut Vec<Note>, depth: usize) {
    for directive in directives {
        match directive.name.as_str() {
            "upstream" => config.upstreams.push(upstream(directive, notes)),
            "map" => {
                config.maps.insert(variable(directive.argument(1)), map(directive));
            }
            "set" => {
                config.declared.insert(variable(directive.argument(0)));
            }
            "geo" | "split_clients" => {
                let last = directive.arguments.last().map_or("", String::as_str);
                if let Some(geo) = Some(directive).filter(|directive| directive.name == "geo").and_then(Geo::new) {
                    config.geos.insert(variable(last), geo);
                    continue;
                }
                config.foreign.insert(variable(last), (directive.name.clone(), location_of(directive)));
            }
            "js_set" | "perl_set" | "auth_request_set" => {
                config.foreign.insert(variable(directive.argument(0)), (directive.name.clone(), location_of(directive)));
            }
            "auth_request" | "mirror" if directive.argument(0) != "off" => {
                notes.push(Note { at: location_of(directive), text: format!("{} is taken to let every request through", directive.name) });
            }
            _ => {}
        }
        if let Some(block) = &directive.block
            && depth < DEPTH_MAX
            && directive.name != "map"
        {
            gather(block, config, notes, depth + 1);
        }
    }
}

fn find_servers(directives: &[Directive], config: &Arc<Config>, around: &Around, servers: &mut Vec<Server>) {
    let own = Scope::of(directives, around).around;
    for directive in directives {
        match (directive.name.as_str(), &directive.block) {
            ("http", Some(block)) => find_servers(block, config, &own, servers),
            ("server", Some(block)) => servers.push(server(block, config, &own, &location_of(directive))),
            _ => {}
        }
    }
}

fn server(block: &[Directive], config: &Arc<Config>, around: &Around, at: &SourceLocation) -> Server {
    let words = |name: &str| -> Vec<&str> {
        block
            .iter()
            .filter(|directive| directive.name == name)
            .flat_map(|directive| directive.arguments.first().map(String::as_str))
            .collect()
    };
    let (names, ports) = (words("server_name"), words("listen"));
    let name = match (names.first(), ports.is_empty()) {
        (Some(name), true) => (*name).to_owned(),
        (Some(name), false) => format!("{name} ({})", ports.join(", ")),
        (None, false) => format!("port {}", ports.join(", ")),
        (None, true) => "the locations".to_owned(),
    };
    let scope = Scope::of(block, around);
    let mut locations = locations(block, &scope.around);
    // A file that is not there may have locations, at its place among the others.
    for include in block.iter().filter(|directive| directive.name == "include" && !super::routes_nothing(directive.argument(0))) {
        let at = location_of(include);
        let place = locations.iter().position(|location| location.at.file == at.file && location.at.line > at.line);
        let missing = Location { name: Name::Missing(include.argument(0).to_owned()), inner: Vec::new(), scope: Scope::default(), at };
        locations.insert(place.unwrap_or(locations.len()), missing);
    }
    let hosts = block.iter().filter(|directive| directive.name == "server_name").flat_map(|directive| directive.arguments.clone());
    let facts = Facts { name, at: at.clone(), hosts: hosts.collect(), ports: listen::ports(block) };
    Server { config: Arc::clone(config), facts, scope, locations }
}

fn locations(block: &[Directive], around: &Around) -> Vec<Location> {
    let found = block.iter().filter(|directive| directive.name == "location");
    found
        .map(|directive| {
            let block = directive.block.as_deref().unwrap_or_default();
            let scope = Scope::of(block, around);
            let inner = locations(block, &scope.around);
            Location { name: Name::of(&directive.arguments), inner, scope, at: location_of(directive) }
        })
        .collect()
}

fn map(directive: &Directive) -> Map {
    let mut map = Map {
        source: directive.argument(0).to_owned(),
        exact: HashMap::new(),
        patterns: Vec::new(),
        default: String::new(),
        hostnames: false,
        at: location_of(directive),
    };
    for entry in directive.block.as_deref().unwrap_or_default() {
        let value = entry.argument(0).to_owned();
        match entry.name.as_str() {
            "default" => map.default = value,
            "hostnames" if entry.arguments.is_empty() => map.hostnames = true,
            "volatile" if entry.arguments.is_empty() => {}
            key => match (key.strip_prefix("~*"), key.strip_prefix('~')) {
                (Some(pattern), _) => map.patterns.push((Pattern::new(pattern, true), value, location_of(entry))),
                (None, Some(pattern)) => map.patterns.push((Pattern::new(pattern, false), value, location_of(entry))),
                (None, None) => {
                    let key = key.strip_prefix('\\').unwrap_or(key).to_lowercase();
                    map.exact.insert(key, value);
                }
            },
        }
    }
    map
}

fn variable(text: &str) -> String {
    text.trim_start_matches('$').to_ascii_lowercase()
}

const DEPTH_MAX: usize = 40;
