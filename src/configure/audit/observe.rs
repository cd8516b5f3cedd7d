//! Every example through every site that serves Matrix: where it goes, by which rule, with which key.

use std::collections::BTreeMap;

use super::super::read::synapse::Cluster;
use super::super::read::{Answer, KeyValue, PoolAt, Proxy, ProxyName, Routed, ServerAt, Site, SourceLocation, Unknown};
use super::examples::Example;
use super::keys::{self, Varies};
use super::{Configuration, Settings};
use wsim_endpoints::{Classifier, Endpoint};

/// What was seen.
pub(super) struct View<'v> {
    pub(super) configuration: &'v Configuration,
    pub(super) pools: Vec<PoolView>,
    pub(super) seen: Vec<Seen<'v>>,
    /// How the main process was told.
    pub(super) main_told: String,
    /// Some pool is the main process.
    pub(super) main_known: bool,
}

/// A pool of any proxy.
#[derive(Debug, Clone)]
pub(super) struct PoolView {
    pub(super) pool: PoolAt,
    pub(super) proxy: ProxyName,
    pub(super) proxy_index: usize,
    pub(super) main: bool,
    /// What changes the key; `None` if the rule hashes nothing.
    pub(super) varies: Option<Varies>,
}

/// One example at one site.
pub(super) struct Seen<'v> {
    pub(super) example: &'v Example,
    pub(super) endpoint: &'v Endpoint,
    pub(super) went: Went,
    pub(super) rule: Option<SourceLocation>,
    pub(super) key: KeyValue,
    pub(super) rewritten: bool,
    pub(super) varies: Option<Varies>,
}

/// Where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Went {
    Pool(usize),
    Local(String),
    Unknown(Unknown),
}

impl View<'_> {
    pub(super) fn unknown(&self) -> usize {
        self.seen.iter().filter(|seen| matches!(seen.went, Went::Unknown(_))).count()
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.configuration.cluster
    }

    /// How logs may name the main process.
    pub(super) fn main_addresses(&self) -> Vec<String> {
        let servers =
            self.pools.iter().filter(|pool| pool.main).flat_map(|pool| pool.pool.servers.iter().map(move |server| (pool, server)));
        let names = servers.flat_map(|(pool, server)| {
            let named = server.name.as_ref().map(|name| format!("{}/{name}", pool.pool.name));
            std::iter::once(server.address.clone()).chain(named)
        });
        names.collect()
    }

    /// Names of the processes behind a pool, as far as Synapse's files tell.
    pub(super) fn processes(&self, pool: usize) -> Vec<Option<&str>> {
        let servers = &self.pools[pool].pool.servers;
        servers.iter().map(|server| self.cluster().at(&server.address).map(|process| process.name.as_str())).collect()
    }
}

impl Seen<'_> {
    /// The pool it went to.
    pub(super) fn pool(&self) -> Option<usize> {
        if let Went::Pool(pool) = self.went { Some(pool) } else { None }
    }

    /// `METHOD path`.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.example.method, self.example.target)
    }
}

/// Routes all examples.
pub(super) fn observe<'v>(
    configuration: &'v Configuration,
    examples: &'v [Example],
    classifier: &'v Classifier,
    settings: &Settings,
) -> View<'v> {
    let mut pools: Vec<PoolView> = Vec::new();
    let mut seen = Vec::new();
    for (proxy_index, proxy) in configuration.proxies.iter().enumerate() {
        let first = pools.len();
        pools.extend(proxy.pools.iter().map(|pool| PoolView {
            pool: pool.clone(),
            proxy: proxy.kind,
            proxy_index,
            main: false,
            varies: None,
        }));
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for (site, host) in matrix_sites(proxy) {
            for example in examples {
                let request = keys::usual(example.method, &example.target, host);
                let Routed { answer, rule, key, rewritten } = site.route(&request);
                let went = match answer {
                    Answer::Pool(index) => Went::Pool(first + index),
                    Answer::Local(what) => Went::Local(what),
                    Answer::Unknown(unknown) => Went::Unknown(unknown),
                    Answer::Server(address) => {
                        let index = *named.entry(address.clone()).or_insert_with(|| {
                            pools.push(lone(address, rule.as_ref().unwrap_or(site.location()), proxy.kind, proxy_index));
                            pools.len() - 1
                        });
                        Went::Pool(index)
                    }
                };
                let varies = matches!(key, KeyValue::Text(_)).then(|| keys::varies(site, &request)).flatten();
                if let (Went::Pool(pool), Some(varies)) = (&went, varies) {
                    let known = &mut pools[*pool].varies;
                    *known = Some(known.unwrap_or_default().or(varies));
                }
                seen.push(Seen { example, endpoint: classifier.endpoint(example.endpoint), went, rule, key, rewritten, varies });
            }
        }
    }
    let mut view = View { configuration, pools, seen, main_told: String::new(), main_known: false };
    find_main(&mut view, settings);
    view
}

