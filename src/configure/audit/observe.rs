//! Every example request at every site that serves Matrix: its destination, the rule that decided, and the key.

use std::collections::BTreeMap;

use super::super::read::synapse::SynapseFiles;
use super::super::read::{Delivery, KeyValue, Note, RouteTarget, Routed, SourceLocation, Unknown, UpstreamPool, UpstreamServer};
use super::examples::Example;
use super::keys::{self, KeyInputs};
use super::sites::{self, Sites, View};
use super::{AuditConfig, Configuration, foreign};
use wsim_endpoints::{Classifier, Endpoint};
use wsim_http::Host;
use wsim_plan::ProxyKind;

/// The destinations of all example requests.
pub(super) struct Observed<'v> {
    pub(super) configuration: &'v Configuration,
    pub(super) pools: Vec<PoolView>,
    /// The sites that were asked.
    pub(super) views: Vec<View<'v>>,
    pub(super) observations: Vec<Observation<'v>>,
    /// Reason for taking a pool as the main process, in words.
    pub(super) main_evidence: String,
    /// Whether some pool is the main process.
    pub(super) main_known: bool,
    /// One of several sites of which none can be told to be Matrix.
    pub(super) undecided: Option<SourceLocation>,
    /// Whether matrix-authentication-service gives out the access tokens, which then change every few minutes and name no user.
    pub(super) short_lived_tokens: bool,
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
    /// Whether some site sends requests there, for Matrix or for the home page.
    pub(super) is_reached: bool,
    /// Parts of a request that change the key; `None` if the rule hashes nothing.
    pub(super) key_inputs: Option<KeyInputs>,
}

/// One example request at one site.
pub(super) struct Observation<'v> {
    pub(super) example: &'v Example,
    pub(super) endpoint: &'v Endpoint,
    /// The site, by its index in [`Observed::views`].
    pub(super) view: usize,
    pub(super) destination: Destination,
    pub(super) rule: Option<SourceLocation>,
    pub(super) key: KeyValue,
    pub(super) rewritten: bool,
    pub(super) key_inputs: Option<KeyInputs>,
    pub(super) delivery: Option<Delivery>,
}

/// The destination of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Pool(usize),
    Local(String),
    /// A program beside Synapse that is meant to serve the request.
    Foreign,
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
    let mut firsts = Vec::new();
    for (proxy_index, proxy) in configuration.proxies.iter().enumerate() {
        let first = pools.len();
        pools.extend(proxy.pools.iter().map(|pool| PoolView {
            pool: pool.clone(),
            proxy: proxy.kind,
            proxy_index,
            main: false,
            is_reached: false,
            key_inputs: None,
        }));
        firsts.push(first);
    }
    let Sites { views, others, undecided } = sites::of(configuration, config, &mut notes);
    for (proxy, pool) in others {
        pools[firsts[proxy] + pool].is_reached = true;
    }
    let mut named: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (view_index, view) in views.iter().enumerate() {
        let proxy = &configuration.proxies[view.proxy];
        for example in examples.iter().filter(|example| view.asked.has(&example.target)) {
            let request = keys::typical_request(example.method, &example.target, view.host.as_deref());
            let Routed { target, rule, key, rewritten, delivery } = view.site.route(&request);
            let destination = match target {
                RouteTarget::Pool(index) => Destination::Pool(firsts[view.proxy] + index),
                RouteTarget::Local(what) => Destination::Local(what),
                RouteTarget::Unknown(unknown) => Destination::Unknown(unknown),
                RouteTarget::Server(address) => {
                    let index = *named.entry((view.proxy, address.clone())).or_insert_with(|| {
                        pools.push(single_server_pool(address, rule.as_ref().unwrap_or(view.site.location()), proxy.kind, view.proxy));
                        pools.len() - 1
                    });
                    Destination::Pool(index)
                }
            };
            let key_inputs = matches!(key, KeyValue::Text(_)).then(|| keys::key_inputs(view.site, &request)).flatten();
            if let (Destination::Pool(pool), Some(key_inputs)) = (&destination, key_inputs) {
                let known = &mut pools[*pool].key_inputs;
                *known = Some(known.unwrap_or_default().or(key_inputs));
            }
            observations.push(Observation {
                example,
                endpoint: classifier.endpoint(example.endpoint),
                view: view_index,
                destination,
                rule,
                key,
                rewritten,
                key_inputs,
                delivery,
            });
        }
    }
    let mut observed = Observed {
        configuration,
        pools,
        views,
        observations,
        main_evidence: String::new(),
        main_known: false,
        undecided,
        short_lived_tokens: false,
        notes,
    };
    foreign::set_apart(&mut observed, &config.not_synapse);
    find_main(&mut observed, config);
    observed
}

