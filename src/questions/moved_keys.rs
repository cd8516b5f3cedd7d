//! One worker more in a pool with a hash: which keys move, how much of the load comes to cold caches, and for how long.
//!
//! Keys are those of the log, servers are chosen by the proxy's exact rule ([`wsim_balance`]) before and after. A modulo moves N/(N+1) of the keys, a ring or rendezvous hashing 1/(N+1). The first request of a
//! kind by a key that moved finds cold caches, as after a restart.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;

use wsim_endpoints::Endpoint;
use wsim_plan::route::Destination;
use wsim_plan::{BalancerError, CheckedPlan, Fault, Key, Plan, Pool, ProxyKind, Spread};
use wsim_stats::Interval;
use wsim_trace::{NameId, Request, Trace, flag};

/// A pool with a hash, by its own rule and by the other kind of hash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedKeys {
    pub pool: String,
    /// In the proxy's words.
    pub balance: String,
    pub key: String,
    /// Whether it is the plan's own rule.
    pub is_own: bool,
    pub servers: usize,
    pub keys: u64,
    /// Shares of keys, of their requests and of their CPU that go to another server than before.
    pub keys_moved: f64,
    pub requests_moved: f64,
    pub cpu_moved: f64,
    /// What a hash that moves as few as can be, and one that moves as a modulo does, would move of the keys.
    pub least: f64,
    pub modulo: f64,
    /// Until half and nine tenths of the moved keys have sent a request, seconds.
    pub half_seconds: f64,
    pub most_seconds: f64,
    /// CPU that cold caches cost in all, seconds.
    pub extra_cpu_seconds: Interval,
    /// Load of the busiest server over the mean of the pool, by CPU, before and after.
    pub skew: [f64; 2],
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddedWorker {
    pub plan: String,
    pub seconds: f64,
    /// Cost of a request with cold caches over that with warm ones, assumed.
    pub cold: Interval,
    pub pools: Vec<MovedKeys>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AddedWorkerError {
    #[error("no pool of {0} hashes a key: a worker more takes its share of the requests at once, and no key moves")]
    NoHash(String),
    #[error("the requests of the pools of {0} with a hash have no keys in this log: give Synapse's own log, or a proxy's with a user")]
    NoKeys(String),
    #[error(transparent)]
    Balancer(#[from] BalancerError),
    #[error(transparent)]
    Plan(#[from] Fault),
}

/// What a worker more in each pool with a hash moves.
///
/// # Errors
/// No pool has a hash, no request has a key.
pub fn added_worker(trace: &Trace, endpoints: &[Endpoint], plan: &CheckedPlan) -> Result<AddedWorker, AddedWorkerError> {
    let keyed: Vec<usize> = (0..plan.pools.len()).filter(|pool| matches!(plan.rule(*pool).spread, Spread::Keyed { .. })).collect();
    if keyed.is_empty() {
        return Err(AddedWorkerError::NoHash(plan.name.clone()));
    }
    let pools_of: Vec<Option<usize>> = endpoints
        .iter()
        .map(|endpoint| match plan.route(endpoint) {
            Destination::Pool(pool) if !endpoint.internal => Some(pool),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    let mut ends: Option<(i64, i64)> = None;
    for pool in keyed {
        let Some(key) = plan.rule(pool).key.clone() else { continue };
        let is_of_pool = |request: &Request| {
            let endpoint = usize::from(request.endpoint.0);
            !request.has(flag::INTERNAL) && !request.has(flag::FOREIGN) && pools_of.get(endpoint).copied().flatten() == Some(pool)
        };
        let keys = Keys::of(trace, &key, is_of_pool);
        if let Some((first, last)) = keys.ends {
            ends = Some(ends.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
        }
        if keys.of.is_empty() {
            continue;
        }
        for (balance, is_own) in rules(&plan.pools[pool], plan.proxy.kind) {
            found.extend(moved(plan, pool, &key, &balance, is_own, &keys)?);
        }
    }
    if found.is_empty() {
        return Err(AddedWorkerError::NoKeys(plan.name.clone()));
    }
    let seconds = ends.map_or(0.0, |(first, last)| (last - first) as f64 / 1e6);
    Ok(AddedWorker { plan: plan.name.clone(), seconds, cold: COLD, pools: found })
}

/// The pool's own rule, and with nginx the other of its two hashes.
fn rules(pool: &Pool, proxy: ProxyKind) -> Vec<(String, bool)> {
    let own = pool.balance.trim();
    let mut rules = vec![(own.to_owned(), true)];
    if proxy == ProxyKind::Nginx && own.starts_with("hash") {
        rules.push((own.strip_suffix(" consistent").map_or_else(|| format!("{own} consistent"), str::to_owned), false));
    }
    rules
}

/// One key.
#[derive(Debug, Clone, Default)]
struct KeyLoad {
    first_us: i64,
    requests: u64,
    cpu_us: f64,
    /// CPU of the first request of each endpoint.
    first_cpu_us: f64,
}

/// The keys of a pool's requests, in a fixed order.
struct Keys {
    of: Vec<(String, KeyLoad)>,
    ends: Option<(i64, i64)>,
}

impl Keys {
    fn of(trace: &Trace, key: &Key, is_of_pool: impl Fn(&Request) -> bool) -> Self {
        let mut loads: HashMap<NameId, KeyLoad> = HashMap::new();
        let mut kinds: HashSet<(NameId, u16)> = HashSet::new();
        let mut ends = None;
        for request in trace.requests().filter(is_of_pool) {
            let name = name_of(key, &request);
            let (first, _) = *ends.get_or_insert((request.arrival_us, request.arrival_us));
            ends = Some((first, request.arrival_us));
            if !name.is_some() {
                continue;
            }
            let load = loads.entry(name).or_insert_with(|| KeyLoad { first_us: request.arrival_us, ..KeyLoad::default() });
            load.requests += 1;
            load.cpu_us += f64::from(request.cpu_us);
            if kinds.insert((name, request.endpoint.0)) {
                load.first_cpu_us += f64::from(request.cpu_us);
            }
        }
        let mut of: Vec<(String, KeyLoad)> = loads.into_iter().map(|(name, load)| (text_of(key, trace.names.text(name)), load)).collect();
        of.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { of, ends }
    }
}

/// The part of a request that is hashed.
fn name_of(key: &Key, request: &Request) -> NameId {
    match key {
        Key::User | Key::Token => request.user,
        Key::Address | Key::Origin => request.peer,
        Key::Room => request.room,
        Key::Uri => request.template,
        Key::Header(name) if name == "authorization" => request.user,
        Key::Header(name) if matches!(name.as_str(), "x-forwarded-for" | "x-real-ip") => request.peer,
        Key::Header(_) => NameId::NONE,
    }
}

/// As the proxy hashes it: of a user the part of his token that names him, the localpart in base64.
fn text_of(key: &Key, name: &str) -> String {
    match (key, name.strip_prefix('@')) {
        (Key::User | Key::Token | Key::Header(_), Some(id)) => STANDARD_NO_PAD.encode(id.split(':').next().unwrap_or(id)),
        _ => name.to_owned(),
    }
}

fn moved(
    plan: &CheckedPlan,
    pool: usize,
    key: &Key,
    balance: &str,
    is_own: bool,
    keys: &Keys,
) -> Result<Option<MovedKeys>, AddedWorkerError> {
    let mut before: Plan = plan.clone().into_plan();
    balance.clone_into(&mut before.pools[pool].balance);
    let mut after = before.clone();
    add_server(&mut after.pools[pool]);
    let servers = before.pools[pool].size();
    let [before, after] = [before, after].map(Plan::check);
    let (before, after) = (before?, after?);
    let (old, new) = (before.balancer(pool)?, after.balancer(pool)?);
    let mut shares = [0.0; 3];
    let mut all = [0.0; 3];
    let mut extra_us = 0.0;
    let mut loads = [vec![0.0; servers], vec![0.0; servers + 1]];
    let mut returned: Vec<i64> = Vec::new();
    for (text, load) in &keys.of {
        let (Some(from), Some(to)) = (old.server_of_key(text.as_bytes()), new.server_of_key(text.as_bytes())) else { return Ok(None) };
        let own = [1.0, load.requests as f64, load.cpu_us];
        (0..3).for_each(|index| all[index] += own[index]);
        loads[0][from] += load.cpu_us;
        loads[1][to] += load.cpu_us;
        if from != to {
            (0..3).for_each(|index| shares[index] += own[index]);
            extra_us += load.first_cpu_us;
            returned.push(load.first_us);
        }
    }
    returned.sort_unstable();
    let first = keys.ends.map_or(0, |(first, _)| first);
    let after_share = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = ((returned.len() as f64 * share).ceil() as usize).max(1) - 1;
        returned.get(index).map_or(0.0, |at| (at - first) as f64 / 1e6)
    };
    let share = |index: usize| if all[index] > 0.0 { shares[index] / all[index] } else { 0.0 };
    let skew = |loads: &[f64]| {
        let mean = loads.iter().sum::<f64>() / loads.len().max(1) as f64;
        if mean > 0.0 { loads.iter().copied().fold(0.0, f64::max) / mean } else { 1.0 }
    };
    let one_more = (servers + 1) as f64;
    Ok(Some(MovedKeys {
        pool: plan.pools[pool].name.clone(),
        balance: balance.to_owned(),
        key: key.to_string(),
        is_own,
        servers,
        keys: keys.of.len() as u64,
        keys_moved: share(0),
        requests_moved: share(1),
        cpu_moved: share(2),
        least: one_more.recip(),
        modulo: 1.0 - one_more.recip(),
        half_seconds: after_share(0.5),
        most_seconds: after_share(0.9),
        extra_cpu_seconds: Interval { value: COLD.value - 1.0, low: COLD.low - 1.0, high: COLD.high - 1.0 }.scaled(extra_us / 1e6),
        skew: [skew(&loads[0]), skew(&loads[1])],
    }))
}

/// One server more: the next port of the last address, or one more of those that are only counted.
fn add_server(pool: &mut Pool) {
    let Some(last) = pool.servers.last() else {
        pool.workers = pool.workers.map(|workers| workers + 1);
        return;
    };
    let address = last.rsplit_once('=').map_or(last.as_str(), |(address, _)| address);
    let next = |step: u16| match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => format!("{host}:{}", port.parse::<u16>().unwrap_or(0).wrapping_add(step)),
        _ => format!("{address}.{step}"),
    };
    let is_new = |text: &String| pool.servers.iter().all(|server| server.split('=').next() != Some(text));
    let new = (1..=1000).map(next).find(is_new).unwrap_or_else(|| next(1001));
    pool.servers.push(new);
}

/// CPU of a request with cold caches over that with warm ones, assumed: as after a restart; an initial sync was measured at 1.5 to 7.5 times.
const COLD: Interval = Interval { value: 2.0, low: 1.2, high: 5.0 };

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::EndpointId;

    fn plan(balance: &str, servers: usize) -> CheckedPlan {
        let servers: Vec<String> = (0..servers).map(|number| format!("\"127.0.0.1:{}\"", 8081 + number)).collect();
        let text = format!(
            "name = \"p\"\nsynapse = \"1.157\"\n[proxy]\nkind = \"nginx\"\n[[pool]]\nname = \"sync\"\nendpoints = [\"sync\"]\nservers = [{}]\nbalance = \"{balance}\"\nkey = \"user\"\n",
            servers.join(", ")
        );
        Plan::from_toml(&text, "test").unwrap()
    }

    /// Two requests of each of a thousand users, one user a second.
    fn trace() -> Trace {
        let mut trace = Trace::new();
        for number in 0..1000 {
            let user = trace.names.intern(format!("@user{number}:example.org").as_bytes());
            for (ms, cpu_us) in [(0, 10_000), (500, 2_000)] {
                let arrival_us = (number * 1000 + ms) * 1000;
                trace.push(Request { arrival_us, user, endpoint: EndpointId(0), cpu_us, flags: flag::COST, ..Request::default() });
            }
        }
        trace.seal();
        trace
    }

    fn sync() -> Vec<Endpoint> {
        vec![Endpoint {
            group: "sync".to_owned(),
            workers: vec!["generic_worker".to_owned()],
            stream: None,
            condition: None,
            any_worker: true,
            pattern: None,
            internal: false,
        }]
    }

    #[test]
    fn a_ring_moves_one_of_n_plus_one_and_a_modulo_all_but_one() {
        let found = added_worker(&trace(), &sync(), &plan("hash $mxid_localpart consistent", 3)).unwrap();
        let [ring, modulo] = found.pools.as_slice() else { panic!("{:?}", found.pools) };
        assert_eq!((ring.keys, ring.servers, ring.is_own, modulo.is_own), (1000, 3, true, false));
        // 160 points a server: an arc differs from its share by 8 %, a sample of a thousand keys by 5 %.
        assert!((ring.keys_moved - 0.25).abs() < 0.05 && (ring.least - 0.25).abs() < 1e-9, "{ring:?}");
        assert!((modulo.keys_moved - 0.75).abs() < 0.05 && (modulo.modulo - 0.75).abs() < 1e-9, "{modulo:?}");
        assert!((ring.cpu_moved - ring.keys_moved).abs() < 1e-9, "all keys cost the same");
        // The first request of each moved key costs 10 ms once more.
        assert!((ring.extra_cpu_seconds.value - ring.keys_moved * 1000.0 * 0.01).abs() < 1e-6, "{ring:?}");
        // Keys come evenly within a thousand seconds.
        assert!((ring.half_seconds - 500.0).abs() < 60.0 && (ring.most_seconds - 900.0).abs() < 60.0, "{ring:?}");
    }

    #[test]
    fn nothing_is_said_without_a_hash_or_without_keys() {
        let even = plan("round robin", 2);
        assert!(matches!(added_worker(&trace(), &sync(), &even), Err(AddedWorkerError::NoHash(_))));
        let mut nobody = Trace::new();
        nobody.push(Request::default());
        nobody.seal();
        assert!(matches!(added_worker(&nobody, &sync(), &plan("hash $mxid_localpart", 2)), Err(AddedWorkerError::NoKeys(_))));
    }

    #[test]
    fn a_server_more_has_the_next_port_that_is_free() {
        let mut pool = Pool { servers: vec!["127.0.0.1:8082".to_owned(), "127.0.0.1:8081=2".to_owned()], ..Pool::default() };
        add_server(&mut pool);
        assert_eq!(pool.servers[2], "127.0.0.1:8083");
        let mut counted = Pool { workers: Some(2), ..Pool::default() };
        add_server(&mut counted);
        assert_eq!((counted.workers, counted.servers.len()), (Some(3), 0));
    }
}
