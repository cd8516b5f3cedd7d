//! From directives to servers: virtual hosts, balancers, and what surrounds them.

use std::sync::Arc;

use super::super::model::{Facts, Note, Proxy, Site, SourceLocation, UpstreamPool, UpstreamServer, Words};
use super::super::pattern::Pattern;
use super::lines::Directive;
use super::pass::{Alias, milliseconds};
use super::rewrite::{Condition, Rule};
use super::run::{Server, SetEnvironment, Settings};
use super::section::{Section, conditionals};
use super::target::Target;
use super::uri::Slashes;
use wsim_plan::ProxyKind;

/// Builds the proxy from all directives.
pub(super) fn proxy(directives: &[Directive], mut notes: Vec<Note>, missing: Vec<SourceLocation>) -> Proxy {
    let mut pools = Vec::new();
    balancers(directives, &mut pools, &mut notes, 0);
    methods(directives, &mut pools);
    let names: Arc<[String]> = pools.iter().map(|pool: &UpstreamPool| pool.name.to_ascii_lowercase()).collect();
    let outside = server(directives, None, None, &names, &mut notes);
    let hosts = directives.iter().filter(|directive| directive.name == "virtualhost");
    let mut servers: Vec<Server> = hosts
        .map(|section| server(section.block.as_deref().unwrap_or_default(), Some(section), Some(&outside), &names, &mut notes))
        .collect();
    if servers.is_empty() {
        servers.push(outside);
    }
    Proxy {
        kind: ProxyKind::Apache,
        words: Words::Apache,
        sites: servers.into_iter().map(|server| Box::new(server) as Box<dyn Site>).collect(),
        pools,
        hosts: Vec::new(),
        // All processes of Apache share the state of a balancer.
        processes: Some(1),
        processes_at: None,
        notes,
        missing,
    }
}

/// Collects `BalancerMember`s, in `<Proxy balancer://…>` or with the balancer's name, also within virtual hosts.
fn balancers(directives: &[Directive], pools: &mut Vec<UpstreamPool>, notes: &mut Vec<Note>, depth: usize) {
    for directive in directives {
        match directive.name.as_str() {
            "proxy" => {
                let Some(name) = balancer_name(directive.argument(0)) else { continue };
                let index = pool(name, &directive.at, pools);
                for inner in directive.block.as_deref().unwrap_or_default() {
                    match inner.name.as_str() {
                        "balancermember" => member(&inner.arguments, &inner.at, &mut pools[index], notes),
                        "proxyset" => inner.arguments.iter().for_each(|word| set(word, &mut pools[index])),
                        _ => {}
                    }
                }
            }
            "balancermember" | "proxyset" => {
                let Some((name, rest)) = directive.arguments.split_first() else { continue };
                let Some(name) = balancer_name(name) else { continue };
                let index = pool(name, &directive.at, pools);
                if directive.name == "proxyset" {
                    rest.iter().for_each(|word| set(word, &mut pools[index]));
                } else {
                    member(rest, &directive.at, &mut pools[index], notes);
                }
            }
            _ => {}
        }
        if let Some(block) = &directive.block
            && depth < DEPTH_MAX
        {
            balancers(block, pools, notes, depth + 1);
        }
    }
}

/// Rules of balancers that stand in `ProxyPass`.
fn methods(directives: &[Directive], pools: &mut [UpstreamPool]) {
    let mut rest: Vec<&Directive> = directives.iter().collect();
    while let Some(directive) = rest.pop() {
        rest.extend(directive.block.as_deref().unwrap_or_default());
        if !matches!(directive.name.as_str(), "proxypass" | "proxypassmatch") {
            continue;
        }
        let Some(name) = directive.arguments.iter().find_map(|word| balancer_name(word)) else { continue };
        if let Some(pool) = pools.iter_mut().find(|pool| pool.name.eq_ignore_ascii_case(name)) {
            directive.arguments.iter().for_each(|word| set(word, pool));
        }
    }
}