fn single_server_pool(address: String, at: &SourceLocation, proxy: ProxyKind, proxy_index: usize) -> PoolView {
    let server = UpstreamServer { address: address.clone(), name: None, weight: 1 };
    let pool = UpstreamPool { name: address, servers: vec![server], balance: "round robin".to_owned(), shared: true, at: at.clone() };
    PoolView { pool, proxy, proxy_index, main: false, is_reached: true, key_inputs: None }
}

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
    let mut spread: Option<usize> = None;
    for observation in observed.observations.iter().filter(|observation| is_main_only(observation)) {
        if let Destination::Pool(pool) = observation.destination {
            if !may_be_one_process(&observed.pools[pool]) {
                spread = spread.or(Some(pool));
                continue;
            }
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
        observed.main_evidence = match spread {
            Some(pool) => format!(
                "unknown: requests that only the main process serves are spread over {}, and there is one main process",
                wsim_text::list(&observed.pools[pool].pool.servers.iter().map(|server| server.address.as_str()).collect::<Vec<_>>())
            ),
            None => "unknown: no request that only the main process serves reaches a server; name it with --main HOST:PORT".to_owned(),
        };
        return;
    };
    let mut addresses: Vec<String> = observed.pools[*main].pool.servers.iter().map(|server| server.address.clone()).collect();
    for address in federation_listener(observed) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    for pool in &mut observed.pools {
        pool.main = !pool.pool.servers.is_empty() && pool.pool.servers.iter().all(|server| addresses.contains(&server.address));
    }
    observed.main_evidence = format!("{}, because requests that only the main process serves go there", addresses.join(", "));
    observed.main_known = true;
}

/// Whether the servers of a pool may be addresses of one process, as `127.0.0.1:8008` and `[::1]:8008` are.
fn may_be_one_process(pool: &PoolView) -> bool {
    let is_here =
        |address: &str| !address.starts_with("unix:") && Host::read(address.as_bytes()).is_some_and(|host| host.is_this_machine());
    let resolved = |address: &str| match address.rsplit_once(':') {
        Some((_, port)) if is_here(address) => format!("localhost:{port}"),
        _ => address.to_owned(),
    };
    let mut addresses = pool.pool.servers.iter().map(|server| resolved(&server.address));
    addresses.next().is_some_and(|first| addresses.all(|other| other == first))
}

fn is_main_only(observation: &Observation<'_>) -> bool {
    observation.endpoint.workers.is_empty() && observation.endpoint.group != "sliding_sync"
}

/// The address at which the main process serves other servers, if their site has another one than the clients' site: what no table gives to
/// a worker goes there, and nothing of the clients'.
fn federation_listener(observed: &Observed<'_>) -> Vec<String> {
    let of_servers = |observation: &&Observation<'_>| !observed.views[observation.view].asked.clients;
    let found = observed.observations.iter().filter(of_servers).filter(|observation| is_main_only(observation));
    let Some(pool) = found.filter_map(Observation::pool).next() else { return Vec::new() };
    let serves_clients = observed.observations.iter().any(|other| other.pool() == Some(pool) && !of_servers(&other));
    if serves_clients { Vec::new() } else { observed.pools[pool].pool.servers.iter().map(|server| server.address.clone()).collect() }
}
