//! The plan that a configuration implements.

use std::collections::BTreeMap;

use super::super::read::Note;
use super::observe::{Observation, Observed, PoolView};
use wsim_plan::{BackgroundRoles, Plan, Pool, Proxy, ProxyKind, Rule, Selector, Server, Writers};

/// A plan, and the assumptions in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    pub plan: Plan,
    /// Assumptions, and parts of the configuration that the plan leaves out.
    pub notes: Vec<Note>,
}

/// Derives the plan; `None` if no proxy sends a request to a server.
pub(super) fn plan(observed: &Observed<'_>, release: &str) -> Option<Derived> {
    let first = observed
        .pools
        .iter()
        .enumerate()
        .find(|(index, _)| observed.observations.iter().any(|observation| observation.pool() == Some(*index)))?
        .1;
    let mut notes = Vec::new();
    let (stream_writers, writer_pools) = writers(observed, &mut notes);
    let mut pools: Vec<Pool> = Vec::new();
    for (index, pool) in observed.pools.iter().enumerate() {
        let endpoints = endpoints(observed, index);
        let is_elsewhere = pool.is_reached || pool.pool.servers.is_empty();
        if !pool.main && !is_elsewhere && !observed.observations.iter().any(|observation| observation.pool() == Some(index)) {
            let text = format!(
                "{} gets none of the example requests, and the plan leaves it out; if it takes the requests of some clients, add users, appservices, agents or addresses to a pool by hand",
                pool.pool.name.escape_debug()
            );
            notes.push(Note { at: pool.pool.at.clone(), text });
        }
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
        let mut servers: Vec<String> = servers.collect();
        let mut workers = None;
        // Servers that the DNS finds share one name, and have no address of their own for a plan.
        let is_address = |index: usize| Server::parse(&servers[index]).is_ok() && !servers[..index].contains(&servers[index]);
        if !(0..servers.len()).all(is_address) {
            workers = u32::try_from(servers.len()).ok();
            let text = format!("the servers of {} are found by their name; the plan has their number", pool.pool.name.escape_debug());
            notes.push(Note { at: pool.pool.at.clone(), text });
            servers.clear();
        }
        pools.push(Pool { name, endpoints, servers, workers, balance, key, ..Pool::default() });
    }
    let processes = processes(observed, first, &mut notes);
    let plan = Plan {
        name: "as configured".to_owned(),
        synapse: release.to_owned(),
        proxy: Proxy { kind: first.proxy, processes, release: None },
        pools,
        stream_writers,
        background_roles: background_roles(observed),
        ..Plan::default()
    };
    if let Err(fault) = plan.clone().check() {
        notes.push(Note { at: first.pool.at.clone(), text: format!("the derived plan is not a complete plan: {fault}") });
    }
    Some(Derived { plan, notes })
}