fn balancer_name(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    scheme.eq_ignore_ascii_case("balancer").then(|| rest.split('/').next().unwrap_or(rest))
}

fn pool(name: &str, at: &SourceLocation, pools: &mut Vec<UpstreamPool>) -> usize {
    if let Some(index) = pools.iter().position(|pool| pool.name.eq_ignore_ascii_case(name)) {
        return index;
    }
    let balance = "byrequests".to_owned();
    pools.push(UpstreamPool { name: name.to_owned(), servers: Vec::new(), balance, shared: true, at: at.clone() });
    pools.len() - 1
}

fn set(word: &str, pool: &mut UpstreamPool) {
    if let Some(method) = word.strip_prefix("lbmethod=") {
        method.clone_into(&mut pool.balance);
    }
}

fn member(words: &[String], at: &SourceLocation, pool: &mut UpstreamPool, notes: &mut Vec<Note>) {
    let Some((url, options)) = words.split_first() else { return };
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    // H is a hot standby, D disabled, S stopped, R a spare.
    if option("status").is_some_and(|status| status.contains(['H', 'D', 'S', 'R']) && !status.starts_with('-')) {
        return;
    }
    let Some(Target { address, .. }) = Target::read(url) else {
        notes.push(Note { at: at.clone(), text: format!("the address {} is not read", url.escape_debug()) });
        return;
    };
    // Apache takes fractions, too; a plan does not.
    let weight =
        option("loadfactor").and_then(|weight| weight.split('.').next()?.parse().ok()).map_or(1, |weight: u32| weight.clamp(1, 100));
    pool.servers.push(UpstreamServer { address, name: None, weight });
}

/// A virtual host, or what stands outside of them.
fn server(block: &[Directive], section: Option<&Directive>, base: Option<&Server>, pools: &Arc<[String]>, notes: &mut Vec<Note>) -> Server {
    let first = block.iter().find(|directive| directive.name != "virtualhost");
    let at = section.or(first).map_or_else(|| SourceLocation::new(&Arc::from(""), 0), |directive| directive.at.clone());
    let mut own = Server {
        facts: Facts { name: String::new(), at, hosts: Vec::new(), ports: section.map(ports).unwrap_or_default() },
        is_tls: false,
        pools: Arc::clone(pools),
        aliases: base.map(|base| base.aliases.clone()).unwrap_or_default(),
        rules: Vec::new(),
        sections: base.map(|base| base.sections.clone()).unwrap_or_default(),
        conditional: base.map(|base| base.conditional.clone()).unwrap_or_default(),
        root: base.map_or_else(|| ROOT.to_owned(), |base| base.root.clone()),
        environment: base.map(|base| base.environment.clone()).unwrap_or_default(),
        settings: base.map(|base| base.settings.clone()).unwrap_or_default(),
    };
    own.conditional.extend(conditionals(block));
    let mut conditions: Vec<Condition> = Vec::new();
    let (mut rules, mut has_engine, mut inherits) = (Vec::new(), false, false);
    for directive in block {
        match directive.name.as_str() {
            "servername" => own.facts.hosts.insert(0, host(directive.argument(0))),
            "serveralias" => own.facts.hosts.extend(directive.arguments.iter().map(|name| host(name))),
            "listen" if section.is_none() => own.facts.ports.extend(port_of(directive.argument(0))),
            "sslengine" => own.is_tls = directive.argument(0).eq_ignore_ascii_case("on"),
            "proxypass" | "proxypassmatch" => own.aliases.extend(Alias::new(directive, None)),
            "include" if !super::super::nginx::routes_nothing(directive.argument(0)) => own.aliases.push(Alias::missing(directive)),
            "rewriteengine" => has_engine = directive.argument(0).eq_ignore_ascii_case("on"),
            "rewriteoptions" => inherits |= directive.arguments.iter().any(|word| word.to_ascii_lowercase().starts_with("inherit")),
            "rewritecond" => conditions.push(Condition::new(directive)),
            "rewriterule" => rules.push(Rule::new(directive, std::mem::take(&mut conditions))),
            "location" | "locationmatch" | "directory" | "directorymatch" => own.sections.push(Section::new(directive)),
            "documentroot" => own.root = directive.argument(0).trim_end_matches('/').to_owned(),
            "setenvif" | "setenvifnocase" => own.environment.extend(SetEnvironment::new(directive)),
            "allowencodedslashes" => {
                own.settings.slashes = match directive.argument(0).to_ascii_lowercase().as_str() {
                    "on" => Slashes::Decoded,
                    "nodecode" => Slashes::Kept,
                    _ => Slashes::Refused,
                };
            }
            "mergeslashes" => own.settings.merges_slashes = !directive.argument(0).eq_ignore_ascii_case("off"),
            "if" | "elseif" | "else" => {}
            "use" => notes
                .push(Note { at: directive.at.clone(), text: format!("the macro {} is not there", directive.argument(0).escape_debug()) }),
            _ => own.settings.take(directive),
        }
    }
    if has_engine {
        own.rules = rules;
        if inherits {
            own.rules.extend(base.map(|base| base.rules.clone()).unwrap_or_default());
        }
    }
    let places = own.facts.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    own.facts.name = match (own.facts.hosts.first(), places.is_empty()) {
        (Some(name), true) => name.clone(),
        (Some(name), false) => format!("{name} ({places})"),
        (None, false) => format!("port {places}"),
        (None, true) => "the server".to_owned(),
    };
    own
}

