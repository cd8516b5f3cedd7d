//! The plan that a configuration amounts to.

use std::collections::BTreeMap;

use super::super::read::{Note, ProxyName};
use super::observe::{PoolView, Seen, View};
use wsim_plan::{BackgroundRoles, Plan, Pool, Proxy, ProxyKind, Rule, Selector, Writers};

/// A plan, and what of it was assumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The plan.
    pub plan: Plan,
    /// What was assumed or left out.
    pub notes: Vec<Note>,
}

/// Makes the plan; `None` where no proxy sends anything to a worker or to the main process.
pub(super) fn plan(view: &View<'_>, release: &str) -> Option<Derived> {
    let first = view.pools.iter().enumerate().find(|(index, _)| view.seen.iter().any(|seen| seen.pool() == Some(*index)))?.1;
    let mut notes = Vec::new();
    let (stream_writers, writer_pools) = writers(view, &mut notes);
    let mut pools: Vec<Pool> = Vec::new();
    for (index, pool) in view.pools.iter().enumerate() {
        let endpoints = endpoints(view, index);
        if pool.main || endpoints.is_empty() || writer_pools.contains(&index) {
            continue;
        }
        let (balance, key) = balance(pool, &mut notes);
        let name = free_name(&pool.pool.name, &pools);
        let servers = pool
            .pool
            .servers
            .iter()
            .map(|server| if server.weight == 1 { server.address.clone() } else { format!("{}={}", server.address, server.weight) });
        pools.push(Pool { name, endpoints, servers: servers.collect(), workers: None, balance, key, cpu: 1.0 });
    }
    let processes = processes(view, first, &mut notes);
    let plan = Plan {
        name: "as configured".to_owned(),
        synapse: release.to_owned(),
        proxy: Proxy { kind: kind(first.proxy), processes, release: None },
        pools,
        stream_writers,
        background_roles: background_roles(view),
    };
    if let Err(fault) = plan.clone().check() {
        notes.push(Note { at: first.pool.at.clone(), text: format!("the plan it amounts to cannot be written down in whole: {fault}") });
    }
    Some(Derived { plan, notes })
}

/// Groups that go to a pool as a whole, and single patterns of others.
fn endpoints(view: &View<'_>, pool: usize) -> Vec<Selector> {
    // Of each class of a group that a worker may serve: where its requests go.
    let mut groups: BTreeMap<&str, BTreeMap<Option<&str>, Vec<bool>>> = BTreeMap::new();
    for seen in view.seen.iter().filter(|seen| counts(seen)) {
        let here = seen.pool() == Some(pool);
        groups.entry(&seen.endpoint.group).or_default().entry(seen.endpoint.pattern.as_deref()).or_default().push(here);
    }
    let mut selectors = Vec::new();
    for (group, patterns) in groups {
        let mostly = |here: &Vec<bool>| here.iter().filter(|here| **here).count() * 2 > here.len();
        let own: Vec<&Option<&str>> = patterns.iter().filter(|(_, here)| mostly(here)).map(|(pattern, _)| pattern).collect();
        if own.is_empty() {
            continue;
        }
        if own.len() == patterns.len() {
            selectors.push(Selector::Group(group.to_owned()));
        } else {
            let texts = own.into_iter().flatten().map(|pattern| Selector::Pattern { pattern: (*pattern).to_owned(), methods: Vec::new() });
            selectors.extend(texts);
        }
    }
    // Naming `sync` takes its initial ones along.
    if selectors.contains(&Selector::Group("sync".to_owned())) {
        selectors.retain(|selector| *selector != Selector::Group("initial_sync".to_owned()));
    }
    selectors
}

/// Whether a request tells where its group belongs: a worker may serve it without being a writer.
fn counts(seen: &Seen<'_>) -> bool {
    let endpoint = seen.endpoint;
    let servable = !endpoint.workers.is_empty() || endpoint.group == "sliding_sync";
    servable && (endpoint.stream.is_none() || endpoint.any_worker) && seen.pool().is_some()
}

/// Writers by Synapse's files; else a pool of one that only takes a stream's requests is taken for its writer.
fn writers(view: &View<'_>, notes: &mut Vec<Note>) -> (BTreeMap<String, Writers>, Vec<usize>) {
    let cluster = view.cluster();
    let named = |names: &[String]| match names {
        [one] => Writers::One(one.clone()),
        several => Writers::Several(several.to_vec()),
    };
    let known = cluster
        .writers
        .iter()
        .filter(|(_, names)| !names.names.is_empty() && names.names.iter().all(|name| name != "main" && name != "master"));
    let mut writers: BTreeMap<String, Writers> = known.map(|(stream, names)| (stream.clone(), named(&names.names))).collect();
    let mut pools = Vec::new();
    for (index, pool) in view.pools.iter().enumerate().filter(|(_, pool)| !pool.main) {
        let mut streams: Vec<&str> = Vec::new();
        let mut only = true;
        for seen in view.seen.iter().filter(|seen| seen.pool() == Some(index)) {
            match &seen.endpoint.stream {
                Some(stream) if !streams.contains(&stream.as_str()) => streams.push(stream),
                Some(_) => {}
                // Reading of what the stream holds goes along with its writing.
                None => only &= ["account_data", "presence", "push_rules", "user_directory"].contains(&seen.endpoint.group.as_str()),
            }
        }
        if streams.is_empty() || !only {
            continue;
        }
        pools.push(index);
        if cluster.shared {
            continue;
        }
        let name = free_name(&pool.pool.name, &[]);
        for stream in streams {
            writers.entry(stream.to_owned()).or_insert_with(|| Writers::One(name.clone()));
            let text = format!(
                "{} is taken for the writer of {stream}, as it takes nothing else; homeserver.yaml would tell",
                pool.pool.name.escape_debug()
            );
            notes.push(Note { at: pool.pool.at.clone(), text });
        }
    }
    (writers, pools)
}