/// The groups that a pool takes as a whole, and single patterns of other groups.
fn endpoints(observed: &Observed<'_>, pool: usize) -> Vec<Selector> {
    // For each class of a group that a worker may serve: whether its requests go to this pool.
    let mut groups: BTreeMap<&str, BTreeMap<Option<&str>, Vec<bool>>> = BTreeMap::new();
    for observation in observed.observations.iter().filter(|observation| counts(observation)) {
        let here = observation.pool() == Some(pool);
        groups.entry(&observation.endpoint.group).or_default().entry(observation.endpoint.pattern.as_deref()).or_default().push(here);
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
    // `sync` includes initial syncs.
    if selectors.contains(&Selector::Group("sync".to_owned())) {
        selectors.retain(|selector| *selector != Selector::Group("initial_sync".to_owned()));
    }
    selectors
}

/// Whether a request shows the destination of its group: a worker that is no stream writer may serve it.
fn counts(observation: &Observation<'_>) -> bool {
    let endpoint = observation.endpoint;
    let servable = !endpoint.workers.is_empty() || endpoint.group == "sliding_sync";
    servable && (endpoint.stream.is_none() || endpoint.any_worker) && observation.pool().is_some()
}

/// The writers in Synapse's files; without them, a pool that only takes the requests of a stream counts as the stream's writer.
fn writers(observed: &Observed<'_>, notes: &mut Vec<Note>) -> (BTreeMap<String, Writers>, Vec<usize>) {
    let cluster = observed.cluster();
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
    for (index, pool) in observed.pools.iter().enumerate().filter(|(_, pool)| !pool.main) {
        let mut streams: Vec<&str> = Vec::new();
        let mut only = true;
        for observation in observed.observations.iter().filter(|observation| observation.pool() == Some(index)) {
            match &observation.endpoint.stream {
                Some(stream) if !streams.contains(&stream.as_str()) => streams.push(stream),
                Some(_) => {}
                // A writer also serves requests that read the stream's data.
                None => only &= ["account_data", "presence", "push_rules", "user_directory"].contains(&observation.endpoint.group.as_str()),
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
                "assumed that {} is the writer of {stream}, because it serves nothing else; add homeserver.yaml to be sure",
                pool.pool.name.escape_debug()
            );
            notes.push(Note { at: pool.pool.at.clone(), text });
        }
    }
    (writers, pools)
}

/// The rule in the words of a plan, and the key that changes of requests have revealed.
fn balance(pool: &PoolView, notes: &mut Vec<Note>) -> (String, Option<String>) {
    let words = pool.pool.balance.as_str();
    let plain = match (pool.proxy, words.split([' ', '(']).next().unwrap_or_default()) {
        (ProxyKind::Nginx, "hash") => if words.contains("consistent") { "hash consistent" } else { "hash" }.to_owned(),
        (ProxyKind::Nginx, "random") if words.contains("two") => "random two least_conn".to_owned(),
        (ProxyKind::Nginx, "least_conn") => "least_conn".to_owned(),
        (ProxyKind::Nginx, "ip_hash") => "ip_hash".to_owned(),
        (ProxyKind::Traefik, "wrr") => "wrr".to_owned(),
        (ProxyKind::Caddy, "cookie" | "query") | (ProxyKind::Haproxy, "rdp-cookie") => "random".to_owned(),
        (ProxyKind::Caddy, "first") | (ProxyKind::Haproxy, "first") => "round robin".to_owned(),
        _ => words.to_owned(),
    };
    let key = pool.key_inputs.and_then(|key_inputs| key_inputs.key()).map(|key| key.to_string());
    let candidate = Pool { name: "p".to_owned(), workers: Some(1), balance: plain.clone(), key: key.clone(), ..Pool::default() };
    match Rule::from_pool(&candidate, pool.proxy) {
        Ok(rule) if rule.key.is_some() => (plain, key),
        Ok(_) => (plain, None),
        Err(error) => {
            let text = format!("the plan has round robin for {}: {error}", pool.pool.name.escape_debug());
            notes.push(Note { at: pool.pool.at.clone(), text });
            ("round robin".to_owned(), None)
        }
    }
}

fn processes(observed: &Observed<'_>, first: &PoolView, notes: &mut Vec<Note>) -> u32 {
    let proxy = &observed.configuration.proxies[first.proxy_index];
    let unshared = observed.pools.iter().any(|pool| !pool.pool.shared && pool.pool.servers.len() > 1);
    match (unshared, proxy.processes) {
        (false, _) => 1,
        (true, Some(count)) => count.max(1),
        (true, None) => {
            let at = proxy.processes_at.clone().unwrap_or_else(|| first.pool.at.clone());
            notes.push(Note {
                at,
                text: "the plan assumes one proxy process; set processes to the number of cores of the proxy's machine".to_owned(),
            });
            1
        }
    }
}

fn background_roles(observed: &Observed<'_>) -> BackgroundRoles {
    let names =
        |setting: &str| observed.cluster().background_roles.iter().find(|(own, _)| own == setting).map(|(_, names)| names.names.clone());
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

/// A free pool name of letters, digits, `-` and `_`.
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

const NAME_MAX: usize = 60;