/// `https://name:443` has a scheme and a port besides the name.
fn host(text: &str) -> String {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let name = bare.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(bare, |(name, _)| name);
    name.to_ascii_lowercase()
}

fn ports(section: &Directive) -> Vec<u16> {
    let mut ports: Vec<u16> = section.arguments.iter().filter_map(|word| port_of(word)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn port_of(word: &str) -> Option<u16> {
    word.rsplit(':').next()?.parse().ok()
}

impl Settings {
    /// A setting of a server or a section.
    pub(super) fn take(&mut self, directive: &Directive) {
        let words: Vec<String> = directive.arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
        match directive.name.as_str() {
            "timeout" => self.timeout_ms = milliseconds(directive.argument(0)).or(self.timeout_ms),
            "proxytimeout" => self.proxy_timeout_ms = milliseconds(directive.argument(0)).or(self.proxy_timeout_ms),
            "proxyaddheaders" => self.adds_headers = words.first().is_none_or(|word| word != "off"),
            "limitrequestbody" => self.body_max = directive.argument(0).parse().ok(),
            "proxypassinterpolateenv" => self.interpolates = words.first().is_some_and(|word| word == "on"),
            "requestheader" => self.header(&words),
            _ => {}
        }
    }

    fn header(&mut self, words: &[String]) {
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "early").collect();
        match words.as_slice() {
            ["unset", "x-forwarded-for", ..] => self.removes_forwarded_for = true,
            ["set", "x-forwarded-for", ..] => self.sets_forwarded_for = true,
            ["set" | "setifempty" | "add" | "append" | "merge", "x-forwarded-proto", ..] => self.forwarded_proto = true,
            _ => {}
        }
    }
}

impl SetEnvironment {
    /// `SetEnvIf attribute regex NAME=value …`
    fn new(directive: &Directive) -> Option<Self> {
        let [attribute, pattern, assignments @ ..] = directive.arguments.as_slice() else { return None };
        let pattern = Pattern::new(pattern, directive.name == "setenvifnocase").ok()?;
        Some(Self { attribute: attribute.clone(), pattern, assignments: assignments.to_vec() })
    }
}

/// Debian's folder of documents.
const ROOT: &str = "/var/www/html";
const DEPTH_MAX: usize = 40;
