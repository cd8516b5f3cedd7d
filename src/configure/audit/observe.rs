//! Every example request at every site that serves Matrix: its destination, the rule that decided, and the key.

use std::collections::BTreeMap;

use super::super::read::synapse::SynapseFiles;
use super::super::read::{KeyValue, Note, Proxy, RouteTarget, Routed, Site, SourceLocation, Unknown, UpstreamPool, UpstreamServer};
use super::examples::Example;
use super::keys::{self, KeyInputs};
use super::{AuditConfig, Configuration};
use wsim_endpoints::{Classifier, Endpoint};
use wsim_plan::ProxyKind;

/// The destinations of all example requests.
pub(super) struct Observed<'v> {
    pub(super) configuration: &'v Configuration,
    pub(super) pools: Vec<PoolView>,
    pub(super) observations: Vec<Observation<'v>>,
    /// Reason for taking a pool as the main process, in words.
    pub(super) main_evidence: String,
    /// Whether some pool is the main process.
    pub(super) main_known: bool,
    /// What was left out.
    pub(super) notes: Vec<Note>,
}

/// A pool of any proxy.
#[derive(Debug, Clone)]
pub(super) struct PoolView {
    pub(super) pool: UpstreamPool,
    pub(super) proxy: ProxyKind,
    pub(super) proxy_index: usize,
    pub(super) main: bool,
    /// Parts of a request that change the key; `None` if the rule hashes nothing.
    pub(super) key_inputs: Option<KeyInputs>,
}

/// One example request at one site.
pub(super) struct Observation<'v> {
    pub(super) example: &'v Example,
    pub(super) endpoint: &'v Endpoint,
    pub(super) destination: Destination,
    pub(super) rule: Option<SourceLocation>,
    pub(super) key: KeyValue,
    pub(super) rewritten: bool,
    pub(super) key_inputs: Option<KeyInputs>,
}

/// The destination of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Pool(usize),
    Local(String),
    Unknown(Unknown),
}

impl Observed<'_> {
    pub(super) fn unknown(&self) -> usize {
        self.observations.iter().filter(|observation| matches!(observation.destination, Destination::Unknown(_))).count()
    }

    pub(super) fn cluster(&self) -> &SynapseFiles {
        &self.configuration.cluster
    }

    /// The names of the main process that logs may contain.
    pub(super) fn main_addresses(&self) -> Vec<String> {
        let servers =
            self.pools.iter().filter(|pool| pool.main).flat_map(|pool| pool.pool.servers.iter().map(move |server| (pool, server)));
        let names = servers.flat_map(|(pool, server)| {
            let named = server.name.as_ref().map(|name| format!("{}/{name}", pool.pool.name));
            std::iter::once(server.address.clone()).chain(named)
        });
        names.collect()
    }

    /// Names of the processes behind a pool; `None` where Synapse's files have no process at that address.
    pub(super) fn processes(&self, pool: usize) -> Vec<Option<&str>> {
        let servers = &self.pools[pool].pool.servers;
        servers.iter().map(|server| self.cluster().at(&server.address).map(|process| process.name.as_str())).collect()
    }
}

impl Observation<'_> {
    /// The pool of the destination.
    pub(super) fn pool(&self) -> Option<usize> {
        if let Destination::Pool(pool) = self.destination { Some(pool) } else { None }
    }

    /// `METHOD path`.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.example.method, self.example.target)
    }
}

/// Routes all example requests.
pub(super) fn observe<'v>(
    configuration: &'v Configuration,
    examples: &'v [Example],
    classifier: &'v Classifier,
    config: &AuditConfig,
) -> Observed<'v> {
    let mut pools: Vec<PoolView> = Vec::new();
    let mut observations = Vec::new();
    let mut notes = Vec::new();
    for (proxy_index, proxy) in configuration.proxies.iter().enumerate() {
        let first = pools.len();
        pools.extend(proxy.pools.iter().map(|pool| PoolView {
            pool: pool.clone(),
            proxy: proxy.kind,
            proxy_index,
            main: false,
            key_inputs: None,
        }));
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for (site, host) in matrix_sites(proxy, &mut notes) {
            for example in examples {
                let request = keys::typical_request(example.method, &example.target, host);
                let Routed { target, rule, key, rewritten } = site.route(&request);
                let destination = match target {
                    RouteTarget::Pool(index) => Destination::Pool(first + index),
                    RouteTarget::Local(what) => Destination::Local(what),
                    RouteTarget::Unknown(unknown) => Destination::Unknown(unknown),
                    RouteTarget::Server(address) => {
                        let index = *named.entry(address.clone()).or_insert_with(|| {
                            pools.push(single_server_pool(address, rule.as_ref().unwrap_or(site.location()), proxy.kind, proxy_index));
                            pools.len() - 1
                        });
                        Destination::Pool(index)
                    }
                };
                let key_inputs = matches!(key, KeyValue::Text(_)).then(|| keys::key_inputs(site, &request)).flatten();
                if let (Destination::Pool(pool), Some(key_inputs)) = (&destination, key_inputs) {
                    let known = &mut pools[*pool].key_inputs;
                    *known = Some(known.unwrap_or_default().or(key_inputs));
                }
                observations.push(Observation {
                    example,
                    endpoint: classifier.endpoint(example.endpoint),
                    destination,
                    rule,
                    key,
                    rewritten,
                    key_inputs,
                });
            }
        }
    }
    let mut observed = Observed { configuration, pools, observations, main_evidence: String::new(), main_known: false, notes };
    find_main(&mut observed, config);
    observed
}

