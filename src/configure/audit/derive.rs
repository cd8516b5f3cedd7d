//! The plan that a configuration implements.

use std::collections::BTreeMap;

use super::super::present::role;
use super::super::read::Note;
use super::clients;
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
    let selecting = clients::find(observed, &observed.configuration.words);
    // They come before the pools for everybody else, which get all other requests.
    for found in &selecting {
        let endpoints = selectors(found.takes.iter().map(|(observation, here)| (&observed.observations[*observation], *here)));
        if let Some(own) = pool_of(observed, found.pool, endpoints, &pools, &mut notes) {
            let Pool { users, appservices, agents, addresses, tokens, .. } = found.lists.clone();
            pools.push(Pool { users, appservices, agents, addresses, tokens, ..own });
        }
    }
    for (index, pool) in observed.pools.iter().enumerate() {
        let endpoints = endpoints(observed, index);
        let is_elsewhere = pool.is_reached || pool.pool.servers.is_empty();
        let is_selecting = selecting.iter().any(|found| found.pool == index);
        if !pool.main
            && !is_elsewhere
            && !is_selecting
            && !observed.observations.iter().any(|observation| observation.pool() == Some(index))
        {
            let text = format!(
                "{} gets none of the example requests, and the plan leaves it out; if it takes the requests of some clients, add users, appservices, agents or addresses to a pool by hand",
                pool.pool.name.escape_debug()
            );
            notes.push(Note { at: pool.pool.at.clone(), text });
        }
        if !pool.main && !writer_pools.contains(&index) {
            pools.extend(pool_of(observed, index, endpoints, &pools, &mut notes));
        }
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

/// A pool of the plan; `None` if it takes nothing.
fn pool_of(observed: &Observed<'_>, index: usize, endpoints: Vec<Selector>, pools: &[Pool], notes: &mut Vec<Note>) -> Option<Pool> {
    let pool = &observed.pools[index];
    if endpoints.is_empty() {
        return None;
    }
    let (balance, key) = balance(pool, notes);
    let name = free_name(&pool.pool.name, pools);
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
    let names = if workers.is_none() { worker_names(observed, index, pools) } else { Vec::new() };
    Some(Pool { name, endpoints, servers, workers, names, balance, key, ..Pool::default() })
}

/// The names of a pool's workers in Synapse's files; empty unless all are known and no other worker of the plan has one of them.
fn worker_names(observed: &Observed<'_>, index: usize, pools: &[Pool]) -> Vec<String> {
    let names: Option<Vec<String>> = observed.processes(index).into_iter().map(|name| name.map(str::to_owned)).collect();
    let Some(names) = names else { return Vec::new() };
    let address = |server: &String| Server::parse(server).map(|server| server.name).unwrap_or_default();
    let own: Vec<&str> = observed.pools[index].pool.servers.iter().map(|server| server.address.as_str()).collect();
    let is_usable = |name: &String| {
        let is_plain = !name.is_empty()
            && name.len() <= NAME_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_plain && name != "main" && name != "master" && names.iter().filter(|other| *other == name).count() == 1
    };
    let clashes = |(server, name): (&&str, &String)| {
        let others =
            pools.iter().flat_map(|pool| pool.servers.iter().enumerate().map(move |(at, other)| (address(other), pool.worker_name(at))));
        others.into_iter().any(|(other, taken)| (other == **server) != (taken == *name))
    };
    if names.iter().all(is_usable) && !own.iter().zip(&names).any(clashes) { names } else { Vec::new() }
}

/// The groups that a pool takes as a whole, and single patterns of other groups.
fn endpoints(observed: &Observed<'_>, pool: usize) -> Vec<Selector> {
    selectors(observed.observations.iter().map(|observation| (observation, observation.pool() == Some(pool))))
}

/// The same, from requests and whether the pool gets them.
fn selectors<'o>(requests: impl Iterator<Item = (&'o Observation<'o>, bool)>) -> Vec<Selector> {
    // For each class of a group that a worker may serve: whether its requests go to this pool.
    let mut groups: BTreeMap<&str, BTreeMap<Option<&str>, Vec<bool>>> = BTreeMap::new();
    for (observation, here) in requests.filter(|(observation, _)| counts(observation)) {
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
            // Two groups may share a pattern, as syncs and initial syncs do.
            for text in texts {
                if !selectors.contains(&text) {
                    selectors.push(text);
                }
            }
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
    // Old applications have their roles without a setting.
    let names = |setting: &str| role(observed.cluster(), setting);
    let one = |setting: &str| names(setting).into_iter().next();
    let several = |setting: &str| match names(setting).as_slice() {
        [] => None,
        [one] => Some(Writers::One(one.clone())),
        several => Some(Writers::Several(several.to_vec())),
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
