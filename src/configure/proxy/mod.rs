//! The files of the proxies: one module for each, all from the same routes.
//!
//! This file has the parts that all proxies share: named groups of servers, and the keys of a plan's rules. Knows no syntax.

mod apache;
mod caddy;
mod haproxy;
mod nginx;
mod traefik;

use std::collections::BTreeSet;

use super::address::Address;
use super::routes::{Rule, Target};
use super::{ConfigureError, Context, OutputFile};
use wsim_plan::{Key, Plan, Pool, ProxyKind, Rule as BalanceRule};

/// The files of the chosen proxy, below `proxy/NAME/`.
pub(super) fn files(context: &Context<'_>, warnings: &mut Vec<String>) -> Result<Vec<OutputFile>, ConfigureError> {
    let upstreams = upstreams(context);
    match context.config.proxy {
        ProxyKind::Nginx => nginx::files(context, &upstreams),
        ProxyKind::Haproxy => haproxy::files(context, &upstreams),
        ProxyKind::Caddy => caddy::files(context, &upstreams, warnings),
        ProxyKind::Traefik => traefik::files(context, &upstreams, warnings),
        ProxyKind::Apache => apache::files(context, &upstreams),
        ProxyKind::Envoy => Err(ConfigureError::Proxy("Envoy")),
    }
}

/// A group of servers.
pub(super) struct Upstream<'a> {
    /// The name in the proxy's files.
    pub(super) name: String,
    pub(super) target: Target,
    /// The pool and its rule; `None` for the main process and stream writers.
    pub(super) pool: Option<(&'a Pool, &'a BalanceRule)>,
    pub(super) servers: Vec<Member>,
}

/// One server of a group.
pub(super) struct Member {
    /// The name of the process.
    pub(super) name: String,
    pub(super) address: Address,
    /// Share relative to the other servers.
    pub(super) weight: u32,
}

impl Upstream<'_> {
    /// The purpose of the group, for a comment.
    pub(super) fn purpose(&self, context: &Context<'_>) -> String {
        match &self.target {
            Target::Main => "The main process: all requests that no rule sends elsewhere.".to_owned(),
            Target::Pool(_) => {
                let what = match self.pool.as_ref().map(|(_, rule)| &rule.key) {
                    _ if self.servers.len() == 1 => "One worker, so there is nothing to balance.".to_owned(),
                    Some(Some(key)) => {
                        format!("Balanced by {key}: all requests of one {} reach the same worker, whose caches are warm.", subject(key))
                    }
                    _ => "Any worker can serve any of these requests.".to_owned(),
                };
                let clients = self.pool.as_ref().map(|(pool, _)| clients(pool)).unwrap_or_default();
                format!("{}{clients}. {what}", self.groups(context).join(", "))
            }
            Target::Authentication => {
                "matrix-authentication-service, which serves logins, logouts and refreshes instead of Synapse.".to_owned()
            }
            Target::Writers(_) => {
                format!("Writes the stream of {}: these requests must reach a writer.", self.groups(context).join(", "))
            }
        }
    }

    /// The endpoint groups whose requests go to this group of servers.
    fn groups<'c>(&self, context: &'c Context<'_>) -> Vec<&'c str> {
        let mut groups: Vec<&str> = Vec::new();
        for rule in context.routes.rules.iter().filter(|rule| rule.target == self.target) {
            if !groups.contains(&rule.group.as_str()) {
                groups.push(&rule.group);
            }
        }
        groups
    }
}

/// Whose requests a pool takes, for a comment.
fn clients(pool: &Pool) -> String {
    let lists = pool.client_lists();
    let lists: Vec<String> =
        lists.iter().filter(|(_, list)| !list.is_empty()).map(|(kind, list)| format!("{kind} {}", list.join(", "))).collect();
    if lists.is_empty() { String::new() } else { format!(", only of {}", lists.join("; ")) }
}

fn subject(key: &Key) -> String {
    match key {
        Key::User => "user".to_owned(),
        Key::Token => "device".to_owned(),
        Key::Address => "client address".to_owned(),
        Key::Origin => "remote server".to_owned(),
        Key::Room => "room".to_owned(),
        Key::Uri => "path".to_owned(),
        Key::Header(name) => format!("value of {name}"),
    }
}

/// The groups of servers: the main process, the pools that get requests, the stream writers that get requests.
fn upstreams<'a>(context: &Context<'a>) -> Vec<Upstream<'a>> {
    let (plan, cluster) = (context.plan, context.cluster);
    let main = Member { name: "main".to_owned(), address: cluster.main.clone(), weight: 1 };
    let mut upstreams = vec![Upstream { name: name(plan, &Target::Main), target: Target::Main, pool: None, servers: vec![main] }];
    let mut targets = context.routes.targets();
    targets.sort();
    for target in targets {
        let (pool, members) = match target {
            Target::Pool(index) => (Some((&plan.pools[*index], plan.rule(*index))), plan.members(*index)),
            Target::Main | Target::Writers(_) | Target::Authentication => (None, &[][..]),
        };
        if *target == Target::Authentication {
            let address = context.config.extras.authentication_service.clone();
            let servers = address.map(|address| Member { name: "mas".to_owned(), address, weight: 1 }).into_iter().collect();
            upstreams.push(Upstream { name: name(plan, target), target: target.clone(), pool: None, servers });
            continue;
        }
        let names = cluster.names(plan, target);
        let member = |(index, name): (usize, String)| {
            let address = cluster.worker(&name)?.clients.clone()?;
            Some(Member { name, address, weight: members.get(index).map_or(1, |member| member.weight) })
        };
        let servers = names.into_iter().enumerate().filter_map(member).collect();
        upstreams.push(Upstream { name: name(plan, target), target: target.clone(), pool, servers });
    }
    upstreams
}