fn single_server_pool(address: String, at: &SourceLocation, proxy: ProxyKind, proxy_index: usize) -> PoolView {
    let server = UpstreamServer { address: address.clone(), name: None, weight: 1 };
    let pool = UpstreamPool { name: address, servers: vec![server], balance: "round robin".to_owned(), shared: true, at: at.clone() };
    PoolView { pool, proxy, proxy_index, main: false, key_inputs: None }
}

/// Sites that pass on Matrix requests, each with a host name that its rules expect. There may be a hundred thousand sites or names.
fn matrix_sites<'p>(proxy: &'p Proxy, notes: &mut Vec<Note>) -> Vec<(&'p dyn Site, Option<&'p str>)> {
    let hosts_max = (PROBED_MAX / proxy.sites.len().max(1)).max(1);
    let names = proxy.hosts.iter().take(hosts_max).map(|host| Some(host.as_str()));
    let hosts: Vec<Option<&str>> = if proxy.hosts.is_empty() { vec![None] } else { names.collect() };
    if let Some(site) = proxy.sites.first().filter(|_| proxy.hosts.len() > hosts_max) {
        let text = format!("only the first {hosts_max} of {} host names are tried", proxy.hosts.len());
        notes.push(Note { at: site.location().clone(), text });
    }
    let serves = |site: &dyn Site, host: Option<&str>| {
        PROBES
            .iter()
            .filter(|(method, target)| {
                let target = site.route(&keys::typical_request(method, target, host)).target;
                matches!(target, RouteTarget::Pool(_) | RouteTarget::Server(_) | RouteTarget::Unknown(_))
            })
            .count()
    };
    let sites = proxy.sites.iter().filter_map(|site| {
        // One host is enough: the one with the most requests passed on.
        let host = hosts.iter().max_by_key(|host| serves(site.as_ref(), **host))?;
        (serves(site.as_ref(), *host) > 0).then_some((site.as_ref(), *host))
    });
    let mut sites: Vec<_> = sites.take(SITES_MAX + 1).collect();
    if sites.len() > SITES_MAX
        && let Some((site, _)) = sites.pop()
    {
        let text = format!("this site and further ones are not checked, because {SITES_MAX} before it pass on Matrix requests, too");
        notes.push(Note { at: site.location().clone(), text });
    }
    sites
}

/// Sites whose requests are all tried.
const SITES_MAX: usize = 100;
/// Pairs of site and host name that are probed.
const PROBED_MAX: usize = 20_000;

/// Finds the pools that are the main process: by Synapse's files, by `--main`, or by the requests that only the main process serves.
fn find_main(observed: &mut Observed<'_>, config: &AuditConfig) {
    let cluster = &observed.configuration.cluster;
    let by_files = |address: &str| cluster.at(address).is_some_and(|process| process.name == "main");
    let known = |address: &str| by_files(address) || config.main.iter().any(|main| main == address);
    let all = |pool: &PoolView| !pool.pool.servers.is_empty() && pool.pool.servers.iter().all(|server| known(&server.address));
    if observed.pools.iter().any(all) {
        for pool in &mut observed.pools {
            pool.main = all(pool);
        }
        observed.main_evidence = if config.main.is_empty() { "by Synapse's listeners".to_owned() } else { "named by --main".to_owned() };
        observed.main_known = true;
        return;
    }
    // One vote for each group, so that a single rule that is too broad does not decide.
    let mut groups: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for observation in observed
        .observations
        .iter()
        .filter(|observation| observation.endpoint.workers.is_empty() && observation.endpoint.group != "sliding_sync")
    {
        if let Destination::Pool(pool) = observation.destination {
            *groups.entry(&observation.endpoint.group).or_default().entry(pool).or_default() += 1;
        }
    }
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for pools in groups.values() {
        if let Some((pool, _)) = pools.iter().max_by_key(|(_, count)| **count) {
            *votes.entry(*pool).or_default() += 1;
        }
    }
    let Some((main, _)) = votes.iter().max_by_key(|(_, votes)| **votes) else {
        "unknown: no request that only the main process serves reaches a server; name it with --main HOST:PORT"
            .clone_into(&mut observed.main_evidence);
        return;
    };
    let addresses: Vec<String> = observed.pools[*main].pool.servers.iter().map(|server| server.address.clone()).collect();
    for pool in &mut observed.pools {
        pool.main = !pool.pool.servers.is_empty() && pool.pool.servers.iter().all(|server| addresses.contains(&server.address));
    }
    observed.main_evidence = format!("{}, because requests that only the main process serves go there", addresses.join(", "));
    observed.main_known = true;
}

const PROBES: [(&str, &str); 6] = [
    ("GET", "/_matrix/client/versions"),
    ("GET", "/_matrix/client/v3/sync?since=s1"),
    ("GET", "/_matrix/client/r0/sync?since=s1"),
    ("PUT", "/_matrix/federation/v1/send/t1"),
    ("GET", "/_matrix/media/v3/download/example.org/abc"),
    ("POST", "/_matrix/client/v3/logout"),
];