fn lone(address: String, at: &SourceLocation, proxy: ProxyName, proxy_index: usize) -> PoolView {
    let server = ServerAt { address: address.clone(), name: None, weight: 1 };
    let pool = PoolAt { name: address, servers: vec![server], balance: "round robin".to_owned(), shared: true, at: at.clone() };
    PoolView { pool, proxy, proxy_index, main: false, varies: None }
}

/// Sites that hand on a Matrix request, each with a host name that its rules ask for.
fn matrix_sites(proxy: &Proxy) -> Vec<(&dyn Site, Option<&str>)> {
    let hosts: Vec<Option<&str>> =
        if proxy.hosts.is_empty() { vec![None] } else { proxy.hosts.iter().map(|host| Some(host.as_str())).collect() };
    let serves = |site: &dyn Site, host: Option<&str>| {
        PROBES
            .iter()
            .filter(|(method, target)| {
                let answer = site.route(&keys::usual(method, target, host)).answer;
                matches!(answer, Answer::Pool(_) | Answer::Server(_) | Answer::Unknown(_))
            })
            .count()
    };
    let sites = proxy.sites.iter().filter_map(|site| {
        // One host is enough: the one for which most is handed on.
        let host = hosts.iter().max_by_key(|host| serves(site.as_ref(), **host))?;
        (serves(site.as_ref(), *host) > 0).then_some((site.as_ref(), *host))
    });
    sites.collect()
}

/// Which pools are the main process: by Synapse's files, by what was said, else by where its own requests go.
fn find_main(view: &mut View<'_>, settings: &Settings) {
    let cluster = &view.configuration.cluster;
    let by_files = |address: &str| cluster.at(address).is_some_and(|process| process.name == "main");
    let known = |address: &str| by_files(address) || settings.main.iter().any(|main| main == address);
    let all = |pool: &PoolView| !pool.pool.servers.is_empty() && pool.pool.servers.iter().all(|server| known(&server.address));
    if view.pools.iter().any(all) {
        for pool in &mut view.pools {
            pool.main = all(pool);
        }
        view.main_told = if settings.main.is_empty() { "by Synapse's listeners".to_owned() } else { "as told by --main".to_owned() };
        view.main_known = true;
        return;
    }
    // One vote for each group, so that a single rule that is too wide does not decide.
    let mut groups: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for seen in view.seen.iter().filter(|seen| seen.endpoint.workers.is_empty() && seen.endpoint.group != "sliding_sync") {
        if let Went::Pool(pool) = seen.went {
            *groups.entry(&seen.endpoint.group).or_default().entry(pool).or_default() += 1;
        }
    }
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for pools in groups.values() {
        if let Some((pool, _)) = pools.iter().max_by_key(|(_, count)| **count) {
            *votes.entry(*pool).or_default() += 1;
        }
    }
    let Some((main, _)) = votes.iter().max_by_key(|(_, votes)| **votes) else {
        "unknown: no request that only it serves goes to any server; name it with --main HOST:PORT".clone_into(&mut view.main_told);
        return;
    };
    let addresses: Vec<String> = view.pools[*main].pool.servers.iter().map(|server| server.address.clone()).collect();
    for pool in &mut view.pools {
        pool.main = !pool.pool.servers.is_empty() && pool.pool.servers.iter().all(|server| addresses.contains(&server.address));
    }
    view.main_told = format!("{}, because requests that only the main process serves go there", addresses.join(", "));
    view.main_known = true;
}

const PROBES: [(&str, &str); 6] = [
    ("GET", "/_matrix/client/versions"),
    ("GET", "/_matrix/client/v3/sync?since=s1"),
    ("GET", "/_matrix/client/r0/sync?since=s1"),
    ("PUT", "/_matrix/federation/v1/send/t1"),
    ("GET", "/_matrix/media/v3/download/example.org/abc"),
    ("POST", "/_matrix/client/v3/logout"),
];