/// The rule in words that a plan knows, and the key that was found by trying.
fn balance(pool: &PoolView, notes: &mut Vec<Note>) -> (String, Option<String>) {
    let words = pool.pool.balance.as_str();
    let plain = match (pool.proxy, words.split([' ', '(']).next().unwrap_or_default()) {
        (ProxyName::Nginx, "hash") => if words.contains("consistent") { "hash consistent" } else { "hash" }.to_owned(),
        (ProxyName::Nginx, "random") if words.contains("two") => "random two least_conn".to_owned(),
        (ProxyName::Nginx, "least_conn") => "least_conn".to_owned(),
        (ProxyName::Nginx, "ip_hash") => "ip_hash".to_owned(),
        (ProxyName::Traefik, "wrr") => "wrr".to_owned(),
        (ProxyName::Caddy, "cookie" | "query") | (ProxyName::Haproxy, "rdp-cookie") => "random".to_owned(),
        (ProxyName::Caddy, "first") | (ProxyName::Haproxy, "first") => "round robin".to_owned(),
        _ => words.to_owned(),
    };
    let key = pool.varies.and_then(|varies| varies.key()).map(|key| key.to_string());
    let candidate = Pool {
        name: "p".to_owned(),
        endpoints: Vec::new(),
        servers: Vec::new(),
        workers: Some(1),
        balance: plain.clone(),
        key: key.clone(),
        cpu: 1.0,
    };
    match Rule::of(&candidate, kind(pool.proxy)) {
        Ok(rule) if rule.key.is_some() => (plain, key),
        Ok(_) => (plain, None),
        Err(error) => {
            let text = format!("{} is written down as round robin: {error}", pool.pool.name.escape_debug());
            notes.push(Note { at: pool.pool.at.clone(), text });
            ("round robin".to_owned(), None)
        }
    }
}

fn processes(view: &View<'_>, first: &PoolView, notes: &mut Vec<Note>) -> u32 {
    let proxy = &view.configuration.proxies[first.proxy_index];
    let unshared = view.pools.iter().any(|pool| !pool.pool.shared && pool.pool.servers.len() > 1);
    match (unshared, proxy.processes) {
        (false, _) => 1,
        (true, Some(count)) => count.max(1),
        (true, None) => {
            let at = proxy.processes_at.clone().unwrap_or_else(|| first.pool.at.clone());
            notes
                .push(Note { at, text: "the plan counts one proxy process; set processes to the cores of the proxy's machine".to_owned() });
            1
        }
    }
}

fn background_roles(view: &View<'_>) -> BackgroundRoles {
    let names =
        |setting: &str| view.cluster().background_roles.iter().find(|(own, _)| own == setting).map(|(_, names)| names.names.clone());
    let one = |setting: &str| names(setting).and_then(|names| names.into_iter().next()).filter(|name| name != "main" && name != "master");
    let several = |setting: &str| {
        names(setting)
            .filter(|names| !names.is_empty())
            .map(|mut names| if names.len() == 1 { Writers::One(names.remove(0)) } else { Writers::Several(names) })
    };
    BackgroundRoles {
        run_background_tasks_on: one("run_background_tasks_on"),
        update_user_directory_from_worker: one("update_user_directory_from_worker"),
        notify_appservices_from_worker: one("notify_appservices_from_worker"),
        pusher_instances: several("pusher_instances"),
        federation_sender_instances: several("federation_sender_instances"),
        media_instance_running_background_jobs: one("media_instance_running_background_jobs"),
    }
}

/// A name that a plan may have: letters, digits, `-` and `_`.
fn free_name(text: &str, taken: &[Pool]) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).take(NAME_MAX).collect();
    let plain = if plain.is_empty() || plain == "main" { "pool".to_owned() } else { plain };
    let mut name = plain.clone();
    let mut number = 2;
    while taken.iter().any(|pool| pool.name == name) {
        name = format!("{plain}-{number}");
        number += 1;
    }
    name
}

fn kind(name: ProxyName) -> ProxyKind {
    match name {
        ProxyName::Nginx => ProxyKind::Nginx,
        ProxyName::Haproxy => ProxyKind::Haproxy,
        ProxyName::Caddy => ProxyKind::Caddy,
        ProxyName::Traefik => ProxyKind::Traefik,
    }
}

const NAME_MAX: usize = 60;