/// The name of a group of servers. The names are unique, because names of pools and workers have no dot.
pub(super) fn name(plan: &Plan, target: &Target) -> String {
    match target {
        Target::Main => "synapse_main".to_owned(),
        Target::Pool(index) => format!("synapse_{}", plan.pools.get(*index).map_or("", |pool| pool.name.as_str())),
        Target::Writers(names) => format!("synapse_writer.{}", names.join(".")),
        Target::Authentication => "matrix_authentication_service".to_owned(),
    }
}

/// A rule as one expression over `METHOD TARGET …`, where the target includes the query, and more text may follow after a blank.
///
/// `.` and negated classes stop at the query, and the end of the path is the query or a blank.
fn over_target(rule: &Rule, after_method: &str) -> String {
    let methods: Vec<&str> = rule.methods.iter().map(|method| method.name()).collect();
    let method = match methods.as_slice() {
        [] => "[^ ]+".to_owned(),
        [one] => (*one).to_owned(),
        several => format!("(?:{})", several.join("|")),
    };
    let part = |(anchored, rest): (bool, String)| format!("{}{}", if anchored { "" } else { "[^? ]*" }, within_path(&rest));
    let parts: Vec<String> = rule.alternatives().into_iter().map(part).collect();
    match parts.as_slice() {
        [one] => format!("^{method} {after_method}{one}"),
        several => format!("^{method} {after_method}(?:{})", several.join("|")),
    }
}

fn within_path(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut escaped, mut class) = (false, false);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if !class => {
                class = true;
                if chars.next_if_eq(&'^').is_some() {
                    out.push_str("[^? ");
                    continue;
                }
            }
            ']' => class = false,
            '.' if !class => {
                out.push_str("[^? ]");
                continue;
            }
            '$' if !class => {
                out.push_str("(?:[? ]|$)");
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// The keys that the rules use.
fn keys(upstreams: &[Upstream<'_>]) -> BTreeSet<String> {
    upstreams.iter().filter_map(|upstream| upstream.pool.as_ref()?.1.key.as_ref()).map(ToString::to_string).collect()
}

/// The heading of every file.
fn heading(context: &Context<'_>, comment: &str, what: &str) -> String {
    let lines = [
        format!("{what} for the plan {:?}, Synapse {}.", context.plan.name, context.plan.synapse),
        "Written by `wsim configure`: do not edit this file, but change plan.toml and run it again.".to_owned(),
    ];
    lines.iter().map(|line| format!("{comment} {line}\n")).collect()
}

/// A size in MiB with the proxy's own unit, or in bytes if it is no whole number of MiB.
fn size(bytes: u64, unit: &str) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}{unit}", bytes >> 20) } else { bytes.to_string() }
}

/// Timeout for a response in seconds: initial syncs of large accounts take minutes, long polls half a minute.
const WAIT_SECONDS: u32 = 600;

/// Beginnings of the paths that are public. For the admin API see [`ADMIN`].
const PUBLIC: [&str; 3] = ["/_matrix", "/_synapse/client", "/_synapse/oidc"];
/// The admin API, open only to the proxy's own machine: Synapse's documentation of reverse proxies excludes it on purpose.
const ADMIN: &str = "/_synapse/admin";

#[cfg(test)]
mod tests {
    use super::super::routes::Sync;
    use super::*;
    use wsim_endpoints::Method;

    fn rule(pattern: &str, methods: &[Method]) -> Rule {
        let (target, group) = (Target::Main, "own".to_owned());
        Rule { pattern: pattern.to_owned(), methods: methods.to_vec(), sync: Sync::Any, clients: None, target, group, stream: None }
    }

    #[test]
    fn a_pattern_over_the_whole_target_stays_within_the_path() {
        let cases = [
            ("^/a/[^/]+/b$", &[][..], "^[^ ]+ /a/[^? /]+/b(?:[? ]|$)"),
            ("^/a(/|$)", &[Method::Get], "^GET /a(/|(?:[? ]|$))"),
            ("^/a\\.b/.*/c", &[Method::Get, Method::Put], "^(?:GET|PUT) /a\\.b/[^? ]*/c"),
            ("^/a|/b[.$]", &[], "^[^ ]+ (?:/a|[^? ]*/b[.$])"),
        ];
        for (pattern, methods, expected) in cases {
            let text = over_target(&rule(pattern, methods), "");
            assert_eq!(text, expected);
            regex_syntax::parse(&text).unwrap();
        }
    }
}
